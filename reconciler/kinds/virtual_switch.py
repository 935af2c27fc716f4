"""VirtualSwitch: a Hyper-V switch, the host's address on it, and the adapter it is bound to.

Inconvenient: the host's adapter `vEthernet (NAME)` comes seconds after the switch and holds a 169.254 address at first (never
taken for ours, never removed: it goes by itself); interface indices do not last, so they are read in the action that uses
them; names are not unique in Hyper-V; an External switch knows its adapter by description only, so it is compared through
that and never made anew for drift; binding an adapter moves the host's address and cuts whoever speaks through it.

Which adapter carries our own session: the one that holds the local address of a WinRM connection; where none is seen (another
port, a local run), the one with the default route; else every adapter with an address. A switch that would take that adapter
is refused by HYP012; one that sits on it is changed or removed at management-link, with its undo.

Sources: eflow-domain 2, 3 and 5, windows-outputs Get-VMSwitch, Get-NetIPAddress, Get-NetTCPConnection.
Unverified: that the host's adapter keeps its usual name; a renamed one is taken for one that is not there yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from ipaddress import IPv4Interface, ip_address
from typing import Annotated, Any, Literal

from reconciler.core.calls import Answer, Call, Cmdlet, Out
from reconciler.core.capabilities import HYPER_V
from reconciler.core.changes import Changes
from reconciler.core.diagnostics import Severity
from reconciler.core.fieldtypes import AddressWithPrefix, SeenName, WindowsName
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Disruption, Finding, Kind, Rule, World, span
from reconciler.core.model import IMMUTABLE, From, Model
from reconciler.core.observations import Ask, Facts, Present

GET = Cmdlet("Get-VMSwitch")
NEW = Cmdlet("New-VMSwitch", ("Name", "SwitchType", "NetAdapterName", "NetAdapterInterfaceDescription", "AllowManagementOS"))
SET = Cmdlet("Set-VMSwitch", ("Name", "NetAdapterName", "NetAdapterInterfaceDescription", "AllowManagementOS"))
REMOVE = Cmdlet("Remove-VMSwitch", ("Name", "Force"))
GET_ADAPTER = Cmdlet("Get-NetAdapter", ("Name",))
GET_ADDRESS = Cmdlet("Get-NetIPAddress")
NEW_ADDRESS = Cmdlet("New-NetIPAddress", ("InterfaceIndex", "IPAddress", "PrefixLength"))
REMOVE_ADDRESS = Cmdlet("Remove-NetIPAddress", ("InterfaceIndex", "IPAddress"))
GET_CONNECTION = Cmdlet("Get-NetTCPConnection", ("LocalPort",))
GET_ROUTE = Cmdlet("Get-NetRoute", ("DestinationPrefix",))

SWITCHES = Ask(GET(select=("Name", "Id", "SwitchType", "AllowManagementOS", "NetAdapterInterfaceDescription")), requires=HYPER_V)
ADAPTERS = Ask(GET_ADAPTER(select=("Name", "InterfaceDescription", "InterfaceIndex")))
ADDRESSES = Ask(GET_ADDRESS(select=("IPAddress", "PrefixLength", "InterfaceAlias", "PrefixOrigin")))
CONNECTIONS = Ask(GET_CONNECTION(LocalPort=[5985, 5986], select=("LocalAddress",)), tolerate=True)
ROUTES = Ask(GET_ROUTE(DestinationPrefix="0.0.0.0/0", select=("InterfaceAlias",)), tolerate=True)

DEFAULT_SWITCH = "default switch"
NUMBERS = {"0": "Private", "1": "Internal", "2": "External"}

SwitchType = Literal["Internal", "Private", "External"]


class VirtualSwitch(Model):
    """A switch for machines, and where the host stands on it."""

    name: Annotated[WindowsName, From("metadata.name")]
    switchType: Annotated[SwitchType, IMMUTABLE]
    ipAddress: AddressWithPrefix | None = None
    netAdapterName: WindowsName | None = None
    allowManagementOS: bool | None = None


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


def host_adapter(switch: str) -> str:
    """What Windows calls the host's adapter on a switch."""
    return f"vEthernet ({switch})"


def ask(keys: Collection[Key], facts: Facts) -> Iterable[Ask]:
    yield from (SWITCHES, ADAPTERS, ADDRESSES, CONNECTIONS, ROUTES)


