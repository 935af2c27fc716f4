"""Levels, order and reboot barriers of one host's steps. Pure; part of decide.

The level of a step is how many restarts lie before it: the longest chain of "must restart before use". Among ready
steps: level, deletions (they make room), disruption, declaration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Disruption, Reboot
from reconciler.core.plan import Barrier, Block, Step, Verb
from reconciler.engine.environment import Limits


def arrange(steps: Sequence[Step], limits: Limits) -> tuple[tuple[Step, ...], tuple[Barrier, ...]]:
    """Steps in the order of execution, with levels, and the barriers between them."""
    levels = _levels(steps)
    leveled = [replace(step, level=levels[step.id]) for step in steps]
    barriers = _barriers(leveled, limits)
    blocked = min((barrier.level for barrier in barriers if barrier.blocked), default=None)
    if blocked is not None:
        behind = Block("POL004", "it comes after a restart that is not allowed now", f"--max-disruption {Disruption.REBOOT}")
        leveled = [replace(s, blocked=behind) if s.level > blocked and s.verb.acts and not s.blocked else s for s in leveled]
    return tuple(_ordered(leveled)), barriers


def restarts(step: Step) -> bool:
    """Whether what a step makes, or what is seen of it, takes effect only after a restart."""
    return not step.blocked and (bool(step.pending_restart) or (step.verb.acts and step.reboot is Reboot.NEEDED))


def _levels(steps: Sequence[Step]) -> dict[ResourceId, int]:
    by_id = {step.id: step for step in steps}
    levels: dict[ResourceId, int] = {}

    def level(step: Step) -> int:
        if step.id not in levels:
            levels[step.id] = step.level
            needed = [by_id[need] for need in step.needs if need in by_id]
            levels[step.id] = max([step.level, *(level(need) + restarts(need) for need in needed)])
        return levels[step.id]

    for step in steps:
        level(step)
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
    waiting: dict[ResourceId, set[ResourceId]] = {step.id: {need for need in step.needs if need in declared} for step in steps}
    by_id: Mapping[ResourceId, Step] = {step.id: step for step in steps}
    done: list[Step] = []
    while waiting:
        ready = [by_id[id] for id, needs in waiting.items() if not needs] or [by_id[next(iter(waiting))]]
        step = min(ready, key=lambda s: (s.level, s.verb is not Verb.DELETE, s.disruption, declared[s.id]))
        del waiting[step.id]
        for needs in waiting.values():
            needs.discard(step.id)
        done.append(step)
    return done
