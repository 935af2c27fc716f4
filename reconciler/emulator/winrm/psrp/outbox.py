"""Output of a runspace pool or of one of its pipelines: whole PSRP fragments, which no answer may cut.

A `Console` whose other end is `Receive`; `pool` writes to it. Clients take each answer apart by itself (pypsrp does).
"""

from __future__ import annotations

import random

from reconciler.emulator.winrm.console import Console


class Outbox(Console):
    def take(self, room: int, chop: random.Random | None = None, piece: int = 0) -> list[tuple[str, bytes]]:
        """Fragments of at most `room` bytes together, one at least; with `chop` just one."""
        taken: list[tuple[str, bytes]] = []
        while self._output and (not taken or (chop is None and len(self._output[0][1]) <= room)):
            item = self._output.popleft()
            taken.append(item)
            room -= len(item[1])
        return taken
