"""The line to one host: one client at a time, one request at a time, each in a worker thread with a deadline of its own.

`channel` speaks through it. A client is thrown away after whatever is not a WS-Man fault, for sealed bytes are never sent on another
connection; the next request signs in anew. A deadline or a cancellation shuts the socket from outside: no read can outlast it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from reconciler.core.errors import TransportError
from reconciler.hosts.credentials import SignIns
from reconciler.hosts.winrm.client import OPERATION, Client
from reconciler.hosts.winrm.errors import (
    Faulted,
    Forbidden,
    NoAnswerYet,
    NoPowerShell,
    OutOfTime,
    ProcessEnded,
    Quota,
    ShellGone,
    SignInRefused,
    StaleSeal,
    Unsure,
)
from reconciler.hosts.winrm.translate import CONNECT, translate
from reconciler.hosts.winrm.way import Way

T = TypeVar("T")
FAULTS = (Faulted, Forbidden, NoAnswerYet, NoPowerShell, ProcessEnded, Quota, ShellGone, Unsure)  # the connection is sound after these
IDLE = "PT3600S"
CODEPAGE = 65001
LOUD = ("requests", "urllib3", "spnego", "requests_ntlm", "winrm", "pypsrp", "psrpcore")


@dataclass(frozen=True, slots=True)
class Workers:
    """The threads that all lines share. `around` holds what must not go on while one works (an emulated estate's clock)."""

    limiter: anyio.CapacityLimiter
    around: Callable[[], AbstractContextManager[Any]] = field(default=nullcontext)


@dataclass(frozen=True, slots=True)
class Output:
    """What one Receive brought."""

    out: bytes
    err: bytes
    code: int
    done: bool


def quiet() -> None:
    """Libraries below us log heads and bodies when they are let; not even -vv lets them."""
    for name in LOUD:
        logger = logging.getLogger(name)
        logger.setLevel(max(logging.WARNING, logger.level))


class Line:
    """Raises only what `errors` lists, SecretUnavailable, and cancellation. Another library's line has a client and a translation of its own."""

    _made: Callable[[Way], Any] = Client
    _translate: Callable[..., TransportError] = staticmethod(translate)

    def __init__(self, way: Way, signins: SignIns, workers: Workers) -> None:
        self.way = way
        self._signins = signins
        self._workers = workers
        self._client: Client | None = None
        self._answered = False
        self._one = anyio.Lock()
        quiet()

    async def create(self, seconds: float) -> str:
        return await self._call("Create", seconds, lambda wire: wire.open_shell(codepage=CODEPAGE, noprofile=True, idle_timeout=IDLE))

    async def command(self, shell: str, line: str, seconds: float) -> str:
        return await self._call("Command", seconds, lambda wire: wire.run_command(shell, line, console_mode_stdin=False))

    async def send(self, shell: str, command: str, data: bytes, seconds: float) -> None:
        await self._call("Send", seconds, lambda wire: wire.send_command_input(shell, command, data))

    async def receive(self, shell: str, command: str, seconds: float, wait: float = OPERATION) -> Output:
        """Raises NoAnswerYet after `wait` seconds without output."""
        found = await self._call("Receive", seconds, lambda wire: wire.get_command_output_raw(shell, command), wait)
        return Output(*found)

    async def end(self, shell: str, command: str, seconds: float) -> None:
        """Ends the process and closes the shell; that they are gone already is well."""
        for verb, act in (("Signal", lambda wire: wire.cleanup_command(shell, command)), ("Delete", lambda wire: wire.close_shell(shell, close_session=False))):
            if verb == "Delete" or command:
                try:
                    await self._call(verb, seconds, act)
                except (ShellGone, ProcessEnded):
                    continue

    async def other(self, verb: str, seconds: float, act: Callable[[Any], T]) -> T:
        """A request about something else than shells: `act` sends it, in a thread, through pywinrm's Protocol."""
        return await self._call(verb, seconds, act)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    # --- one request

    async def _call(self, verb: str, seconds: float, act: Callable[[Any], T], wait: float = OPERATION) -> T:
        """Once more on a connection of its own where the host provably did not execute it."""
        async with self._one:
            if self._client is not None and not self._client.connected:
                self.close()
            if self._client is not None:
                try:
                    return await self._through(self._client, verb, seconds, act, wait)
                except (StaleSeal, SignInRefused):
                    self.close()  # the connection under it was replaced
            await self._reach(seconds)
            return await self._signins.through(self.way.principal, self.way.password, lambda value: self._signed(value, verb, seconds, act, wait))

    async def _reach(self, seconds: float) -> Client:
        """A connection without a sign-in: made before anybody is kept waiting who signs in with the same account."""
        client: Client = await self._threaded(lambda: self._made(self.way), CONNECT, seconds, None)
        self._client, self._answered = client, False
        try:
            await self._threaded(client.reach, CONNECT, seconds, client)
        except BaseException:
            self._drop(client)
            raise
        return client

    async def _signed(self, value: str, verb: str, seconds: float, act: Callable[[Any], T], wait: float) -> T:
        """The first request of a client signs in."""
        client = self._client or await self._reach(seconds)
        client.knows(value)
        return await self._through(client, verb, seconds, act, wait)

    async def _through(self, client: Client, verb: str, seconds: float, act: Callable[[Any], T], wait: float) -> T:
        client.waits(max(0.05, min(wait, seconds)))
        try:
            done = await self._threaded(lambda: act(client.protocol), verb, seconds, client)
        except FAULTS:
            self._answered = True
            raise
        except BaseException:
            self._drop(client)
            raise
        self._answered = True
        return done

    def _drop(self, client: Client) -> None:
        """A thread that still works with it finds it closed."""
        client.abort()
        client.close()
        if self._client is client:
            self._client = None

    async def _threaded(self, act: Callable[[], T], verb: str, seconds: float, client: Client | None) -> T:
        """`act` in a worker thread. Its failure is translated there, so nothing foreign leaves the thread."""
        fresh = not self._answered

        def guarded() -> tuple[T | None, TransportError | None]:
            try:
                return act(), None
            except Exception as problem:  # noqa: BLE001 - the one place that turns every foreign error into ours
                return None, self._translate(self.way, verb, problem, fresh=fresh)

        with anyio.move_on_after(seconds) as scope, self._workers.around():
            done, failed = await anyio.to_thread.run_sync(guarded, limiter=self._workers.limiter, abandon_on_cancel=True)
        if scope.cancelled_caught:
            raise OutOfTime(f"{self.way.host}: no answer within {seconds:.0f} s", sent=client is not None)
        if failed is not None:
            raise failed
        return done  # type: ignore[return-value]  # None only where `act` gives None
