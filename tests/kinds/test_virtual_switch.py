"""VirtualSwitch: a late adapter, an address that must be ours, and a line that must not be cut."""

from __future__ import annotations

from ipaddress import IPv4Interface
from typing import Any

import pytest

from reconciler.core.calls import Answer, Out
from reconciler.core.capabilities import HYPER_V
from reconciler.core.ids import Key
from reconciler.core.kinds import Disruption, NotSeen
from reconciler.core.model import fields
from reconciler.core.observations import Present
from reconciler.kinds.virtual_switch import KIND, VirtualSwitch, VirtualSwitchState
from tests.kinds.host_world import NOTHING, SERVER, StubWorld, actions, called, declare, failed, findings, removal, rows, sound_kind

NIC = "Intel(R) Ethernet Controller I210"
NIC2 = "Intel(R) Ethernet Controller I210 #2"
ADAPTERS = ({"Name": "Ethernet", "InterfaceDescription": NIC, "InterfaceIndex": 4}, {"Name": "Ethernet 2", "InterfaceDescription": NIC2, "InterfaceIndex": 5})
VNIC = {"Name": "vEthernet (eflow)", "InterfaceDescription": "Hyper-V Virtual Ethernet Adapter", "InterfaceIndex": 21}
LAN = {"IPAddress": "10.1.2.3", "PrefixLength": 24, "InterfaceAlias": "Ethernet", "PrefixOrigin": "Manual"}
LOOPBACK = {"IPAddress": "::1", "PrefixLength": 128, "InterfaceAlias": "Loopback Pseudo-Interface 1", "PrefixOrigin": "WellKnown"}
INTERNAL = {"Name": "eflow", "Id": "a", "SwitchType": "Internal", "AllowManagementOS": True, "NetAdapterInterfaceDescription": None}
EXTERNAL = {"Name": "eflow", "Id": "a", "SwitchType": "External", "AllowManagementOS": True, "NetAdapterInterfaceDescription": NIC2}
SESSION = rows({"LocalAddress": "10.1.2.3"}, {"LocalAddress": "::"})
DEFAULT = rows({"InterfaceAlias": "Ethernet"})


def address(text: str, origin: str = "Manual", alias: str = "vEthernet (eflow)") -> dict[str, Any]:
    ip, _, length = text.partition("/")
    return {"IPAddress": ip, "PrefixLength": int(length), "InterfaceAlias": alias, "PrefixOrigin": origin}


def look(*switches: dict[str, Any], adapters: Any = (*ADAPTERS, VNIC), addresses: Any = (), session: Answer = SESSION, routes: Answer = DEFAULT) -> Any:
    return KIND.parse([rows(*switches), rows(*adapters), rows(LAN, LOOPBACK, *addresses), session, routes], SERVER)


def seen(switch: dict[str, Any], **more: Any) -> Present[VirtualSwitchState]:
    (present,) = look(switch, **more).values()
    assert isinstance(present, Present)
    return present


def switch(**more: Any) -> VirtualSwitch:
    return VirtualSwitch.model_validate({"name": "eflow", "switchType": "Internal", "ipAddress": "172.20.10.1/24", **more})


def external(**more: Any) -> VirtualSwitch:
    return VirtualSwitch.model_validate({"name": "eflow", "switchType": "External", "netAdapterName": "Ethernet 2", "allowManagementOS": True, **more})


def test_every_word_and_question_is_one_that_windows_knows() -> None:
    assert sound_kind(KIND, SERVER) == []
    assert set(KIND.requires(switch())) == {HYPER_V}


def test_every_managed_field_is_seen() -> None:
    assert {name for name, mark in fields(VirtualSwitch).items() if mark.managed} <= set(VirtualSwitchState.model_fields)


def test_a_host_without_switches_has_none() -> None:
    assert look() == {}


def test_an_internal_switch_is_made_then_addressed_by_an_index_that_is_read_in_the_same_breath() -> None:
    create, place = actions(KIND, switch(), None)
    assert called(create) == [("New-VMSwitch", {"Name": "eflow", "SwitchType": "Internal"})]
    assert create.until == {"switchType": "Internal", "hostAdapter": "vEthernet (eflow)"}
    assert create.disruption is Disruption.NONE
    assert called(place) == [
        ("Get-NetAdapter", {"Name": "vEthernet (eflow)"}),
        ("New-NetIPAddress", {"InterfaceIndex": Out(0, "ifIndex"), "IPAddress": "172.20.10.1", "PrefixLength": 24}),
    ]
    assert place.until == {"ipAddress": IPv4Interface("172.20.10.1/24")}


