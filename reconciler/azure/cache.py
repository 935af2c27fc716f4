"""What is the same for a whole region for a day: its sizes, and the versions of extensions. In memory, and in the user's cache folder.

One request for all who ask at the same time. A file that cannot be read or written is as good as none.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio

from reconciler.core.transport import Clock

DAY = timedelta(days=1)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """Entries of a list, and when they were asked for."""

    at: datetime
    entries: list[Any]


@dataclass
class Cache:
    clock: Clock
    folder: Path | None = None
    _kept: dict[str, Kept] = field(default_factory=dict)
    _asking: dict[str, anyio.Lock] = field(default_factory=lambda: defaultdict(anyio.Lock))

    async def entries(self, address: str, ask: Callable[[], Awaitable[list[Any]]]) -> Kept:
        """`address`: the whole URL that is asked. What `ask` raises is kept for nobody."""
        async with self._asking[address]:
            kept = self._kept.get(address) or self._read(address)
            if kept is None or not timedelta() <= self.clock.now() - kept.at < DAY:
                kept = Kept(self.clock.now(), await ask())
                self._write(address, kept)
            self._kept[address] = kept
            return kept

    def _file(self, address: str) -> Path | None:
        return self.folder / f"{sha256(address.encode()).hexdigest()[:32]}.json" if self.folder else None

    def _read(self, address: str) -> Kept | None:
        file = self._file(address)
        if file is None or not file.exists():
            return None
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
            at = datetime.fromisoformat(said["at"])
            return Kept(at, list(said["entries"])) if said["address"] == address and at.tzinfo else None
        except (OSError, ValueError, KeyError, TypeError) as why:
            log.info("%s is not read: %s", file, why)
            return None

    def _write(self, address: str, kept: Kept) -> None:
        file = self._file(address)
        if file is None:
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as out:
                json.dump({"address": address, "at": kept.at.isoformat(), "entries": kept.entries}, out)
            os.replace(out.name, file)
        except OSError as why:
            log.info("%s is not written: %s", file, why)
