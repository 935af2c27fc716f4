"""pywinrm as it is speaks with the endpoint: every way to sign in, a session, a batch, counts."""

from __future__ import annotations

import hashlib

import pytest

from reconciler.core.calls import Call
from tests.emulator.winrm.clients import HOST, STAND_IN, Process, endpoint, greeted, hello_request, look_request, protocol, threaded

LOOK = Call("Get-NetAdapter", select=("Name",))


@pytest.mark.parametrize("how", ["ntlm", "ntlm-tls", "basic-tls", "certificate"])
async def test_a_session_says_hello_and_answers_a_batch(how: str) -> None:
    async with endpoint() as (estate, served):

        def talk() -> tuple[str, int]:
            process = Process(protocol(served, how))
            hello = greeted(process.ask(hello_request()))
            assert hello.raw["sha256"] == hashlib.sha256(STAND_IN.encode()).hexdigest()
            found = process.ask(look_request(LOOK, LOOK))
            process.close()
            return hello.facts.computer_name, len([answer for answer in found.answers if answer.error is None])

        assert await threaded(talk) == (HOST.upper(), 2)
        assert [process.name for process in estate.machines[HOST].processes.values() if process.name == "powershell.exe"] == []


async def test_ntlm_over_http_is_sealed_and_costs_three_requests_more() -> None:
    async with endpoint() as (_, served):

        def talk() -> Process:
            process = Process(protocol(served, "ntlm"))
            process.ask(hello_request())
            return process

        process = await threaded(talk)
        assert dict(served.counts(HOST)) | {"requests": 7, "handshakes": 1, "connections": 1, "processes": 1} == dict(served.counts(HOST))
        for _ in range(5):
            await threaded(process.ask, look_request(LOOK))
        assert served.counts(HOST)["requests"] == 7 + 2 * 5
        assert served.counts(HOST)["processes"] == 1
        assert served.counts(HOST)["executions"] == 5


async def test_bytes_are_counted_on_both_sides_of_the_line() -> None:
    async with endpoint() as (_, served):
        process = await threaded(lambda: Process(protocol(served, "ntlm")))
        await threaded(process.ask, hello_request())
        received, sent = served.counts(HOST)["bytes received"], served.counts(HOST)["bytes sent"]
        await threaded(process.ask, look_request(Call("Get-NetAdapter", {"Name": "n" * 10_000}, select=("Name",))))
        there, back = served.counts(HOST)["bytes received"] - received, served.counts(HOST)["bytes sent"] - sent
        assert 10_000 * 4 / 3 < there < 20_000 + 5_000
        assert 0 < back < there
