"""The listening sockets of one emulated host, open while the host would answer and closed while it restarts or is off.

`endpoint` makes one a host. A client that comes while the host is down is refused, as by Windows; whoever was connected is reset.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from reconciler.emulator.sockets.httplines import Line
from reconciler.emulator.winrm.connection import Connection
from reconciler.emulator.winrm.host import EmulatedHost
from reconciler.emulator.winrm.programs import Launcher
from reconciler.emulator.winrm.service import Resource, Service
from reconciler.emulator.winrm.signin import Accounts, SignIn

BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Tls:
    """What an HTTPS listener needs. `mapped`: whose certificate a client may show, by its bytes."""

    context: ssl.SSLContext
    binding: bytes
    mapped: dict[bytes, str]


@dataclass
class Listener:
    host: EmulatedHost
    accounts: Accounts
    address: str
    tls: Tls
    http: int = 0
    https: int = 0
    launchers: Sequence[Launcher] = ()
    resources: Sequence[Resource] = ()
    service: Service = field(init=False)
    _servers: list[asyncio.Server] = field(default_factory=list)
    _lines: dict[Line, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.service = Service(self.host, self.cut, self.launchers, self.resources)

    @property
    def listening(self) -> bool:
        return bool(self._servers)

    async def open(self) -> None:
        """Listens on both ports; a port of 0 becomes one that was free, and stays."""
        for secure in (False, True):
            found = socket.create_server((self.address, self.https if secure else self.http), backlog=BACKLOG)
            port = found.getsockname()[1]
            self.http, self.https = (self.http, port) if secure else (port, self.https)
            context = self.tls.context if secure else None
            server = await asyncio.get_running_loop().create_server(partial(Line, partial(self._opened, secure)), sock=found, ssl=context)
            self._servers.append(server)

    def shut(self) -> None:
        """Nobody listens any more, and nobody is heard."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        self.cut()

    async def watch(self) -> None:
        """Brings the sockets in line with the host: closed when it went down, open when it is back."""
        if self.listening and not self.host.up:
            self.shut()
        elif not self.listening and self.host.up:
            await self.open()

    def cut(self) -> None:
        for line in list(self._lines):
            line.reset()

    async def close(self) -> None:
        self.shut()
        tasks = list(self._lines.values())
        for task in tasks:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        await self.service.shells.close()
        for failure in found:
            if isinstance(failure, Exception):
                raise failure

    def _opened(self, secure: bool, line: Line) -> asyncio.Task[None] | None:
        if not self.host.up:
            line.reset()
            return None
        self.host.counts["connections"] += 1
        task = asyncio.get_running_loop().create_task(self._connection(secure, line).run())
        self._lines[line] = task
        task.add_done_callback(partial(self._closed, line))
        return task

    def _connection(self, secure: bool, line: Line) -> Connection:
        shown = line.transport.get_extra_info("ssl_object").getpeercert(binary_form=True) if secure else None
        mapped = self.tls.mapped.get(shown) if shown else None
        sign_in = SignIn(self.host.settings, self.accounts, tls=secure, binding=self.tls.binding if secure else None, mapped=mapped)
        return Connection(self.service, line, sign_in, secure, str(line.transport.get_extra_info("peername")[0]))

    def _closed(self, line: Line, task: asyncio.Task[None]) -> None:
        """A connection without its task is over. One that the emulator itself broke by an error is kept, so that `close` can tell."""
        if not line.closed and (task.cancelled() or task.exception() is not None):
            line.reset()
        if task.cancelled() or task.exception() is None:
            self._lines.pop(line, None)
