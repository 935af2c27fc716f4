"""Whether a guest on a virtual switch gets an address, and which: the DHCP server of the host, as clients see it.

`cmdlets/eflow` asks when the EFLOW VM is deployed or started. Sources: eflow-domain 3.7-3.13, 1.8.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import IPv4Address

from reconciler.emulator.dhcp import DNS_SERVERS, ROUTER, Lease, Reservation, Scope
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Adapter, VmSwitch


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client was given."""

    address: str
    prefix: int
    router: str
    dns: tuple[str, ...]


def client_id(mac: str) -> str:
    """The client identifier of a MAC address: lower-case hex with dashes."""
    digits = "".join(c for c in mac if c in "0123456789abcdefABCDEF").lower()
    return "-".join(digits[n : n + 2] for n in range(0, len(digits), 2))


def authorised(machine: Machine) -> bool:
    """A domain member must be authorised in the directory before it leases: eflow-domain 3.13."""
    return machine.domain is None or any(a.address in machine.site.authorised for _, a in machine.addresses())


def serves(machine: Machine, adapter: Adapter) -> bool:
    """Whether the server answers on this adapter: it runs, is authorised, and is bound there (static addresses only)."""
    bound = adapter.name.casefold() not in [name.casefold() for name in machine.dhcp.unbound]
    return machine.running("DHCPServer") and authorised(machine) and bound and not adapter.dhcp


def grant(machine: Machine, switch: VmSwitch, mac: str, name: str) -> Grant | None:
    """An address for the client with `mac` on `switch`, or None: nobody answers, or the scope is full."""
    digest = hashlib.sha256(mac.encode()).digest()
    if switch.type == "External":
        return Grant(f"10.20.{digest[0]}.{10 + digest[1] % 200}", 16, "10.20.0.1", ("10.20.0.53",))
    adapter = next((a for a in machine.adapters if a.virtual and a.switch == switch.id), None)
    if adapter is None:
        return None
    if switch.protected:
        base = IPv4Address(adapter.addresses[0].address)
        return Grant(str(base + 2 + digest[0]), adapter.addresses[0].prefix, str(base), (str(base),))
    if not serves(machine, adapter):
        return None
    for scope in machine.dhcp.scopes:
        if scope.state == "Active" and any(IPv4Address(a.address) in scope.network for a in adapter.addresses):
            return _from(machine, scope, client_id(mac), name)
    return None


def _from(machine: Machine, scope: Scope, client: str, name: str) -> Grant | None:
    reserved = next((r for r in scope.reservations if client_id(r.client) == client), None)
    held = next((lease for lease in scope.leases if lease.client == client), None)
    address = reserved.address if reserved else held.address if held else _free(machine, scope)
    if address is None:
        return None
    scope.leases = [lease for lease in scope.leases if lease.client != client]
    scope.leases.append(Lease(address, client, name))
    return Grant(address, scope.network.prefixlen, _option(machine, scope, reserved, ROUTER)[0], _option(machine, scope, reserved, DNS_SERVERS))


def _free(machine: Machine, scope: Scope) -> str | None:
    taken = {lease.address for lease in scope.leases} | {r.address for r in scope.reservations}
    for number in range(int(IPv4Address(scope.start)), int(IPv4Address(scope.end)) + 1):
        address = IPv4Address(number)
        if not scope.excluded(address) and str(address) not in taken and machine.holder(str(address)) is None:
            return str(address)
    return None


def _option(machine: Machine, scope: Scope, reserved: Reservation | None, number: int) -> tuple[str, ...]:
    """A reservation's value before the scope's before the server's; ('',) for no router, () for no DNS."""
    for options in ([reserved.options] if reserved else []) + [scope.options, machine.dhcp.options]:
        if str(number) in options:
            return tuple(options[str(number)])
    return ("",) if number == ROUTER else ()
