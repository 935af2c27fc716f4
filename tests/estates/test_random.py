"""Random declarations over hosts in halves: whatever there is, applying converges, and the second plan is empty.

A run that ends otherwise has to say why: blocked by leave that was not given, or by a rule. The shares of what was drawn are
printed and held to: no half and no outcome is there in name only.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import anyio
import pytest
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st

from reconciler.cli.wishes import web
from reconciler.core.diagnostics import Severity
from reconciler.core.plan import Plan, Verb
from reconciler.emulator.controller import Cut, Exchange, Killed, Point
from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.emulator.skus import AdapterWish, HostWish
from reconciler.engine.environment import Limits
from reconciler.engine.events import RunReport
from reconciler.engine.link import Linked, link
from reconciler.manifests import load
from reconciler.secrets import Vault
from tests.engine.lab import FLEET, REGISTRY, Lab, folder, host, symbols
from tests.estates.halves import CERTIFICATES, HOST, WITH_GUEST, WITH_HISTORY, WITH_NETWORK, WITHOUT_HISTORY, Half, observed, typed
from tests.estates.wishes import CARDS, CLIENT, SERVERS, Wish, edited, wishes

SECRETS = {
    "KEY_ONE": "Zmlyc3Qta2V5LW9mLXRoZS1kZXZpY2U=",
    "KEY_TWO": "c2Vjb25kLWtleS1vZi10aGUtZGV2aWNl",
    "CONNECTION": "HostName=hub.example.net;DeviceId=d1;SharedAccessKey=dGhpcmQta2V5",
}
ADAPTERS = (AdapterWish(), *(AdapterWish(card, f"10.20.{n}.5") for n, card in enumerate(CARDS, 7)))
# Why a run may end with steps that did not run.
LEGITIMATE = {
    "PLN020",  # a replace loses something, and no leave was given
    "PLN023",  # a replace of what others made, and no leave was given
    "PLN030",  # it needs one of these
    *("NET027", "NET028", "NET029"),  # all of a network moves, or nothing: a part of it may not
}


@dataclass(frozen=True)
class Case:
    """A host in some half, and what is declared for it."""

    before: Wish
    wish: Wish
    half: Half
    history: bool  # whether `before` was applied by us
    leave: bool
    choice: int
    cut: int | None = None  # where in the run the controller dies, in thousandths of its exchanges
    point: Point = Point.EXECUTED


@st.composite
def cases(draw: st.DrawFn, half: Half) -> Case:
    sku = draw(st.sampled_from((*SERVERS, *SERVERS, CLIENT)))
    before = draw(wishes(sku, True if half in WITH_GUEST else None, int(half in WITH_NETWORK)))
    wish = draw(edited(before))
    history = half in WITH_HISTORY or (half not in WITHOUT_HISTORY and draw(st.booleans()))
    killed = half is Half.CRASH or draw(st.integers(0, 4)) == 0
    cut, point = (draw(st.integers(0, 999)), draw(st.sampled_from(list(Point)))) if killed else (None, Point.EXECUTED)
    return Case(before, wish, half, history, draw(st.booleans()), draw(st.integers(0, 29)), cut, point)


def questions(wish: Wish) -> list[str]:
    """Cmdlets that are asked of a host so declared; the last ones answer only once what they tell of is there."""
    asked = ["Get-WindowsFeature" if wish.server else "Get-WindowsOptionalFeature"]
    asked += ["Get-VMSwitch", "Get-NetIPAddress"] if wish.networks else []
    asked += ["Get-NetNat"] if any(network.nat for network in wish.networks) else []
    asked += ["Get-ItemProperty", "Get-EflowVm", "Verify-EflowVm"] if wish.guest else []
    return asked + (["Get-DhcpServerv4Scope"] if wish.leasing else [])


@dataclass
class Tally:
    """What was drawn, and what came of it."""

    runs: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    halves: Counter[Half] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    cases: int = 0

    def __str__(self) -> str:
        shares = [f"{name} {100 * n / self.cases:.0f} %" for name, n in (*sorted(self.outcomes.items()), *sorted(self.halves.items()))]
        return f"{self.cases} cases: {', '.join(shares)}; blocked by {dict(sorted(self.codes.items()))}, runs needed {dict(sorted(self.runs.items()))}"

    def hold(self) -> None:
        assert self.outcomes["refused"] <= 0.2 * self.cases, str(self)
        assert all(self.halves[half] >= 0.05 * self.cases for half in Half), str(self)
        assert all(self.outcomes[name] for name in ("blocked", "no-op", "changed", "replaced")), str(self)


def outcome(plan: Plan) -> str:
    steps = [step for step in plan.steps() if step.n]
    if any(step.blocked for step in steps):
        return "blocked"
    if any(step.verb is Verb.REPLACE for step in steps):
        return "replaced"
    return "changed" if any(step.verb.acts for step in steps) or plan.hosts[0].barriers else "no-op"


def declared(wish: Wish) -> Linked:
    with folder() as path:
        (path / "specs.yaml").write_text(FLEET + host(HOST, wish.text(), wish.sku), encoding="utf-8")
        return link(load([path], REGISTRY), REGISTRY)


LATER = timedelta(minutes=5)


class Run:
    """One case, from its half to its end."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.lab = Lab(declared(case.before), Estate.new(None, [HostWish(HOST, case.wish.sku, ADAPTERS)]), secrets=Vault(environ=SECRETS))
        self.runs = 0
        self.met = True  # whether what the half is named for came to pass

    def declare(self, desired: Linked) -> None:
        self.lab.desired = desired
        self.lab.estate.site.web.update(web(desired))
        ids = tuple(str(r.id) for each in desired.resources.values() for r in each)
        self.lab.limits = Limits(replace=ids if self.case.leave else ())

    async def before(self) -> None:
        """What was there when the declaration came."""
        typed(self.lab.estate, *CERTIFICATES)
        self.declare(declared(self.case.before))
        if self.case.history:
            report = await self.lab.apply()
            assert report.exit_code in (0, 4), told(report, self.lab)
        observed(self.lab.estate, self.case.half, self.case.before, self.case.choice)
        if self.case.half is Half.LEFTOVERS:
            self.lab.estate.fault(HOST, Fault("Deploy-Eflow", says="The deployment failed", times=1))
            await self.lab.apply()
            self.met = not self.lab.estate.heal(HOST)  # a fault that was met is gone
        if self.case.half is Half.JOB:
            self.met = await self.killed(_AfterJob(1 + self.case.choice % 2))

    async def killed(self, cut: Cut) -> bool:
        """Apply until the controller dies; whether it did."""
        self.lab.cut = cut
        died = False
        try:
            await self.lab.apply()
        except* Killed:
            died = True
        finally:
            self.lab.cut = None
        return died

    async def exchanges(self) -> int:
        """How many an undisturbed apply takes, tried on a copy of the estate."""
        count = _Count()
        copied = Lab(self.lab.desired, copy.deepcopy(self.lab.estate), limits=self.lab.limits, secrets=self.lab.secrets, cut=count)
        await copied.apply()
        return count.exchanges

    async def blind(self) -> None:
        """While a question goes unanswered nothing is done about what it would tell, and what is done is right all the same."""
        asked = questions(self.case.wish)
        cmdlet = asked[self.case.choice % len(asked)]
        refused = Fault(cmdlet, error="UnauthorizedAccess,Unverified", times=10_000)
        self.lab.estate.machine(HOST).faults.append(refused)
        await self.lab.apply()
        self.lab.estate.heal(HOST)
        self.met = refused.times != 10_000

    async def to_the_end(self) -> tuple[Plan, RunReport, Plan]:
        plan = await self.lab.plan()
        if self.case.half is Half.UNSEEN:
            await self.blind()
        if self.case.cut is not None:
            died = await self.killed(_At(self.case.cut * await self.exchanges() // 1000, self.case.point))
            self.met = self.met and (died or self.case.half is not Half.CRASH)
        report = await self.again()
        return plan, report, await self.lab.plan()

    async def again(self) -> RunReport:
        """As a person would: a host that is down for its restart does not answer, and what came to light makes a new plan."""
        for self.runs in range(1, 5):
            report = await self.lab.apply()
            if report.exit_code not in (2, 3, 5):
                break
            self.lab.estate.clock.advance(LATER)
        return report


@dataclass
class _At:
    """The controller dies at one point of one exchange."""

    number: int
    when: Point

    def __call__(self, exchange: Exchange, point: Point) -> None:
        if exchange.number == self.number and point is self.when:
            raise Killed


@dataclass
class _Count:
    exchanges: int = 0

    def __call__(self, exchange: Exchange, point: Point) -> None:
        self.exchanges = max(self.exchanges, exchange.number + 1)


@dataclass
class _AfterJob:
    """The controller dies once so many jobs were started."""

    left: int

    def __call__(self, exchange: Exchange, point: Point) -> None:
        if "job start" in exchange.what and point is Point.EXECUTED:
            self.left -= 1
            if not self.left:
                raise Killed


def told(report: RunReport, lab: Lab) -> str:
    one = report.hosts[0]
    words = [str(d.details) for d in one.diagnostics]
    return f"{report.exit_code}: {[*words, *one.stale, one.unseen, *map(str, one.blocked), *map(str, one.left)]}"


async def converges(case: Case, tally: Tally) -> None:
    tally.cases += 1
    desired = declared(case.wish)
    if desired.errors or declared(case.before).errors:
        assert {d.severity for d in desired.errors} <= {Severity.ERROR}
        tally.outcomes["refused"] += 1
        return
    run = Run(case)
    await run.before()
    run.declare(desired)
    plan, report, second = await run.to_the_end()
    note(f"plan {symbols(plan)}; then {told(report, run.lab)}; left {symbols(second)}")
    tally.outcomes[outcome(plan)] += 1
    tally.runs[run.runs] += 1
    tally.halves[case.half] += run.met
    blocked = {step.blocked.code for step in second.steps() if step.blocked}
    tally.codes.update(blocked)
    assert blocked <= (set() if case.leave else LEGITIMATE), (blocked, [(str(s.id), s.blocked) for s in second.steps() if s.blocked])
    assert report.exit_code == (4 if blocked else 0), told(report, run.lab)
    left = [f"{step.symbol} {step.id.local} {[c.path for c in step.changes]}" for step in second.steps() if step.n and not step.blocked]
    if blocked:  # what stands on a VM that may not be started is not seen
        left = [text for text in left if not text.startswith(Verb.UNSEEN.value)]
    assert (left, second.hosts[0].barriers) == ([], ()), left


def hold(each: int, number: int, record_property: Callable[[str, object], None]) -> None:
    """So many cases of each half; the shares stand at the end of the run."""
    tally = Tally()
    for half in Half:

        @seed(number)
        @settings(max_examples=each, database=None, deadline=None, derandomize=False, suppress_health_check=list(HealthCheck))
        @given(cases(half))
        def one(case: Case) -> None:
            anyio.run(converges, case, tally)

        one()
    record_property("shares", str(tally))
    tally.hold()


@pytest.mark.parametrize("number", [1, 2])
def test_a_hundred_random_hosts_converge(number: int, record_property: Callable[[str, object], None]) -> None:
    hold(10, number, record_property)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(10, 20))
def test_five_hundred_random_hosts_converge(number: int, record_property: Callable[[str, object], None]) -> None:
    hold(46, number, record_property)
