"""Two wills on one resource: what was put back again and again is no longer put back, and what fails again and again rests.

Asked by a host's cell before it corrects anything. In memory only: a loop that starts anew knows of no fights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.core.ids import ResourceId

TIMES = 3
HOUR = timedelta(hours=1)


@dataclass(slots=True)
class _History:
    put_back: list[datetime] = field(default_factory=list)
    failed: list[datetime] = field(default_factory=list)
    fought: bool = False
    calm: datetime | None = None  # since when it is seen as declared, after a fight


class Guard:
    """Remembers one host's corrections. `window` holds at least four looks, so that a slow loop sees a fight too."""

    def __init__(self, every: timedelta) -> None:
        self.window = max(HOUR, every * (TIMES + 1))
        self._histories: dict[ResourceId, _History] = {}

    def put_back(self, id: ResourceId, now: datetime) -> None:
        self._of(id).put_back.append(now)

    def failed(self, id: ResourceId, now: datetime) -> None:
        self._of(id).failed.append(now)

    def fights(self, id: ResourceId, now: datetime) -> bool:
        """Whether drift of `id`, seen now, is a fight: put back TIMES within the window and gone again. Stays so until calm."""
        history = self._histories.get(id)
        if history is None:
            return False
        history.calm = None
        history.put_back = self._recent(history.put_back, now)
        history.fought |= len(history.put_back) >= TIMES
        return history.fought

    def rests(self, id: ResourceId, now: datetime) -> bool:
        """Whether correcting `id` failed TIMES within the window; tried again once the oldest failure lies behind it."""
        history = self._histories.get(id)
        if history is None:
            return False
        history.failed = self._recent(history.failed, now)
        return len(history.failed) >= TIMES

    def calmed(self, as_declared: Iterable[ResourceId], now: datetime) -> list[ResourceId]:
        """Fights that ended: as declared at every look of one window. They are forgotten, and said by the caller."""
        over = []
        for id in as_declared:
            history = self._histories.get(id)
            if history is None or not history.fought:
                continue
            history.calm = history.calm or now
            if now - history.calm >= self.window:
                del self._histories[id]
                over.append(id)
        return over

    def _of(self, id: ResourceId) -> _History:
        return self._histories.setdefault(id, _History())

    def _recent(self, times: list[datetime], now: datetime) -> list[datetime]:
        return [time for time in times if now - time < self.window]
