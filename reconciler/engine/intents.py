"""The record around a step: the intent before the first act, what was given, the close once the result was seen.

Called by `perform`, `jobs` and `walk`. Nothing here acts on a host but for its ledger.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import Any

from reconciler.core.calls import AnyCall
from reconciler.core.ids import ResourceId
from reconciler.core.plan import Step, Verb
from reconciler.engine.diff import SAME
from reconciler.engine.identity import record as machine_record
from reconciler.engine.ledger import APPLIED, INTENT, Record, drop, put, recorded_spec
from reconciler.engine.sessions import Session, refuse
from reconciler.engine.shapes import shape


async def note(session: Session, step: Step) -> None:
    """A step that writes our record and nothing else."""
    fleet = session.desired.fleet.name
    if step.verb is Verb.FORGET:
        await put_down(session, step.id, [drop(fleet, step.id)])
        session.remember(None, step.id)
    else:
        await close(session, step)


async def finish(session: Session, step: Step) -> None:
    """Close the record of a step that was seen to be done."""
    if step.verb is Verb.DELETE:
        await put_down(session, step.id, [drop(session.desired.fleet.name, step.id)])
        session.remember(None, step.id)
    else:
        await close(session, step)


async def close(session: Session, step: Step) -> None:
    record = record_of(session, step)
    await put_down(session, step.id, [*machine(session), put(session.desired.fleet.name, record)])
    session.remember(record, step.id)
    for job in session.view.hello.jobs:
        if job.resource == str(step.id) and not job.active:
            await session.writer.ack(job.id)
            session.forget_job(job.id)


async def put_down(session: Session, id: ResourceId, calls: list[AnyCall]) -> None:
    answers = await session.write(id, "record", calls)
    refuse(None, calls, answers)


async def flush(session: Session, step: Step, calls: list[AnyCall]) -> None:
    if calls:
        await put_down(session, step.id, calls)


def machine(session: Session) -> list[AnyCall]:
    call = machine_record(session.desired.host, session.view.hello)
    return [call] if call else []


def intent(session: Session, step: Step, *, tainted: bool = True) -> Record:
    """The record as it stands from the first act until the result is seen. A delete keeps the spec it had.

    `tainted`: the old still stands, or may; False from the moment it was taken away.
    """
    old = session.view.records.by_id.get(step.id)
    base = record_of(session, step) if step.desired is not None else old
    assert base is not None
    standing = step.verb is Verb.REPLACE and tainted
    why = step.why if standing else ""
    key = old.key if standing and old is not None else base.key  # a moved resource is found under its old key until that is gone
    spec = _until_seen(session, step, old, base) if old is not None and old.applied and (standing or step.verb in (Verb.UPDATE, Verb.AGAIN)) else base.spec
    ours = old is not None and old.phase == INTENT and old.plan == session.plan
    begun = old.begun if old is not None and ours else f"{session.env.clock.now().astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    changed = replace(base, key=key, spec=spec, phase=INTENT, plan=session.plan, commit=session.commit, actions=step.action_names, tainted=why, begun=begun)
    remade = step.verb is Verb.REPLACE and not tainted
    return replace(changed, applied=bool(old and old.applied) and not remade)


def _until_seen(session: Session, step: Step, old: Record, new: Record) -> dict[str, Any]:
    """What stands on record while a change is under way: what was, so that a change of what cannot be read back is not taken for done.

    Entries are those of before and after: whichever are found later are ours.
    """
    spec = dict(old.spec)
    for mark in shape(session.desired.registry[step.id.kind].spec).keyed:
        before, after = old.spec.get(mark.name) or {}, new.spec.get(mark.name) or {}
        if before or after:
            spec[mark.name] = {**{f"{name} before": entry for name, entry in before.items() if after.get(name) != entry}, **after}
    return spec


def record_of(session: Session, step: Step) -> Record:
    resource = step.desired
    assert resource is not None
    hashes = session.desired.hashes.get(step.id, {})
    old = session.view.records.by_id.get(step.id)
    spec = recorded_spec(resource, hashes)
    for mark in shape(type(resource.spec)).secrets:
        if mark.name in spec and mark.name not in hashes and old is not None and mark.name in old.spec:
            spec[mark.name] = old.spec[mark.name]  # it cannot be had now: what was given last stays on record
    needs = tuple((str(need.target), need.bound) for need in resource.needs)
    return Record(step.id, step.key, spec, APPLIED, session.plan, session.commit, True, resource.common.lifecycle, needs)


def told(session: Session, step: Step) -> list[AnyCall]:
    """The record of a secret that was given, in the batch that gives it: a lost answer does not make us give it again."""
    if step.desired is None or not any(change.secret for change in step.changes):
        return []
    return [put(session.desired.fleet.name, replace(intent(session, step, tainted=not step.gone), spec=record_of(session, step).spec))]


def given(session: Session, step: Step) -> None:
    """Every call went well: what cannot be read back counts as done; the host is asked for everything else."""
    open_ = intent(session, step, tainted=not step.gone)
    session.remember(open_ if step.desired is None else replace(open_, spec=record_of(session, step).spec), step.id)
    told = {change.field: SAME for change in step.changes if change.secret}
    if told:
        secrets = session.desired.secrets
        session.desired = replace(session.desired, secrets={**secrets, step.id: {**secrets.get(step.id, {}), **told}})
