"""What an emulated host runs: our bootstrap as it must be called, one literal pipeline; everything else is refused in words."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest

from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.emulator.skus import HostWish
from reconciler.emulator.winrm import Costs, Endpoint, Settings, serve
from reconciler.emulator.winrm.console import CommandLine, Console
from reconciler.emulator.winrm.programs import Place, command_line, powershell
from reconciler.emulator.winrm.session import LOCKDOWN, RESTRICTED, TORN, packed
from tests.emulator.winrm.clients import HOST, POWERSHELL, SCRIPT, Process, bootstrap, endpoint, hello_request, look_request, protocol, threaded
from tests.emulator.winrm.test_clients import LOOK

JSON = "Get-NetAdapter | Select-Object Name, Status | ConvertTo-Json -Compress"


async def said(served: Endpoint, line: str, stdin: bytes = b"", host: str = HOST) -> tuple[str, str, int]:
    """Output, errors and exit code of one command line."""

    def talk() -> tuple[str, str, int]:
        wire = protocol(served, "ntlm", host)
        shell = wire.open_shell(codepage=65001)
        command = wire.run_command(shell, line)
        if stdin:
            wire.send_command_input(shell, command, stdin, end=True)
        out, err, code = wire.get_command_output(shell, command)
        wire.cleanup_command(shell, command)
        wire.close_shell(shell)
        return out.decode(), err.decode(), code

    return await threaded(talk)


def encoded(script: str) -> str:
    return f"powershell -NoProfile -EncodedCommand {base64.b64encode(script.encode('utf-16-le')).decode()}"


@pytest.mark.parametrize("line", [encoded(JSON), f"{POWERSHELL} -NoProfile -Command {JSON}", encoded(f"$ProgressPreference = 'SilentlyContinue'; {JSON}")])
async def test_one_pipeline_answers_as_json(line: str) -> None:
    async with endpoint() as (estate, served):
        out, err, code = await said(served, line)
        assert (err, code) == ("", 0)
        assert json.loads(out) == {"Name": estate.machines[HOST].adapters[0].name, "Status": "Up"}
        assert not [process for process in estate.machines[HOST].processes.values() if process.what == "pipeline"]


async def test_a_pipeline_that_fails_says_so_on_stderr() -> None:
    async with endpoint() as (_, served):
        out, err, code = await said(served, encoded("Get-NetAdapter -Name nothing"))
        assert (out, code) == ("", 1)
        assert "FullyQualifiedErrorId : " in err


@pytest.mark.parametrize(
    "line",
    [
        "dir c:\\",
        encoded("Get-NetAdapter; Remove-Item x"),
        encoded("Get-NetAdapter | ForEach-Object { $_.Name }"),
        encoded("$x = Get-NetAdapter"),
        encoded('Get-NetAdapter -Name "$(hostname)"'),
        encoded("Get-NetAdapter | Sort-Object Name"),
        "powershell -EncodedCommand !!!",
    ],
)
async def test_everything_else_is_refused_in_words(line: str) -> None:
    async with endpoint() as (estate, served):
        out, err, code = await said(served, line)
        assert (out, code) == ("", 1)
        assert err.startswith("not emulated: ")
        assert [entry["what"] for entry in estate.log(HOST) if entry["what"] in ("refused", "cmdlet")] == ["refused"]


async def test_a_bootstrap_that_mentions_input_must_say_input_format_none() -> None:
    script = SCRIPT + ";$input"
    async with endpoint() as (_, served):
        _, err, code = await said(served, bootstrap(script, "-NoProfile"))
        assert code == 1
        assert "-InputFormat None" in err
        assert (await said(served, bootstrap(script), packed("#HVEND")))[1:] == ("", 0)


@pytest.mark.parametrize(
    ("first", "why"),
    [(b"\n", "empty"), (b"nonsense\n", "torn"), (packed("no end")[:-5] + b"\n", "torn"), (packed("an invoker cut short"), "torn")],
)
async def test_an_invoker_that_is_not_whole_is_not_run(first: bytes, why: str) -> None:
    async with endpoint() as (_, served):
        out, _, code = await said(served, bootstrap(), first)
        assert (out, code) == (f"#HVBOOT fail {why}\n", TORN)


async def test_a_host_in_constrained_language_says_so_and_runs_nothing() -> None:
    async with endpoint() as (estate, served):
        estate.machines[HOST].registry.put(*LOCKDOWN, "4")
        out, _, code = await said(served, bootstrap())
        assert (out, code) == ("#HVBOOT mode ConstrainedLanguage\n", RESTRICTED)


async def test_where_powershell_is_blocked_windows_says_by_what() -> None:
    async with endpoint() as (estate, served):
        estate.fault(HOST, Fault("powershell", error="1260", says="This program is blocked by group policy."))
        for line in (bootstrap(), encoded(JSON)):
            assert await said(served, line) == ("", "This program is blocked by group policy.\r\n", 1)


async def test_the_end_of_input_is_the_end_of_a_session() -> None:
    async with endpoint() as (estate, served):
        assert await said(served, bootstrap(), packed("#HVEND")) == ("", "", 0)
        assert not [process for process in estate.machines[HOST].processes.values() if process.name == "powershell.exe"]


def test_a_powershell_command_line_is_read_as_windows_reads_it() -> None:
    line = command_line('"C:\\Program Files\\PowerShell\\7\\pwsh.exe"', ["-NoP", "-ExecutionPolicy", "RemoteSigned", "-InputFormat", "none", "-c", "Get-Date"])
    found = powershell(line)
    assert found is not None
    assert (found.script, found.input_none) == ("Get-Date", True)
    assert powershell(command_line("cmd.exe", ["/c", "echo"])) is None


async def test_a_launcher_of_others_comes_first() -> None:
    class Echo:
        def __init__(self, place: Place) -> None:
            self.pid = place.host.machine.start_process("echo.exe").pid

        async def run(self, console: Console) -> int:
            console.out(await console.rest())
            return 7

    def launcher(line: CommandLine, place: Place) -> Echo | None:
        return Echo(place) if line.words[0] == "echo" else None

    async with serve(Estate.new(hosts=[HostWish(HOST)]), launchers=[launcher]) as served:
        assert await said(served, "echo", b"a\nb") == ("a\nb", "", 7)


async def test_stated_costs_pass_in_the_estates_time_and_are_counted() -> None:
    async with endpoint(Settings(costs=Costs(process=2.0, module=3.0, invoker=1.0, call=0.5))) as (estate, served):
        before = estate.clock.now()

        def talk() -> None:
            process = Process(protocol(served, "ntlm"))
            for request in (hello_request(), look_request(LOOK), look_request(LOOK)):
                process.ask(request)

        await threaded(talk)
        assert timedelta(seconds=7) <= estate.clock.now() - before < timedelta(seconds=8)
        assert (served.counts()["processes"], served.counts()["modules"]) == (1, 1)


async def test_work_that_outlasts_the_operation_timeout_is_waited_for_again_and_again() -> None:
    async with endpoint(Settings(pace=10.0, costs=Costs(process=25.0))) as (_, served):
        await threaded(lambda: Process(protocol(served, "basic-tls", operation_timeout_sec=1)).ask(hello_request()))
        assert served.counts()["Receive"] == 3


async def test_with_a_pace_time_runs_by_itself_and_work_takes_it() -> None:
    async with endpoint(Settings(pace=200.0, costs=Costs(process=20.0))) as (estate, served):
        before = estate.clock.now()
        await threaded(lambda: Process(protocol(served, "ntlm")).ask(hello_request()))
        assert estate.clock.now() - before >= timedelta(seconds=20)
