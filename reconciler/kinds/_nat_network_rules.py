"""Rules of NatNetwork alone: how many, over which networks, published to whom. Read through its kind.

Sources: eflow-domain 3, 5 and 9 (problem 4), windows-outputs errors.writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

from reconciler.core.addresses import ipv4_interface, overlap
from reconciler.core.calls import Later
from reconciler.core.diagnostics import Severity
from reconciler.core.ids import Key
from reconciler.core.kinds import Declared, Finding, Rule, World, once
from reconciler.core.model import Existing
from reconciler.kinds._host_network import ADDRESSES, host_adapter, is_host_adapter

LINK_LOCAL = IPv4Network("169.254.0.0/16")
DOCKER = tuple(IPv4Network(f"172.{n}.0.0/16") for n in (17, 18, 19))
ONE_NAT_ONLY = 15063  # first build where a second prefix is said to work


def _key(declared: Declared[Any]) -> Key:
    return Key(str(declared.spec.name).casefold())


@once
def _prefixes(world: World) -> tuple[tuple[Any, IPv4Network], ...]:
    """Declared NATs whose prefix is known."""
    found = ((declared, declared.spec.internalIPInterfaceAddressPrefix) for declared in world.declared("NatNetwork"))
    return tuple((declared, prefix) for declared, prefix in found if not isinstance(prefix, Later))


def _second_nat(world: World) -> Iterable[Finding]:
    for declared in world.declared("NatNetwork"):
        names = sorted(str(state.name) for one, state in world.states("NatNetwork").items() if one != _key(declared))
        if names:
            yield Finding(
                declared.id,
                "",
                f"{world.host} has another NAT: {', '.join(names)}",
                why="Windows documents one NAT network a host; several may leave it in an unknown state",
            )


def _second_nat_on_2016(world: World) -> Iterable[Finding]:
    if world.declared("NatNetwork") and world.facts.build < ONE_NAT_ONLY:
        for finding in _second_nat(world):
            yield Finding(
                finding.subject, "", finding.message, why="this release of Windows works with one internal prefix only", help="use one larger prefix for both"
            )


def _link_local(world: World) -> Iterable[Finding]:
    for declared, prefix in _prefixes(world):
        if overlap(prefix, LINK_LOCAL):
            yield Finding(
                declared.id,
                "internalIPInterfaceAddressPrefix",
                f"{prefix} is the range of self-given addresses",
                why="guests behind it reach the host alone",
                help="take a private network",
            )


def _overlapping_nats(world: World) -> Iterable[Finding]:
    for declared, prefix in _prefixes(world):
        for one, state in sorted(world.states("NatNetwork").items()):
            other = state.internalIPInterfaceAddressPrefix
            if one != _key(declared) and isinstance(other, IPv4Network) and overlap(prefix, other):
                yield Finding(
                    declared.id,
                    "internalIPInterfaceAddressPrefix",
                    f"{prefix} overlaps NAT {state.name}, which has {other}",
                    why="New-NetNat refuses it (Windows System Error 87)",
                )


def _twice_declared(world: World) -> Iterable[Finding]:
    known = _prefixes(world)
    for n, (declared, prefix) in enumerate(known):
        for other, taken in known[:n]:
            if overlap(prefix, taken):
                field = "internalIPInterfaceAddressPrefix"
                yield Finding(declared.id, field, f"{prefix} overlaps {other.id}, which has {taken}", also=((other.id, field, f"{taken} is declared here"),))


def _overlapping_lan(world: World) -> Iterable[Finding]:
    for declared, prefix in _prefixes(world):
        for alias, address in _host_addresses(world):
            own = alias.casefold() == _own_adapter(declared) or (is_host_adapter(alias) and address.network == prefix)
            if overlap(address.network, prefix) and not address.is_loopback and not own:
                yield Finding(
                    declared.id,
                    "internalIPInterfaceAddressPrefix",
                    f"{prefix} overlaps {address.network}, where {world.host} itself is ({alias}, {address.ip})",
                    why="packets for that network would end behind the NAT",
                    help="take a network that no interface, route or VPN of the host uses",
                )


@once
def _host_addresses(world: World) -> tuple[tuple[str, IPv4Interface], ...]:
    rows = (row for row in world.answer(ADDRESSES).objects if ":" not in str(row["IPAddress"]))
    return tuple((str(row["InterfaceAlias"]), ipv4_interface(f"{row['IPAddress']}/{row['PrefixLength']}")) for row in rows)


def _own_adapter(declared: Declared[Any]) -> str:
    switch = declared.spec.switchName
    return host_adapter(switch.existing if isinstance(switch, Existing) else str(switch)).casefold()


def _docker(world: World) -> Iterable[Finding]:
    for declared, prefix in _prefixes(world):
        if any(overlap(prefix, one) for one in DOCKER):
            yield Finding(
                declared.id,
                "internalIPInterfaceAddressPrefix",
                f"{prefix} lies where Docker inside the guest makes its own bridges (172.17 to 172.19)",
                help="take another private network",
            )


def _outside(world: World) -> Iterable[Finding]:
    for declared, prefix in _prefixes(world):
        for name, mapping in sorted((declared.spec.staticMappings or {}).items()):
            if mapping.internalIPAddress not in prefix:
                yield Finding(declared.id, f"staticMappings.{name}.internalIPAddress", f"{mapping.internalIPAddress} is not behind this NAT ({prefix})")


RULES: tuple[Rule[Any], ...] = (
    Rule("NET010", Severity.WARNING, "more than one NAT on a host", _second_nat),
    Rule("NET011", Severity.ERROR, "more than one NAT on a release that works with one", _second_nat_on_2016),
    Rule("NET012", Severity.ERROR, "NAT over the link-local range", _link_local),
    Rule("NET013", Severity.ERROR, "NAT overlaps another NAT of the host", _overlapping_nats),
    Rule("NET014", Severity.ERROR, "two declared NATs overlap", _twice_declared),
    Rule("NET015", Severity.ERROR, "NAT overlaps a network of the host", _overlapping_lan, asks=lambda facts: (ADDRESSES,)),
    Rule("NET016", Severity.WARNING, "NAT where Docker in the guest makes its bridges", _docker),
    Rule("NET017", Severity.ERROR, "a published port leads out of the NAT", _outside),
)
