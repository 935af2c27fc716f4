"""Where a document of Azure's holds extensions: through machines, answers, loops and nested deployments; with a note of all that it passes by.

Called by `templates`. A nested deployment counts in the scope that it says: `outer` (the default) sees the parameters and variables around it,
`inner` its own alone. What is linked is not fetched. Pure; nothing is raised for odd content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from reconciler.manifests.importing.evaluation import LONGEST, Evaluator, Unknown

VM, SET, DEPLOYMENT = "microsoft.compute/virtualmachines", "microsoft.compute/virtualmachinescalesets", "microsoft.resources/deployments"
EXTENSIONS = ("extensions", f"{VM}/extensions", f"{SET}/extensions")
SECURE = ("securestring", "secureobject")
IDENTITY = re.compile(
    r"/?subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.Compute/(virtualMachines|virtualMachineScaleSets)/([^/]+)(/extensions/[^/]+$)?",
    re.IGNORECASE,
)
DEEPEST = 24  # resources within resources: ARM has five levels, and deployments in these
MOST = 5_000  # resources that loops within loops may come to


@dataclass(frozen=True, slots=True)
class Machine:
    """Where an extension belongs. Empty: not said. `scale_set`: of a set, not of a VM."""

    name: str = ""
    scale_set: bool = False
    subscription: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """What encloses a resource: its type, its machine, the values that count there, and what is named there (symbol or name → type/name path)."""

    evaluator: Evaluator
    named: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    machine: Machine = Machine()
    notes: tuple[str, ...] = ()
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """One extension as it is written, and where."""

    raw: Mapping[str, Any]
    place: Place


@dataclass
class Walk:
    """`left`: resources that are no extension, by type. `notes`: what else could not be kept."""

    found: list[Written] = field(default_factory=list)
    left: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _visited: int = 0

    def document(self, document: Any, parameters: Mapping[str, Any]) -> None:
        """A template, an answer, a request's body, or an excerpt of one of them."""
        exported = _in(document, "template")
        if isinstance(exported, Mapping) and "resources" not in document:  # as `az group export` and a deployment's exportTemplate answer
            document = exported
        if isinstance(document, Mapping) and "type" not in document:
            self._template(document, Machine(), _evaluator(document, parameters), Place(Evaluator()))
        else:
            self._all(document if isinstance(document, list) else [document], Place(Evaluator(given=parameters)))

    def _template(self, template: Mapping[str, Any], machine: Machine, evaluator: Evaluator, around: Place) -> None:
        for part in ("outputs", "functions"):
            if template.get(part):
                self.notes.append(f"{part} of a template {'say nothing of an extension' if part == 'outputs' else 'are not worked out'}: left out")
        place = Place(evaluator, _named(template.get("resources"), evaluator), "", machine, around.notes, around.depth + 1)
        self._resource(template, place)

    def _all(self, held: Any, place: Place) -> None:
        """Resources, as a list or under symbolic names."""
        for item in _listed(held):
            if isinstance(item, Mapping) and place.depth < DEEPEST:
                self._each(item, place)
            elif isinstance(item, Mapping):
                self.notes.append(f"resources are more than {DEEPEST} levels deep: what is below is left out")

    def _each(self, item: Mapping[str, Any], place: Place) -> None:
        for turn in _turns(item, place):
            self._visited += 1
            if self._visited > MOST:
                self.notes += [] if self._visited > MOST + 1 else [f"these are more than {MOST} resources: what follows is left out"]
                return
            self._conditioned(item, turn)

    def _conditioned(self, item: Mapping[str, Any], place: Place) -> None:
        try:
            wanted = place.evaluator.value(item.get("condition", True))
        except Unknown:
            wanted = None
        if wanted is False:
            self.notes.append(f"{_told(item, place)} is left out: its condition is false")
        elif wanted is True:
            self._resource(item, place)
        else:
            self._resource(item, replace(place, notes=(*place.notes, _of(item, place, "condition is not worked out: it is taken as true"))))

    def _resource(self, item: Mapping[str, Any], place: Place) -> None:
        properties, kind = item.get("properties"), full_type(item, place.kind)
        if kind.casefold() in EXTENSIONS or (not kind and isinstance(properties, Mapping) and {"publisher", "type"} <= properties.keys()):
            self._extension(item, place, scale_set=kind.casefold().startswith(SET))
            return
        if kind.casefold() == DEPLOYMENT or isinstance(_in(properties, "template"), Mapping):
            self._deployment(item, kind, place)
            return
        machine = _machine(item, kind, place) or place.machine
        if kind and item.get("existing") is not True:
            self.left.setdefault(kind, []).append(_name(item, place))
        inside = replace(place, kind=kind, machine=machine, depth=place.depth + 1)
        self._all(item.get("resources"), inside)
        self._all(item.get("value"), inside)
        for holder in (item, properties, _in(item, "virtualMachineProfile"), _in(properties, "virtualMachineProfile")):
            for one in _listed(_in(_in(holder, "extensionProfile"), "extensions")):
                if isinstance(one, Mapping):
                    self._extension(one, inside, scale_set=True)

    def _extension(self, item: Mapping[str, Any], place: Place, *, scale_set: bool) -> None:
        if item.get("existing") is not True:  # else it is referred to, not declared
            self.found.append(Written(item, replace(place, machine=replace(place.machine, scale_set=place.machine.scale_set or scale_set))))

    def _deployment(self, item: Mapping[str, Any], kind: str, place: Place) -> None:
        """A nested template: in its own group and subscription, and in the scope that it says. A request's body is a scope of its own."""
        name, properties = _name(item, place), item.get("properties")
        if _in(properties, "parametersLink"):
            self.notes.append(f"deployment {name}: its parameters are at {_where(_in(properties, 'parametersLink'), place)}, which is not fetched")
        template = _in(properties, "template")
        if not isinstance(template, Mapping):
            link = _in(properties, "templateLink")
            told = f"its template is at {_where(link, place)}, which is not fetched: import that file too" if link else "it holds no template"
            self.notes.append(f"deployment {name}: {told}")
            return
        machine = Machine(subscription=_placed(item, "subscriptionId", place, place.machine.subscription))
        machine = replace(machine, group=_placed(item, "resourceGroup", place, place.machine.group))
        scope = str(_in(_in(properties, "expressionEvaluationOptions"), "scope") or "").casefold()
        inner = scope == "inner" or not kind
        self._template(template, machine, _evaluator(template, _given(_in(properties, "parameters"), place)) if inner else place.evaluator, place)


