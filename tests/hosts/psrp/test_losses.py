"""PSRP lines that break: nothing runs twice, and what cannot be known is said to be unknown."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from reconciler.core.calls import LedgerCall
from reconciler.core.errors import Unreachable
from reconciler.emulator.faults import Fault
from reconciler.emulator.winrm.troubles import Trouble, What
from reconciler.hosts.winrm.errors import OutOfTime, ShellGone
from tests.hosts.psrp.serving import psrp
from tests.hosts.winrm.serving import ADAPTERS, ADDRESS, HOST, Served, served

MINUTE = timedelta(minutes=1)
LOOK = ADAPTERS(select=("Name",))


def entry(number: int, text: str = "") -> LedgerCall:
    return LedgerCall("put", "default", f"{number:032x}", f'{{"n":{number},"t":"{text}"}}')


def executed(there: Served) -> list[tuple[int, int, int]]:
    """Every execution by process, request and call: the endpoint's own count."""
    return [(record["pid"], record["id"], record["call"]) for record in there.estate.log(HOST) if record["what"] == "execution"]


@pytest.mark.parametrize("how", ["ntlm", pytest.param("basic-tls", marks=pytest.mark.soak)])
async def test_a_write_whose_line_breaks_is_done_once_and_its_answer_is_had(how: str) -> None:
    async with served() as there, there.reach(psrp(there, "function", how)) as session:
        lease = await session.take("tests", 60)
        troubles = [Trouble(what, verb) for verb in ("Command", "Receive", "Signal") for what in (What.DROP_BEFORE, What.DROP_AFTER)]
        for number, trouble in enumerate(troubles):
            there.endpoint.trouble(HOST, trouble)
            with anyio.fail_after(20):
                answers = await session.run([entry(number), entry(100 + number)], key="k", epoch=lease.epoch, deadline=MINUTE)
            assert [answer.error for answer in answers] == [None, None]
        assert len(executed(there)) == len(set(executed(there))) == 2 * len(troubles)
        assert there.counts["processes"] == 1


async def test_a_request_of_many_fragments_survives_the_loss_of_some() -> None:
    async with served() as there, there.reach(psrp(there, how="basic-tls")) as session:
        lease = await session.take("tests", 60)
        for skip in range(2):
            there.endpoint.trouble(HOST, Trouble(What.DROP_AFTER, "Send", skip=skip))
            calls = [entry(number, "y" * 40_000) for number in range(20)]
            answers = await session.run(calls, key="k", epoch=lease.epoch, deadline=MINUTE)
            assert [answer.error for answer in answers] == [None] * 20
            there.endpoint.heal(HOST)
        assert len(executed(there)) == len(set(executed(there))) == 40


async def test_an_answer_in_single_fragments_is_put_together() -> None:
    async with served() as there, there.reach(psrp(there)) as session:
        there.endpoint.trouble(HOST, Trouble(What.CHOP, "Receive", times=None))
        answers = await session.ask([LOOK] * 800, MINUTE)
        assert {answer.objects[0]["Name"] for answer in answers} == {"Ethernet"}


async def test_an_idle_line_that_was_dropped_costs_a_new_sign_in_and_no_pool() -> None:
    async with served() as there, there.reach(psrp(there)) as session:
        for _ in range(3):
            there.endpoint.drop_connections(HOST)
            await session.ask([LOOK], MINUTE)
        assert there.counts["processes"] == 1
        assert there.counts["handshakes"] == 4


async def look(there: Served, *troubles: Trouble, mode: str = "script", deadline: timedelta = MINUTE) -> None:
    """A session whose one look meets these troubles."""
    async with there.reach(psrp(there, mode)) as session:
        there.endpoint.trouble(HOST, *troubles)
        try:
            await session.ask([LOOK], deadline)
        finally:
            there.endpoint.heal(HOST)


@pytest.mark.parametrize(("mode", "what", "verb", "sent"), [("script", What.KILL_PROCESS, "Command", False), ("cmdlet", What.KILL_SHELL, "Receive", True)])
async def test_a_killed_process_ends_the_session_and_what_was_sent_is_said(mode: str, what: What, verb: str, sent: bool) -> None:
    async with served() as there:
        with pytest.raises(ShellGone) as lost:
            await look(there, Trouble(what, verb), mode=mode)
        assert lost.value.sent is sent
        await look(there, mode=mode)


@pytest.mark.parametrize("what", [pytest.param(What.HANG, marks=pytest.mark.soak), What.SLOW])
async def test_a_host_that_hangs_or_drips_is_cut_off_at_the_deadline(what: What) -> None:
    async with served() as there:
        begun = anyio.current_time()
        with pytest.raises(OutOfTime) as late:
            await look(there, Trouble(what, "Receive", times=None, amount=1), deadline=timedelta(0))
        assert late.value.sent
        assert anyio.current_time() - begun < 4


async def abandoned(there: Served) -> None:
    """A session whose end never reaches the host."""
    async with there.reach(psrp(there, "function")) as session:
        there.endpoint.trouble(HOST, Trouble(What.DROP_BEFORE, "", times=None))
        await session.ask([LOOK], timedelta(0))


async def test_pools_that_were_left_behind_are_closed_by_whoever_comes_next(tmp_path: Path) -> None:
    async with served(journal=tmp_path) as there:
        with pytest.raises(Unreachable):
            await abandoned(there)
        there.endpoint.heal(HOST)
        assert len(there.endpoint.service(HOST).shells.all()) == 1
        async with there.reach(psrp(there, "function")):
            assert len(there.endpoint.service(HOST).shells.all()) == 1
        assert there.endpoint.service(HOST).shells.all() == ()


async def test_after_a_cut_write_the_pool_is_replaced_before_anything_is_asked() -> None:
    async with served() as there, there.reach(psrp(there, "function")) as session:
        lease = await session.take("tests", 60)
        there.estate.machines[HOST].faults.append(Fault("New-NetIPAddress", hang=True, times=1))
        call = ADDRESS(InterfaceAlias="Ethernet", IPAddress="10.9.9.9", PrefixLength=24, seconds=1)
        wrote = await session.run([call], key="k", epoch=lease.epoch, deadline=MINUTE)
        assert wrote[0].error is not None
        assert wrote[0].error.cut
        before = session.hello.raw["pid"]
        assert (await session.ask([LOOK], MINUTE))[0].error is None
        assert session.hello.raw["pid"] != before
        assert there.counts["processes"] == 2
        assert len(there.endpoint.service(HOST).shells.all()) == 1
