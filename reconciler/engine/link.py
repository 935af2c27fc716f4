"""From what was written to a graph: parts lifted, references resolved, left-out values derived, edges drawn, rules run.

Called with a `Manifest`; yields `Linked`. Contacts no host. Every error of every host is found in one pass (LNK codes below).

    LNK001 a reference to what is not declared      LNK005 two entries of a map that are one to the host
    LNK002 two resources that are one to the host   LNK006 a cycle
    LNK003 a value that contradicts its source      LNK007 dependsOn names nothing
    LNK004 a value that is missing                  LNK008 a name that Windows brings is declared
    LNK011 a kind of the host on a host that is not reached
    LNK012 a kind of Azure on a host without `azure`
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import networkx as nx

from reconciler.core.calls import Plane
from reconciler.core.collecting import uncollected
from reconciler.core.diagnostics import Diagnostic, Label, Position, Severity, error
from reconciler.core.ids import Key, ResourceId
from reconciler.core.kinds import Registry
from reconciler.core.model import FieldMarks
from reconciler.core.resources import Fleet, Host, Manifest, Need, Resource, Written
from reconciler.engine.derive import Derivation
from reconciler.engine.drafts import Draft, Drafts, construct_spec, key_of
from reconciler.engine.judge import Settled, judge, settle
from reconciler.engine.world import HostWorld

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
    settled: Mapping[str, Settled] = field(default_factory=lambda: MappingProxyType({}))  # by host: rules that need no look

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity is Severity.ERROR)


@uncollected(kept=True)
def link(manifest: Manifest, registry: Registry) -> Linked:
    """Never raises for bad input: what is wrong stands in `diagnostics`, after the manifest's own, sorted by place."""
    by_host: dict[str, list[Written]] = {name: [] for name in manifest.hosts}
    for written in manifest.written:
        by_host.setdefault(written.id.host, []).append(written)
    resources: dict[str, tuple[Resource, ...]] = {}
    found: list[Diagnostic] = []
    settled: dict[str, Settled] = {}
    suspended = 0
    for name, writings in by_host.items():
        linker = _HostLinker(Drafts(name, registry, writings))
        resources[name] = linker.link()
        found += linker.drafts.diagnostics
        if not linker.drafts.failed and name in manifest.hosts:
            verdict = judge(HostWorld(manifest.hosts[name], registry, resources[name]), registry.rules)
            settled[name] = settle(registry.rules, verdict)
            found += verdict.diagnostics
            suspended += len(verdict.suspended)
        if name in manifest.hosts and not _told_of(manifest, name):
            found += _off_plane(manifest.hosts[name], resources[name], registry)
    diagnostics = (*manifest.diagnostics, *sorted(found, key=_place))
    complete = manifest.complete and not any(d.severity is Severity.ERROR for d in found)
    return Linked(manifest.fleet, manifest.hosts, resources, diagnostics, complete, suspended, settled)


def _told_of(manifest: Manifest, host: str) -> bool:
    """Whether its `azure` was written and could not be read: what follows from that is no error of its own."""
    return any(d.code == "MAN005" and "spec.azure" in d.message for d in manifest.diagnostics) and manifest.hosts[host].azure is None


def _off_plane(host: Host, resources: Iterable[Resource], registry: Registry) -> Iterable[Diagnostic]:
    """What can be neither seen nor done, for nobody is asked about it."""
    for resource in resources:
        if registry[resource.kind].plane is Plane.ARM and host.azure is None:
            help = "add azure: {subscription: …, resourceGroup: …, vm: …} to the host"
            yield error("LNK012", f"{resource.id.local} is managed through Azure, and {host.name} has no azure", resource.position, help=help)
        elif registry[resource.kind].plane is Plane.HOST and not host.connected:
            message = f"{resource.id.local} is inside {host.name}, which is not reached (connection: none)"
            yield error("LNK011", message, resource.position, help=f"take it out, or reach {host.name}: connection: {{transport: winrm}}")


def _place(diagnostic: Diagnostic) -> tuple[Any, ...]:
    at = diagnostic.position
    return (at is None, at or Position("", 0, 0), diagnostic.code, diagnostic.subject)