def parse(answers: Sequence[Answer], facts: Facts) -> Mapping[Key, Present[VirtualSwitchState]]:
    switches, adapters, addresses, connections, routes = answers
    session = session_adapters(addresses, connections, routes)
    found: dict[Key, list[Mapping[str, Any]]] = {}
    for row in sorted(switches.objects, key=lambda row: str(row["Id"])):
        found.setdefault(Key(str(row["Name"]).casefold()), []).append(row)
    return {one: _present(rows, adapters.objects, addresses.objects, session) for one, rows in found.items()}


def session_adapters(addresses: Answer, connections: Answer, routes: Answer) -> tuple[frozenset[str], bool]:
    """Casefolded names of the adapters that may carry our own connection, and whether a connection proves it."""
    alias = {_unzoned(row["IPAddress"]): str(row["InterfaceAlias"]).casefold() for row in addresses.objects if _usable(row["IPAddress"])}
    held = frozenset(alias[local] for row in connections.objects if (local := _unzoned(row["LocalAddress"])) in alias)
    default = frozenset(str(row["InterfaceAlias"]).casefold() for row in routes.objects)
    return held or default or frozenset(alias.values()), bool(held)


def _unzoned(address: Any) -> str:
    return str(address).partition("%")[0].casefold().removeprefix("::ffff:")


def _usable(address: Any) -> bool:
    """An address that somebody else can speak to; a self-given IPv4 address counts as none."""
    read = ip_address(_unzoned(address))
    return not read.is_loopback and not (read.version == 4 and read.is_link_local)


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
    mine = [row for row in rows if str(row["InterfaceAlias"]).casefold() == alias and ":" not in str(row["IPAddress"]) and _usable(row["IPAddress"])]
    read = [(IPv4Interface(f"{row['IPAddress']}/{row['PrefixLength']}"), str(row["PrefixOrigin"]) in ("Manual", "1")) for row in mine]
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
    if now.name.casefold() == DEFAULT_SWITCH:
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


def _default_switch(world: World) -> Iterable[Finding]:
    for declared in world.declared("VirtualSwitch"):
        if key(declared.spec) == DEFAULT_SWITCH:
            yield Finding(
                declared.id,
                "",
                "the Default Switch belongs to Windows and cannot be declared",
                help="refer to it by name; on a server make an Internal switch of another name",
            )


def _fields(world: World) -> Iterable[Finding]:
    for declared in world.declared("VirtualSwitch"):
        spec: VirtualSwitch = declared.spec
        external = spec.switchType == "External"
        if external and spec.netAdapterName is None:
            yield Finding(
                declared.id, "switchType", "an External switch needs the adapter it is bound to", help="write netAdapterName, as Get-NetAdapter shows it"
            )
        if not external and spec.netAdapterName is not None:
            yield Finding(
                declared.id, "netAdapterName", f"an {spec.switchType} switch is bound to no adapter", help="take netAdapterName away, or make it External"
            )
        if not external and spec.allowManagementOS is not None and spec.allowManagementOS != (spec.switchType == "Internal"):
            yield Finding(
                declared.id,
                "allowManagementOS",
                f"an {spec.switchType} switch has no choice there",
                why="the host is always on an Internal switch and never on a Private one",
            )
        if spec.ipAddress is not None and not _has_host(spec):
            yield Finding(
                declared.id,
                "ipAddress",
                "the host is not on this switch, so it can have no address there",
                help="take ipAddress away, or set allowManagementOS: true",
            )


def _cuts_session(world: World) -> Iterable[Finding]:
    names: frozenset[str] | None = None
    for declared in world.declared("VirtualSwitch"):
        adapter, seen = declared.spec.netAdapterName, world.seen("VirtualSwitch").get(key(declared.spec))
        if adapter is None or (seen is not None and seen.netAdapterName == adapter):
            continue
        names = names or session_adapters(world.answer(ADDRESSES), world.answer(CONNECTIONS), world.answer(ROUTES))[0]
        if adapter.casefold() in names:
            yield Finding(
                declared.id,
                "netAdapterName",
                f"{adapter} carries the connection to {world.host} itself (management-link)",
                why="binding it moves the host's address to the switch and cuts every session on it; nothing would bring it back if that failed",
                help="bind another adapter, or make this switch at the machine itself: it is then adopted as it is",
            )


def _adapter_there(world: World) -> Iterable[Finding]:
    for declared in world.declared("VirtualSwitch"):
        adapter = declared.spec.netAdapterName
        if adapter is None:
            continue
        there = sorted(str(row["Name"]) for row in world.answer(ADAPTERS).objects if not str(row["Name"]).casefold().startswith("vethernet ("))
        if adapter.casefold() not in [one.casefold() for one in there]:
            yield Finding(declared.id, "netAdapterName", f"{world.host} has no adapter {adapter}", help=f"it has {', '.join(there) or 'none'}")


