"""Six hours in which everything happens to a fleet, by a seed; then quiet. The loop outlives it, and what it may mend is mended."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.core.errors import TransportError
from reconciler.emulator.faults import Fault
from reconciler.operator.events import Watched
from tests.operator.fleet import HOSTS, Fleet

QUIET = 360  # minutes; nothing happens afterwards


@pytest.mark.parametrize("seed", [10, 44])
async def test_after_six_wild_hours_the_fleet_is_as_declared_again(tmp_path: Path, seed: int) -> None:
    await wild(tmp_path, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 140))
async def test_after_many_wild_hours_the_fleet_is_as_declared_again(tmp_path: Path, seed: int) -> None:
    await wild(tmp_path, seed)


async def wild(tmp_path: Path, seed: int) -> None:
    fleet = await Fleet.converged(tmp_path, *HOSTS)
    chance = random.Random(seed)
    moments = [(chance.uniform(0, QUIET), misfortune(fleet, chance)) for _ in range(40)]
    calm: list[tuple[float, Callable[[], object]]] = [(QUIET + 1, lambda: peace(fleet)), (QUIET + 20, fleet.by_person)]  # what flaps is a person's
    await fleet.watch(QUIET + 260, *sorted(moments, key=lambda moment: moment[0]), *calm)
    assert not fleet.said(Watched.DEFECT)
    assert fleet.said(Watched.CORRECTED)
    sweeps = [event for event in fleet.events if event.sweep]
    assert len(sweeps) == (QUIET + 260) // 15 + 1
    assert all(fleet.minute(event) - 15 * n <= 15 for n, event in enumerate(sweeps))
    assert sweeps[-1].sweep
    assert sweeps[-1].sweep.ready == len(HOSTS), fleet.said(Watched.DRIFTED, Watched.PENDING, Watched.FLAPPING, Watched.UNSEEN)
    assert all(fleet.nats(host) == ["eflow"] and fleet.lease(host) is None for host in HOSTS)


def misfortune(fleet: Fleet, chance: random.Random) -> Callable[[], object]:
    """One thing that happens to one host, or to the specs."""
    host = chance.choice(HOSTS)
    minutes = chance.uniform(1, 60)
    good = (fleet.path / "fleet.yaml").read_text(encoding="utf-8")
    machine = fleet.estate.machine

    def drift() -> None:
        if machine(host).power == "on" and machine(host).answers():
            fleet.estate.run(host, "Remove-NetNat -Name eflow -Confirm:$false")

    def outage() -> None:
        fleet.estate.power(host, on=False)

    def back() -> None:
        fleet.estate.power(host, on=True)

    def line() -> None:
        fleet.estate.fault(host, Fault(drop=chance.choice(("before", "after")), times=chance.randint(1, 3)))

    def hang() -> None:
        fleet.estate.fault(host, Fault(hang=True, times=1))

    def refusal() -> None:
        fleet.estate.fault(host, Fault("New-NetNat", error="Windows System Error 1450,New-NetNat", times=1))

    def breaks() -> None:
        (fleet.path / "fleet.yaml").write_text(good.replace("kind: Host", "kind: Hots", 1), encoding="utf-8")

    def mends() -> None:
        (fleet.path / "fleet.yaml").write_text(good, encoding="utf-8")

    async def lease() -> None:
        with suppress(TransportError):  # the other controller meets the same misfortunes
            await fleet.leased(host, until=(fleet.estate.clock.now() - fleet.events[0].at).total_seconds() / 60 + minutes / 10)

    return chance.choice((drift, drift, drift, drift, outage, back, back, line, hang, refusal, breaks, mends, lease))


def peace(fleet: Fleet) -> None:
    fleet.write(*HOSTS)
    for host in HOSTS:
        fleet.estate.power(host, on=True)
        fleet.estate.heal(host)
