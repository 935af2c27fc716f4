"""What is on record and no longer declared, and what is asked to be destroyed by name. Pure; part of decide.

Only what this fleet's record holds is ever deleted, under the name that was just seen, dependents first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.core.changes import Cause, Change
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Kind, Reboot, Registry
from reconciler.core.observations import Absent, Busy, Present, Unseen
from reconciler.core.plan import Block, Step, Verb
from reconciler.core.values import replace
from reconciler.engine.desired import Desired, is_part
from reconciler.engine.diff import leaving
from reconciler.engine.ledger import Record
from reconciler.engine.shapes import shape
from reconciler.engine.view import HostView, recorded

ORPHAN = "orphan"


def prune(desired: Desired, view: HostView) -> list[Step]:
    """Steps for every record without a declaration; none at all unless the whole fleet is loaded and asked for.

    Nothing is deleted on a host that was not seen completely: what could not be looked at may stand on it.
    """
    if not (desired.whole and desired.fleet.declared):
        return []
    declared = {resource.id for resource in desired.resources}
    steps = [_step(desired, view, record, asked=False) for id, record in view.records.by_id.items() if id not in declared]
    dark = _dark(desired.registry, view)
    return [replace(s, verb=Verb.UNSEEN, actions=(), changes=(), why=dark, code="HST070") if dark and s.verb is Verb.DELETE else s for s in steps]


def _dark(registry: Registry, view: HostView) -> str:
    """Why nothing can be deleted now, where something of the host could not be seen. A part stands on nothing but its owner, so an owner seen will do."""
    dark = {name: looked for name, looked in view.kinds.items() if isinstance(looked, Unseen)}
    for name, looked in sorted(dark.items()):
        if not any(is_part(registry, owner, name) for owner in view.kinds.keys() - dark.keys()):
            return f"nothing is deleted while {name} could not be seen ({looked.why})"
    return ""


def destroy(desired: Desired, view: HostView) -> list[Step]:
    """Steps for resources named one by one; a declared one is protected by its declaration, any other by its record."""
    steps = []
    by_name = {str(id).casefold(): record for id, record in view.records.by_id.items()}
    for id in desired.destroy:
        record = by_name.get(str(id).casefold()) or _as_declared(desired, view, id)
        if record is None:
            steps.append(Step(id, Verb.NOTHING, blocked=Block("PLN031", f"{id} is not in our record on this host: nothing of others is ever deleted")))
            continue
        steps.append(_step(desired, view, record, asked=True))
    return steps


def _as_declared(desired: Desired, view: HostView, id: ResourceId) -> Record | None:
    """What stands for the record of a declared resource that can have none: then naming it is all that there is to go by."""
    resource = next((r for r in desired.resources if str(r.id).casefold() == str(id).casefold()), None)
    looked = view.kinds.get(id.kind) if resource is not None else None
    present = None if resource is None or looked is None or isinstance(looked, Unseen) else looked.get(resource.key)
    return (
        Record(resource.id, resource.key, {}, lifecycle=resource.common.lifecycle)
        if resource is not None and present is not None and present.recordless
        else None
    )


def _step(desired: Desired, view: HostView, record: Record, *, asked: bool) -> Step:
    base = Step(record.id, Verb.FORGET, key=record.key, why="no longer declared")
    heir = next((r for r in desired.resources if (r.kind, r.key) == (record.id.kind, record.key) and r.id != record.id), None)
    if heir is not None:
        return replace(base, needs=(heir.id,), why=f"declared as {heir.id.local} now")
    if record.id.kind not in desired.registry:
        return replace(base, blocked=Block("PLN032", f"this version does not know the kind {record.id.kind}"))
    kind = desired.registry[record.id.kind]
    match view.observe(kind, record.id, record.key, kind.requires(recorded(kind, record))):
        case Absent():
            return replace(base, why="gone already")
        case Unseen() if kind.delete is None:
            return _forgotten(base)
        case Unseen() as unseen:
            return replace(base, verb=Verb.UNSEEN, why=unseen.why, code=unseen.code)
        case Busy() as busy:
            why = f"job {busy.job} ({busy.what}) runs" if busy.job else f"Azure is at work: {busy.what}, by {busy.by}"
            return replace(base, verb=Verb.WAIT, why=why, code=busy.job, pending_restart=_restart_after(view, record, kind))
        case Present() as present:
            return _delete(desired, view, base, record, kind, present, asked)


def _restart_after(view: HostView, record: Record, kind: Kind[Any, Any]) -> str:
    """Why what a running job takes away is gone only after a restart; empty where it is not so."""
    looked = view.kinds.get(kind.name)
    present = None if looked is None or isinstance(looked, Unseen) else looked.get(record.key)
    if present is None or kind.delete is None:
        return ""
    needed = any(action.reboot is Reboot.NEEDED for action in kind.delete(present.state, view.facts))
    return present.reboot or ("what the job takes away is gone after a restart" if needed else "")


def left_behind(kind: Kind[Any, Any], record: Record) -> bool:
    """Whether what is on record stays on the host when nothing declares it any more."""
    return kind.delete is None or record.lifecycle.deletion_policy == ORPHAN or (kind.keep and record.lifecycle.deletion_policy != "delete")


def _forgotten(base: Step) -> Step:
    return replace(base, why=f"{base.id.kind} cannot be undone; our record goes")


def _delete(desired: Desired, view: HostView, base: Step, record: Record, kind: Kind[Any, Any], present: Present[Any], asked: bool) -> Step:
    if kind.delete is None:
        return _forgotten(base)
    if left_behind(kind, record) and not asked:
        return replace(base, why="left as it is; our record goes")
    actions = tuple(kind.delete(present.state, view.facts))
    if not actions and present.reboot:
        return replace(base, verb=Verb.NOTHING, why="taken away, and gone after a restart", pending_restart=present.reboot)
    why = "named" if asked else "no longer declared"
    return replace(base, verb=Verb.DELETE, needs=_dependents(record, view), actions=actions, changes=tuple(_going(kind, present)), why=why)


def _going(kind: Kind[Any, Any], present: Present[Any]) -> Iterator[Change]:
    """What goes, in the fields that somebody could have declared; what is only ever seen (an index, an address of hardware) says nothing to a person."""
    for mark in shape(kind.spec).managed:
        value = getattr(present.state, mark.name, None)
        if value in (None, (), {}) or mark.fixed or mark.name in present.unseen:
            continue
        if mark.keyed:
            yield from (leaving(kind.spec, mark, entry, Cause.CHANGE) for entry in value)
        else:
            yield Change(mark.name, value, None, Cause.CHANGE)


def _dependents(record: Record, view: HostView) -> tuple[ResourceId, ...]:
    """Who must go, or be moved to something else, before this one: those on record as needing it."""
    name = str(record.id)
    return tuple(id for id, other in view.records.by_id.items() if id != record.id and any(need == name for need, _ in other.needs))
