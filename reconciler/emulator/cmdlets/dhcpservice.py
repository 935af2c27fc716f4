"""DhcpServer: the service itself: where it answers, whether it is authorised, its groups and settings.

Sources: windows-outputs Get-DhcpServerv4Binding, Get-DhcpServerInDC, Get-DhcpServerSetting; eflow-domain 3.8, 3.13.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.dhcpserver import dhcp_error, service, unverified
from reconciler.emulator.leasing import authorised
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Adapter


def _bindable(machine: Machine) -> list[Adapter]:
    """windows-outputs: adapters whose address itself comes from DHCP are not listed (unverified)."""
    return [a for a in machine.adapters if a.addresses and not a.dhcp and a.status == "Up"]


def _binding(machine: Machine, adapter: Adapter) -> dict[str, Any]:
    address = adapter.addresses[0]
    return {
        "InterfaceAlias": adapter.name,
        "InterfaceGuid": adapter.guid,
        "IPAddress": address.address,
        "SubnetMask": str(IPv4Network(f"0.0.0.0/{address.prefix}").netmask),
        "BindingState": adapter.name.casefold() not in [n.casefold() for n in machine.dhcp.unbound],
    }


@cmdlet("Get-DhcpServerv4Binding", "windows-outputs Get-DhcpServerv4Binding")
def get_binding(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    for adapter in _bindable(machine):
        yield _binding(machine, adapter)


@cmdlet("Set-DhcpServerv4Binding", "windows-outputs Get-DhcpServerv4Binding; the id of an absent interface is unverified")
def set_binding(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    for alias in bound["InterfaceAlias"]:
        adapter = next((a for a in _bindable(machine) if a.name.casefold() == alias.casefold()), None)
        if adapter is None:
            raise unverified(f"The interface {alias} cannot be bound.", "ObjectNotFound")
        machine.dhcp.unbound = [n for n in machine.dhcp.unbound if n.casefold() != alias.casefold()]
        if not bound["BindingState"]:
            machine.dhcp.unbound.append(adapter.name)
        if bound.on("PassThru"):
            yield _binding(machine, adapter)


@cmdlet("Get-DhcpServerInDC", "windows-outputs Get-DhcpServerInDC: id on a workgroup host unverified for this cmdlet")
def get_in_dc(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    _domain(machine)
    for address, name in sorted(machine.site.authorised.items()):
        yield {"IPAddress": address, "DnsName": name}


def _domain(machine: Machine) -> None:
    if machine.domain is None:
        raise dhcp_error(machine, 20070, machine.computer_name)


@cmdlet("Add-DhcpServerInDC", "eflow-domain 3.13; the id of a second authorisation is unverified")
def add_in_dc(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    _domain(machine)
    service(machine, bound)
    address = bound.get("IPAddress", machine.uplink)
    name = bound.get("DnsName", f"{machine.computer_name}.{machine.domain}".lower())
    if address in machine.site.authorised:
        raise unverified("The server is already authorised.", "ResourceExists")
    machine.site.authorised[address] = name
    bound.takes(2)
    if bound.on("PassThru"):
        yield {"IPAddress": address, "DnsName": name}


@cmdlet("Remove-DhcpServerInDC", "eflow-domain 3.13; the id of an absent one is unverified")
def remove_in_dc(machine: Machine, bound: Bound) -> None:
    _domain(machine)
    if machine.site.authorised.pop(bound.get("IPAddress", machine.uplink), None) is None:
        raise unverified("The server is not authorised.", "ObjectNotFound")


@cmdlet("Add-DhcpServerSecurityGroup", "eflow-domain 3.8: takes effect when the service is restarted")
def add_groups(machine: Machine, bound: Bound) -> None:
    service(machine, bound)
    machine.dhcp.groups = True


@cmdlet("Get-DhcpServerSetting", "windows-outputs Get-DhcpServerSetting")
def get_setting(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    yield _setting(machine)


def _setting(machine: Machine) -> dict[str, Any]:
    return {
        "IsDomainJoined": machine.domain is not None,
        "IsAuthorized": authorised(machine),
        "ConflictDetectionAttempts": machine.dhcp.conflict_attempts,
        "ActivatePolicies": machine.dhcp.activate_policies,
        "DynamicBootp": True,
        "NapEnabled": False,
        "NpsUnreachableAction": "Full",
        "RestoreStatus": False,
    }


@cmdlet("Set-DhcpServerSetting", "windows-outputs Get-DhcpServerSetting")
def set_setting(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    machine.dhcp.conflict_attempts = bound.get("ConflictDetectionAttempts", machine.dhcp.conflict_attempts)
    machine.dhcp.activate_policies = bound.get("ActivatePolicies", machine.dhcp.activate_policies)
    if bound.on("PassThru"):
        yield _setting(machine)
