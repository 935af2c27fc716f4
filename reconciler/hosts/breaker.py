"""A circuit breaker per host: an address that failed several times in a row is left alone for a while, and costs nothing meanwhile.

Only failures to be reached count; a refused sign-in or a hostile answer is no reason to ask more seldom, it ends the look by itself.
Pauses are short enough for a host that restarts to be found soon after it is up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from reconciler.core.errors import Unreachable
from reconciler.core.transport import Clock
from reconciler.hosts.winrm.errors import Resting

TRIES = 5  # failures in a row before the first pause
FIRST = timedelta(seconds=15)
LONGEST = timedelta(seconds=60)


class Breaker:
    """Of one host."""

    def __init__(self, host: str, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._failures = 0
        self._until: datetime | None = None
        self._last = ""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Around an attempt to reach the host. Raises Resting instead while it is left alone."""
        if self._until is not None and self._clock.now() < self._until:
            left = (self._until - self._clock.now()).total_seconds()
            raise Resting(f"{self._host}: not tried for another {left:.0f} s: {self._last}")
        try:
            yield
        except Unreachable as failed:
            self._count(str(failed))
            raise
        self._failures, self._until = 0, None

    def _count(self, why: str) -> None:
        self._failures += 1
        self._last = why
        if self._failures >= TRIES:
            doubled: timedelta = FIRST * 2 ** min(self._failures - TRIES, 10)
            self._until = self._clock.now() + min(doubled, LONGEST)
