"""`connection: {transport: local}`: the Windows machine that this runs on, through a powershell.exe of our own over pipes.

The same process, frames and rules as over WinRM, with nothing to reach and nobody to sign in: it has the rights of whoever started this.
It has no judge here: no test has run it on Windows; channel and process are tested with programs that speak frames.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from subprocess import PIPE

import anyio
from anyio.abc import ByteReceiveStream, Process

from reconciler.core.errors import TransportError, Unreachable
from reconciler.core.resources import Host
from reconciler.core.transport import Clock, Secrets, Target, Writer
from reconciler.hosts.session import Session
from reconciler.hosts.winrm.channel import DIAGNOSTICS, failed_start
from reconciler.hosts.winrm.collector import Collector
from reconciler.hosts.winrm.errors import BadConnection, Hostile, NoPowerShell, OutOfTime
from reconciler.wire import powershell
from reconciler.wire.requests import Request

GRACE = 15.0  # seconds that an answer may take longer than its batch
ENDING = 10.0
BLOCK = 65536


@dataclass(frozen=True, slots=True)
class Program:
    """What is started, and the first line that it is given. Tests have others."""

    words: tuple[str, ...] = ()
    first: bytes = b""
    grace: float = GRACE

    @classmethod
    def powershell(cls) -> Program:
        return cls(tuple(powershell.bootstrap_line().split(" ")), powershell.invoker_line())


class LocalChannel:
    """A `hosts.session.Channel` over the pipes of one process. Once it broke it stays broken, and its process is ended."""

    def __init__(self, host: str, program: Program) -> None:
        self._host = host
        self._program = program
        self._process: Process | None = None
        self._first = b""
        self._broken = ""
        self._stderr = b""

    def nonce(self, number: int) -> str:
        return secrets.token_hex(16)

    async def start(self) -> None:
        try:
            self._process = await anyio.open_process(list(self._program.words), stdin=PIPE, stdout=PIPE, stderr=PIPE)
        except OSError as failed:
            raise NoPowerShell(f"{self._host}: {self._program.words[0]} cannot be started: {failed.strerror}") from None
        self._first, self._broken, self._stderr = self._program.first, "", b""

    async def renew(self) -> None:
        """Ends the process, sees it gone, starts another."""
        await self.close()
        await self.start()

    async def close(self) -> None:
        """End of input lets it go by itself; what does not is killed."""
        process, self._process = self._process, None
        if process is None:
            return
        with anyio.CancelScope(shield=True):
            if self._broken and process.returncode is None:
                process.kill()
            elif process.stdin is not None:
                await process.stdin.aclose()
            with anyio.move_on_after(ENDING):
                await process.wait()
            if process.returncode is None:
                process.kill()
            await process.aclose()

    async def exchange(self, request: Request, texts: Sequence[str], deadline: timedelta) -> str:
        """Writes the lines and reads up to the closing frame. Raises Unreachable, with `sent` where something may have arrived."""
        if self._broken or self._process is None:
            raise Unreachable(f"{self._host}: {self._broken or 'the process was not started'}")
        try:
            answer = await self._exchanged(self._process, request, texts, deadline.total_seconds() + self._program.grace)
        except TransportError as failed:
            self._broken = str(failed)
            failed.sent = True
            raise
        except BaseException:
            self._broken = "the last request was given up"
            raise
        self._first = b""
        return answer

    async def _exchanged(self, process: Process, request: Request, texts: Sequence[str], seconds: float) -> str:
        """Pipes are written and drained at once: a process that prints before it reads, or on stderr alone, blocks nobody."""
        data = self._first + b"".join(f"\n{text}\n".encode("ascii") for text in texts)
        answer: str | TransportError = OutOfTime(f"{self._host}: no whole answer in time")
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as group:
                group.start_soon(self._write, process, data)
                group.start_soon(self._drain, process)
                answer = await self._answer(process, request)
                group.cancel_scope.cancel()
        if isinstance(answer, TransportError):
            raise answer
        return answer

    async def _write(self, process: Process, data: bytes) -> None:
        assert process.stdin is not None
        try:
            await process.stdin.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            return  # it ended: reading says so

    async def _drain(self, process: Process) -> None:
        assert process.stderr is not None
        while block := await _block(process.stderr):
            self._stderr += block[: DIAGNOSTICS + 1 - len(self._stderr)]

    async def _answer(self, process: Process, request: Request) -> str | TransportError:
        assert process.stdout is not None
        collector = Collector(request)
        try:
            while block := await _block(process.stdout):
                ended = collector.feed(block)
                if len(self._stderr) > DIAGNOSTICS:
                    return Hostile(f"{self._host}: more than {DIAGNOSTICS} bytes on stderr", sent=True)
                if ended:
                    return collector.text
                if not collector.begun and "#HVBOOT" in collector.first and collector.first.endswith("\n"):
                    break
        except TransportError as failed:
            return failed
        with anyio.move_on_after(ENDING):
            await process.wait()
        code = process.returncode if process.returncode is not None else -1
        return failed_start(self._host, collector.first, self._stderr, code, never=bool(self._first))


async def _block(stream: ByteReceiveStream) -> bytes:
    """What came next; nothing at the end."""
    try:
        return await stream.receive(BLOCK)
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        return b""


class Local:
    """The engine's `Connect` for hosts with `transport: local`. `program` and `platform` are for tests."""

    def __init__(self, secrets: Secrets, clock: Clock, program: Program | None = None, platform: str = sys.platform) -> None:
        self._secrets = secrets
        self._clock = clock
        self._program = program
        self._platform = platform

    def __call__(self, target: Target) -> AbstractAsyncContextManager[Writer]:
        return self._opened(target)

    @asynccontextmanager
    async def _opened(self, target: Target) -> AsyncIterator[Writer]:
        if trouble := self._trouble(target.host):
            raise BadConnection(f"{target.host.name}: {trouble}")
        channel = LocalChannel(target.host.name, self._program or Program.powershell())
        await channel.start()
        try:
            yield await Session.open(channel, target, self._secrets, self._clock)
        finally:
            await channel.close()

    def _trouble(self, host: Host) -> str:
        if self._platform != "win32":
            return "connection.transport local is the Windows machine that this runs on, and this is none: use winrm"
        given = sorted(name for name in host.connection.options if name != "session")
        return f"connection.transport local signs nobody in: leave out {', '.join(given)}" if given else ""
