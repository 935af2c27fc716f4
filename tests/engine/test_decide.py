"""Decide, on hosts that are not as one would wish: dark, half-made, others' hands in it, values that come from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.canonical import plain
from reconciler.core.changes import Cause
from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import Disruption
from reconciler.core.plan import Plan, Sight, Step
from reconciler.emulator.faults import Fault
from reconciler.engine.environment import Limits
from reconciler.engine.planfile import save
from reconciler.engine.planning import observe, plan_from
from tests.engine.lab import FLEET, Lab, host, lab, linked, symbols

ROLE = "WindowsFeature/Hyper-V: {}\n"
SWITCH = "VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}\n"
NAT = "NatNetwork/eflow: {switchName: eflow}\n"
DHCP = """
WindowsFeature/DHCP: {}
DhcpServer: {}
DhcpScope/eflow:
  switchName: eflow
  startRange: 172.20.10.100
  endRange: 172.20.10.200
  reservations:
    plc: {ipAddress: 172.20.10.50, clientId: 00-15-5D-01-02-03}
    hmi: {ipAddress: 172.20.10.51, clientId: 00-15-5D-01-02-04}
"""


def one(resources: str) -> Lab:
    return lab(FLEET + host("edge-01", resources))


async def ready(resources: str) -> Lab:
    here = one(resources)
    assert (await here.apply()).exit_code == 0
    return here


def declare(here: Lab, resources: str) -> None:
    here.desired = linked(FLEET + host("edge-01", resources))


def found(plan: Plan) -> dict[str, str]:
    """Local id → symbol and, where it is blocked, the code."""
    return {step.id.local: step.symbol + (f" {step.blocked.code}" if step.blocked else "") for step in plan.steps() if step.n}


def step(plan: Plan, local: str) -> Step:
    return next(step for step in plan.steps() if step.id.local == local)


# -- what is not seen


@pytest.mark.parametrize("answer", ["says", "error"])
@pytest.mark.parametrize("cmdlet", ["Get-VMSwitch", "Get-NetNat", "Get-NetIPAddress", "Get-NetAdapter", "Get-VMHost", "Get-WindowsFeature"])
async def test_an_answer_that_cannot_be_read_is_never_absence_and_ends_nobody_s_plan(cmdlet: str, answer: str) -> None:
    here = lab(FLEET + host("edge-01", ROLE + SWITCH + NAT) + host("edge-02", ROLE))
    assert (await here.apply()).exit_code == 0
    says = Fault(cmdlet, says="WARNING: this is a banner") if answer == "says" else Fault(cmdlet, error=f"Unverified,{cmdlet}")
    here.estate.fault("edge-01", says)
    plan = await here.plan()
    assert set(found(plan).values()) <= {"?"}
    assert plan.hosts[1].sight is Sight.SEEN
    assert plan.exit_code in (0, 5)


async def test_what_is_only_observed_and_absent_holds_up_what_needs_it() -> None:
    watched = SWITCH.replace("{switchType", "{lifecycle: {observeOnly: true}, switchType")
    assert found(await one(ROLE + watched + NAT).plan()) == {"WindowsFeature/Hyper-V": "+", "NatNetwork/eflow": "! PLN034"}
    assert found(await one(ROLE.replace("{}", "{lifecycle: {observeOnly: true}}") + SWITCH).plan()) == {"VirtualSwitch/eflow": "! PLN034"}


async def test_what_drifted_away_and_is_left_so_holds_up_what_needs_it() -> None:
    here = await ready(ROLE + SWITCH)
    declare(here, ROLE + SWITCH.replace("{switchType", "{driftPolicy: ignore, switchType") + NAT)
    here.estate.run("edge-01", "Remove-VMSwitch -Name eflow -Force")
    assert found(await here.plan()) == {"NatNetwork/eflow": "! PLN034"}


# -- values from elsewhere


async def test_a_value_that_comes_from_what_others_made_waits_until_that_is_there() -> None:
    here = await ready(ROLE)
    declare(here, ROLE + "NatNetwork/eflow: {switchName: {existing: corp}}\n")
    assert found(await here.plan()) == {"NatNetwork/eflow": "! PLN035"}
    here.estate.run("edge-01", "New-VMSwitch -Name corp -SwitchType Internal")
    assert found(await here.plan()) == {"NatNetwork/eflow": "! PLN035"}
    here.estate.run("edge-01", "New-NetIPAddress -InterfaceAlias 'vEthernet (corp)' -IPAddress 10.7.0.1 -PrefixLength 24")
    assert (await here.apply()).exit_code == 0
    assert str(here.estate.machine("edge-01").nats[0].prefix) == "10.7.0.0/24"
    assert symbols(await here.plan()) == []


async def test_a_reservation_with_another_address_leaves_no_reservation_behind() -> None:
    here = await ready(ROLE + SWITCH + DHCP)
    declare(here, ROLE + SWITCH + DHCP.replace("172.20.10.50", "172.20.10.60"))
    plan = await here.plan()
    assert found(plan) == {"DhcpReservation/eflow.plc": "-/+"}
    assert (await here.apply(plan)).exit_code == 0
    assert symbols(await here.plan()) == []
    scope = here.estate.machine("edge-01").dhcp.scopes[0]
    assert sorted(reservation.address for reservation in scope.reservations) == ["172.20.10.51", "172.20.10.60"]


async def test_a_scope_on_another_network_takes_its_reservations_along() -> None:
    here = await ready(ROLE + SWITCH + DHCP)
    declare(here, (ROLE + SWITCH + DHCP).replace("172.20.10.", "172.30.10."))
    blocked = found(await here.plan())
    assert (blocked["DhcpScope/eflow"], blocked["DhcpReservation/eflow.plc"]) == ("! PLN020", "! PLN030")
    limits = Limits(replace=("edge-01/DhcpScope/eflow",))
    report = await here.apply(None, limits=limits)
    assert report.exit_code == 0, report
    assert [scope.id for scope in here.estate.machine("edge-01").dhcp.scopes] == ["172.30.10.0"]
    assert symbols(await here.plan()) == []


async def test_a_scope_and_its_reservations_go_dependents_first() -> None:
    here = await ready(ROLE + SWITCH + DHCP)
    declare(here, ROLE + SWITCH + "WindowsFeature/DHCP: {}\nDhcpServer: {}\n")
    plan = await here.plan()
    assert [symbol for symbol in symbols(plan) if symbol.startswith("-")] == [
        "- DhcpReservation/eflow.hmi",
        "- DhcpReservation/eflow.plc",
        "- DhcpScope/eflow",
    ]
    assert (await here.apply(plan)).exit_code == 0
    assert here.estate.machine("edge-01").dhcp.scopes == []


# -- others' hands


async def test_a_foreign_twin_is_changed_in_place_but_replaced_only_with_leave() -> None:
    here = await ready(ROLE)
    here.estate.run("edge-01", "New-VMSwitch -Name eflow -SwitchType Private")
    here.estate.run("edge-01", "New-VMSwitch -Name peer -SwitchType Internal")
    declare(here, ROLE + SWITCH + "VirtualSwitch/peer: {switchType: Internal, ipAddress: 10.9.0.1/24}\n")
    plan = await here.plan()
    assert found(plan) == {"VirtualSwitch/eflow": "! PLN023", "VirtualSwitch/peer": "~"}
    assert step(plan, "VirtualSwitch/peer").foreign


async def test_entries_of_others_stay_unless_the_map_is_exclusive() -> None:
    mapping = "opcua: {protocol: TCP, externalPort: 4840, internalPort: 4840, internalIPAddress: 172.20.10.2}"
    nat = "NatNetwork/eflow: {switchName: eflow, %sstaticMappings: {%s}}\n"
    here = await ready(ROLE + SWITCH + nat % ("", mapping))
    here.estate.run(
        "edge-01",
        "Add-NetNatStaticMapping -NatName eflow -Protocol TCP -ExternalIPAddress 0.0.0.0 -ExternalPort 22 -InternalIPAddress 172.20.10.2 -InternalPort 22",
    )
    assert symbols(await here.plan()) == []
    declare(here, ROLE + SWITCH + nat % ("", mapping.replace("opcua", "renamed")))
    assert symbols(await here.plan()) == ["= NatNetwork/eflow"]
    declare(here, ROLE + SWITCH + nat % ("exclusive: true, ", mapping))
    leaving = next(change for change in step(await here.plan(), "NatNetwork/eflow").changes if change.after is None)
    assert leaving.path == "staticMappings.TCP 22"
    assert plain(leaving.before) == {
        "protocol": "TCP",
        "externalPort": 22,
        "internalIPAddress": "172.20.10.2",
        "internalPort": 22,
        "externalIPAddress": "0.0.0.0",
    }  # nothing of what Windows calls it
    assert (await here.apply()).exit_code == 0
    assert [mapping.external_port for mapping in here.estate.machine("edge-01").nats[0].mappings] == [4840]


# -- bounds


async def test_what_a_bound_referrer_does_not_stand_on_yet_may_be_replaced() -> None:
    here = await ready(ROLE)
    here.estate.run("edge-01", "New-VMSwitch -Name eflow -SwitchType Private")
    declare(here, eflow("eflow"))
    limits = Limits(replace=("edge-01/VirtualSwitch/eflow",))
    plan = await here.plan(limits=limits)
    assert found(plan)["VirtualSwitch/eflow"] == "-/+"


def eflow(switch: str, network: str = "172.20.10") -> str:
    """A VM on a switch, and what that rests on."""
    return f"""
