"""Rules across kinds as a plan meets them: on emulated hosts, judged on the end state that the plan can reach."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.core.diagnostics import Severity
from reconciler.core.plan import Plan, Step
from reconciler.emulator.estate import Estate
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Route
from reconciler.emulator.skus import AdapterWish
from reconciler.engine.vocabulary import vocabulary
from reconciler.rules import RULES, WORDS
from reconciler.signatures.check import check_call, check_word
from tests.engine.lab import FLEET, HostWish, Lab, host, linked
from tests.rules.pages import ALWAYS, kinds
from tests.rules.seen import CLIENT, SERVER

OWN = {rule.id for rule in RULES}
TWO = (AdapterWish("Ethernet", "10.30.7.21", gateway="10.30.7.1"), AdapterWish("Ethernet 2"))
EDGE = HostWish("edge-01", adapters=TWO)
CONTROL = r"HKLM\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName"

CHAIN = """
WindowsFeature/Hyper-V: {}
VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}
NatNetwork/eflow: {switchName: eflow}
"""
VM = "EflowVm:\n  vswitchName: eflow\n  ip4Address: 172.20.10.2\n  dnsServers: [10.30.0.53]\n" + "".join(
    f"  {name}: {value}\n" for name, value in ALWAYS.items()
)


def started(resources: str, wish: HostWish = EDGE) -> tuple[Lab, Machine]:
    desired = linked(FLEET + host("edge-01", resources, wish.sku), kinds())
    estate = Estate.new(None, [wish])
    return Lab(desired, estate, registry=kinds()), estate.machine("edge-01")


def told(plan: Plan) -> list[str]:
    return [d.code for d in plan.diagnostics if d.code in OWN]


def step(plan: Plan, local: str) -> Step:
    (found,) = (one for one in plan.steps() if one.id.local == local)
    return found


def blocked(plan: Plan) -> list[tuple[str, str]]:
    return [(one.id.local, one.blocked.code) for one in plan.steps() if one.blocked]


async def test_a_whole_chain_breaks_no_rule_before_it_is_made_nor_after() -> None:
    here, _ = started(CHAIN)
    before = await here.plan()
    assert (told(before), blocked(before)) == ([], [])
    await here.apply()
    after = await here.plan()
    assert told(after) == []
    assert [one for one in after.steps() if one.verb.acts] == []


async def test_the_specs_break_no_rule_of_these_on_bare_machines() -> None:
    from reconciler.cli.wishes import wishes
    from reconciler.engine.link import link
    from reconciler.manifests import load

    desired = link(load([Path(__file__).parents[2] / "specs"], kinds()), kinds())
    here = Lab(desired, Estate.new(None, wishes(desired, {})), registry=kinds())
    assert told(await here.plan()) == []


async def test_a_route_of_the_host_inside_a_nat_holds_the_nat_up_and_nothing_else() -> None:
    here, machine = started(CHAIN)
    machine.routes.append(Route("172.20.10.64/26", "10.30.7.254", machine.adapters[0].index))
    plan = await here.plan()
    assert ("NatNetwork/eflow", "NET025") in blocked(plan)
    assert step(plan, "WindowsFeature/Hyper-V").blocked is None
    assert step(plan, "VirtualSwitch/eflow").blocked is None


async def test_a_wider_route_over_a_nat_is_a_warning_that_can_be_accepted() -> None:
    accepted = CHAIN.replace("{switchName: eflow}", "{switchName: eflow, accept: [{rule: NET026, until: 2099-01-01, reason: a summary route}]}")
    for resources, expected in ((CHAIN, ["NET026"]), (accepted, [])):
        here, machine = started(resources)
        machine.routes.append(Route("172.16.0.0/12", "10.30.7.254", machine.adapters[0].index))
        plan = await here.plan()
        assert told(plan) == expected
        assert blocked(plan) == []


async def test_a_pending_rename_holds_the_deployment_up_and_nothing_else() -> None:
    here, machine = started(CHAIN + VM)
    machine.registry.put(CONTROL, "ComputerName", "EDGE-02")
    plan = await here.plan()
    assert blocked(plan) == [("EflowVm", "EFL035")]


async def test_an_external_switch_in_azure_is_warned_of_and_not_held_up() -> None:
    here, _ = started(
        "WindowsFeature/Hyper-V: {}\nVirtualSwitch/ot: {switchType: External, netAdapterName: Ethernet 2}", HostWish("edge-01", adapters=TWO, platform="azure")
    )
    plan = await here.plan()
    assert told(plan) == ["HYP022"]
    assert blocked(plan) == []


async def test_an_external_switch_on_an_adapter_without_a_link_is_warned_of_until_it_is_made() -> None:
    down = HostWish("edge-01", adapters=(TWO[0], AdapterWish("Ethernet 2", status="Disconnected")))
    here, _ = started("WindowsFeature/Hyper-V: {}\nVirtualSwitch/ot: {switchType: External, netAdapterName: Ethernet 2}", down)
    assert told(await here.plan()) == ["HYP024"]
    await here.apply()
    assert told(await here.plan()) == []


async def test_a_switch_that_others_were_to_make_is_missed_once_the_host_has_hyper_v() -> None:
    vm = VM.replace("vswitchName: eflow", "vswitchName: {existing: plant}").replace(
        "  dnsServers", "  ip4PrefixLength: 24\n  ip4GatewayAddress: 172.20.10.1\n  dnsServers"
    )
    here, _ = started("WindowsFeature/Hyper-V: {}\n" + vm)
    await here.apply(None, "edge-01/WindowsFeature/Hyper-V")
    plan = await here.plan()
    assert {("EflowVm", "HYP020"), ("EflowVm", "PLN035")} & set(blocked(plan))  # the rule, or the value that it would have given
    here.estate.run("edge-01", "New-VMSwitch -Name plant -SwitchType Private")
    assert ("EflowVm", "EFL023") in blocked(await here.plan())


async def test_a_scope_of_others_holds_up_one_that_overlaps_it() -> None:
    resources = CHAIN + (
        "WindowsFeature/DHCP: {}\nDhcpServer: {}\n"
        "DhcpScope/eflow: {switchName: eflow, startRange: 172.20.10.100, endRange: 172.20.10.200, dnsServer: [10.30.0.53]}\n"
    )
    here, _ = started(resources)
    await here.apply(None, "edge-01/WindowsFeature/DHCP")
    here.estate.run("edge-01", "Add-DhcpServerv4Scope -Name theirs -StartRange 172.20.10.50 -EndRange 172.20.10.60 -SubnetMask 255.255.255.240")
    plan = await here.plan()
    assert ("DhcpScope/eflow", "DHC036") in blocked(plan)
    assert step(plan, "NatNetwork/eflow").blocked is None


async def test_a_scope_that_goes_in_the_same_plan_is_in_nobodys_way() -> None:
    scopes = (
        CHAIN + "WindowsFeature/DHCP: {}\nDhcpServer: {}\n"
        "DhcpScope/old: {scopeId: 172.20.0.0, subnetMask: 255.255.0.0, startRange: 172.20.9.1, endRange: 172.20.9.9}\n"
    )
    here, _ = started(scopes)
    await here.apply()
    moved = (
        scopes.partition("DhcpScope/old")[0]
        + "DhcpScope/eflow: {switchName: eflow, startRange: 172.20.10.100, endRange: 172.20.10.200, dnsServer: [10.30.0.53]}\n"
    )
    here.desired = linked(FLEET + host("edge-01", moved), kinds())
    plan = await here.plan()
    assert "DHC036" not in told(plan)
    kept = await here.plan(exclude=("edge-01/DhcpScope/old",))
    assert ("DhcpScope/eflow", "DHC036") in blocked(kept)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_what_a_rule_asks_is_bound_by_windows_and_allowed_by_the_invoker(rule: object) -> None:
    asks = [ask for one in RULES if one is rule for facts in (SERVER, CLIENT) for ask in one.asks(facts)]
    assert [fault for ask in asks for fault in check_call(ask.call)] == []
    assert {ask.call.name for ask in asks} <= {word.name for word in WORDS}
    assert {ask.call.name for ask in asks} <= set(vocabulary(kinds()))


def test_every_word_of_the_rules_is_one_that_windows_knows() -> None:
    assert [fault for word in WORDS for fault in check_word(word)] == []


def test_an_error_of_a_rule_is_an_error_and_nothing_in_between() -> None:
    severities: Sequence[Severity] = [rule.severity for rule in RULES]
    assert set(severities) == {Severity.ERROR, Severity.WARNING}