class _HostLinker:
    """Makes resources of the drafts of one host: edges, cycles, what is missing, what is there twice."""

    def __init__(self, drafts: Drafts) -> None:
        self.drafts = drafts

    def link(self) -> tuple[Resource, ...]:
        derivation = Derivation(self.drafts)
        for draft in self.drafts:
            derivation.refer(draft)
        for draft in self.drafts:
            derivation.fill(draft)
        for draft in self.drafts:
            self._depend(draft)
        self._provide()
        self._refuse_cycles()
        resources = [self._finish(draft) for draft in self.drafts]
        self._refuse_twins(resources)
        return tuple(resources)

    # -- edges

    def _depend(self, draft: Draft) -> None:
        for number, local in enumerate(draft.common.depends_on):
            kind, _, name = local.partition("/")
            target = self.drafts.index.get((kind, name.casefold()))
            if target is None:
                close = difflib.get_close_matches(local, [d.id.local for d in self.drafts], 1)
                hint = f"did you mean {close[0]}?" if close else "dependsOn takes Kind/name of a resource on the same host"
                message = f"{draft.id.local} on {self.drafts.host} depends on {local}, which is not declared there"
                self.drafts.diagnostics.append(error("LNK007", message, draft.at(f"dependsOn.{number}"), help=hint))
            elif target is not draft:
                draft.needs.setdefault(target.id, Need(target.id, "dependsOn"))

    def _provide(self) -> None:
        specs = [(draft, construct_spec(draft)) for draft in self.drafts if not draft.broken]
        for draft, spec in specs:
            draft.spec = spec
        providers: dict[str, list[ResourceId]] = {}
        for draft, spec in specs:
            for capability in draft.kind.provides(spec):
                providers.setdefault(capability.name, []).append(draft.id)
        for draft, spec in specs:
            names = sorted([capability.name for capability in draft.kind.requires(spec)])
            for wanted, provider in ((name, id) for name in names for id in providers.get(name, ())):
                if provider != draft.id:
                    draft.needs.setdefault(provider, Need(provider, wanted, capability=True))

    def _refuse_cycles(self) -> None:
        if _ordered(self.drafts):
            return
        graph: nx.DiGraph[ResourceId] = nx.DiGraph()
        graph.add_nodes_from(draft.id for draft in self.drafts)
        graph.add_edges_from((draft.id, need.target) for draft in self.drafts for need in draft.needs.values())
        if nx.is_directed_acyclic_graph(graph):
            return
        for ring in sorted((sorted(c) for c in nx.strongly_connected_components(graph) if len(c) > 1), key=str):
            path = [edge[0] for edge in nx.find_cycle(graph.subgraph(ring), ring[0])]
            members = [self.drafts.by_id[id] for id in path]
            labels = [
                Label(at, f"{d.id.local} needs {e.id.local}") for d, e in zip(members, members[1:] + members[:1], strict=True) if (at := d.at(self._why(d, e)))
            ]
            text = " → ".join([*(d.id.local for d in members), members[0].id.local])
            self.drafts.diagnostics.append(
                error("LNK006", f"a cycle on {self.drafts.host}: {text}", members[0].position, labels=tuple(labels), help="take one of these references out")
            )
            for draft in members:
                draft.needs.clear()

    @staticmethod
    def _why(draft: Draft, target: Draft) -> str:
        return draft.needs[target.id].why if target.id in draft.needs else ""

    # -- the whole

    def _finish(self, draft: Draft) -> Resource:
        for mark in draft.shape.required:
            if not draft.broken and draft.values.get(mark.name) is None:
                self._missing(draft, mark)
        for mark in draft.shape.keyed:
            self._refuse_equal_entries(draft, mark)
        spec = construct_spec(draft) if draft.spec is None else draft.spec
        return Resource(draft.id, key_of(draft, spec), spec, draft.sources, tuple(draft.needs.values()), draft.common, draft.position, draft.where)

    def _missing(self, draft: Draft, mark: FieldMarks) -> None:
        draft.broken = True
        if mark.source and mark.source.path.partition(".")[0] in draft.dangling:
            return
        message = f"{draft.id.local} on {self.drafts.host} has no {mark.name}"
        hint = f"write {mark.name}"
        if mark.source and mark.source.path != "metadata.name":
            hint = f"write {mark.name}, or what it follows from: {mark.source.path}"
        self.drafts.diagnostics.append(error("LNK004", message, draft.position, label=f"{mark.name} is missing", help=hint))

    def _refuse_equal_entries(self, draft: Draft, mark: FieldMarks) -> None:
        entries: Mapping[str, Any] = draft.values.get(mark.name) or {}
        seen: dict[tuple[Any, ...], str] = {}
        for name, entry in entries.items():
            identity = tuple(getattr(entry, part) for part in mark.keyed)
            if identity in seen:
                first = draft.where.get(f"{mark.name}.{seen[identity]}")
                message = f"{draft.id.local}: {mark.name}.{seen[identity]} and {mark.name}.{name} are one entry to the host (equal {', '.join(mark.keyed)})"
                labels = (Label(first, "the first one"),) if first else ()
                self.drafts.diagnostics.append(error("LNK005", message, draft.at(f"{mark.name}.{name}"), labels=labels, help="keep one of them"))
            seen.setdefault(identity, name)

    def _refuse_twins(self, resources: list[Resource]) -> None:
        seen: dict[tuple[str, Key], Resource] = {}
        for resource in resources:
            first = seen.setdefault((resource.kind, resource.key), resource)
            if first is not resource and not self.drafts.by_id[resource.id].broken:
                message = f"{resource.id.local} and {first.id.local} are one {resource.kind} to {self.drafts.host}: {resource.key}"
                labels = (Label(first.position, "the first one"),) if first.position else ()
                self.drafts.diagnostics.append(error("LNK002", message, resource.position, labels=labels, help="keep one of them"))


def _ordered(drafts: Iterable[Draft]) -> bool:
    """Whether an order in which needs come first is found in a few rounds: the common case, told without building a graph."""
    waiting, done = list(drafts), set[ResourceId]()
    for _ in range(ROUNDS):
        waiting = [draft for draft in waiting if not _placed(draft, done)]
    return not waiting


def _placed(draft: Draft, done: set[ResourceId]) -> bool:
    if draft.needs.keys() <= done:
        done.add(draft.id)
        return True
    return False
