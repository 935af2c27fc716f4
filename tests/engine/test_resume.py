"""Replaces, moves and renames, the controller killed at every point: resumed by a new plan or by the saved one, nothing is left behind."""

from __future__ import annotations

import copy

import pytest

from reconciler.emulator.estate import Estate
from reconciler.engine.environment import Limits
from reconciler.engine.planfile import load, save
from tests.engine.lab import FLEET, Lab, host, lab, linked, symbols

ROLE = "WindowsFeature/Hyper-V: {}\n"
NET = (
    ROLE
    + """
VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}
NatNetwork/eflow: {switchName: eflow}
WindowsFeature/DHCP: {}
DhcpServer: {}
DhcpScope/eflow:
  switchName: eflow
  startRange: 172.20.10.100
  endRange: 172.20.10.120
  reservations:
    plc: {ipAddress: 172.20.10.50, clientId: 00-15-5D-01-02-03}
"""
)
LEAVE = ("edge-01/DhcpScope/eflow", "edge-01/NatNetwork/eflow")
PRIVATE = "VirtualSwitch/a: {switchType: Private}\n"
EVERY = 4  # of the points, so that this stays fast

CASES = {
    "another network": (NET, NET.replace("172.20.10.", "172.30.10."), LEAVE),
    "another mask": (NET, NET.replace("10.1/24", "10.1/25"), LEAVE),
    "another address of a reservation": (NET, NET.replace("172.20.10.50", "172.20.10.60"), ()),
    "another name on the host": (ROLE + PRIVATE, ROLE + PRIVATE.replace("Private", "Private, name: b"), ()),
    "another id": (ROLE + PRIVATE, ROLE + "VirtualSwitch/b: {switchType: Private, name: a}\n", ()),
}


@pytest.mark.parametrize("again", ["apply", "apply edge-01.plan"])
@pytest.mark.parametrize("case", CASES)
async def test_killed_anywhere_it_is_finished_and_leaves_nothing_behind(case: str, again: str) -> None:
    before, after, leave = CASES[case]
    here = lab(FLEET + host("edge-01", before))
    assert (await here.apply()).exit_code == 0
    here.desired = linked(FLEET + host("edge-01", after))
    limits = Limits(replace=leave)
    plan = await here.plan(limits=limits)
    text = save(plan, here.desired)
    left: list[Estate] = []
    here.cut = lambda exchange, point: left.append(copy.deepcopy(here.estate))
    assert (await here.apply(plan, limits=limits)).exit_code == 0
    wanted = things(here.estate)
    for estate in left[::EVERY]:
        resumed = Lab(here.desired, estate)
        report = await resumed.apply(None if again == "apply" else load(text, here.registry)[0], limits=limits)
        assert report.exit_code == 0, report
        assert things(estate) == wanted
        assert symbols(await resumed.plan()) == []


def things(estate: Estate) -> tuple[list[str], list[str], list[str], list[str]]:
    """Names of what stands on the host."""
    machine = estate.machine("edge-01")
    scopes = machine.dhcp.scopes
    return (
        sorted(switch.name for switch in machine.switches),
        sorted(str(nat.prefix) for nat in machine.nats),
        sorted(f"{scope.id} {scope.mask}" for scope in scopes),
        sorted(kept.address for scope in scopes for kept in scope.reservations),
    )
