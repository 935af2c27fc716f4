"""VirtualSwitch: a Hyper-V switch, the host's address on it, and the adapter it is bound to.

Inconvenient: the host's adapter `vEthernet (NAME)` comes seconds after the switch and holds a 169.254 address at first (never
taken for ours, never removed: it goes by itself); interface indices do not last, so they are read in the action that uses
them; names are not unique in Hyper-V; an External switch knows its adapter by description only, so it is compared through
that and never made anew for drift; binding an adapter moves the host's address and cuts whoever speaks through it.

An absent switch knows no adapters, so that one would take the adapter of our own session is judged by rule HYP012, which asks
for itself; a switch that sits on that adapter already is changed or removed at management-link, with its undo.

Sources: eflow-domain 2, 3 and 5, windows-outputs Get-VMSwitch, Get-NetIPAddress, Get-NetTCPConnection.
Unverified: that the host's adapter keeps its usual name; a renamed one is taken for one that is not there yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Interface
from typing import Annotated, Any, Literal

from reconciler.core.addresses import ipv4_interface
from reconciler.core.calls import Answer, Call, Cmdlet, Out
from reconciler.core.capabilities import HYPER_V
from reconciler.core.changes import Changes
from reconciler.core.fieldtypes import AddressWithPrefix, SeenName, WindowsName
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Disruption, Kind, span
from reconciler.core.model import IMMUTABLE, From, Model
from reconciler.core.observations import Ask, Facts, Present
from reconciler.kinds._host_network import (
    ADAPTERS,
    ADDRESSES,
    CONNECTIONS,
    GET_ADAPTER,
    GET_ADDRESS,
    GET_CONNECTION,
    GET_ROUTE,
    ROUTES,
    host_adapter,
    session_adapters,
    usable,
)
from reconciler.kinds._virtual_switch_rules import RULES

GET = Cmdlet("Get-VMSwitch")
NEW = Cmdlet("New-VMSwitch", ("Name", "SwitchType", "NetAdapterName", "NetAdapterInterfaceDescription", "AllowManagementOS"))
SET = Cmdlet("Set-VMSwitch", ("Name", "NetAdapterName", "NetAdapterInterfaceDescription", "AllowManagementOS"))
REMOVE = Cmdlet("Remove-VMSwitch", ("Name", "Force"))
NEW_ADDRESS = Cmdlet("New-NetIPAddress", ("InterfaceIndex", "IPAddress", "PrefixLength"))
REMOVE_ADDRESS = Cmdlet("Remove-NetIPAddress", ("InterfaceIndex", "IPAddress"))

SWITCHES = Ask(GET(select=("Name", "Id", "SwitchType", "AllowManagementOS", "NetAdapterInterfaceDescription")), requires=HYPER_V)

NUMBERS = {"0": "Private", "1": "Internal", "2": "External"}

DEFAULT_SWITCH = "Default Switch"
SwitchType = Literal["Internal", "Private", "External"]


class VirtualSwitch(Model):
    """A switch for machines, and where the host stands on it."""

    name: Annotated[WindowsName, From("metadata.name")]
    switchType: Annotated[SwitchType, IMMUTABLE]
    ipAddress: AddressWithPrefix | None = None
    netAdapterName: WindowsName | None = None
    allowManagementOS: bool | None = None

    @property
    def gateway(self) -> IPv4Address | None:
        """Where guests go out: the host itself on an Internal switch; elsewhere the network's own router, which nobody here knows."""
        return self.ipAddress.ip if self.switchType == "Internal" and isinstance(self.ipAddress, IPv4Interface) else None


class VirtualSwitchState(Model):
    """A switch as the host has it. What follows `allowManagementOS` is seen, never declared."""

    name: SeenName
    switchType: str
    ipAddress: IPv4Interface | None
    netAdapterName: SeenName | None
    allowManagementOS: bool
    hostAdapter: SeenName | None  # vEthernet (NAME), once it is there
    ifIndex: int | None
    manualAddresses: tuple[IPv4Interface, ...]
    adapterDescription: str
    carriesSession: bool  # the host is spoken to through this switch, or that cannot be told
    twins: int  # other switches of this name


def key(spec: VirtualSwitch) -> Key:
    return Key(spec.name.casefold())


