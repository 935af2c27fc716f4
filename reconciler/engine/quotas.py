"""How long Azure wants us to wait, per subscription and region: one 429 there stops the writes of every host behind it.

Shared by all hosts of a run through `Environment.quotas`. A single VM's own bucket concerns nobody else and is not kept here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.core.resources import Azure


@dataclass(slots=True)
class Quotas:
    """`until`: (subscription, location) → when writes may be tried again."""

    until: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def exhausted(self, azure: Azure, location: str, now: datetime, seconds: float) -> None:
        where = azure.subscription, location.casefold()
        self.until[where] = max(self.until.get(where, now), now + timedelta(seconds=seconds))

    def wait(self, azure: Azure, location: str, now: datetime) -> float:
        """Seconds until a write may be tried; 0 where nothing is known against it."""
        until = self.until.get((azure.subscription, location.casefold()))
        return max(0.0, (until - now).total_seconds()) if until else 0.0
