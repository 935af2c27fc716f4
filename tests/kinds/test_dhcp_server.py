"""DhcpServer: a role that is installed is not one that is set up, and it answers on more networks than one would think."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.capabilities import DHCP_SERVER
from reconciler.core.kinds import Disruption, NotSeen
from reconciler.core.observations import Present
from reconciler.kinds.dhcp_server import KEY, KIND, DhcpServer, DhcpServerState, Switches
from tests.kinds.host_world import NOTHING, SERVER, StubWorld, actions, called, declare, findings, rows, sound_kind

READY = rows({"Name": "DHCP", "PostConfigurationNeeded": False})
RAW = rows({"Name": "DHCP", "PostConfigurationNeeded": True})
ALONE = rows({"IsDomainJoined": False, "IsAuthorized": True})


def bound(*aliases: str) -> Any:
    unbound = {"InterfaceAlias": "vEthernet (spare)", "BindingState": False}
    return rows(*({"InterfaceAlias": alias, "BindingState": True} for alias in aliases), unbound)


def seen(*aliases: str, setting: Any = ALONE) -> Present[DhcpServerState]:
    return KIND.parse([READY, setting, bound(*aliases)], SERVER)[KEY]


def server(**more: Any) -> DhcpServer:
    return DhcpServer.model_validate(more)


def domain(authorized: bool) -> Any:
    return rows({"IsDomainJoined": True, "IsAuthorized": authorized})


def test_every_word_and_question_is_one_that_windows_knows() -> None:
    assert sound_kind(KIND, SERVER) == []
    assert set(KIND.requires(server())) == {DHCP_SERVER}
    assert KIND.singleton
    assert KIND.keep


def test_a_role_that_is_not_set_up_is_not_there() -> None:
    assert KIND.parse([RAW, ALONE, bound("Ethernet")], SERVER) == {}
    assert KIND.parse([NOTHING, NOTHING, NOTHING], SERVER) == {}


def test_setting_up_makes_groups_binds_restarts_and_tells_server_manager_last() -> None:
    (made,) = actions(KIND, server(bindings=["eflow"]), None)
    assert [name for name, _ in called(made)] == ["Add-DhcpServerSecurityGroup", "Set-DhcpServerv4Binding", "Restart-Service", "Set-ItemProperty"]
    assert called(made)[1][1] == {"InterfaceAlias": ["vEthernet (eflow)"], "BindingState": True}
    assert made.until == {"configured": True}


def test_a_server_that_answers_where_it_should_needs_nothing_in_any_order() -> None:
    assert actions(KIND, server(bindings=["ot", "eflow"]), seen("vEthernet (EFLOW)", "vEthernet (ot)")) == ()
    assert actions(KIND, server(bindings=["ot", "eflow"]), seen("vEthernet (ot)", "vEthernet (eflow)")) == ()
    assert actions(KIND, server(), seen("Ethernet")) == ()


def test_a_server_that_answers_on_the_lan_is_taken_off_it() -> None:
    made = actions(KIND, server(bindings=["eflow"]), seen("Ethernet", "vEthernet (eflow)"))
    assert called(*made) == [("Set-DhcpServerv4Binding", {"InterfaceAlias": ["Ethernet"], "BindingState": False})]
    assert made[0].disruption is Disruption.SERVICE


def test_a_switch_where_it_does_not_answer_is_bound_first() -> None:
    made = actions(KIND, server(bindings=["eflow"]), seen("Ethernet"))
    assert [one.name for one in made] == ["bind", "unbind"]


def test_an_adapter_is_never_taken_for_a_switch_of_its_name() -> None:
    assert seen("Ethernet", "vEthernet (Ethernet)").state.bindings == ("Ethernet", "adapter Ethernet")


def test_switches_have_no_order() -> None:
    one, other = Switches(seen("vEthernet (a)", "vEthernet (b)").state.bindings), ("b", "a")
    assert one == other
    assert other == one
    assert (other != one) is False
    assert hash(one) == hash(Switches(seen("vEthernet (B)", "vEthernet (A)").state.bindings))
    assert one != ("a",)


def test_authorization_is_given_and_withdrawn_only_where_it_is_declared() -> None:
    assert actions(KIND, server(), seen(setting=domain(False))) == ()
    assert called(*actions(KIND, server(authorizedInDC=True), seen(setting=domain(False)))) == [("Add-DhcpServerInDC", {})]
    assert actions(KIND, server(authorizedInDC=True), seen(setting=domain(True))) == ()
    assert called(*actions(KIND, server(authorizedInDC=False), seen(setting=domain(True)))) == [("Remove-DhcpServerInDC", {})]
    assert [one.name for one in actions(KIND, server(authorizedInDC=True), None)] == ["configure", "authorize"]


def test_a_workgroup_host_is_not_authorized_whatever_windows_says() -> None:
    assert seen().state.authorizedInDC is False


def test_it_can_only_be_forgotten() -> None:
    assert KIND.delete is None


def world(spec: DhcpServer, setting: Any) -> StubWorld:
    return StubWorld(declare("DhcpServer", it=spec), answers={"Get-DhcpServerSetting": setting})


def test_a_server_of_a_domain_that_leases_nothing_is_warned_of() -> None:
    assert len(findings(KIND, "DHC010", world(server(), domain(False)))) == 1
    assert findings(KIND, "DHC010", world(server(), domain(True))) == []
    assert findings(KIND, "DHC010", world(server(authorizedInDC=False), domain(False))) == []
    with pytest.raises(NotSeen):
        findings(KIND, "DHC010", StubWorld(declare("DhcpServer", it=server())))


def test_authorization_without_a_domain_is_refused() -> None:
    assert len(findings(KIND, "DHC011", world(server(authorizedInDC=True), ALONE))) == 1
    assert findings(KIND, "DHC011", world(server(authorizedInDC=True), domain(False))) == []
    assert findings(KIND, "DHC011", world(server(authorizedInDC=True), NOTHING)) == []
