"""The emulated ARM over TLS, and its managed-identity endpoint over HTTP, on a loopback address: for clients that know nothing of an emulator.

    async with serve(estate) as azure:
        azure.url, azure.ca, azure.identity

Tests and `reconcile emulate serve` use it; HTTP and certificates are those of the WinRM endpoint. A client in the same process goes into a
worker thread. Where nobody lets time pass, a poll of an operation under way does: `step` seconds, those that the SDK would have waited.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.emulator.arm import identity
from reconciler.emulator.arm.handle import handle
from reconciler.emulator.arm.messages import Answer, Cut
from reconciler.emulator.arm.messages import Request as ArmRequest
from reconciler.emulator.estate import Estate
from reconciler.emulator.sockets.certificates import Authority
from reconciler.emulator.sockets.httplines import Broken, Line, Request, Response

STEP = 30.0  # seconds: how often the SDK polls where the service says nothing [rec 0.2]
IDLE = 120.0
HEADER = "emulated-identity-header"  # what App Service's protocol asks for; a made-up one
JSON = "application/json; charset=utf-8"
OWN = ("content-type", "content-length", "date")  # headers that the line writes itself


@dataclass
class Endpoint:
    """`url` is Resource Manager; `identity` is what IDENTITY_ENDPOINT takes, `metadata` stands for http://169.254.169.254."""

    estate: Estate
    ca: Path
    step: float | None = STEP
    url: str = ""
    metadata: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    _servers: list[asyncio.Server] = field(default_factory=list)
    _lines: dict[Line, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        return f"{self.metadata}{identity.APP_SERVICE}"

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in its environment so that its managed identity is one of this Azure."""
        return {"IDENTITY_ENDPOINT": self.identity, "IDENTITY_HEADER": HEADER, "REQUESTS_CA_BUNDLE": str(self.ca)}

    async def listen(self, address: str, port: int, context: ssl.SSLContext | None) -> None:
        found = socket.create_server((address, port), backlog=128)
        scheme, answer = ("http", self._identity) if context is None else ("https", self._manager)
        url = f"{scheme}://{address}:{found.getsockname()[1]}"
        self.url, self.metadata = (self.url, url) if context is None else (url, self.metadata)
        opened = partial(Line, partial(self._opened, answer))
        self._servers.append(await asyncio.get_running_loop().create_server(opened, sock=found, ssl=context))

    async def close(self) -> None:
        """Nobody is heard any more. An error of the emulator itself is raised here."""
        for server in self._servers:
            server.close()
        tasks = list(self._lines.values())
        for line, task in self._lines.items():
            line.reset()
            task.cancel()
        for failure in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(failure, Exception):
                raise failure

    def _opened(self, answer: Callable[[Request], Response], line: Line) -> asyncio.Task[None]:
        self.counts["connections"] += 1
        task = asyncio.get_running_loop().create_task(self._serve(line, answer))
        self._lines[line] = task
        task.add_done_callback(partial(self._ended, line))
        return task

    def _ended(self, line: Line, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            self._lines.pop(line, None)
        else:
            line.reset()

    async def _serve(self, line: Line, answer: Callable[[Request], Response]) -> None:
        try:
            while (request := await line.read(IDLE)) is not None:
                self.counts[request.method] += 1
                line.write(answer(request).encode(self.estate.clock.now()))
            line.close()
        except (Cut, Broken):
            line.reset()

    def _manager(self, request: Request) -> Response:
        asked = ArmRequest.to(request.method, self.url + request.path, request.headers, request.body)
        self._pass_time(asked)
        return _encoded(handle(asked, self.estate))

    def _identity(self, request: Request) -> Response:
        asked = ArmRequest.to(request.method, self.metadata + request.path, request.headers, request.body)
        return _encoded(identity.token(self.estate.azure, asked, time.time(), HEADER) or Answer(404))

    def _pass_time(self, asked: ArmRequest) -> None:
        parent, _, name = asked.path.rpartition("/")
        operation = self.estate.azure.operations.get(name.lower()) if parent.lower().endswith("/operations") else None
        if self.step is not None and operation is not None and operation.status == "InProgress":
            self.estate.clock.advance(timedelta(seconds=self.step))


@asynccontextmanager
async def serve(
    estate: Estate, *, address: str = "127.0.0.1", https: int = 0, http: int = 0, step: float | None = STEP, folder: Path | None = None
) -> AsyncIterator[Endpoint]:
    """Serves the estate's Azure; ports of 0 are free ones. `step` None: somebody else lets time pass. `folder`: where certificates go."""
    with TemporaryDirectory(prefix="emulated-arm-") as own:
        keys = folder or Path(own)
        keys.mkdir(parents=True, exist_ok=True)
        authority = Authority(keys)
        pair, _ = authority.host("management.azure.emulated", address)
        endpoint = Endpoint(estate, authority.file, step)
        try:
            await endpoint.listen(address, https, authority.context(pair))
            await endpoint.listen(address, http, None)
            yield endpoint
        finally:
            await endpoint.close()


def _encoded(answer: Answer) -> Response:
    headers = tuple((name, value) for name, value in answer.headers if name.lower() not in OWN)
    body = b"" if answer.body is None else json.dumps(answer.body).encode()
    return Response(answer.status, body, JSON, headers)
