"""One open connection to a host with its lease, and what was seen through it; and the ways in which a step ends early.

Built by `hostrun` once the lease is taken; `walk`, `perform`, `jobs` and `reboots` speak to the host through it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import anyio

from reconciler.core.calls import Answer, AnyCall, CallError, LedgerCall
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Action
from reconciler.core.transport import Writer
from reconciler.engine.desired import Desired
from reconciler.engine.environment import Environment
from reconciler.engine.events import Emit, Event, Happening
from reconciler.engine.ledger import Record
from reconciler.engine.view import HostView, refresh

LEASE = 120.0  # seconds that a lease is taken for, and renewed after half of it
BATCH = timedelta(seconds=150)  # deadline of attached calls that name none
LOOKS = (1.0, 1.0, 2.0, 3.0, 5.0)  # seconds between looks while something is awaited; the last repeats


class StepFailed(Exception):
    """The host refused or did not show what was wanted."""

    code = "PLN050"

    def __init__(self, action: Action | None, call: AnyCall | None, answer: Answer | None, message: str) -> None:
        super().__init__(message)
        self.action = action
        self.call = call
        self.answer = answer


class SecretMissing(StepFailed):
    """A secret could not be had when the call that carries it was to be sent: nothing was."""

    def __init__(self, message: str) -> None:
        super().__init__(None, None, None, f"{message}; nothing was sent")


class OutOfPatience(StepFailed):
    """Azure took no request for longer than is waited for. `sent`: the act itself was taken before, and goes on."""

    code = "AZR429"

    def __init__(self, action: Action, call: AnyCall, quota: str, *, sent: bool) -> None:
        super().__init__(action, call, None, f"{quota}; {'how it goes on in Azure was not seen' if sent else 'nothing was sent'}")
        self.sent = sent


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


def refuse(action: Action | None, calls: Sequence[AnyCall], answers: Sequence[Answer]) -> None:
    """A write batch stops at its first failure: that one is the last answer."""
    last = answers[-1] if answers else None
    if last is not None and last.error is not None:
        call = calls[len(answers) - 1]
        raise StepFailed(action, call, last, said(call, last.error))
    if len(answers) < len(calls):
        raise StepFailed(action, calls[len(answers)], None, f"{calls[len(answers)].name} was not answered")


def said(call: AnyCall, error: CallError) -> str:
    return f"{call.name}: {error.message or error.id}"
