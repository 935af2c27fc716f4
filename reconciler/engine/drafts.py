"""Resources in the making on one host: parts lifted out of their parents, names indexed. The material that link works on.

Called by `link`; says LNK002 (declared twice) and LNK008 (a name that Windows brings is declared) on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.calls import Later
from reconciler.core.diagnostics import Diagnostic, Label, Position, error
from reconciler.core.errors import Defect
from reconciler.core.ids import Key, ResourceId
from reconciler.core.kinds import Kind, Registry
from reconciler.core.model import FieldMarks, construct
from reconciler.core.resources import Common, Need, Source, Written
from reconciler.engine.shapes import Shape, shape

LATER_KEY = "later:"


@dataclass(slots=True)
class Draft:
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


class Drafts:
    """The drafts of one host, by id and by (kind, casefolded name), with what was found wrong so far."""

    def __init__(self, host: str, registry: Registry, writings: Iterable[Written]) -> None:
        self.host = host
        self.registry = registry
        self.diagnostics: list[Diagnostic] = []
        self.by_id: dict[ResourceId, Draft] = {}
        self.index: dict[tuple[str, str], Draft] = {}
        for written in writings:
            self._add(written.id, dict(written.values), written.where, written.common, written.id.name or written.id.kind, written.broken)

    def __iter__(self) -> Iterator[Draft]:
        return iter(self.by_id.values())

    @property
    def failed(self) -> bool:
        return bool(self.diagnostics) or any(draft.broken for draft in self)

    def known(self, mark: FieldMarks, value: Any) -> bool:
        """Whether a reference names something that Windows brings."""
        assert mark.ref is not None
        names = self.registry[mark.ref.kind].known
        return bool(names) and str(value).casefold() in (name.casefold() for name in names)

    def target(self, mark: FieldMarks, value: Any) -> Draft | None:
        """What a reference leads to; None where that is not declared here."""
        assert mark.ref is not None
        name = "" if self.registry[mark.ref.kind].singleton else str(value).casefold()
        return self.index.get((mark.ref.kind, name))

    def _add(self, id: ResourceId, values: dict[str, Any], where: Mapping[str, Position], common: Common, name: str, broken: bool) -> None:
        kind = self.registry[id.kind]
        draft = Draft(id, kind, shape(kind.spec), values, where, common, name, broken)
        first = self.by_id.get(id)
        if first is not None:
            labels = (Label(first.position, "the first one"),) if first.position else ()
            message = f"{id.local} on {self.host} is declared twice: on its own and inside another resource, or by two names that are one when joined"
            self.diagnostics.append(error("LNK002", message, draft.position, labels=labels, help="keep one of them"))
            return
        self.by_id[id] = draft
        self.index[id.kind, id.name.casefold()] = draft
        for mark in draft.shape.parts:
            written = values.pop(mark.name, None)
            if written is not None:
                self._lift(draft, mark, written)
        known = next((k for k in kind.known if k.casefold() == id.name.casefold()), None) if kind.known else None
        if known:
            message = f"{known} is brought by Windows: it can be referred to, never declared"
            self.diagnostics.append(error("LNK008", message, draft.position, help=f"remove {id.local}; write {known} where it is used"))

    def _lift(self, parent: Draft, mark: FieldMarks, written: Mapping[str, Any]) -> None:
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


def holds_later(spec: Any) -> bool:
    """Whether a value of it is only known after apply. Asked of every resource again and again: nearly none has one."""
    return Later in map(type, spec.__dict__.values())


def construct_spec(draft: Draft) -> Any:
    """The spec of what a draft has so far; its fields may still be missing."""
    return construct(draft.kind.spec, {name: draft.values.get(name, mark.default) for name, mark in draft.shape.marks.items()})


def key_of(draft: Draft, spec: Any) -> Key:
    """The natural key; a provisional one while a value it may be made of is only known later, or is missing."""
    try:
        return draft.kind.key(spec)
    except (AttributeError, TypeError, ValueError) as wrong:
        open_ = any(isinstance(value, Later) for value in spec.__dict__.values())
        lacking = draft.broken or any(mark.required and draft.values.get(mark.name) is None for mark in draft.shape.marks.values())
        if not (open_ or lacking):
            raise Defect(f"the kind {draft.id.kind} cannot tell the key of {draft.id}: {type(wrong).__name__}: {wrong}") from wrong
        return Key(f"{LATER_KEY}{draft.id.local.casefold()}")
