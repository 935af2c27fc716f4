"""A controller over sockets, sealed with NTLM, that can be killed hard at three points of any exchange; and copies of the estate at each.

A killed one says no goodbye: no Signal, no Delete, nothing more is sent; its connections are shut, or left open with nobody behind them. What it
had sent is worked off on the host, where its process, its shell and an answer that nobody reads stay behind.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import anyio
import pytest

from reconciler.core.transport import Target, Writer
from reconciler.emulator.clock import EstateClock
from reconciler.emulator.controller import Killed, Point
from reconciler.emulator.estate import Estate
from reconciler.emulator.winrm import Endpoint
from reconciler.emulator.winrm.endpoint import WATCH
from reconciler.hosts.connect import connections
from reconciler.hosts.emulated import about
from reconciler.hosts.winrm.channel import WinrmChannel
from reconciler.hosts.winrm.line import Line, Output
from reconciler.secrets import Vault
from reconciler.wire.requests import Request
from tests.engine.lab import Lab
from tests.hosts.winrm.serving import Served, options


@asynccontextmanager
async def controller(here: Lab, endpoint: Endpoint, environ: Mapping[str, str] = {}, port: int | None = None) -> AsyncIterator[None]:
    """A controller of its own: nothing that another one kept is known to it. `port`: another than the endpoint's, where a tap is."""
    here.secrets = Vault({"WINRM_PASSWORD": endpoint.credentials.password, **environ})
    async with connections(here.secrets, here.estate.clock, options(here.estate)) as reach:
        served = Served(here.estate, endpoint, reach)

        @asynccontextmanager
        async def to(target: Target) -> AsyncIterator[Writer]:
            name = target.host.name
            with here.estate.clock.held():  # the endpoint looks in real time whether a host is up again: virtual time must not run past it
                await anyio.sleep(2 * WATCH)
            connection = served.connection("ntlm", name)
            connection = replace(connection, port=port or connection.port)
            way = replace(target, host=replace(target.host, address=endpoint.address(name).ip, connection=connection))
            async with reach(way) as writer:
                yield writer

        here.connect = lambda: to  # type: ignore[method-assign]
        yield


@dataclass
class Cuts:
    """Asks `at` three times an exchange, with its number, the point and what it is about; `at` may raise Killed."""

    endpoint: Endpoint
    at: Callable[[int, Point, str], None]
    count: int = 0
    dead: bool = False
    left_open: list[Any] = field(default_factory=list)  # connections that were abandoned
    abandon: bool = False  # rather than shut

    def asks(self, point: Point, what: str) -> None:
        try:
            self.at(self.count - 1, point, what)
        except Killed:
            self.dead = True
            raise

    def install(self, patch: pytest.MonkeyPatch) -> None:
        exchange, call, receive, close = WinrmChannel.exchange, Line._call, Line.receive, Line.close
        under_way = ""

        async def exchanged(channel: WinrmChannel, request: Request, texts: Sequence[str], deadline: timedelta) -> str:
            nonlocal under_way
            if self.dead:
                raise Killed
            self.count, under_way = self.count + 1, about(request)
            self.asks(Point.BEFORE, under_way)
            try:
                return await exchange(channel, request, texts, deadline)
            finally:
                under_way = ""
                if not self.dead:
                    self.asks(Point.ANSWERED, about(request))

        async def received(line: Line, shell: str, command: str, seconds: float, wait: float = 20) -> Output:
            if under_way and not self.dead:
                await acted(self.endpoint, line.way.host, shell, command)
                self.asks(Point.EXECUTED, under_way)
            return await receive(line, shell, command, seconds, wait)

        async def called(line: Line, *given: Any) -> Any:
            if self.dead:
                raise Killed
            return await call(line, *given)

        def closed(line: Line) -> None:
            if self.dead and self.abandon and line._client is not None:
                self.left_open.append(line._client)
                line._client = None
            close(line)

        patch.setattr(WinrmChannel, "exchange", exchanged)
        patch.setattr(Line, "receive", received)
        patch.setattr(Line, "_call", called)
        patch.setattr(Line, "close", closed)


async def acted(endpoint: Endpoint, host: str, shell: str, command: str) -> None:
    """Returns once the process on the host has answered what it was sent, or is gone."""
    found = next((known for known in endpoint.service(host).shells.all() if known.id == shell.upper()), None)
    running = found.commands.get(command.upper()) if found else None
    if running is not None:
        await running.console.wait()


@dataclass(frozen=True)
class Left:
    """The estate as a controller leaves it that is killed at one point."""

    number: int
    point: Point
    what: str
    estate: Estate


def copied(estate: Estate) -> Estate:
    """As it is now; nobody sleeps on its clock."""
    clock, estate.clock = estate.clock, EstateClock(estate.clock.now())
    try:
        return copy.deepcopy(estate)
    finally:
        estate.clock = clock
