"""NetTCPIP and DnsClient: addresses, interfaces, routes, DNS servers. Sources: windows-outputs of each Get-, errors.writes; eflow-domain 3.5."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.cimquery import demand_rights, select, system_error
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Adapter, Address
from reconciler.emulator.timeline import schedule

FOREVER = timedelta(days=10675199, seconds=10085, microseconds=477580)
WINRM, CONTROLLER = 5985, "10.255.0.10"
STATES = {"Listen": 2, "Established": 5}
TENTATIVE = 3.0  # windows-outputs Trap 21: a new address is Tentative at first
FILTERS = {
    "IPAddress": ("IPAddress", "IPAddress"),
    "InterfaceAlias": ("InterfaceAlias", "InterfaceAlias"),
    "InterfaceIndex": ("InterfaceIndex", "InterfaceIndex"),
    "AddressFamily": ("AddressFamily", "AddressFamily"),
    "PrefixLength": ("PrefixLength", "PrefixLength"),
    "PrefixOrigin": ("PrefixOrigin", "PrefixOrigin"),
    "SuffixOrigin": ("SuffixOrigin", "SuffixOrigin"),
    "AddressState": ("AddressState", "AddressState"),
    "SkipAsSource": ("SkipAsSource", "SkipAsSource"),
}


def row(adapter: Adapter, address: Address, store: str = "ActiveStore") -> dict[str, Any]:
    leased = address.origin == "Dhcp"
    return {
        "IPAddress": address.address,
        "IPv4Address": address.address,
        "IPv6Address": None,
        "Address": address.address,
        "InterfaceIndex": adapter.index,
        "ifIndex": adapter.index,
        "InterfaceAlias": adapter.name,
        "ifAlias": adapter.name,
        "AddressFamily": "IPv4",
        "Type": "Unicast",
        "PrefixLength": address.prefix,
        "PrefixOrigin": address.origin,
        "SuffixOrigin": address.suffix,
        "AddressState": address.state if store == "ActiveStore" else "Invalid",
        "ValidLifetime": timedelta(days=7) if leased else FOREVER,
        "PreferredLifetime": timedelta(days=7) if leased else FOREVER,
        "SkipAsSource": address.skip_as_source,
        "Store": store,
    }


def _rows(machine: Machine, store: str) -> list[dict[str, Any]]:
    """Every address; in the active store also those of IPv6 and of the loopback interface, which no adapter shows."""
    rows = [row(ad, a, store) for ad, a in machine.addresses() if store == "ActiveStore" or a.origin == "Manual"]
    if store != "ActiveStore":
        return rows
    rows += [row(LOOPBACK, a) for a in LOOPBACK.addresses]
    pairs = [(a, _link_local(a)) for a in machine.adapters if a.status == "Up" and not (a.physical and a.switch)]
    return rows + [_row6(adapter, address) for adapter, address in (*pairs, (LOOPBACK, "::1"))]


LOOPBACK = Adapter("Loopback Pseudo-Interface 1", 1, "", "Software Loopback Interface 1", "", addresses=[Address("127.0.0.1", 8, "WellKnown", "WellKnown")])


def _link_local(adapter: Adapter) -> str:
    digest = hashlib.sha256(adapter.mac.encode()).hexdigest()
    return f"fe80::{digest[0:4]}:{digest[4:8]}:{digest[8:12]}:{digest[12:16]}%{adapter.index}"


def _row6(adapter: Adapter, address: str) -> dict[str, Any]:
    loop = adapter is LOOPBACK
    v6 = Address(address, 128 if loop else 64, "WellKnown", "WellKnown" if loop else "Link")
    return {**row(adapter, v6), "AddressFamily": "IPv6", "IPv4Address": None, "IPv6Address": address}


@cmdlet("Get-NetIPAddress", "windows-outputs Get-NetIPAddress")
def get_address(machine: Machine, bound: Bound) -> Iterator[Mapping[str, Any]]:
    yield from select(machine, bound, _rows(machine, bound.get("PolicyStore", "ActiveStore")), "MSFT_NetIPAddress", FILTERS)


def _adapter(machine: Machine, bound: Bound) -> Adapter:
    """The adapter that -InterfaceIndex or -InterfaceAlias means: windows-outputs errors.writes 1168."""
    adapter = machine.adapter_at(bound["InterfaceIndex"]) if "InterfaceIndex" in bound else machine.adapter(bound["InterfaceAlias"])
    if adapter is None:
        raise system_error(machine, 1168)
    return adapter


@cmdlet("New-NetIPAddress", "windows-outputs errors.writes New-NetIPAddress, Trap 21; eflow-domain 3.5")
def new_address(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    demand_rights(machine, bound)
    adapter = _adapter(machine, bound)
    prefix = bound.get("PrefixLength", 32)
    address = _usable(machine, bound["IPAddress"], prefix)
    if machine.holder(address) is not None:
        raise system_error(machine, 87)
    gateway = bound.get("DefaultGateway")
    if gateway is not None and adapter.gateway is not None:
        raise system_error(machine, 87)
    bound.takes(0.4)
    adapter.addresses = [a for a in adapter.addresses if a.origin != "WellKnown"]
    adapter.dhcp = any(a.origin == "Dhcp" for a in adapter.addresses)
    new = Address(address, prefix, state="Tentative", skip_as_source=bound.get("SkipAsSource", False))
    adapter.addresses.append(new)
    if gateway is not None:
        adapter.gateway = gateway
    schedule(machine, TENTATIVE, "preferred", address)
    if bound.get("PolicyStore", "ActiveStore") == "ActiveStore":
        yield row(adapter, new)
    yield row(adapter, new, "PersistentStore")


def _usable(machine: Machine, text: str, prefix: int) -> str:
    """A host address of its prefix; anything else is error 87 (network and broadcast addresses: unverified)."""
    try:
        interface = IPv4Interface(f"{text}/{prefix}")
    except ValueError:
        raise system_error(machine, 87) from None
    network = interface.network
    edge = prefix < 31 and interface.ip in (network.network_address, network.broadcast_address)
    if edge or interface.is_multicast or interface.is_unspecified:
        raise system_error(machine, 87)
    return str(interface.ip)


@cmdlet("Set-NetIPAddress", "windows-outputs Get-NetIPAddress; what it changes is unverified")
def set_address(machine: Machine, bound: Bound) -> None:
    demand_rights(machine, bound)
    keys = {name: FILTERS[name] for name in ("IPAddress", "InterfaceAlias", "InterfaceIndex", "AddressFamily")}
    for found in select(machine, bound, _rows(machine, "ActiveStore"), "MSFT_NetIPAddress", keys):
        adapter = machine.holder(found["IPAddress"])
        for address in adapter.addresses if adapter else ():
            if address.address == found["IPAddress"]:
                address.prefix = bound.get("PrefixLength", address.prefix)
                address.skip_as_source = bound.get("SkipAsSource", address.skip_as_source)


@cmdlet("Remove-NetIPAddress", "windows-outputs Get-NetIPAddress", impact="High")
def remove_address(machine: Machine, bound: Bound) -> None:
    demand_rights(machine, bound)
    for found in select(machine, bound, _rows(machine, "ActiveStore"), "MSFT_NetIPAddress", FILTERS):
        adapter = machine.adapter_at(found["InterfaceIndex"])
        if adapter is None:
            continue
        adapter.addresses = [a for a in adapter.addresses if a.address != found["IPAddress"]]
        if bound.get("DefaultGateway") == adapter.gateway:
            adapter.gateway = None
        if found["IPAddress"] == machine.uplink:
            bound.cut = True


@cmdlet("Get-NetIPInterface", "windows-outputs Get-NetIPInterface")
def get_interface(machine: Machine, bound: Bound) -> Iterator[Mapping[str, Any]]:
    rows = [_interface(adapter, family) for adapter in (*machine.adapters, LOOPBACK) for family in ("IPv4", "IPv6")]
    names = ("InterfaceAlias", "InterfaceIndex", "AddressFamily", "Dhcp", "ConnectionState", "Forwarding")
    yield from select(machine, bound, rows, "MSFT_NetIPInterface", {name: (name, name) for name in names})


def _interface(adapter: Adapter, family: str) -> dict[str, Any]:
    return {
        "InterfaceIndex": adapter.index,
        "ifIndex": adapter.index,
        "InterfaceAlias": adapter.name,
        "AddressFamily": family,
        "Dhcp": "Enabled" if adapter.dhcp else "Disabled",
        "ConnectionState": "Connected" if adapter.status == "Up" else "Disconnected",
        "InterfaceMetric": adapter.metric,
        "AutomaticMetric": "Enabled",
        "NlMtu": 1500,
        "Forwarding": "Disabled",
        "Store": "ActiveStore",
    }


@cmdlet("Get-NetRoute", "windows-outputs Get-NetRoute")
def get_route(machine: Machine, bound: Bound) -> Iterator[Mapping[str, Any]]:
    names = ("DestinationPrefix", "InterfaceAlias", "InterfaceIndex", "AddressFamily", "NextHop", "Protocol")
    yield from select(machine, bound, list(_routes(machine)), "MSFT_NetRoute", {name: (name, name) for name in names})


def _routes(machine: Machine) -> Iterator[dict[str, Any]]:
    """Default routes, then what is on link with each address, then what somebody added."""
    for adapter in machine.adapters:
        if adapter.gateway and adapter.status == "Up":
            yield _route(machine, adapter, "0.0.0.0/0", adapter.gateway, 0 if adapter.dhcp else 256, "NetMgmt")
    for adapter, address in machine.addresses():
        if adapter.status == "Up":
            yield _route(machine, adapter, str(IPv4Network(f"{address.address}/{address.prefix}", strict=False)), "0.0.0.0", 256, "Local")
            yield _route(machine, adapter, f"{address.address}/32", "0.0.0.0", 256, "Local")
    for route in machine.routes:
        owner = machine.adapter_at(route.index)
        if owner is not None:
            yield _route(machine, owner, route.destination, route.next_hop, route.metric, "NetMgmt")


def _route(machine: Machine, adapter: Adapter, destination: str, next_hop: str, metric: int, protocol: str) -> dict[str, Any]:
    return {
        "DestinationPrefix": destination,
        "NextHop": next_hop,
        "InterfaceIndex": adapter.index,
        "ifIndex": adapter.index,
        "InterfaceAlias": adapter.name,
        "RouteMetric": metric,
        "InterfaceMetric": adapter.metric,
        "AddressFamily": "IPv4",
        "Protocol": protocol,
        "State": "Alive",
        "Store": "ActiveStore",
        "Publish": "No",
    }


@cmdlet("Get-NetIPConfiguration", "windows-outputs Get-NetIPConfiguration; nested shapes are unverified")
def get_configuration(machine: Machine, bound: Bound) -> Iterator[Mapping[str, Any]]:
    rows = [
        {
            "InterfaceAlias": a.name,
            "InterfaceIndex": a.index,
            "InterfaceDescription": a.description,
            "IPv4Address": [row(a, address) for address in a.addresses],
            "IPv4DefaultGateway": [{"NextHop": a.gateway}] if a.gateway else [],
        }
        for a in machine.adapters
    ]
    yield from select(machine, bound, rows, "MSFT_NetIPInterface", {name: (name, name) for name in ("InterfaceAlias", "InterfaceIndex")})


@cmdlet("Get-NetTCPConnection", "windows-outputs Get-NetTCPConnection; numbers of State follow MSFT_NetTCPConnection (unverified)")
def get_connection(machine: Machine, bound: Bound) -> Iterator[Mapping[str, Any]]:
    """The listener of WinRM and the connection over which this question came."""
    listening = {"LocalAddress": "::", "LocalPort": WINRM, "RemoteAddress": "::", "RemotePort": 0, "state": "Listen", "OwningProcess": 4}
    here = {"LocalAddress": machine.uplink, "LocalPort": WINRM, "RemoteAddress": CONTROLLER, "RemotePort": 50311, "state": "Established", "OwningProcess": 4}
    rows = [listening, here] if machine.uplink else [listening]
    names = ("LocalAddress", "LocalPort", "RemoteAddress", "RemotePort", "OwningProcess")
    filters = {name: (name, name) for name in names} | {"State": ("state", "State")}
    for found in select(machine, bound, rows, "MSFT_NetTCPConnection", filters):
        yield {**{n: v for n, v in found.items() if n != "state"}, "State": STATES[found["state"]]}


@cmdlet("Get-DnsClientServerAddress", "windows-outputs Get-DnsClientServerAddress")
def get_dns(machine: Machine, bound: Bound) -> Iterator[Mapping[str, Any]]:
    rows = [
        {"InterfaceAlias": a.name, "InterfaceIndex": a.index, "AddressFamily": number, "ServerAddresses": list(a.dns) if number == 2 else [], "family": name}
        for a in machine.adapters
        for name, number in (("IPv4", 2), ("IPv6", 23))
    ]
    filters = {name: (name, name) for name in ("InterfaceAlias", "InterfaceIndex")} | {"AddressFamily": ("family", "AddressFamily")}
    for found in select(machine, bound, rows, "MSFT_DNSClientServerAddress", filters):
        yield {name: value for name, value in found.items() if name != "family"}


@cmdlet("Set-DnsClientServerAddress", "windows-outputs Get-DnsClientServerAddress")
def set_dns(machine: Machine, bound: Bound) -> None:
    demand_rights(machine, bound)
    rows = [{"InterfaceAlias": a.name, "InterfaceIndex": a.index} for a in machine.adapters]
    filters = {name: (name, name) for name in ("InterfaceAlias", "InterfaceIndex")}
    for found in select(machine, bound, rows, "MSFT_DNSClientServerAddress", filters):
        adapter = machine.adapter_at(found["InterfaceIndex"])
        if adapter is not None:
            # Servers that were leased come back with a reset (unverified); which these were, only the lease knows: its gateway here.
            leased = [adapter.gateway] if adapter.dhcp and adapter.gateway else []
            adapter.dns = leased if bound.on("ResetServerAddresses") else list(bound.get("ServerAddresses", []))
