"""NetNat: WinNAT. Sources: windows-outputs Get-NetNat, Get-NetNatStaticMapping, errors.writes; eflow-domain 5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.cimquery import demand_rights, select, system_error
from reconciler.emulator.errors import CIM, CmdletError, unverified
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Nat, StaticMapping

DEFAULTS: Mapping[str, Any] = {
    "IcmpQueryTimeout": 30,
    "TcpEstablishedConnectionTimeout": 1800,
    "TcpTransientConnectionTimeout": 120,
    "TcpFilteringBehavior": "AddressDependentFiltering",
    "UdpFilteringBehavior": "AddressDependentFiltering",
    "UdpIdleSessionTimeout": 120,
    "UdpInboundRefresh": False,
}
FILTERS = {"Name": ("Name", "Name")}


def provider(machine: Machine) -> None:
    """windows-outputs Get-NetNat providerAbsent: the class comes with Hyper-V or Containers."""
    if not machine.hyperv and not machine.has("Containers"):
        raise CmdletError("HRESULT 0x80041010", "MetadataError", machine.text("class"), CIM)


def row(nat: Nat) -> dict[str, Any]:
    return {
        "Name": nat.name,
        "InternalIPInterfaceAddressPrefix": nat.prefix,
        "ExternalIPInterfaceAddressPrefix": nat.external_prefix,
        "InternalRoutingDomainId": "{00000000-0000-0000-0000-000000000000}",
        "Store": "Local",
        "Active": True,
        "InstanceID": f"{nat.name};0",
        **DEFAULTS,
        **nat.settings,
    }


@cmdlet("Get-NetNat", "windows-outputs Get-NetNat")
def get_nat(machine: Machine, bound: Bound) -> Iterator[Mapping[str, Any]]:
    provider(machine)
    yield from select(machine, bound, [row(n) for n in machine.nats], "MSFT_NetNat", FILTERS)


@cmdlet("New-NetNat", "windows-outputs errors.writes New-NetNat; eflow-domain 5")
def new_nat(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    provider(machine)
    demand_rights(machine, bound)
    prefix = _prefix(machine, bound.get("InternalIPInterfaceAddressPrefix", ""))
    single = machine.release in ("2016", "10")  # eflow-domain 5: one internal prefix on older builds and on client Windows
    if machine.nat(bound["Name"]) is not None or (single and machine.nats) or any(prefix.overlaps(IPv4Network(n.prefix, strict=False)) for n in machine.nats):
        raise system_error(machine, 87)
    nat = Nat(bound["Name"], bound["InternalIPInterfaceAddressPrefix"], external_prefix=bound.get("ExternalIPInterfaceAddressPrefix", ""))
    machine.nats.append(nat)
    bound.takes(0.8)
    yield row(nat)


def _prefix(machine: Machine, text: str) -> IPv4Network:
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        raise system_error(machine, 87) from None
    if network.prefixlen == 0 or network.is_multicast or network.is_loopback:
        raise system_error(machine, 87)
    return network


@cmdlet("Set-NetNat", "windows-outputs Get-NetNat")
def set_nat(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    provider(machine)
    demand_rights(machine, bound)
    for found in select(machine, bound, [row(n) for n in machine.nats], "MSFT_NetNat", FILTERS):
        nat = machine.nat(found["Name"])
        if nat is not None:
            nat.settings.update({name: bound[name] for name in DEFAULTS if name in bound})
            if bound.on("PassThru"):
                yield row(nat)


@cmdlet("Remove-NetNat", "windows-outputs Get-NetNat; eflow-domain 5", impact="High")
def remove_nat(machine: Machine, bound: Bound) -> None:
    provider(machine)
    demand_rights(machine, bound)
    gone = {found["Name"] for found in select(machine, bound, [row(n) for n in machine.nats], "MSFT_NetNat", FILTERS)}
    machine.nats = [nat for nat in machine.nats if nat.name not in gone]
    bound.takes(0.5)


def mapping_row(nat: Nat, mapping: StaticMapping) -> dict[str, Any]:
    return {
        "NatName": nat.name,
        "StaticMappingID": mapping.id,
        "Protocol": mapping.protocol,
        "ExternalIPAddress": mapping.external_address,
        "ExternalPort": mapping.external_port,
        "InternalIPAddress": mapping.internal_address,
        "InternalPort": mapping.internal_port,
        "RemoteExternalIPAddressPrefix": mapping.remote_prefix,
        "InternalRoutingDomainId": "{00000000-0000-0000-0000-000000000000}",
        "Active": True,
        "InstanceID": f"{mapping.id};0",
    }


def _mappings(machine: Machine) -> list[dict[str, Any]]:
    return [mapping_row(nat, m) for nat in machine.nats for m in nat.mappings]


@cmdlet("Get-NetNatStaticMapping", "windows-outputs Get-NetNatStaticMapping")
def get_mapping(machine: Machine, bound: Bound) -> Iterator[Mapping[str, Any]]:
    provider(machine)
    yield from select(machine, bound, _mappings(machine), "MSFT_NetNatStaticMapping", {"NatName": ("NatName", "NatName")})


@cmdlet("Add-NetNatStaticMapping", "windows-outputs errors.writes Add-NetNatStaticMapping; eflow-domain 5")
def add_mapping(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    provider(machine)
    demand_rights(machine, bound)
    nat = machine.nat(bound["NatName"])
    if nat is None:
        raise unverified(machine.text("not found"), "ObjectNotFound")
    external = _address(machine, bound["ExternalIPAddress"])
    internal = _address(machine, bound["InternalIPAddress"])
    if IPv4Address(internal) not in IPv4Network(nat.prefix, strict=False):
        raise system_error(machine, 87)
    protocol, port = bound["Protocol"].upper(), bound["ExternalPort"]
    taken = [m for n in machine.nats for m in n.mappings if (m.protocol, m.external_port) == (protocol, port)]
    if any(external in (m.external_address, "0.0.0.0") or m.external_address == "0.0.0.0" for m in taken):
        raise system_error(machine, 32)
    mapping = StaticMapping(nat.next_mapping, protocol, external, port, internal, bound.get("InternalPort", port))
    mapping.remote_prefix = bound.get("RemoteExternalIPAddressPrefix", "0.0.0.0/0")
    nat.next_mapping += 1
    nat.mappings.append(mapping)
    yield mapping_row(nat, mapping)


def _address(machine: Machine, text: str) -> str:
    """windows-outputs: 0.0.0.0/24 comes back as 0.0.0.0."""
    try:
        return str(IPv4Address(text.partition("/")[0]))
    except ValueError:
        raise system_error(machine, 87) from None


@cmdlet("Remove-NetNatStaticMapping", "windows-outputs Get-NetNatStaticMapping", impact="High")
def remove_mapping(machine: Machine, bound: Bound) -> None:
    provider(machine)
    demand_rights(machine, bound)
    filters = {"NatName": ("NatName", "NatName"), "StaticMappingID": ("StaticMappingID", "StaticMappingID")}
    gone = {(m["NatName"], m["StaticMappingID"]) for m in select(machine, bound, _mappings(machine), "MSFT_NetNatStaticMapping", filters)}
    for nat in machine.nats:
        nat.mappings = [m for m in nat.mappings if (nat.name, m.id) not in gone]


@cmdlet("Get-NetNatGlobal", "windows-outputs Get-NetNatGlobal")
def get_global(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    provider(machine)
    yield {"InterRoutingDomainHairpinningMode": "HairpinningDisabled"}
