"""NatNetwork: a WinNAT network behind an internal switch, with its published ports.

Inconvenient: no cmdlet changes the internal prefix, so a change is a replace (it loses nothing but the published ports, which
come back with it); `New-NetNat` answers one error id for a duplicate, an overlap and a bad value, so overlaps are rules;
protocol and flags come as text or as numbers; a NAT does not know its switch, so the switch's name is not compared.
A NAT is only ever touched by its own name: never `Get-NetNat | Remove-NetNat`.

Sources: eflow-domain 3 and 5, windows-outputs Get-NetNat, Get-NetNatStaticMapping and errors.writes.
Unverified: whether host bits of a prefix are kept as given (read tolerantly); several NATs on one host.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from reconciler.core.addresses import ipv4, ipv4_network_around
from reconciler.core.calls import Answer, Call, Cmdlet
from reconciler.core.capabilities import WINNAT
from reconciler.core.changes import Changes
from reconciler.core.fieldtypes import SeenName, WindowsName
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Disruption, Kind, span
from reconciler.core.model import HOW, IMMUTABLE, KEYED, Existing, From, Model, Ref
from reconciler.core.observations import Ask, Facts, Present
from reconciler.kinds._host_network import GET_ADDRESS
from reconciler.kinds._later import shown, text
from reconciler.kinds._nat_network_rules import RULES

GET = Cmdlet("Get-NetNat")
GET_MAPPING = Cmdlet("Get-NetNatStaticMapping")
NEW = Cmdlet("New-NetNat", ("Name", "InternalIPInterfaceAddressPrefix"))
REMOVE = Cmdlet("Remove-NetNat", ("Name",))
PUBLISH = Cmdlet("Add-NetNatStaticMapping", ("NatName", "Protocol", "ExternalIPAddress", "ExternalPort", "InternalIPAddress", "InternalPort"))
UNPUBLISH = Cmdlet("Remove-NetNatStaticMapping", ("NatName", "StaticMappingID"))

MAPPING = ("NatName", "StaticMappingID", "Protocol", "ExternalIPAddress", "ExternalPort", "InternalIPAddress", "InternalPort")

ANY = IPv4Address("0.0.0.0")


def protocol(value: Any) -> str:
    """TCP or UDP, from a name in any case or from the IP protocol number (windows-outputs trap 17)."""
    return {"6": "TCP", "17": "UDP"}.get(str(value), str(value).upper())


Protocol = Annotated[Literal["TCP", "UDP"], BeforeValidator(protocol)]
Port = Annotated[int, Field(ge=1, le=65535)]


class StaticMapping(Model):
    """A port of the host that leads to a port behind the NAT."""

    protocol: Protocol
    externalPort: Port
    internalIPAddress: IPv4Address
    internalPort: Port
    externalIPAddress: IPv4Address = ANY


class StaticMappingSeen(Model):
    """A mapping as the host has it, with the number that Windows gave it."""

    id: int
    protocol: str
    externalPort: int
    internalIPAddress: IPv4Address | str
    internalPort: int
    externalIPAddress: IPv4Address | str


class NatNetwork(Model):
    """WinNAT for the network of a switch."""

    name: Annotated[WindowsName, From("metadata.name")]
    switchName: Annotated[WindowsName | Existing | None, Ref("VirtualSwitch"), HOW] = None
    internalIPInterfaceAddressPrefix: Annotated[IPv4Network, From("switchName.ipAddress.network"), IMMUTABLE]
    staticMappings: Annotated[Mapping[str, StaticMapping] | None, KEYED("protocol", "externalPort")] = None


class NatNetworkState(Model):
    """A NAT as the host has it."""

    name: SeenName
    internalIPInterfaceAddressPrefix: IPv4Network | None
    staticMappings: tuple[StaticMappingSeen, ...]


def key(spec: NatNetwork) -> Key:
    return Key(spec.name.casefold())


ASKS = (Ask(GET(select=("Name", "InternalIPInterfaceAddressPrefix")), requires=WINNAT), Ask(GET_MAPPING(select=MAPPING), requires=WINNAT))


def ask(keys: Collection[Key], facts: Facts) -> Iterable[Ask]:
    return ASKS


def parse(answers: Sequence[Answer], facts: Facts) -> Mapping[Key, Present[NatNetworkState]]:
    nats, mappings = answers
    by_nat: dict[str, list[StaticMappingSeen]] = {}
    for row in mappings.objects:
        by_nat.setdefault(str(row["NatName"]).casefold(), []).append(_mapping(row))
    return dict(_present(row, by_nat) for row in nats.objects)


def _present(row: Mapping[str, Any], by_nat: Mapping[str, list[StaticMappingSeen]]) -> tuple[Key, Present[NatNetworkState]]:
    name = SeenName(row["Name"])
    prefix, why = _prefix(row["InternalIPInterfaceAddressPrefix"])
    mappings = sorted(by_nat.get(name.casefold(), ()), key=lambda one: one.id)
    state = NatNetworkState(name=name, internalIPInterfaceAddressPrefix=prefix, staticMappings=tuple(mappings))
    return Key(name.casefold()), Present(state, unseen={"internalIPInterfaceAddressPrefix": why} if why else {})


def _prefix(value: Any) -> tuple[IPv4Network | None, str]:
    """The prefix, and why it could not be read; a NAT may have none."""
    if not value:
        return None, ""
    try:
        return ipv4_network_around(str(value)), ""
    except ValueError:
        return None, f"{value} is no IPv4 prefix"


def _mapping(row: Mapping[str, Any]) -> StaticMappingSeen:
    return StaticMappingSeen(
        id=int(row["StaticMappingID"]),
        protocol=protocol(row["Protocol"]),
        externalPort=int(row["ExternalPort"]),
        internalIPAddress=_address(row["InternalIPAddress"]),
        internalPort=int(row["InternalPort"]),
        externalIPAddress=_address(row["ExternalIPAddress"]),
    )


def _address(value: Any) -> IPv4Address | str:
    """An IPv4 address, also where a prefix length trails it; what others put there stays text."""
    try:
        return ipv4(str(value).partition("/")[0])
    except ValueError:
        return str(value)


def converge(want: NatNetwork, now: NatNetworkState | None, changes: Changes[NatNetworkState], facts: Facts) -> Iterable[Action]:
    prefix = want.internalIPInterfaceAddressPrefix
    if now is None:
        call = NEW(Name=str(want.name), InternalIPInterfaceAddressPrefix=text(prefix))
        yield Action("create", f"create NAT {want.name} for {shown(prefix)}", (call,), usual=span(2, 5), until={"name": want.name})
    for gone in changes.removed("staticMappings"):
        what = f"unpublish {gone.protocol} {gone.externalPort}"
        yield Action(
            what, f"{what} (to {gone.internalIPAddress}:{gone.internalPort})", (_unpublish(want, gone),), usual=span(1, 3), disruption=Disruption.SERVICE
        )
    for new in changes.added("staticMappings"):
        what = f"publish {new.protocol} {new.externalPort}"
        yield Action(what, f"{what} as {new.internalIPAddress}:{new.internalPort}", (_publish(want, new),), usual=span(1, 3))


def _unpublish(want: NatNetwork, gone: StaticMappingSeen) -> Call:
    return UNPUBLISH(NatName=str(want.name), StaticMappingID=gone.id)


def _publish(want: NatNetwork, new: StaticMapping) -> Call:
    return PUBLISH(
        NatName=str(want.name),
        Protocol=new.protocol,
        ExternalIPAddress=text(new.externalIPAddress),
        ExternalPort=new.externalPort,
        InternalIPAddress=text(new.internalIPAddress),
        InternalPort=new.internalPort,
    )


def delete(now: NatNetworkState, facts: Facts) -> Iterable[Action]:
    yield Action(
        "remove",
        f"remove NAT {now.name}",
        (REMOVE(Name=str(now.name)),),
        usual=span(2, 5),
        disruption=Disruption.SERVICE,
        loses=tuple(f"published port {one.protocol} {one.externalPort} (to {one.internalIPAddress}:{one.internalPort})" for one in now.staticMappings),
    )


KIND = Kind(
    NatNetwork,
    NatNetworkState,
    key=key,
    ask=ask,
    parse=parse,
    converge=converge,
    delete=delete,
    requires=lambda spec: (WINNAT,),
    rules=RULES,
    words=(GET, GET_MAPPING, NEW, REMOVE, PUBLISH, UNPUBLISH, GET_ADDRESS),
    title="a WinNAT network and its published ports",
)
