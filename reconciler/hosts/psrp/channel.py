"""A `hosts.session.Channel` over PSRP: one runspace in which our invoker is a module, and each line a call of its `Invoke-Batch`.

`connect` makes one a session. Without a configuration of the product's own the invoker is sent, as the argument of a constant script; in
mode function it is installed, and the host must name the same one. What was lost on the way is sent again as the very same line in a
pipeline of its own: the runspace runs one after another, and the invoker answers a repeated line from memory (docs/wire.md).
"""

from __future__ import annotations

import contextlib
import secrets
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import anyio

from reconciler.core.errors import SecretUnavailable, TransportError, Unreachable
from reconciler.hosts.psrp.errors import NoConfiguration, OtherInvoker
from reconciler.hosts.psrp.line import Failure, Gave, PsrpLine, Secure, Step
from reconciler.hosts.winrm.channel import ENDING, GIVEN_UP, LEAVING, LOSSES, NOT_EXECUTED, STARTING, Setup
from reconciler.hosts.winrm.errors import BootFailed, Broken, Faulted, Hostile, NoAnswerYet, OutOfTime, Quota, Unsure
from reconciler.hosts.winrm.journal import Journal
from reconciler.wire import powershell
from reconciler.wire.frames import unframe
from reconciler.wire.powershell.boot import explain_boot
from reconciler.wire.requests import Request
from reconciler.wire.text import visible

T = TypeVar("T")
DEFAULT = "Microsoft.PowerShell"
BATCH = "Invoke-Batch"
UNKNOWN = "CommandNotFoundException"
NO_SCRIPTS = "ScriptsNotAllowed"


class PsrpChannel:
    """Once it broke it stays broken: what was under way may still act, and only a new session finds out."""

    def __init__(self, line: PsrpLine, journal: Journal, configuration: str = "", setup: Setup | None = None) -> None:
        self.line = line
        self.setup = setup or Setup()
        self.batches = 0
        self._journal = journal
        self._installed = bool(configuration)
        self._configuration = configuration or DEFAULT
        self._place = f"{line.way.where} {self._configuration}"
        self.host = line.way.host
        self._pool = ""
        self._broken = ""
        self._beside: tuple[str, ...] = ()

    @property
    def broken(self) -> bool:
        return bool(self._broken)

    @property
    def apart(self) -> bool:
        """Whether secrets go beside the line: `-Json` of an installed function may be written down."""
        return self._installed

    def beside(self, values: Sequence[str]) -> None:
        """The secrets of the next request; its line has their numbers."""
        self._beside = tuple(values)

    def nonce(self, number: int) -> str:
        return secrets.token_hex(16)

    # --- the runspace

    async def start(self) -> None:
        """A pool with the invoker in it; what we left behind there earlier is closed first."""
        await self._reap()
        try:
            await self._open()
        except Quota:
            if not await self._reap():
                raise
            await self._open()
        self._broken = ""
        if not self._installed:
            await self._prepare()

    async def _open(self) -> None:
        """A pool whose id is written down first; one that may be there although nobody was told is closed by whoever comes next."""
        pool = str(uuid.uuid4()).upper()
        self._journal.add(self._place, pool)
        try:
            await self.line.open(self._configuration, pool, STARTING)
        except TransportError as failed:
            (self._journal.left if failed.sent else self._journal.gone)(self._place, pool)
            raise
        except BaseException:
            self._journal.left(self._place, pool)
            raise
        self._pool = pool

    async def _prepare(self) -> None:
        invoker = self.setup.invoker.decode("ascii").strip()
        gave = await self.one([Step(powershell.module(), script=True, arguments=(invoker,))], STARTING)
        said = "\n".join(item for item in gave.objects if isinstance(item, str))
        found = explain_boot(said, self.host)
        if found is not None:
            failed = BootFailed(f"{self.host}: {found.message}: {found.why}; {found.help}")
            failed.explained = found
            raise failed
        if gave.failure is not None:
            raise self._failed(gave.failure)

    async def _reap(self) -> bool:
        """Closes pools of ours that nobody uses; whether there were any. One that cannot be closed stays in the journal."""
        orphans = self._journal.orphans(self._place)
        for pool in orphans:
            await self.line.remove(self._configuration, pool, ENDING)
            self._journal.gone(self._place, pool)
        return bool(orphans)

    async def renew(self) -> None:
        """Ends the runspace's process, sees it gone, starts another."""
        await self.line.remove(self._configuration, self._pool, ENDING)
        self._journal.gone(self._place, self._pool)
        await self.start()

    async def close(self) -> None:
        """Ends the pool if the host can be reached; else it is left in the journal. Never raises for what a host does."""
        if self._pool:
            left = self._journal.left
            with anyio.move_on_after(LEAVING if self._broken == GIVEN_UP else None, shield=True), contextlib.suppress(TransportError, SecretUnavailable):
                await self.line.remove(self._configuration, self._pool, ENDING)
                left = self._journal.gone
            left(self._place, self._pool)
        self._pool = ""
        self.line.close()

    # --- one request

    async def exchange(self, request: Request, texts: Sequence[str], deadline: timedelta) -> str:
        """Sends the lines of one request and gives its answer. Raises Unreachable, with `sent` where something may have arrived."""
        if self._broken:
            raise Unreachable(f"{self.host}: {self._broken}")
        self.permit(request)
        sending = Sending(self)
        try:
            answer = await self.answer(request, texts, deadline, sending)
        except TransportError as failed:
            self._broken = str(failed)
            failed.sent = failed.sent or sending.sent
            raise
        except BaseException:
            self._broken = GIVEN_UP
            raise
        self.batches += 1
        return answer

    def permit(self, request: Request) -> None:
        """Everything may be asked here."""

    async def answer(self, request: Request, texts: Sequence[str], deadline: timedelta, sending: Sending) -> str:
        """One call of Invoke-Batch a line; parts of a request give nothing before the last."""
        seconds = deadline.total_seconds() + self.setup.grace
        until = anyio.current_time() + seconds
        beside, self._beside = self._beside, ()
        given: dict[str, Any] = {}
        if beside:
            await self.line.keys(seconds)
            given["Secret"] = [Secure(value) for value in beside]
        answer = ""
        for text in texts:
            gave = await sending.run([Step(BATCH, {"Json": text, **given})], until)
            if gave.failure is not None:
                raise self._failed(gave.failure)
            if len(gave.objects) != 1 or not isinstance(gave.objects[0], str):
                raise Hostile(f"{self.host}: {BATCH} gave something else than one text", sent=True)
            answer += gave.objects[0]
        if request.hello is not None and self._installed:
            self._same(answer, request.nonce)
        return answer

    async def one(self, steps: Sequence[Step], seconds: float) -> Gave:
        """One pipeline that changes nothing, or nothing when it runs again."""
        return await Sending(self).run(steps, anyio.current_time() + seconds)

    def _same(self, answer: str, nonce: str) -> None:
        """An installed module of another version would understand requests in another way."""
        hello = unframe(answer, nonce)[0]
        if "mismatch" not in hello and hello.get("sha256") != powershell.sha256():
            raise OtherInvoker(
                f"{self.host}: the module of {self._configuration} there is of another version: run `reconcile jea` again, and install what it writes"
            )

    def _failed(self, failure: Failure) -> TransportError:
        said = visible(failure.message)[:300]
        if failure.id == UNKNOWN and self._installed:
            return NoConfiguration(f"{self.host}: {self._configuration} has no {BATCH}: it is for mode cmdlet, or its module is not installed")
        if failure.id == NO_SCRIPTS:
            return BootFailed(f"{self.host}: {self._configuration} runs no scripts there: install what `reconcile jea` writes, and use mode function")
        return Faulted(f"{self.host}: PowerShell refused the pipeline: {said} ({visible(failure.id)[:100]})", sent=True)


