"""What one request works on: the estate, its Azure, the moment, and what the path named. Made by `handle`, handed to every function behind it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from reconciler.emulator.arm.messages import Request
from reconciler.emulator.arm.model import Cloud
from reconciler.emulator.machine import NAMESPACE

if TYPE_CHECKING:
    from reconciler.emulator.estate import Estate

NOBODY = Request("", "", "")


@dataclass
class World:
    estate: Estate
    request: Request = NOBODY
    names: Mapping[str, str] = field(default_factory=dict)  # what stood in the path for {x}
    body: Any = None
    api: str = ""
    caller: str = ""
    moment: datetime | None = None  # while something is done that was due before now

    @property
    def cloud(self) -> Cloud:
        return self.estate.azure

    @property
    def now(self) -> datetime:
        return self.moment or self.estate.clock.now()

    @contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """It is that moment meanwhile."""
        before, self.moment = self.moment, moment
        try:
            yield
        finally:
            self.moment = before

    @property
    def expands(self) -> bool:
        return "instanceview" in self.request.parameters.get("$expand", "").lower()

    def guid(self, what: str) -> str:
        """The same in every run."""
        self.cloud.counter += 1
        return str(uuid.uuid5(NAMESPACE, f"arm/{what}/{self.cloud.counter}"))

    def log(self, host: str, what: str, **data: Any) -> None:
        self.estate.record(host, what, at=self.now.isoformat(), **data)


def stamp(moment: datetime) -> str:
    """A moment as ARM writes it, with seven digits of a second [rec 1.4]."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0+00:00"
