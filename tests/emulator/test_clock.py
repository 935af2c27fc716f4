"""Virtual time: it stands while anybody works and jumps when all sleep."""

import time
from datetime import timedelta

import anyio
import anyio.to_thread
import pytest

from reconciler.emulator.clock import EstateClock
from reconciler.emulator.machine import EPOCH


async def test_sleepers_wake_in_order_and_an_hour_costs_nothing() -> None:
    clock = EstateClock()
    woken: list[tuple[int, float]] = []

    async def sleep(seconds: int) -> None:
        await clock.sleep_until(EPOCH + timedelta(seconds=seconds))
        woken.append((seconds, (clock.now() - EPOCH).total_seconds()))

    async with anyio.create_task_group() as tasks:
        for seconds in (3600, 5, 60, 5):
            tasks.start_soon(sleep, seconds)
    assert woken == [(5, 5.0), (5, 5.0), (60, 60.0), (3600, 3600.0)]


async def test_time_stands_while_somebody_works() -> None:
    clock = EstateClock()
    seen: list[float] = []

    async def work() -> None:
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
            seen.append((clock.now() - EPOCH).total_seconds())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep_until, EPOCH + timedelta(seconds=10))
        tasks.start_soon(work)
    assert set(seen) == {0.0}
    assert clock.now() == EPOCH + timedelta(seconds=10)


async def test_time_stands_while_a_thread_works() -> None:
    clock = EstateClock()
    after: list[float] = []

    async def ticks() -> None:
        for n in range(1, 1000):
            await clock.sleep_until(EPOCH + timedelta(seconds=n))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ticks)
        await anyio.to_thread.run_sync(time.sleep, 0.05)
        after.append((clock.now() - EPOCH).total_seconds())
        tasks.cancel_scope.cancel()
    assert after[0] <= 2


async def test_time_stands_while_it_is_held() -> None:
    clock = EstateClock()
    with anyio.move_on_after(0.02) as scope, clock.held():
        await clock.sleep_until(EPOCH + timedelta(seconds=1))
    assert scope.cancelled_caught
    assert clock.now() == EPOCH


async def test_a_cancelled_driver_hands_over() -> None:
    clock = EstateClock()
    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(0):
            await clock.sleep_until(EPOCH + timedelta(seconds=1))
        tasks.start_soon(clock.sleep_until, EPOCH + timedelta(seconds=2))
        tasks.start_soon(clock.sleep_until, EPOCH + timedelta(seconds=3))
    assert clock.now() == EPOCH + timedelta(seconds=3)


async def test_moving_the_time_by_hand_wakes_who_is_due() -> None:
    clock = EstateClock()
    woken: list[str] = []

    async def sleep() -> None:
        await clock.sleep_until(EPOCH + timedelta(hours=1))
        woken.append("up")

    with clock.held():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sleep)
            await anyio.lowlevel.checkpoint()
            clock.advance(timedelta(hours=2))
    assert woken == ["up"]
    assert clock.now() == EPOCH + timedelta(hours=2)


def test_the_clock_never_goes_back() -> None:
    clock = EstateClock()
    clock.set(EPOCH - timedelta(days=1))
    assert clock.now() == EPOCH


async def test_thousands_of_sleeps_are_quick() -> None:
    clock = EstateClock()
    began = time.perf_counter()

    async def sleep(step: int) -> None:
        for _ in range(100):
            await clock.sleep_until(clock.now() + timedelta(seconds=step))

    async with anyio.create_task_group() as tasks:
        for step in range(1, 21):
            tasks.start_soon(sleep, step)
    assert time.perf_counter() - began < 5
    assert clock.now() == EPOCH + timedelta(seconds=2000)


@pytest.mark.parametrize("seconds", [0, -5])
async def test_a_moment_that_has_passed_is_no_sleep(seconds: int) -> None:
    clock = EstateClock()
    await clock.sleep_until(EPOCH + timedelta(seconds=seconds))
    assert clock.now() == EPOCH
