"""What keeps one host from being ready, read off its plan. Pure; the cell says each condition when it begins or changes.

`leave_alone` says what the loop does not do although the engine's limits would let it; `conditions` what a person should hear of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.canonical import canonical
from reconciler.core.changes import Cause, Change
from reconciler.core.diagnostics import Diagnostic
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Disruption
from reconciler.core.plan import Barrier, HostPlan, Step, Verb
from reconciler.engine.environment import Limits
from reconciler.operator.events import Watched

# Drift alone, disturbing nobody, losing nothing; nobody's lease is waited for, and of Azure's throttles only short ones: the next look is soon.
LIMITS = Limits(max_disruption=Disruption.NONE, only_drift=True, destructive=False, lease_wait=timedelta(), throttle_wait=timedelta(minutes=1))

HELD = "POL003"
DETECT = "POL001"
OURS = ("PLN012", "PLN022", "PLN025", "POL004")  # blocks that only the loop's own limits, or its leaving alone, put there
GIVEN_UP = {
    Watched.FLAPPING: "put back 3 times and gone again each time: somebody else wants it so; no longer corrected",
    Watched.STALLED: "correcting it failed 3 times: it rests until the oldest failure is an hour old",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """`mark` is what makes it the same condition at the next look; texts that count seconds are no part of it."""

    what: Watched
    id: ResourceId | None
    text: str
    mark: str
    code: str = ""
    verb: Verb | None = None
    changes: tuple[Change, ...] = ()
    more: int = 0
    next: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()


def leave_alone(plan: HostPlan) -> frozenset[ResourceId]:
    """Steps that may run, and that are nothing for a loop: taking what others made, forgetting, repairs that are not drift."""
    return frozenset(step.id for step in plan.steps if step.runs and not (_drift(step) or _own_books(step)))


def corrects(plan: HostPlan) -> bool:
    """Whether the loop has anything to do here. While a job of somebody runs, the host is left to it."""
    return not any(step.verb is Verb.WAIT for step in plan.steps) and any(step.runs for step in plan.steps)


def drifted(plan: HostPlan) -> list[Step]:
    return [step for step in plan.steps if step.runs and _drift(step)]


def _drift(step: Step) -> bool:
    return step.verb.acts and bool(step.changes) and all(change.cause is Cause.DRIFT for change in step.changes)


def _own_books(step: Step) -> bool:
    """Our own record of what is as declared already, left open by a run that was cut off, or by a change that came true by itself."""
    return step.verb is Verb.ADOPT and not step.foreign


def conditions(plan: HostPlan, given_up: Mapping[ResourceId, Watched]) -> tuple[Condition, ...]:
    """One condition a cause, in the plan's order; what only waits for another is counted there. `given_up`: FLAPPING and STALLED."""
    steps = {step.id: step for step in plan.steps}
    roots = {step.id: _root(step, steps) for step in plan.steps}
    own = (_condition(step, given_up, _behind(step.id, roots)) for step in plan.steps if roots[step.id] == step.id)
    restarts = [_restart(barrier) for barrier in plan.barriers[:1]]
    return _folded([*(condition for condition in own if condition is not None), *restarts])


def _root(step: Step, steps: Mapping[ResourceId, Step]) -> ResourceId:
    """The step that this one waits for, itself where it waits for none."""
    if step.blocked is not None and step.blocked.by is not None and step.blocked.by in steps:
        return step.blocked.by
    if step.verb is Verb.UNSEEN:
        return next((_root(steps[need], steps) for need in step.needs if need in steps and steps[need].verb is Verb.UNSEEN), step.id)
    return step.id


def _behind(id: ResourceId, roots: Mapping[ResourceId, ResourceId]) -> int:
    return sum(1 for other, root in roots.items() if root == id and other != id)


def _condition(step: Step, given_up: Mapping[ResourceId, Watched], more: int) -> Condition | None:
    if step.verb is Verb.NOTHING and step.blocked is None:
        return None
    if step.verb is Verb.UNSEEN:
        return Condition(Watched.UNSEEN, step.id, step.why, f"unseen {step.code or step.why}", step.code, more=more)
    if step.verb is Verb.WAIT:
        return Condition(Watched.WAITING, step.id, step.why, f"job {step.code}", step.code, more=more)
    if step.blocked is None:
        return None
    what, text, next_ = _why(step, given_up)
    return Condition(what, step.id, text, f"{what} {step.blocked.code} {_moves(step)}", step.blocked.code, step.verb, step.changes, more, next_)


def _why(step: Step, given_up: Mapping[ResourceId, Watched]) -> tuple[Watched, str, str]:
    block = step.blocked
    assert block is not None
    if step.id in given_up:
        return given_up[step.id], GIVEN_UP[given_up[step.id]], f"reconcile apply {step.id}"
    if block.code == HELD:
        return Watched.HELD, block.message, block.next
    if block.code == DETECT:
        return Watched.DRIFTED, block.message, block.next
    if block.code not in OURS:
        return Watched.BLOCKED, block.message, block.next
    if _drift(step):
        return Watched.DRIFTED, block.message, f"reconcile apply {step.id}"
    return Watched.PENDING, _pending(step), f"reconcile apply {step.id}"


def _pending(step: Step) -> str:
    """Why a person is asked for, where the changes alone do not say it."""
    if step.verb.records or step.verb is Verb.DELETE or not step.changes:
        return step.why or ("there, and not on our record" if step.verb is Verb.ADOPT else "left-overs of a failed attempt")
    return ""


def _moves(step: Step) -> str:
    """What would change, without what stands there now: a value that moves by itself is no new condition."""
    return canonical([step.verb.word, [(change.path, change.secret or change.after) for change in step.changes]])


def _restart(barrier: Barrier) -> Condition:
    because = ", ".join(id.local for id in barrier.because)
    return Condition(Watched.PENDING, None, f"a restart of the host: {because}", f"restart {because}", "POL004")


def _folded(found: list[Condition]) -> tuple[Condition, ...]:
    """A hold is about the host, and so is a bulk of changes: each is said in one line, where the first of them would stand."""
    held = [condition for condition in found if condition.what is Watched.HELD]
    pending = [condition for condition in found if condition.what is Watched.PENDING]
    out: list[Condition] = []
    for condition in found:
        if held and condition is held[0]:
            out.append(Condition(Watched.HELD, None, condition.text, f"held {condition.text}", HELD, more=len(held), next=condition.next))
        elif len(pending) > 1 and condition is pending[0]:
            out.append(_bulk(pending))
        elif condition.what is not Watched.HELD and (condition.what is not Watched.PENDING or len(pending) == 1):
            out.append(condition)
    return tuple(out)


def _bulk(pending: list[Condition]) -> Condition:
    """All that waits for a person on one host: `+ NatNetwork/eflow, ~ EflowVm`."""
    named = [f"{one.verb.value} {one.id.local}" if one.id and one.verb else one.text for one in pending]
    host = next((one.id.host for one in pending if one.id), "")
    mark = "\n".join(f"{one.id} {one.mark}" for one in pending)
    more = sum(one.more for one in pending)
    return Condition(Watched.PENDING, None, ", ".join(named), mark, more=more, next=f"reconcile apply {host}" if host else "")