def test_a_private_switch_waits_for_no_adapter_and_has_no_address() -> None:
    (create,) = actions(KIND, VirtualSwitch.model_validate({"name": "p", "switchType": "Private"}), None)
    assert "hostAdapter" not in create.until


def test_an_external_switch_is_bound_by_adapter_and_never_by_type() -> None:
    (create,) = actions(KIND, external(), None)
    assert called(create) == [("New-VMSwitch", {"Name": "eflow", "NetAdapterName": "Ethernet 2", "AllowManagementOS": True})]
    assert create.disruption is Disruption.SERVICE


@pytest.mark.parametrize("kind", ["Internal", 1, "1"])
def test_what_is_as_declared_needs_nothing(kind: Any) -> None:
    present = seen({**INTERNAL, "Name": "EFlow", "SwitchType": kind}, addresses=[address("172.20.10.1/24")])
    assert actions(KIND, switch(), present) == ()
    assert present.state.ifIndex == 21


def test_a_new_switch_with_a_self_given_address_has_none_yet_and_gets_ours_beside_it() -> None:
    present = seen(INTERNAL, addresses=[address("169.254.17.4/16", "WellKnown")])
    assert present.state.ipAddress is None
    (place,) = actions(KIND, switch(), present)
    assert [name for name, _ in called(place)] == ["Get-NetAdapter", "New-NetIPAddress"]


def test_a_switch_whose_adapter_is_not_there_yet_is_half_made() -> None:
    present = seen(INTERNAL, adapters=ADAPTERS)
    assert (present.state.hostAdapter, present.state.ifIndex) == (None, None)
    assert [one.name for one in actions(KIND, switch(), present)] == ["set address"]


def test_a_wrong_address_goes_before_ours_comes() -> None:
    present = seen(INTERNAL, addresses=[address("172.20.99.1/24")])
    (place,) = actions(KIND, switch(), present)
    assert [name for name, _ in called(place)] == ["Get-NetAdapter", "Remove-NetIPAddress", "New-NetIPAddress"]
    assert called(place)[1][1] == {"InterfaceIndex": Out(0, "ifIndex"), "IPAddress": "172.20.99.1"}
    assert place.disruption is Disruption.SERVICE


def test_our_address_with_another_prefix_is_taken_away_and_given_again() -> None:
    (place,) = actions(KIND, switch(), seen(INTERNAL, addresses=[address("172.20.10.1/16")]))
    assert [name for name, _ in called(place)] == ["Get-NetAdapter", "Remove-NetIPAddress", "New-NetIPAddress"]


def test_of_two_addresses_the_wrong_one_goes_and_ours_is_not_given_twice() -> None:
    present = seen(INTERNAL, addresses=[address("172.20.10.1/24"), address("10.9.9.9/24")])
    (place,) = actions(KIND, switch(), present)
    assert [name for name, _ in called(place)] == ["Get-NetAdapter", "Remove-NetIPAddress"]


def test_an_external_switch_is_known_by_its_adapters_description_and_not_made_anew() -> None:
    assert actions(KIND, external(), seen(EXTERNAL)) == ()
    assert actions(KIND, external(netAdapterName="ETHERNET 2"), seen(EXTERNAL)) == ()


def test_another_adapter_is_bound_in_place() -> None:
    (made,) = actions(KIND, external(), seen({**EXTERNAL, "NetAdapterInterfaceDescription": NIC}))
    assert called(made) == [("Set-VMSwitch", {"Name": "eflow", "NetAdapterName": "Ethernet 2", "AllowManagementOS": True})]
    assert made.disruption is Disruption.SERVICE


def test_an_adapter_that_is_gone_is_not_seen_and_no_drift() -> None:
    present = seen(EXTERNAL, adapters=[VNIC])
    assert "netAdapterName" in present.unseen
    assert actions(KIND, external(), present) == ()


