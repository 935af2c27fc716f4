"""A kept session acts on wear: after so many batches, so long, so much memory, or a call that was cut, its process is replaced between looks.

Each look of a watch loop goes through the same process until then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.transport import Target, Writer
from reconciler.emulator.faults import Fault
from reconciler.emulator.winrm import serve
from reconciler.hosts import connect
from reconciler.hosts.connect import connections
from reconciler.secrets import Vault
from reconciler.wire.strict import read, write
from tests.hosts.winrm.serving import ADAPTERS, HOST, Served, options, served
from tests.operator.fleet import MINUTE, Fleet
from tests.sockets.lying import edited, lying

HOUR = timedelta(hours=1)


async def look(there: Served) -> int:
    """Which process served it."""
    async with there.reach(there.target(session="persistent")) as session:
        await session.ask([ADAPTERS(select=("Name",))], MINUTE)
        return int(session.hello.raw["pid"])


def heavy(request: Mapping[str, Any], sound: str) -> str:
    """A process that says it holds 512 MB from its second hello on."""
    return edited(request, sound, lambda body: write(read(body) | {"ws": 512 << 20}) if request["id"] > 1 and '"ws":' in body else body)


async def hour(there: Served) -> None:
    there.estate.clock.advance(HOUR)


async def cut(there: Served) -> None:
    """A call that is abandoned at its deadline, at the end of a look."""
    there.estate.fault(HOST, Fault("Get-NetAdapter", hang=True, times=1))
    assert await look(there)


async def nothing(there: Served) -> None:
    assert there.counts["processes"] == 1


@pytest.mark.parametrize(("what", "replaced"), [(nothing, False), (hour, True), (cut, True)])
async def test_a_kept_process_is_replaced_once_it_is_worn(what: Callable[[Served], Any], replaced: bool) -> None:
    async with served() as there:
        first = await look(there)
        assert await look(there) == first
        await what(there)
        assert (await look(there) != first) is replaced
        assert len(there.endpoint.service(HOST).shells.all()) == 1


async def test_a_process_that_holds_too_much_memory_is_replaced() -> None:
    async with served(launchers=[lying({HOST: heavy})]) as there:
        first = await look(there)
        assert await look(there) == first  # its second hello says so
        assert await look(there) != first


async def test_five_hundred_batches_are_a_process_s_life(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (connect.BATCHES, connect.AGE, connect.MEMORY) == (500, HOUR, 512 * 2**20)
    monkeypatch.setattr(connect, "BATCHES", 6)  # hello and a batch each
    async with served() as there:
        pids = [await look(there) for _ in range(7)]
        assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


async def test_a_process_in_which_a_call_was_cut_is_not_even_greeted_again() -> None:
    async with served() as there, there.reach(there.target()) as session:
        first = session.hello.raw["pid"]
        there.estate.fault(HOST, Fault("Get-NetAdapter", hang=True, times=1))
        (answer,) = await session.ask([ADAPTERS(select=("Name",))], MINUTE)
        assert answer.error is not None
        assert answer.error.cut == "abandoned"
        assert (await session.greet()).raw["pid"] != first
        assert there.estate.machines[HOST].process(first) is None


async def test_a_watch_loop_keeps_one_process_for_an_hour_and_then_takes_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five sweeps, a quarter of an hour apart: the process of the first serves four."""
    fleet = await Fleet.converged(tmp_path, HOST)
    in_process, pids = fleet.env(), list[int]()
    async with serve(fleet.estate) as endpoint:
        vault = Vault({"WINRM_PASSWORD": endpoint.credentials.password})
        async with connections(vault, fleet.estate.clock, options(fleet.estate)) as reach:
            kept = Served(fleet.estate, endpoint, reach).host(session="persistent")

            @asynccontextmanager
            async def to(target: Target) -> AsyncIterator[Writer]:
                async with reach(replace(target, host=replace(target.host, address=kept.address, connection=kept.connection))) as writer:
                    pids.append(writer.hello.raw["pid"])
                    yield writer

            monkeypatch.setattr(fleet, "env", lambda: replace(in_process, connect=to, secrets=vault))
            end = await fleet.watch(63)
        assert endpoint.service(HOST).shells.all() == ()
    assert (end.ready, end.not_ready) == (1, 0)
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [4, 1]
