"""NatNetwork: a prefix that cannot be changed, ports that can, and everybody else's NATs."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from reconciler.core.calls import Later
from reconciler.core.changes import Changes
from reconciler.core.ids import Key
from reconciler.core.kinds import Disruption, NotSeen
from reconciler.core.model import Existing
from reconciler.core.observations import Present
from reconciler.kinds.nat_network import KIND, NatNetwork, NatNetworkState
from tests.kinds.host_world import NOTHING, SERVER, SERVER_2016, StubWorld, actions, called, declare, findings, removal, rows, sound_kind

OPCUA = {"protocol": "tcp", "externalPort": 4840, "internalIPAddress": "172.20.10.2", "internalPort": 4840}
NAT = {"Name": "eflow", "InternalIPInterfaceAddressPrefix": "172.20.10.0/24"}
MAPPING = {
    "NatName": "eflow",
    "StaticMappingID": 0,
    "Protocol": "TCP",
    "ExternalIPAddress": "0.0.0.0",
    "ExternalPort": 4840,
    "InternalIPAddress": "172.20.10.2",
    "InternalPort": 4840,
}


def nat(**more: Any) -> NatNetwork:
    return NatNetwork.model_validate({"name": "eflow", "switchName": "eflow", "internalIPInterfaceAddressPrefix": "172.20.10.0/24", **more})


def seen(*mappings: dict[str, Any], **more: Any) -> Present[NatNetworkState]:
    (present,) = KIND.parse([rows({**NAT, **more}), rows(*mappings)], SERVER).values()
    return present


def test_every_word_and_question_is_one_that_windows_knows() -> None:
    assert sound_kind(KIND, SERVER) == []


def test_a_host_without_nats_has_none() -> None:
    assert KIND.parse([NOTHING, NOTHING], SERVER) == {}


def test_a_nat_is_made_by_name_and_prefix_then_published() -> None:
    made = actions(KIND, nat(staticMappings={"opcua": OPCUA}), None)
    assert [one.name for one in made] == ["create", "publish TCP 4840"]
    assert called(*made) == [
        ("New-NetNat", {"Name": "eflow", "InternalIPInterfaceAddressPrefix": "172.20.10.0/24"}),
        (
            "Add-NetNatStaticMapping",
            {
                "NatName": "eflow",
                "Protocol": "TCP",
                "ExternalIPAddress": "0.0.0.0",
                "ExternalPort": 4840,
                "InternalIPAddress": "172.20.10.2",
                "InternalPort": 4840,
            },
        ),
    ]


@pytest.mark.parametrize("protocol", ["TCP", "tcp", 6, "6"])
def test_what_is_as_declared_needs_nothing_however_windows_spells_it(protocol: Any) -> None:
    assert actions(KIND, nat(staticMappings={"opcua": OPCUA}), seen({**MAPPING, "Protocol": protocol})) == ()
    assert actions(KIND, NatNetwork.model_validate({"name": "EFLOW", "internalIPInterfaceAddressPrefix": "172.20.10.0/24"}), seen()) == ()


def test_host_bits_in_a_prefix_are_read_as_its_network() -> None:
    assert seen(InternalIPInterfaceAddressPrefix="172.20.10.1/24").state.internalIPInterfaceAddressPrefix == IPv4Network("172.20.10.0/24")


def test_a_re_pointed_port_is_unpublished_by_its_number_and_published_again() -> None:
    wanted = nat(staticMappings={"opcua": OPCUA})
    made = actions(KIND, wanted, seen({**MAPPING, "StaticMappingID": 7, "InternalIPAddress": "172.20.10.9"}))
    assert [one.name for one in made] == ["unpublish TCP 4840", "publish TCP 4840"]
    assert called(made[0]) == [("Remove-NetNatStaticMapping", {"NatName": "eflow", "StaticMappingID": 7})]
    assert made[0].disruption is Disruption.SERVICE


def test_ports_of_others_stay_and_go_only_where_the_resource_is_exclusive() -> None:
    foreign = {**MAPPING, "ExternalPort": 22, "InternalPort": 22, "StaticMappingID": 3}
    wanted = nat(staticMappings={"opcua": OPCUA})
    assert actions(KIND, wanted, seen(MAPPING, foreign)) == ()
    assert [one.name for one in actions(KIND, wanted, seen(MAPPING, foreign), exclusive=True)] == ["unpublish TCP 22"]


def test_a_port_that_is_no_longer_declared_is_unpublished() -> None:
    made = actions(KIND, nat(staticMappings={}), seen(MAPPING), was=nat(staticMappings={"opcua": OPCUA}))
    assert [one.name for one in made] == ["unpublish TCP 4840"]


def test_a_half_made_nat_gets_the_port_that_is_missing() -> None:
    assert [one.name for one in actions(KIND, nat(staticMappings={"opcua": OPCUA}), seen())] == ["publish TCP 4840"]


def test_nats_and_mappings_of_others_are_read_whatever_stands_in_them() -> None:
    odd = {"Name": "nat'; Remove-Item C:\\ *", "InternalIPInterfaceAddressPrefix": None}
    found = KIND.parse(
        [rows(odd, {"Name": "v6", "InternalIPInterfaceAddressPrefix": "fd00::/64"}), rows({**MAPPING, "NatName": "v6", "InternalIPAddress": "fd00::2"})], SERVER
    )
    assert found[Key(odd["Name"].casefold())].state.internalIPInterfaceAddressPrefix is None  # type: ignore[union-attr]
    assert "internalIPInterfaceAddressPrefix" in found[Key("v6")].unseen
    assert found[Key("v6")].state.staticMappings[0].internalIPAddress == "fd00::2"


def test_a_prefix_known_only_later_goes_into_the_call_and_not_into_words() -> None:
    later = Later("edge-01/VirtualSwitch/Plant Bus", "ipAddress.network")
    unknown: dict[str, Any] = {"switchName": Existing(existing="Plant Bus"), "internalIPInterfaceAddressPrefix": later}
    spec = NatNetwork.model_construct(None, **{**nat().__dict__, **unknown})
    (made,) = KIND.converge(spec, None, Changes(), SERVER)
    assert made.calls[0].parameters["InternalIPInterfaceAddressPrefix"] == later  # type: ignore[union-attr]
    assert "(known after apply)" in made.summary


def test_removing_names_the_nat_as_seen_and_what_is_lost() -> None:
    (gone,) = removal(KIND, seen(MAPPING, Name="EFlow").state)
    assert called(gone) == [("Remove-NetNat", {"Name": "EFlow"})]
    assert gone.loses == ("published port TCP 4840 (to 172.20.10.2:4840)",)
    assert removal(KIND, seen().state)[0].loses == ()


def world(spec: NatNetwork, **more: Any) -> StubWorld:
    return StubWorld(declare("NatNetwork", eflow=spec), **{"end": {"NatNetwork": {Key("eflow"): seen().state}}, **more})


def other(prefix: str) -> NatNetworkState:
    return seen(Name="docker-nat", InternalIPInterfaceAddressPrefix=prefix).state


def test_a_second_nat_is_warned_of_and_refused_on_the_release_that_works_with_one() -> None:
    end = {"NatNetwork": {Key("eflow"): seen().state, Key("docker-nat"): other("172.30.0.0/20")}}
    assert len(findings(KIND, "NET010", world(nat(), end=end))) == 1
    assert findings(KIND, "NET010", world(nat())) == []
    assert findings(KIND, "NET011", world(nat(), end=end)) == []
    assert len(findings(KIND, "NET011", world(nat(), end=end, known=SERVER_2016))) == 1


def test_a_nat_over_self_given_addresses_is_refused() -> None:
    assert len(findings(KIND, "NET012", world(nat(internalIPInterfaceAddressPrefix="169.254.0.0/16")))) == 1
    assert findings(KIND, "NET012", world(nat())) == []


def test_a_nat_that_overlaps_somebody_elses_is_refused() -> None:
    end = {"NatNetwork": {Key("eflow"): seen().state, Key("lab"): other("172.20.0.0/16")}}
    assert len(findings(KIND, "NET013", world(nat(), end=end))) == 1
    assert findings(KIND, "NET013", world(nat())) == []
    with pytest.raises(NotSeen):
        findings(KIND, "NET013", StubWorld(declare("NatNetwork", eflow=nat())))


def test_two_declared_nats_that_overlap_are_refused_with_both_places() -> None:
    things = declare("NatNetwork", a=nat(), b=nat(name="b", internalIPInterfaceAddressPrefix="172.20.0.0/16"))
    (found,) = findings(KIND, "NET014", StubWorld(things))
    assert (found.subject, found.also[0][0]) == ("edge-01/NatNetwork/b", "edge-01/NatNetwork/a")
    assert findings(KIND, "NET014", StubWorld(declare("NatNetwork", a=nat()))) == []


def test_a_nat_over_the_hosts_own_lan_is_refused_and_over_its_own_switch_is_not() -> None:
    def answers(address: str, alias: str) -> Any:
        return {
            "Get-NetIPAddress": rows(
                {"IPAddress": address, "PrefixLength": 24, "InterfaceAlias": alias}, {"IPAddress": "::1", "PrefixLength": 128, "InterfaceAlias": "lo"}
            )
        }

    assert len(findings(KIND, "NET015", world(nat(), answers=answers("172.20.10.7", "Ethernet")))) == 1
    assert len(findings(KIND, "NET015", world(nat(switchName="other"), answers=answers("172.20.0.1", "vEthernet (eflow)")))) == 0
    assert findings(KIND, "NET015", world(nat(), answers=answers("172.20.10.1", "vEthernet (eflow)"))) == []
    assert findings(KIND, "NET015", world(nat(), answers=answers("10.1.2.3", "Ethernet"))) == []


def test_the_ranges_of_docker_in_the_guest_are_warned_of() -> None:
    assert len(findings(KIND, "NET016", world(nat(internalIPInterfaceAddressPrefix="172.18.4.0/24")))) == 1
    assert findings(KIND, "NET016", world(nat())) == []


def test_a_port_that_leads_out_of_the_nat_is_refused() -> None:
    wrong = nat(staticMappings={"opcua": {**OPCUA, "internalIPAddress": "10.0.0.2"}})
    (found,) = findings(KIND, "NET017", world(wrong))
    assert found.field == "staticMappings.opcua.internalIPAddress"
    assert findings(KIND, "NET017", world(nat(staticMappings={"opcua": OPCUA}))) == []
    assert IPv4Address("172.20.10.2") in nat().internalIPInterfaceAddressPrefix
