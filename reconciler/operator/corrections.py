"""One mending of one host: hears the engine's events, tells the loop's, and keeps the guard's history.

Made by a cell around the engine's run of a host. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.core.ids import ResourceId
from reconciler.core.plan import HostPlan
from reconciler.engine.events import Event, Happening, HostReport
from reconciler.operator.conditions import Condition
from reconciler.operator.events import Say, Watched, WatchEvent
from reconciler.operator.flapping import Guard

SAID = {
    Happening.STEP: Watched.CORRECTING,
    Happening.DONE: Watched.CORRECTED,
    Happening.RECORDED: Watched.RECORDED,
}
NOT_NOW = ("HST050", "AZR429")  # another's lease, a quota of Azure's: nothing was done, and it is tried again soon


class Corrections:
    """`hear` is the `Emit` that the engine is given."""

    def __init__(self, plan: HostPlan, guard: Guard, scrub: Callable[[str], str], say: Say) -> None:
        self._plan = plan
        self._guard = guard
        self._scrub = scrub
        self._say = say
        self._failed: dict[ResourceId, Event] = {}
        self._unseen: Event | None = None
        self._put_off: dict[ResourceId, Event] = {}

    def hear(self, event: Event) -> None:
        match event.what:
            case Happening.DONE if event.id is not None:
                self._guard.put_back(event.id, event.at)
            case Happening.FAILED if event.id is not None and _code(event) in NOT_NOW:
                self._put_off[event.id] = event
            case Happening.FAILED if event.id is not None:
                self._guard.failed(event.id, event.at)
                self._failed[event.id] = event
            case Happening.UNSEEN:
                self._unseen = event
        if (what := SAID.get(event.what)) is not None:
            self._say(self._told(what, event))

    def _told(self, what: Watched, event: Event) -> WatchEvent:
        step = self._plan.step(event.id) if event.id is not None else None
        return WatchEvent(
            event.at,
            what,
            event.host,
            id=event.id,
            text="" if what is Watched.CORRECTING else self._scrub(event.text),
            verb=step.verb if step else None,
            changes=step.changes if step else (),
            seconds=event.seconds,
            usual=event.usual,
            run=event.run,
            diagnostics=(event.diagnostic,) if event.diagnostic else (),
        )

    def left(self, report: HostReport | None) -> tuple[Condition, ...]:
        """What keeps the host from being ready after this. None: it was cut off as the loop ended."""
        if report is None:
            return (Condition(Watched.WAITING, None, "cut off in a call: what it did is seen at the next look", "cut off"),)
        found = [self._not_done(id, event) for id, event in self._failed.items()]
        found += [self._later(event, id) for id, event in self._put_off.items()]
        found += [Condition(Watched.DRIFTED, id, "not corrected yet", "left") for id in report.left if id not in self._failed]
        for id, job in sorted(report.running.items()):
            found.append(Condition(Watched.WAITING, ResourceId.parse(id), f"job {job} runs on without us", f"job {job}", job))
        if report.stale:
            text = self._scrub("; ".join(report.stale))
            found.append(Condition(Watched.STALE, None, text, text))
        if self._unseen is not None:
            found.append(self._not_seen(self._unseen))
        return tuple(found)

    @property
    def denied(self) -> bool:
        """Another held the lease, or Azure took no request: nothing was done, or not all."""
        return bool(self._put_off) or (self._unseen is not None and _code(self._unseen) in NOT_NOW)

    @property
    def lost(self) -> bool:
        """The host went out of sight in mid-correction."""
        return self._unseen is not None and _code(self._unseen) not in NOT_NOW

    def _not_done(self, id: ResourceId, event: Event) -> Condition:
        diagnostics = (event.diagnostic,) if event.diagnostic else ()
        return Condition(Watched.FAILED, id, self._scrub(event.text), f"failed {event.action}", next=f"reconcile apply {id}", diagnostics=diagnostics)

    def _not_seen(self, event: Event) -> Condition:
        if _code(event) in NOT_NOW:
            return self._later(event)
        return Condition(Watched.UNSEEN, None, self._scrub(event.text), f"{Watched.UNSEEN} {_code(event)}", _code(event))

    def _later(self, event: Event, id: ResourceId | None = None) -> Condition:
        return Condition(Watched.WAITING, id, self._scrub(event.text), f"{Watched.WAITING} {_code(event)}", _code(event))


def _code(event: Event) -> str:
    return event.diagnostic.code if event.diagnostic else ""
