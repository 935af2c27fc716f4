"""Apply: who may write, what is said at the end, what a person or another machine in between does to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest

from reconciler.core.plan import Sight
from reconciler.emulator.controller import Exchange, Point
from reconciler.emulator.faults import Fault
from reconciler.engine.environment import Limits
from reconciler.engine.events import Happening
from reconciler.engine.planfile import load, save
from reconciler.engine.planning import AGAIN, desired_of, target_of
from tests.engine.lab import FLEET, Lab, host, lab, linked, symbols

ROLE = "WindowsFeature/Hyper-V: {}\n"
SWITCH = "VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}\n"
PEER = "VirtualSwitch/peer: {switchType: Private}\n"
NAT = """
NatNetwork/eflow:
  switchName: eflow
  staticMappings:
    opcua: {protocol: TCP, externalPort: 4840, internalPort: 4840, internalIPAddress: 172.20.10.2}
"""
STORE = "HKLM\\SOFTWARE\\reconciler"


def one(resources: str) -> Lab:
    return lab(FLEET + host("edge-01", resources))


async def ready(resources: str = ROLE) -> Lab:
    """A host with the role and the resources on it."""
    here = one(resources)
    assert (await here.apply()).exit_code == 0
    return here


def declare(here: Lab, resources: str) -> None:
    here.desired = linked(FLEET + host("edge-01", resources))


def locals_(ids: Any) -> list[str]:
    return [id.local for id in ids]


async def test_a_failed_step_blocks_what_needs_it_once_and_its_peers_go_on() -> None:
    here = await ready()
    declare(here, ROLE + SWITCH + NAT + PEER)
    here.estate.fault("edge-01", Fault("New-NetIPAddress", error="Windows System Error 87,New-NetIPAddress"))
    report = await here.apply()
    found = report.hosts[0]
    assert (report.exit_code, locals_(found.failed), locals_(found.blocked), locals_(found.done)) == (
        1,
        ["VirtualSwitch/eflow"],
        ["NatNetwork/eflow"],
        ["VirtualSwitch/peer"],
    )
    assert [event.id.local for event in here.events if event.what is Happening.BLOCKED and event.id] == ["NatNetwork/eflow"]
    here.estate.heal("edge-01")
    assert (await here.apply()).exit_code == 0
    assert len(here.effects("edge-01", "New-VMSwitch")) == 2


async def test_what_could_not_be_seen_is_not_reported_as_done() -> None:
    here = await ready(ROLE + SWITCH + NAT)
    declare(here, ROLE + SWITCH + NAT + PEER)
    here.estate.fault("edge-01", Fault("Get-NetNatStaticMapping", error="AccessDenied,Get-NetNatStaticMapping"))
    plan = await here.plan()
    report = await here.apply(plan)
    assert (plan.exit_code, report.exit_code) == (5, 5)
    assert locals_(report.hosts[0].done) == ["VirtualSwitch/peer"]
    assert "NatNetwork/eflow" in report.hosts[0].unseen


async def test_another_machine_under_the_same_name_is_never_written_to() -> None:
    here = await ready()
    machine = here.estate.machine("edge-01")
    machine.uuid = "00000000-0000-0000-0000-00000000BEEF"
    plan = await here.plan()
    assert [found.sight for found in plan.hosts] == [Sight.REFUSED]
    machine.uuid = ""
    before = dict(machine.registry.key(STORE).values)  # type: ignore[union-attr]
    declare(here, ROLE + SWITCH)
    fresh = await here.plan()
    machine.uuid = "00000000-0000-0000-0000-00000000BEEF"
    report = await here.apply(fresh)
    after = dict(machine.registry.key(STORE).values)  # type: ignore[union-attr]
    assert report.exit_code == 5
    assert "BIOS UUID" in report.hosts[0].unseen
    assert (before, machine.switches) == (after, [])


async def test_a_record_of_the_machine_that_cannot_be_read_is_no_proof_of_who_it_is() -> None:
    here = await ready()
    here.estate.machine("edge-01").registry.put(STORE, "machine", "[1]")
    plan = await here.plan()
    assert [(found.sight, "cannot be read" in found.why) for found in plan.hosts] == [(Sight.REFUSED, True)]


async def test_two_applies_at_once_do_everything_once() -> None:
    here = one(ROLE + SWITCH + NAT)
    other = Lab(here.desired, here.estate, by="operator2@ctl-02")
    plans = [await here.plan(), await other.plan()]
    reports: list[int] = []

    async def go(who: Lab, plan: Any) -> None:
        reports.append((await who.apply(plan)).exit_code)

    async with anyio.create_task_group() as group:
        group.start_soon(go, here, plans[0])
        group.start_soon(go, other, plans[1])
    assert sorted(reports) in ([0, 0], [0, 3])
    assert here.effects("edge-01", "New-VMSwitch", "New-NetNat", "Install-WindowsFeature") == ["Install-WindowsFeature", "New-VMSwitch", "New-NetNat"]
    assert (await here.plan()).exit_code == 0


async def test_a_controller_whose_lease_was_taken_writes_no_more() -> None:
    here = await ready()
    declare(here, ROLE + SWITCH + PEER)
    machine = here.estate.machine("edge-01")
    taken: list[str] = []

    def steal(exchange: Exchange, point: Point) -> None:
        if point is Point.BEFORE and "New-VMSwitch" in exchange.what and not taken:
            taken.append(exchange.what)
            text = str(machine.registry.get(STORE, "lease"))
            machine.registry.put(STORE, "lease", text.replace("operator1@ctl-01", "operator2@ctl-02").replace('"epoch":', '"epoch":1'))

    here.cut = steal
    report = await here.apply()
    assert (report.exit_code, machine.switches) == (5, [])
    assert report.hosts[0].unseen


async def test_a_change_by_hand_since_the_plan_makes_it_stale_and_nothing_is_done() -> None:
    here = await ready(ROLE + SWITCH + NAT)
    declare(here, ROLE + SWITCH + NAT.replace("4840, internalIPAddress", "4841, internalIPAddress") + PEER)
    text = save(await here.plan(), here.desired)
    here.estate.run("edge-01", "Remove-NetIPAddress -IPAddress 172.20.10.1 -Confirm:$false")
    saved, here.desired = load(text, here.registry)
    report = await here.apply(saved)
    assert report.exit_code == 3
    assert any("VirtualSwitch/eflow" in line and "ipAddress" in line for line in report.hosts[0].stale)
    assert [switch.name for switch in here.estate.machine("edge-01").switches] == ["eflow"]


async def test_a_saved_plan_for_one_resource_concerns_that_one() -> None:
    here = await ready()
    declare(here, ROLE + SWITCH + PEER)
    asked = "edge-01/VirtualSwitch/peer"
    text = save(await here.plan(asked), here.desired)
    saved, here.desired = load(text, here.registry)
    assert saved.targets == (asked,)
    report = await here.apply(saved, *saved.targets)
    assert (report.exit_code, locals_(report.hosts[0].done)) == (0, ["VirtualSwitch/peer"])
    assert [switch.name for switch in here.estate.machine("edge-01").switches] == ["peer"]


@pytest.mark.parametrize("when", [Happening.LEASED, Happening.STEP, Happening.ACTION, Happening.DONE, Happening.REBOOTING, Happening.REBOOTED])
async def test_stopped_at_any_moment_the_lease_is_free_and_the_next_run_goes_on(when: Happening) -> None:
    here = one(ROLE + SWITCH + NAT)
    report = await here.apply(stop_at=when)
    assert report.exit_code == 130
    here.estate.clock.advance(timedelta(minutes=5))
    before = here.estate.clock.now()
    again = await here.apply()
    assert again.exit_code == 0
    assert here.estate.clock.now() - before < timedelta(minutes=12)
    assert here.effects("edge-01", "New-VMSwitch", "New-NetNat", "Install-WindowsFeature", "Restart-Computer") == [
        "Install-WindowsFeature",
        "Restart-Computer",
        "New-VMSwitch",
        "New-NetNat",
    ]


@pytest.mark.parametrize("fault", [Fault(hang=True, times=1), Fault(drop="before", times=1), Fault(drop="after", times=1)])
@pytest.mark.parametrize("place", range(2, 14, 3))
async def test_a_line_that_breaks_or_hangs_costs_time_alone(fault: Fault, place: int) -> None:
    here = one(ROLE + SWITCH + NAT)
    plan = await here.plan()
    seen: list[Exchange] = []

    def breaks(exchange: Exchange, point: Point) -> None:
        if point is Point.BEFORE:
            seen.append(exchange)
            if len(seen) == place:
                here.estate.fault("edge-01", Fault(hang=fault.hang, drop=fault.drop, times=1))

    here.cut = breaks
    assert (await here.apply(plan)).exit_code == 0
    assert here.effects("edge-01", "New-VMSwitch", "New-NetNat", "Install-WindowsFeature") == ["Install-WindowsFeature", "New-VMSwitch", "New-NetNat"]
    assert symbols(await here.plan()) == []


@pytest.mark.parametrize(("times", "sight"), [(1, Sight.SEEN), (2, Sight.UNSEEN)])
async def test_a_look_whose_line_broke_is_begun_once_more_and_no_oftener(times: int, sight: Sight) -> None:
    here = one(ROLE)
    here.estate.fault("edge-01", Fault(drop="after", times=times))
    (host_plan,) = (await here.plan()).hosts
    assert host_plan.sight is sight
    assert (AGAIN in host_plan.notes) is (sight is Sight.SEEN)
    (again,) = (await here.plan()).hosts
    assert (again.sight, again.notes) == (Sight.SEEN, ())


async def test_who_cannot_be_reached_or_hangs_is_not_looked_at_twice() -> None:
    here = one(ROLE)
    here.estate.fault("edge-01", Fault(hang=True, times=1))
    (hung,) = (await here.plan()).hosts
    here.estate.power("edge-01", on=False)
    before = here.estate.clock.now()
    (off,) = (await here.plan()).hosts
    assert (hung.sight, off.sight) == (Sight.UNSEEN, Sight.UNSEEN)
    assert here.estate.clock.now() - before < timedelta(seconds=30)


async def test_a_job_that_a_restart_killed_is_begun_again() -> None:
    here = one(ROLE + SWITCH)
    hit: list[str] = []

    def crash(exchange: Exchange, point: Point) -> None:
        if point is Point.EXECUTED and "job start" in exchange.what and not hit:
            hit.append(exchange.what)
            here.estate.run("edge-01", "Restart-Computer -Force")

    here.cut = crash
    for _ in range(3):
        report = await here.apply()
        if report.exit_code == 0:
            break
        here.estate.clock.advance(timedelta(minutes=10))
    assert report.exit_code == 0, report
    assert symbols(await here.plan()) == []


async def test_a_host_without_a_line_costs_the_others_nothing() -> None:
    here = lab(FLEET + host("edge-01", ROLE) + host("edge-02", ROLE))
    here.estate.power("edge-01", on=False)
    plan = await here.plan()
    report = await here.apply(plan)
    assert (plan.exit_code, report.exit_code) == (5, 5)
    assert report.hosts[1].converged


async def test_what_a_replace_loses_needs_leave_for_this_one_plan() -> None:
    here = await ready(ROLE + SWITCH + NAT)
    declare(here, ROLE + SWITCH.replace("172.20.10.1", "172.21.10.1") + NAT.replace("172.20.10.2", "172.21.10.2"))
    plan = await here.plan()
    assert {step.id.local: step.blocked and step.blocked.code for step in plan.steps()}["NatNetwork/eflow"] == "PLN020"
    limits = Limits(replace=("edge-01/NatNetwork/eflow",))
    assert (await here.apply(None, limits=limits)).exit_code == 0
    assert str(here.estate.machine("edge-01").nats[0].prefix) == "172.21.10.0/24"


FOREIGN = "Add-NetNatStaticMapping -NatName eflow -Protocol TCP -ExternalIPAddress 0.0.0.0 -ExternalPort {0} -InternalIPAddress 172.20.10.9 -InternalPort {0}"


async def moving(mapped: tuple[int, ...], undeclared: bool = False) -> tuple[Lab, Any, Limits]:
    """A NAT that is to be replaced, or taken away, and a plan that tells of these ports that others published on it."""
    bare = "NatNetwork/eflow: {switchName: eflow}\n"
    here = await ready(ROLE + SWITCH + bare)
    for port in mapped:
        here.estate.run("edge-01", FOREIGN.format(port))
    declare(here, (ROLE + SWITCH + ("" if undeclared else bare)).replace("172.20.10", "172.21.10"))
    limits = Limits(replace=("edge-01/NatNetwork/eflow",))
    return here, await here.plan(limits=limits), limits


@pytest.mark.parametrize("undeclared", [False, True])
@pytest.mark.parametrize("told", [(), (22,)])
async def test_what_a_plan_did_not_say_would_be_lost_makes_it_stale(told: tuple[int, ...], undeclared: bool) -> None:
    here, plan, limits = await moving(told, undeclared)
    here.estate.run("edge-01", FOREIGN.format(4840))
    report = await here.apply(plan, limits=limits)
    assert report.exit_code == 3
    assert report.hosts[0].stale == ("NatNetwork/eflow: would lose published port TCP 4840 (to 172.20.10.9:4840), and the plan did not say so",)
    assert [str(nat.prefix) for nat in here.estate.machine("edge-01").nats] == ["172.20.10.0/24"]
    assert str(here.estate.machine("edge-01").switches[0].name) == "eflow"


async def test_what_would_be_lost_and_went_by_itself_is_no_reason_to_stop() -> None:
    here, plan, limits = await moving((22, 4840))
    here.estate.run("edge-01", "Remove-NetNatStaticMapping -NatName eflow -StaticMappingID 0 -Confirm:$false")
    report = await here.apply(plan, limits=limits)
    assert report.exit_code == 0, report
    assert [str(nat.prefix) for nat in here.estate.machine("edge-01").nats] == ["172.21.10.0/24"]


async def test_who_stops_does_not_wait_until_services_are_up_after_a_restart() -> None:
    here = one(ROLE + SWITCH)
    here.estate.fault("edge-01", Fault("Get-VMHost", error="Unverified,Get-VMHost"))
    report = await here.apply(stop_at=Happening.REBOOTED)
    last = next(event.at for event in here.events if event.what is Happening.REBOOTED)
    assert report.exit_code == 130
    assert here.estate.clock.now() - last < timedelta(seconds=30)
    lease = str(here.estate.machine("edge-01").registry.get(STORE, "lease"))
    assert '"holder":null' in lease


async def test_a_lease_that_is_never_given_back_is_waited_for_as_long_as_was_said() -> None:
    here = await ready()
    declare(here, ROLE + SWITCH)
    other = Lab(here.desired, here.estate, by="operator2@ctl-02")
    connection = other.connect()
    target = target_of(desired_of(here.desired, here.desired.hosts["edge-01"], here.request(), here.environment()))
    async with connection(target) as writer:
        await writer.take("operator2@ctl-02", 7200)
        limits = Limits(lease_wait=timedelta(minutes=1))
        report = await here.apply(None, limits=limits)
    assert report.exit_code == 5
    assert "operator2@ctl-02" in report.hosts[0].unseen
    assert here.estate.machine("edge-01").switches == []


async def test_what_is_seen_only_after_the_plan_was_made_is_a_next_round() -> None:
    here = await ready(ROLE + SWITCH)
    declare(here, ROLE + SWITCH + PEER + "WindowsFeature/Telnet-Client: {}\n")
    here.estate.fault("edge-01", Fault("Get-VMSwitch", error="Unverified,Get-VMSwitch", times=1))
    plan = await here.plan()
    assert sorted(symbols(plan)) == ["+ WindowsFeature/Telnet-Client", "? VirtualSwitch/eflow", "? VirtualSwitch/peer"]
    report = await here.apply(plan)
    assert (report.exit_code, report.hosts[0].rounds) == (0, 2)
    assert symbols(await here.plan()) == []
