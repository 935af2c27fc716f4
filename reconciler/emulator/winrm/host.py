"""One emulated host as its WinRM service and the programs on it see it: machine, time, log, costs and counts.

`service` owns it; programs that it starts are handed it. It knows no HTTP.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from reconciler.emulator import jobs
from reconciler.emulator.estate import Estate
from reconciler.emulator.machine import Machine
from reconciler.emulator.winrm.pace import WorkClock
from reconciler.emulator.winrm.settings import Settings
from reconciler.emulator.winrm.troubles import Troubles


@dataclass
class EmulatedHost:
    """`counts`: requests, their bytes and those of answers, connections, handshakes, processes, modules, executions, and each verb by its name."""

    name: str
    estate: Estate
    clock: WorkClock
    settings: Settings
    troubles: Troubles
    counts: Counter[str] = field(default_factory=Counter)
    _numbers: int = 0

    @property
    def machine(self) -> Machine:
        return self.estate.machines[self.name]

    def settled(self) -> Machine:
        """The machine, brought up to now, with whatever its detached jobs did meanwhile."""
        jobs.advance(self.machine, self.clock.now(), self.log)
        return self.machine

    @property
    def up(self) -> bool:
        """Whether anything listens there now."""
        return self.settled().answers()

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    def log(self, what: str, fields: Mapping[str, Any]) -> None:
        self.estate.record(self.name, what, **fields)

    async def cost(self, seconds: float) -> None:
        """What was stated to be slow takes its time: the estate's, and real time where the settings say so."""
        if seconds <= 0:
            return
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=seconds))
        if self.settings.costs.real and self.settings.pace is None:
            await asyncio.sleep(seconds)
