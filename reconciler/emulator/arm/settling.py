"""Brings the emulated Azure up to now: what was due until then has happened, in the order of time. `handle` and `Estate.machine` call it."""

from __future__ import annotations

from datetime import datetime, timedelta

from reconciler.emulator.arm import endings, operations, rollout
from reconciler.emulator.arm.model import Operation
from reconciler.emulator.arm.world import World

KEPT = timedelta(days=1)  # how long an operation that is over can be asked for [assume]


_at_it: set[int] = set()  # clouds that are being brought up to now


def settle(world: World) -> None:
    """What ends looks at its machine, and a look at a machine settles: one of them at a time, or it ends twice."""
    if id(world.cloud) in _at_it:
        return
    _at_it.add(id(world.cloud))
    try:
        _settle(world)
    finally:
        _at_it.discard(id(world.cloud))


def _settle(world: World) -> None:
    while (due := _due(world)) is not None:
        ends, operation = due
        with world.at(ends):
            _end(world, operation)
    held = world.cloud.operations
    for old in [o.id for o in held.values() if o.finished is not None and o.finished + KEPT < world.now]:
        del held[old]


def _due(world: World) -> tuple[datetime, Operation] | None:
    now = world.now
    ripe = [
        (o.ends, o.started, n, o) for n, o in enumerate(world.cloud.operations.values()) if o.status == "InProgress" and o.ends is not None and o.ends <= now
    ]
    found = min(ripe, default=None, key=lambda r: r[:3])
    return (found[0], found[3]) if found else None


def _end(world: World, operation: Operation) -> None:
    if (later := endings.delayed(world, operation)) is not None:
        operation.ends = later
        return
    operations.close(world, operation, endings.happen(world, operation))
    parent = world.cloud.operations.get(operation.parent)
    if parent is not None:
        rollout.go_on(world, parent, operation)
    elif operation.kind == "model":
        rollout.settled(world, operation)
