"""One host's worker: looks, decides from scratch, puts drift back, and says what changed since the last look.

`loop` makes one a host and calls `visit` once a sweep; visits of one host never overlap. A visit never raises for what a host
does, or for a defect met on the way: whatever is wrong with one host costs the others nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import anyio
from anyio.abc import TaskGroup

from reconciler.core.errors import TransportError, Unreachable
from reconciler.core.ids import ResourceId
from reconciler.core.observations import Facts
from reconciler.core.plan import HostPlan, SpecsInfo, Verb
from reconciler.core.transport import Clock
from reconciler.engine.decide import decide
from reconciler.engine.desired import Desired
from reconciler.engine.environment import Environment, Request, Scope
from reconciler.engine.hostrun import HostRun
from reconciler.engine.link import Linked
from reconciler.engine.planes import connected
from reconciler.engine.planning import desired_of, look_at, target_of
from reconciler.engine.view import HostView
from reconciler.operator.conditions import LIMITS, Condition, conditions, corrects, drifted, leave_alone
from reconciler.operator.corrections import Corrections
from reconciler.operator.events import Say, Watched, WatchEvent
from reconciler.operator.flapping import Guard
from reconciler.operator.schedule import backoff, cut_short, pause

GRACE = timedelta(seconds=8)  # after a stop, for a call that runs; the loop promises to end within 10


@dataclass(frozen=True, slots=True)
class Slots:
    """How many hosts at a time. Hosts that were not seen last time queue apart, and so does mending: neither keeps a look waiting."""

    looks: anyio.CapacityLimiter
    suspects: anyio.CapacityLimiter
    mends: anyio.CapacityLimiter

    @classmethod
    def of(cls, at_once: int) -> Slots:
        return cls(anyio.CapacityLimiter(at_once), anyio.CapacityLimiter(max(1, at_once // 4)), anyio.CapacityLimiter(at_once))


@dataclass(frozen=True, slots=True)
class Shared:
    """What all cells of a loop work with. `ending`: begin nothing new, come to an end."""

    env: Environment
    every: timedelta
    say: Say
    ending: anyio.Event
    group: TaskGroup
    slots: Slots


@dataclass(frozen=True, slots=True)
class Order:
    """One visit: when to look, until when to try again, and against which declaration."""

    at: datetime
    end: datetime
    linked: Linked
    specs: SpecsInfo
    done: Callable[[str], None]  # called once, when the first look and what follows from it is over


class Cell:
    """`ready`: as declared when last seen; None before the first look."""

    def __init__(self, host: str, shared: Shared) -> None:
        self.host = host
        self.ready: bool | None = None
        self.busy = False
        self.mending = False
        self._shared = shared
        self._guard = Guard(shared.every)
        self._said: dict[tuple[ResourceId | None, Watched], str] = {}
        self._facts: Facts | None = None  # at the last look
        self._failures = 0  # looks in a row that came to nothing
        self._denied = 0  # corrections in a row that another's lease kept us from
        self._lost: datetime | None = None  # since when it is not seen

    # -- one visit

    async def visit(self, order: Order) -> None:
        """Wait for the host's place in the sweep, look, mend; while it cannot be seen or had, try again with growing pauses."""
        self.busy = True
        waiting = True
        try:
            if await pause(self._clock, order.at, self._shared.ending):
                return
            while True:
                await self._guarded(order)
                if waiting:
                    waiting = False
                    order.done(self.host)
                if await self._rested(order):
                    return
        finally:
            self.busy = False
            if waiting:
                order.done(self.host)

    async def _rested(self, order: Order) -> bool:
        """Wait for another try in this sweep; whether there is none."""
        tries = max(self._failures, self._denied)
        at = self._clock.now() + backoff(max(tries, 1), self._shared.every)
        return not tries or at >= order.end or await pause(self._clock, at, self._shared.ending)

    async def _guarded(self, order: Order) -> None:
        """The loop outlives every defect: it is said, and the host is looked at anew in the next sweep."""
        try:
            await self._once(order)
        except Exception as defect:  # noqa: BLE001 - a kind's bug on one host must not end the watch over the others
            text = f"{type(defect).__name__}: {defect}"
            self._settle([Condition(Watched.DEFECT, None, text, type(defect).__name__)], blind=True)

    async def _once(self, order: Order) -> None:
        slots = self._shared.slots.suspects if self._failures else self._shared.slots.looks
        desired = desired_of(order.linked, order.linked.hosts[self.host], Request(Scope(), LIMITS, order.specs), self._shared.env)
        async with slots:
            seen = await self._look(desired)
        if seen is None:
            return
        desired, plan, given_up = self._decide(*seen)
        found = conditions(plan, given_up)
        self._denied *= corrects(plan)
        if corrects(plan) and not self._shared.ending.is_set():
            async with self._shared.slots.mends:
                found = (*found, *await self._mend(plan, desired, order.specs.commit))
        self._settle(found)

    # -- looking

    async def _look(self, desired: Desired) -> tuple[Desired, HostView] | None:
        """One look with a deadline of its own. None: not seen, or cut off because the loop ends."""
        limit = min(self._shared.env.deadline, self._shared.every)
        alarm = partial(pause, self._clock, self._clock.now() + limit, self._shared.ending)
        try:
            found = await cut_short(self._shared.group, alarm, partial(self._session, desired))
            if found is None:
                if self._shared.ending.is_set():
                    return None
                raise Unreachable(f"no answer within {limit.total_seconds():g} s")
        except TransportError as trouble:
            self._unseen(trouble)
            return None
        self._seen(found[1])
        return found

    async def _session(self, desired: Desired) -> tuple[Desired, HostView]:
        async with connected(self._shared.env, replace(target_of(desired), look=True)) as reader:
            return await look_at(desired, reader, self._shared.env)

    def _unseen(self, trouble: TransportError) -> None:
        self._failures += 1
        self._lost = self._lost or self._clock.now()
        self._settle([Condition(Watched.UNSEEN, None, str(trouble), f"unseen {trouble.code}", trouble.code)], blind=True)

    def _seen(self, view: HostView) -> None:
        if self._lost is not None:
            self._say(Watched.SEEN, seconds=(self._clock.now() - self._lost).total_seconds())
        self._failures, self._lost = 0, None
        before, self._facts = self._facts, view.facts
        if before is not None and before.boot != view.facts.boot:
            self._say(Watched.REBOOTED, text=f"boot {_when(before)} → {_when(view.facts)}")

    # -- deciding

    def _decide(self, desired: Desired, view: HostView) -> tuple[Desired, HostPlan, dict[ResourceId, Watched]]:
        """The engine's plan under the loop's limits; decided once more without what the loop leaves alone."""
        now = self._clock.now()
        plan = decide(desired, view, now)
        given_up = {step.id: what for step in drifted(plan) if (what := self._given_up(step.id, now)) is not None}
        alone = leave_alone(plan) | given_up.keys()
        for id in self._guard.calmed([step.id for step in plan.steps if step.verb is Verb.NOTHING and not step.blocked], now):
            self._say(Watched.CALM, id=id)
        if not alone:
            return desired, plan, given_up
        desired = replace(desired, excluded=alone)
        return desired, decide(desired, view, now), given_up

    def _given_up(self, id: ResourceId, now: datetime) -> Watched | None:
        if self._guard.fights(id, now):
            return Watched.FLAPPING
        return Watched.STALLED if self._guard.rests(id, now) else None

    # -- mending

    async def _mend(self, plan: HostPlan, desired: Desired, commit: str) -> tuple[Condition, ...]:
        """Put drift back through the engine's own run of one host; conditions for what that left."""
        env = self._shared.env
        corrections = Corrections(plan, self._guard, env.secrets.scrub, self._shared.say)
        run = HostRun(env.name_run(), commit, plan, desired, env, corrections.hear, self._shared.ending)
        self.mending = True
        try:
            left = corrections.left(await cut_short(self._shared.group, self._grace, run.run))
            self._denied = self._denied + 1 if corrections.denied else 0
            if corrections.lost:
                self._failures, self._lost = 1, self._clock.now()
            return left
        finally:
            self.mending = False

    async def _grace(self) -> None:
        await self._shared.ending.wait()
        await self._clock.sleep_until(self._clock.now() + GRACE)

    # -- saying

    def _settle(self, found: Sequence[Condition], *, blind: bool = False) -> None:
        """Say what is new or changed since the last look, or that it is over. `blind`: the others are as they were, for all we know."""
        now = {(condition.id, condition.what): condition for condition in found}
        for key, condition in now.items():
            if self._said.get(key) != condition.mark:
                self._say_condition(condition)
        if self._said and not now:
            self._say(Watched.READY)
        marks = {key: condition.mark for key, condition in now.items()}
        self._said = self._said | marks if blind else marks
        self.ready = not now

    def _say_condition(self, condition: Condition) -> None:
        unseen = condition.what is Watched.UNSEEN and condition.id is None
        self._say(
            condition.what,
            id=condition.id,
            text=condition.text,
            code=condition.code,
            verb=condition.verb,
            changes=condition.changes,
            more=condition.more,
            next=condition.next,
            diagnostics=condition.diagnostics,
            seconds=backoff(self._failures, self._shared.every).total_seconds() if unseen else None,
        )

    def _say(self, what: Watched, *, text: str = "", **more: object) -> None:
        text = self._shared.env.secrets.scrub(text)
        self._shared.say(WatchEvent(self._clock.now(), what, self.host, text=text, **more))  # type: ignore[arg-type]

    @property
    def _clock(self) -> Clock:
        return self._shared.env.clock


def _when(facts: Facts) -> str:
    return f"{facts.booted:%Y-%m-%d %H:%M}" if facts.booted else "unknown"
