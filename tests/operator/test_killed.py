"""The loop killed at every point of every frame of a correction: the next loop converges, and nothing is done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.emulator.controller import Exchange, Killed, Point
from reconciler.operator.events import Watched
from reconciler.operator.loop import watch
from tests.operator.fleet import QUARTER, Fleet

MAKES = "New-NetNat"


async def test_killed_anywhere_in_a_correction_the_next_loop_converges_and_does_nothing_twice(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01")
    fleet.remove_nat("edge-01")()
    points = await cuts(fleet.copy())
    assert len(points) > 20
    for number, point in points:
        loop = fleet.copy()
        since = len(loop.estate.records)
        await killed(loop, number, point)
        await loop.watch(20)
        assert loop.nats("edge-01") == ["eflow"], (number, point)
        assert loop.events[-2].sweep, (number, point)
        assert loop.events[-2].sweep.ready == 1, (number, point)
        assert [r["name"] for r in loop.estate.log(since=since) if r["what"] == "cmdlet"].count(MAKES) == 1, (number, point)
        assert loop.lease("edge-01") is None, (number, point)


async def cuts(fleet: Fleet) -> list[tuple[int, Point]]:
    """Every point of one undisturbed sweep that puts the NAT back."""
    seen: list[tuple[int, Point]] = []
    env = fleet.env(cut=lambda exchange, point: seen.append((exchange.number, point)))
    await watch(fleet.load, env, QUARTER, fleet.events.append, fleet.stop, sweeps=1)
    assert fleet.said(Watched.CORRECTED)
    return seen


async def killed(fleet: Fleet, number: int, point: Point) -> None:
    def cut(exchange: Exchange, here: Point) -> None:
        if (exchange.number, here) == (number, point):
            raise Killed

    with pytest.raises(BaseExceptionGroup) as group:
        await watch(fleet.load, fleet.env(cut=cut), QUARTER, lambda _: None, fleet.stop, sweeps=1)
    assert group.group_contains(Killed)
