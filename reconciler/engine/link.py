"""From what was written to a graph: parts lifted, references resolved, left-out values derived, edges drawn, rules run.

Called with a `Manifest`; yields `Linked`. Contacts no host. Every error of every host is found in one pass (LNK codes below).

    LNK001 a reference to what is not declared      LNK005 two entries of a map that are one to the host
    LNK002 two resources that are one to the host   LNK006 a cycle
    LNK003 a value that contradicts its source      LNK007 dependsOn names nothing
    LNK004 a value that is missing                  LNK008 a name that Windows brings is declared
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import networkx as nx

from reconciler.core.calls import Later
from reconciler.core.collecting import uncollected
from reconciler.core.diagnostics import Diagnostic, Label, Position, Severity, error
from reconciler.core.ids import Key, ResourceId
from reconciler.core.kinds import Kind, Registry
from reconciler.core.model import Existing, FieldMarks, construct
from reconciler.core.resources import Common, Fleet, Host, How, Manifest, Need, Resource, Source, Written
from reconciler.engine.judge import judge
from reconciler.engine.shapes import Shape, shape
from reconciler.engine.world import HostWorld

LATER_KEY = "later:"
ROUNDS = 8  # an empty one costs nothing


@dataclass(frozen=True, slots=True)
class Linked:
    """The declared fleet as a graph. `complete`: everything loaded and linked, so pruning may be thought of."""

    fleet: Fleet
    hosts: Mapping[str, Host]
    resources: Mapping[str, tuple[Resource, ...]]
    diagnostics: tuple[Diagnostic, ...] = ()
    complete: bool = True
    rules_suspended: int = 0  # rule × host pairs that wait for a first look

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity is Severity.ERROR)


@uncollected()
def link(manifest: Manifest, registry: Registry) -> Linked:
    """Never raises for bad input: what is wrong stands in `diagnostics`, after the manifest's own, sorted by place."""
    by_host: dict[str, list[Written]] = {name: [] for name in manifest.hosts}
    for written in manifest.written:
        by_host.setdefault(written.id.host, []).append(written)
    resources: dict[str, tuple[Resource, ...]] = {}
    found: list[Diagnostic] = []
    suspended = 0
    for name, writings in by_host.items():
        linker = _HostLinker(name, registry, writings)
        resources[name] = linker.link()
        found += linker.diagnostics
        if not linker.failed and name in manifest.hosts:
            verdict = judge(HostWorld(manifest.hosts[name], registry, resources[name]), registry.rules)
            found += verdict.diagnostics
            suspended += len(verdict.suspended)
    diagnostics = (*manifest.diagnostics, *sorted(found, key=_place))
    complete = manifest.complete and not any(d.severity is Severity.ERROR for d in found)
    return Linked(manifest.fleet, manifest.hosts, resources, diagnostics, complete, suspended)


def _place(diagnostic: Diagnostic) -> tuple[Any, ...]:
    at = diagnostic.position
    return (at is None, at or Position("", 0, 0), diagnostic.code, diagnostic.subject)


@dataclass(slots=True)
class _Draft:
    """A resource in the making. `metadata_name` is what From("metadata.name") gives: of a part, the entry's name."""

    id: ResourceId
    kind: Kind[Any, Any]
    shape: Shape
    values: dict[str, Any]
    where: Mapping[str, Position]
    common: Common
    metadata_name: str
    broken: bool
    spec: Any = None  # once every value is filled in
    sources: dict[str, Source] = field(default_factory=dict)
    needs: dict[ResourceId, Need] = field(default_factory=dict)
    deriving: set[str] = field(default_factory=set)
    derived: set[str] = field(default_factory=set)
    dangling: set[str] = field(default_factory=set)  # references that lead nowhere: what follows from them is not missed

    @property
    def position(self) -> Position | None:
        return self.where.get("")

    def at(self, name: str) -> Position | None:
        return self.where.get(name) or self.where.get("")


