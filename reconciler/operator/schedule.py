"""When things happen, all by the clock that the loop is handed: jitter, backoff, the next sweep, sleeping that can be cut short.

Pure functions and three small waits; no state. Nothing here knows what is done at those times.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

from reconciler.core.transport import Clock

T = TypeVar("T")

SPREAD = 0.1  # of the interval: over no more of it the hosts of a sweep are spread
APART = timedelta(milliseconds=50)  # how far apart they then are, on average, where there is room
FIRST_RETRY = timedelta(seconds=30)


def spread(hosts: int, every: timedelta) -> timedelta:
    """Over how long the hosts of a sweep are spread: a small fleet needs none, a large one must not come as one burst."""
    return min(every * SPREAD, APART * hosts)


def offset(host: str, over: timedelta, seed: str = "") -> timedelta:
    """Where in a sweep a host has its place: the same in every sweep and every process, evenly over the fleet."""
    share = int.from_bytes(sha256(f"{seed}\n{host}".encode()).digest()[:8], "big") / 2**64
    return over * share


def backoff(failures: int, every: timedelta) -> timedelta:
    """How long to leave a host alone that could not be seen `failures` times in a row: doubling, at most the interval."""
    doublings: int = min(failures - 1, 20)
    return min(FIRST_RETRY * (1 << doublings), every)


def next_start(start: datetime, every: timedelta, now: datetime) -> datetime:
    """The next sweep. Missed ones (a controller that slept, a sweep that took too long) are not made up for."""
    return max(start + every, now)


async def pause(clock: Clock, until: datetime, *bells: anyio.Event) -> bool:
    """Sleep; whether one of `bells` ended it early."""
    if any(bell.is_set() for bell in bells):
        return True
    async with anyio.create_task_group() as group:

        async def listen(bell: anyio.Event) -> None:
            await bell.wait()
            group.cancel_scope.cancel()

        for bell in bells:
            group.start_soon(listen, bell)
        await clock.sleep_until(until)
        group.cancel_scope.cancel()
    return any(bell.is_set() for bell in bells)


async def cut_short(group: TaskGroup, alarm: Callable[[], Awaitable[object]], work: Callable[[], Awaitable[T]]) -> T | None:
    """Do `work`, at most until `alarm` returns; None if it was cut. Errors come through as they are, not as a group."""
    working, ringing = anyio.CancelScope(), anyio.CancelScope()

    async def ring() -> None:
        with ringing:
            await alarm()
            working.cancel()

    group.start_soon(ring)
    try:
        with working:
            return await work()
    finally:
        ringing.cancel()
    return None
