"""What is on record and no longer declared, and what is asked to be destroyed by name. Pure; part of decide.

Only what this fleet's record holds is ever deleted, under the name that was just seen, dependents first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.core.changes import Cause, Change
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Kind
from reconciler.core.observations import Absent, Busy, Present, Unseen
from reconciler.core.plan import Block, Step, Verb
from reconciler.engine.desired import Desired
from reconciler.engine.ledger import Record
from reconciler.engine.view import HostView, recorded

ORPHAN = "orphan"


def prune(desired: Desired, view: HostView) -> list[Step]:
    """Steps for every record without a declaration; none at all unless the whole fleet is loaded and asked for."""
    if not (desired.whole and desired.fleet.declared):
        return []
    declared = {resource.id for resource in desired.resources}
    gone = [record for id, record in view.records.by_id.items() if id not in declared]
    return [_step(desired, view, record, gone, asked=False) for record in gone]


def destroy(desired: Desired, view: HostView) -> list[Step]:
    """Steps for resources named one by one; a declared one is protected by its declaration, any other by its record."""
    steps = []
    records = [view.records.by_id[id] for id in desired.destroy if id in view.records.by_id]
    for id in desired.destroy:
        record = view.records.by_id.get(id)
        if record is None:
            steps.append(Step(id, Verb.NOTHING, blocked=Block("PLN031", f"{id} is not in our record on this host: nothing of others is ever deleted")))
            continue
        steps.append(_step(desired, view, record, records, asked=True))
    return steps


def _step(desired: Desired, view: HostView, record: Record, going: list[Record], *, asked: bool) -> Step:
    base = Step(record.id, Verb.FORGET, key=record.key, needs=_dependents(record, going), why="no longer declared")
    if record.id.kind not in desired.registry:
        return replace(base, blocked=Block("PLN032", f"this version does not know the kind {record.id.kind}"))
    kind = desired.registry[record.id.kind]
    match view.observe(kind, record.id, record.key, kind.requires(recorded(kind, record))):
        case Absent():
            return replace(base, why="gone already")
        case Unseen() as unseen:
            return replace(base, verb=Verb.UNSEEN, why=unseen.why, code=unseen.code)
        case Busy() as busy:
            return replace(base, verb=Verb.WAIT, why=f"job {busy.job} ({busy.what}) runs", code=busy.job)
        case Present() as present:
            return _delete(desired, view, base, record, kind, present, asked)


def _delete(desired: Desired, view: HostView, base: Step, record: Record, kind: Kind[Any, Any], present: Present[Any], asked: bool) -> Step:
    orphan = record.lifecycle.deletion_policy == ORPHAN or (kind.keep and record.lifecycle.deletion_policy != "delete")
    if kind.delete is None or (orphan and not asked):
        return replace(base, why="left as it is; our record goes" if orphan else f"{kind.name} cannot be undone; our record goes")
    actions = tuple(kind.delete(present.state, view.facts))
    changes = (Change("", present.state, None, Cause.CHANGE),)
    return replace(base, verb=Verb.DELETE, actions=actions, changes=changes, why="named" if asked else "no longer declared")


def _dependents(record: Record, going: list[Record]) -> tuple[ResourceId, ...]:
    """Who must go before this one: those on record as needing it."""
    return tuple(other.id for other in going if other is not record and any(id == str(record.id) for id, _ in other.needs))
