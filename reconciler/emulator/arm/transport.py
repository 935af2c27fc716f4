"""The emulated ARM in process: `send` takes a request and gives its answer, at once and on the estate's clock. For clients and their tests.

It knows no azure-core. It may be called from worker threads; one request is worked on at a time.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.emulator.arm import identity
from reconciler.emulator.arm.handle import handle
from reconciler.emulator.arm.messages import Answer, Request
from reconciler.emulator.estate import Estate


@dataclass
class Transport:
    """`round_trip`: real seconds that each request takes. `counts`: requests by method."""

    estate: Estate
    round_trip: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers, body. Raises ConnectionError where a fault breaks the line, before or after the request was done."""
        if self.round_trip:
            time.sleep(self.round_trip)
        request = Request.to(method, url, headers, body)
        with self._lock:
            self.counts[request.method] += 1
            answer = identity.token(self.estate.azure, request, time.time()) or self._handled(request)
        data = answer.encoded()
        return answer.status, dict(answer.headers) | {"Content-Length": str(len(data))}, data

    def _handled(self, request: Request) -> Answer:
        """What a write did is in the estate's folder before its answer is known: whoever asks is killed at any moment."""
        try:
            return handle(request, self.estate)
        finally:
            if request.method != "GET":
                self.estate.keep()

    def token(self, principal: str = identity.DEFAULT, audience: str = identity.MANAGER) -> str:
        """A bearer token of a principal of this Azure."""
        return identity.mint(self.estate.azure, principal, audience, time.time())
