"""Restarts: as few as the plan says, never one that nobody agreed to, and an end to everything that does not come back."""

from __future__ import annotations

from datetime import timedelta

from reconciler.core.kinds import Disruption
from reconciler.core.plan import Verb
from reconciler.emulator.controller import Exchange, Point
from reconciler.emulator.faults import Fault
from reconciler.engine.environment import Limits
from reconciler.engine.events import Happening
from tests.engine.lab import FLEET, Lab, host, lab

ROLE = "WindowsFeature/Hyper-V: {}\n"
SWITCH = "VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}\n"
ALONE = "WindowsFeature/Telnet-Client: {}\n"
HOLD = '{"by":"operator1","why":"inspection","until":null}'


def one(resources: str) -> Lab:
    return lab(FLEET + host("edge-01", resources))


def restarts(here: Lab, name: str = "edge-01") -> int:
    return len(here.effects(name, "Restart-Computer"))


def hold(here: Lab) -> None:
    here.estate.machine("edge-01").registry.put("HKLM\\SOFTWARE\\reconciler", "hold", HOLD)


def pending(here: Lab) -> None:
    """The role was installed by us, and its restart is still to come."""
    here.estate.machine("edge-01").features["hyper-v"].state = "InstallPending"


async def test_a_refused_restart_fails_what_waits_for_it_and_costs_other_hosts_nothing() -> None:
    here = lab(FLEET + host("edge-01", ROLE + SWITCH) + host("edge-02", ROLE + SWITCH))
    here.estate.fault("edge-01", Fault("Restart-Computer", error="AccessDenied,Restart-Computer"))
    report = await here.apply()
    first, second = report.hosts
    assert (report.exit_code, second.converged) == (1, True)
    assert [id.local for id in first.failed] == ["WindowsFeature/Hyper-V"]
    assert [id.local for id in first.blocked] == ["VirtualSwitch/eflow"]
    assert [(d.code, d.subject) for d in first.diagnostics] == [("PLN051", "edge-01/WindowsFeature/Hyper-V")]


async def test_a_restart_that_changes_nothing_is_not_made_for_ever() -> None:
    here = one(ROLE + SWITCH)

    def stays_pending(exchange: Exchange, point: Point) -> None:
        feature = here.estate.machine("edge-01").features["hyper-v"]
        if feature.state == "Installed":
            feature.state = "InstallPending"

    here.cut = stays_pending
    report = await here.apply()
    assert restarts(here) == 2
    assert report.exit_code == 2
    assert "WindowsFeature/Hyper-V" in [id.local for id in report.hosts[0].left]


async def test_a_host_that_never_comes_back_is_not_seen_and_the_others_are_done() -> None:
    here = lab(FLEET + host("edge-01", ROLE) + host("edge-02", ROLE))

    def lost(exchange: Exchange, point: Point) -> None:
        if exchange.host == "edge-01" and "Restart-Computer" in exchange.what and point is Point.EXECUTED:
            here.estate.power("edge-01", on=False)

    here.cut = lost
    report = await here.apply()
    assert [bool(found.unseen) for found in report.hosts] == [True, False]
    assert "did not come back" in report.hosts[0].unseen
    assert report.exit_code == 5


async def test_another_machine_after_the_restart_is_refused_and_costs_other_hosts_nothing() -> None:
    here = lab(FLEET + host("edge-01", ROLE + SWITCH) + host("edge-02", ROLE + SWITCH))

    def swapped(exchange: Exchange, point: Point) -> None:
        if exchange.host == "edge-01" and "Restart-Computer" in exchange.what and point is Point.EXECUTED:
            here.estate.machine("edge-01").computer_name = "EDGE-77"

    here.cut = swapped
    report = await here.apply()
    first, second = report.hosts
    assert (bool(first.unseen), second.converged) == (True, True)
    assert "EDGE-77" in first.unseen
    assert here.estate.machine("edge-01").switches == []