def ask(keys: Collection[Key], facts: Facts) -> Iterable[Ask]:
    yield from (SWITCHES, ADAPTERS, ADDRESSES, CONNECTIONS, ROUTES)


def parse(answers: Sequence[Answer], facts: Facts) -> Mapping[Key, Present[VirtualSwitchState]]:
    switches, adapters, addresses, connections, routes = answers
    session = session_adapters(addresses, connections, routes)
    found: dict[Key, list[Mapping[str, Any]]] = {}
    for row in sorted(switches.objects, key=lambda row: str(row["Id"])):
        found.setdefault(Key(str(row["Name"]).casefold()), []).append(row)
    return {one: _present(rows, adapters.objects, addresses.objects, session) for one, rows in found.items()}


def _present(
    rows: Sequence[Mapping[str, Any]], adapters: Sequence[Mapping[str, Any]], addresses: Sequence[Mapping[str, Any]], session: tuple[frozenset[str], bool]
) -> Present[VirtualSwitchState]:
    row = rows[0]
    alias = host_adapter(row["Name"]).casefold()
    own = [one for one in adapters if str(one["Name"]).casefold() == alias]
    described = str(row["NetAdapterInterfaceDescription"] or "")
    bound = [SeenName(one["Name"]) for one in adapters if described and str(one["InterfaceDescription"]).casefold() == described.casefold()]
    ours, manual = _addresses(addresses, alias)
    kind = NUMBERS.get(str(row["SwitchType"]), str(row["SwitchType"]))
    names, proved = session
    state = VirtualSwitchState(
        name=SeenName(row["Name"]),
        switchType=kind,
        ipAddress=min(manual or ours, default=None),
        netAdapterName=min(bound, default=None),
        allowManagementOS=bool(row["AllowManagementOS"]),
        hostAdapter=SeenName(own[0]["Name"]) if own else None,
        ifIndex=int(own[0]["InterfaceIndex"]) if own else None,
        manualAddresses=tuple(sorted(manual)),
        adapterDescription=described,
        carriesSession=alias in names and (proved or kind == "External"),
        twins=len(rows) - 1,
    )
    hidden = {"netAdapterName": f"no adapter of the host is described as {described}"} if described and not bound else {}
    return Present(state, unseen=hidden)


def _addresses(rows: Sequence[Mapping[str, Any]], alias: str) -> tuple[list[IPv4Interface], list[IPv4Interface]]:
    """The usable IPv4 addresses of an adapter, and those among them that somebody set by hand."""
    mine = [row for row in rows if str(row["InterfaceAlias"]).casefold() == alias and ":" not in str(row["IPAddress"]) and usable(row["IPAddress"])]
    read = [(ipv4_interface(f"{row['IPAddress']}/{row['PrefixLength']}"), str(row["PrefixOrigin"]) in ("Manual", "1")) for row in mine]
    return [one for one, _ in read], [one for one, by_hand in read if by_hand]


def converge(want: VirtualSwitch, now: VirtualSwitchState | None, changes: Changes[VirtualSwitchState], facts: Facts) -> Iterable[Action]:
    if now is None:
        yield _create(want)
    elif changes.any("netAdapterName", "allowManagementOS"):
        yield _rebind(want, now, changes)
    if want.ipAddress is not None and (now is None or "ipAddress" in changes):
        yield _address(want, now)


def _has_host(want: VirtualSwitch) -> bool:
    return want.switchType == "Internal" or (want.switchType == "External" and want.allowManagementOS is not False)


def _create(want: VirtualSwitch) -> Action:
    name = str(want.name)
    if want.switchType == "External":
        adapter = str(want.netAdapterName)
        call = NEW(Name=name, NetAdapterName=adapter, AllowManagementOS=want.allowManagementOS, select=("Name",))
        summary, disruption = f"create External switch {name} on {adapter}", Disruption.SERVICE
    else:
        call = NEW(Name=name, SwitchType=want.switchType, select=("Name",))
        summary, disruption = f"create {want.switchType} switch {name}", Disruption.NONE
    there: dict[str, Any] = {"switchType": want.switchType}
    if _has_host(want):
        there["hostAdapter"] = host_adapter(name)
    return Action("create", summary, (call,), usual=span(5, 30), disruption=disruption, until=there, within=timedelta(seconds=90))


