"""The DHCP server role of an emulated machine: scopes with their ranges, exclusions, reservations, options and leases."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network

ROUTER, DNS_SERVERS, DNS_DOMAIN, LEASE = 3, 6, 15, 51


@dataclass(slots=True)
class Reservation:
    address: str
    client: str
    name: str = ""
    description: str = ""
    type: str = "Both"
    options: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Lease:
    address: str
    client: str
    name: str = ""


@dataclass(slots=True)
class Scope:
    """A scope; `id` is its network address. `exclusions` are (first, last); options are by number as text."""

    id: str
    mask: str
    start: str
    end: str
    name: str
    state: str = "Active"
    description: str = ""
    lease_duration: timedelta = timedelta(days=8)
    type: str = "Dhcp"
    delay: int = 0
    superscope: str = ""
    max_bootp: int = 4294967295
    activate_policies: bool = True
    exclusions: list[list[str]] = field(default_factory=list)
    reservations: list[Reservation] = field(default_factory=list)
    options: dict[str, list[str]] = field(default_factory=dict)
    leases: list[Lease] = field(default_factory=list)

    @property
    def network(self) -> IPv4Network:
        return IPv4Network(f"{self.id}/{self.mask}")

    def excluded(self, address: IPv4Address) -> bool:
        return any(IPv4Address(first) <= address <= IPv4Address(last) for first, last in self.exclusions)


@dataclass(slots=True)
class OptionDefinition:
    id: int
    name: str
    type: str
    multi: bool = False
    description: str = ""


def standard_definitions() -> dict[str, OptionDefinition]:
    """The option definitions that a new server has and that this product touches."""
    rows = (
        (2, "Time Offset", "DWord", False),
        (3, "Router", "IPv4Address", True),
        (4, "Time Server", "IPv4Address", True),
        (6, "DNS Servers", "IPv4Address", True),
        (12, "Host Name", "String", False),
        (15, "DNS Domain Name", "String", False),
        (42, "NTP Servers", "IPv4Address", True),
        (44, "WINS/NBNS Servers", "IPv4Address", True),
        (46, "WINS/NBT Node Type", "Byte", False),
        (51, "Lease", "DWord", False),
        (66, "Boot Server Host Name", "String", False),
        (67, "Bootfile Name", "String", False),
        (252, "WPAD", "String", False),
    )
    return {str(number): OptionDefinition(number, name, kind, multi) for number, name, kind, multi in rows}


@dataclass(slots=True)
class DhcpServer:
    """What the service keeps. `bindings` are the interface aliases it was told not to answer on (all others are bound)."""

    scopes: list[Scope] = field(default_factory=list)
    options: dict[str, list[str]] = field(default_factory=dict)
    definitions: dict[str, OptionDefinition] = field(default_factory=standard_definitions)
    unbound: list[str] = field(default_factory=list)
    groups: bool = False
    groups_known: bool = False  # the running service has seen the groups: it was restarted since
    conflict_attempts: int = 0
    activate_policies: bool = True

    def scope(self, scope_id: str) -> Scope | None:
        return next((scope for scope in self.scopes if scope.id == scope_id), None)

    def reservation(self, address: str) -> tuple[Scope, Reservation] | None:
        for scope in self.scopes:
            for reservation in scope.reservations:
                if reservation.address == address:
                    return scope, reservation
        return None
