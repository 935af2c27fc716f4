"""When the loop stops putting something back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reconciler.core.ids import ResourceId
from reconciler.operator.flapping import Guard

NAT = ResourceId("edge-01", "NatNetwork", "eflow")
OTHER = ResourceId("edge-01", "NatNetwork", "other")
START = datetime(2026, 12, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)


def fought(every: timedelta = QUARTER) -> tuple[Guard, datetime]:
    """A guard after three corrections in a row, and the time of the next look."""
    guard = Guard(every)
    for n in range(3):
        assert not guard.fights(NAT, START + n * every)
        guard.put_back(NAT, START + n * every)
    return guard, START + 3 * every


def test_the_fourth_time_within_the_hour_is_a_fight_and_stays_one() -> None:
    guard, now = fought()
    assert guard.fights(NAT, now)
    assert guard.fights(NAT, now + 10 * HOUR)
    assert not guard.fights(OTHER, now)


def test_three_corrections_over_a_day_are_no_fight() -> None:
    guard = Guard(QUARTER)
    for n in range(12):
        assert not guard.fights(NAT, START + n * 4 * HOUR)
        guard.put_back(NAT, START + n * 4 * HOUR)


def test_a_slow_loop_sees_a_fight_too() -> None:
    guard, now = fought(2 * HOUR)
    assert guard.fights(NAT, now)


def test_a_fight_ends_after_an_hour_as_declared_without_a_break() -> None:
    guard, now = fought()
    assert guard.fights(NAT, now)
    assert guard.calmed([NAT], now + QUARTER) == []
    assert guard.fights(NAT, now + 2 * QUARTER)  # gone again: the hour begins anew
    assert guard.calmed([NAT], now + 3 * QUARTER) == []
    assert guard.calmed([NAT], now + 3 * QUARTER + HOUR / 2) == []
    assert guard.calmed([NAT], now + 3 * QUARTER + HOUR) == [NAT]
    assert not guard.fights(NAT, now + 3 * QUARTER + HOUR)


def test_three_failures_rest_until_the_oldest_is_an_hour_old() -> None:
    guard = Guard(QUARTER)
    for n in range(3):
        assert not guard.rests(NAT, START + n * QUARTER)
        guard.failed(NAT, START + n * QUARTER)
    assert guard.rests(NAT, START + 3 * QUARTER)
    assert not guard.rests(NAT, START + HOUR)