def _adapter_taken(world: World) -> Iterable[Finding]:
    states = world.states("VirtualSwitch")
    for declared in world.declared("VirtualSwitch"):
        adapter = declared.spec.netAdapterName
        taken = sorted(
            str(state.name) for one, state in states.items() if one != key(declared.spec) and adapter is not None and state.netAdapterName == adapter
        )
        if taken:
            yield Finding(
                declared.id,
                "netAdapterName",
                f"{adapter} is bound to switch {taken[0]} already",
                help="an adapter serves one External switch; give machines that one",
            )


def _twins(world: World) -> Iterable[Finding]:
    seen = world.seen("VirtualSwitch")
    for declared in world.declared("VirtualSwitch"):
        state = seen.get(key(declared.spec))
        if state is not None and state.twins:
            yield Finding(
                declared.id,
                "",
                f"{world.host} has {state.twins + 1} switches called {state.name}",
                why="cmdlets and EFLOW find switches by name and would take either",
                help="rename or remove the other at the host: Rename-VMSwitch",
            )


def _usable_address(world: World) -> Iterable[Finding]:
    for declared in world.declared("VirtualSwitch"):
        address = declared.spec.ipAddress
        if address is None:
            continue
        if address.is_link_local or address.is_loopback or address.is_multicast or address.is_unspecified:
            yield Finding(
                declared.id,
                "ipAddress",
                f"{address.ip} is no address for a network of one's own",
                why="NAT and DHCP do not work over it",
                help="take a private one, for example 172.20.10.1/24",
            )
        elif address.network.prefixlen < 31 and address.ip in (address.network.network_address, address.network.broadcast_address):
            yield Finding(
                declared.id,
                "ipAddress",
                f"{address.ip} is the network or broadcast address of {address.network}",
                help=f"for example {address.network.network_address + 1}/{address.network.prefixlen}",
            )


def _networks_apart(world: World) -> Iterable[Finding]:
    placed = [declared for declared in world.declared("VirtualSwitch") if declared.spec.ipAddress is not None]
    for n, declared in enumerate(placed):
        for other in placed[:n]:
            mine, taken = declared.spec.ipAddress, other.spec.ipAddress
            if mine.network.overlaps(taken.network):
                yield Finding(
                    declared.id,
                    "ipAddress",
                    f"{mine.network} overlaps the network of {other.id}",
                    also=((other.id, "ipAddress", f"{taken.network} is declared here"),),
                )


def _address_elsewhere(world: World) -> Iterable[Finding]:
    for declared in world.declared("VirtualSwitch"):
        address = declared.spec.ipAddress
        if address is None:
            continue
        for row in world.answer(ADDRESSES).objects:
            alias = str(row["InterfaceAlias"])
            if str(row["IPAddress"]) == str(address.ip) and not alias.casefold().startswith("vethernet ("):
                yield Finding(
                    declared.id,
                    "ipAddress",
                    f"{address.ip} stands on {alias} already",
                    why="Windows has an address once a host (Windows System Error 87)",
                    help="take another address",
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
    rules=(
        Rule("HYP010", Severity.ERROR, "the Default Switch declared", _default_switch),
        Rule("HYP011", Severity.ERROR, "fields that do not fit the type of the switch", _fields),
        Rule(
            "HYP012",
            Severity.BLOCKED,
            "External switch on the adapter that carries the session",
            _cuts_session,
            asks=lambda facts: (ADDRESSES, CONNECTIONS, ROUTES),
        ),
        Rule("HYP013", Severity.BLOCKED, "External switch on an adapter that is not there", _adapter_there, asks=lambda facts: (ADAPTERS,)),
        Rule("HYP014", Severity.BLOCKED, "adapter bound to another switch", _adapter_taken),
        Rule("HYP015", Severity.BLOCKED, "several switches of one name", _twins),
        Rule("NET001", Severity.ERROR, "address that no network can use", _usable_address),
        Rule("NET002", Severity.ERROR, "two switches in one network", _networks_apart),
        Rule("NET003", Severity.BLOCKED, "address stands on another adapter", _address_elsewhere, asks=lambda facts: (ADDRESSES,)),
    ),
    words=(GET, NEW, SET, REMOVE, GET_ADAPTER, GET_ADDRESS, NEW_ADDRESS, REMOVE_ADDRESS, GET_CONNECTION, GET_ROUTE),
    title="a Hyper-V switch with the host's address on it",
)
