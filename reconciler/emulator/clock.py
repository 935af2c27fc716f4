"""Virtual time: a clock that stands still while anybody works and jumps to the earliest sleeper when every task sleeps.

It is `core.transport.Clock` for the emulated estate, so an hour asleep costs microseconds. The first sleeper drives: it waits
until the event loop has nothing left to run and no worker thread is busy, then moves the time. Other work that the loop cannot
see (sockets, child processes) holds the time with `held()`.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio
import anyio.lowlevel
import anyio.to_thread

from reconciler.emulator.machine import EPOCH

QUIET = 4  # rounds of the loop without anything to run, before time moves
BLIND = 40  # rounds where the loop cannot be asked
HELD_POLL = 0.001


@dataclass(order=True, slots=True)
class _Sleeper:
    when: datetime
    number: int
    woken: anyio.Event = field(compare=False)


class EstateClock:
    """The time of an estate, UTC. One event loop at a time may sleep on it."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._now = start
        self._sleepers: list[_Sleeper] = []
        self._numbers = itertools.count()
        self._driver: _Sleeper | None = None
        self._holds = 0

    def now(self) -> datetime:
        return self._now

    def set(self, when: datetime) -> None:
        """Moves the time forward by hand (`emulate clock`, `emulate advance`); it never goes back."""
        self._now = max(self._now, when)
        self._wake()

    def advance(self, by: timedelta) -> None:
        self.set(self._now + by)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Time does not move meanwhile: somebody waits for a thread or a socket."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    async def sleep_until(self, when: datetime) -> None:
        if when <= self._now:
            await anyio.lowlevel.checkpoint()
            return
        sleeper = _Sleeper(when, next(self._numbers), anyio.Event())
        heapq.heappush(self._sleepers, sleeper)
        try:
            while self._now < when:
                if self._driver is None:
                    self._driver = sleeper
                if self._driver is sleeper:
                    await self._drive()
                else:
                    await sleeper.woken.wait()
                    sleeper.woken = anyio.Event()
        finally:
            self._leave(sleeper)

    async def _drive(self) -> None:
        """One step: when nothing else can run, the time becomes that of the earliest sleeper."""
        await _quiet()
        if self._holds or anyio.to_thread.current_default_thread_limiter().borrowed_tokens:
            await anyio.sleep(HELD_POLL)
        elif self._sleepers:
            self._now = max(self._now, self._sleepers[0].when)
            self._wake()

    def _wake(self) -> None:
        while self._sleepers and self._sleepers[0].when <= self._now:
            heapq.heappop(self._sleepers).woken.set()

    def _leave(self, sleeper: _Sleeper) -> None:
        """A sleeper goes (its time has come, or it was cancelled); a driver hands over to the next one."""
        if sleeper in self._sleepers:
            self._sleepers.remove(sleeper)
            heapq.heapify(self._sleepers)
        if self._driver is sleeper:
            self._driver = None
            if self._sleepers:
                self._sleepers[0].woken.set()


async def _quiet() -> None:
    """Returns once the event loop has had nothing to run for a few rounds."""
    ready = getattr(asyncio.get_running_loop(), "_ready", None)
    rounds = 0
    while rounds < (BLIND if ready is None else QUIET):
        await anyio.lowlevel.checkpoint()
        rounds = rounds + 1 if not ready else 0
