"""The crash law: the controller killed at three points of every exchange, then started again. The host's own log is the judge."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import anyio
import pytest

from reconciler.core.plan import Plan
from reconciler.engine.events import RunReport
from reconciler.engine.planfile import load, save
from reconciler.hosts.emulated import Exchange, Killed, Point
from tests.engine.lab import FLEET, Lab, host, lab, symbols

SPECS = FLEET + host(
    "edge-01",
    """
    WindowsFeature/Hyper-V: {}
    VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}
    NatNetwork/eflow:
      switchName: eflow
      staticMappings:
        opcua: {protocol: TCP, externalPort: 4840, internalPort: 4840, internalIPAddress: 172.20.10.2}
    """,
)

EFFECTS = ("Install-WindowsFeature", "New-VMSwitch", "New-NetIPAddress", "New-NetNat", "Add-NetNatStaticMapping", "Restart-Computer")


@dataclass
class At:
    """Kills the controller at one point of one exchange."""

    number: int
    point: Point
    what: str = ""

    def __call__(self, exchange: Exchange, point: Point) -> None:
        if exchange.number == self.number:
            self.what = exchange.what
            if point is self.point:
                raise Killed


async def exchanges() -> int:
    """How many exchanges an undisturbed run has, planning included."""
    here = lab(SPECS)
    seen: list[Exchange] = []
    here.cut = lambda exchange, point: seen.append(exchange) if point is Point.BEFORE else None
    plan = await here.plan()
    planned = len(seen)
    await here.apply(plan)
    return len(seen) - planned


COUNT = anyio.run(exchanges)


async def kill(here: Lab, plan: Plan, number: int, point: Point) -> None:
    """Apply until killed. A restart is told and never answered: after its answer nobody can be killed, and the run goes through."""
    here.cut = at = At(number, point)
    died = False
    try:
        await here.apply(plan)
    except* Killed:
        died = True
    finally:
        here.cut = None
    assert died or (point is Point.ANSWERED and "Restart-Computer" in at.what), (number, point, at.what)


async def again_until_seen(here: Lab, text: str | None) -> RunReport:
    """Start again as a person would: a host that is down for its restart does not answer, so later once more."""
    for _ in range(3):
        if text is None:
            report = await here.apply()
        else:
            saved, here.desired = load(text, here.registry)
            report = await here.apply(saved)
        if report.exit_code != 5:
            break
        here.estate.clock.advance(timedelta(minutes=4))
    return report


def effects_once(here: Lab) -> None:
    done = Counter(here.effects("edge-01", *EFFECTS))
    assert done == Counter(EFFECTS), done


@pytest.mark.parametrize("again", ["apply", "apply edge-01.plan"])
@pytest.mark.parametrize("point", list(Point))
@pytest.mark.parametrize("number", range(COUNT))
def test_killed_anywhere_it_resumes_and_does_nothing_twice(number: int, point: Point, again: str) -> None:
    async def scenario() -> None:
        here = lab(SPECS)
        plan = await here.plan()
        text = save(plan, here.desired)
        await kill(here, plan, number, point)
        report = await again_until_seen(here, None if again == "apply" else text)
        assert report.exit_code == 0, (report, [e for e in here.events if e.diagnostic or e.text][-5:])
        second = await here.plan()
        assert (symbols(second), second.exit_code) == ([], 0)
        effects_once(here)

    anyio.run(scenario)