class _HostLinker:
    """Links the resources of one host."""

    def __init__(self, host: str, registry: Registry, writings: Iterable[Written]) -> None:
        self.host = host
        self.registry = registry
        self.diagnostics: list[Diagnostic] = []
        self.drafts: dict[ResourceId, _Draft] = {}
        self.index: dict[tuple[str, str], _Draft] = {}
        for written in writings:
            self._add(written.id, dict(written.values), written.where, written.common, written.id.name or written.id.kind, written.broken)

    @property
    def failed(self) -> bool:
        return bool(self.diagnostics) or any(draft.broken for draft in self.drafts.values())

    def link(self) -> tuple[Resource, ...]:
        drafts = list(self.drafts.values())
        for draft in drafts:
            self._refer(draft)
        for draft in drafts:
            self._fill(draft)
        for draft in drafts:
            self._depend(draft)
        self._provide(drafts)
        self._refuse_cycles(drafts)
        resources = [self._finish(draft) for draft in drafts]
        self._refuse_twins(resources)
        return tuple(resources)

    # -- parts

    def _add(self, id: ResourceId, values: dict[str, Any], where: Mapping[str, Position], common: Common, name: str, broken: bool) -> None:
        kind = self.registry[id.kind]
        draft = _Draft(id, kind, shape(kind.spec), values, where, common, name, broken)
        first = self.drafts.get(id)
        if first is not None:
            labels = (Label(first.position, "the first one"),) if first.position else ()
            message = f"{id.local} on {self.host} is declared twice: on its own and inside another resource, or by two names that are one when joined"
            self.diagnostics.append(error("LNK002", message, draft.position, labels=labels, help="keep one of them"))
            return
        self.drafts[id] = draft
        self.index[id.kind, id.name.casefold()] = draft
        for mark in draft.shape.parts:
            written = values.pop(mark.name, None)
            if written is not None:
                self._lift(draft, mark, written)
        known = next((k for k in kind.known if k.casefold() == id.name.casefold()), None)
        if known:
            message = f"{known} is brought by Windows: it can be referred to, never declared"
            self.diagnostics.append(error("LNK008", message, draft.position, help=f"remove {id.local}; write {known} where it is used"))

    def _lift(self, parent: _Draft, mark: FieldMarks, written: Mapping[str, Any]) -> None:
        """A part becomes a resource with a bound reference to its parent; its lifecycle is its parent's."""
        part = mark.part
        assert part is not None
        entries = written.items() if part.many else [("", written)]
        for entry, values in entries:
            path = f"{mark.name}.{entry}" if entry else mark.name
            where = {key[len(path) + 1 :]: at for key, at in parent.where.items() if key == path or key.startswith(path + ".")}
            where[""] = parent.where.get(path) or parent.where.get(mark.name) or parent.where[""]
            name = ".".join(x for x in (parent.id.name, entry) if x)
            id = ResourceId(self.host, part.kind, "" if self.registry[part.kind].singleton else name)
            common = Common(drift_policy=parent.common.drift_policy, lifecycle=parent.common.lifecycle)
            self._add(id, {**values, part.parent: parent.id.name or parent.id.kind}, where, common, entry or name or part.kind, parent.broken)

    # -- references

    def _refer(self, draft: _Draft) -> None:
        for mark in draft.shape.refs:
            if mark.gather is None and mark.name in draft.values:
                self._edge(draft, mark, draft.values[mark.name])

    def _edge(self, draft: _Draft, mark: FieldMarks, value: Any) -> None:
        assert mark.ref is not None
        if value is None or isinstance(value, Existing | Later) or self._known(mark, value):
            return
        target = self._target(mark, value)
        if target is None:
            self._dangling(draft, mark, str(value))
        else:
            draft.needs[target.id] = Need(target.id, mark.name, mark.ref.bound)

    def _known(self, mark: FieldMarks, value: Any) -> bool:
        assert mark.ref is not None
        return any(name.casefold() == str(value).casefold() for name in self.registry[mark.ref.kind].known)

    def _target(self, mark: FieldMarks, value: Any) -> _Draft | None:
        assert mark.ref is not None
        name = "" if self.registry[mark.ref.kind].singleton else str(value).casefold()
        return self.index.get((mark.ref.kind, name))

    def _dangling(self, draft: _Draft, mark: FieldMarks, name: str) -> None:
        assert mark.ref is not None
        kind = mark.ref.kind
        draft.dangling.add(mark.name)
        names = [other.id.name for (k, _), other in self.index.items() if k == kind]
        close = difflib.get_close_matches(name, names, 1, 0.5)
        helps = []
        if close:
            near = self.index[kind, close[0].casefold()].position
            helps.append(f"did you mean {close[0]}{f' ({near})' if near else ''}?")
        elif not names:
            helps.append(f"declare {kind}/{name} on {self.host}")
        if mark.name in draft.shape.may_exist:
            helps.append(f"One that others made: {{existing: {name}}}")
        message = f"{draft.id.local} on {self.host} refers to a {kind} that is not declared there"
        label = f"no {kind}/{name} on {self.host}"
        self.diagnostics.append(error("LNK001", message, draft.at(mark.name), label=label, help=" ".join(helps)))

    # -- values from elsewhere

    def _fill(self, draft: _Draft) -> None:
        for mark in draft.shape.derived:
            self._value(draft, mark.name)
        for mark in draft.shape.gathered:
            if mark.name not in draft.values:
                self._gather(draft, mark)
        for mark in draft.shape.plain:
            if mark.name not in draft.values:
                draft.values[mark.name] = mark.default

    def _value(self, draft: _Draft, name: str) -> Any:
        """The value of a field, derived first where it has a source. A ring of derivations is cut here and found as a cycle later."""
        mark = draft.shape.marks.get(name)
        if mark is None:
            return self._property(draft, name)
        if mark.source is None or name in draft.derived or name in draft.deriving:
            return draft.values.get(name, mark.default)
        draft.deriving.add(name)
        derived, source = self._derive(draft, mark)
        draft.deriving.discard(name)
        draft.derived.add(name)
        if name not in draft.values:
            draft.values[name] = mark.default if derived is None else derived
            if derived is not None and source is not None:
                draft.sources[name] = source
        elif derived is not None and not isinstance(derived, Later) and derived != draft.values[name] and source is not None:
            self._contradiction(draft, mark, derived, source)
        return draft.values[name]

    def _property(self, draft: _Draft, name: str) -> Any:
        """What a spec says of itself besides its fields, once these are derived."""
        for mark in draft.shape.derived:
            self._value(draft, mark.name)
        return getattr(_construct(draft), name, None)

    def _derive(self, draft: _Draft, mark: FieldMarks) -> tuple[Any, Source | None]:
        assert mark.source is not None
        if mark.source.beside and self._value(draft, mark.source.beside) is None:
            return None, None
        head, _, rest = mark.source.path.partition(".")
        if head == "metadata":
            return draft.values.get(mark.name, draft.metadata_name), Source(How.DERIVED, "metadata.name", draft.position)
        ref = draft.shape.marks[head]
        named = self._value(draft, head)
        if ref.ref is None or named is None or self._known(ref, named):
            return None, None
        if isinstance(named, Existing):
            path = rest.removeprefix("state.")
            return Later(str(ResourceId(self.host, ref.ref.kind, named.existing)), path), Source(How.DERIVED, f"{ref.ref.kind} {named.existing}")
        target = self._target(ref, named)
        if target is None:
            return None, None
        source = Source(How.DERIVED, target.id.local, target.at(rest.partition(".")[0]))
        if rest.startswith("state."):
            return Later(str(target.id), rest.removeprefix("state.")), source
        first, _, path = rest.partition(".")
        return attribute(self._value(target, first), path), source

    def _contradiction(self, draft: _Draft, mark: FieldMarks, derived: Any, source: Source) -> None:
        labels = (Label(source.position, f"{derived} follows from this"),) if source.position else ()
        message = f"{draft.id.local}: {mark.name} is {draft.values[mark.name]}, and {source.origin} makes it {derived}"
        self.diagnostics.append(error("LNK003", message, draft.at(mark.name), labels=labels, help=f"remove {mark.name}: it follows from {source.origin}"))

    def _gather(self, draft: _Draft, mark: FieldMarks) -> None:
        assert mark.gather is not None
        kind, _, name = mark.gather.path.partition(".")
        values: dict[str, Any] = {}
        origins: list[str] = []
        for other in self.drafts.values():
            if other.id.kind == kind and (value := self._value(other, name)) is not None and not isinstance(value, Existing):
                values.setdefault(str(value).casefold(), value)
                origins.append(other.id.local)
        draft.values[mark.name] = tuple(values.values()) if values else mark.default
        if values:
            draft.sources[mark.name] = Source(How.GATHERED, ", ".join(origins))
        if mark.ref:
            for value in values.values():
                self._edge(draft, mark, value)

    # -- edges

    def _depend(self, draft: _Draft) -> None:
        for number, local in enumerate(draft.common.depends_on):
            kind, _, name = local.partition("/")
            target = self.index.get((kind, name.casefold()))
            if target is None:
                close = difflib.get_close_matches(local, [d.id.local for d in self.drafts.values()], 1)
                hint = f"did you mean {close[0]}?" if close else "dependsOn takes Kind/name of a resource on the same host"
                message = f"{draft.id.local} on {self.host} depends on {local}, which is not declared there"
                self.diagnostics.append(error("LNK007", message, draft.at(f"dependsOn.{number}"), help=hint))
            elif target is not draft:
                draft.needs.setdefault(target.id, Need(target.id, "dependsOn"))

    def _provide(self, drafts: list[_Draft]) -> None:
        specs = [(draft, _construct(draft)) for draft in drafts if not draft.broken]
        for draft, spec in specs:
            draft.spec = spec
        providers: dict[str, list[ResourceId]] = {}
        for draft, spec in specs:
            for capability in draft.kind.provides(spec):
                providers.setdefault(capability.name, []).append(draft.id)
        for draft, spec in specs:
            names = sorted(capability.name for capability in draft.kind.requires(spec))
            for wanted, provider in ((name, id) for name in names for id in providers.get(name, ())):
                if provider != draft.id:
                    draft.needs.setdefault(provider, Need(provider, wanted, capability=True))

    def _refuse_cycles(self, drafts: list[_Draft]) -> None:
        if _ordered(drafts):
            return
        graph: nx.DiGraph[ResourceId] = nx.DiGraph()
        graph.add_nodes_from(draft.id for draft in drafts)
        graph.add_edges_from((draft.id, need.target) for draft in drafts for need in draft.needs.values())
        if nx.is_directed_acyclic_graph(graph):
            return
        for ring in sorted((sorted(c) for c in nx.strongly_connected_components(graph) if len(c) > 1), key=str):
            path = [edge[0] for edge in nx.find_cycle(graph.subgraph(ring), ring[0])]
            members = [self.drafts[id] for id in path]
            labels = [
                Label(at, f"{d.id.local} needs {e.id.local}") for d, e in zip(members, members[1:] + members[:1], strict=True) if (at := d.at(self._why(d, e)))
            ]
            text = " → ".join([*(d.id.local for d in members), members[0].id.local])
            self.diagnostics.append(
                error("LNK006", f"a cycle on {self.host}: {text}", members[0].position, labels=tuple(labels), help="take one of these references out")
            )
            for draft in members:
                draft.needs.clear()

    @staticmethod
    def _why(draft: _Draft, target: _Draft) -> str:
        return draft.needs[target.id].why if target.id in draft.needs else ""

    # -- the whole

    def _finish(self, draft: _Draft) -> Resource:
        for mark in draft.shape.marks.values():
            if not mark.part and not draft.broken and mark.required and draft.values.get(mark.name) is None:
                self._missing(draft, mark)
        for mark in draft.shape.keyed:
            self._refuse_equal_entries(draft, mark)
        spec = _construct(draft) if draft.spec is None else draft.spec
        return Resource(draft.id, _key(draft, spec), spec, draft.sources, tuple(draft.needs.values()), draft.common, draft.position, draft.where)

    def _missing(self, draft: _Draft, mark: FieldMarks) -> None:
        draft.broken = True
        if mark.source and mark.source.path.partition(".")[0] in draft.dangling:
            return
        message = f"{draft.id.local} on {self.host} has no {mark.name}"
        hint = f"write {mark.name}"
        if mark.source and mark.source.path != "metadata.name":
            hint = f"write {mark.name}, or what it follows from: {mark.source.path}"
        self.diagnostics.append(error("LNK004", message, draft.position, label=f"{mark.name} is missing", help=hint))

    def _refuse_equal_entries(self, draft: _Draft, mark: FieldMarks) -> None:
        entries: Mapping[str, Any] = draft.values.get(mark.name) or {}
        seen: dict[tuple[Any, ...], str] = {}
        for name, entry in entries.items():
            identity = tuple(getattr(entry, part) for part in mark.keyed)
            if identity in seen:
                first = draft.where.get(f"{mark.name}.{seen[identity]}")
                message = f"{draft.id.local}: {mark.name}.{seen[identity]} and {mark.name}.{name} are one entry to the host (equal {', '.join(mark.keyed)})"
                labels = (Label(first, "the first one"),) if first else ()
                self.diagnostics.append(error("LNK005", message, draft.at(f"{mark.name}.{name}"), labels=labels, help="keep one of them"))
            seen.setdefault(identity, name)

    def _refuse_twins(self, resources: list[Resource]) -> None:
        seen: dict[tuple[str, Key], Resource] = {}
        for resource in resources:
            first = seen.setdefault((resource.kind, resource.key), resource)
            if first is not resource and not self.drafts[resource.id].broken:
                message = f"{resource.id.local} and {first.id.local} are one {resource.kind} to {self.host}: {resource.key}"
                labels = (Label(first.position, "the first one"),) if first.position else ()
                self.diagnostics.append(error("LNK002", message, resource.position, labels=labels, help="keep one of them"))


