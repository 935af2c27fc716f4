"""The clock of real time, where no estate brings its own."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio


class WallClock:
    """Implements `core.transport.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep_until(self, when: datetime) -> None:
        await anyio.sleep(max(0.0, (when - self.now()).total_seconds()))
