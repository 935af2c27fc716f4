"""Troubles of the line and of the host: what a client sees, and what the host did or did not do."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import anyio
import pytest
import requests
import xmltodict
from winrm.exceptions import WinRMTransportError, WSManFaultError

from reconciler.core.calls import Call
from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.emulator.winrm import Endpoint, Trouble, What, wsfaults
from reconciler.emulator.winrm.session import KILLED
from reconciler.wire.answers import Reply
from reconciler.wire.requests import LeaseAsk, Request
from tests.emulator.winrm.clients import HOST, Process, endpoint, hello_request, lease_request, look_request, protocol, threaded

LOOK = Call("Get-NetAdapter", select=("Name",))
MARK = Call("New-Item", {"Path": "C:\\marks", "ItemType": "Directory"})


async def ready(served: Endpoint, how: str = "basic-tls") -> Process:
    process = await threaded(lambda: Process(protocol(served, how)))
    await threaded(process.ask, hello_request())
    return process


def executions(estate: Estate) -> Counter[tuple[int, int, int]]:
    """How often each call of each request ran, by process."""
    return Counter((entry["pid"], entry["id"], entry["call"]) for entry in estate.log(HOST) if entry["what"] == "execution")


def sent(process: Process, request: Request) -> Request:
    """The same bytes again, under the same id."""
    process._number -= 1
    return request


@pytest.mark.parametrize(("what", "ran"), [(What.DROP_BEFORE, 0), (What.DROP_AFTER, 1)])
async def test_a_line_lost_around_send_looks_alike_and_a_resend_runs_once(what: What, ran: int) -> None:
    async with endpoint() as (estate, served):
        process = await ready(served)
        served.trouble(HOST, Trouble(what, "Send"))
        with pytest.raises(requests.ConnectionError):
            await threaded(process.ask, look_request(LOOK))
        assert sum(executions(estate).values()) == ran
        found = await threaded(process.ask, sent(process, look_request(LOOK)))
        assert [answer.error for answer in found.answers] == [None]
        assert set(executions(estate).values()) == {1}


async def test_an_answer_lost_after_receive_comes_again_to_the_same_id() -> None:
    async with endpoint() as (estate, served):
        process = await ready(served, "ntlm")
        served.trouble(HOST, Trouble(What.DROP_AFTER, "Receive"))
        with pytest.raises(requests.ConnectionError):
            await threaded(process.ask, look_request(LOOK))
        process.wire.transport.close_session()
        found = await threaded(process.ask, sent(process, look_request(LOOK)))
        assert len(found.answers) == 1
        assert set(executions(estate).values()) == {1}


async def test_a_connection_dropped_while_idle_costs_a_stale_seal_one_refusal() -> None:
    async with endpoint() as (_, served):
        process = await ready(served, "ntlm")
        served.trouble(HOST, Trouble(What.IDLE_DROP, "Receive"))
        await threaded(process.ask, look_request(LOOK))
        with pytest.raises(WinRMTransportError) as raised:
            await threaded(process.ask, look_request(LOOK))
        assert raised.value.code == 400
        process.wire.transport.close_session()
        assert (await threaded(process.ask, sent(process, look_request(LOOK)))).answers


async def test_a_killed_process_says_so_and_a_killed_shell_is_gone() -> None:
    async with endpoint() as (_, served):
        process = await ready(served)
        served.trouble(HOST, Trouble(What.KILL_PROCESS, "Receive"))
        out = await threaded(process.wire.get_command_output_raw, process.shell, process.command)
        assert out[2:] == (KILLED, True)
        with pytest.raises(WSManFaultError) as raised:
            await threaded(process.ask, look_request(LOOK))
        assert raised.value.wsman_fault_code == wsfaults.PIPE_CLOSING
        served.trouble(HOST, Trouble(What.KILL_SHELL, "Send"))
        with pytest.raises(WSManFaultError) as raised:
            await threaded(process.ask, look_request(LOOK))
        assert raised.value.wsman_fault_code == wsfaults.NO_SHELL


async def test_whoever_waits_for_a_shell_that_is_deleted_hears_of_it() -> None:
    async with endpoint() as (_, served):
        process, other = await ready(served), await threaded(lambda: protocol(served, "ntlm"))

        async def delete() -> None:
            while served.counts()["Receive"] < 2:
                await anyio.sleep(0.01)
            await threaded(other.close_shell, process.shell)

        async with anyio.create_task_group() as group:
            group.start_soon(delete)
            with pytest.raises(WSManFaultError) as raised:
                await threaded(process.wire.get_command_output_raw, process.shell, process.command)
        assert raised.value.wsman_fault_code == wsfaults.ABORTED


async def test_a_later_receive_takes_the_place_of_one_that_waits() -> None:
    async with endpoint() as (_, served):
        process, other = await ready(served), await threaded(lambda: protocol(served, "ntlm"))
        got: list[bytes] = []

        async def later() -> None:
            while served.counts()["Receive"] < 2:
                await anyio.sleep(0.01)
            got.append((await threaded(other.get_command_output_raw, process.shell, process.command))[0])

        async with anyio.create_task_group() as group:
            group.start_soon(later)
            with pytest.raises(requests.ConnectionError):
                await threaded(process.wire.get_command_output_raw, process.shell, process.command)
            served.service(HOST).shells.all()[0].commands[process.command].console.out(b"late")
        assert got == [b"late"]


@pytest.mark.parametrize(
    ("trouble", "seen"),
    [
        (Trouble(What.CHOP, "Receive", times=None, amount=7), None),
        (Trouble(What.SLOW, "Receive", amount=800), None),
        (Trouble(What.PLAINTEXT, "Receive"), None),
        (Trouble(What.STATUS, "Send", amount=503), 503),
    ],
)
async def test_troubles_of_the_answer(trouble: Trouble, seen: int | None) -> None:
    async with endpoint() as (_, served):
        process = await ready(served, "ntlm")
        served.trouble(HOST, trouble)

        def talk() -> Reply | int:
            try:
                return process.ask(look_request(LOOK))
            except WinRMTransportError as error:
                return int(error.code)

        found = await threaded(talk)
        assert found == seen if isinstance(found, int) else len(found.answers) == 1


async def test_a_redirect_and_a_flood_are_what_they_are() -> None:
    async with endpoint() as (_, served):
        account, address = served.credentials, served.address(HOST)
        raw: dict[str, Any] = {"auth": (account.user, account.password), "verify": str(served.ca), "timeout": 10, "allow_redirects": False}
        wire = protocol(served, "basic-tls")
        header = wire.build_wsman_header("http://schemas.xmlsoap.org/ws/2004/09/transfer/Create", "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd")
        create = xmltodict.unparse({"env:Envelope": header | {"env:Body": {"rsp:Shell": {}}}}).encode()
        served.trouble(HOST, Trouble(What.REDIRECT, text="http://127.0.0.1:9/"), Trouble(What.FLOOD, amount=1_000_000))
        first = await threaded(lambda: requests.post(address.https_url, data=create, **raw))
        assert (first.status_code, first.headers["Location"]) == (302, "http://127.0.0.1:9/")
        second = await threaded(lambda: requests.post(address.https_url, data=create, **raw))
        assert len(second.content) == 1_000_000
        assert served.counts()["Create"] == 2
        assert served.service(HOST).shells.all() == ()


async def test_a_host_that_restarts_refuses_connections_and_forgets_its_shells() -> None:
    async with endpoint() as (estate, served):
        process = await ready(served)
        served.trouble(HOST, Trouble(What.REBOOT, "Send"))
        with pytest.raises(requests.ConnectionError):
            await threaded(process.ask, look_request(LOOK))
        await anyio.sleep(0.1)
        with pytest.raises(requests.ConnectionError, match="refused"):
            await threaded(process.wire.open_shell)
        estate.clock.advance(timedelta(minutes=10))
        await anyio.sleep(0.1)
        with pytest.raises(WSManFaultError) as raised:
            await threaded(process.ask, look_request(LOOK))
        assert raised.value.wsman_fault_code == wsfaults.NO_SHELL
        assert (await ready(served)).shell


async def test_a_restart_within_a_batch_drops_the_line() -> None:
    async with endpoint() as (estate, served):
        process = await ready(served)
        estate.fault(HOST, Fault("New-Item", reboot=True, times=1))
        with pytest.raises((requests.ConnectionError, WSManFaultError)):
            await threaded(process.ask, look_request(MARK))
        await anyio.sleep(0.1)
        assert not served.service(HOST).host.up


async def test_a_lost_line_does_not_end_a_process_that_works() -> None:
    async with endpoint() as (estate, served):
        process = await ready(served)
        estate.fault(HOST, Fault("New-Item", drop="after", times=1))

        def insist() -> Reply:
            try:
                return process.ask(look_request(MARK, LOOK))
            except requests.ConnectionError:  # unless the line broke between two requests, which only costs a new one
                return process.ask(sent(process, look_request(MARK, LOOK)))

        found = await threaded(insist)
        assert [answer.error for answer in found.answers] == [None, None]
        assert set(executions(estate).values()) == {1}
        assert estate.machines[HOST].files.find("C:\\marks") is not None


async def test_who_takes_an_expired_lease_ends_the_process_that_held_it() -> None:
    async with endpoint() as (estate, served):
        first, second = await ready(served), await ready(served)
        await threaded(first.ask, lease_request("a"))
        estate.clock.advance(timedelta(minutes=2))
        taken = await threaded(second.ask, Request(0, "", lease=LeaseAsk("take", "b", None, 60)))
        assert taken.lease is not None
        assert taken.lease.epoch == 2
        out = await threaded(first.wire.get_command_output_raw, first.shell, first.command)
        assert out[2:] == (KILLED, True)


async def test_random_resets_never_run_a_call_twice() -> None:
    async with endpoint() as (estate, served):
        process = await ready(served)
        for what in (What.DROP_BEFORE, What.DROP_AFTER):
            served.trouble(HOST, Trouble(what, "Send", times=None, chance=0.2), Trouble(what, "Receive", times=None, chance=0.2))
        served.trouble(HOST, Trouble(What.CHOP, "Receive", times=None, amount=400))

        def work() -> int:
            resets = 0
            for _ in range(60):
                number = process._number
                while True:
                    process._number = number
                    try:
                        process.ask(look_request(LOOK))
                        break
                    except requests.ConnectionError:
                        resets += 1
            return resets

        assert await threaded(work) > 10
        assert len(executions(estate)) == 60
        assert set(executions(estate).values()) == {1}
