"""DhcpReservation: an address of a scope that is kept for one client. Written inside its scope, planned on its own.

A reservation is known by its scope and address, as the server knows it: the client may change in place, the address is a
replace. Inconvenient: reservations are listed one scope at a time, so a key carries its scope; a client id has many spellings
(one value here), and other people's client ids need not be MAC addresses at all.

Sources: windows-outputs Get-DhcpServerv4Reservation, trap 11.
Unverified: that listing reservations of an absent scope answers DHCP 20005, as the scope itself does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Annotated, Any

from reconciler.core.addresses import ipv4
from reconciler.core.calls import Answer, Cmdlet
from reconciler.core.capabilities import DHCP_SERVER
from reconciler.core.changes import Changes
from reconciler.core.diagnostics import Severity
from reconciler.core.fieldtypes import MacAddress, SeenName, WindowsName
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Disruption, Finding, Kind, Rule, World, span
from reconciler.core.model import HOW, IMMUTABLE, From, Model, Ref
from reconciler.core.observations import Ask, Facts, Present
from reconciler.kinds._later import known, text

GET = Cmdlet("Get-DhcpServerv4Reservation", ("ScopeId",))
ADD = Cmdlet("Add-DhcpServerv4Reservation", ("ScopeId", "IPAddress", "ClientId", "Name", "Description"))
SET = Cmdlet("Set-DhcpServerv4Reservation", ("IPAddress", "ClientId", "Name", "Description"))
REMOVE = Cmdlet("Remove-DhcpServerv4Reservation", ("IPAddress",))

NO_SCOPE = ("DHCP 20005",)


class DhcpReservation(Model):
    """An address for one client."""

    name: Annotated[WindowsName, From("metadata.name")]
    scope: Annotated[WindowsName, Ref("DhcpScope", bound=True), HOW]
    scopeId: Annotated[IPv4Address, From("scope.scopeId"), IMMUTABLE]
    ipAddress: Annotated[IPv4Address, IMMUTABLE]
    clientId: MacAddress
    description: str | None = None


class DhcpReservationState(Model):
    """A reservation as the server has it."""

    name: SeenName
    scopeId: IPv4Address
    ipAddress: IPv4Address
    clientId: MacAddress | SeenName
    description: str


def key(spec: DhcpReservation) -> Key:
    return Key(f"{known(spec.scopeId)}/{spec.ipAddress}")


def ask(keys: Collection[Key], facts: Facts) -> Iterable[Ask]:
    select = ("ScopeId", "IPAddress", "ClientId", "Name", "Description")
    for scope in sorted({one.partition("/")[0] for one in keys if one[:1].isdigit()}):
        yield Ask(GET(ScopeId=scope, select=select), absent=NO_SCOPE, requires=DHCP_SERVER)


def parse(answers: Sequence[Answer], facts: Facts) -> Mapping[Key, Present[DhcpReservationState]]:
    return {Key(f"{row['ScopeId']}/{row['IPAddress']}"): Present(_state(row)) for answer in answers for row in answer.objects}


def _state(row: Mapping[str, Any]) -> DhcpReservationState:
    return DhcpReservationState(
        name=SeenName(row["Name"] or ""),
        scopeId=ipv4(str(row["ScopeId"])),
        ipAddress=ipv4(str(row["IPAddress"])),
        clientId=_client(str(row["ClientId"])),
        description=str(row["Description"] or ""),
    )


def _client(value: str) -> MacAddress | SeenName:
    try:
        return MacAddress.read(value)
    except ValueError:
        return SeenName(value)


def converge(want: DhcpReservation, now: DhcpReservationState | None, changes: Changes[DhcpReservationState], facts: Facts) -> Iterable[Action]:
    address = str(want.ipAddress)
    if now is None:
        call = ADD(ScopeId=text(want.scopeId), IPAddress=address, ClientId=str(want.clientId), Name=str(want.name), Description=want.description)
        yield Action("create", f"keep {address} for {want.clientId} ({want.name})", (call,), usual=span(1, 5))
    elif changes.any("clientId", "name", "description"):
        given = changes.after("clientId", "name", "description")
        call = SET(IPAddress=address, ClientId=text(given.get("clientId")), Name=text(given.get("name")), Description=given.get("description"))
        told = ", ".join(f"{change.field} {change.after}" for change in changes.items)
        disruption = Disruption.LEASE_LOSS if "clientId" in changes else Disruption.NONE
        yield Action("update", f"change the reservation of {address}: {told}", (call,), usual=span(1, 5), disruption=disruption)


def delete(now: DhcpReservationState, facts: Facts) -> Iterable[Action]:
    call = REMOVE(IPAddress=str(now.ipAddress))
    yield Action("remove", f"keep {now.ipAddress} for {now.clientId} no more", (call,), usual=span(1, 5), disruption=Disruption.LEASE_LOSS)


def _client_twice(world: World) -> Iterable[Finding]:
    seen: dict[tuple[str, str], Any] = {}
    for declared in world.declared("DhcpReservation"):
        one = (str(declared.spec.scope).casefold(), str(declared.spec.clientId))
        first = seen.setdefault(one, declared)
        if first is not declared:
            also = ((first.id, "clientId", "the first one"),)
            yield Finding(
                declared.id, "clientId", f"{declared.spec.clientId} has two addresses in one scope", also=also, why="the server refuses it (DHCP 20022)"
            )


KIND = Kind(
    DhcpReservation,
    DhcpReservationState,
    key=key,
    ask=ask,
    parse=parse,
    converge=converge,
    delete=delete,
    requires=lambda spec: (DHCP_SERVER,),
    rules=(Rule("DHC020", Severity.ERROR, "one client with two reservations in a scope", _client_twice),),
    words=(GET, ADD, SET, REMOVE),
    title="an address kept for one client",
)
