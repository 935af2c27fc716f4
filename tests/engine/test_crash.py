"""The crash law: the controller killed at three points of every exchange, then started again. The host's own log is the judge.

One undisturbed run of the main scenario (role, restart, switch, address, NAT, DHCP, EFLOW, provisioning) is copied at every
point of every exchange: each copy is the estate as a controller killed there leaves it. A small scenario is killed for real.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import anyio
import pytest

from reconciler.core.plan import Plan
from reconciler.emulator.controller import Exchange, Killed, Point
from reconciler.emulator.estate import Estate
from reconciler.engine.events import RunReport
from reconciler.engine.link import Linked
from reconciler.engine.planfile import load, save
from tests.engine.lab import FLEET, Lab, host, lab, symbols

MAIN = (Path(__file__).parents[2] / "specs" / "azure.yaml").read_text(encoding="utf-8")
SECRET = ("DPS_KEY_EDGE_01", "YS1rZXktb2YtdGhlLWRldmljZQ==")

SMALL = host(
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

# What may be done once and no more; reads, the ledger and the lease are not effects.
EFFECTS = (
    "Install-WindowsFeature",
    "New-VMSwitch",
    "New-NetIPAddress",
    "New-NetNat",
    "Add-NetNatStaticMapping",
    "Add-DhcpServerSecurityGroup",
    "Set-DhcpServerv4Binding",
    "Add-DhcpServerv4Scope",
    "Set-DhcpServerv4OptionValue",
    "Invoke-WebRequest",
    r"C:\Windows\System32\msiexec.exe",
    "Deploy-Eflow",
    "Provision-EflowVm",
    "Restart-Computer",
)


async def started_again(here: Lab, text: str | None) -> RunReport:
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


async def resumes(here: Lab, text: str | None, effects: Counter[str]) -> None:
    report = await started_again(here, text)
    assert report.exit_code == 0, (report, [e for e in here.events if e.diagnostic or e.text][-5:])
    second = await here.plan()
    assert (symbols(second), second.exit_code) == ([], 0)
    done = Counter(here.effects("edge-01", *EFFECTS))
    assert done == effects, done - effects


# -- the main scenario, copied at every point


@dataclass(frozen=True)
class Left:
    """The estate as a controller killed at one point leaves it."""

    exchange: Exchange
    point: Point
    estate: Estate


@dataclass(frozen=True)
class Recorded:
    plan: str
    left: tuple[Left, ...]
    effects: Counter[str]


@cache
def recorded() -> Recorded:
    return anyio.run(record)


async def record() -> Recorded:
    here = lab(FLEET + "---\n" + MAIN)
    plan = await here.plan()
    left: list[Left] = []
    here.cut = lambda exchange, point: left.append(Left(exchange, point, copy.deepcopy(here.estate)))
    report = await here.apply(plan)
    assert report.exit_code == 0, report
    return Recorded(save(plan, here.desired), tuple(left), Counter(here.effects("edge-01", *EFFECTS)))


@pytest.fixture(autouse=True)
def a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(*SECRET)


def test_an_undisturbed_run_does_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    effects = recorded().effects
    assert {name for name, times in effects.items() if times != 1} <= {"Install-WindowsFeature", "Set-DhcpServerv4Binding"}
    assert effects["Install-WindowsFeature"] == 2  # Hyper-V and DHCP


SHARES = 24  # of the cuts, so that two workers share them


WAYS = ("apply", "apply edge-01.plan")
# Every point is resumed in one way in each test run, in the other way in the soak.
CROSSED = [pytest.param(share, WAYS[(share + other) % 2], marks=[pytest.mark.soak] * other) for other in (0, 1) for share in range(SHARES)]


@pytest.mark.parametrize(("share", "again"), CROSSED)
def test_killed_at_any_point_of_any_frame_it_resumes_and_does_nothing_twice(share: int, again: str) -> None:
    run = recorded()

    async def scenario() -> None:
        for left in run.left[share::SHARES]:
            here = Lab(lab_of(), copy.deepcopy(left.estate))
            try:
                await resumes(here, None if again == "apply" else run.plan, run.effects)
            except AssertionError as wrong:
                raise AssertionError(f"killed {left.point} of exchange {left.exchange.number} ({left.exchange.what}): {wrong}") from wrong

    anyio.run(scenario)


@cache
def lab_of() -> Linked:
    return lab(FLEET + "---\n" + MAIN).desired


# -- killed for real


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


@pytest.mark.parametrize("point", list(Point))
@pytest.mark.parametrize("number", range(0, 40, 3))
def test_a_killed_controller_leaves_what_the_copies_show(number: int, point: Point) -> None:
    async def scenario() -> None:
        undisturbed = lab(FLEET + SMALL)
        await undisturbed.apply()
        here = lab(FLEET + SMALL)
        plan = await here.plan()
        await kill(here, plan, number, point)
        await resumes(here, None, Counter(undisturbed.effects("edge-01", *EFFECTS)))

    anyio.run(scenario)


# -- a hand in between


def test_a_change_by_hand_in_between_makes_the_saved_plan_stale_and_names_the_field() -> None:
    async def scenario() -> None:
        here = lab(FLEET + SMALL)
        plan = await here.plan()
        text = save(plan, here.desired)
        await here.apply(plan)
        here.estate.run("edge-01", "Remove-NetNat -Name eflow")
        here.estate.run("edge-01", "New-NetNat -Name eflow -InternalIPInterfaceAddressPrefix 10.99.0.0/24")
        saved, here.desired = load(text, here.registry)
        report = await here.apply(saved)
        assert report.exit_code == 3
        assert any("internalIPInterfaceAddressPrefix" in line for line in report.hosts[0].stale), report.hosts[0].stale

    anyio.run(scenario)


def test_after_a_change_by_hand_a_plain_apply_makes_a_new_plan() -> None:
    async def scenario() -> None:
        here = lab(FLEET + SMALL)
        await here.apply()
        here.estate.run("edge-01", "Remove-NetNat -Name eflow")
        plan = await here.plan()
        assert symbols(plan) == ["+ NatNetwork/eflow"]
        assert (await here.apply(plan)).exit_code == 0
        assert (await here.plan()).exit_code == 0

    anyio.run(scenario)
