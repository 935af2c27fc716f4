"""Another subnet for a network that is in use: all of it moves, in an order that Windows accepts, or nothing does."""

from __future__ import annotations

import copy

import pytest

from reconciler.core.diagnostics import Severity
from reconciler.core.plan import Plan
from reconciler.emulator.estate import Estate
from reconciler.engine.environment import Limits
from reconciler.engine.planfile import load, save
from tests.engine.lab import FLEET, Lab, host, lab, linked, symbols
from tests.rules.pages import ALWAYS

NAT = """
WindowsFeature/Hyper-V: {}
VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}
NatNetwork/eflow:
  switchName: eflow
  staticMappings: {opcua: {protocol: TCP, externalPort: 4840, internalIPAddress: 172.20.10.2, internalPort: 4840}}
"""
DHCP = """
WindowsFeature/DHCP: {}
DhcpServer: {}
DhcpScope/eflow:
  switchName: eflow
  startRange: 172.20.10.100
  endRange: 172.20.10.200
  dnsServer: [10.30.0.53]
  reservations: {printer: {ipAddress: 172.20.10.50, clientId: 00-15-5D-01-02-03}}
"""
GUEST = "EflowVm:\n  vswitchName: eflow\n  ip4Address: 172.20.10.2\n  dnsServers: [10.30.0.53]\n" + "".join(
    f"  {name}: {value}\n" for name, value in ALWAYS.items()
)
ALL = NAT + DHCP + GUEST
LEAVE = {"NatNetwork/eflow", "DhcpScope/eflow", "EflowVm"}


def leave(*local: str) -> Limits:
    return Limits(replace=tuple(f"edge-01/{one}" for one in local))


def moved(resources: str) -> str:
    return resources.replace("172.20.10.", "172.20.11.")


async def converged(resources: str) -> Lab:
    here = lab(FLEET + host("edge-01", resources))
    report = await here.apply()
    assert report.exit_code == 0, report
    return here


def declare(here: Lab, resources: str) -> None:
    here.desired = linked(FLEET + host("edge-01", resources))


def blocked(plan: Plan) -> dict[str, str]:
    return {step.id.local: step.blocked.code for step in plan.steps() if step.blocked}


def networks(here: Lab) -> dict[str, list[str]]:
    """Where everything stands, by the emulated machine itself."""
    machine = here.estate.machine("edge-01")
    own = next((adapter for adapter in machine.adapters if adapter.name == "vEthernet (eflow)"), None)
    return {
        "host": [f"{one.address}/{one.prefix}" for one in own.addresses] if own else [],
        "nat": [nat.prefix for nat in machine.nats],
        "published": [mapping.internal_address for nat in machine.nats for mapping in nat.mappings],
        "scope": [scope.id for scope in machine.dhcp.scopes],
        "reserved": [one.address for scope in machine.dhcp.scopes for one in scope.reservations],
        "guest": [one.address for one in machine.eflow.endpoints] if machine.eflow.deployed else [],
    }


def where(subnet: str, *parts: str) -> dict[str, list[str]]:
    whole = {"host": [f"{subnet}.1/24"], "nat": [f"{subnet}.0/24"], "published": [f"{subnet}.2"]}
    whole |= {"scope": [f"{subnet}.0"], "reserved": [f"{subnet}.50"]} if "dhcp" in parts else {"scope": [], "reserved": []}
    return whole | {"guest": [f"{subnet}.2"] if "guest" in parts else []}


@pytest.mark.parametrize(
    ("resources", "parts", "needed", "first"),
    [
        (NAT, (), {"NatNetwork/eflow"}, "NET027"),
        (NAT + DHCP, ("dhcp",), {"NatNetwork/eflow", "DhcpScope/eflow"}, "NET027"),
        (NAT + GUEST, ("guest",), {"NatNetwork/eflow", "EflowVm"}, "NET027"),
        (ALL, ("dhcp", "guest"), LEAVE, "NET027"),
    ],
)
async def test_a_network_in_use_stays_whole_without_leave_and_moves_whole_with_it(resources: str, parts: tuple[str, ...], needed: set[str], first: str) -> None:
    here = await converged(resources)
    assert networks(here) == where("172.20.10", *parts)
    declare(here, moved(resources))

    plan = await here.plan()
    assert blocked(plan)["VirtualSwitch/eflow"] == first
    assert {id for id, code in blocked(plan).items() if code == "PLN020"} == needed
    assert (await here.apply()).exit_code == 4
    assert networks(here) == where("172.20.10", *parts)

    limits = leave(*needed)
    allowed = await here.plan(limits=limits)
    assert blocked(allowed) == {}
    assert (await here.apply(allowed, limits=limits)).exit_code == 0
    assert networks(here) == where("172.20.11", *parts)
    assert symbols(await here.plan()) == []


@pytest.mark.parametrize(("kept", "code"), [("NatNetwork/eflow", "NET027"), ("DhcpScope/eflow", "NET028"), ("EflowVm", "NET029")])
async def test_leave_for_all_but_one_moves_nothing(kept: str, code: str) -> None:
    here = await converged(ALL)
    declare(here, moved(ALL))
    limits = leave(*(LEAVE - {kept}))

    plan = await here.plan(limits=limits)
    assert blocked(plan)["VirtualSwitch/eflow"] == code
    assert (await here.apply(plan, limits=limits)).exit_code == 4
    assert networks(here) == where("172.20.10", "dhcp", "guest")


