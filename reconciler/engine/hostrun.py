"""One host through one run: connection, identity, lease, the walk, through restarts and dropped lines, to the report.

Called by `apply`, one of these a host. Crash, drop, restart, tampering and resume are one mechanism: look, decide again,
and run only what was planned, what is nothing to do, or what is left of a step of ours whose intent stands open.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import anyio

from reconciler.core.calls import Plane
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.errors import Fenced, LeaseHeld, TransportError, Unreachable
from reconciler.core.plan import HostPlan
from reconciler.core.transport import Hello, Process, Writer
from reconciler.engine.desired import Desired
from reconciler.engine.environment import Environment
from reconciler.engine.events import Emit, Happening, HostReport
from reconciler.engine.identity import verify
from reconciler.engine.planes import NO_DARK, Patience, connected
from reconciler.engine.planning import look_at, target_of
from reconciler.engine.reboots import await_boot
from reconciler.engine.sessions import LEASE, Session
from reconciler.engine.walk import Quit, Restarted, Walk

DROPS = 5  # dropped lines in a row, without a step done in between, before a host counts as not seen
PAUSE = 5.0  # seconds before connecting again; longer each time, up to six times that
AT_FIRST = timedelta(minutes=1)  # how long a host is tried that was never reached in this run
ONCE_REACHED = timedelta(minutes=10)  # and one that was: somebody may have restarted it


class HostRun:
    """Keeps a session to one host as long as its walk wants one, and says how it ended."""

    def __init__(self, plan_id: str, commit: str, host: HostPlan, desired: Desired, env: Environment, emit: Emit, stop: anyio.Event) -> None:
        self.plan_id = plan_id
        self.commit = commit
        self.host = host
        self.desired = replace(desired, run=plan_id)
        self.env = env
        self._emit = emit
        self.stop = stop
        self.holder = env.by or plan_id
        self.epoch: int | None = None
        self.process: Process | None = None  # what served the last connection
        self.tried = 0  # connections in a row that did not come about
        self.patience = AT_FIRST
        self.alone = False  # whether Azure is enough: the host was never reached in this run, and was waited for
        self.unleased = False  # whether it was said that there is no lease to take
        self.lost = env.clock.now()
        self.session: Session | None = None
        self.walk = Walk(plan_id, host, self.desired, env, emit, stop)

    async def sleep(self, seconds: float) -> None:
        await self.env.clock.sleep_until(self.env.clock.now() + timedelta(seconds=seconds))

    async def run(self) -> HostReport:
        """Never raises for what a host or a person does; the report says how it ended."""
        while not await self._connected():
            pass
        tally = self.walk.tally
        return HostReport(
            self.host.name,
            tuple(tally.done),
            tuple(tally.noted),
            tuple(tally.failed),
            tuple(dict.fromkeys(tally.blocked)),
            tuple(tally.left),
            tally.running,
            tally.reboots,
            tally.unreachable,
            tally.rounds,
            tally.unseen,
            tally.stale,
            tally.stopped,
            tuple(tally.diagnostics),
        )

    async def _endure(self, seconds: float, quota: str) -> None:
        """Wait as long as Azure wants it, shown once, and keep the lease meanwhile."""
        self.walk.say(Happening.THROTTLED, text=quota, seconds=seconds)
        end = self.env.clock.now() + timedelta(seconds=seconds)
        while (left := (end - self.env.clock.now()).total_seconds()) > 0:
            if self.stop.is_set():
                raise Unreachable(f"stopped while {quota} was waited for")
            await self.sleep(min(left, 30.0))
            if self.session is not None:
                await self.session.keep_lease()

    # -- connections

    async def _connected(self) -> bool:
        """One connection, from hello to its end; whether the run of this host is over."""
        patience = Patience(self._endure, self.desired.limits.throttle_wait)
        try:
            async with connected(self.env, target_of(self.desired), patience, alone=self.alone) as writer:
                self.tried, self.patience = 0, ONCE_REACHED
                self._recognise(writer.hello)
                try:
                    session = await self._open(writer)
                    if session is None:
                        return True
                    await self._walk(session)
                finally:
                    self.process = writer.hello.process
        except Restarted as restarted:
            return await self._through_restart(restarted.boot)
        except Unreachable as dropped:
            return await self._dropped(dropped)
        except (Fenced, TransportError) as trouble:
            self._unseen(trouble)
        return True

    async def _walk(self, session: Session) -> None:
        self.session = session
        try:
            await self.walk.run(session)
        finally:
            self.epoch, self.session = session.epoch, None
        await session.writer.release(self.holder, session.epoch)

    def _recognise(self, hello: Hello) -> None:
        """A lease under our name that the process of our last connection took is ours, also where it was gone before it could say so.

        The name alone proves nothing: the same person may have a second run in another window.
        """
        lease = hello.lease
        if lease.holder == self.holder and lease.taker is not None and lease.taker.same(self.process):
            self.epoch = lease.epoch

    async def _dropped(self, dropped: Unreachable) -> bool:
        """A line that broke. Nothing is known of what was under way: connect again, look, decide again."""
        if self.stop.is_set():
            self.walk.tally.stopped = True
            return True
        if not self.tried:
            self.walk.tally.drops += 1
            self.lost = self.env.clock.now()
        self.tried += 1
        if self.walk.tally.drops >= DROPS or self.env.clock.now() - self.lost >= self.patience:
            if self._azure_alone():
                return False
            self._unseen(dropped)
            return True
        self.walk.say(Happening.WAITING, text=f"{dropped}: connecting again")
        await self.sleep(PAUSE * min(self.tried + self.walk.tally.drops, 6))
        return False

    def _azure_alone(self) -> bool:
        """A host that was never reached is no reason to leave undone what Azure does; once, and what runs on the host stays not seen."""
        if self.alone or self.patience != AT_FIRST or self.desired.host.azure is None or not self.desired.host.connected:
            return False
        self.alone = True
        return True

    def _unseen(self, trouble: TransportError) -> None:
        self.walk.tally.unseen = str(trouble)
        self.walk.say(Happening.UNSEEN, text=str(trouble), diagnostic=Diagnostic(trouble.code, Severity.ERROR, str(trouble), subject=self.host.name))

    async def _through_restart(self, boot: str) -> bool:
        """Wait for the next boot; whether the run of this host is over. A host that never went down is looked at anew."""
        gone = self.env.clock.now()
        self.walk.say(Happening.REBOOTING)
        try:
            facts = await await_boot(self.env, target_of(self.desired), boot, self.stop)
        except TransportError as never:
            self._unseen(never)
            return True
        if facts is None:
            self.walk.tally.stopped = self.stop.is_set()
            return self.walk.tally.stopped
        away = (self.env.clock.now() - gone).total_seconds()
        self.walk.tally.reboots += 1
        self.walk.tally.unreachable += away
        self.walk.tally.drops = 0
        self.walk.say(Happening.REBOOTED, text=facts.boot, seconds=away)
        return False

    async def _open(self, writer: Writer) -> Session | None:
        """The machine's identity, the lease, then the look that everything rests on. None: a person stopped us while we waited."""
        verify(self.desired.host, writer.hello)
        wait_until = self.env.clock.now() + self.desired.limits.lease_wait
        while True:
            try:
                lease = await writer.take(self.holder, LEASE, self.epoch)
                break
            except LeaseHeld as held:
                if self.stop.is_set() or self.env.clock.now() >= wait_until:
                    self.walk.tally.stopped = self.stop.is_set()
                    if not self.walk.tally.stopped:
                        self._unseen(held)
                    return None
                self.walk.say(Happening.WAITING, text=str(held), seconds=held.seconds)
                await self.sleep(min(max(held.seconds, 1.0), 30.0))
        self.epoch, taken = lease.epoch, self.env.clock.now().timestamp()
        if self.desired.host.connected and Plane.HOST not in getattr(writer, "dark", NO_DARK):
            self.walk.say(Happening.LEASED, text=self.holder)
        elif not self.unleased:
            self.unleased = True
            self.walk.say(Happening.UNLEASED, text="through Azure alone nobody else is kept out")
        await writer.greet()
        try:
            desired, view = await look_at(self.desired, writer, self.env, self.walk.settling)
        except Quit:
            self.walk.tally.stopped = True
            await writer.release(self.holder, lease.epoch)
            return None
        return Session(self.env, writer, desired, view, self.plan_id, self.commit, self.holder, lease.epoch, self._emit, self.stop, renewed=taken)
