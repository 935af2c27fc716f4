"""root/StandardCimv2: adapters, addresses, NAT as raw CIM, which has numbers where the cmdlets show words.

Sources: windows-outputs Get-NetNat, Get-NetNatStaticMapping, Get-NetAdapter, Get-NetIPAddress (`cim`, `enums`); what only the type file of
PowerShell adds is not here. Unverified: keys of MSFT_NetAdapter and MSFT_NetIPAddress, and the number of the NAT store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from reconciler.emulator.cim.repository import CimClass
from reconciler.emulator.cmdlets import netnat
from reconciler.emulator.machine import Machine

NAMESPACE = "root/StandardCimv2"
IPV4, UNICAST, ACTIVE_STORE = 2, 1, 1
STATES = {"Invalid": 0, "Tentative": 1, "Duplicate": 2, "Deprecated": 3, "Preferred": 4}
PREFIXES = {"Other": 0, "Manual": 1, "WellKnown": 2, "Dhcp": 3, "RouterAdvertisement": 4}
SUFFIXES = {"Other": 0, "Manual": 1, "WellKnown": 2, "Dhcp": 3, "Link": 4, "Random": 5}
FILTERING = {"EndpointIndependentFiltering": 0, "AddressDependentFiltering": 1}
PROTOCOLS = {"TCP": 6, "UDP": 17}
LOCAL = 0
FOREVER, LEASE = timedelta(days=10675199), timedelta(days=7)


def nats(machine: Machine) -> Iterator[Mapping[str, Any]]:
    for nat in machine.nats:
        row = netnat.row(nat)
        numbers = {name: FILTERING[row[name]] for name in ("TcpFilteringBehavior", "UdpFilteringBehavior")}
        yield {**row, **numbers, "Active": 1, "Store": LOCAL, "UdpInboundRefresh": int(row["UdpInboundRefresh"])}


def mappings(machine: Machine) -> Iterator[Mapping[str, Any]]:
    for nat in machine.nats:
        for mapping in nat.mappings:
            yield {**netnat.mapping_row(nat, mapping), "Protocol": PROTOCOLS.get(mapping.protocol, 0), "Active": 1}


def adapters(machine: Machine) -> Iterator[Mapping[str, Any]]:
    for adapter in machine.adapters:
        up, disabled = adapter.status == "Up", adapter.status == "Disabled"
        yield {
            "CreationClassName": "MSFT_NetAdapter",
            "DeviceID": adapter.guid,
            "SystemCreationClassName": "CIM_NetworkPort",
            "SystemName": machine.computer_name,
            "Name": adapter.name,
            "InterfaceName": f"ethernet_{adapter.index}",
            "InterfaceDescription": adapter.description,
            "InterfaceIndex": adapter.index,
            "InterfaceGuid": adapter.guid,
            "InterfaceOperationalStatus": 1 if up else 2,
            "InterfaceAdminStatus": 2 if disabled else 1,
            "MediaConnectState": 1 if up else 2,
            "State": 3 if disabled else 2,
            "PermanentAddress": adapter.mac.replace("-", ""),
            "NetworkAddresses": [adapter.mac.replace("-", "")],
            "Speed": adapter.speed if up else 0,
            "Virtual": adapter.virtual,
            "HardwareInterface": adapter.physical,
            "ConnectorPresent": adapter.physical,
        }


def addresses(machine: Machine) -> Iterator[Mapping[str, Any]]:
    for adapter, held in machine.addresses():
        lifetime = LEASE if held.origin == "Dhcp" else FOREVER
        yield {
            "CreationClassName": "MSFT_NetIPAddress",
            "Name": f"{adapter.index};{held.address};{ACTIVE_STORE}",
            "SystemCreationClassName": "CIM_ComputerSystem",
            "SystemName": machine.computer_name,
            "InterfaceIndex": adapter.index,
            "InterfaceAlias": adapter.name,
            "IPAddress": held.address,
            "IPv4Address": held.address,
            "AddressFamily": IPV4,
            "Type": UNICAST,
            "PrefixLength": held.prefix,
            "PrefixOrigin": PREFIXES.get(held.origin, 0),
            "SuffixOrigin": SUFFIXES.get(held.suffix, 0),
            "AddressState": STATES.get(held.state, 0),
            "SkipAsSource": held.skip_as_source,
            "Store": ACTIVE_STORE,
            "ValidLifetime": lifetime,
            "PreferredLifetime": lifetime,
        }


def winnat(machine: Machine) -> bool:
    """windows-outputs Get-NetNat providerAbsent: the classes come with Hyper-V or Containers."""
    return machine.hyperv or machine.has("Containers")


NAT_PROPERTIES = (
    "Active Caption Description ElementName ExternalIPInterfaceAddressPrefix IcmpQueryTimeout InstanceID InternalIPInterfaceAddressPrefix"
    " InternalRoutingDomainId Name Store TcpEstablishedConnectionTimeout TcpFilteringBehavior TcpTransientConnectionTimeout UdpFilteringBehavior"
    " UdpIdleSessionTimeout UdpInboundRefresh"
)
MAPPING_PROPERTIES = (
    "Active ExternalIPAddress ExternalPort InstanceID InternalIPAddress InternalPort InternalRoutingDomainId NatName Protocol"
    " RemoteExternalIPAddressPrefix StaticMappingID"
)
ADAPTER_PROPERTIES = (
    "ConnectorPresent CreationClassName DeviceID HardwareInterface InterfaceAdminStatus InterfaceDescription InterfaceGuid InterfaceIndex"
    " InterfaceName InterfaceOperationalStatus MediaConnectState Name NetworkAddresses PermanentAddress Speed State SystemCreationClassName"
    " SystemName Virtual"
)
ADDRESS_PROPERTIES = (
    "AddressFamily AddressState CreationClassName InterfaceAlias InterfaceIndex IPAddress IPv4Address IPv6Address Name PreferredLifetime"
    " PrefixLength PrefixOrigin SkipAsSource Store SuffixOrigin SystemCreationClassName SystemName Type ValidLifetime"
)
CLASSES = (
    CimClass(NAMESPACE, "MSFT_NetNat", ("InstanceID",), tuple(NAT_PROPERTIES.split()), nats, winnat),
    CimClass(NAMESPACE, "MSFT_NetNatStaticMapping", ("InstanceID",), tuple(MAPPING_PROPERTIES.split()), mappings, winnat),
    CimClass(
        NAMESPACE, "MSFT_NetAdapter", ("CreationClassName", "DeviceID", "SystemCreationClassName", "SystemName"), tuple(ADAPTER_PROPERTIES.split()), adapters
    ),
    CimClass(
        NAMESPACE, "MSFT_NetIPAddress", ("CreationClassName", "Name", "SystemCreationClassName", "SystemName"), tuple(ADDRESS_PROPERTIES.split()), addresses
    ),
)