class Sending:
    """Pipelines of one request on their way; lost ones begin anew."""

    def __init__(self, channel: PsrpChannel) -> None:
        self._channel = channel
        self._line = channel.line
        self._losses = 0
        self.sent = False

    async def run(self, steps: Sequence[Step], until: float) -> Gave:
        while True:
            try:
                shell = await self._try(partial(self._line.run, steps), until)
                self.sent = True
                gave = await self._result(shell, until)
            except (Unsure, Broken, OutOfTime) as failed:
                self._lost(failed)
                continue
            await self._forget(shell, until)
            return gave

    async def _result(self, shell: Any, until: float) -> Gave:
        while True:
            try:
                gave = await self._try(partial(self._line.poll, shell), until)
            except NoAnswerYet:
                continue
            if gave is not None:
                return gave

    async def _forget(self, shell: Any, until: float) -> None:
        """The answer is there: a pipeline that cannot be forgotten only counts until the pool ends."""
        try:
            await self._line.forget(shell, min(ENDING, self._left(until)))
        except (Broken, OutOfTime, Unsure):
            return

    def _lost(self, failed: TransportError) -> None:
        self.sent = True
        self._losses += 1
        if self._losses > LOSSES:
            raise failed

    async def _try(self, act: Callable[[float], Awaitable[T]], until: float) -> T:
        """Again after a pause where the host certainly has nothing of it."""
        for pause in self._channel.setup.pauses:
            try:
                return await act(self._left(until))
            except Unreachable as failed:
                if failed.sent or type(failed) not in NOT_EXECUTED:
                    raise
            await anyio.sleep(pause)
        return await act(self._left(until))

    def _left(self, until: float) -> float:
        left = until - anyio.current_time()
        if left <= 0:
            raise OutOfTime(f"{self._channel.line.way.host}: no whole answer in time", sent=self.sent)
        return left
