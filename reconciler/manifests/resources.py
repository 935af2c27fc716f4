"""One written resource → `Written` for one host: its id, its values by the kind's fields, and the fields that all resources have.

Called by `loading` for entries of `Host.spec.resources` and for flat documents alike: both come as an `Entry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from reconciler.core.diagnostics import Position
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Registry
from reconciler.core.resources import Acceptance, Common, DriftPolicy, Host, Lifecycle, Written
from reconciler.manifests.expressions import Scope, scope_of
from reconciler.manifests.nodes import Map, Node, Scalar
from reconciler.manifests.reading import Reading
from reconciler.manifests.report import Report, listed, meant, shown
from reconciler.manifests.shapes import CommonSpec, LifecycleSpec
from reconciler.manifests.specs import Field, Spec, Specs, missing, own_name, read_fields

PLACES = ("host", "hosts")  # fields of a flat document that say where it is meant
LONGEST_NAME = 256
NOTHING_SAID = Common()


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource as it stands in a file, before it is read for a host. `key` is what names it."""

    file: str
    kind: str
    name: str
    key: Scalar
    spec: Map
    flat: bool = False
    broken: bool = False

    @property
    def at(self) -> Position:
        return Position(self.file, self.key.line, self.key.column, self.key.length)

    @property
    def local(self) -> str:
        return f"{self.kind}/{self.name}" if self.name else self.kind


def split(reading: Reading, node: Scalar, text: str, registry: Registry) -> tuple[str, str] | None:
    """`Kind/name`, or `Kind` of a kind of which a host can have only one; None with the reason in the report."""
    kind, slash, name = text.partition("/")
    if kind not in registry:
        near = meant(kind, list(registry))
        reading.fail(
            "MAN003", f"there is no kind {shown(kind)} for a host", node, label=near, help="" if near else f"kinds are {listed(list(registry), 'and')}"
        )
        return None
    if registry[kind].singleton:
        if slash:
            reading.fail("MAN013", f"a host can have only one {kind}, so it has no name", node, help=f"write {kind}")
            return None
        return kind, ""
    if not name:
        reading.fail("MAN013", f"this {kind} has no name", node, help=f"write {kind}/NAME")
        return None
    return (kind, name) if usable(reading, node, kind, name) else None


def usable(reading: Reading, node: Scalar, kind: str, name: str) -> bool:
    """Whether a name can be part of an id that people read, type and grep for."""
    if "${" in name:
        reading.fail("MAN036", "an expression cannot stand in a name", node, help="expressions are read in the values of a resource")
        return False
    if name == name.strip() and name.isprintable() and len(name) <= LONGEST_NAME:
        return True
    reading.fail("MAN014", f"{kind} cannot be called '{shown(name)}'", node, help=f"1 to {LONGEST_NAME} printable characters, without spaces around")
    return False


class ResourceReader:
    """Reads entries; what a document says for every host alike is read once."""

    def __init__(self, specs: Specs, report: Report) -> None:
        self._specs = specs
        self._report = report
        self._known: dict[str, Mapping[str, Field]] = {}
        self._common = specs.shape(CommonSpec)
        self._scopes: dict[str, Scope] = {}

    def read(self, entry: Entry, hosts: list[Host]) -> list[Written]:
        """The resource on each of `hosts`."""
        out: list[Written] = []
        same: Written | None = None
        for host in hosts:
            if same is None:
                written, expanded = self._read(entry, host)
                same = None if expanded else written
            else:
                written = replace(same, id=ResourceId(host.name, entry.kind, entry.name))
            out.append(written)
        return out

    def _read(self, entry: Entry, host: Host) -> tuple[Written, bool]:
        reading = Reading(entry.file, entry.kind, self._report, self._scope(host))
        reading.where[""] = entry.at
        reading.broken = entry.broken or entry.spec.damaged
        spec, known = self._specs.of(entry.kind), self._fields(entry.kind)
        values = read_fields(reading, entry.spec, known, skip=PLACES if entry.flat else ())
        missing(reading, entry.spec, entry.key, values, known)
        own_name(reading, spec, entry.key, entry.name, values)
        common = self._take_common(reading, values, spec)
        id = ResourceId(host.name, entry.kind, entry.name)
        return Written(id, MappingProxyType(values), MappingProxyType(reading.where), common, reading.broken), reading.expanded

    def _scope(self, host: Host) -> Scope:
        if host.name not in self._scopes:
            self._scopes[host.name] = scope_of(host)
        return self._scopes[host.name]

    def _fields(self, kind: str) -> Mapping[str, Field]:
        if kind not in self._known:
            self._known[kind] = MappingProxyType({**self._common, **self._specs.of(kind).fields})
        return self._known[kind]

    def _take_common(self, reading: Reading, values: dict[str, Any], spec: Spec) -> Common:
        """Take the fields that every resource has out of `values`."""
        said = {name: values.pop(name) for name in self._common if name in values}
        if not said:
            return NOTHING_SAID
        lifecycle = said.get("lifecycle", LifecycleSpec())
        self._check_ignored(reading, lifecycle, spec)
        return Common(
            depends_on=self._depends(reading, said.get("dependsOn", ())),
            drift_policy=said.get("driftPolicy", DriftPolicy.CORRECT),
            lifecycle=Lifecycle(lifecycle.preventDestroy, lifecycle.observeOnly, lifecycle.ignoreChanges, lifecycle.deletionPolicy),
            accept=tuple(Acceptance(one.rule, one.until, one.reason) for one in said.get("accept", ())),
            exclusive=said.get("exclusive", False),
        )

    def _depends(self, reading: Reading, ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(id for index, id in enumerate(ids) if split(reading, _at(reading.where[f"dependsOn.{index}"], id), id, self._specs.registry))

    def _check_ignored(self, reading: Reading, lifecycle: LifecycleSpec, spec: Spec) -> None:
        for index, path in enumerate(lifecycle.ignoreChanges):
            name = path.partition(".")[0]
            if name not in spec.fields:
                node = _at(reading.where[f"lifecycle.ignoreChanges.{index}"], path)
                reading.fail("MAN004", f"{reading.owner} has no field {shown(name)}", node, label=meant(name, list(spec.fields)))


def _at(position: Position, text: str) -> Scalar:
    """A scalar that stands at a position already known."""
    return Scalar(text, position.line, position.column, position.length, plain=False)


def entries(node: Node | None, reading: Reading, registry: Registry) -> list[Entry]:
    """The entries of `resources` in a Host."""
    if node is None or (isinstance(node, Scalar) and node.empty):
        return []
    if not isinstance(node, Map):
        reading.fail("MAN002", "resources is a map of Kind/name to its fields", node, help="write VirtualSwitch/eflow: {switchType: Internal}, one a line")
        return []
    found = [_entry(key, value, reading, registry) for key, value in node.entries.values()]
    return [entry for entry in found if entry is not None]


def _entry(key: Scalar, value: Node, reading: Reading, registry: Registry) -> Entry | None:
    named = split(reading, key, key.text, registry)
    if named is None:
        return None
    if isinstance(value, Map):
        return Entry(reading.file, *named, key, value)
    if isinstance(value, Scalar) and value.empty:
        return Entry(reading.file, *named, key, Map(key.line, key.column))
    reading.fail("MAN002", f"{shown(key.text)} wants a map of its fields", value, help=f"write {shown(key.text)}: {{}} where it has none")
    return None
