"""A controller as the emulated estate sees it: its exchanges are counted, watched and, in tests, cut. Both planes' in-process transports use it.

A `Cut` is asked at three points of every exchange and may raise `Killed`, after which this controller is dead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from reconciler.core.transport import Clock, Secrets
from reconciler.emulator.estate import Estate


class Killed(BaseException):
    """The controller was killed here. Nothing that it wanted to do afterwards happens."""


class Point(StrEnum):
    BEFORE = "before effect"  # nothing was sent
    EXECUTED = "after effect"  # the other side acted, its answer is lost
    ANSWERED = "after answer"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with its frames. `number` counts all exchanges of one `connect`, from 0; `what` says what it asked for."""

    number: int
    host: str
    what: str


Cut: TypeAlias = Callable[[Exchange, Point], None]
Tap: TypeAlias = Callable[[Exchange, Sequence[str], str], None]  # exchange, lines, frames


class Controller:
    """What all connections of one controller share, on both planes: the count of exchanges, and whether it is still alive."""

    def __init__(self, estate: Estate, clock: Clock, secrets: Secrets, taps: Sequence[Tap], cut: Cut | None) -> None:
        self.estate = estate
        self.clock = clock
        self.secrets = secrets
        self.exchanges = 0
        self.dead = False
        self._taps = taps
        self._cut = cut

    def record(self, host: str, what: str, fields: Mapping[str, Any]) -> None:
        """Notes in the estate's log what happened on a machine: that log, not this session, is what tests believe."""
        self.estate.record(host, what, **fields)

    def begin(self, host: str, what: str) -> Exchange:
        if self.dead:
            raise Killed
        exchange = Exchange(self.exchanges, host, what)
        self.exchanges += 1
        return exchange

    def at(self, exchange: Exchange, point: Point) -> None:
        """Asks the cut. Whatever it raises, the controller is dead from here on."""
        if self.dead:
            raise Killed
        if self._cut is None:
            return
        try:
            self._cut(exchange, point)
        except BaseException:
            self.dead = True
            raise

    def tapped(self, exchange: Exchange, texts: Sequence[str], frames: str) -> None:
        for tap in self._taps:
            tap(exchange, [self.secrets.scrub(text) for text in texts], self.secrets.scrub(frames))
