"""pypsrp's runspace pools as they are against the endpoint: what runs there, what is refused, and in which words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from pypsrp.complex_objects import ObjectMeta, PSInvocationState, RunspacePoolState
from pypsrp.exceptions import WSManFaultError
from pypsrp.host import PSHost, PSHostUserInterface
from pypsrp.powershell import PowerShell, RunspacePool

from reconciler.emulator.faults import Fault
from reconciler.emulator.winrm import Endpoint, Trouble, What
from reconciler.emulator.winrm.psrp import Configuration
from reconciler.emulator.winrm.session import packed
from reconciler.wire.frames import FrameReader
from reconciler.wire.powershell import module
from reconciler.wire.requests import lines
from tests.emulator.winrm.clients import HOST, STAND_IN, endpoint, hello_request, threaded
from tests.emulator.winrm.test_other_clients import wsman

T = TypeVar("T")


def pooled(served: Endpoint, act: Callable[[RunspacePool], T], how: str = "ntlm", **more: Any) -> T:
    with wsman(served, how) as wire, RunspacePool(wire, **more) as pool:
        return act(pool)


def adapters(pool: RunspacePool) -> PowerShell:
    shell = PowerShell(pool).add_cmdlet("Get-NetAdapter").add_parameter("Name", "Ethernet")
    shell.add_cmdlet("Select-Object").add_parameter("Property", ["Name", "InterfaceIndex"])
    shell.invoke()
    shell.close()
    return shell


@pytest.mark.parametrize("how", ["ntlm", "negotiate", "basic-tls", "certificate-tls"])
async def test_a_pipeline_of_cmdlets_gives_objects(how: str) -> None:
    async with endpoint() as (estate, served):
        shell = await threaded(pooled, served, adapters, how)
        found = shell.output[0].extended_properties
        assert found["Name"] == "Ethernet"
        assert isinstance(found["InterfaceIndex"], int)
        assert not shell.had_errors
        assert [process.name for process in estate.machines[HOST].processes.values() if process.name == "wsmprovhost.exe"] == []


def script(pool: RunspacePool, text: str, *arguments: Any) -> PowerShell:
    shell = PowerShell(pool).add_script(text)
    for argument in arguments:
        shell.add_argument(argument)
    shell.invoke()
    shell.close()
    return shell


async def test_a_script_is_one_pipeline_and_may_say_its_exit_code() -> None:
    """The second line is what Ansible's psrp puts under a raw command."""
    text = "Get-NetAdapter -Name Ethernet | Select-Object Name, Status | ConvertTo-Json -Compress\nexit $LASTEXITCODE"
    host = PSHost(None, None, False, "test", None, PSHostUserInterface(), "")
    host.rc = 7
    async with endpoint() as (_, served):
        shell = await threaded(lambda: pooled(served, lambda pool: script(pool, text), host=host))
    assert json.loads(shell.output[0]) == {"Name": "Ethernet", "Status": "Up"}
    assert host.rc == 0


async def test_errors_of_a_script_go_on_and_those_of_a_command_end_it() -> None:
    def talk(pool: RunspacePool) -> list[tuple[int, list[str | None], list[str | None]]]:
        wrong = PowerShell(pool).add_cmdlet("Get-NetAdapter").add_parameter("Nmae", "x")
        unknown = PowerShell(pool).add_cmdlet("Get-Nothing")
        for shell in (wrong, unknown):
            shell.invoke()
            shell.close()
        found = [script(pool, "Get-NetAdapter -Name nothing"), wrong, unknown]
        return [(shell.state, [error.fq_error for error in shell.streams.error], [error.reason for error in shell.streams.error]) for shell in found]

    async with endpoint() as (_, served):
        assert await threaded(pooled, served, talk) == [
            (PSInvocationState.COMPLETED, ["CmdletizationQuery_NotFound_Name,Get-NetAdapter"], ["CimJobException"]),
            (PSInvocationState.FAILED, ["NamedParameterNotFound,Get-NetAdapter"], ["ParameterBindingException"]),
            (PSInvocationState.FAILED, ["CommandNotFoundException"], ["CommandNotFoundException"]),
        ]


@pytest.mark.parametrize("text", ["1 + 1", "Get-NetAdapter; Get-NetNat", "Get-NetAdapter -Name $env:X", "whoami", "iex 'Get-NetNat'"])
async def test_other_scripts_are_refused_in_words(text: str) -> None:
    async with endpoint() as (estate, served):
        shell = await threaded(pooled, served, lambda pool: script(pool, text))
        assert (shell.output, shell.had_errors) == ([], True)
        assert str(shell.streams.error[0]).startswith("not emulated: ")
        assert [record["what"] for record in estate.log(HOST)].count("refused") == 1
        assert not [record for record in estate.log(HOST) if record["what"] == "cmdlet"]


def hello(number: int = 1) -> str:
    return lines(replace(hello_request(), id=number, nonce=f"{number:032x}"))[0]


def batch(pool: RunspacePool, line: str, secrets: list[str] | None = None) -> PowerShell:
    shell = PowerShell(pool).add_cmdlet("Invoke-Batch").add_parameter("Json", line)
    if secrets:
        pool.exchange_keys()
        tag = ObjectMeta("SS")
        shell.add_parameter("Secret", [pool.serialize(secret, tag) for secret in secrets])
    shell.invoke()
    shell.close()
    return shell


def frames(shell: PowerShell, number: int = 1) -> list[Any]:
    reader = FrameReader(f"{number:032x}")
    reader.feed(shell.output[0])
    assert reader.ended
    return list(reader.frames)


