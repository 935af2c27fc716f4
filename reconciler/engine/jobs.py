"""Long actions as jobs on the host: started, joined, watched, acknowledged. Whoever comes next finds the same job.

Called by `perform` and `walk`. A job is never cancelled here: who no longer wants to wait leaves it running (`Stopped`).
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

from reconciler.core.calls import LedgerCall
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Action
from reconciler.core.plan import Step
from reconciler.core.transport import Job
from reconciler.engine.events import Happening
from reconciler.engine.intents import intent, machine, put_down
from reconciler.engine.ledger import put
from reconciler.engine.sessions import Session, StepFailed, Stopped, said

USUAL = 120  # seconds that the invoker gives a call that names none
FIRST_POLL, LAST_POLL = 5.0, 15.0


def job_id(fleet: str, id: ResourceId, plan: str, action: str) -> str:
    """Derived, so that whoever comes next finds the same job."""
    return "j-" + sha256(f"{fleet}\n{id}\n{plan}\n{action}".encode()).hexdigest()[:16]


async def attend(session: Session, step: Step) -> None:
    """Wait for somebody's job on this resource, then let go of it where it ended well."""
    job = next(j for j in session.view.hello.jobs if j.resource == str(step.id) and j.active)
    session.say(Happening.JOINED, id=step.id, text=job.id, action=job.action)
    ended = await watch(session, step.id, job, None)
    if not ended.bad:
        await session.writer.ack(job.id)


async def outwait(session: Session) -> None:
    """Wait until no job runs on the host, whoever's it is: a restart would kill it."""
    for job in (job for job in session.view.hello.jobs if job.active):
        id = ResourceId.parse(job.resource)
        session.say(Happening.WAITING, id=id, text=f"job {job.id} ({job.action}) to end before the restart")
        await watch(session, id, job, None)


async def acknowledge(session: Session, step: Step) -> None:
    """Let go of an earlier job of this resource that ended, was lost or went wrong; the record keeps why it matters."""
    for job in session.view.hello.jobs:
        if job.resource == str(step.id) and not job.active:
            await put_down(session, step.id, [*machine(session), put(session.desired.fleet.name, intent(session, step))])
            await session.writer.ack(job.id)
            session.forget_job(job.id)


async def run_job(session: Session, step: Step, action: Action) -> None:
    session.say(Happening.ACTION, id=step.id, action=action.name, text=action.summary)
    id = job_id(session.desired.fleet.name, step.id, session.plan, action.name)
    session.fresh = frozenset()
    job = await session.writer.start(
        id, str(step.id), action.name, action.calls, key=session.key(step.id, action.name), epoch=session.epoch, deadline=_given(action)
    )
    if job.joined:
        session.say(Happening.JOINED, id=step.id, text=job.id, action=job.action)
    ended = await watch(session, step.id, job, action)
    if ended.bad:
        answer = next((a for a in reversed(ended.answers) if a.error is not None), None)
        failed = action.calls[min(len(ended.answers), len(action.calls)) - 1] if ended.answers else action.calls[0]
        raise StepFailed(action, failed, answer, said(failed, answer.error) if answer and answer.error else f"job {ended.id} failed")
    if ended.phase in ("lost", "cancelled"):
        await session.writer.ack(ended.id)
        raise StepFailed(action, None, None, f"job {ended.id} ({action.name}) was {ended.phase}: what it did is seen at the next look")
    await session.writer.ack(ended.id)


def _given(action: Action) -> timedelta:
    """How long a job may take: what its calls are given, and what the kind waits for at least."""
    return max(action.within, timedelta(seconds=sum(call.seconds or USUAL for call in action.calls if not isinstance(call, LedgerCall))))


async def watch(session: Session, id: ResourceId, job: Job, action: Action | None) -> Job:
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
