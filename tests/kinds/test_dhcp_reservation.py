"""DhcpReservation: an address that is kept for a client, whichever way the client is spelled."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.calls import Later
from reconciler.core.ids import Key, ResourceId
from reconciler.core.kinds import Disruption
from reconciler.core.model import fields
from reconciler.core.observations import Present
from reconciler.core.resources import Resource
from reconciler.engine.diff import compare
from reconciler.kinds.dhcp_reservation import KIND, DhcpReservation, DhcpReservationState
from tests.kinds.host_world import NOTHING, SERVER, StubWorld, actions, called, declare, findings, removal, rows, sound_kind

ONE = "172.20.10.0/172.20.10.50"
ROW = {"ScopeId": "172.20.10.0", "IPAddress": "172.20.10.50", "ClientId": "00-15-5d-01-02-03", "Name": "printer", "Description": ""}


def reservation(**more: Any) -> DhcpReservation:
    written = {"name": "printer", "scope": "eflow", "scopeId": "172.20.10.0", "ipAddress": "172.20.10.50", "clientId": "00:15:5D:01:02:03"}
    return DhcpReservation.model_validate({**written, **more})


def seen(**more: Any) -> Present[DhcpReservationState]:
    (present,) = KIND.parse([rows({**ROW, **more})], SERVER).values()
    return present


def test_every_word_and_question_is_one_that_windows_knows() -> None:
    assert sound_kind(KIND, SERVER, [ONE]) == []


def test_every_managed_field_is_seen() -> None:
    assert {name for name, mark in fields(DhcpReservation).items() if mark.managed} <= set(DhcpReservationState.model_fields)


def test_each_scope_is_asked_once() -> None:
    asks = list(KIND.ask([Key(ONE), Key("172.20.10.0/172.20.10.51"), Key("later:dhcpreservation/x")], SERVER))
    assert [dict(ask.call.parameters) for ask in asks] == [{"ScopeId": "172.20.10.0"}]  # type: ignore[union-attr]
    assert asks[0].absent == ("DHCP 20005",)


def test_a_scope_without_reservations_has_none() -> None:
    assert KIND.parse([NOTHING], SERVER) == {}


def test_a_reservation_is_made_in_its_scope() -> None:
    (made,) = actions(KIND, reservation(description="label printer"), None)
    assert called(made) == [
        (
            "Add-DhcpServerv4Reservation",
            {
                "ScopeId": "172.20.10.0",
                "IPAddress": "172.20.10.50",
                "ClientId": "00-15-5D-01-02-03",
                "Name": "printer",
                "Description": "label printer",
            },
        )
    ]


@pytest.mark.parametrize("client", ["00-15-5d-01-02-03", "00155D010203", "00:15:5D:01:02:03"])
def test_what_is_as_declared_needs_nothing_however_the_client_is_spelled(client: str) -> None:
    assert KIND.key(reservation()) == ONE
    assert actions(KIND, reservation(), seen(ClientId=client)) == ()


def test_another_client_takes_the_address_in_place() -> None:
    (made,) = actions(KIND, reservation(clientId="00-15-5D-09-09-09"), seen())
    assert called(made) == [("Set-DhcpServerv4Reservation", {"IPAddress": "172.20.10.50", "ClientId": "00-15-5D-09-09-09"})]
    assert made.disruption is Disruption.LEASE_LOSS


def test_name_and_description_are_changed_without_harm() -> None:
    (made,) = actions(KIND, reservation(description="b"), seen(Name=None, Description="a"))
    assert called(made) == [("Set-DhcpServerv4Reservation", {"IPAddress": "172.20.10.50", "Name": "printer", "Description": "b"})]
    assert made.disruption is Disruption.NONE


def test_another_address_is_a_replace() -> None:
    wanted = reservation(ipAddress="172.20.10.51")
    found = compare(Resource(ResourceId("edge-01", "DhcpReservation", "eflow.printer"), KIND.key(wanted), wanted, {}), seen(), None, {})
    assert [(change.path, change.immutable) for change in found.changes.items] == [("ipAddress", True)]


def test_clients_of_others_need_not_be_mac_addresses() -> None:
    assert seen(ClientId="ff-aa-bb-cc-00-01-00-01-2a-2b").state.clientId == "ff-aa-bb-cc-00-01-00-01-2a-2b"
    assert seen(Name="x'; Remove-Item *").state.name == "x'; Remove-Item *"


def test_removing_names_the_address_as_seen_and_loses_nothing() -> None:
    (gone,) = removal(KIND, seen().state)
    assert called(gone) == [("Remove-DhcpServerv4Reservation", {"IPAddress": "172.20.10.50"})]
    assert gone.loses == ()


def test_a_reservation_of_a_scope_that_is_not_known_yet_has_no_key() -> None:
    later = Later("edge-01/VirtualSwitch/x", "ipAddress.network.network_address")
    with pytest.raises(ValueError, match="Later"):
        KIND.key(DhcpReservation.model_construct(None, **{**reservation().__dict__, "scopeId": later}))


def test_a_client_with_two_addresses_in_a_scope_is_refused() -> None:
    twice = declare("DhcpReservation", a=reservation(), b=reservation(ipAddress="172.20.10.51"))
    (found,) = findings(KIND, "DHC020", StubWorld(twice))
    assert (found.subject, found.also[0][0]) == ("edge-01/DhcpReservation/b", "edge-01/DhcpReservation/a")
    apart = declare("DhcpReservation", a=reservation(), b=reservation(scope="ot", ipAddress="172.20.10.51"))
    assert findings(KIND, "DHC020", StubWorld(apart)) == []
