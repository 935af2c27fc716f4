"""When the loop does things: places in a sweep, pauses after failures, sleeping that ends early."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from reconciler.emulator.clock import EstateClock
from reconciler.operator.schedule import backoff, cut_short, next_start, offset, pause, spread

EVERY = timedelta(minutes=15)
START = datetime(2026, 12, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_a_host_has_the_same_place_in_every_sweep_and_another_with_another_seed() -> None:
    assert offset("edge-01", EVERY) == offset("edge-01", EVERY)
    assert offset("edge-01", EVERY) != offset("edge-01", EVERY, "site b")


def test_places_are_spread_evenly_over_the_window() -> None:
    over = spread(1000, EVERY)
    places = sorted(offset(f"shop-{n:03}", over) for n in range(1000))
    assert over == timedelta(seconds=50)
    assert all(timedelta() <= place < over for place in places)
    tenths = [sum(1 for place in places if n * over / 10 <= place < (n + 1) * over / 10) for n in range(10)]
    assert min(tenths) > 70


def test_a_large_fleet_is_spread_over_a_tenth_of_the_interval_and_a_small_one_hardly() -> None:
    assert spread(100_000, EVERY) == EVERY / 10
    assert spread(5, EVERY) < SECOND


def test_pauses_double_up_to_the_interval() -> None:
    assert [backoff(n, EVERY).total_seconds() for n in range(1, 8)] == [30, 60, 120, 240, 480, 900, 900]
    assert backoff(10_000, EVERY) == EVERY


def test_missed_sweeps_are_not_made_up_for() -> None:
    assert next_start(START, EVERY, START + SECOND) == START + EVERY
    assert next_start(START, EVERY, START + 5 * EVERY) == START + 5 * EVERY
    assert next_start(START, EVERY, START - 5 * EVERY) == START + EVERY  # a clock that was set back


async def test_a_pause_lasts_until_its_time_or_a_bell() -> None:
    clock, bell = EstateClock(START), anyio.Event()
    assert not await pause(clock, START + EVERY, bell)
    assert clock.now() == START + EVERY
    async with anyio.create_task_group() as group:
        group.start_soon(ring_after, clock, 10 * SECOND, bell)
        assert await pause(clock, clock.now() + EVERY, bell)
    assert clock.now() == START + EVERY + 10 * SECOND
    assert await pause(clock, clock.now() + EVERY, bell)
    assert clock.now() == START + EVERY + 10 * SECOND


async def ring_after(clock: EstateClock, wait: timedelta, bell: anyio.Event) -> None:
    await clock.sleep_until(clock.now() + wait)
    bell.set()


async def test_work_is_cut_short_by_its_alarm_and_by_nothing_else() -> None:
    clock = EstateClock(START)

    async def work() -> str:
        await clock.sleep_until(START + 10 * SECOND)
        return "done"

    async def broken() -> str:
        raise ConnectionError("as it is, in no group")

    async with anyio.create_task_group() as group:
        assert await cut_short(group, lambda: clock.sleep_until(START + 20 * SECOND), work) == "done"
        assert clock.now() == START + 10 * SECOND
        with pytest.raises(ConnectionError):
            await cut_short(group, lambda: clock.sleep_until(START + EVERY), broken)

        async def late() -> str:
            await clock.sleep_until(START + EVERY)
            return "too late"

        assert await cut_short(group, lambda: clock.sleep_until(START + 20 * SECOND), late) is None
        assert clock.now() == START + 20 * SECOND
