"""Starts a real PowerShell for our bootstrap line on emulated hosts, and for the jobs that it detaches.

A launcher of `winrm.serve`: it takes the bootstrap line and leaves every other line, and hosts whose language is restricted, to the
emulator's own. Text shells only: runspace pools of PSRP are emulated as before.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any

from reconciler.emulator.realshell.bridge import Bridge
from reconciler.emulator.realshell.process import LOOK, Ended, RealProcess
from reconciler.emulator.realshell.stubs import modules
from reconciler.emulator.winrm.console import CommandLine, Console, Program
from reconciler.emulator.winrm.host import EmulatedHost
from reconciler.emulator.winrm.programs import SHELL_MARKS, Place, powershell
from reconciler.emulator.winrm.session import KILLED, LOCKDOWN

BEGINS = "& $invoker $reader $pipe"
STAND_IN = " -StandIn ([ScriptBlock]::Create([IO.File]::ReadAllText([IO.Path]::Combine($env:EMULATED_FOLDER, 'standin.ps1'))))"
SWITCHES = ("-NoProfile", "-NonInteractive", "-InputFormat", "None", "-OutputFormat", "Text", "-EncodedCommand")
TEXTS = ("forward.ps1", "standin.ps1")
PIECE = 65536
PIPE = 16 * 2**20


class RealShells:
    """`program`: a PowerShell 7. The processes of a host share a folder, where lock and jobs lie; it is gone afterwards."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._bridge = Bridge()
        self._folder = tempfile.TemporaryDirectory(prefix="emulated-powershell-")
        self._port = 0
        self._processes: list[RealProcess] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> RealShells:
        for name in TEXTS:
            (self._path / name).write_text((files(__package__) / name).read_text(encoding="ascii"), encoding="ascii")
        (self._path / "stubs.ps1").write_text(modules(), encoding="ascii")
        self._port = await self._bridge.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._processes:
            process.end()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._bridge.close()
        self._folder.cleanup()

    @property
    def _path(self) -> Path:
        return Path(self._folder.name)

    def launch(self, line: CommandLine, place: Place) -> Program | None:
        found = powershell(line)
        if found is None or not all(mark in found.script for mark in SHELL_MARKS) or BEGINS not in found.script:
            return None
        if str(place.host.machine.registry.get(*LOCKDOWN)) == "4":
            return None
        return RealSession(self, self.process(place.host, "reconciler session", place.cut), found.script.replace(BEGINS, BEGINS + STAND_IN))

    def process(self, host: EmulatedHost, what: str, cut: Callable[[], None]) -> RealProcess:
        folder = self._path / host.name
        folder.mkdir(exist_ok=True)

        def other(pid: int) -> RealProcess | None:
            return next((one for one in self._processes if one.host is host and one.child is not None and one.child.pid == pid), None)

        async def detach(text: str) -> None:
            runner = self.process(host, "reconciler job", cut)
            runner.runner = True
            runner.hold()
            await self.start(runner, text + STAND_IN)
            task = asyncio.create_task(self.watch(runner))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        made = RealProcess(host, folder, what, cut, other, detach)
        self._processes.append(made)
        return made

    async def caught_up(self, host: EmulatedHost) -> None:
        """Until the host's jobs have done what they would have done by now: they take real time for it, which is none on the host."""
        while any(one.host is host and one.runner and not one.waiting for one in self._processes):
            await asyncio.sleep(LOOK)

    async def start(self, process: RealProcess, script: str) -> asyncio.subprocess.Process:
        async def answer(verb: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
            try:
                return await process.answer(verb, fields)
            except Ended:
                process.end()
                raise ConnectionError from None

        token = self._bridge.admit(answer)
        environment = dict(os.environ, EMULATED_PORT=str(self._port), EMULATED_TOKEN=token, EMULATED_FOLDER=str(self._path), NO_COLOR="1")
        environment |= {"POWERSHELL_TELEMETRY_OPTOUT": "1", "POWERSHELL_UPDATECHECK": "Off"}
        pipe = asyncio.subprocess.DEVNULL if process.runner else asyncio.subprocess.PIPE
        code = base64.b64encode(script.encode("utf-16-le")).decode("ascii")
        process.child = await asyncio.create_subprocess_exec(
            self._program, *SWITCHES, code, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, cwd=process.folder, limit=PIPE
        )
        return process.child

    async def watch(self, process: RealProcess) -> None:
        """Until the process ends, which it does when its machine lost it."""
        assert process.child is not None
        waiting = asyncio.create_task(process.child.wait())
        try:
            while not waiting.done():
                if not process.alive:
                    process.kill()
                await asyncio.wait([waiting], timeout=0.05)
        finally:
            process.end()
            await waiting


class RealSession:
    """The process of a session. Its first line of input is the invoker, then come request lines; what it writes goes to the client."""

    def __init__(self, shells: RealShells, process: RealProcess, script: str) -> None:
        self.pid = process.emulated.pid
        self._shells = shells
        self._process = process
        self._script = script
        process.host.log("process", {"do": "start", "pid": self.pid})

    async def run(self, console: Console) -> int:
        costs = self._process.host.settings.costs
        await self._process.host.cost(costs.process + costs.invoker)
        child = await self._shells.start(self._process, self._script)
        assert child.stdout is not None
        assert child.stderr is not None
        pumps = [self._feed(console, child), _drain(child.stdout, console.out), _drain(child.stderr, console.err)]
        tasks = [asyncio.create_task(pump) for pump in pumps]
        try:
            await self._shells.watch(self._process)
            await asyncio.gather(*tasks[1:])
        finally:
            self._process.end()
            tasks[0].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return child.returncode if child.returncode is not None and child.returncode >= 0 else KILLED

    async def _feed(self, console: Console, child: asyncio.subprocess.Process) -> None:
        assert child.stdin is not None
        while (line := await console.line()) is not None:
            self._process.secrets |= set(_secrets(line))
            await self._shells.caught_up(self._process.host)
            child.stdin.write(line + b"\n")
            await child.stdin.drain()
        child.stdin.close()


async def _drain(stream: asyncio.StreamReader, write: Callable[[bytes], None]) -> None:
    while data := await stream.read(PIECE):
        write(data)


def _secrets(line: bytes) -> Iterator[str]:
    """The secrets in a request line, so that the machine's log masks them where they come as plain text."""
    if b'"$secure"' in line or b'"$cred"' in line:
        try:
            yield from _held(json.loads(line))
        except ValueError:
            return


def _held(value: Any) -> Iterator[str]:
    match value:
        case {"$secure": str(secret)} | {"$cred": [_, str(secret)]}:
            yield secret
        case dict():
            for item in value.values():
                yield from _held(item)
        case list():
            for item in value:
                yield from _held(item)
