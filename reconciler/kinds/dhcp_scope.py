"""DhcpScope: the addresses that the DHCP server leases on one network, and what it tells its clients.

A scope is known by its network address. Network, mask and router follow from the switch. Inconvenient: no cmdlet changes a
mask, so that is a replace and loses the leases; options are listed for one scope at a time and do not name it, so each is asked
together with its scope; the state is spelled `InActive` going in and `Inactive` coming out; an option's value is always a list
of texts; DNS servers are probed unless forced. Without option 6 a guest gets no DNS at all.

Sources: eflow-domain 3 (rows 9 to 11), windows-outputs Get-DhcpServerv4Scope, Get-DhcpServerv4OptionValue, traps 11 and 12.
Unverified: which changes of a range Windows refuses; the error id of exclusions of an absent scope (all are listed instead).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from reconciler.core.addresses import ipv4
from reconciler.core.calls import Answer, Cmdlet
from reconciler.core.capabilities import DHCP_SERVER
from reconciler.core.changes import Changes
from reconciler.core.fieldtypes import Duration, SeenName, WindowsName
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Disruption, Kind, span
from reconciler.core.model import HOW, IMMUTABLE, KEYED, Existing, From, Model, Part, Ref
from reconciler.core.observations import Ask, Facts, Present
from reconciler.kinds._dhcp_scope_rules import RULES
from reconciler.kinds._later import known, shown, text

GET = Cmdlet("Get-DhcpServerv4Scope", ("ScopeId",))
ADD = Cmdlet("Add-DhcpServerv4Scope", ("Name", "StartRange", "EndRange", "SubnetMask", "LeaseDuration", "State"))
SET = Cmdlet("Set-DhcpServerv4Scope", ("ScopeId", "Name", "StartRange", "EndRange", "LeaseDuration", "State"))
REMOVE = Cmdlet("Remove-DhcpServerv4Scope", ("ScopeId", "Force"))
GET_OPTION = Cmdlet("Get-DhcpServerv4OptionValue", ("ScopeId",))
SET_OPTION = Cmdlet("Set-DhcpServerv4OptionValue", ("ScopeId", "Router", "DnsServer", "Force"))
REMOVE_OPTION = Cmdlet("Remove-DhcpServerv4OptionValue", ("ScopeId", "OptionId"))
GET_EXCLUSION = Cmdlet("Get-DhcpServerv4ExclusionRange")
ADD_EXCLUSION = Cmdlet("Add-DhcpServerv4ExclusionRange", ("ScopeId", "StartRange", "EndRange"))
REMOVE_EXCLUSION = Cmdlet("Remove-DhcpServerv4ExclusionRange", ("ScopeId", "StartRange", "EndRange"))

NO_SCOPE = ("DHCP 20005",)
ROUTER, DNS = 3, 6  # option numbers
IN_PLACE = ("name", "startRange", "endRange", "leaseDuration", "state")  # by Set-DhcpServerv4Scope

ScopeState = Literal["Active", "InActive"]


class Exclusion(Model):
    """Addresses inside the range that are not leased."""

    startRange: IPv4Address
    endRange: IPv4Address


class DhcpScope(Model):
    """Leased addresses of one network."""

    name: Annotated[WindowsName, From("metadata.name")]
    switchName: Annotated[WindowsName | Existing | None, Ref("VirtualSwitch"), HOW] = None
    scopeId: Annotated[IPv4Address, From("switchName.ipAddress.network.network_address"), IMMUTABLE]
    subnetMask: Annotated[IPv4Address, From("switchName.ipAddress.network.netmask"), IMMUTABLE]
    router: Annotated[IPv4Address | None, From("switchName.ipAddress.ip")] = None
    startRange: IPv4Address
    endRange: IPv4Address
    dnsServer: tuple[IPv4Address, ...] | None = None
    leaseDuration: Duration | None = None
    exclusions: Annotated[Mapping[str, Exclusion] | None, KEYED("startRange", "endRange")] = None
    state: ScopeState = "Active"
    reservations: Annotated[Mapping[str, Any] | None, Part("DhcpReservation", parent="scope", many=True)] = None


class DhcpScopeState(Model):
    """A scope as the server has it. Several routers are no one router: they stand as they are and differ from any."""

    name: SeenName
    scopeId: IPv4Address
    subnetMask: IPv4Address
    router: IPv4Address | tuple[IPv4Address, ...] | None
    startRange: IPv4Address
    endRange: IPv4Address
    dnsServer: tuple[IPv4Address, ...] | None
    leaseDuration: timedelta
    exclusions: tuple[Exclusion, ...]
    state: str


def key(spec: DhcpScope) -> Key:
    return Key(str(known(spec.scopeId)))


SCOPES = Ask(GET(select=("ScopeId", "SubnetMask", "Name", "StartRange", "EndRange", "LeaseDuration", "State")), requires=DHCP_SERVER)
EXCLUSIONS = Ask(GET_EXCLUSION(select=("ScopeId", "StartRange", "EndRange")), requires=DHCP_SERVER)


def ask(keys: Collection[Key], facts: Facts) -> Iterable[Ask]:
    yield from (SCOPES, EXCLUSIONS)
    for one in sorted(keys):
        if _is_address(one):
            yield Ask(GET(ScopeId=str(one), select=("ScopeId",)), absent=NO_SCOPE, requires=DHCP_SERVER)
            yield Ask(GET_OPTION(ScopeId=str(one), select=("OptionId", "Value")), absent=NO_SCOPE, requires=DHCP_SERVER)


def _is_address(value: str) -> bool:
    try:
        ipv4(value)
    except ValueError:
        return False
    return True


def parse(answers: Sequence[Answer], facts: Facts) -> Mapping[Key, Present[DhcpScopeState]]:
    scopes, excluded, *asked = answers
    options = {str(one["ScopeId"]): found.objects for scope, found in zip(asked[::2], asked[1::2], strict=True) for one in scope.objects}
    return {Key(str(row["ScopeId"])): _present(row, excluded.objects, options.get(str(row["ScopeId"]))) for row in scopes.objects}


def _present(row: Mapping[str, Any], excluded: Sequence[Mapping[str, Any]], options: Sequence[Mapping[str, Any]] | None) -> Present[DhcpScopeState]:
    told = {int(one["OptionId"]): tuple(ipv4(str(text)) for text in one["Value"]) for one in options or () if int(one["OptionId"]) in (ROUTER, DNS)}
    routers = told.get(ROUTER, ())
    exclusions = [one for one in excluded if str(one["ScopeId"]) == str(row["ScopeId"])]
    state = DhcpScopeState(
        name=SeenName(row["Name"] or ""),
        scopeId=ipv4(str(row["ScopeId"])),
        subnetMask=ipv4(str(row["SubnetMask"])),
        router=routers[0] if len(routers) == 1 else routers or None,
        startRange=ipv4(str(row["StartRange"])),
        endRange=ipv4(str(row["EndRange"])),
        dnsServer=told.get(DNS, ()),
        leaseDuration=row["LeaseDuration"],
        exclusions=tuple(sorted((_exclusion(one) for one in exclusions), key=lambda one: one.startRange)),
        state={"active": "Active", "inactive": "InActive"}.get(str(row["State"]).casefold(), str(row["State"])),
    )
    why = "options are read for scopes of this fleet only"
    return Present(state, unseen={} if options is not None else {"router": why, "dnsServer": why})


def _exclusion(row: Mapping[str, Any]) -> Exclusion:
    return Exclusion(startRange=ipv4(str(row["StartRange"])), endRange=ipv4(str(row["EndRange"])))


def converge(want: DhcpScope, now: DhcpScopeState | None, changes: Changes[DhcpScopeState], facts: Facts) -> Iterable[Action]:
    scope = text(want.scopeId)
    for gone in changes.removed("exclusions"):
        name = f"include {gone.startRange}-{gone.endRange}"
        call = REMOVE_EXCLUSION(ScopeId=scope, StartRange=text(gone.startRange), EndRange=text(gone.endRange))
        yield Action(name, f"lease {gone.startRange} to {gone.endRange} again", (call,), usual=span(1, 3))
    if now is None:
        yield _create(want)
    elif changes.any(*IN_PLACE):
        yield _update(want, changes)
    yield from _options(want, now, changes)
    for new in changes.added("exclusions"):
        name = f"exclude {new.startRange}-{new.endRange}"
        call = ADD_EXCLUSION(ScopeId=scope, StartRange=text(new.startRange), EndRange=text(new.endRange))
        yield Action(name, f"lease {new.startRange} to {new.endRange} no more", (call,), usual=span(1, 3))


def _create(want: DhcpScope) -> Action:
    call = ADD(
        Name=str(want.name),
        StartRange=text(want.startRange),
        EndRange=text(want.endRange),
        SubnetMask=text(want.subnetMask),
        LeaseDuration=want.leaseDuration,
        State=want.state,
    )
    summary = f"create scope {shown(want.scopeId)} leasing {want.startRange} to {want.endRange}"
    return Action("create", summary, (call,), usual=span(2, 8), until={"state": want.state})


def _update(want: DhcpScope, changes: Changes[DhcpScopeState]) -> Action:
    given = changes.after("name", "leaseDuration", "state")
    ranged = changes.any("startRange", "endRange")
    call = SET(
        ScopeId=text(want.scopeId),
        Name=str(want.name) if "name" in given else None,
        StartRange=text(want.startRange) if ranged else None,
        EndRange=text(want.endRange) if ranged else None,
        LeaseDuration=given.get("leaseDuration"),
        State=given.get("state"),
    )
    told = [f"{change.field} {shown(change.after)}" for change in changes.items if change.field in IN_PLACE]
    fewer = ranged or given.get("state") == "InActive"
    return Action(
        "update",
        f"change scope {shown(want.scopeId)}: {', '.join(told)}",
        (call,),
        usual=span(1, 5),
        disruption=Disruption.LEASE_LOSS if fewer else Disruption.NONE,
    )


def _options(want: DhcpScope, now: DhcpScopeState | None, changes: Changes[DhcpScopeState]) -> Iterable[Action]:
    fresh = now is None
    router = want.router if fresh or "router" in changes else None
    servers = want.dnsServer if fresh or "dnsServer" in changes else None
    if router is not None or servers:
        dns = [text(one) for one in servers] if servers else None
        call = SET_OPTION(ScopeId=text(want.scopeId), Router=None if router is None else [text(router)], DnsServer=dns, Force=True)
        told = [f"router {shown(router)}"] if router is not None else []
        told += [f"DNS {', '.join(map(str, servers))}"] if servers else []
        yield Action("set options", f"tell clients of scope {shown(want.scopeId)}: {', '.join(told)}", (call,), usual=span(1, 5))
    if servers == () and not fresh:
        call = REMOVE_OPTION(ScopeId=text(want.scopeId), OptionId=DNS)
        yield Action("clear DNS", f"name no DNS servers to clients of scope {shown(want.scopeId)}", (call,), usual=span(1, 3))


def delete(now: DhcpScopeState, facts: Facts) -> Iterable[Action]:
    yield Action(
        "remove",
        f"remove scope {now.scopeId}",
        (REMOVE(ScopeId=str(now.scopeId), Force=True),),
        usual=span(2, 8),
        disruption=Disruption.SERVICE,
        loses=(f"leases of {now.scopeId} ({now.startRange} to {now.endRange})", "reservations of it that others made"),
    )


KIND = Kind(
    DhcpScope,
    DhcpScopeState,
    key=key,
    ask=ask,
    parse=parse,
    converge=converge,
    delete=delete,
    requires=lambda spec: (DHCP_SERVER,),
    rules=RULES,
    words=(GET, ADD, SET, REMOVE, GET_OPTION, SET_OPTION, REMOVE_OPTION, GET_EXCLUSION, ADD_EXCLUSION, REMOVE_EXCLUSION),
    title="a range of leased addresses with router, DNS and exclusions",
)
