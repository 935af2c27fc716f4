"""What findings say and where they point; that two rules never say one thing; that what is not known yet is never judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.calls import Answer, CallError, Later
from reconciler.core.diagnostics import Diagnostic
from reconciler.core.ids import Key
from reconciler.core.kinds import NotSeen
from reconciler.core.model import fields
from reconciler.core.resources import Resource
from reconciler.engine.judge import Verdict, judge
from reconciler.engine.link import Linked
from reconciler.engine.world import HostWorld
from reconciler.kinds._host_network import ADDRESSES
from reconciler.rules import RULES, asks
from tests.rules.pages import HOST, Page, kinds, linked, pages
from tests.rules.seen import (
    EFLOW,
    EXPIRED,
    HEALTHY,
    IN_USE,
    MOVED_SCOPE,
    SWITCH_MOVES,
    USUAL,
    Host,
    address,
    card,
    endpoint,
    names,
    nat,
    route,
    rows,
    scope,
    switch,
    vm,
)

SW = "VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}"
NAT = "NatNetwork/eflow: {switchName: eflow}"
SCOPE = "DhcpScope/eflow: {switchName: eflow, startRange: 172.20.10.100, endRange: 172.20.10.200, dnsServer: [10.30.0.53]}"
STATIC = "EflowVm:\n    vswitchName: eflow\n    ip4Address: 172.20.10.2\n    dnsServers: [10.30.0.53]"
LEASED = "EflowVm:\n    vswitchName: eflow"
OT = "VirtualSwitch/ot: {switchType: External, netAdapterName: Ethernet 2}"


def spec(*lines: str, sku: str = "server-2022") -> Linked:
    return linked(f"sku: {sku}\nresources:\n" + "\n".join(f"  {line}" for line in lines))


def at_link(id: str, *lines: str) -> list[Diagnostic]:
    return [d for d in spec(*lines).diagnostics if d.code == id]


def on(host: Host, id: str, *lines: str) -> Verdict:
    found = spec(*lines)
    world = HostWorld(found.hosts[HOST], kinds(), found.resources[HOST], host, host.reach or None, host.former)
    return judge(world, [rule for rule in kinds().rules if rule.id == id])


def quiet(host: Host, id: str, *lines: str) -> bool:
    verdict = on(host, id, *lines)
    return not verdict.findings and not verdict.suspended


def test_a_finding_points_at_the_value_and_shows_the_other_place() -> None:
    (found,) = at_link("EFL016", SW, NAT, SCOPE, STATIC.replace("10.2\n", "10.150\n"))
    assert found.position is not None
    assert found.labels[0].text == "leased up to 172.20.10.200"
    assert found.labels[0].position.line < found.position.line
    assert "172.20.10.2" in found.help


def test_a_guest_without_a_scope_is_told_both_ways_with_values_of_its_network() -> None:
    (found,) = at_link("EFL018", SW, NAT, LEASED)
    assert "startRange: 172.20.10.100" in found.help
    assert "ip4Address: 172.20.10.2" in found.help


def test_a_small_network_gets_a_range_that_fits_it() -> None:
    (found,) = at_link("EFL018", SW.replace("/24", "/28"), NAT, LEASED)
    assert "startRange: 172.20.10.8, endRange: 172.20.10.14" in found.help


def test_an_inactive_scope_serves_nobody() -> None:
    (found,) = at_link("EFL018", SW, NAT, SCOPE.replace("startRange", "state: InActive, startRange"), LEASED)
    assert "not active" in found.message


def test_a_scope_that_names_no_switch_serves_the_one_in_its_network() -> None:
    plain = SCOPE.replace("switchName: eflow", "scopeId: 172.20.10.0, subnetMask: 255.255.255.0, router: 172.20.10.1")
    assert at_link("EFL018", SW, NAT, plain, LEASED) == []


def test_a_reservation_or_an_exclusion_keeps_a_static_address_free() -> None:
    guest = STATIC.replace("10.2\n", "10.150\n")
    kept = SCOPE.replace("startRange", "reservations: {vm: {ipAddress: 172.20.10.150, clientId: 00-15-5D-01-02-03}}, startRange")
    assert at_link("EFL016", SW, NAT, SCOPE, guest)
    assert at_link("EFL016", SW, NAT, kept, guest) == []


def test_a_hint_never_offers_an_address_that_is_taken_or_leased() -> None:
    whole = SCOPE.replace("172.20.10.100", "172.20.10.3").replace(
        "startRange", "reservations: {a: {ipAddress: 172.20.11.9, clientId: 00-15-5D-01-02-03}}, startRange"
    )
    (found,) = at_link("DHC037", SW, NAT, whole, STATIC)
    assert found.help == "take a free one, for example 172.20.10.201"


@pytest.mark.parametrize(
    ("quiet_one", "telling", "lines"),
    [
        ("NET021", "NET015", (SW.replace("172.20.10", "10.30.7"), NAT)),
        ("NET024", "NET016", (SW.replace("172.20", "172.18"), NAT, STATIC.replace("172.20", "172.18"))),
        ("EFL017", "EFL012", (SW, NAT, STATIC.replace("10.2\n", "10.1\n"))),
        ("DHC031", "DHC004", (SW, SCOPE.replace("172.20.10.100", "172.20.10.1"))),
        ("HYP020", "HYP021", (SW, "NatNetwork/eflow: {switchName: {existing: eflow}, internalIPInterfaceAddressPrefix: 172.20.10.0/24}")),
    ],
)
def test_two_rules_never_say_one_thing(quiet_one: str, telling: str, lines: tuple[str, ...]) -> None:
    assert on(HEALTHY, telling, *lines).findings
    assert quiet(HEALTHY, quiet_one, *lines)


def test_the_hosts_own_end_of_a_declared_switch_is_no_lan() -> None:
    made = HEALTHY.but(
        (ADDRESSES, rows(address("vEthernet (eflow)", "172.20.10.1"))), (asks.ROUTES, rows(*USUAL, route("172.20.10.0/24", alias="vEthernet (eflow)")))
    )
    for id in ("NET021", "NET025", "NET026"):
        assert quiet(made, id, SW)
        assert quiet(made, id, SW, NAT)


def test_another_switch_of_others_in_the_network_is_one() -> None:
    theirs = HEALTHY.but((ADDRESSES, rows(address("vEthernet (nat)", "172.20.10.1"))))
    assert on(theirs, "NET021", SW).findings


def test_a_vpn_on_link_is_seen_by_its_route() -> None:
    vpn = HEALTHY.but((asks.ROUTES, rows(*USUAL, route("172.20.10.128/25", alias="VPN"))))
    ((_, finding),) = on(vpn, "NET025", SW, NAT).findings
    assert finding.message == "172.20.10.0/24 holds 172.20.10.128/25, which edge-01 reaches over VPN"


def test_the_default_route_and_multicast_are_in_nobodys_way() -> None:
    assert quiet(HEALTHY, "NET025", SW, NAT)
    assert quiet(HEALTHY, "NET026", SW, NAT)


def test_a_nat_is_used_where_an_adapter_of_others_stands_in_it() -> None:
    stands = HEALTHY.but((ADDRESSES, rows(address("vEthernet (theirs)", "172.20.10.1"))))
    alone = "NatNetwork/eflow: {internalIPInterfaceAddressPrefix: 172.20.10.0/24}"
    assert on(HEALTHY, "NET022", alone).findings
    assert quiet(stands, "NET022", alone)


def test_a_nat_of_others_is_a_way_out() -> None:
    assert quiet(HEALTHY.but((asks.NATS, rows({"Name": "wide", "InternalIPInterfaceAddressPrefix": "172.20.0.0/16"}))), "EFL019", SW, STATIC)


def test_a_nat_without_a_prefix_is_no_way_out() -> None:
    assert on(HEALTHY.but((asks.NATS, rows({"Name": "odd", "InternalIPInterfaceAddressPrefix": None}))), "EFL019", SW, STATIC).findings


def test_a_network_of_docker_is_told_once_not_for_switch_and_guest() -> None:
    found = at_link("NET024", SW.replace("172.20", "172.18"), STATIC.replace("172.20", "172.18"))
    assert len(found) == 1


def test_an_adapter_without_a_link_counts_in_text_and_in_numbers() -> None:
    for link in ("Disconnected", 2):
        assert on(HEALTHY.but((asks.CARDS, rows(card("Ethernet 2", link=link)))), "HYP024", OT).findings
    assert on(HEALTHY.but((asks.CARDS, rows(card("Ethernet 2", real=False)))), "HYP024", OT).findings
    for link in ("Connected", 1, "Unknown"):
        assert quiet(HEALTHY.but((asks.CARDS, rows(card("Ethernet 2", link=link)))), "HYP024", OT)


def test_a_pulled_cable_of_a_switch_that_is_there_is_no_mistake_of_the_declaration() -> None:
    there = HEALTHY.but((asks.CARDS, rows(card("Ethernet 2", link=2))), VirtualSwitch=[switch("OT", switchType="External")])
    assert quiet(there, "HYP024", OT)


def test_two_switches_of_one_name_are_none_that_eflow_could_take() -> None:
    twice = HEALTHY.but((asks.SWITCHES, rows({"Name": "lan", "SwitchType": 2}, {"Name": "LAN", "SwitchType": 1})))
    ((_, finding),) = on(twice, "EFL023", "EflowVm:\n    vswitchName: {existing: lan}").findings
    assert "2 switches" in finding.message


def test_the_default_switch_may_be_called_existing() -> None:
    assert quiet(HEALTHY, "HYP020", "EflowVm:\n    vswitchName: {existing: Default Switch}")


def test_a_rename_holds_up_no_vm_that_is_deployed() -> None:
    renamed = HEALTHY.but((asks.COMPUTER_NAMES, names("EDGE-01", "EDGE-02")))
    assert on(renamed, "EFL035", SW, NAT, STATIC).findings
    assert quiet(renamed.but(EflowVm=[vm()]), "EFL035", SW, NAT, STATIC)
    assert on(renamed.but(EflowVm=[vm(deployed=False)]), "EFL035", SW, NAT, STATIC).findings


def test_names_of_computers_are_one_whatever_their_case() -> None:
    assert quiet(HEALTHY.but((asks.COMPUTER_NAMES, names("EDGE-01", "edge-01"))), "EFL035", SW, NAT, STATIC)
    assert quiet(HEALTHY.but((EFLOW["endpoints"], endpoint("edge-01")), EflowVm=[vm()]), "EFL081", SW, NAT, STATIC)


def test_an_expired_certificate_and_another_silence_are_told_apart() -> None:
    other = Answer(error=CallError("Unverified,Get-EflowVm", "NotSpecified", "rpc error: connection refused"))
    helps = []
    for answer in (EXPIRED, other):
        ((_, finding),) = on(HEALTHY.but((EFLOW["vm"], answer), EflowVm=[vm()]), "EFL080", SW, NAT, STATIC).findings
        helps.append(finding.help)
    assert "updateWssdCert.ps1" in helps[0]
    assert "wssdagent" in helps[1]


def test_an_endpoint_of_another_shape_says_nothing_about_names() -> None:
    odd = HEALTHY.but((EFLOW["endpoints"], rows({"Name": "eth0"})), EflowVm=[vm()])
    assert on(odd, "EFL081", SW, NAT, STATIC).suspended == ("EFL081",)


def test_a_scope_of_ours_is_no_scope_of_others() -> None:
    ours = HEALTHY.but(DhcpScope=[scope("172.20.10.0/24", "172.20.10.100", "172.20.10.200", "eflow")])
    assert quiet(ours, "DHC036", SW, SCOPE)
    assert quiet(ours, "EFL024", SW, NAT, SCOPE, STATIC.replace("10.2\n", "10.150\n"))


def test_a_silent_host_suspends_a_rule_and_passes_none() -> None:
    denied = Answer(error=CallError("AccessDenied", "PermissionDenied"))
    assert on(HEALTHY.but((asks.ROUTES, denied)), "NET025", SW, NAT).suspended == ("NET025",)
    assert on(HEALTHY.but((asks.AZURE_AGENT, denied)), "HYP022", OT).suspended == ("HYP022",)
    assert on(HEALTHY.but((asks.COMPUTER_NAMES, denied)), "EFL035", SW, NAT, STATIC).suspended == ("EFL035",)


def test_the_end_state_that_a_plan_can_reach_counts_not_what_is_there_now() -> None:
    found = spec(SW, NAT, SCOPE)
    theirs = HEALTHY.but(DhcpScope=[scope("172.20.0.0/16", "172.20.1.1", "172.20.1.9")])
    rule = [one for one in RULES if one.id == "DHC036"]
    assert judge(HostWorld(found.hosts[HOST], kinds(), found.resources[HOST], theirs), rule).findings
    assert not judge(HostWorld(found.hosts[HOST], kinds(), found.resources[HOST], theirs, {"DhcpScope": {}}), rule).findings


MOVED = (SW.replace("10.1", "11.1"), NAT, SCOPE.replace("172.20.10.", "172.20.11."), STATIC.replace("172.20.10.", "172.20.11."))


def test_what_would_stay_behind_is_named_with_what_it_keeps() -> None:
    found = [on(SWITCH_MOVES, id, *MOVED).findings for id in ("NET027", "NET028", "NET029")]
    told = [(finding.subject, finding.message.partition(":")[0]) for findings in found for _, finding in findings]
    assert told == [
        ("edge-01/VirtualSwitch/eflow", "the host would move to 172.20.11.1/24 here, and NatNetwork/eflow stay with 172.20.10.0/24"),
        ("edge-01/VirtualSwitch/eflow", "the host would move to 172.20.11.1/24 here, and DhcpScope/eflow stay with 172.20.10.0/24"),
        ("edge-01/VirtualSwitch/eflow", "the host would move to 172.20.11.1/24 here, and EflowVm stay with 172.20.10.2"),
    ]


def test_what_would_move_from_under_the_host_is_held_up_itself() -> None:
    scope_moves = IN_USE.ending(DhcpScope=[MOVED_SCOPE])
    ((_, finding),) = on(scope_moves, "NET028", *MOVED).findings
    assert (finding.subject, finding.also[0][0]) == ("edge-01/DhcpScope/eflow", "edge-01/VirtualSwitch/eflow")


def test_what_parted_before_or_is_not_there_is_no_reason_to_hold_anything_up() -> None:
    parted = SWITCH_MOVES.but(NatNetwork=[nat("eflow", "172.20.12.0/24")], DhcpScope=[], EflowVm=[vm(ip4Address=None, ip4GatewayAddress=None)])
    for id in ("NET027", "NET028", "NET029"):
        assert quiet(parted, id, *MOVED)


def test_a_kind_that_cannot_be_looked_at_suspends_its_own_rule_alone() -> None:
    class Dark(Host):
        def states(self, kind: str) -> Mapping[Key, Any]:
            if kind == "DhcpScope":
                raise NotSeen
            return super().states(kind)

    dark = Dark(SWITCH_MOVES.facts, SWITCH_MOVES.kinds, SWITCH_MOVES.answers, SWITCH_MOVES.reach)
    assert on(dark, "NET028", *MOVED).suspended == ("NET028",)
    ((_, finding),) = on(dark, "NET027", *MOVED).findings
    assert finding.help == "reconcile apply edge-01 --replace edge-01/NatNetwork/eflow --replace edge-01/EflowVm"


def test_nothing_declared_is_nothing_found() -> None:
    busy = HEALTHY.but(NatNetwork=[nat("nat", "172.28.0.0/16")], EflowVm=[vm()], DhcpScope=[scope("10.30.7.0/24", "10.30.7.1", "10.30.7.9")])
    found = spec("WindowsFeature/Hyper-V: {}")
    assert judge(HostWorld(found.hosts[HOST], kinds(), found.resources[HOST], busy), RULES).findings == ()


def later(resource: Resource) -> list[Resource]:
    """The resource with each value that can come from elsewhere not known yet, one at a time and all at once."""
    names_ = [name for name, mark in fields(type(resource.spec)).items() if mark.source and mark.source.path != "metadata.name"]
    unknown = {name: Later(str(resource.id), name) for name in names_}
    several = [{name: value} for name, value in unknown.items()] + [unknown]
    return [replace(resource, spec=resource.spec.model_copy(update=changed)) for changed in several if changed]


@pytest.mark.parametrize("one", pages(), ids=lambda one: one.id)
def test_what_is_only_known_after_apply_is_judged_by_no_rule_and_stops_none(one: Page) -> None:
    found = linked(one.bad)
    resources = found.resources[HOST]
    for n, resource in enumerate(resources):
        for changed in later(resource):
            world = HostWorld(found.hosts[HOST], kinds(), (*resources[:n], changed, *resources[n + 1 :]), HEALTHY)
            assert not any("Later(" in d.message + d.help for d in judge(world, kinds().rules).diagnostics)
