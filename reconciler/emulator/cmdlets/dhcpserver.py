"""DhcpServer: scopes and exclusions, and what all its cmdlets share.

Sources: windows-outputs Get-DhcpServer…, Traps 11-12, errors.writes; eflow-domain 3.7-3.13.
`dhcpservice`, `dhcpoptions` and `dhcpitems` have the rest; all start with `service`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.dhcp import Scope
from reconciler.emulator.errors import CIM, CmdletError
from reconciler.emulator.machine import Machine

CATEGORIES = {20005: "ObjectNotFound", 20010: "ObjectNotFound", 20018: "ObjectNotFound", 20022: "ResourceExists", 20023: "InvalidData", 20052: "ResourceExists"}
UNLIMITED = timedelta(days=10675199, hours=2, minutes=48, seconds=5, microseconds=477580)


def dhcp_error(machine: Machine, number: int, what: str) -> CmdletError:
    """windows-outputs Trap 11: `DHCP n`; the message has no wording to rely on."""
    return CmdletError(f"DHCP {number}", CATEGORIES.get(number, "NotSpecified"), machine.text("scope", name=what, host=machine.computer_name), CIM)


def service(machine: Machine, bound: Bound) -> None:
    """Refuses while the service is down (WIN32 1753) and for callers without rights (WIN32 5)."""
    if not machine.running("DHCPServer"):
        raise CmdletError("WIN32 1753", "NotSpecified", machine.text("service"), CIM)
    if not bound.elevated:
        raise CmdletError("WIN32 5", "PermissionDenied", machine.text("denied"), CIM)


def scope_of(machine: Machine, scope_id: str) -> Scope:
    found = machine.dhcp.scope(scope_id)
    if found is None:
        raise dhcp_error(machine, 20005, scope_id)
    return found


def unverified(message: str, category: str = "InvalidData") -> CmdletError:
    return CmdletError("Unverified", category, message, CIM)


def row(scope: Scope) -> dict[str, Any]:
    return {
        "ScopeId": scope.id,
        "Name": scope.name,
        "Description": scope.description,
        "SubnetMask": scope.mask,
        "StartRange": scope.start,
        "EndRange": scope.end,
        "LeaseDuration": scope.lease_duration,
        "State": scope.state,
        "Type": scope.type,
        "Delay": scope.delay,
        "SuperscopeName": scope.superscope,
        "MaxBootpClients": scope.max_bootp,
        "ActivatePolicies": scope.activate_policies,
        "NapEnable": False,
        "NapProfile": "",
    }


@cmdlet("Get-DhcpServerv4Scope", "windows-outputs Get-DhcpServerv4Scope")
def get_scope(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    if "ScopeId" not in bound:
        yield from (row(s) for s in sorted(machine.dhcp.scopes, key=lambda s: IPv4Address(s.id)))
        return
    for scope_id in bound["ScopeId"]:
        found = machine.dhcp.scope(scope_id)
        if found is None:
            bound.fail(dhcp_error(machine, 20005, scope_id))
        else:
            yield row(found)


@cmdlet("Add-DhcpServerv4Scope", "windows-outputs errors.writes Add-DhcpServerv4Scope; eflow-domain 3.9; ids of bad ranges are unverified")
def add_scope(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    network = _network(bound["StartRange"], bound["SubnetMask"])
    _check_range(network, bound["StartRange"], bound["EndRange"])
    if any(network.overlaps(s.network) for s in machine.dhcp.scopes):
        raise dhcp_error(machine, 20052, str(network.network_address))
    scope = Scope(str(network.network_address), bound["SubnetMask"], bound["StartRange"], bound["EndRange"], bound["Name"])
    _apply(scope, bound)
    machine.dhcp.scopes.append(scope)
    bound.takes(0.5)
    if bound.on("PassThru"):
        yield row(scope)


def _network(address: str, mask: str) -> IPv4Network:
    try:
        return IPv4Network(f"{address}/{mask}", strict=False)
    except ValueError:
        raise unverified(f"{mask} is not a valid subnet mask.") from None


def _check_range(network: IPv4Network, start: str, end: str) -> None:
    first, last = IPv4Address(start), IPv4Address(end)
    if first > last or last not in network or first not in network:
        raise unverified("The specified range is not valid for the subnet.")
    if first == network.network_address or last == network.broadcast_address:
        raise unverified("The range may not hold the network or broadcast address.")


def _apply(scope: Scope, bound: Bound) -> None:
    """Sets what was given. windows-outputs Trap 12: the parameter says InActive, the object Inactive."""
    if "State" in bound:
        scope.state = "Active" if bound["State"].casefold() == "active" else "Inactive"
    if "LeaseDuration" in bound:
        scope.lease_duration = bound["LeaseDuration"] or UNLIMITED
    if "Type" in bound:
        scope.type = bound["Type"].capitalize()
    scope.name = bound.get("Name", scope.name)
    scope.description = bound.get("Description", scope.description)
    scope.delay = bound.get("Delay", scope.delay)
    scope.superscope = bound.get("SuperscopeName", scope.superscope)
    scope.max_bootp = bound.get("MaxBootpClients", scope.max_bootp)
    scope.activate_policies = bound.get("ActivatePolicies", scope.activate_policies)


@cmdlet("Set-DhcpServerv4Scope", "windows-outputs Get-DhcpServerv4Scope; ids of bad ranges are unverified")
def set_scope(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    scope = scope_of(machine, bound["ScopeId"])
    if "StartRange" in bound:
        _check_range(scope.network, bound["StartRange"], bound["EndRange"])
        scope.start, scope.end = bound["StartRange"], bound["EndRange"]
    _apply(scope, bound)
    if bound.on("PassThru"):
        yield row(scope)


@cmdlet("Remove-DhcpServerv4Scope", "windows-outputs Get-DhcpServerv4Scope; the id with active leases is unverified")
def remove_scope(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    for scope_id in bound["ScopeId"]:
        scope = scope_of(machine, scope_id)
        if scope.leases and not bound.on("Force"):
            raise unverified(f"Scope {scope_id} has active clients; use -Force.", "InvalidOperation")
        machine.dhcp.scopes.remove(scope)
        if bound.on("Passthru"):
            yield row(scope)


@cmdlet("Get-DhcpServerv4ExclusionRange", "windows-outputs Get-DhcpServerv4ExclusionRange")
def get_exclusion(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    for scope in [scope_of(machine, s) for s in bound["ScopeId"]] if "ScopeId" in bound else machine.dhcp.scopes:
        for first, last in scope.exclusions:
            yield {"ScopeId": scope.id, "StartRange": first, "EndRange": last}


@cmdlet("Add-DhcpServerv4ExclusionRange", "windows-outputs errors.writes Add-DhcpServerv4ExclusionRange; a range outside is unverified")
def add_exclusion(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    scope = scope_of(machine, bound["ScopeId"])
    first, last = IPv4Address(bound["StartRange"]), IPv4Address(bound["EndRange"])
    if first > last or not IPv4Address(scope.start) <= first <= last <= IPv4Address(scope.end):
        raise unverified("The exclusion range must lie within the range of the scope.")
    if any(first <= IPv4Address(e) and IPv4Address(s) <= last for s, e in scope.exclusions):
        raise dhcp_error(machine, 20023, scope.id)
    scope.exclusions.append([str(first), str(last)])
    scope.exclusions.sort(key=lambda pair: IPv4Address(pair[0]))
    if bound.on("PassThru"):
        yield {"ScopeId": scope.id, "StartRange": str(first), "EndRange": str(last)}


@cmdlet("Remove-DhcpServerv4ExclusionRange", "windows-outputs Get-DhcpServerv4ExclusionRange; the id of an absent range is unverified")
def remove_exclusion(machine: Machine, bound: Bound) -> None:
    service(machine, bound)
    scope = scope_of(machine, bound["ScopeId"])
    if "StartRange" not in bound:
        scope.exclusions.clear()
        return
    pair = [bound["StartRange"], bound.get("EndRange", bound["StartRange"])]
    if pair not in scope.exclusions:
        raise unverified("The specified exclusion range does not exist.", "ObjectNotFound")
    scope.exclusions.remove(pair)