def test_a_switch_that_carries_the_session_is_rebound_at_management_link_with_its_undo() -> None:
    present = seen({**EXTERNAL, "NetAdapterInterfaceDescription": NIC}, addresses=[address("10.7.7.7/24")], session=rows({"LocalAddress": "10.7.7.7"}))
    assert present.state.carriesSession
    (made,) = actions(KIND, external(), present)
    assert made.disruption is Disruption.MANAGEMENT_LINK
    assert dict(made.undo[0].parameters) == {"Name": "eflow", "NetAdapterInterfaceDescription": NIC, "AllowManagementOS": True}  # type: ignore[union-attr]


def test_the_host_taken_off_the_switch_it_is_spoken_to_through_is_management_link() -> None:
    present = seen(EXTERNAL, addresses=[address("10.7.7.7/24")], session=rows({"LocalAddress": "::ffff:10.7.7.7"}))
    (made,) = actions(KIND, external(allowManagementOS=False), present)
    assert made.disruption is Disruption.MANAGEMENT_LINK
    assert removal(KIND, present.state)[0].undo


def test_an_address_that_carries_the_session_is_changed_at_management_link() -> None:
    present = seen(EXTERNAL, addresses=[address("10.7.7.7/24")], session=rows({"LocalAddress": "10.7.7.7"}))
    (made,) = actions(KIND, external(ipAddress="10.7.7.8/24"), present)
    assert made.disruption is Disruption.MANAGEMENT_LINK
    assert made.undo


def test_without_a_connection_to_see_the_default_route_decides_and_without_that_any_address() -> None:
    moved = [address("10.7.7.7/24", "Dhcp")]
    assert seen(EXTERNAL, addresses=moved, session=failed("CmdletizationQuery_NotFound_LocalPort,Get-NetTCPConnection")).state.carriesSession is False
    by_route = rows({"InterfaceAlias": "vEthernet (eflow)"})
    assert seen(EXTERNAL, addresses=moved, session=NOTHING, routes=by_route).state.carriesSession
    assert seen(EXTERNAL, addresses=moved, session=NOTHING, routes=failed("CmdletizationQuery_NotFound_DestinationPrefix,Get-NetRoute")).state.carriesSession
    assert not seen(INTERNAL, addresses=[address("172.20.10.1/24")], session=NOTHING, routes=NOTHING).state.carriesSession


def test_an_address_that_was_leased_counts_where_none_is_set_by_hand() -> None:
    assert seen(EXTERNAL, addresses=[address("10.7.7.7/24", "Dhcp")]).state.ipAddress == IPv4Interface("10.7.7.7/24")
    assert seen(EXTERNAL, addresses=[address("10.7.7.7/24", "Dhcp"), address("10.8.8.8/24")]).state.ipAddress == IPv4Interface("10.8.8.8/24")


def test_names_of_others_are_read_whatever_stands_in_them() -> None:
    found = look({**INTERNAL, "Name": "x'; Remove-Item *[a]\u202e"}, {**INTERNAL, "Name": "Default Switch", "Id": "b"})
    assert len(found) == 2


def test_two_switches_of_one_name_are_one_with_a_twin() -> None:
    (present,) = look({**INTERNAL, "Id": "b"}, INTERNAL).values()
    assert present.state.twins == 1
    assert removal(KIND, present.state)[0].loses


def test_removing_names_the_switch_as_seen_and_loses_nothing() -> None:
    (gone,) = removal(KIND, seen({**INTERNAL, "Name": "EFlow"}).state)
    assert called(gone) == [("Remove-VMSwitch", {"Name": "EFlow", "Force": True})]
    assert (gone.disruption, gone.loses) == (Disruption.SERVICE, ())


def test_the_default_switch_is_known_and_never_removed() -> None:
    assert KIND.known == ("Default Switch",)
    assert removal(KIND, seen({**INTERNAL, "Name": "Default Switch"}).state) == ()


