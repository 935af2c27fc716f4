"""One step on one host: intent recorded, actions run, the result seen, the record closed.

Called by `hostrun` with a step that was decided on a look just taken. Raises `StepFailed` where the host says no, lets
transport errors through (the caller reconnects and decides again), and `Stopped` where a person does not want to wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import anyio

from reconciler.core.calls import Answer, AnyCall, Call, CallError, LedgerCall, Out
from reconciler.core.canonical import plain
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Action
from reconciler.core.observations import Unseen
from reconciler.core.plan import Step, Verb
from reconciler.core.transport import Job, Writer
from reconciler.engine.desired import Desired
from reconciler.engine.diff import SAME
from reconciler.engine.environment import Environment
from reconciler.engine.events import Emit, Event, Happening
from reconciler.engine.identity import record as machine_record
from reconciler.engine.ledger import APPLIED, INTENT, Record, drop, put, recorded_spec
from reconciler.engine.shapes import shape
from reconciler.engine.view import HostView, refresh
from reconciler.signatures import check_call

LEASE = 120.0  # seconds that a lease is taken for, and renewed after half of it
BATCH = timedelta(seconds=150)  # deadline of attached calls that name none
LONGEST = timedelta(minutes=10)  # no attached batch holds the lease for longer; what takes longer is a job
USUAL = 120  # seconds that the invoker gives a call that names none
FIRST_POLL, LAST_POLL = 5.0, 15.0
LOOKS = (1.0, 1.0, 2.0, 3.0, 5.0)  # seconds between looks while something is awaited; the last repeats


class StepFailed(Exception):
    """The host refused or did not show what was wanted."""

    def __init__(self, action: Action | None, call: AnyCall | None, answer: Answer | None, message: str) -> None:
        super().__init__(message)
        self.action = action
        self.call = call
        self.answer = answer


class SecretMissing(StepFailed):
    """A secret could not be had when the call that carries it was to be sent: nothing was."""

    def __init__(self, message: str) -> None:
        super().__init__(None, None, None, f"{message}; nothing was sent")


class Stopped(Exception):
    """No longer waited for: `job` runs on without us."""

    def __init__(self, id: ResourceId, job: str) -> None:
        super().__init__(job)
        self.id = id
        self.job = job


class Halted(Exception):
    """A person stops us while something is waited for. The step's intent stands open: whoever comes next finishes it."""

    def __init__(self, id: ResourceId) -> None:
        super().__init__(str(id))
        self.id = id


@dataclass(slots=True)
class Session:
    """One open connection with its lease, and what was seen through it."""

    env: Environment
    writer: Writer
    desired: Desired
    view: HostView
    plan: str
    commit: str
    holder: str
    epoch: int
    emit: Emit
    stop: anyio.Event
    attempt: int = 0
    renewed: float = 0.0
    fresh: frozenset[str] = frozenset()  # kinds looked at since anything was last done or waited for

    def say(self, what: Happening, **more: object) -> None:
        self.emit(Event(self.env.clock.now(), self.plan, self.desired.host.name, what, **more))  # type: ignore[arg-type]

    async def sleep(self, seconds: float) -> None:
        self.fresh = frozenset()
        await self.env.clock.sleep_until(self.env.clock.now() + timedelta(seconds=seconds))

    async def wait(self, id: ResourceId, seconds: float) -> None:
        """Sleep between two looks, unless we are to stop."""
        if self.stop.is_set():
            raise Halted(id)
        await self.sleep(seconds)

    def key(self, id: ResourceId, name: str) -> str:
        """The idempotency key of one attempt."""
        self.attempt += 1
        return f"{self.plan}:{id.entry}:{name}:{self.attempt}"

    async def write(self, id: ResourceId, name: str, calls: Sequence[AnyCall], deadline: timedelta = BATCH) -> tuple[Answer, ...]:
        if not all(isinstance(call, LedgerCall) for call in calls):
            self.fresh = frozenset()
        return await self.writer.run(tuple(calls), key=self.key(id, name), epoch=self.epoch, deadline=deadline)

    async def keep_lease(self) -> None:
        """Take the lease again once half of it is gone. A new epoch comes with it."""
        now = self.env.clock.now().timestamp()
        if now - self.renewed > LEASE / 2:
            lease = await self.writer.take(self.holder, LEASE, self.epoch)
            self.epoch, self.renewed = lease.epoch, now

    async def look(self, kinds: set[str], *, along: frozenset[str] = frozenset()) -> None:
        """See some kinds anew, unless nothing was done since they were last seen; `along` rides in the same batch."""
        stale = kinds - self.fresh
        if stale:
            asked = (stale | along) & set(self.view.kinds)
            self.view = await refresh(self.view, self.writer, self.desired.registry, self.desired.resources, self.env.clock, self.env.deadline, asked)
            self.fresh |= asked

    def remember(self, record: Record | None, id: ResourceId) -> None:
        """Keep our picture of the ledger in step with what was written."""
        known = dict(self.view.records.by_id)
        if record is None:
            known.pop(id, None)
        else:
            known[id] = record
        self.view = replace(self.view, records=replace(self.view.records, by_id=known))

    def forget_job(self, job: str) -> None:
        hello = self.view.hello
        self.view = replace(self.view, hello=replace(hello, jobs=tuple(j for j in hello.jobs if j.id != job)))