async def test_a_restart_that_was_lost_on_its_way_is_told_again() -> None:
    here = one(ROLE + SWITCH)
    here.estate.fault("edge-01", Fault("Restart-Computer", drop="before", times=1))
    report = await here.apply()
    assert report.exit_code == 0, report
    assert restarts(here) == 1
    assert report.seconds < timedelta(minutes=20).total_seconds()


async def test_a_restart_that_is_due_on_a_held_host_is_not_made() -> None:
    here = one(ROLE)
    assert (await here.apply()).exit_code == 0
    pending(here)
    hold(here)
    plan = await here.plan()
    assert (plan.summary.reboots, plan.exit_code) == (0, 4)
    assert (await here.apply(plan)).exit_code == 4
    assert restarts(here) == 1


async def test_a_hold_that_came_after_the_plan_blocks_it() -> None:
    here = one(ROLE + SWITCH)
    plan = await here.plan()
    hold(here)
    report = await here.apply(plan)
    assert (report.exit_code, report.hosts[0].stale) == (4, ())
    assert here.effects("edge-01", "Install-WindowsFeature", "Restart-Computer") == []


async def test_a_restart_that_is_due_for_something_else_is_no_business_of_a_named_resource() -> None:
    here = one(ROLE + ALONE)
    assert (await here.apply()).exit_code == 0
    pending(here)
    here.estate.machine("edge-01").features["telnet-client"].state = "Available"
    plan = await here.plan("edge-01/WindowsFeature/Telnet-Client")
    assert [(step.id.local, step.verb) for step in plan.steps() if step.n] == [("WindowsFeature/Telnet-Client", Verb.CREATE)]
    assert plan.summary.reboots == 0
    report = await here.apply(plan, "edge-01/WindowsFeature/Telnet-Client")
    assert (report.exit_code, restarts(here)) == (0, 1)


async def test_a_restart_of_what_is_excluded_is_not_made_and_what_waits_for_it_is_blocked() -> None:
    here = one(ROLE + SWITCH)
    here.estate.run("edge-01", "Install-WindowsFeature -Name Hyper-V -IncludeManagementTools")
    plan = await here.plan(exclude=("edge-01/WindowsFeature/Hyper-V",))
    assert {step.id.local: step.blocked and step.blocked.code for step in plan.steps()} == {"WindowsFeature/Hyper-V": "PLN012", "VirtualSwitch/eflow": "PLN030"}
    assert plan.summary.reboots == 0


async def test_without_leave_to_restart_nothing_behind_the_restart_is_done() -> None:
    here = one(ROLE + SWITCH)
    limits = Limits(max_disruption=Disruption.SERVICE)
    plan = await here.plan(limits=limits)
    report = await here.apply(plan, limits=limits)
    assert (plan.exit_code, report.exit_code, restarts(here)) == (4, 4, 0)
    assert [id.local for id in report.hosts[0].done] == ["WindowsFeature/Hyper-V"]


async def test_what_others_left_pending_keeps_everything_behind_the_restart_also_what_needs_more() -> None:
    here = one(SWITCH.replace("Internal,", "Internal, dependsOn: [WindowsFeature/Telnet-Client],") + ALONE)
    here.estate.run("edge-01", "Install-WindowsFeature -Name Hyper-V -IncludeManagementTools")
    plan = await here.plan()
    assert {step.id.local: step.level for step in plan.steps()} == {"WindowsFeature/Telnet-Client": 0, "VirtualSwitch/eflow": 1}
    assert plan.summary.reboots == 1
    assert (await here.apply(plan)).exit_code == 0


async def test_a_job_that_runs_is_waited_for_before_the_restart() -> None:
    here = one(ROLE + "WindowsFeature/DHCP: {}\n")
    await here.apply(None, "edge-01/WindowsFeature/Hyper-V")
    report = await here.apply(None, "edge-01/WindowsFeature/DHCP", stop_at=Happening.ACTION)
    assert list(report.hosts[0].running) == ["edge-01/WindowsFeature/DHCP"]
    pending(here)
    assert (await here.apply(None, "edge-01/WindowsFeature/Hyper-V")).exit_code == 0
    assert restarts(here) == 2
    assert here.estate.machine("edge-01").features["dhcp"].state == "Installed"