WindowsFeature/Hyper-V: {{}}
WindowsFeature/DHCP: {{}}
DhcpServer: {{}}
VirtualSwitch/{switch}: {{switchType: Internal, ipAddress: {network}.1/24}}
NatNetwork/{switch}: {{switchName: {switch}}}
DhcpScope/{switch}: {{switchName: {switch}, startRange: {network}.100, endRange: {network}.200, dnsServer: [168.63.129.16]}}
EflowVm:
  product: 1.5 LTS
  version: ">=1.5.3.12025"
  installer:
    url: https://files.example.net/eflow/AzureIoTEdge_LTS_1.5.3.12025_X64.msi
    sha256: 9f2c4a7be01d5c6688a3f0f2b7c9d1e45a60718293a4b5c6d7e8f9012345abcd
    version: 1.5.3.12025
  acceptEula: Yes
  vswitchName: {switch}
"""


async def test_a_switch_that_a_vm_is_still_bound_to_is_not_deleted_before_the_vm_has_left_it() -> None:
    here = await ready(eflow("eflow"))
    declare(here, eflow("new", "172.20.11"))
    plan = await here.plan()
    assert (found(plan)["VirtualSwitch/eflow"], found(plan)["EflowVm"]) == ("! PLN026", "! PLN020")
    await here.apply(plan)
    assert "eflow" in [switch.name for switch in here.estate.machine("edge-01").switches]
    limits = Limits(replace=("edge-01/EflowVm",))
    plan = await here.plan(limits=limits)
    order = [taken.id.local for taken in plan.steps() if taken.n]
    assert order.index("EflowVm") < order.index("VirtualSwitch/eflow")
    report = await here.apply(plan, limits=limits)
    assert report.exit_code == 0, report
    assert [switch.name for switch in here.estate.machine("edge-01").switches] == ["new"]
    assert symbols(await here.plan()) == []


async def test_the_loop_takes_only_drift_for_drift() -> None:
    here = await ready(ROLE + SWITCH + NAT)
    declare(here, ROLE + SWITCH + NAT + "VirtualSwitch/new: {switchType: Private}\n")
    here.estate.run("edge-01", "Remove-NetNat -Name eflow -Confirm:$false")
    limits = Limits(only_drift=True, destructive=False, max_disruption=Disruption.NONE)
    assert found(await here.plan(limits=limits)) == {"NatNetwork/eflow": "+", "VirtualSwitch/new": "! PLN025"}


# -- sameness


async def test_a_snapshot_just_after_a_boot_is_planned_from_without_waiting() -> None:
    here = await ready(ROLE + SWITCH)
    here.estate.fault("edge-01", Fault("Get-VMHost", error="Unverified,Get-VMHost"))
    env = here.environment()
    seen: dict[str, Any] = await observe(here.desired, here.request().scope, env)
    before = here.estate.clock.now()
    plan = await plan_from(here.desired, seen, here.request(), env)
    assert here.estate.clock.now() == before
    assert plan.exit_code == 5


async def test_planning_twice_gives_equal_bytes() -> None:
    here = one(ROLE + SWITCH + NAT + DHCP)
    texts = []
    for _ in range(2):
        plan = await here.plan()
        texts.append(save(plan, here.desired).replace(plan.id, "ID"))
    lines = [[line for line in text.splitlines() if '"seen"' not in line and '"made"' not in line and "fingerprint" not in line] for text in texts]
    assert lines[0] == lines[1]
    assert not [d for d in plan.diagnostics if d.severity is Severity.ERROR]


async def test_a_chain_of_a_thousand_needs_is_planned() -> None:
    chain = "".join(
        f"VirtualSwitch/s{n}: {{switchType: Private, dependsOn: [{'VirtualSwitch/s' + str(n + 1) if n < 1100 else 'WindowsFeature/Hyper-V'}]}}\n"
        for n in range(1101)
    )
    here = one(ROLE + chain)
    plan = await here.plan()
    assert [taken.n for taken in plan.steps()] == list(range(1, 1103))
    assert [taken.id.name for taken in plan.steps()][:3] == ["Hyper-V", "s1100", "s1099"]


# -- scope, protection, limits


async def test_a_named_resource_brings_its_needs_along_and_nothing_else() -> None:
    here = one(ROLE + SWITCH + NAT + "VirtualSwitch/peer: {switchType: Private}\n")
    assert list(found(await here.plan("edge-01/NatNetwork/eflow"))) == ["WindowsFeature/Hyper-V", "VirtualSwitch/eflow", "NatNetwork/eflow"]
    assert len(found(await here.plan("edge-01/NatNetwork/eflow", "edge-01"))) == 4
    report = await here.apply(None, "edge-01/NatNetwork/eflow")
    assert report.exit_code == 0
    assert found(await here.plan()) == {"VirtualSwitch/peer": "+"}


async def test_an_excluded_need_that_is_there_holds_up_nothing_and_one_that_is_not_does() -> None:
    here = one(ROLE + SWITCH + NAT)
    excluded = found(await here.plan(exclude=("edge-01/VirtualSwitch/eflow",)))
    assert excluded == {"WindowsFeature/Hyper-V": "+", "VirtualSwitch/eflow": "! PLN012", "NatNetwork/eflow": "! PLN030"}
    await here.apply(None, "edge-01/VirtualSwitch/eflow")
    assert found(await here.plan(exclude=("edge-01/VirtualSwitch/eflow",))) == {"NatNetwork/eflow": "+"}


async def test_prevent_destroy_beats_leave_to_replace() -> None:
    here = await ready(ROLE + SWITCH)
    declare(here, ROLE + "VirtualSwitch/eflow: {switchType: Private, lifecycle: {preventDestroy: true}}\n")
    plan = await here.plan(limits=Limits(replace=("edge-01/VirtualSwitch/eflow",)))
    assert found(plan) == {"VirtualSwitch/eflow": "! PLN021"}


async def test_drift_that_is_only_to_be_detected_is_shown_and_stays() -> None:
    here = await ready(ROLE + SWITCH.replace("{switchType", "{driftPolicy: detect, switchType"))
    here.estate.run("edge-01", "Remove-VMSwitch -Name eflow -Force")
    plan = await here.plan()
    assert (found(plan), plan.exit_code) == ({"VirtualSwitch/eflow": "! POL001"}, 4)
    assert (await here.apply(plan)).exit_code == 4
    assert here.estate.machine("edge-01").switches == []


async def test_a_change_that_was_begun_and_failed_is_no_drift() -> None:
    here = await ready(ROLE + SWITCH)
    declare(here, ROLE + SWITCH.replace("172.20.10.1/24", "172.21.10.1/24, driftPolicy: ignore"))
    here.estate.fault("edge-01", Fault("New-NetIPAddress", error="Unverified,New-NetIPAddress", times=1))
    assert (await here.apply()).exit_code == 1
    plan = await here.plan()
    assert [(change.path, change.cause) for change in step(plan, "VirtualSwitch/eflow").changes] == [("ipAddress", Cause.CHANGE)]
    assert (await here.apply(plan)).exit_code == 0


async def test_a_failed_job_that_was_to_change_something_is_tried_again_and_replaces_nothing() -> None:
    here = await ready("WindowsFeature/DHCP: {}\n")
    declare(here, "WindowsFeature/DHCP: {includeManagementTools: false}\n")
    here.estate.fault("edge-01", Fault("Uninstall-WindowsFeature", error="Unverified,Uninstall-WindowsFeature", times=1))
    assert (await here.apply()).exit_code == 1
    assert found(await here.plan()) == {"WindowsFeature/DHCP": "~"}
    assert (await here.apply()).exit_code == 0
    assert symbols(await here.plan()) == []


async def test_taking_over_what_is_as_declared_writes_the_record_alone() -> None:
    here = await ready(ROLE)
    here.estate.run("edge-01", "New-VMSwitch -Name peer -SwitchType Private")
    declare(here, ROLE + "VirtualSwitch/peer: {switchType: Private}\n")
    plan = await here.plan()
    assert (found(plan), plan.exit_code) == ({"VirtualSwitch/peer": "="}, 0)
    report = await here.apply(plan)
    assert (report.exit_code, [id.local for id in report.hosts[0].recorded]) == (0, ["VirtualSwitch/peer"])
    declare(here, ROLE)
    assert found(await here.plan()) == {"VirtualSwitch/peer": "-"}


async def test_a_host_written_in_another_case_keeps_what_it_has() -> None:
    here = await ready(ROLE + SWITCH)
    here.desired = linked(FLEET + host("Edge-01", ROLE + SWITCH))
    here.estate.machines["Edge-01"] = here.estate.machines["edge-01"]
    plan = await here.plan()
    assert set(found(plan).values()) <= {"=", "."}
