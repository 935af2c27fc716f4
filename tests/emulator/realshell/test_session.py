"""A session in a real PowerShell on an emulated host, without WinRM between: its binding, its errors, and that it reaches nothing else.

Skipped where no PowerShell is installed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from reconciler.emulator.estate import Estate
from reconciler.emulator.realshell import RealShells
from reconciler.emulator.skus import HostWish
from reconciler.emulator.winrm import serve
from reconciler.emulator.winrm.console import Console
from reconciler.emulator.winrm.programs import Place, command_line
from reconciler.wire import powershell
from reconciler.wire.frames import FrameReader
from tests.wire.powershell.pwsh import found

PWSH = found()
pytestmark = [pytest.mark.interop, pytest.mark.skipif(PWSH is None, reason="no PowerShell here: set RECONCILE_PWSH or put pwsh on the path")]
HOST = "kiosk-01"
ALLOW = (
    *("Get-NetAdapter", "New-NetIPAddress", "Get-WindowsFeature", "Get-VM", "Get-Content", "Get-FileHash", "Start-Process", "Set-EflowVmFeature"),
    *("Microsoft.PowerShell.Management\\Get-Service", "Microsoft.PowerShell.Management\\Remove-Item", "Restart-Computer", "Start-Sleep", "Send-Question"),
    *("C:\\Windows\\System32\\hcsdiag.exe", "C:\\Windows\\System32\\nothing.exe"),
)


class Talk:
    def __init__(self, estate: Estate, console: Console, task: asyncio.Task[int]) -> None:
        self.estate = estate
        self.console = console
        self.task = task
        self._number = 0

    async def ask(self, **body: Any) -> list[Mapping[str, Any]]:
        """The frames of the answer; fewer where the process ended."""
        self._number += 1
        self.console.feed(json.dumps({"id": self._number, "nonce": "ab", **body}).encode() + b"\n", False)
        reader = FrameReader("ab")
        while not reader.ended and not self.console.drained:
            await asyncio.wait_for(self.console.wait(), 120)
            for name, data in self.console.take(2**20):
                assert name == "stdout", data
                reader.feed(data.decode("ascii"))
        return list(reader.frames)

    async def calls(self, *calls: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return (await self.ask(calls=list(calls)))[:-1]


@asynccontextmanager
async def session() -> AsyncIterator[Talk]:
    assert PWSH is not None
    estate = Estate.new(hosts=[HostWish(HOST, "server-2022")])
    async with RealShells(PWSH) as shells, serve(estate, launchers=[shells.launch]) as endpoint:
        place = Place(endpoint._listener(HOST).host, lambda: None)
        program = shells.launch(command_line(powershell.bootstrap_line(), ()), place)
        assert program is not None
        console = Console()
        task = asyncio.create_task(program.run(console))
        task.add_done_callback(lambda done: console.finish(done.result()))
        console.feed(powershell.invoker_line(), False)
        talk = Talk(estate, console, task)
        hello = await talk.ask(hello={"allow": ALLOW, "fleet": "default"})
        assert hello[0]["name"] == HOST.upper()
        yield talk
        console.feed(b"", True)
        await asyncio.wait_for(task, 120)


def ids(frames: list[Mapping[str, Any]]) -> list[str]:
    return [frame["err"][0]["fqid"] if "err" in frame else "" for frame in frames]


async def test_calls_are_bound_by_the_engine_and_answered_by_the_machine() -> None:
    async with session() as talk:
        adapters, wrong, none, empty, service = await talk.calls(
            {"c": "Get-NetAdapter", "s": ["Name", "InterfaceIndex"]},
            {"c": "Get-NetAdapter", "p": {"Nope": 1}},
            {"c": "Get-VM"},
            {"c": "New-NetIPAddress", "p": {"InterfaceIndex": "seven", "IPAddress": "10.0.0.9"}},
            {"c": "Microsoft.PowerShell.Management\\Get-Service", "p": {"Name": "nope"}},
        )
        assert adapters["out"] == [{"Name": "Ethernet", "InterfaceIndex": 7}]
        assert ids([wrong, none]) == ["NamedParameterNotFound,Get-NetAdapter", "CommandNotFoundException"]
        assert ids([empty, service]) == [
            "ParameterArgumentTransformationError,New-NetIPAddress",
            "NoServiceFoundForGivenName,Microsoft.PowerShell.Commands.GetServiceCommand",
        ]
        assert service["err"][0]["reason"] == "ServiceCommandException"
        ran, absent = await talk.calls({"x": "C:\\Windows\\System32\\hcsdiag.exe", "a": ["what"]}, {"x": "C:\\Windows\\System32\\nothing.exe"})
        assert (ran["out"][0]["exit"], absent["out"][0]["exit"]) == (1, 9009)


async def test_no_call_reaches_the_computer_that_the_emulator_runs_on() -> None:
    """Allowed by the controller, and not there: only stubs and PowerShell's core are. What the stubs speak through takes no call's word."""
    async with session() as talk:
        answers = await talk.calls(
            {"c": "Get-Content", "p": {"Path": "/etc/hostname"}},
            {"c": "Start-Process", "p": {"FilePath": "/bin/true"}},
            {"c": "Start-Sleep", "p": {"Seconds": 0}},
            {"c": "Microsoft.PowerShell.Management\\Remove-Item", "p": {"Path": "C:\\nothing"}},
            {"c": "Get-FileHash", "p": {"Path": "/etc/hostname"}},
        )
        assert [id.partition(",")[0] for id in ids(answers)[:3]] == ["CommandNotFoundException"] * 3
        assert [record["name"] for record in talk.estate.log(HOST) if record["what"] == "cmdlet"] == ["Remove-Item", "Get-FileHash"]


async def test_a_restart_ends_the_process_and_the_machine_is_down() -> None:
    async with session() as talk:
        assert await talk.ask(calls=[{"c": "Restart-Computer", "p": {"Force": True}}]) == []
        await asyncio.wait_for(talk.task, 60)
        assert not talk.estate.machines[HOST].answers()
