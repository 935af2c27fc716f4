"""The program that our bootstrap line starts: it takes the invoker as its first line of input, then request lines, and writes frames.

`launch` recognises the line. What the invoker does is `emulator.invoker`; here are its pipes, its log by process and call, and its end.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.emulator import catalogue, jobs
from reconciler.emulator.invoker import Gone, Invoker
from reconciler.emulator.runner import RESTARTS, Batch, Ran
from reconciler.emulator.winrm.console import Console
from reconciler.emulator.winrm.host import EmulatedHost

INVOKER_LIMIT = 2**20
END = "#HVEND"
RESTRICTED, TORN, KILLED = 41, 42, -1073741510
LOCKDOWN = ("HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment", "__PSLockdownPolicy")  # "4" restricts the language


class SocketInvoker(Invoker):
    """An invoker whose process outlives its line. It notes every execution by process, request id and number of the call."""

    def __init__(self, host: EmulatedHost, cut: Callable[[], None], pid: int | None = None) -> None:
        self._host = host
        self._cut_line = cut
        self._acted = ""
        self._modules: set[str] = set()
        super().__init__(host.settled(), host.clock, self._noted, pid)

    def _noted(self, what: str, fields: Mapping[str, Any]) -> None:
        if what in ("cmdlet", "program", "ledger"):
            self._acted = str(fields.get("name") or fields.get("path") or f"ledger {fields.get('do')}")
        self._host.log(what, fields)

    def _wake(self) -> None:
        """A process ends with its machine's boot or when it is killed, and not because nobody can reach the machine."""
        jobs.advance(self.machine, self._clock.now(), self._host.log)
        if not self.alive:
            raise Gone(f"the process {self.pid} on {self.machine.name} ended")

    async def _ran(self, batch: Batch, ran: Ran) -> None:
        number = next(reversed(batch.earlier.good))
        try:
            if self._acted:
                self._host.counts["executions"] += 1
                self._host.log("execution", {"pid": self.pid, "id": batch.request.get("id"), "call": number, "name": self._acted, "ok": ran.ok})
                await self._host.cost(self._host.settings.costs.call)
                await self._import(self._acted)
            await super()._ran(batch, ran)
        finally:
            self._acted = ""

    async def _import(self, name: str) -> None:
        """The first call of a module in a process imports it."""
        found = catalogue.find(name.rpartition("\\")[2])
        if found is None or found.module in self._modules:
            return
        self._modules.add(found.module)
        self._host.counts["modules"] += 1
        await self._host.cost(self._host.settings.costs.module)

    def lost(self, why: str) -> None:
        """A broken connection is no end of a process on a real host: it works on, and its answer waits in the pipe.

        Where the call never began, the process went before it.
        """
        if why == RESTARTS:
            super().lost(why)
        self._cut_line()
        if not self._acted:
            self.end()
            super().lost(why)


class Session:
    """The process. `cut` breaks the connections of the host's clients."""

    def __init__(self, host: EmulatedHost, cut: Callable[[], None]) -> None:
        self._host = host
        self._cut = cut
        self._invoker = SocketInvoker(host, cut)
        self.pid = self._invoker.pid
        host.log("process", {"do": "start", "pid": self.pid})

    async def run(self, console: Console) -> int:
        costs = self._host.settings.costs
        await self._host.cost(costs.process + costs.invoker)
        refused = await self._begin(console)
        if refused is not None:
            self._invoker.end()
            return refused
        while (line := await console.line()) is not None:
            text = line.decode("utf-8", "replace").strip()
            if text and not await self._answer(text, console):
                return KILLED
        self._invoker.end()
        return 0

    async def _begin(self, console: Console) -> int | None:
        """What our bootstrap does; the exit code where it does not come to run the invoker."""
        if str(self._host.machine.registry.get(*LOCKDOWN)) == "4":
            console.out("#HVBOOT mode ConstrainedLanguage\n")
            return RESTRICTED
        line = await console.line()
        if not line:
            console.out("#HVBOOT fail empty\n")
            return TORN
        text = unpacked(line)
        if not text.rstrip().endswith(END):
            console.out("#HVBOOT fail torn\n")
            return TORN
        self._invoker.sha256 = hashlib.sha256(text.encode()).hexdigest()
        return None

    async def _answer(self, text: str, console: Console) -> bool:
        """One line is answered by one write; False where the process did not live to answer."""
        self._host.log("request", {"pid": self.pid, "characters": len(text)})
        try:
            console.out(await self._invoker.line(text))
        except Gone:
            return False
        return True


def unpacked(line: bytes) -> str:
    """The script that the first line of input holds, packed; empty where it holds none. What comes after that line is data."""
    try:
        packed = base64.b64decode(line.strip(), validate=True)
        return zlib.decompressobj(wbits=31).decompress(packed, INVOKER_LIMIT).decode("utf-8")
    except (ValueError, zlib.error):
        return ""


def packed(script: str) -> bytes:
    """A script as that first line; for tests and for those who have no invoker of their own."""
    return base64.b64encode(gzip.compress(script.encode(), mtime=0)) + b"\n"
