"""The DHCP server of a twin: set up or not, where it answers, scopes with exclusions, options and reservations. `twin` calls it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from reconciler.core.calls import Row
from reconciler.emulator.dhcp import LEASE, Reservation, Scope
from reconciler.emulator.machine import Machine
from reconciler.emulator.twinhost import ROLE
from reconciler.emulator.twinsaid import Said, given, ip

DOMAIN = "twin.invalid"  # the name is not told, only that there is one


def dhcp(machine: Machine, said: Said) -> None:
    if machine.service("DHCPServer") is None:
        return
    _set_up(machine, said)
    _where(machine, said)
    machine.dhcp.scopes = [_scope(row) for row in said.listed("Get-DhcpServerv4Scope") or ()]
    _fill(machine, said)
    _unasked(machine, said)


def _fill(machine: Machine, said: Said) -> None:
    for row in said.listed("Get-DhcpServerv4ExclusionRange") or ():
        scope = machine.dhcp.scope(str(row["ScopeId"]))
        if scope is not None:
            scope.exclusions.append([ip(row, "StartRange"), ip(row, "EndRange")])
    for asked in said.asked("Get-DhcpServerv4OptionValue"):
        scope = machine.dhcp.scope(str(asked.parameters.get("ScopeId")))
        for row in asked.rows() if scope else ():
            _option(scope, row)
    for asked in said.asked("Get-DhcpServerv4Reservation"):
        for row in asked.rows():
            scope = machine.dhcp.scope(str(row["ScopeId"]))
            if scope is not None:
                scope.reservations.append(_reservation(row))


def _set_up(machine: Machine, said: Said) -> None:
    """The groups exist and the role's flag is set once Server Manager has nothing left to do."""
    waits = said.value("Get-WindowsFeature", "PostConfigurationNeeded", Name="DHCP")
    done = waits is False
    machine.dhcp.groups = machine.dhcp.groups_known = done
    machine.registry.put(ROLE, "ConfigurationState", 2 if done else 1)


def _where(machine: Machine, said: Said) -> None:
    machine.dhcp.unbound = [str(row["InterfaceAlias"]) for row in said.listed("Get-DhcpServerv4Binding") or () if not given(row, "BindingState")]
    setting = next(iter(said.listed("Get-DhcpServerSetting") or ()), None)
    if setting is not None and given(setting, "IsDomainJoined"):
        machine.domain = DOMAIN
        said.assume("it is joined to a domain, and what it sets up there is taken to succeed")
    if machine.domain and setting is not None and given(setting, "IsAuthorized"):
        machine.site.authorised[machine.uplink] = f"{machine.computer_name}.{DOMAIN}".lower()


def _scope(row: Row) -> Scope:
    duration = given(row, "LeaseDuration")
    return Scope(
        ip(row, "ScopeId"),
        ip(row, "SubnetMask"),
        ip(row, "StartRange"),
        ip(row, "EndRange"),
        str(given(row, "Name") or ""),
        str(given(row, "State") or "Active"),
        lease_duration=duration if isinstance(duration, timedelta) else timedelta(days=8),
    )


def _option(scope: Any, row: Row) -> None:
    number = int(row["OptionId"])
    if number != LEASE:  # the server lists it by itself
        scope.options[str(number)] = [str(value) for value in given(row, "Value") or ()]


def _reservation(row: Row) -> Reservation:
    return Reservation(ip(row, "IPAddress"), str(row["ClientId"]), str(given(row, "Name") or ""), str(given(row, "Description") or ""))


def _unasked(machine: Machine, said: Said) -> None:
    """Options and reservations are asked for scope by scope; of other scopes nothing is known."""
    told = {str(a.parameters.get("ScopeId")) for cmdlet in ("Get-DhcpServerv4OptionValue", "Get-DhcpServerv4Reservation") for a in said.asked(cmdlet)}
    for scope in machine.dhcp.scopes:
        if scope.id not in told:
            said.assume(f"DHCP scope {scope.id} has no options and no reservations: nobody asked for them")
    if machine.dhcp.scopes:
        said.assume("no address is leased, but to the EFLOW VM: leases are not in a snapshot")