async def test_our_script_makes_the_invoker_a_module_of_the_runspace() -> None:
    def talk(pool: RunspacePool) -> tuple[list[Any], PowerShell, PowerShell]:
        before = batch(pool, hello())
        torn = script(pool, module(), packed("# no end")[:-1].decode())
        assert not script(pool, module(), packed(STAND_IN)[:-1].decode()).output
        first = batch(pool, hello())
        assert frames(batch(pool, hello())) == frames(first)  # the same bytes are answered from memory
        return frames(first), before, torn

    async with endpoint() as (_, served):
        said, before, torn = await threaded(pooled, served, talk)
        assert said[0]["name"] == HOST.upper()
        assert said[0]["mode"] == "function"
        assert said[0]["sha256"] == hashlib.sha256(STAND_IN.encode()).hexdigest()
        assert before.streams.error[0].fq_error == "CommandNotFoundException"
        assert torn.output == ["#HVBOOT fail torn"]


RESTRICTED = Configuration("Edge", False, {"get-netadapter": {"name": frozenset({"ethernet"})}, "get-netnat": None})
FENCED = Configuration("EdgeBatch", False, sha256="5" * 64, only=frozenset({"get-netadapter"}))


async def test_a_restricted_configuration_runs_what_it_lets_through() -> None:
    def talk(pool: RunspacePool) -> list[str | None]:
        refused = [
            PowerShell(pool).add_script("Get-NetAdapter"),
            PowerShell(pool).add_cmdlet("Get-Service"),
            PowerShell(pool).add_cmdlet("Get-NetAdapter").add_parameter("InterfaceIndex", 2),
            PowerShell(pool).add_cmdlet("Get-NetAdapter").add_parameter("Name", "Other"),
            PowerShell(pool).add_cmdlet("Get-NetNat").add_cmdlet("ConvertTo-Json"),
        ]
        for shell in refused:
            shell.invoke()
            shell.close()
        assert adapters(pool).output
        return [shell.streams.error[0].fq_error for shell in refused]

    async with endpoint() as (estate, served):
        served.psrp.register(HOST, RESTRICTED)
        assert await threaded(lambda: pooled(served, talk, configuration_name="Edge")) == [
            "ScriptsNotAllowed",
            "CommandNotFoundException",
            "NamedParameterNotFound,Get-NetAdapter",
            "ParameterArgumentValidationError,Get-NetAdapter",
            "CommandNotFoundException",
        ]
        assert [record["name"] for record in estate.log(HOST) if record["what"] == "cmdlet"] == ["Get-NetAdapter"]
        with pytest.raises(WSManFaultError):
            await threaded(lambda: pooled(served, talk, configuration_name="Nothing"))


async def test_a_function_keeps_to_its_list_and_takes_secrets_beside_the_line() -> None:
    line = '{"id": %d, "nonce": "%032x", "calls": [{"c": "%s", "p": {"Name": {"$secure": %d}}}]}'

    def talk(pool: RunspacePool) -> list[Any]:
        asked = [("Get-NetAdapter", 0), ("Get-NetAdapter", 1), ("Get-Service", 0)]
        said = [frames(batch(pool, line % (n, n, name, index), ["Ethernet"]), n) for n, (name, index) in enumerate(asked, 2)]
        return [(first["ok"], [error["fqid"] for error in first.get("err", [])]) for first, *_ in said]

    def greeted(pool: RunspacePool) -> list[Any]:
        assert frames(batch(pool, hello()))[0]["sha256"] == "5" * 64
        assert script(pool, "Get-NetAdapter").streams.error[0].fq_error == "ScriptsNotAllowed"
        return talk(pool)

    async with endpoint() as (estate, served):
        served.psrp.register(HOST, FENCED)
        assert await threaded(lambda: pooled(served, greeted, configuration_name="EdgeBatch")) == [(True, []), (False, ["BadTag"]), (False, ["NotAllowed"])]
        assert "Ethernet" not in str([record for record in estate.log(HOST) if record["what"] == "cmdlet"])


async def test_a_pipeline_is_stopped_and_the_pool_goes_on() -> None:
    def talk(pool: RunspacePool) -> bool:
        shell = PowerShell(pool).add_cmdlet("Get-NetAdapter")
        shell.begin_invoke()
        shell.stop()
        return bool(adapters(pool).output)

    async with endpoint() as (estate, served):
        estate.machines[HOST].faults.append(Fault("Get-NetAdapter", hang=True, times=1))
        assert await threaded(pooled, served, talk)


async def test_a_pool_outlives_its_connection_and_not_its_process() -> None:
    def talk(pool: RunspacePool) -> None:
        pool.disconnect()
        pool.connection.transport.session, pool.connection.transport.encryption = None, None
        pool.connect()
        assert adapters(pool).output
        served.trouble(HOST, Trouble(What.KILL_PROCESS, "Command"))
        with pytest.raises(WSManFaultError) as gone:
            adapters(pool)
        assert gone.value.code == 2150858843
        pool.state = RunspacePoolState.CLOSED

    async with endpoint() as (estate, served):
        await threaded(pooled, served, talk)
        assert [process for process in estate.machines[HOST].processes.values() if process.name == "wsmprovhost.exe"] == []


async def test_bytes_that_are_no_psrp_are_refused() -> None:
    def talk(pool: RunspacePool) -> list[int]:
        codes = []
        for id in (pool.id, "no id"):
            other = RunspacePool(pool.connection)
            other.shell.id = id
            with pytest.raises(WSManFaultError) as refused:
                other.open()
            codes.append(refused.value.code)
        for data in (b"\0" * 40, b"\xff" * 21, b"x"):
            with pytest.raises(WSManFaultError) as refused:
                pool.shell.send("stdin", data)
            codes.append(refused.value.code)
        return codes

    async with endpoint() as (_, served):
        assert await threaded(pooled, served, talk) == [2150858817] * 5
