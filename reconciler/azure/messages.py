"""One request and its answer, as bytes; the shape of what carries them. No resource is known here, and no library."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

from reconciler.core.errors import WireError

FEW = 3  # requests that a bucket has left: slower from here on (azure-extensions 1.7)
SLOWER = 30.0  # seconds: two of the fifteen polls that a VM's bucket gets in a minute
USUAL_WAIT = 60.0  # seconds, of a 429 that names none


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """Header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> Any:
        """Raises WireError where the body is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise WireError(f"HTTP {self.status}, and the answer is no JSON") from None

    @property
    def error(self) -> tuple[str, str]:
        """Code and message of what went wrong: the innermost that has a code (azure-extensions 1.4)."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return f"Http{self.status}", f"HTTP {self.status} without a word of Azure's"
        return innermost(found) or (f"Http{self.status}", f"HTTP {self.status} without an error that has a code")

    def pause(self, now: datetime) -> float | None:
        """Seconds that the service wants us to leave it alone; None where it has no wish."""
        wished = _seconds(self.headers.get("retry-after", ""), now)
        few = any(left < FEW for _, left in self.buckets)
        return max(wished or 0.0, SLOWER) if few else wished

    @property
    def buckets(self) -> list[tuple[str, int]]:
        """`Microsoft.Compute/UpdateVMResource;11` and so on: what is left in each bucket of requests (azure-extensions 1.4, 1.7)."""
        pairs = [part.rpartition(";") for part in self.headers.get("x-ms-ratelimit-remaining-resource", "").split(",")]
        return [(name.strip(), int(left)) for name, _, left in pairs if left.strip().lstrip("-").isdigit()]

    def wait(self, now: datetime) -> tuple[float, str]:
        """Of a 429: how long, and whether for this VM or for the whole subscription in its region."""
        spent = [name for name, left in self.buckets if left <= 0]
        code, message = self.error
        whole = any("subscription" in name.casefold() for name in (*spent, code, message if not spent else ""))
        wished = _seconds(self.headers.get("retry-after", ""), now)
        return (USUAL_WAIT if wished is None else wished), "subscription" if whole else "vm"


Send: TypeAlias = Callable[[Request], Awaitable[Response]]


def innermost(found: Any) -> tuple[str, str] | None:
    error = found.get("error") if isinstance(found, dict) else None
    if not isinstance(error, dict) or not error.get("code"):
        return None
    details = error.get("details")
    while isinstance(details, list) and details and isinstance(details[0], dict) and details[0].get("code"):
        error = details[0]
        details = error.get("details")
    return str(error["code"]), str(error.get("message") or "")


def _seconds(text: str, now: datetime) -> float | None:
    """A Retry-After: seconds or a date."""
    if text.strip().isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