def job_id(fleet: str, id: ResourceId, plan: str, action: str) -> str:
    """Derived, so that whoever comes next finds the same job."""
    return "j-" + sha256(f"{fleet}\n{id}\n{plan}\n{action}".encode()).hexdigest()[:16]


async def note(session: Session, step: Step) -> None:
    """A step that writes our record and nothing else."""
    fleet = session.desired.fleet.name
    if step.verb is Verb.FORGET:
        await _put(session, step.id, [drop(fleet, step.id)])
        session.remember(None, step.id)
    else:
        await _close(session, step)


async def perform(session: Session, step: Step) -> None:
    """Run a step's actions in order. The intent is on the host before the first act; no call that Windows does not know is sent."""
    _known_to_windows(session, step)
    await _acknowledge(session, step)
    before: list[AnyCall] = [*_machine(session), put(session.desired.fleet.name, _intent(session, step))]
    for position, batch in _batches(step.actions, step.gone):
        if step.gone and position == step.gone:
            before = [put(session.desired.fleet.name, _intent(session, step, tainted=False))]
        if batch[0].long:
            await _flush(session, step, before)
            await _job(session, step, batch[0])
        else:
            last = position + len(batch) == len(step.actions)
            await _attached(session, step, batch, before, _told(session, step) if last else ())
        before = []
        await _until(session, step, batch[-1])
    await _flush(session, step, before)
    _done(session, step)


def _known_to_windows(session: Session, step: Step) -> None:
    """Law 6 at the last moment: a kind from elsewhere may say what no cmdlet takes, or what its own vocabulary lacks."""
    allowed = set(session.desired.registry.words())
    for action in step.actions:
        for call in action.calls:
            wrong = check_call(call) if isinstance(call, Call) else []
            if not isinstance(call, LedgerCall) and call.name not in allowed:
                wrong = [f"{call.name} is not among the words of the kind {step.id.kind}", *wrong]
            if wrong:
                raise StepFailed(action, None, None, f"a defect of the kind {step.id.kind}, nothing was done: {'; '.join(wrong)}")


async def finish(session: Session, step: Step) -> None:
    """Close the record of a step that was seen to be done."""
    if step.verb is Verb.DELETE:
        await _put(session, step.id, [drop(session.desired.fleet.name, step.id)])
        session.remember(None, step.id)
    else:
        await _close(session, step)


async def attend(session: Session, step: Step) -> None:
    """Wait for somebody's job on this resource, then let go of it where it ended well."""
    job = next(j for j in session.view.hello.jobs if j.resource == str(step.id) and j.active)
    session.say(Happening.JOINED, id=step.id, text=job.id, action=job.action)
    ended = await _watch(session, step.id, job, None)
    if not ended.bad:
        await session.writer.ack(job.id)


async def outwait(session: Session) -> None:
    """Wait until no job runs on the host, whoever's it is: a restart would kill it."""
    for job in (job for job in session.view.hello.jobs if job.active):
        id = ResourceId.parse(job.resource)
        session.say(Happening.WAITING, id=id, text=f"job {job.id} ({job.action}) to end before the restart")
        await _watch(session, id, job, None)


# -- parts of a step


