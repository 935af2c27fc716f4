"""DhcpServer: options, reservations, leases, statistics. Sources: windows-outputs of each Get-, Traps 11-12, errors.writes; eflow-domain 3.10-3.11."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.dhcpserver import dhcp_error, scope_of, service, unverified
from reconciler.emulator.dhcp import DNS_DOMAIN, DNS_SERVERS, LEASE, ROUTER, OptionDefinition, Reservation, Scope
from reconciler.emulator.leasing import client_id
from reconciler.emulator.machine import Machine

WINS, WPAD = 44, 252
COMMON = {"Router": ROUTER, "DnsServer": DNS_SERVERS, "DnsDomain": DNS_DOMAIN, "WinsServer": WINS, "Wpad": WPAD}
_LONGEST = timedelta(days=36500)
VALIDATION = 5.0  # seconds that the check of a DNS server takes (unverified)


def options_at(machine: Machine, bound: Bound) -> dict[str, list[str]]:
    """The options of the reservation, scope or server that the call is about."""
    if "ReservedIP" in bound:
        found = machine.dhcp.reservation(bound["ReservedIP"])
        if found is None:
            raise dhcp_error(machine, 20018, bound["ReservedIP"])
        return found[1].options
    return scope_of(machine, bound["ScopeId"]).options if "ScopeId" in bound else machine.dhcp.options


def option_row(machine: Machine, number: int, value: list[str], brief: bool = False) -> dict[str, Any]:
    definition = machine.dhcp.definitions.get(str(number))
    return {
        "OptionId": number,
        "Name": "" if brief or definition is None else definition.name,
        "Type": definition.type if definition else "String",
        "Value": list(value),
        "VendorClass": "",
        "UserClass": "",
        "PolicyName": "",
    }


@cmdlet("Get-DhcpServerv4OptionValue", "windows-outputs Get-DhcpServerv4OptionValue")
def get_option(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    options = dict(options_at(machine, bound))
    if "ScopeId" in bound and "ReservedIP" not in bound:  # windows-outputs: option 51 shows up in scope listings (unverified)
        options[str(LEASE)] = [str(int(scope_of(machine, bound["ScopeId"]).lease_duration.total_seconds()))]
    wanted = bound.get("OptionId")
    for number in wanted or sorted(int(n) for n in options):
        if str(number) not in options:
            bound.fail(dhcp_error(machine, 20010, str(number)))
        else:
            yield option_row(machine, number, options[str(number)], bound.on("Brief"))


@cmdlet("Set-DhcpServerv4OptionValue", "windows-outputs Get-DhcpServerv4OptionValue; eflow-domain 3.10-3.11; refusal ids are unverified")
def set_option(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    options = options_at(machine, bound)
    given = {number: bound[name] for name, number in COMMON.items() if name in bound}
    if "OptionId" in bound:
        given[bound["OptionId"]] = bound["Value"]
    for number, value in given.items():
        if str(number) not in machine.dhcp.definitions:
            raise dhcp_error(machine, 20010, str(number))
        texts = [str(v) for v in value] if isinstance(value, list) else [str(value)]
        _check(machine, bound, number, texts)
        options[str(number)] = texts
    if bound.on("PassThru"):
        yield from (option_row(machine, n, options[str(n)]) for n in given)


def _check(machine: Machine, bound: Bound, number: int, values: list[str]) -> None:
    """The form of addresses, and, without -Force, that each DNS server answers: eflow-domain 3.11."""
    definition = machine.dhcp.definitions[str(number)]
    if definition.type == "IPv4Address" and not all(_is_address(v) for v in values):
        raise unverified("The value is not an IPv4 address.")
    if number == DNS_SERVERS and not bound.on("Force"):
        bound.takes(VALIDATION)
        for value in values:
            if not _resolves(machine, value):
                raise unverified(f"{value} is not a valid DNS server.")


def _is_address(text: str) -> bool:
    return re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", text) is not None and all(int(p) < 256 for p in text.split("."))


def _resolves(machine: Machine, address: str) -> bool:
    """Nobody answers DNS on an internal switch unless the host has that role; anything outside is taken to answer."""
    inside = any(adapter.virtual and IPv4Address(address) in IPv4Interface(f"{a.address}/{a.prefix}").network for adapter, a in machine.addresses())
    return not inside or machine.running("DNS")


@cmdlet("Remove-DhcpServerv4OptionValue", "windows-outputs Get-DhcpServerv4OptionValue")
def remove_option(machine: Machine, bound: Bound) -> None:
    service(machine, bound)
    options = options_at(machine, bound)
    for number in bound["OptionId"]:
        if options.pop(str(number), None) is None:
            bound.fail(dhcp_error(machine, 20010, str(number)))


def _definition_row(definition: OptionDefinition) -> dict[str, Any]:
    return {
        "OptionId": definition.id,
        "Name": definition.name,
        "Type": definition.type,
        "MultiValued": definition.multi,
        "Description": definition.description,
        "VendorClass": "",
        "DefaultValue": [],
    }


@cmdlet("Get-DhcpServerv4OptionDefinition", "windows-outputs Get-DhcpServerv4OptionDefinition: its absence id is unverified")
def get_definition(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    service(machine, bound)
    for number in bound.get("OptionId") or sorted(int(n) for n in machine.dhcp.definitions):
        definition = machine.dhcp.definitions.get(str(number))
        if definition is None:
            bound.fail(dhcp_error(machine, 20010, str(number)))
        else:
            yield _definition_row(definition)


@cmdlet("Add-DhcpServerv4OptionDefinition", "windows-cmdlets Add-DhcpServerv4OptionDefinition; the id of a second one is unverified")
def add_definition(machine: Machine, bound: Bound) -> None:
    service(machine, bound)
    if str(bound["OptionId"]) in machine.dhcp.definitions:
        raise unverified("The option already exists.", "ResourceExists")
    machine.dhcp.definitions[str(bound["OptionId"])] = OptionDefinition(
        bound["OptionId"], bound["Name"], bound["Type"], bound.on("MultiValued"), bound.get("Description", "")
    )


@cmdlet("Remove-DhcpServerv4OptionDefinition", "windows-cmdlets Remove-DhcpServerv4OptionDefinition; its absence id is unverified")
def remove_definition(machine: Machine, bound: Bound) -> None:
    service(machine, bound)
    for number in bound["OptionId"]:
        if machine.dhcp.definitions.pop(str(number), None) is None:
            bound.fail(dhcp_error(machine, 20010, str(number)))


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
