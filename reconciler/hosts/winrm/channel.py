"""A `hosts.session.Channel` over WinRM: one shell with one powershell process that runs our invoker.

`connect` makes one a session. A warm request costs one Send and one Receive. What may or may not have arrived is settled by receiving
first, and only then by sending the very same bytes again: the invoker answers those from memory and runs nothing twice (docs/wire.md).
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

import anyio

from reconciler.core.errors import SecretUnavailable, TransportError, Unreachable
from reconciler.hosts.winrm.client import OPERATION
from reconciler.hosts.winrm.collector import Collector
from reconciler.hosts.winrm.errors import BootFailed, Broken, Hostile, NoAnswerYet, OutOfTime, ProcessEnded, Quota, StaleSeal, Unavailable, Unsure
from reconciler.hosts.winrm.journal import Journal
from reconciler.hosts.winrm.line import Line, Output
from reconciler.wire import powershell
from reconciler.wire.powershell.boot import explain_boot
from reconciler.wire.requests import Request
from reconciler.wire.text import visible

T = TypeVar("T")
PIECE = 200_000  # bytes of one Send, in whole lines; a single longer line goes alone
STARTING = 60.0  # seconds for a shell and its process
ENDING = 10.0
LEAVING = 2.0  # seconds for the same where somebody does not wait for the end: what is left there is closed by whoever comes next
GIVEN_UP = "the last request was given up"
LOSSES = 8  # broken requests in a row, without any output in between
NOT_EXECUTED = (Unreachable, Unavailable, StaleSeal)
DIAGNOSTICS = 2**20  # bytes of stderr a session


@dataclass(frozen=True, slots=True)
class Setup:
    """What is started on a host, constants of `wire.powershell`, and how long it is waited for. Tests have others."""

    command: str = field(default_factory=powershell.bootstrap_line)
    invoker: bytes = field(default_factory=powershell.invoker_line)
    probe: float = 0.5  # seconds for a Receive that only finds out whether anything was taken
    grace: float = 15.0  # seconds that an answer may take longer than its batch
    pauses: tuple[float, ...] = (0.2, 1.0, 2.0)  # seconds before a request that certainly did not arrive goes out again


class WinrmChannel:
    """Once it broke it stays broken: what was under way may still act, and only a new session finds out."""

    def __init__(self, line: Line, journal: Journal, setup: Setup | None = None) -> None:
        self._line = line
        self._journal = journal
        self.setup = setup or Setup()
        self._where = line.way.where
        self._shell = self._command = ""
        self._first = b""
        self._broken = ""
        self._late = 0
        self._stderr = 0
        self.batches = 0

    @property
    def broken(self) -> bool:
        return bool(self._broken)

    def nonce(self, number: int) -> str:
        return secrets.token_hex(16)

    # --- the process

    async def start(self) -> None:
        """A shell and a process in it; what we left behind there earlier is closed first."""
        await self._reap()
        try:
            self._shell = await self._line.create(STARTING)
        except Quota:
            if not await self._reap():
                raise
            self._shell = await self._line.create(STARTING)
        self._journal.add(self._where, self._shell)
        self._command = await self._line.command(self._shell, self.setup.command, STARTING)
        self._first, self._broken, self._late = self.setup.invoker, "", 0

    async def _reap(self) -> bool:
        """Closes shells of ours that nobody uses; whether there were any. One that cannot be closed stays in the journal."""
        orphans = self._journal.orphans(self._where)
        for shell in orphans:
            await self._line.end(shell, "", ENDING)
            self._journal.gone(self._where, shell)
        return bool(orphans)

    async def renew(self) -> None:
        """Ends the process, sees it gone, starts another."""
        await self._line.end(self._shell, self._command, ENDING)
        self._journal.gone(self._where, self._shell)
        await self.start()

    async def close(self) -> None:
        """Ends the process if the host can be reached; else its shell is left in the journal. Never raises for what a host does."""
        if self._shell:
            left = self._journal.left
            with anyio.move_on_after(LEAVING if self._broken == GIVEN_UP else None, shield=True), contextlib.suppress(TransportError, SecretUnavailable):
                await self._line.end(self._shell, "" if self._broken else self._command, ENDING)
                left = self._journal.gone
            left(self._where, self._shell)
        self._shell = ""
        self._line.close()

    # --- one request

    async def exchange(self, request: Request, texts: Sequence[str], deadline: timedelta) -> str:
        """Sends the lines of one request and gives its answer. Raises Unreachable, with `sent` where something may have arrived."""
        if self._broken:
            raise Unreachable(f"{self._line.way.host}: {self._broken}")
        pieces = self._pieces(texts)
        exchange = _Exchange(self, request, pieces, anyio.current_time() + deadline.total_seconds() + self.setup.grace)
        try:
            answer = await exchange.run()
        except TransportError as failed:
            self._broken = str(failed)
            failed.sent = failed.sent or exchange.sent
            raise
        except BaseException:
            self._broken = GIVEN_UP
            raise
        self._first, self._late = b"", exchange.late
        self.batches += 1
        return answer

    def _pieces(self, texts: Sequence[str]) -> list[bytes]:
        """The lines in as few Sends as their size allows. Each begins with a newline, which ends a torn line before it."""
        pieces = [self._first]
        for text in texts:
            data = f"\n{text}\n".encode("ascii")
            if pieces[-1] and len(pieces[-1]) + len(data) > PIECE:
                pieces.append(data)
            else:
                pieces[-1] += data
        return pieces

    def failed_start(self, output: Output, text: str) -> TransportError:
        return failed_start(self._line.way.host, text, output.err, output.code, never=bool(self._first))

    def took(self, output: Output) -> None:
        self._stderr += len(output.err)
        if self._stderr > DIAGNOSTICS:
            raise Hostile(f"{self._line.way.host}: more than {DIAGNOSTICS} bytes on stderr", sent=True)


def failed_start(host: str, text: str, err: bytes, code: int, *, never: bool) -> TransportError:
    """Why a process that ended, or said so, gave no answer. `never`: it has not given any before."""
    found = explain_boot(text, host)
    if found is not None:
        failed = BootFailed(f"{host}: {found.message}: {found.why}; {found.help}")
        failed.explained = found
        return failed
    said = visible(err.decode("utf-8", "replace").strip()[:300])
    if never and code > 0:  # a negative one is how a killed process ends
        return BootFailed(f"{host}: powershell.exe ended with {code} before it began{': ' + said if said else ''}")
    return ProcessEnded(f"{host}: the powershell process has ended ({code})", sent=True)


class _Exchange:
    """One request on its way: what was sent, what is in doubt, what came."""

    def __init__(self, channel: WinrmChannel, request: Request, pieces: list[bytes], until: float) -> None:
        self._channel = channel
        self._line = channel._line
        self._collector = Collector(request, channel._late)
        self._pieces = pieces
        self._until = until
        self._losses = 0
        self._doubt = False  # something may not have arrived, or some of the answer is lost
        self._resent = 0
        self.sent = False
        self.late = 0

    async def run(self) -> str:
        try:
            await self._send()
        except ProcessEnded as ended:
            raise await self._last_words(ended) from None
        while True:
            output = await self._receive()
            if output is None:
                await self._settle()
                continue
            self._losses = 0
            self._channel.took(output)
            if self._collector.feed(output.out):
                answer = self._collector.text
                self.late = (self._resent + self._doubt) * len(answer)
                return answer
            if output.done or (not self._collector.begun and "#HVBOOT" in self._collector.first):
                raise self._channel.failed_start(output, self._collector.first)

    async def _last_words(self, ended: ProcessEnded) -> TransportError:
        """Why the process ended: one that never answered may have said so."""
        channel = self._channel
        if not channel._first:
            return ended
        try:
            output = await self._line.receive(channel._shell, channel._command, ENDING)
        except TransportError:
            return ended
        return channel.failed_start(output, output.out.decode("ascii", "replace"))

    async def _settle(self) -> None:
        """Nothing came. If that may be because nothing is under way, the same bytes go out again."""
        if self._doubt and not self._collector.begun:
            self._collector.lost()
            self._doubt = False
            self._resent += 1
            await self._send()

    async def _send(self) -> None:
        channel = self._channel
        for piece in self._pieces:
            left = self._left()
            try:
                await self._try(partial(self._line.send, channel._shell, channel._command, piece, left))
            except (Unsure, Broken, OutOfTime) as failed:
                self._lost(failed)
            self.sent = True

    async def _receive(self) -> Output | None:
        """What came; None where nothing did. What was lost is received again."""
        channel = self._channel
        while True:
            left = self._left()
            try:
                return await self._try(partial(self._line.receive, channel._shell, channel._command, left, channel.setup.probe if self._doubt else OPERATION))
            except NoAnswerYet:
                return None
            except (Broken, OutOfTime) as failed:
                self._lost(failed)
                self._collector.lost()

    def _lost(self, failed: TransportError) -> None:
        self.sent = self._doubt = True
        self._losses += 1
        if self._losses > LOSSES:
            raise failed

    async def _try(self, act: Callable[[], Awaitable[T]]) -> T:
        """Again after a pause where the host certainly has nothing of it."""
        for pause in self._channel.setup.pauses:
            try:
                return await act()
            except Unreachable as failed:
                if failed.sent or type(failed) not in NOT_EXECUTED:
                    raise
            await anyio.sleep(pause)
        return await act()

    def _left(self) -> float:
        left = self._until - anyio.current_time()
        if left <= 0:
            raise OutOfTime(f"{self._line.way.host}: no whole answer in time", sent=self.sent)
        return left