def world(spec: VirtualSwitch, *there: dict[str, Any], **more: Any) -> StubWorld:
    found = {key: present.state for key, present in look(*there).items()}
    answers = {
        "Get-NetIPAddress": rows(LAN, LOOPBACK),
        "Get-NetTCPConnection": SESSION,
        "Get-NetRoute": DEFAULT,
        "Get-NetAdapter": rows(*ADAPTERS, VNIC),
    }
    return StubWorld(declare("VirtualSwitch", eflow=spec), **{"now": {"VirtualSwitch": found}, "answers": answers, **more})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"switchType": "External"}, "switchType"),
        ({"switchType": "Internal", "netAdapterName": "Ethernet 2"}, "netAdapterName"),
        ({"switchType": "Internal", "allowManagementOS": False}, "allowManagementOS"),
        ({"switchType": "Private", "allowManagementOS": True}, "allowManagementOS"),
        ({"switchType": "Private", "ipAddress": "172.20.10.1/24"}, "ipAddress"),
        ({"switchType": "External", "netAdapterName": "Ethernet 2", "allowManagementOS": False, "ipAddress": "172.20.10.1/24"}, "ipAddress"),
    ],
)
def test_fields_that_do_not_fit_the_type_are_refused(fields: dict[str, Any], field: str) -> None:
    spec = VirtualSwitch.model_validate({"name": "eflow", **fields})
    assert [one.field for one in findings(KIND, "HYP011", StubWorld(declare("VirtualSwitch", eflow=spec)))] == [field]


def test_fields_that_fit_are_let_through() -> None:
    for spec in (switch(), external(), external(ipAddress="10.1.9.9/24")):
        assert findings(KIND, "HYP011", StubWorld(declare("VirtualSwitch", eflow=spec))) == []


def test_the_adapter_of_the_session_is_not_bound_and_another_is() -> None:
    assert [one.field for one in findings(KIND, "HYP012", world(external(netAdapterName="ethernet")))] == ["netAdapterName"]
    assert findings(KIND, "HYP012", world(external())) == []
    assert findings(KIND, "HYP012", world(external(netAdapterName="Ethernet"), {**EXTERNAL, "NetAdapterInterfaceDescription": NIC})) == []
    with pytest.raises(NotSeen):
        findings(KIND, "HYP012", StubWorld(declare("VirtualSwitch", eflow=external())))


def test_an_adapter_that_is_not_there_is_refused_with_those_that_are() -> None:
    (found,) = findings(KIND, "HYP013", world(external(netAdapterName="Ethernet 3")))
    assert "Ethernet, Ethernet 2" in found.help
    assert "vEthernet" not in found.help
    assert findings(KIND, "HYP013", world(external())) == []


def test_an_adapter_serves_one_switch() -> None:
    assert len(findings(KIND, "HYP014", world(external(name="other"), EXTERNAL))) == 1
    assert findings(KIND, "HYP014", world(external(), EXTERNAL)) == []


def test_two_switches_of_the_declared_name_are_refused() -> None:
    assert len(findings(KIND, "HYP015", world(switch(), INTERNAL, {**INTERNAL, "Id": "b"}))) == 1
    assert findings(KIND, "HYP015", world(switch(), INTERNAL)) == []


@pytest.mark.parametrize("text", ["169.254.1.1/16", "127.0.0.1/8", "224.0.0.1/24", "172.20.10.0/24", "172.20.10.255/24"])
def test_an_address_that_no_network_can_use_is_refused(text: str) -> None:
    assert len(findings(KIND, "NET001", world(switch(ipAddress=text)))) == 1
    assert findings(KIND, "NET001", world(switch())) == []


def test_two_switches_in_one_network_are_refused() -> None:
    things = declare("VirtualSwitch", a=switch(name="a"), b=switch(name="b", ipAddress="172.20.0.1/16"))
    assert [one.subject for one in findings(KIND, "NET002", StubWorld(things))] == ["edge-01/VirtualSwitch/b"]
    assert findings(KIND, "NET002", world(switch())) == []


def test_an_address_that_stands_elsewhere_is_refused() -> None:
    assert len(findings(KIND, "NET003", world(switch(ipAddress="10.1.2.3/24")))) == 1
    other = {Key("old"): seen({**INTERNAL, "Name": "old"}, addresses=[address("172.20.10.1/24", alias="vEthernet (old)")]).state}
    assert len(findings(KIND, "NET003", world(switch(), end={"VirtualSwitch": other}))) == 1
    assert findings(KIND, "NET003", world(switch())) == []
