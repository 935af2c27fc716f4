"""What the service refuses, under Windows' own numbers: bad sign-ins, stale seals, plain text, sizes, quotas, shells that are gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests
from winrm.exceptions import InvalidCredentialsError, WinRMOperationTimeoutError, WinRMTransportError, WSManFaultError

from reconciler.emulator.winrm import Account, Quotas, Settings, wsfaults
from tests.emulator.winrm.clients import HOST, Process, bootstrap, endpoint, hello_request, lease_request, protocol, threaded


def number(raised: pytest.ExceptionInfo[Any]) -> int:
    assert isinstance(raised.value, WSManFaultError)
    code = raised.value.wsman_fault_code or raised.value.wmierror_code
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize("how", ["ntlm", "basic-tls"])
async def test_a_wrong_password_is_a_401(how: str) -> None:
    async with endpoint() as (_, served):
        with pytest.raises(InvalidCredentialsError):
            await threaded(lambda: protocol(served, how, password="wrong").open_shell())
        assert served.counts()["Create"] == 0


async def test_ntlm_over_https_must_name_its_channel() -> None:
    async with endpoint() as (_, served):
        with pytest.raises(InvalidCredentialsError):
            await threaded(lambda: protocol(served, "ntlm-tls", send_cbt=False).open_shell())


async def test_a_host_is_not_trusted_without_its_authority() -> None:
    async with endpoint() as (_, served):
        with pytest.raises(requests.exceptions.SSLError):
            await threaded(lambda: protocol(served, "basic-tls", ca_trust_path=None).open_shell())


@pytest.mark.parametrize(("how", "more"), [("plaintext", {}), ("ntlm", {"message_encryption": "never"})])
async def test_plain_text_over_http_is_an_empty_500_unless_allowed(how: str, more: dict[str, str]) -> None:
    async with endpoint() as (_, served):
        with pytest.raises(WinRMTransportError) as raised:
            await threaded(lambda: protocol(served, how, **more).open_shell())
        assert (raised.value.code, raised.value.response_text) == (500, "")
    async with endpoint(Settings(allow_unencrypted=True)) as (_, served):
        assert await threaded(lambda: protocol(served, how, **more).open_shell())


async def test_a_seal_of_a_lost_connection_is_an_empty_400_and_the_shell_lives_on() -> None:
    async with endpoint() as (_, served):
        process = await threaded(lambda: Process(protocol(served, "ntlm")))
        await threaded(process.ask, hello_request())
        served.drop_connections(HOST)
        with pytest.raises((requests.ConnectionError, WinRMTransportError)):
            await threaded(process.ask, lease_request())
        with pytest.raises(WinRMTransportError) as raised:
            await threaded(process.ask, lease_request())
        assert raised.value.code == 400
        process.wire.transport.close_session()
        process._number = 1
        assert (await threaded(process.ask, lease_request())).lease is not None
        assert served.counts()["processes"] == 1


async def test_a_request_above_the_envelope_is_refused_under_a_seal() -> None:
    async with endpoint() as (_, served):
        process = await threaded(lambda: Process(protocol(served, "ntlm")))
        with pytest.raises(WSManFaultError) as raised:
            await threaded(process.send, b"x" * 400_000)
        assert number(raised) == 2150858824


async def test_an_answer_keeps_to_the_clients_envelope() -> None:
    async with endpoint() as (estate, served):
        estate.machines[HOST].registry.put("HKLM\\SOFTWARE\\reconciler", "hold", "x")
        process = await threaded(lambda: Process(protocol(served, "ntlm")))
        command = served.service(HOST).shells.all()[0].commands[process.command]
        command.console.out(b"n" * 300_000)

        def sizes() -> list[int]:
            return [len(process.wire.get_command_output_raw(process.shell, process.command)[0]) for _ in range(3)]

        found = await threaded(sizes)
        assert sum(found) == 300_000
        assert max(found) < 153_600 * 3 // 4


async def test_no_output_is_the_operation_timeout_and_the_process_lives_on() -> None:
    async with endpoint() as (_, served):
        process = await threaded(lambda: Process(protocol(served, "basic-tls", operation_timeout_sec=1)))
        with pytest.raises(WinRMOperationTimeoutError):
            await threaded(process.wire.get_command_output_raw, process.shell, process.command)
        assert (await threaded(process.ask, hello_request())).hello


async def test_quotas_of_shells_and_operations_and_processes() -> None:
    async with endpoint(Settings(quotas=Quotas(shells_per_user=2, operations_per_user=4, processes_per_shell=3))) as (_, served):
        wire = protocol(served, "basic-tls")
        first, second = await threaded(wire.open_shell), await threaded(wire.open_shell)
        with pytest.raises(WSManFaultError) as raised:
            await threaded(wire.open_shell)
        assert number(raised) == wsfaults.SHELLS
        for _ in range(2):
            await threaded(wire.run_command, first, bootstrap())
        with pytest.raises(WSManFaultError) as raised:
            await threaded(wire.run_command, first, bootstrap())
        assert number(raised) == 2147944216
        for _ in range(2):
            await threaded(lambda: wire.cleanup_command(second, wire.run_command(second, bootstrap())))
        with pytest.raises(WSManFaultError) as raised:
            await threaded(wire.run_command, second, bootstrap())
        assert number(raised) == wsfaults.OPERATIONS
        assert raised.value.wsman_fault_code is None


async def test_another_users_shell_is_not_there() -> None:

    settings = Settings(accounts=(Account(), Account("kim", "Other-Passw0rd")))
    async with endpoint(settings) as (_, served):
        shell = await threaded(lambda: protocol(served, "basic-tls").open_shell())
        other = protocol(served, "basic-tls", username="kim", password="Other-Passw0rd")
        with pytest.raises(WSManFaultError) as raised:
            await threaded(other.run_command, shell, bootstrap())
        assert number(raised) == wsfaults.NO_SHELL


async def test_a_shell_that_nobody_used_is_gone_after_its_idle_time() -> None:
    async with endpoint() as (estate, served):
        process = await threaded(lambda: Process(protocol(served, "ntlm")))
        estate.clock.set(estate.clock.now() + timedelta(hours=1, minutes=1))
        with pytest.raises(WSManFaultError) as raised:
            await threaded(process.ask, hello_request())
        assert number(raised) == wsfaults.NO_SHELL
        assert estate.machines[HOST].process(served.counts()["processes"]) is None


async def test_a_command_that_is_gone_is_named() -> None:
    async with endpoint() as (_, served):
        process = await threaded(lambda: Process(protocol(served, "ntlm")))
        await threaded(process.wire.cleanup_command, process.shell, process.command)
        with pytest.raises(WSManFaultError) as raised:
            await threaded(process.ask, hello_request())
        assert number(raised) == wsfaults.NO_SHELL
        await threaded(process.wire.cleanup_command, process.shell, process.command)


@pytest.mark.parametrize("body", [b"", b"<a/>", b"<!DOCTYPE x><s:Envelope/>", b"\x00\xff", b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"/>'])
async def test_what_is_no_envelope_is_an_empty_400(body: bytes) -> None:
    async with endpoint() as (_, served):
        account, address = served.credentials, served.address(HOST)

        def post() -> tuple[int, bytes]:
            found = requests.post(address.https_url, data=body, auth=(account.user, account.password), verify=str(served.ca), timeout=10)
            return found.status_code, found.content

        assert await threaded(post) == (200 if not body else 400, b"")


async def test_only_wsman_is_served() -> None:
    async with endpoint() as (_, served):
        url = served.address(HOST).http_url
        assert (await threaded(lambda: requests.get(url, timeout=10).status_code)) == 405
        assert (await threaded(lambda: requests.post(url.replace("wsman", "other"), timeout=10).status_code)) == 404


async def test_every_host_has_an_address_of_its_own() -> None:
    async with endpoint(replace(Settings(), seed=2), "a", "b", "c") as (_, served):
        assert len({served.address(host).ip for host in served.hosts}) == 3
        assert all(served.address(host).ip.startswith("127.") for host in served.hosts)
