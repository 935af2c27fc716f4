"""What is kept between looks, what is replaced, what is left behind and found again, and hosts that are left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.core.errors import Unreachable
from reconciler.emulator.clock import EstateClock
from reconciler.emulator.winrm import Settings
from reconciler.emulator.winrm.settings import Quotas
from reconciler.emulator.winrm.troubles import Trouble, What
from reconciler.hosts import connect
from reconciler.hosts.breaker import TRIES, Breaker
from reconciler.hosts.winrm.errors import Resting
from reconciler.hosts.winrm.journal import Journal
from tests.hosts.winrm.serving import ADAPTERS, HOST, Served, served

MINUTE = timedelta(minutes=1)


async def look(there: Served, **more: Any) -> None:
    async with there.reach(there.target(**more)) as session:
        await session.ask([ADAPTERS(select=("Name",))], MINUTE)


def shells(there: Served) -> int:
    return len(there.endpoint.service(HOST).shells.all())


async def test_a_persistent_session_serves_the_next_look_and_greets_it() -> None:
    async with served() as there:
        for _ in range(3):
            await look(there, session="persistent")
        assert (there.counts["processes"], there.counts["handshakes"], there.counts["requests"]) == (1, 1, 9 + 2 * 4)
        await there.reach.aclose()
        assert shells(there) == 0


async def test_what_the_last_look_asked_rides_with_the_next_hello() -> None:
    questions = [ADAPTERS(select=("Name",)), ADAPTERS(select=("Name", "ifIndex"))]
    async with served() as there:
        per_look, kept = (replace(there.target(session=session), look=True) for session in ("per-look", "persistent"))
        costs = []
        for target in (per_look, per_look, kept, kept, kept):
            before = there.counts["Create"] and there.counts["requests"]
            async with there.reach(target) as session:
                answers = await session.ask(questions, MINUTE)
                costs.append(there.counts["requests"] - before)
            assert [answer.objects[0]["Name"] for answer in answers] == ["Ethernet", "Ethernet"]
        assert costs == [9, 7, 7, 2, 2]
        assert there.counts["executions"] == 2 * 5


async def test_another_question_than_the_last_look_asked_is_asked_by_itself() -> None:
    async with served() as there:
        target = replace(there.target(session="persistent"), look=True)
        for select in (("Name",), ("ifIndex",), ("ifIndex",)):
            async with there.reach(target) as session:
                answer = (await session.ask([ADAPTERS(select=select)], MINUTE))[0]
            assert list(answer.objects[0]) == list(select)
        async with there.reach(target) as session:
            await session.take("tests", 60)
            before = there.counts["executions"]
            await session.ask([ADAPTERS(select=("ifIndex",))], MINUTE)
            assert there.counts["executions"] == before + 1  # under the lease it is asked anew


async def test_a_session_per_look_ends_with_it() -> None:
    async with served() as there:
        await look(there)
        await look(there)
        assert there.counts["processes"] == 2
        assert shells(there) == 0


async def test_a_worn_process_is_replaced_between_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as there:
        await look(there, session="persistent")
        monkeypatch.setattr(connect, "BATCHES", 2)
        await look(there, session="persistent")
        assert there.counts["processes"] == 2


async def test_a_kept_process_that_died_meanwhile_is_replaced() -> None:
    async with served() as there:
        await look(there, session="persistent")
        there.endpoint.trouble(HOST, Trouble(What.KILL_SHELL, "Send"))
        await look(there, session="persistent")
        assert there.counts["processes"] == 2


async def test_a_kept_session_that_hangs_costs_no_more_than_its_opening() -> None:
    async with served(opening=0.5) as there:
        await look(there, session="persistent")
        there.endpoint.trouble(HOST, Trouble(What.HANG, "Send", times=None))
        begun = anyio.current_time()
        with pytest.raises(Unreachable, match="no session within"):
            await look(there, session="persistent")
        assert anyio.current_time() - begun < 3
        there.endpoint.heal(HOST)
        await look(there, session="persistent")


async def test_two_looks_at_once_have_a_process_each() -> None:
    async with served() as there, there.reach(there.target()), there.reach(there.target()):
        assert there.counts["processes"] == 2


async def test_shells_of_a_controller_that_is_gone_are_closed_and_no_others(tmp_path: Path) -> None:
    async with served(journal=tmp_path) as there, there.reach(there.target()) as stranger:
        gone = there.endpoint.service(HOST)
        await left_behind(there)
        assert len(gone.shells.all()) == 2
        written = [shell for file in tmp_path.glob("*.json") for found in json.loads(file.read_text()).values() for shell in found]
        assert sorted(written) == sorted(shell.id for shell in gone.shells.all())
        orphan = next(shell for shell in written if shell != next(iter(gone.shells.all())).id)
        where = f"{there.endpoint.address(HOST).ip}:{there.endpoint.address(HOST).http}"
        (tmp_path / "shells-1-gone.json").write_text(json.dumps({where: [orphan]}))
        await look(there)
        assert len(gone.shells.all()) == 1
        assert (await stranger.ask([ADAPTERS(select=("Name",))], MINUTE))[0].error is None
        assert not (tmp_path / "shells-1-gone.json").exists()


async def left_behind(there: Served) -> None:
    """A second shell that its controller never closes: the host is not reachable while the session ends."""
    async with there.reach(there.target()):
        there.endpoint.trouble(HOST, Trouble(What.STATUS, times=None, amount=503))
    there.endpoint.heal(HOST)


async def test_a_quota_of_shells_is_met_by_closing_our_own(tmp_path: Path) -> None:
    async with served(journal=tmp_path, settings=Settings(quotas=Quotas(shells_per_user=1))) as there:
        await left_behind(there)
        await look(there)
        assert shells(there) == 0


def test_a_journal_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    one, other = Journal(tmp_path), Journal(tmp_path)
    one.add("h:1", "A")
    other.add("h:1", "B")
    assert other.orphans("h:1") == ()
    one.close()
    assert other.orphans("h:1") == ("A",)
    assert other.orphans("h:2") == ()
    other.gone("h:1", "A")
    other.gone("h:1", "B")
    other.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_host_that_fails_and_fails_is_left_alone_for_a_while() -> None:
    clock = EstateClock(datetime.fromisoformat("2026-01-01T00:00:00+00:00"))
    breaker = Breaker("edge-01", clock)

    def attempt(failing: bool) -> None:
        with breaker.watching():
            if failing:
                raise Unreachable("no answer")

    for _ in range(TRIES):
        with pytest.raises(Unreachable, match="no answer"):
            attempt(failing=True)
    with pytest.raises(Resting, match="not tried for another 15 s"):
        attempt(failing=False)
    clock.advance(timedelta(seconds=16))
    with pytest.raises(Unreachable, match="no answer"):
        attempt(failing=True)
    clock.advance(timedelta(seconds=16))
    with pytest.raises(Resting):
        attempt(failing=False)
    clock.advance(timedelta(seconds=60))
    attempt(failing=False)
    attempt(failing=False)


async def test_a_session_that_does_not_open_in_time_is_given_up() -> None:
    async with served(opening=0.5) as there:
        there.endpoint.trouble(HOST, Trouble(What.HANG, "Create"))
        begun = anyio.current_time()
        with pytest.raises(Unreachable, match="no session within"):
            await look(there)
        assert anyio.current_time() - begun < 3