def attribute(value: Any, path: str) -> Any:
    """`value.a.b`; None where a step of the way is None or has no such part; a Later stays one, with the longer path."""
    for name in filter(None, path.split(".")):
        if value is None:
            return None
        if isinstance(value, Later):
            value = Later(value.resource, f"{value.field}.{name}")
        else:
            value = getattr(value, name, None)
    return value


def _ordered(drafts: Iterable[_Draft]) -> bool:
    """Whether an order in which needs come first is found in a few rounds: the common case, told without building a graph."""
    waiting, done = list(drafts), set[ResourceId]()
    for _ in range(ROUNDS):
        waiting = [draft for draft in waiting if not _placed(draft, done)]
    return not waiting


def _placed(draft: _Draft, done: set[ResourceId]) -> bool:
    if draft.needs.keys() <= done:
        done.add(draft.id)
        return True
    return False


def _construct(draft: _Draft) -> Any:
    return construct(draft.kind.spec, {name: draft.values.get(name, mark.default) for name, mark in draft.shape.marks.items()})


def _key(draft: _Draft, spec: Any) -> Key:
    """The natural key; a provisional one while a value it is made of is only known later, or is missing."""
    try:
        return draft.kind.key(spec)
    except (AttributeError, TypeError, ValueError):
        return Key(f"{LATER_KEY}{draft.id.local.casefold()}")


EMPTY: Mapping[str, Any] = MappingProxyType({})