async def test_the_block_names_both_places_and_the_command_that_moves_all() -> None:
    here = await converged(ALL)
    declare(here, moved(ALL))
    plan = await here.plan()

    (step,) = (one for one in plan.steps() if one.id.local == "VirtualSwitch/eflow")
    assert step.blocked is not None
    assert step.blocked.next == "reconcile apply edge-01 --replace edge-01/NatNetwork/eflow --replace edge-01/DhcpScope/eflow --replace edge-01/EflowVm"
    told = [d for one in plan.hosts for d in one.diagnostics if d.code in ("NET027", "NET028", "NET029")]
    assert [(d.code, d.severity) for d in told] == [("NET027", Severity.BLOCKED)]
    assert told[0].position is not None
    assert [label.position.line > told[0].position.line for label in told[0].labels] == [True]


async def test_what_is_asked_for_alone_does_not_leave_the_rest_behind() -> None:
    here = await converged(NAT)
    declare(here, moved(NAT))
    assert blocked(await here.plan("edge-01/VirtualSwitch/eflow")) == {"VirtualSwitch/eflow": "NET027"}
    assert (await here.apply(None, "edge-01/VirtualSwitch/eflow")).exit_code == 4
    assert networks(here) == where("172.20.10")


async def test_a_nat_does_not_leave_a_switch_that_is_only_observed() -> None:
    plain = NAT.partition("  staticMappings")[0]
    here = await converged(plain)
    declare(here, moved(plain).replace("{switchType", "{lifecycle: {observeOnly: true}, switchType"))
    assert blocked(await here.plan()) == {"NatNetwork/eflow": "NET027"}
    assert (await here.apply()).exit_code == 4
    assert networks(here)["nat"] == ["172.20.10.0/24"]


async def test_the_gateway_of_a_static_guest_does_not_move_away_from_it() -> None:
    here = await converged(NAT + GUEST)
    declare(here, (NAT + GUEST).replace("172.20.10.1/24", "172.20.10.254/24"))
    plan = await here.plan()
    assert blocked(plan) == {"VirtualSwitch/eflow": "NET029", "EflowVm": "PLN020"}


async def test_the_router_of_a_scope_follows_the_host_within_its_network() -> None:
    here = await converged(NAT + DHCP)
    declare(here, (NAT + DHCP).replace("172.20.10.1/24", "172.20.10.254/24"))
    plan = await here.plan()
    assert (blocked(plan), symbols(plan)) == ({}, ["~ VirtualSwitch/eflow", "~ DhcpScope/eflow"])
    alone = await here.plan(exclude=("edge-01/DhcpScope/eflow",))
    assert blocked(alone)["VirtualSwitch/eflow"] == "NET028"
    assert (await here.apply()).exit_code == 0
    assert symbols(await here.plan()) == []


async def test_an_address_changed_by_hand_is_mended_whatever_else_is_blocked() -> None:
    here = await converged(NAT)
    machine = here.estate.machine("edge-01")
    next(adapter for adapter in machine.adapters if adapter.name == "vEthernet (eflow)").addresses[0].address = "172.20.99.1"
    plan = await here.plan()
    assert (blocked(plan), symbols(plan)) == ({}, ["~ VirtualSwitch/eflow"])


async def test_a_whole_network_that_was_moved_by_hand_is_not_torn_by_the_way_back() -> None:
    here = await converged(NAT)
    machine = here.estate.machine("edge-01")
    next(adapter for adapter in machine.adapters if adapter.name == "vEthernet (eflow)").addresses[0].address = "172.20.99.1"
    machine.nats[0].prefix = "172.20.99.0/24"
    assert blocked(await here.plan()) == {"VirtualSwitch/eflow": "NET027", "NatNetwork/eflow": "PLN020"}
    assert blocked(await here.plan(limits=leave("NatNetwork/eflow"))) == {}


async def test_what_is_made_for_the_first_time_is_held_up_by_nothing_of_this() -> None:
    here = lab(FLEET + host("edge-01", NAT + DHCP))
    assert blocked(await here.plan()) == {}
    assert blocked(await here.plan(exclude=("edge-01/NatNetwork/eflow",))) == {"NatNetwork/eflow": "PLN012"}
    await here.apply()
    here.estate.run("edge-01", "Remove-VMSwitch -Name eflow -Force")
    declare(here, moved(NAT + DHCP))
    plan = await here.plan()
    assert [id for id, code in blocked(plan).items() if code.startswith("NET")] == []


async def test_a_migration_that_was_begun_is_finished_by_its_saved_plan() -> None:
    here = await converged(NAT + DHCP)
    declare(here, moved(NAT + DHCP))
    limits = leave("NatNetwork/eflow", "DhcpScope/eflow")
    plan = await here.plan(limits=limits)
    text = save(plan, here.desired)
    left: list[Estate] = []
    here.cut = lambda exchange, point: left.append(copy.deepcopy(here.estate))
    assert (await here.apply(plan, limits=limits)).exit_code == 0
    for estate in left[::4]:
        saved, desired = load(text, here.registry)
        again = Lab(desired, estate)
        assert (await again.apply(saved, limits=limits)).exit_code == 0
        assert networks(again) == where("172.20.11", "dhcp")
