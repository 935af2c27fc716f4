"""Exactly once, for calls that succeed twice: resets before and after processing, chopped output, idle drops under seals, killed processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.emulator.winrm import Settings
from tests.hosts.winrm.serving import HOST, served
from tests.sockets import counting
from tests.sockets.counting import Count


async def count(goal: int, seed: int, kills: float, patch: pytest.MonkeyPatch) -> Count:
    """Counts to the goal on a host that is beset, sealed with NTLM."""
    counting.install(patch, chance=kills)
    async with served(settings=Settings(seed=seed)) as there:
        counting.prepare(there)
        counting.beset(there, kills=kills)
        run = Count(there, goal)
        await run.go()
        there.endpoint.heal(HOST)
        assert 0 < run.acted <= run.unknown
        return run


async def test_two_hundred_calls_that_succeed_twice_run_once_each(monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]) -> None:
    run = await count(200, seed=7, kills=0.02, patch=monkeypatch)
    record_property("shares", run.judged())


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
async def test_two_thousand_calls_that_succeed_twice_run_once_each(
    seed: int, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    run = await count(2000, seed=seed, kills=0.01, patch=monkeypatch)
    record_property("shares", run.judged())