def full_type(item: Mapping[str, Any], enclosing: str) -> str:
    """A child's type is said without that of the resource which holds it. An answer that is cut short has its id alone."""
    own = str(item.get("type") or "")
    if not own and (identity := IDENTITY.match(str(item.get("id", "")))) and identity[5]:
        return f"Microsoft.Compute/{identity[3]}/extensions"
    return f"{enclosing}/{own}" if own and enclosing and "." not in own.partition("/")[0] else own


def _in(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _listed(held: Any) -> list[Any]:
    return list(held.values()) if isinstance(held, Mapping) else held if isinstance(held, list) else []


def _maps(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        yield from ((str(name), item) for name, item in value.items() if isinstance(item, Mapping))


def _evaluator(template: Mapping[str, Any], given: Mapping[str, Any]) -> Evaluator:
    """The scope of a template. The value of a secure parameter is nobody's to copy."""
    declared, variables = dict(_maps(template.get("parameters"))), template.get("variables")
    secure = {
        name: Unknown(f"the parameter {name} is a secret, whose value is not copied")
        for name, said in declared.items()
        if str(said.get("type", "")).casefold() in SECURE
    }
    defaults = {name: said["defaultValue"] for name, said in declared.items() if "defaultValue" in said}
    known = {name.casefold(): value for name, value in given.items()}
    return Evaluator(defaults, variables if isinstance(variables, Mapping) else {}, known | {name.casefold(): why for name, why in secure.items()})


def _given(parameters: Any, place: Place) -> dict[str, Any]:
    """What a deployment hands to its template, worked out around it."""
    found: dict[str, Any] = {}
    for name, said in _maps(parameters):
        try:
            found[name] = place.evaluator.value(said["value"]) if "value" in said else Unknown(f"the parameter {name} is read from a vault")
        except Unknown as why:
            found[name] = why
    return found


def _turns(item: Mapping[str, Any], place: Place) -> Iterator[Place]:
    """The place once for each turn of a loop; once, with a note, where their number is not known."""
    loop = item.get("copy")
    if not isinstance(loop, Mapping):
        yield place
        return
    try:
        count = place.evaluator.value(loop.get("count"))
        name = str(place.evaluator.value(loop.get("name", "")))
    except Unknown as why:
        count, name = str(why), ""
    if isinstance(count, int) and 0 <= count <= LONGEST:
        yield from (replace(place, evaluator=place.evaluator.looped(name, index)) for index in range(count))
        return
    yield replace(place, notes=(*place.notes, _of(item, place, f"copy is not worked out ({count}): one is made, not a number of them")))


def _of(item: Mapping[str, Any], place: Place, what: str) -> str:
    """A note that an extension has of itself, or of what it lies in."""
    return what if full_type(item, place.kind).casefold() in EXTENSIONS else f"{_told(item, place)} around it: {what}"


def _told(item: Mapping[str, Any], place: Place) -> str:
    return f"{full_type(item, place.kind)} {_name(item, place)}".strip()


def _name(item: Mapping[str, Any], place: Place) -> str:
    """As a note says it: where it cannot be worked out, as it is written."""
    written = str(item.get("name") or "")
    try:
        return str(place.evaluator.value(written)) or "without a name"
    except Unknown:
        return written if len(written) <= 80 else written[:77] + "..."


def _named(resources: Any, evaluator: Evaluator) -> dict[str, str]:
    """What `dependsOn` may say in place of an id: symbolic names, and plain ones."""
    found: dict[str, str] = {}
    symbols = resources.items() if isinstance(resources, Mapping) else (("", item) for item in _listed(resources))
    for symbol, item in symbols:
        if not isinstance(item, Mapping) or item.get("copy"):
            continue
        try:
            name = str(evaluator.value(item.get("name", "")))
        except Unknown:
            continue
        namespace, *types = full_type(item, "").split("/")
        path = "/".join([namespace, *(part for pair in zip(types, name.split("/"), strict=False) for part in pair)])
        found |= dict.fromkeys((str(symbol).casefold(), name.casefold()), path)
    return found


def _machine(item: Mapping[str, Any], kind: str, place: Place) -> Machine | None:
    if kind.casefold() not in (VM, SET):
        return None
    identity = IDENTITY.match(str(item.get("id", "")))
    try:
        name = str(place.evaluator.value(item.get("name", "")))
    except Unknown:
        name = ""
    subscription, group = (identity[1], identity[2]) if identity else (place.machine.subscription, place.machine.group)
    return Machine(name, kind.casefold() == SET, subscription, group)


def _placed(item: Mapping[str, Any], name: str, place: Place, around: str) -> str:
    """Where a deployment goes; empty, and so asked for, where that is not worked out."""
    try:
        value = place.evaluator.value(item.get(name, around))
    except Unknown:
        return ""
    return value if isinstance(value, str) else ""


def _where(link: Any, place: Place) -> str:
    """Where a linked template is, without what may be a signature."""
    try:
        said = place.evaluator.value(_in(link, "uri") or _in(link, "relativePath") or _in(link, "id") or "")
    except Unknown:
        return "an address that is worked out"
    parts = urlsplit(str(said))
    return f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.scheme and parts.hostname else parts.path or "no address"


def summary(walk: Walk) -> Sequence[str]:
    """What was passed by, once each: one line a type."""
    lines = []
    for kind, names in walk.left.items():
        shown = [*dict.fromkeys(names)]
        more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
        but = " (their extensions alone are kept)" if kind.casefold() in (VM, SET) else ""
        lines.append(f"left out: {kind} {', '.join(shown[:20])}{more}{but}")
    return [*lines, *dict.fromkeys(walk.notes)]
