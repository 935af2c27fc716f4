"""One host's steps, one after the other: decide again, do the first that may be done, look, until nothing is left.

Called by `hostrun` with a session; lives across sessions, so that a dropped line or a restart loses nothing of what it knows.
Raises `Restarted` once the host was told to restart; lets transport errors through.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import anyio

from reconciler.core.calls import Plane
from reconciler.core.diagnostics import Diagnostic
from reconciler.core.errors import SecretUnavailable
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Disruption, Reboot
from reconciler.core.plan import HostPlan, Step, Verb
from reconciler.engine import azuresteps
from reconciler.engine.arrange import restarts
from reconciler.engine.decide import decide
from reconciler.engine.desired import Desired
from reconciler.engine.environment import Environment
from reconciler.engine.events import Emit, Event, Happening
from reconciler.engine.failures import explain, refused
from reconciler.engine.intents import finish, note
from reconciler.engine.jobs import attend, outwait
from reconciler.engine.ledger import INTENT
from reconciler.engine.perform import perform
from reconciler.engine.planning import look_at
from reconciler.engine.reboots import restart
from reconciler.engine.restrain import held
from reconciler.engine.sessions import LOOKS, Halted, SecretMissing, Session, StepFailed, Stopped
from reconciler.engine.staleness import came_to_light, loses_beyond, moved
from reconciler.engine.view import HostView

ROUNDS = 3


class Restarted(Exception):
    """The host restarts because we told it to."""

    def __init__(self, boot: str) -> None:
        super().__init__(boot)
        self.boot = boot


class Quit(Exception):
    """A person does not want to wait until the host's services are up."""


class _Stale(Exception):
    def __init__(self, moved: tuple[str, ...]) -> None:
        super().__init__("; ".join(moved))
        self.moved = moved


@dataclass(slots=True)
class Tally:
    """What came of it so far; becomes the report."""

    done: list[ResourceId] = field(default_factory=list)
    noted: list[ResourceId] = field(default_factory=list)
    failed: list[ResourceId] = field(default_factory=list)
    blocked: list[ResourceId] = field(default_factory=list)
    left: list[ResourceId] = field(default_factory=list)
    running: dict[str, str] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    reboots: int = 0
    unreachable: float = 0.0
    rounds: int = 1
    drops: int = 0
    unseen: str = ""
    stale: tuple[str, ...] = ()
    stopped: bool = False


