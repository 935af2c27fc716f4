"""Sessions over sockets: every way to sign in, what a session costs, and what is kept between two looks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.wire.powershell import sha256
from tests.hosts.winrm.serving import ADAPTERS, HOST, served

MINUTE = timedelta(minutes=1)
LOOK = ADAPTERS(select=("Name",))


@pytest.mark.parametrize("how", ["ntlm", "ntlm-tls", "basic-tls", "certificate"])
async def test_a_host_says_hello_and_answers_a_batch_whatever_the_sign_in(how: str) -> None:
    async with served() as there:
        async with there.reach(there.target(how)) as session:
            assert session.hello.facts.computer_name == HOST.upper()
            assert session.hello.raw["sha256"] == sha256()
            answers = await session.ask([LOOK, LOOK], MINUTE)
            assert [answer.objects[0]["Name"] for answer in answers] == ["Ethernet", "Ethernet"]
        assert [process.name for process in there.estate.machines[HOST].processes.values() if process.name == "powershell.exe"] == []


async def test_first_contact_costs_nine_requests_and_a_warm_batch_two() -> None:
    async with served() as there, there.reach(there.target()) as session:
        assert there.counts["requests"] == 7
        await session.ask([LOOK], MINUTE)
        assert there.counts["requests"] == 9
        for _ in range(5):
            await session.ask([LOOK] * 20, MINUTE)
        counts = there.counts
        assert (counts["requests"], counts["connections"], counts["handshakes"], counts["processes"]) == (9 + 2 * 5, 1, 1, 1)
