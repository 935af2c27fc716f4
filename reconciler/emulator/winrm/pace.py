"""How the estate's time passes while hosts are reached over sockets, which its own clock cannot see.

Without a pace the time moves only by the work that hosts do: whoever works waits until nobody else is about to begin, then the time
becomes that of the one who is done first. `EstateClock.held` does not stop it: a controller holds the clock while its request is
outside, and that request is what is worked on here. With a pace, time runs on by itself and work takes that long for real.
"""

from __future__ import annotations

import asyncio
import heapq
from datetime import datetime, timedelta

from reconciler.emulator.clock import EstateClock

QUIET = 3  # rounds of the loop, so that those who begin at the same moment are done in the order of time
TICK = 0.02


class WorkClock:
    """`core.transport.Clock` for what runs on emulated hosts."""

    def __init__(self, clock: EstateClock, pace: float | None) -> None:
        self._clock = clock
        self._pace = pace
        self._busy: list[datetime] = []

    def now(self) -> datetime:
        return self._clock.now()

    async def sleep_until(self, when: datetime) -> None:
        if self._pace is not None:
            while (left := (when - self.now()).total_seconds()) > 0:
                await asyncio.sleep(max(TICK / 4, left / self._pace))
            return
        heapq.heappush(self._busy, when)
        try:
            while self.now() < when:
                for _ in range(QUIET):
                    await asyncio.sleep(0)
                self._clock.set(self._busy[0])
        finally:
            self._busy.remove(when)
            heapq.heapify(self._busy)

    async def run(self) -> None:
        """Lets time go by at the pace, until cancelled."""
        loop = asyncio.get_running_loop()
        then = loop.time()
        while self._pace is not None:
            await asyncio.sleep(TICK)
            now = loop.time()
            self._clock.advance(timedelta(seconds=(now - then) * self._pace))
            then = now
