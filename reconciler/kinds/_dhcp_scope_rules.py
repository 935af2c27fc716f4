"""Rules of DhcpScope alone: whether range, mask, router and exclusions fit each other. Read through its kind.

Sources: eflow-domain 1.8, 3 (rows 9 to 11) and 9 (problems 3 and 5).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from reconciler.core.addresses import masked
from reconciler.core.calls import Later
from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import Declared, Finding, Rule, World, once


def _network(declared: Declared[Any]) -> IPv4Network | None:
    """The scope's network; None while it is not known, or where mask and network address make none."""
    scope, mask = declared.spec.scopeId, declared.spec.subnetMask
    if isinstance(scope, Later) or isinstance(mask, Later):
        return None
    return masked(scope, mask)


@once
def _placed(world: World) -> tuple[tuple[Declared[Any], IPv4Network], ...]:
    return tuple((declared, network) for declared in world.declared("DhcpScope") if (network := _network(declared)) is not None)


def _no_network(world: World) -> Iterable[Finding]:
    for declared in world.declared("DhcpScope"):
        spec = declared.spec
        if not isinstance(spec.scopeId, Later) and not isinstance(spec.subnetMask, Later) and _network(declared) is None:
            message = f"{spec.scopeId} with the mask {spec.subnetMask} is no network"
            yield Finding(declared.id, "scopeId", message, why="a scope is named by its network address", help="leave both out: they follow from switchName")


def _range_outside(world: World) -> Iterable[Finding]:
    for declared, network in _placed(world):
        for field in ("startRange", "endRange"):
            address = getattr(declared.spec, field)
            if address not in network:
                yield Finding(declared.id, field, f"{address} is not in the scope's network {network}")
            elif address in (network.network_address, network.broadcast_address):
                yield Finding(declared.id, field, f"{address} is the network or broadcast address of {network}, which nobody can lease")


def _range_backwards(world: World) -> Iterable[Finding]:
    for declared in world.declared("DhcpScope"):
        if declared.spec.startRange > declared.spec.endRange:
            yield Finding(
                declared.id, "startRange", f"the range ends ({declared.spec.endRange}) before it starts ({declared.spec.startRange})", help="swap them"
            )


@once
def _routers(world: World) -> tuple[tuple[Declared[Any], IPv4Network, IPv4Address], ...]:
    routers = ((declared, network, declared.spec.router) for declared, network in _placed(world))
    return tuple((declared, network, router) for declared, network, router in routers if router is not None and not isinstance(router, Later))


def _router_outside(world: World) -> Iterable[Finding]:
    for declared, network, router in _routers(world):
        if router not in network:
            yield Finding(
                declared.id, "router", f"{router} is not in the scope's network {network}", why="clients cannot reach a router outside their own network"
            )


def _router_leased(world: World) -> Iterable[Finding]:
    for declared, _, router in _routers(world):
        spec = declared.spec
        kept = any(one.startRange <= router <= one.endRange for one in (spec.exclusions or {}).values())
        if spec.startRange <= router <= spec.endRange and not kept:
            yield Finding(
                declared.id,
                "router",
                f"{router} would be leased to a guest: it lies in {spec.startRange} to {spec.endRange}",
                why="two machines would then have the router's address",
                help=f"move the range, or exclude it: exclusions: {{router: {{startRange: {router}, endRange: {router}}}}}",
            )


def _router_is_network(world: World) -> Iterable[Finding]:
    for declared, network, router in _routers(world):
        if router in (network.network_address, network.broadcast_address):
            yield Finding(
                declared.id,
                "router",
                f"{router} is the network or broadcast address of {network}, no router",
                why="guests would get a gateway that answers nobody",
                help="the host's own address on the switch; leave router out and it follows from switchName",
            )


def _no_dns(world: World) -> Iterable[Finding]:
    for declared in world.declared("DhcpScope"):
        if not declared.spec.dnsServer:
            yield Finding(
                declared.id,
                "dnsServer",
                "clients of this scope are told no DNS server",
                why="a guest that leases its address has no other way to learn one (DHCP option 6)",
                help="dnsServer: [ADDRESS]",
            )


def _exclusion_outside(world: World) -> Iterable[Finding]:
    for declared in world.declared("DhcpScope"):
        spec = declared.spec
        for name, one in sorted((spec.exclusions or {}).items()):
            if not spec.startRange <= one.startRange <= one.endRange <= spec.endRange:
                message = f"{one.startRange} to {one.endRange} is no part of the range {spec.startRange} to {spec.endRange}"
                yield Finding(declared.id, f"exclusions.{name}", message, why="only what would be leased can be excluded")


def _exclusions_overlap(world: World) -> Iterable[Finding]:
    for declared in world.declared("DhcpScope"):
        ordered = sorted((declared.spec.exclusions or {}).items(), key=lambda pair: pair[1].startRange)
        for (first, one), (second, two) in itertools.pairwise(ordered):
            if two.startRange <= one.endRange and (one.startRange, one.endRange) != (two.startRange, two.endRange):
                also = ((declared.id, f"exclusions.{first}", "the first one"),)
                yield Finding(
                    declared.id, f"exclusions.{second}", f"{second} overlaps {first}", also=also, why="the server refuses it (DHCP 20023)", help="join them"
                )


RULES: tuple[Rule[Any], ...] = (
    Rule("DHC001", Severity.ERROR, "range outside the scope's network", _range_outside),
    Rule("DHC002", Severity.ERROR, "range that ends before it starts", _range_backwards),
    Rule("DHC003", Severity.ERROR, "router outside the scope's network", _router_outside),
    Rule("DHC004", Severity.ERROR, "router inside the leased range", _router_leased),
    Rule("DHC005", Severity.WARNING, "scope without a DNS server", _no_dns),
    Rule("DHC006", Severity.ERROR, "exclusion outside the range", _exclusion_outside),
    Rule("DHC007", Severity.ERROR, "router is the network or broadcast address", _router_is_network),
    Rule("DHC008", Severity.ERROR, "scope and mask that make no network", _no_network),
    Rule("DHC009", Severity.ERROR, "exclusions that overlap", _exclusions_overlap),
)
