"""What is done in Azure: a step's requests one by one, each polled on the engine's clock; the tags that are our record; a VM's restart.

Called by `walk` for kinds of the ARM plane, and for the restart of a host that is reached through Azure alone. Intent and act are one
request, so there is nothing to write before or after it. An operation is the service's own job: a status URL that is lost costs
nothing, for the resource itself shows how it ends. Raises `StepFailed`; lets transport errors through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from reconciler.core.calls import ArmCall, Plane
from reconciler.core.errors import Throttled
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Action
from reconciler.core.observations import Busy, Present, Unseen
from reconciler.core.plan import Step, Verb
from reconciler.core.transport import Job
from reconciler.engine.desired import Desired
from reconciler.engine.diff import SAME
from reconciler.engine.events import Happening
from reconciler.engine.jobs import job_id
from reconciler.engine.perform import known, until
from reconciler.engine.planning import look_at
from reconciler.engine.sessions import OutOfPatience, Session, StepFailed, Stopped, said
from reconciler.engine.tags import forgotten, printed, restarted, stamped
from reconciler.engine.vocabulary import RESTART_VM

POLL = 10.0  # seconds between two looks at an operation: 6 of the 15 a minute that a VM is given (azure-extensions 1.7)
LOOK = 15.0  # between two looks at the VM itself, which are two requests each
TAGGING = timedelta(minutes=10)
RESTARTING = timedelta(minutes=20)
LONGEST = timedelta(minutes=95)  # what the platform gives its slowest handlers, and a little (azure-extensions 1.4)


def lives_there(session: Session, id: ResourceId) -> bool:
    return session.desired.registry[id.kind].plane is Plane.ARM


def asks(desired: Desired, step: Step) -> bool:
    """Whether the spec of a step says itself what to do where a restart is asked for, and says: restart."""
    kind = desired.registry[step.id.kind]
    return kind.plane is Plane.ARM and step.desired is not None and kind.restart(step.desired.spec)


def goes_again(session: Session, step: Step) -> bool:
    """Whether what is left of a step that failed may go well when it is run again."""
    if step.verb is Verb.AGAIN:
        return True
    present = _seen(session, step.id, step.key)
    return step.verb is Verb.UPDATE and present is not None and present.again


async def perform(session: Session, step: Step) -> None:
    """Send a step's requests in order, our record in each that carries tags."""
    known(session, step)
    for action in step.actions:
        calls = [_stamped(session, step, call) for call in action.calls if isinstance(call, ArmCall)]
        for call in calls:
            await _request(session, step.id, action, call)
        await until(session, step, action)
    _given(session, step)


def _stamped(session: Session, step: Step, call: ArmCall) -> ArmCall:
    if step.desired is None:
        return call
    hashes = session.desired.hashes.get(step.id, {})
    return printed(stamped(call, session.desired.fleet.name, step.desired, hashes, session.plan), hashes)


def _given(session: Session, step: Step) -> None:
    """What cannot be read back counts as done; Azure is asked for everything else."""
    told = {change.field: SAME for change in step.changes if change.secret}
    if told:
        secrets = session.desired.secrets
        session.desired = replace(session.desired, secrets={**secrets, step.id: {**secrets.get(step.id, {}), **told}})


async def _request(session: Session, id: ResourceId, action: Action, call: ArmCall) -> None:
    """One request, until the service has done with it or the action's time is up. Waits that Azure asked for do not count."""
    session.say(Happening.ACTION, id=id, action=action.name, text=action.summary)
    session.fresh = frozenset()
    key = session.key(id, action.name)
    name = job_id(session.desired.fleet.name, id, session.plan, f"{action.name}:{session.attempt}")
    sent = False
    try:
        job = await session.writer.start(name, str(id), action.name, (call,), key=key, epoch=session.epoch, deadline=action.within)
        sent = True
        job = await _polled(session, id, action, job)
    except Throttled as throttled:
        raise OutOfPatience(action, call, str(throttled), sent=sent) from throttled
    await session.writer.ack(job.id)
    if job.phase in ("lost", "cancelled"):
        await at_rest(session, id)
    elif job.bad:
        answer = job.answers[-1] if job.answers else None
        raise StepFailed(action, call, answer, said(call, answer.error) if answer and answer.error else f"{call.name} failed")


