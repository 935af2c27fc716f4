"""Levels, order and reboot barriers of one host's steps. Pure; part of decide.

The level of a step is how many restarts lie before it: the longest chain of "must restart before use". Among ready
steps: level, deletions (they make room), disruption, declaration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush

from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Disruption, Reboot
from reconciler.core.plan import Barrier, Block, Step, Verb
from reconciler.core.values import replace
from reconciler.engine.environment import Limits


def arrange(steps: Sequence[Step], limits: Limits) -> tuple[tuple[Step, ...], tuple[Barrier, ...]]:
    """Steps in the order of execution, with levels, and the barriers between them."""
    later = {step.id: restarts(step) for step in steps}
    if not any(later.values()) and not any(step.level for step in steps):  # nothing restarts, as on most hosts
        return tuple(_ordered(steps)), ()
    levels = _longest(steps, later)
    leveled = [step if step.level == levels[step.id] else replace(step, level=levels[step.id]) for step in steps]
    barriers = _barriers(leveled, limits)
    blocked = min((barrier.level for barrier in barriers if barrier.blocked), default=None)
    if blocked is not None:
        behind = Block("POL004", "it comes after a restart that is not allowed now", f"--max-disruption {Disruption.REBOOT}")
        leveled = [replace(s, blocked=behind) if s.level > blocked and s.verb.acts and not s.blocked else s for s in leveled]
    return tuple(_ordered(leveled)), barriers


def restarts(step: Step) -> bool:
    """Whether what a step makes, or what is seen of it, takes effect only after a restart."""
    return not step.blocked and (bool(step.pending_restart) or (step.verb.acts and step.reboot is Reboot.NEEDED))


def _longest(steps: Sequence[Step], later: Mapping[ResourceId, bool]) -> dict[ResourceId, int]:
    """How many restarts lie before each step. With a stack of its own: a chain may be longer than Python's; one of records may even bite its tail."""
    by_id = {step.id: step for step in steps}
    levels: dict[ResourceId, int] = {}
    begun: set[ResourceId] = set()
    stack = list(reversed(steps))
    while stack:
        step = stack[-1]
        needed = [by_id[need] for need in step.needs if need in by_id]
        waiting = [] if step.id in begun else [need for need in needed if need.id not in begun]
        begun.add(step.id)
        if waiting:
            stack += reversed(waiting)
        else:
            stack.pop()
            levels.setdefault(step.id, max([step.level, *(levels.get(need.id, 0) + later[need.id] for need in needed)]))
    return levels


def _barriers(steps: Sequence[Step], limits: Limits) -> tuple[Barrier, ...]:
    """One after each level with a step that takes effect only after a restart, or behind which a step lies."""
    because: dict[int, list[ResourceId]] = {}
    for step in steps:
        if restarts(step):
            because.setdefault(step.level, []).append(step.id)
    for step in steps:
        if step.level and step.level - 1 not in because and step.verb.acts and not step.blocked:
            because[step.level - 1] = [step.id]
    block = None
    if limits.max_disruption is not None and limits.max_disruption < Disruption.REBOOT:
        block = Block("POL004", f"a restart is not allowed: {limits.max_disruption} is", f"--max-disruption {Disruption.REBOOT}")
    return tuple(Barrier(level, tuple(because[level]), blocked=block) for level in sorted(because))


def _ordered(steps: Sequence[Step]) -> list[Step]:
    declared = {step.id: n for n, step in enumerate(steps)}
    waiting = {step.id: {need for need in step.needs if need in declared} for step in steps}
    dependents: dict[ResourceId, list[ResourceId]] = {}
    for id, needs in waiting.items():
        for need in needs:
            dependents.setdefault(need, []).append(id)
    ready = [_rank(step, declared) for step in steps if not waiting[step.id]]
    heapify(ready)
    done: list[Step] = []
    while waiting:
        step = steps[heappop(ready)[-1] if ready else declared[next(iter(waiting))]]
        if waiting.pop(step.id, None) is None:
            continue
        done.append(step)
        for id in dependents.get(step.id, ()):
            if id in waiting:
                waiting[id].discard(step.id)
                if not waiting[id]:
                    heappush(ready, _rank(steps[declared[id]], declared))
    return done


def _rank(step: Step, declared: Mapping[ResourceId, int]) -> tuple[int, bool, bool, int, int]:
    """Level, deletions (they make room), what failed and is run again (it may stand in others' way), disruption, declaration."""
    return step.level, step.verb is not Verb.DELETE, step.verb is not Verb.AGAIN, step.disruption, declared[step.id]