def _rebind(want: VirtualSwitch, now: VirtualSwitchState, changes: Changes[VirtualSwitchState]) -> Action:
    adapter = str(want.netAdapterName) if "netAdapterName" in changes else None
    call = SET(Name=str(now.name), NetAdapterName=adapter, AllowManagementOS=want.allowManagementOS)
    back = SET(Name=str(now.name), NetAdapterInterfaceDescription=now.adapterDescription or None, AllowManagementOS=now.allowManagementOS)
    told = ", ".join(f"{field} {'on' if value is True else 'off' if value is False else value}" for field, value in _rebinding(changes).items())
    there: dict[str, Any] = _rebinding(changes)
    if _has_host(want):
        there["hostAdapter"] = host_adapter(str(now.name))
    return Action(
        "rebind",
        f"bind switch {now.name} anew: {told}",
        (call,),
        usual=span(5, 30),
        disruption=Disruption.MANAGEMENT_LINK if now.carriesSession else Disruption.SERVICE,
        until=there,
        within=timedelta(seconds=90),
        undo=(back,) if now.carriesSession else (),
    )


def _rebinding(changes: Changes[VirtualSwitchState]) -> dict[str, Any]:
    return changes.after("netAdapterName", "allowManagementOS")


def _address(want: VirtualSwitch, now: VirtualSwitchState | None) -> Action:
    """Wrong addresses go first: while two are there, the host would answer in two networks."""
    address = want.ipAddress
    assert address is not None
    wrong = [one for one in (now.manualAddresses if now else ()) if one != address]
    index = Out(0, "ifIndex")
    calls: list[Call] = [GET_ADAPTER(Name=host_adapter(str(want.name)), select=("ifIndex",))]
    calls += [REMOVE_ADDRESS(InterfaceIndex=index, IPAddress=str(one.ip)) for one in wrong]
    if now is None or address not in now.manualAddresses:
        calls.append(NEW_ADDRESS(InterfaceIndex=index, IPAddress=str(address.ip), PrefixLength=address.network.prefixlen))
    gone = f" instead of {', '.join(map(str, wrong))}" if wrong else ""
    cut = bool(wrong) and now is not None and now.carriesSession
    return Action(
        "set address",
        f"give {host_adapter(str(want.name))} the address {address}{gone}",
        tuple(calls),
        usual=span(2, 10),
        disruption=Disruption.MANAGEMENT_LINK if cut else Disruption.SERVICE if wrong else Disruption.NONE,
        until={"ipAddress": address},
        undo=(calls[0], *(NEW_ADDRESS(InterfaceIndex=index, IPAddress=str(one.ip), PrefixLength=one.network.prefixlen) for one in wrong)) if cut else (),
    )


def _again(now: VirtualSwitchState) -> Call:
    """Makes the switch as it was seen."""
    if now.switchType == "External":
        return NEW(Name=str(now.name), NetAdapterInterfaceDescription=now.adapterDescription, AllowManagementOS=now.allowManagementOS, select=("Name",))
    return NEW(Name=str(now.name), SwitchType=now.switchType, select=("Name",))


def delete(now: VirtualSwitchState, facts: Facts) -> Iterable[Action]:
    if now.name == DEFAULT_SWITCH:
        return  # Windows keeps it and refuses
    yield Action(
        "remove",
        f"remove {now.switchType} switch {now.name}",
        (REMOVE(Name=str(now.name), Force=True),),
        usual=span(5, 20),
        disruption=Disruption.MANAGEMENT_LINK if now.carriesSession else Disruption.SERVICE,
        undo=(_again(now),) if now.carriesSession else (),
        loses=(f"{now.twins} more of the same name: they cannot be told apart by it",) if now.twins else (),
    )


KIND = Kind(
    VirtualSwitch,
    VirtualSwitchState,
    key=key,
    ask=ask,
    parse=parse,
    converge=converge,
    delete=delete,
    requires=lambda spec: (HYPER_V,),
    rules=RULES,
    words=(GET, NEW, SET, REMOVE, GET_ADAPTER, GET_ADDRESS, NEW_ADDRESS, REMOVE_ADDRESS, GET_CONNECTION, GET_ROUTE),
    known=(DEFAULT_SWITCH,),
    title="a Hyper-V switch with the host's address on it",
)
