"""DhcpServer: option values of the server, a scope or a reservation, and their definitions.

Sources: windows-outputs Get-DhcpServerv4OptionValue, Traps 11-12; eflow-domain 3.10-3.11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.dhcpserver import dhcp_error, scope_of, service, unverified
from reconciler.emulator.dhcp import DNS_DOMAIN, DNS_SERVERS, LEASE, ROUTER, OptionDefinition
from reconciler.emulator.machine import Machine

WINS, WPAD = 44, 252
COMMON = {"Router": ROUTER, "DnsServer": DNS_SERVERS, "DnsDomain": DNS_DOMAIN, "WinsServer": WINS, "Wpad": WPAD}
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
