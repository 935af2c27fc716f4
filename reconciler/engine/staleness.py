"""Is a step that was decided anew still the step that was planned? Pure; `hostrun` asks before anything is done and before each step.

Equal, or with nothing to do, or the rest of a step of ours whose intent stands open, and losing nothing that the plan did not tell
of: then it may run. Anything else is stale, and every line says which field moved.
"""

from __future__ import annotations

from reconciler.core.canonical import plain
from reconciler.core.plan import Step, Verb, same_step, same_value, subsequence


def moved(planned: Step | None, known: Step | None, fresh: Step, *, ours: bool) -> list[str]:
    """What is not as planned; nothing where the step may run, or has nothing to do.

    `planned`: what may run; None where `known`, the plan's own step, was not to. `ours`: an intent of this plan stands open for it.
    """
    if planned is not None and planned.verb is Verb.DELETE and fresh.verb is Verb.NOTHING:
        return []  # it was named, and is off our record already
    waits = fresh.verb in (Verb.UNSEEN, Verb.WAIT)
    if not (fresh.verb.acts or fresh.blocked or waits):
        return []
    if planned is None:
        open_ = known is not None and (known.blocked or known.verb in (Verb.UNSEEN, Verb.DEFERRED))  # what is seen only now is the next round's business
        quiet = fresh.blocked or waits or ours or open_
        return [] if quiet else [f"{fresh.id.local}: was to be left alone; now {_difference(fresh)}"]
    if fresh.blocked and ours and fresh.verb is Verb.AGAIN:
        return []  # it failed under this very plan, and would again: that is told as what it is
    if fresh.blocked:
        return [f"{fresh.id.local}: {fresh.blocked.message}"]
    return [] if waits else [f"{fresh.id.local}: {text}" for text in _otherwise(planned, fresh, ours=ours)]


def _otherwise(planned: Step, fresh: Step, *, ours: bool) -> list[str]:
    """In what a step that would run is another than the planned one."""
    if beyond := loses_beyond(planned, fresh):
        return [f"would lose {', '.join(beyond)}, and the plan did not say so"]
    if planned.verb is Verb.WAIT or same_step(planned, fresh):
        return []
    return [] if ours and subsequence(fresh.action_names, planned.action_names) else _moves(planned, fresh)


def loses_beyond(planned: Step | None, fresh: Step) -> tuple[str, ...]:
    """What a step would lose of which the plan did not tell: leave is for what the plan said, also where it was not asked for. Less is well."""
    told = {thing for action in planned.actions for loss in action.lost for thing in loss.things} if planned is not None else set()
    return tuple(dict.fromkeys(loss.text for action in fresh.actions for loss in action.lost if not told.issuperset(loss.things)))


def came_to_light(step: Step, left: Step) -> bool:
    """Whether what is left is something else than what was done: only now that it is made, or runs, the host shows it."""
    if left.verb is not Verb.UPDATE:
        return False
    was = {change.path for change in step.changes}
    return left.action_names != step.action_names if step.verb is Verb.CREATE else was.isdisjoint(change.path for change in left.changes)


def _difference(step: Step) -> str:
    return "; ".join(f"{change.path} {plain(change.before)} → {plain(change.after)}" for change in step.changes) or step.why


def _moves(planned: Step, fresh: Step) -> list[str]:
    """Field by field, how a fresh step differs from the planned one."""
    was = {change.path: change for change in planned.changes}
    now = {change.path: change for change in fresh.changes}
    out = []
    for path in sorted(was.keys() | now.keys()):
        if path not in now:
            out.append(f"{path} is {plain(was[path].after)} already")
        elif path not in was:
            out.append(f"{path} is {plain(now[path].before)}, the plan took it for as declared")
        elif not same_value(plain(was[path].before), plain(now[path].before)):
            out.append(f"{path} was {plain(was[path].before)} and is {plain(now[path].before)}")
    return out or [f"planned {planned.verb.word} ({', '.join(planned.action_names)}), now {fresh.verb.word} ({', '.join(fresh.action_names)})"]
