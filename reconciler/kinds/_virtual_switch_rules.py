"""Rules of VirtualSwitch alone: what a switch may be, and what this host allows. Read through its kind.

Sources: eflow-domain 2 and 5, windows-outputs errors.writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.core.addresses import overlap
from reconciler.core.diagnostics import Severity
from reconciler.core.ids import Key
from reconciler.core.kinds import Declared, Finding, Rule, World
from reconciler.kinds._host_network import ADAPTERS, ADDRESSES, CONNECTIONS, ROUTES, is_host_adapter, session_adapters


def _key(declared: Declared[Any]) -> Key:
    return Key(str(declared.spec.name).casefold())


def _fields(world: World) -> Iterable[Finding]:
    for declared in world.declared("VirtualSwitch"):
        spec = declared.spec
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
        if spec.ipAddress is not None and (spec.switchType == "Private" or spec.allowManagementOS is False):
            yield Finding(
                declared.id,
                "ipAddress",
                "the host is not on this switch, so it can have no address there",
                help="take ipAddress away, or set allowManagementOS: true",
            )


def _cuts_session(world: World) -> Iterable[Finding]:
    names: frozenset[str] | None = None
    for declared in world.declared("VirtualSwitch"):
        adapter, seen = declared.spec.netAdapterName, world.seen("VirtualSwitch").get(_key(declared))
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
        there = sorted(str(row["Name"]) for row in world.answer(ADAPTERS).objects if not is_host_adapter(str(row["Name"])))
        if adapter.casefold() not in [one.casefold() for one in there]:
            yield Finding(declared.id, "netAdapterName", f"{world.host} has no adapter {adapter}", help=f"it has {', '.join(there) or 'none'}")


def _adapter_taken(world: World) -> Iterable[Finding]:
    for declared in world.declared("VirtualSwitch"):
        adapter = declared.spec.netAdapterName
        if adapter is None:
            continue
        states = world.states("VirtualSwitch").items()
        taken = sorted(str(state.name) for one, state in states if one != _key(declared) and state.netAdapterName == adapter)
        if taken:
            yield Finding(
                declared.id,
                "netAdapterName",
                f"{adapter} is bound to switch {taken[0]} already",
                help="an adapter serves one External switch; give machines that one",
            )


def _twins(world: World) -> Iterable[Finding]:
    for declared in world.declared("VirtualSwitch"):
        state = world.seen("VirtualSwitch").get(_key(declared))
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
            if overlap(mine.network, taken.network):
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
        text = str(address.ip)
        for row in world.answer(ADDRESSES).objects:
            alias = str(row["InterfaceAlias"])
            if str(row["IPAddress"]) == text and not is_host_adapter(alias):
                yield Finding(
                    declared.id,
                    "ipAddress",
                    f"{address.ip} stands on {alias} already",
                    why="Windows has an address once a host (Windows System Error 87)",
                    help="take another address",
                )
        for one, state in sorted(world.states("VirtualSwitch").items()):
            if one != _key(declared) and state.ipAddress is not None and state.ipAddress.ip == address.ip:
                yield Finding(declared.id, "ipAddress", f"{address.ip} stands on switch {state.name} already", help="take another address")


RULES: tuple[Rule[Any], ...] = (
    Rule("HYP011", Severity.ERROR, "fields that do not fit the type of the switch", _fields),
    Rule(
        "HYP012",
        Severity.ERROR,
        "External switch on the adapter that carries the session",
        _cuts_session,
        asks=lambda facts: (ADDRESSES, CONNECTIONS, ROUTES),
    ),
    Rule("HYP013", Severity.ERROR, "External switch on an adapter that is not there", _adapter_there, asks=lambda facts: (ADAPTERS,)),
    Rule("HYP014", Severity.ERROR, "adapter bound to another switch", _adapter_taken),
    Rule("HYP015", Severity.ERROR, "several switches of one name", _twins),
    Rule("NET001", Severity.ERROR, "address that no network can use", _usable_address),
    Rule("NET002", Severity.ERROR, "two switches in one network", _networks_apart),
    Rule("NET003", Severity.ERROR, "address stands on another adapter", _address_elsewhere, asks=lambda facts: (ADDRESSES,)),
)