def _batches(actions: Sequence[Action], gone: int) -> list[tuple[int, list[Action]]]:
    """Attached actions that wait for nothing go together in one batch, one round trip; with the position of the first.

    The actions that take the old away (the first `gone`) never share a batch with those that make the new.
    """
    out: list[tuple[int, list[Action]]] = []
    for position, action in enumerate(actions):
        last = out[-1][1][-1] if out else None
        if last is not None and not (action.long or last.long or last.until) and position != gone:
            out[-1][1].append(action)
        else:
            out.append((position, [action]))
    return out


def _machine(session: Session) -> list[AnyCall]:
    call = machine_record(session.desired.host, session.view.hello)
    return [call] if call else []


def _intent(session: Session, step: Step, *, tainted: bool = True) -> Record:
    """The record as it stands from the first act until the result is seen. A delete keeps the spec it had.

    `tainted`: the old still stands, or may; False from the moment it was taken away.
    """
    old = session.view.records.by_id.get(step.id)
    base = _record(session, step) if step.desired is not None else old
    assert base is not None
    standing = step.verb is Verb.REPLACE and tainted
    why = step.why if standing else ""
    key = old.key if standing and old is not None else base.key  # a moved resource is found under its old key until that is gone
    spec = _until_seen(session, step, old, base) if old is not None and old.applied and (standing or step.verb in (Verb.UPDATE, Verb.AGAIN)) else base.spec
    changed = replace(base, key=key, spec=spec, phase=INTENT, plan=session.plan, commit=session.commit, actions=step.action_names, tainted=why)
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


def _done(session: Session, step: Step) -> None:
    """Every call went well: what cannot be read back counts as done; the host is asked for everything else."""
    intent = _intent(session, step, tainted=not step.gone)
    session.remember(intent if step.desired is None else replace(intent, spec=_record(session, step).spec), step.id)
    told = {change.field: SAME for change in step.changes if change.secret}
    if told:
        secrets = session.desired.secrets
        session.desired = replace(session.desired, secrets={**secrets, step.id: {**secrets.get(step.id, {}), **told}})


def _record(session: Session, step: Step) -> Record:
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


async def _close(session: Session, step: Step) -> None:
    record = _record(session, step)
    await _put(session, step.id, [*_machine(session), put(session.desired.fleet.name, record)])
    session.remember(record, step.id)
    for job in session.view.hello.jobs:
        if job.resource == str(step.id) and not job.active:
            await session.writer.ack(job.id)
            session.forget_job(job.id)


async def _put(session: Session, id: ResourceId, calls: list[AnyCall]) -> None:
    answers = await session.write(id, "record", calls)
    _refuse(None, calls, answers)


async def _flush(session: Session, step: Step, calls: list[AnyCall]) -> None:
    if calls:
        await _put(session, step.id, calls)


def _refuse(action: Action | None, calls: Sequence[AnyCall], answers: Sequence[Answer]) -> None:
    """A write batch stops at its first failure: that one is the last answer."""
    last = answers[-1] if answers else None
    if last is not None and last.error is not None:
        call = calls[len(answers) - 1]
        raise StepFailed(action, call, last, _said(call, last.error))
    if len(answers) < len(calls):
        raise StepFailed(action, calls[len(answers)], None, f"{calls[len(answers)].name} was not answered")


def _said(call: AnyCall, error: CallError) -> str:
    return f"{call.name}: {error.message or error.id}"


def _told(session: Session, step: Step) -> list[AnyCall]:
    """The record of a secret that was given, in the batch that gives it: a lost answer does not make us give it again."""
    if step.desired is None or not any(change.secret for change in step.changes):
        return []
    return [put(session.desired.fleet.name, replace(_intent(session, step, tainted=not step.gone), spec=_record(session, step).spec))]


async def _attached(session: Session, step: Step, batch: Sequence[Action], before: Sequence[AnyCall], after: Sequence[AnyCall]) -> None:
    for action in batch:
        session.say(Happening.ACTION, id=step.id, action=action.name, text=action.summary)
    calls: list[AnyCall] = [*before]
    for action in batch:
        calls += [_shifted(call, len(calls)) for call in action.calls]
    calls += after
    owners: list[Action | None] = [*(None for _ in before), *(action for action in batch for _ in action.calls), *(None for _ in after)]
    answers = await session.write(step.id, batch[0].name, calls, max(BATCH, min(batch[-1].within, LONGEST)))
    _refuse(owners[min(len(answers), len(calls)) - 1] if answers else batch[0], calls, answers)