async def _polled(session: Session, id: ResourceId, action: Action, job: Job) -> Job:
    spent = timedelta()
    usual = (action.usual[0].total_seconds(), action.usual[1].total_seconds())
    while job.active:
        if session.stop.is_set():
            raise Stopped(id, job.id)
        if spent >= action.within:
            minutes = int(action.within.total_seconds() // 60)
            raise StepFailed(action, None, None, f"{action.summary}: Azure is still at work after {minutes} min, and goes on")
        pause = POLL if job.pause is None else max(job.pause, 1.0)
        await session.sleep(pause)
        spent += timedelta(seconds=pause)
        await session.keep_lease()
        job = await session.writer.poll(job.id)
        session.say(Happening.PROGRESS, id=id, action=action.name, text=job.last, seconds=spent.total_seconds(), usual=usual)
    return job


# -- somebody else's work


async def attend(session: Session, step: Step) -> None:
    """Wait until Azure is at rest, whoever set it to work."""
    session.say(Happening.JOINED, id=step.id, text=step.why)
    await at_rest(session, step.id)


async def at_rest(session: Session, id: ResourceId) -> None:
    """Look until nothing of the VM is being worked on."""
    end = session.env.clock.now() + LONGEST
    while True:
        await session.writer.greet()
        session.desired, session.view = await look_at(session.desired, session.writer, session.env)
        busy = session.view.at_work()
        if busy is None:
            return
        if session.env.clock.now() >= end:
            raise StepFailed(None, None, None, f"Azure is still at work ({busy.what}) after {int(LONGEST.total_seconds() // 60)} min")
        session.say(Happening.WAITING, id=id, text=_plainly(busy))
        await session.keep_lease()
        await session.wait(id, LOOK)


def _plainly(busy: Busy) -> str:
    return f"Azure to end its work: {busy.what}, by {busy.by}"


# -- tags alone


async def note(session: Session, step: Step) -> None:
    """Take a resource on record, or off it: a request that writes tags and runs nothing."""
    present = _seen(session, step.id, step.key)
    if present is None:
        return
    if step.verb is Verb.FORGET:
        await _tag(session, step.id, step.key, present, forgotten(present.state.tags))
        return
    assert step.desired is not None
    empty = ArmCall("", body={"tags": dict(present.state.tags)})
    marked = _stamped(session, step, empty)
    assert marked.body is not None
    await _tag(session, step.id, step.key, present, marked.body["tags"])


async def _tag(session: Session, id: ResourceId, key: str, present: Present[Any], tags: dict[str, str]) -> None:
    tag = session.desired.registry[id.kind].tag
    call = tag(present.state, tags) if tag is not None else None
    assert isinstance(call, ArmCall)
    await _request(session, id, Action("tag", f"note on {id.local} whose it is", (call,), within=TAGGING), call)
    await session.look({id.kind})
    seen = _seen(session, id, key)
    if seen is not None and dict(seen.state.tags) != tags:
        raise StepFailed(None, None, None, f"Azure took the tags of {id.local} and does not show them")


def _seen(session: Session, id: ResourceId, key: str) -> Present[Any] | None:
    looked = session.view.kinds.get(id.kind)
    return None if looked is None or isinstance(looked, Unseen) else next((p for k, p in looked.items() if k == key), None)


# -- the restart of a host that is reached through Azure alone


async def restart(session: Session, wanting: Sequence[ResourceId]) -> None:
    """Restart the VM, then note for which statuses that was done: the service keeps them, and none may ask for a second one."""
    call = RESTART_VM()
    await _request(session, wanting[0], Action("restart", f"restart {session.desired.host.name} through Azure", (call,), within=RESTARTING), call)
    await at_rest(session, wanting[0])
    keys = {resource.id: resource.key for resource in session.desired.resources}
    for id in wanting:
        present = _seen(session, id, keys.get(id, ""))
        if present is not None and present.awaits and not present.recordless:
            await _tag(session, id, keys[id], present, restarted(present.state.tags, present.awaits))
