"""Lines that break: nothing runs twice, what can be known is found out, and what cannot is said to be unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from reconciler.core.calls import LedgerCall, Secret
from reconciler.core.errors import Fenced, Unreachable
from reconciler.core.resources import Connection
from reconciler.emulator.winrm.troubles import Trouble, What
from reconciler.hosts.winrm.errors import OutOfTime, ProcessEnded, Quota, ShellGone
from tests.hosts.winrm.serving import ADAPTERS, HOST, Served, served

MINUTE = timedelta(minutes=1)
LOOK = ADAPTERS(select=("Name",))


def entry(number: int) -> LedgerCall:
    return LedgerCall("put", "default", f"{number:032x}", f'{{"n":{number}}}')


def executed(there: Served) -> list[tuple[int, int, int]]:
    """Every execution by process, request and call: the endpoint's own count."""
    return [(record["pid"], record["id"], record["call"]) for record in there.estate.log(HOST) if record["what"] == "execution"]


@pytest.mark.parametrize("how", ["ntlm", "basic-tls"])
@pytest.mark.parametrize("what", [What.DROP_BEFORE, What.DROP_AFTER])
@pytest.mark.parametrize("verb", ["Send", "Receive"])
async def test_a_write_whose_line_breaks_is_done_once_and_its_answer_is_had(how: str, what: What, verb: str) -> None:
    async with served() as there, there.reach(there.target(how)) as session:
        lease = await session.take("tests", 60)
        there.endpoint.trouble(HOST, Trouble(what, verb))
        with anyio.fail_after(20):
            answers = await session.run([entry(1), entry(2)], key="k", epoch=lease.epoch, deadline=MINUTE)
        assert [answer.error for answer in answers] == [None, None]
        assert len(executed(there)) == len(set(executed(there))) == 2


async def test_an_idle_line_that_was_dropped_costs_a_new_sign_in_and_no_session() -> None:
    async with served() as there, there.reach(there.target()) as session:
        for _ in range(3):
            there.endpoint.drop_connections(HOST)
            await session.ask([LOOK], MINUTE)
        assert there.counts["processes"] == 1
        assert there.counts["handshakes"] == 4


async def test_a_request_of_many_parts_survives_the_loss_of_each() -> None:
    async with served() as there, there.reach(there.target("basic-tls")) as session:
        lease = await session.take("tests", 60)
        for skip in range(4):
            big = LedgerCall("put", "default", f"{skip:032x}", '{"x":"' + "y" * 700_000 + '"}')
            there.endpoint.trouble(HOST, Trouble(What.DROP_AFTER, "Send", skip=skip))
            answers = await session.run([big], key="k", epoch=lease.epoch, deadline=MINUTE)
            assert answers[0].error is None or answers[0].error.is_("BadLedger"), answers[0].error
            await session.ask([LOOK], MINUTE)
        assert len(executed(there)) == len(set(executed(there)))


async def look(there: Served, *troubles: Trouble, deadline: timedelta = MINUTE) -> None:
    """A session whose one look meets these troubles."""
    async with there.reach(there.target()) as session:
        there.endpoint.trouble(HOST, *troubles)
        try:
            await session.ask([LOOK], deadline)
        finally:
            there.endpoint.heal(HOST)


@pytest.mark.parametrize(
    ("what", "verb", "error", "sent"),
    [
        (What.KILL_PROCESS, "Send", ProcessEnded, False),
        (What.KILL_SHELL, "Send", ShellGone, False),
        (What.KILL_SHELL, "Receive", ShellGone, True),
    ],
)
async def test_a_killed_process_ends_the_session_and_what_was_sent_is_said(what: What, verb: str, error: type[Unreachable], sent: bool) -> None:
    async with served() as there:
        with pytest.raises(error) as lost:
            await look(there, Trouble(what, verb))
        assert lost.value.sent is sent
        await look(there)


@pytest.mark.parametrize("what", [What.HANG, What.SLOW])
async def test_a_host_that_hangs_or_drips_is_cut_off_at_the_deadline(what: What) -> None:
    async with served() as there:
        begun = anyio.current_time()
        with pytest.raises(OutOfTime) as late:
            await look(there, Trouble(what, "Receive", times=None, amount=1), deadline=timedelta(0))
        assert late.value.sent
        assert anyio.current_time() - begun < 4


async def test_a_new_session_has_no_lease_of_the_old_one() -> None:
    async with served() as there:
        async with there.reach(there.target()) as session:
            lease = await session.take("tests", 60)
        async with there.reach(there.target()) as session:
            with pytest.raises(Fenced):
                await session.run([entry(1)], key="k", epoch=lease.epoch, deadline=MINUTE)
        assert executed(there) == []


async def test_a_host_that_lost_its_power_is_unreachable_and_so_it_stays() -> None:
    async with served() as there:
        with pytest.raises(Unreachable):
            await look(there, Trouble(What.POWER, "Send"))
        there.estate.power(HOST, on=False)
        await anyio.sleep(0.1)
        with pytest.raises(Unreachable, match="refuses connections") as refused:
            await look(there)
        assert not refused.value.sent
        assert refused.value.transient


async def test_a_password_that_is_not_there_is_said_beside_a_port_where_nobody_listens() -> None:
    async with served() as there:
        host = there.host()
        options = {**host.connection.options, "password": Secret("env", "NOT_SET")}
        nobody = replace(there.target(), host=replace(host, connection=Connection("winrm", 1, options)))
        with pytest.raises(Unreachable, match="refuses connections; besides, there is no password: env NOT_SET: the environment") as refused:
            async with there.reach(nobody):
                pass
        assert refused.value.code == "HST018"


@pytest.mark.parametrize(("what", "verb"), [(What.SHELLS, "Create"), (What.OPERATIONS, "Command")])
async def test_a_quota_that_is_exhausted_is_said_and_may_pass(what: What, verb: str) -> None:
    async with served() as there:
        there.endpoint.trouble(HOST, Trouble(what, verb))
        with pytest.raises(Quota) as full:
            await look(there)
        assert full.value.transient