def _shifted(call: AnyCall, by: int) -> AnyCall:
    """A call whose `Out`s count from its action, in a batch where `by` other calls come before that action."""
    if by == 0 or not isinstance(call, Call):
        return call
    return replace(call, parameters={n: Out(v.call + by, v.property) if isinstance(v, Out) else v for n, v in call.parameters.items()})


async def _until(session: Session, step: Step, action: Action) -> None:
    """Look until the fields that the action promises are seen; give up after `within`."""
    if not action.until:
        return
    end = session.env.clock.now() + action.within
    pauses = list(LOOKS)
    while True:
        await session.look({step.id.kind})
        looked = session.view.kinds.get(step.id.kind)
        present = None if looked is None or isinstance(looked, Unseen) else looked.get(step.key)
        if present is not None and all(value == getattr(present.state, name) for name, value in action.until.items()):
            return
        if session.env.clock.now() >= end:
            seen = None if present is None else present.state
            told = "; ".join(f"{name} {_plainly(value)} was awaited, {_plainly(getattr(seen, name, None))} is seen" for name, value in action.until.items())
            raise StepFailed(action, None, None, f"{action.summary}: after {int(action.within.total_seconds())} s {told}")
        await session.keep_lease()
        await session.wait(step.id, pauses.pop(0) if len(pauses) > 1 else pauses[0])


def _plainly(value: object) -> str:
    """A value as a person reads it."""
    shown = plain(value)
    return "nothing" if shown is None else ", ".join(map(str, shown)) if isinstance(shown, list) else str(shown)


# -- jobs


async def _acknowledge(session: Session, step: Step) -> None:
    """Let go of an earlier job of this resource that ended, was lost or went wrong; the record keeps why it matters."""
    for job in session.view.hello.jobs:
        if job.resource == str(step.id) and not job.active:
            await _put(session, step.id, [*_machine(session), put(session.desired.fleet.name, _intent(session, step))])
            await session.writer.ack(job.id)
            session.forget_job(job.id)


async def _job(session: Session, step: Step, action: Action) -> None:
    session.say(Happening.ACTION, id=step.id, action=action.name, text=action.summary)
    id = job_id(session.desired.fleet.name, step.id, session.plan, action.name)
    session.fresh = frozenset()
    job = await session.writer.start(
        id, str(step.id), action.name, action.calls, key=session.key(step.id, action.name), epoch=session.epoch, deadline=_given(action)
    )
    if job.joined:
        session.say(Happening.JOINED, id=step.id, text=job.id, action=job.action)
    ended = await _watch(session, step.id, job, action)
    if ended.bad:
        answer = next((a for a in reversed(ended.answers) if a.error is not None), None)
        failed = action.calls[min(len(ended.answers), len(action.calls)) - 1] if ended.answers else action.calls[0]
        raise StepFailed(action, failed, answer, _said(failed, answer.error) if answer and answer.error else f"job {ended.id} failed")
    if ended.phase in ("lost", "cancelled"):
        await session.writer.ack(ended.id)
        raise StepFailed(action, None, None, f"job {ended.id} ({action.name}) was {ended.phase}: what it did is seen at the next look")
    await session.writer.ack(ended.id)


def _given(action: Action) -> timedelta:
    """How long a job may take: what its calls are given, and what the kind waits for at least."""
    return max(action.within, timedelta(seconds=sum(call.seconds or USUAL for call in action.calls if not isinstance(call, LedgerCall))))


async def _watch(session: Session, id: ResourceId, job: Job, action: Action | None) -> Job:
    """Poll a job until it ends, saying what the host said last."""
    started = session.env.clock.now()
    pause = FIRST_POLL
    usual = (action.usual[0].total_seconds(), action.usual[1].total_seconds()) if action else None
    while job.active:
        if session.stop.is_set():
            raise Stopped(id, job.id)
        await session.sleep(pause)
        pause = min(pause + 2, LAST_POLL)
        await session.keep_lease()
        job = await session.writer.poll(job.id)
        passed = (session.env.clock.now() - started).total_seconds()
        session.say(Happening.PROGRESS, id=id, action=job.action, text=job.last, seconds=passed, usual=usual)
    return job
