"""What the author of a faulty kind is told: the kind, the function, and that no host was touched for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio
import pytest

from reconciler.core.calls import Cmdlet
from reconciler.core.errors import Defect
from reconciler.core.kinds import Kind, Registry
from reconciler.core.model import Model
from reconciler.emulator.estate import Estate
from reconciler.kinds import nat_network
from tests.engine.lab import FLEET, REGISTRY, Lab, host, lab, linked

SWITCHED = FLEET + host(
    "edge-01",
    """
    WindowsFeature/Hyper-V: {}
    VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}
    """,
)
SPECS = SWITCHED + "    NatNetwork/eflow: {switchName: eflow}\n"


def with_nat(kind: Kind[Any, Any]) -> Registry:
    return Registry([kind if each.name == "NatNetwork" else each for each in REGISTRY.values()], REGISTRY.rules)


async def tried(kind: Kind[Any, Any]) -> tuple[Lab, Any]:
    """A host with its switch, on which the kind is to make its NAT."""
    before = lab(SWITCHED)
    await before.apply()
    registry = with_nat(kind)
    here = Lab(linked(SPECS, registry), before.estate, registry)
    return here, await here.apply()


def said(report: Any) -> str:
    return " ".join(text for each in report.hosts for d in each.diagnostics for _, text in d.details)


def test_a_call_that_windows_does_not_know_is_never_sent() -> None:
    odd = Cmdlet("New-NetNat", ("Name", "Prefix"))

    def converge(want: Any, now: Any, changes: Any, facts: Any) -> Any:
        for action in nat_network.converge(want, now, changes, facts):
            yield replace(action, calls=(odd(Name="eflow", Prefix="172.20.10.0/24"),))

    here, report = anyio.run(tried, replace(nat_network.KIND, converge=converge))
    assert report.exit_code == 1
    assert "Prefix" in said(report)
    assert "defect of the kind NatNetwork" in said(report)
    assert here.effects("edge-01", "New-NetNat") == []


def test_a_word_that_the_vocabulary_lacks_is_named_as_such() -> None:
    here, report = anyio.run(tried, replace(nat_network.KIND, words=tuple(w for w in nat_network.KIND.words if w is not nat_network.NEW)))
    assert "New-NetNat is not among the words of the kind NatNetwork" in said(report)
    assert here.effects("edge-01", "New-NetNat") == []


def test_a_key_that_cannot_be_told_is_a_defect_and_no_absence() -> None:
    with pytest.raises(Defect, match="the kind NatNetwork cannot tell the key of edge-01/NatNetwork/eflow"):
        linked(SPECS, with_nat(replace(nat_network.KIND, key=lambda spec: spec.nam.casefold())))


def test_a_state_without_the_twin_of_a_managed_field_is_refused_before_anything_runs() -> None:
    class Bare(Model):
        name: str

    with pytest.raises(Defect, match="NatNetwork manages internalIPInterfaceAddressPrefix, staticMappings, and its state Bare"):
        with_nat(replace(nat_network.KIND, state=Bare))  # type: ignore[arg-type]


def test_what_was_awaited_and_what_is_seen_are_both_told() -> None:
    def converge(want: Any, now: Any, changes: Any, facts: Any) -> Any:
        for action in nat_network.converge(want, now, changes, facts):
            yield replace(action, until={"name": "other"})

    _, report = anyio.run(tried, replace(nat_network.KIND, converge=converge))
    assert "name other was awaited, eflow is seen" in said(report)


def test_servers_that_were_leased_come_back_when_an_adapter_is_reset() -> None:
    estate: Estate = lab(SWITCHED).estate
    estate.run("edge-01", "Set-DnsClientServerAddress -InterfaceAlias Ethernet -ServerAddresses 10.9.9.9")
    adapter = estate.machine("edge-01").adapters[0]
    assert adapter.dns == ["10.9.9.9"]
    adapter.dhcp, adapter.gateway = True, "10.0.0.1"
    estate.run("edge-01", "Set-DnsClientServerAddress -InterfaceAlias Ethernet -ResetServerAddresses")
    assert adapter.dns == ["10.0.0.1"]
