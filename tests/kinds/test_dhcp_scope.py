"""DhcpScope: known by its network, changed in place but for its mask, with options that do not say whose they are."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address
from typing import Any

import pytest

from reconciler.core.calls import Later
from reconciler.core.changes import Changes
from reconciler.core.ids import Key
from reconciler.core.kinds import Disruption
from reconciler.core.model import Existing, fields
from reconciler.core.observations import Present
from reconciler.engine.diff import compare
from reconciler.kinds.dhcp_scope import KIND, DhcpScope, DhcpScopeState
from tests.kinds.host_world import NOTHING, SERVER, StubWorld, actions, called, declare, findings, removal, rows, sound_kind

NET = "172.20.10.0"
ROW = {
    "ScopeId": NET,
    "SubnetMask": "255.255.255.0",
    "Name": "eflow",
    "StartRange": "172.20.10.100",
    "EndRange": "172.20.10.200",
    "LeaseDuration": timedelta(days=8),
    "State": "Active",
}
OPTIONS = ({"OptionId": 3, "Value": ["172.20.10.1"]}, {"OptionId": 6, "Value": ["168.63.129.16"]}, {"OptionId": 51, "Value": ["691200"]})
KEPT = {"keep": {"startRange": "172.20.10.110", "endRange": "172.20.10.119"}}
KEPT_ROW = {"ScopeId": NET, "StartRange": "172.20.10.110", "EndRange": "172.20.10.119"}


def scope(**more: Any) -> DhcpScope:
    written = {
        "name": "eflow",
        "switchName": "eflow",
        "scopeId": NET,
        "subnetMask": "255.255.255.0",
        "router": "172.20.10.1",
        "startRange": "172.20.10.100",
        "endRange": "172.20.10.200",
        "dnsServer": ["168.63.129.16"],
        "leaseDuration": "8.00:00:00",
    }
    return DhcpScope.model_validate({**written, **more})


def seen(*excluded: dict[str, Any], options: Any = OPTIONS, **more: Any) -> Present[DhcpScopeState]:
    answers = [rows({**ROW, **more}), rows(*excluded), rows({"ScopeId": NET}), rows(*options)]
    return KIND.parse(answers, SERVER)[Key(NET)]


def test_every_word_and_question_is_one_that_windows_knows() -> None:
    assert sound_kind(KIND, SERVER, [NET]) == []


def test_every_managed_field_is_seen() -> None:
    assert {name for name, mark in fields(DhcpScope).items() if mark.managed} <= set(DhcpScopeState.model_fields)


def test_a_server_without_scopes_has_none() -> None:
    assert KIND.parse([NOTHING, NOTHING, NOTHING, NOTHING], SERVER) == {}


def test_each_scope_is_asked_for_its_options_together_with_its_name() -> None:
    asks = list(KIND.ask([Key(NET), Key("later:dhcpscope/x")], SERVER))
    assert [ask.call.name for ask in asks] == [
        "Get-DhcpServerv4Scope",
        "Get-DhcpServerv4ExclusionRange",
        "Get-DhcpServerv4Scope",
        "Get-DhcpServerv4OptionValue",
    ]
    assert all(ask.absent == ("DHCP 20005",) for ask in asks[2:])


def test_options_go_to_their_own_scope_also_where_another_is_absent() -> None:
    other = {**ROW, "ScopeId": "172.21.0.0"}
    answers = [rows(ROW, other), NOTHING, NOTHING, NOTHING, rows({"ScopeId": "172.21.0.0"}), rows({"OptionId": 3, "Value": ["172.21.0.1"]})]
    found = KIND.parse(answers, SERVER)
    assert found[Key("172.21.0.0")].state.router == IPv4Address("172.21.0.1")
    assert set(found[Key(NET)].unseen) == {"router", "dnsServer"}


def test_a_scope_is_made_then_told_then_narrowed() -> None:
    made = actions(KIND, scope(exclusions=KEPT), None)
    assert [one.name for one in made] == ["create", "set options", "exclude 172.20.10.110-172.20.10.119"]
    assert called(*made[:2]) == [
        (
            "Add-DhcpServerv4Scope",
            {
                "Name": "eflow",
                "StartRange": "172.20.10.100",
                "EndRange": "172.20.10.200",
                "SubnetMask": "255.255.255.0",
                "LeaseDuration": timedelta(days=8),
                "State": "Active",
            },
        ),
        ("Set-DhcpServerv4OptionValue", {"ScopeId": NET, "Router": ["172.20.10.1"], "DnsServer": ["168.63.129.16"], "Force": True}),
    ]


@pytest.mark.parametrize("more", [{}, {"Name": "EFLOW"}, {"State": "active"}])
def test_what_is_as_declared_needs_nothing(more: dict[str, Any]) -> None:
    assert actions(KIND, scope(exclusions=KEPT), seen(KEPT_ROW, **more)) == ()


def test_a_half_made_scope_is_told_what_it_lacks() -> None:
    assert [one.name for one in actions(KIND, scope(exclusions=KEPT), seen(options=()))] == ["set options", "exclude 172.20.10.110-172.20.10.119"]


def test_a_router_changed_by_hand_is_set_back_alone() -> None:
    made = actions(KIND, scope(), seen(options=({"OptionId": 3, "Value": ["172.20.10.254"]}, OPTIONS[1])))
    assert called(*made) == [("Set-DhcpServerv4OptionValue", {"ScopeId": NET, "Router": ["172.20.10.1"], "Force": True})]


def test_two_routers_are_not_the_one_that_is_declared() -> None:
    present = seen(options=({"OptionId": 3, "Value": ["172.20.10.1", "172.20.10.2"]}, OPTIONS[1]))
    assert [one.name for one in actions(KIND, scope(), present)] == ["set options"]


def test_no_dns_servers_wanted_means_the_option_goes() -> None:
    made = actions(KIND, scope(dnsServer=[]), seen())
    assert called(*made) == [("Remove-DhcpServerv4OptionValue", {"ScopeId": NET, "OptionId": 6})]
    assert actions(KIND, scope(dnsServer=None), seen()) == ()


def test_a_range_is_changed_in_place_by_both_its_ends() -> None:
    (made,) = actions(KIND, scope(endRange="172.20.10.220"), seen())
    assert called(made) == [("Set-DhcpServerv4Scope", {"ScopeId": NET, "StartRange": "172.20.10.100", "EndRange": "172.20.10.220"})]
    assert made.disruption is Disruption.LEASE_LOSS


def test_state_lease_and_name_are_changed_in_one_call() -> None:
    (made,) = actions(KIND, scope(), seen(State="Inactive", LeaseDuration=timedelta(days=1), Name="old"))
    assert called(made) == [("Set-DhcpServerv4Scope", {"ScopeId": NET, "Name": "eflow", "LeaseDuration": timedelta(days=8), "State": "Active"})]
    assert made.disruption is Disruption.NONE
    assert actions(KIND, scope(state="InActive"), seen())[0].disruption is Disruption.LEASE_LOSS


def test_an_inactive_scope_is_one_in_either_spelling() -> None:
    assert actions(KIND, scope(state="InActive"), seen(State="Inactive")) == ()


def test_a_changed_mask_is_a_replace_that_says_what_it_loses() -> None:
    from reconciler.core.ids import ResourceId
    from reconciler.core.resources import Resource

    wanted = scope(subnetMask="255.255.255.128")
    found = compare(Resource(ResourceId("edge-01", "DhcpScope", "eflow"), Key(NET), wanted, {}), seen(), None, {})
    assert [(change.path, change.immutable) for change in found.changes.items] == [("subnetMask", True)]
    (gone,) = removal(KIND, seen().state)
    assert called(gone) == [("Remove-DhcpServerv4Scope", {"ScopeId": NET, "Force": True})]
    assert any("leases" in loss.text for loss in gone.lost)


def test_an_exclusion_that_moved_goes_before_the_new_one_comes() -> None:
    moved = {"keep": {"startRange": "172.20.10.110", "endRange": "172.20.10.115"}}
    made = actions(KIND, scope(exclusions=moved), seen(KEPT_ROW), was=scope(exclusions=KEPT))
    assert [one.name for one in made] == ["include 172.20.10.110-172.20.10.119", "exclude 172.20.10.110-172.20.10.115"]


def test_exclusions_of_others_stay() -> None:
    assert actions(KIND, scope(exclusions={}), seen(KEPT_ROW)) == ()


def test_names_of_others_are_read_whatever_stands_in_them() -> None:
    assert seen(Name="x'; Remove-Item *").state.name == "x'; Remove-Item *"
    assert seen(Name=None).state.name == ""


def test_a_scope_of_a_switch_that_is_not_seen_yet_has_no_key_and_still_says_what_it_will_do() -> None:
    later = Later("edge-01/VirtualSwitch/Plant Bus", "ipAddress.network.network_address")
    spec = DhcpScope.model_construct(
        None, **{**scope().__dict__, "switchName": Existing(existing="Plant Bus"), "scopeId": later, "subnetMask": later, "router": later}
    )
    with pytest.raises(ValueError, match="Later"):
        KIND.key(spec)
    create, tell = KIND.converge(spec, None, Changes(), SERVER)
    assert create.calls[0].parameters["SubnetMask"] == later  # type: ignore[union-attr]
    assert tell.calls[0].parameters["Router"] == [later]  # type: ignore[union-attr]
    assert "(known after apply)" in tell.summary


def broken(rule: str, **more: Any) -> list[str]:
    return [one.field for one in findings(KIND, rule, StubWorld(declare("DhcpScope", eflow=scope(**more))))]


@pytest.mark.parametrize(
    ("rule", "more", "field"),
    [
        ("DHC001", {"endRange": "172.20.11.5"}, "endRange"),
        ("DHC001", {"startRange": "172.20.10.0"}, "startRange"),
        ("DHC002", {"startRange": "172.20.10.201"}, "startRange"),
        ("DHC003", {"router": "172.20.11.1"}, "router"),
        ("DHC004", {"router": "172.20.10.150"}, "router"),
        ("DHC005", {"dnsServer": None}, "dnsServer"),
        ("DHC005", {"dnsServer": []}, "dnsServer"),
        ("DHC006", {"exclusions": {"keep": {"startRange": "172.20.10.90", "endRange": "172.20.10.110"}}}, "exclusions.keep"),
        ("DHC007", {"router": "172.20.10.0"}, "router"),
        ("DHC007", {"router": "172.20.10.255"}, "router"),
        ("DHC008", {"scopeId": "172.20.10.1"}, "scopeId"),
        ("DHC009", {"exclusions": {**KEPT, "more": {"startRange": "172.20.10.119", "endRange": "172.20.10.130"}}}, "exclusions.more"),
    ],
)
def test_a_scope_that_does_not_fit_itself_is_refused(rule: str, more: dict[str, Any], field: str) -> None:
    assert broken(rule, **more) == [field]
    assert broken(rule) == []


def test_a_router_inside_the_range_is_let_through_once_it_is_excluded() -> None:
    kept = {"router": {"startRange": "172.20.10.150", "endRange": "172.20.10.150"}}
    assert broken("DHC004", router="172.20.10.150", exclusions=kept) == []