class Walk:
    """`expected` is what may run: the plan's steps in the first round, what came to light in a later one."""

    def __init__(self, plan_id: str, host: HostPlan, desired: Desired, env: Environment, emit: Emit, stop: anyio.Event) -> None:
        self.plan_id = plan_id
        self.host = host
        self.limits = desired.limits
        self.env = env
        self._emit = emit
        self.stop = stop
        self.expected = {step.id: step for step in host.steps if step.runs}
        self.worst = max((step.disruption for step in self.expected.values()), default=Disruption.NONE)
        planned = sum(1 for barrier in host.barriers if not barrier.blocked)
        self.restarts_left = planned + 1 if planned else int(self._may_ask(desired))  # one more for what turns out afterwards
        self.checked = False
        self.begun: set[ResourceId] = set()  # what this run made: nobody leans on it yet
        self.told: set[tuple[ResourceId, Verb]] = set()  # steps of this round that were said to start
        self.tally = Tally(blocked=[step.id for step in host.steps if step.blocked])

    def _may_ask(self, desired: Desired) -> bool:
        """Whether a step that runs may turn out to want a restart, and its spec says that it is to have it then."""
        bearable = self.limits.max_disruption is None or self.limits.max_disruption >= Disruption.REBOOT
        return bearable and any(
            step.reboot is Reboot.POSSIBLE and azuresteps.asks(desired, step) for step in self.expected.values() if step.desired is not None
        )

    def say(self, what: Happening, **more: object) -> None:
        self._emit(Event(self.env.clock.now(), self.plan_id, self.host.name, what, **more))  # type: ignore[arg-type]

    async def sleep(self, seconds: float) -> None:
        await self.env.clock.sleep_until(self.env.clock.now() + timedelta(seconds=seconds))

    def settling(self, silent: str) -> None:
        if self.stop.is_set():
            raise Quit
        self.say(Happening.WAITING, text=f"{silent} to answer after the restart")

    async def run(self, session: Session) -> None:
        """Walk as far as this session goes."""
        try:
            if self._held(session):
                return
            self._check(session, self._decide(session))
            while await self._next(session):
                pass
        except _Stale as stale:
            self.tally.stale = stale.moved
            self.say(Happening.STALE, text="; ".join(stale.moved))
        except Stopped as stopped:
            self.tally.stopped = True
            self.tally.running[str(stopped.id)] = stopped.job
            self.say(Happening.STOPPED, id=stopped.id, text=f"job {stopped.job} runs on without us")
        except Quit:
            self.tally.stopped = True
        except Halted as halted:
            self.tally.stopped = True
            self.tally.left.append(halted.id)
            self.say(Happening.STOPPED, id=halted.id, text="stopped while the host was to show it: the next run goes on from here")

    def _held(self, session: Session) -> bool:
        """Whether somebody put a hold on the host since the plan was made: then nothing runs, and nothing is stale."""
        block = held(session.view.hello.hold, self.env.clock.now())
        if block is not None:
            self.tally.blocked += [id for id in self.expected if id not in self.tally.done]
            self.say(Happening.BLOCKED, text=block.message)
        return block is not None

    def _decide(self, session: Session) -> HostPlan:
        return decide(session.desired, session.view, self.env.clock.now())

    async def _next(self, session: Session) -> bool:
        """Do one thing; whether there may be more."""
        await session.keep_lease()
        fresh = self._decide(session)
        if self.stop.is_set():
            self.tally.stopped = True
            self.tally.left = [step.id for step in fresh.steps if step.verb.acts and not step.blocked]
            return False
        step = self._ready(fresh)
        if step is not None:
            await self._step(session, step)
            return True
        wanting = self._wants_restart(fresh) if self._may_restart(session) else []
        if wanting:
            await self._restart(session, wanting)
            return True
        return await self._round(session)

    def _may_restart(self, session: Session) -> bool:
        """A host that does not answer is not restarted through Azure: nobody sees what runs on it."""
        return self.restarts_left > 0 and Plane.HOST not in session.view.dark

    async def _restart(self, session: Session, wanting: list[ResourceId]) -> None:
        """Restart the host; never while a job runs there. A refusal is a failure of what the restart was for."""
        self.restarts_left -= 1
        boot = session.view.facts.boot
        try:
            await outwait(session)
            if session.desired.host.azure is not None:
                await azuresteps.at_rest(session, wanting[0])
            await (restart(session) if session.desired.host.connected else azuresteps.restart(session, wanting))
        except StepFailed as failed:
            self.restarts_left = 0
            self.tally.failed += wanting
            diagnostic = refused(session, wanting, failed)
            self.tally.diagnostics.append(diagnostic)
            self.say(Happening.FAILED, id=wanting[0], text=str(failed), diagnostic=diagnostic)
            return
        if session.desired.host.connected:
            raise Restarted(boot)
        self.tally.reboots += 1
        session.desired, session.view = await self._greeted(session)

    def _ready(self, fresh: HostPlan) -> Step | None:
        """The first step that may run now: planned, before any restart, and not waiting for one that failed."""
        stuck = self._stuck(fresh)
        for step in fresh.steps:
            if not step.runs or step.level or step.id in stuck or (step.id in self.tally.done and not step.verb.records):
                continue
            if step.verb.records or step.id in self.expected:
                return step
        return None

    def _stuck(self, fresh: HostPlan) -> set[ResourceId]:
        """Failed steps, and all that need them; each of these is named once."""
        stuck = set(self.tally.failed)
        growing = True
        while growing:
            more = [s for s in fresh.steps if s.id not in stuck and s.verb.acts and any(need in stuck for need in s.needs)]
            growing = bool(more)
            for step in more:
                stuck.add(step.id)
                if step.id not in self.tally.blocked:
                    self.tally.blocked.append(step.id)
                    first = next(need for need in step.needs if need in stuck)
                    self.say(Happening.BLOCKED, id=step.id, text=f"needs {first.local}")
        return stuck

    def _wants_restart(self, fresh: HostPlan) -> list[ResourceId]:
        """What was done, or is seen, and takes effect only after a restart; else what lies behind one that others caused."""
        stuck = self._stuck(fresh)
        done = [step.id for step in fresh.steps if restarts(step) and not step.verb.acts and step.id not in self.tally.failed]
        if done or any(restarts(step) for step in fresh.steps):
            return done
        return [step.id for step in fresh.steps if step.level and step.runs and step.verb.acts and step.id in self.expected and step.id not in stuck]

    async def _step(self, session: Session, step: Step) -> None:
        step = await self._look_before(session, step)
        if not step.runs:
            return
        order = [s.id for s in self.host.steps if s.runs]
        index = order.index(step.id) + 1 if step.id in order else 0
        started = self.env.clock.now()
        try:
            if step.verb.records:
                ours = self._done_unseen(session, step)
                await (azuresteps.note if azuresteps.lives_there(session, step.id) else note)(session, step)
                (self.tally.done if ours else self.tally.noted).append(step.id)
                text = "before the line broke; recorded" if ours else ""
                self.say(Happening.DONE if ours else Happening.RECORDED, id=step.id, index=index, of=len(order), text=text)
                return
            usual = (step.usual[0].total_seconds(), step.usual[1].total_seconds())
            if (step.id, step.verb) not in self.told:  # a line that broke in mid-step makes it begin again: no news
                self.told.add((step.id, step.verb))
                self.say(Happening.STEP, id=step.id, index=index, of=len(order), text=step.verb.value, usual=usual)
            if step.verb is Verb.WAIT:
                await (attend if step.code else azuresteps.attend)(session, step)
                session.desired, session.view = await self._greeted(session)
                self._joined(session, step)
                return
            await (azuresteps.perform if azuresteps.lives_there(session, step.id) else perform)(session, step)
            await self._seen_done(session, step)
        except StepFailed as failed:
            if not await self._well_enough(session, step):
                await self._failed(session, step, failed)
            return
        except SecretUnavailable as missing:
            await self._failed(session, step, SecretMissing(str(missing)))
            return
        self.tally.done.append(step.id)
        self.begun |= {step.id} if step.verb is Verb.CREATE else set()
        self.tally.drops = 0
        self.say(Happening.DONE, id=step.id, index=index, of=len(order), seconds=(self.env.clock.now() - started).total_seconds())

    def _joined(self, session: Session, step: Step) -> None:
        """What Azure was at work on is done, where it was this very plan that set it to work: no record is left to be closed."""
        left = self._decide(session).step(step.id)
        if azuresteps.lives_there(session, step.id) and left is not None and left.verb is Verb.NOTHING and self._open_intent(session, left, done=True):
            self.tally.done.append(step.id)
            self.say(Happening.DONE, id=step.id, text="Azure went on while nobody looked")

    async def _well_enough(self, session: Session, step: Step) -> bool:
        """Whether what Azure calls failed is as declared all the same, or may go well when it is run again: the next round's business."""
        if not azuresteps.lives_there(session, step.id):
            return False
        await session.look({step.id.kind})
        fresh = self._decide(session).step(step.id)
        if fresh is None or fresh.blocked or not self._open_intent(session, fresh):
            return False
        as_declared = fresh.verb is Verb.NOTHING
        again = azuresteps.goes_again(session, fresh) and self.tally.rounds < ROUNDS
        if as_declared or again:
            self.tally.done.append(step.id)  # not before the next round
        if as_declared:
            self.say(Happening.DONE, id=step.id, text="Azure calls it failed, and it is as declared")
        return as_declared or again

    def _done_unseen(self, session: Session, step: Step) -> bool:
        """Whether this very run did it and only lost the answer: what is left is to record it."""
        planned, record = self.expected.get(step.id), session.view.records.by_id.get(step.id)
        return planned is not None and planned.verb.acts and record is not None and record.plan == self.plan_id and record.phase == INTENT

    async def _greeted(self, session: Session) -> tuple[Desired, HostView]:
        await session.writer.greet()
        return await look_at(session.desired, session.writer, self.env, self.settling)

    async def _look_before(self, session: Session, step: Step) -> Step:
        """Ask again for the resource and its direct needs, and decide again with the same function."""
        await session.look(_concerns(step) & set(session.view.kinds))
        fresh = self._decide(session).step(step.id) or replace(step, verb=Verb.NOTHING, actions=(), changes=())
        self._same(session, fresh)
        return fresh

    async def _seen_done(self, session: Session, step: Step) -> None:
        """Look until nothing is left to do for it. What Windows shows late is waited for; what it never shows is a failure."""
        within = max((action.within for action in step.actions), default=timedelta(seconds=30))
        end = self.env.clock.now() + min(within, timedelta(minutes=2))
        pauses = list(LOOKS)
        while True:
            await session.look({step.id.kind}, along=self._next_concerns(step))
            left = self._decide(session).step(step.id)
            if left is None or (not left.verb.acts and left.verb is not Verb.UNSEEN):
                break
            if self.env.clock.now() >= end:
                if came_to_light(step, left):
                    return  # the next round's business, the intent stands open
                still = ", ".join(change.path for change in left.changes) or left.why
                raise StepFailed(None, None, None, f"every call went well, and the host still shows a difference: {still}")
            await session.keep_lease()
            await session.wait(step.id, pauses.pop(0) if len(pauses) > 1 else pauses[0])
        if azuresteps.lives_there(session, step.id) or (step.verb is Verb.DELETE and left is not None and left.pending_restart):
            return  # its record is in what was seen; or it is gone after the restart, and the record stays until that was seen
        await finish(session, step if step.desired is None else replace(step, desired=left.desired if left and left.desired else step.desired))

    def _next_concerns(self, step: Step) -> frozenset[str]:
        """The kinds that the step after this one rests on: looked at along with the last look of this one."""
        ahead = [s for s in self.host.steps if s.runs and s.id in self.expected]
        position = next((n for n, s in enumerate(ahead) if s.id == step.id), len(ahead))
        return frozenset(_concerns(ahead[position + 1])) if position + 1 < len(ahead) and ahead[position + 1].level == ahead[position].level else frozenset()

    async def _failed(self, session: Session, step: Step, failed: StepFailed) -> None:
        self.tally.failed.append(step.id)
        diagnostic = await explain(session, step, failed)
        self.tally.diagnostics.append(diagnostic)
        self.say(Happening.FAILED, id=step.id, action=failed.action.name if failed.action else "", text=str(failed), diagnostic=diagnostic)
        await session.look({step.id.kind} & set(session.view.kinds))

    # -- what may run

    def _check(self, session: Session, fresh: HostPlan) -> None:
        """Before anything is done: is the host as it was when the plan was made?"""
        if self.checked:
            return
        lines = [text for step in fresh.steps for text in self._moved(session, step)]
        if lines:
            raise _Stale(tuple(lines))
        self.checked = True

    def _same(self, session: Session, fresh: Step) -> None:
        lines = self._moved(session, fresh)
        if lines:
            raise _Stale(tuple(lines))

    def _moved(self, session: Session, fresh: Step) -> list[str]:
        """What is not as planned about one step."""
        return moved(self.expected.get(fresh.id), self.host.step(fresh.id), fresh, ours=self._open_intent(session, fresh))

    def _open_intent(self, session: Session, fresh: Step, *, done: bool = False) -> bool:
        record = session.view.records.by_id.get(fresh.id)
        if record is None and (azure := session.desired.host.azure) is not None and azure.scale_set:
            return not done  # a scale set has no record: what is left of the planned actions is all that can be told, not who did the rest
        if record is None and azuresteps.lives_there(session, fresh.id):
            planned = self.host.step(fresh.id)  # the record went with the old: between the halves of a replace it is nowhere
            return planned is not None and planned.verb is Verb.REPLACE and fresh.verb is Verb.CREATE
        return record is not None and record.plan == self.plan_id and (done or record.phase == INTENT or fresh.id in self.tally.done)

    # -- rounds

    async def _round(self, session: Session) -> bool:
        """The last look. What became visible and differs is a next round, under the same limits."""
        session.desired, session.view = await self._greeted(session)
        fresh = self._decide(session)
        stuck = self._stuck(fresh)
        open_ = [step for step in fresh.steps if step.runs and not step.verb.records and step.id not in stuck]
        more = [step for step in open_ if self._within_limits(step)]
        restart_due = bool(self._may_restart(session) and self._wants_restart(fresh))
        if (more or restart_due) and self.tally.rounds < ROUNDS:
            self.tally.rounds += 1
            self.told.clear()
            self.expected = {step.id: step for step in more}
            self.tally.done = [id for id in self.tally.done if id not in self.expected]
            self.say(Happening.ROUND, text=", ".join(step.id.local for step in more))
            return True
        late = [step for step in fresh.steps if step.verb is Verb.DEFERRED or (restarts(step) and step.id not in stuck)]
        self.tally.left = [step.id for step in fresh.steps if step in open_ or step in late]
        self.tally.blocked += [step.id for step in fresh.steps if step.blocked and step.verb.acts and step.id not in self.tally.failed]
        dark = [step for step in fresh.steps if step.verb is Verb.UNSEEN]
        self.tally.unseen = "; ".join(f"{step.id.local}: {step.why}" for step in dark)
        if not (self.tally.left or self.tally.failed or self.tally.blocked):
            self.say(Happening.CONVERGED)
        return False

    def _within_limits(self, step: Step) -> bool:
        """No more than the plan showed; what this very run made and did not finish disturbs nobody yet."""
        planned = self.host.step(step.id)
        if loses_beyond(planned, step):
            return False
        if step.verb is Verb.DELETE:
            return planned is not None and planned.verb is Verb.DELETE and not planned.blocked
        return step.disruption <= self.worst or step.id in self.begun


def _concerns(step: Step) -> set[str]:
    """The kinds that a step rests on: its own, and those of its direct needs."""
    return {step.id.kind, *(need.kind for need in step.needs)}
