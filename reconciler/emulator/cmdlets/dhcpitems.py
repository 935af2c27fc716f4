"""DhcpServer: reservations, leases, statistics. Sources: windows-outputs of each Get-, Traps 11-12, errors.writes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Address
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.dhcpserver import dhcp_error, scope_of, service, unverified
from reconciler.emulator.dhcp import Reservation, Scope
from reconciler.emulator.leasing import client_id
from reconciler.emulator.machine import Machine

_LONGEST = timedelta(days=36500)


def reservation_row(scope: Scope, reservation: Reservation) -> dict[str, Any]:
    active = any(lease.address == reservation.address for lease in scope.leases)
    return {
        "ScopeId": scope.id,
        "IPAddress": reservation.address,
        "ClientId": reservation.client,
        "Name": reservation.name,
        "Description": reservation.description,
        "Type": reservation.type,
        "AddressState": "ActiveReservation" if active else "InactiveReservation",
    }


@cmdlet("Get-DhcpServerv4Reservation", "windows-outputs Get-DhcpServerv4Reservation")
def get_reservation(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    for scope, reservation in _reservations(machine, bound):
        yield reservation_row(scope, reservation)


def _reservations(machine: Machine, bound: Bound) -> list[tuple[Scope, Reservation]]:
    """What -IPAddress, or -ScopeId with or without -ClientId means; each that is not there is DHCP 20018."""
    if "IPAddress" in bound:
        found = [(address, machine.dhcp.reservation(address)) for address in bound["IPAddress"]]
    else:
        scope = scope_of(machine, bound["ScopeId"])
        if "ClientId" not in bound:
            return [(scope, r) for r in sorted(scope.reservations, key=lambda r: IPv4Address(r.address))]
        found = [(client, next(((scope, r) for r in scope.reservations if client_id(r.client) == client_id(client)), None)) for client in bound["ClientId"]]
    for what, hit in found:
        if hit is None:
            bound.fail(dhcp_error(machine, 20018, what))
    return [hit for _, hit in found if hit is not None]


@cmdlet("Add-DhcpServerv4Reservation", "windows-outputs errors.writes Add-DhcpServerv4Reservation; an address outside is unverified")
def add_reservation(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    scope = scope_of(machine, bound["ScopeId"])
    client = client_id(bound["ClientId"])
    if IPv4Address(bound["IPAddress"]) not in scope.network or not client:
        raise unverified("The address or the client identifier does not fit the scope.")
    if machine.dhcp.reservation(bound["IPAddress"]) is not None or any(client_id(r.client) == client for r in scope.reservations):
        raise dhcp_error(machine, 20022, bound["IPAddress"])
    reservation = Reservation(bound["IPAddress"], client, bound.get("Name", ""), bound.get("Description", ""), bound.get("Type", "Both").capitalize())
    scope.reservations.append(reservation)
    if bound.on("PassThru"):
        yield reservation_row(scope, reservation)


@cmdlet("Set-DhcpServerv4Reservation", "windows-outputs Get-DhcpServerv4Reservation")
def set_reservation(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    found = machine.dhcp.reservation(bound["IPAddress"])
    if found is None:
        raise dhcp_error(machine, 20018, bound["IPAddress"])
    scope, reservation = found
    reservation.client = client_id(bound["ClientId"]) if "ClientId" in bound else reservation.client
    reservation.name = bound.get("Name", reservation.name)
    reservation.description = bound.get("Description", reservation.description)
    reservation.type = bound.get("Type", reservation.type).capitalize()
    if bound.on("PassThru"):
        yield reservation_row(scope, reservation)


@cmdlet("Remove-DhcpServerv4Reservation", "windows-outputs Get-DhcpServerv4Reservation")
def remove_reservation(machine: Machine, bound: Bound) -> None:
    service(machine, bound)
    for scope, reservation in _reservations(machine, bound):
        scope.reservations.remove(reservation)


@cmdlet("Get-DhcpServerv4Lease", "windows-outputs Get-DhcpServerv4Lease: its absence id is unverified")
def get_lease(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    scopes = [scope_of(machine, bound["ScopeId"])] if "ScopeId" in bound else machine.dhcp.scopes
    for scope in scopes:
        for address in sorted({lease.address for lease in scope.leases} | {r.address for r in scope.reservations}, key=IPv4Address):
            row = _lease_row(machine, scope, address)
            if _asked(bound, row):
                yield row


def _asked(bound: Bound, row: dict[str, Any]) -> bool:
    if bound.on("BadLeases"):
        return False
    if "IPAddress" in bound:
        return row["IPAddress"] in bound["IPAddress"]
    return "ClientId" not in bound or client_id(row["ClientId"]) in [client_id(c) for c in bound["ClientId"]]


def _lease_row(machine: Machine, scope: Scope, address: str) -> dict[str, Any]:
    """windows-outputs: a reservation appears as a lease whose LeaseExpiryTime is null."""
    lease = next((x for x in scope.leases if x.address == address), None)
    reserved = next((r for r in scope.reservations if r.address == address), None)
    state = ("ActiveReservation" if lease else "InactiveReservation") if reserved else "Active"
    return {
        "ScopeId": scope.id,
        "IPAddress": address,
        "ClientId": lease.client if lease else reserved.client if reserved else "",
        "HostName": lease.name if lease else reserved.name if reserved else "",
        "AddressState": state,
        "LeaseExpiryTime": None if reserved else machine.local_now + min(scope.lease_duration, _LONGEST),
        "ClientType": "Dhcp",
        "Description": reserved.description if reserved else "",
        "ServerIP": machine.uplink,
    }


@cmdlet("Remove-DhcpServerv4Lease", "windows-cmdlets Remove-DhcpServerv4Lease; its absence id is unverified")
def remove_lease(machine: Machine, bound: Bound) -> None:
    service(machine, bound)
    for scope in [scope_of(machine, bound["ScopeId"])] if "ScopeId" in bound else machine.dhcp.scopes:
        rows = {lease.address: _lease_row(machine, scope, lease.address) for lease in scope.leases}
        scope.leases = [lease for lease in scope.leases if not _asked(bound, rows[lease.address])]


@cmdlet("Get-DhcpServerv4ScopeStatistics", "windows-outputs Get-DhcpServerv4ScopeStatistics")
def get_statistics(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    for scope in [scope_of(machine, s) for s in bound["ScopeId"]] if "ScopeId" in bound else machine.dhcp.scopes:
        total = int(IPv4Address(scope.end)) - int(IPv4Address(scope.start)) + 1
        total -= sum(int(IPv4Address(last)) - int(IPv4Address(first)) + 1 for first, last in scope.exclusions)
        used = len(scope.leases)
        yield {
            "ScopeId": scope.id,
            "AddressesFree": total - used,
            "Free": total - used,
            "AddressesInUse": used,
            "InUse": used,
            "PercentageInUse": round(100 * used / total, 2) if total else 0.0,
            "ReservedAddress": len(scope.reservations),
            "Reserved": len(scope.reservations),
            "PendingOffers": 0,
            "Pending": 0,
            "SuperscopeName": scope.superscope,
        }
