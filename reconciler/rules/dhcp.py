"""Rules between DHCP's scopes, reservations and server, and the networks they serve.

Sources: eflow-domain 3 (rows 7 to 12 and the hygiene after them), 5, 9 (problems 3 and 5). A scope by itself is judged by its kind (DHC001 to DHC009).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.core.addresses import overlap
from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import Declared, Finding, Rule, World
from reconciler.kinds._host_network import ADDRESSES
from reconciler.rules.asks import asking, host_addresses
from reconciler.rules.places import LINK_LOCAL, for_example, free_address, known, leased, nats, reserved, scope_network, scopes, stands, switch, switch_name


def _no_server(world: World) -> Iterator[Finding]:
    for one in world.declared("DhcpScope"):
        if not world.declared("DhcpServer"):
            yield Finding(
                one.id,
                "",
                f"a scope, and no DhcpServer is declared on {world.host}",
                why="the role alone leaves the security groups unmade, and answers on every adapter with a fixed address: the corporate LAN too",
                help="DhcpServer: {}",
            )


def _leases_the_host(world: World) -> Iterator[Finding]:
    """Where the address is the scope's router, DHC004 says it."""
    for one, _ in scopes(world):
        for place, address in stands(world):
            if leased(one.spec, address.ip) and address.ip != one.spec.router:
                yield Finding(
                    one.id,
                    "startRange",
                    f"{address.ip} would be leased to a guest, and it is the host's own",
                    also=((place.id, "ipAddress", "the host has it here"),),
                    why="two machines would then have one address",
                    help=f"move the range, or exclude it: exclusions: {{host: {{startRange: {address.ip}, endRange: {address.ip}}}}}",
                )


def _nobody_stands(world: World) -> Iterator[Finding]:
    for one, network in scopes(world):
        if any(address.ip in network for _, address in stands(world)):
            continue
        if not any(address.ip in network for _, address in host_addresses(world)):
            yield Finding(
                one.id,
                "scopeId",
                f"no adapter of {world.host} stands in {network}",
                why="a DHCP server leases addresses only in networks where it stands itself, unless a relay asks it",
                help=f"give the switch an address there: ipAddress: {next(network.hosts())}/{network.prefixlen}; or correct scopeId",
            )


def _server_deaf(world: World) -> Iterator[Finding]:
    for server in world.declared("DhcpServer"):
        if not known(server.spec.bindings):
            continue
        bound = {str(name).casefold() for name in server.spec.bindings}
        for scope in world.declared("DhcpScope"):
            name = switch_name(scope.spec.switchName)
            if name and name not in bound:
                yield Finding(
                    server.id,
                    "bindings",
                    f"the server does not answer on {scope.spec.switchName}, where {scope.id} leases",
                    also=((scope.id, "switchName", "leases here"),),
                    why="guests there would ask and get no answer",
                    help="add it; or leave bindings out: they follow from the scopes",
                )


def _serves_lan(world: World) -> Iterator[Finding]:
    for server in world.declared("DhcpServer"):
        for name in server.spec.bindings if known(server.spec.bindings) else ():
            place = switch(world, name)
            if place is not None and place.spec.switchType == "External":
                yield Finding(
                    server.id,
                    "bindings",
                    f"the server answers on {name}, an External switch",
                    also=((place.id, "switchType", "leads to the LAN"),),
                    why="two DHCP servers in one LAN give machines addresses that lead nowhere",
                    help="keep scopes on Internal switches; accept this where the LAN is this host's to serve",
                )


def _declared_overlap(world: World) -> Iterator[Finding]:
    placed = list(scopes(world))
    for n, (one, network) in enumerate(placed):
        for other, taken in placed[:n]:
            if overlap(network, taken):
                yield _overlap(one, f"{network} overlaps {other.id}, which leases in {taken}", ((other.id, "scopeId", f"{taken} is declared here"),))


def _overlap(one: Declared[Any], message: str, also: tuple[tuple[str, str, str], ...] = ()) -> Finding:
    why = "the server refuses a scope that overlaps another, or leases one address twice"
    return Finding(one.id, "scopeId", message, also=also, why=why, help="one scope a network; leave addresses out with exclusions")


def _foreign_overlap(world: World) -> Iterator[Finding]:
    for one, network in scopes(world):
        ours = {str(scope.spec.scopeId) for scope, _ in scopes(world)}
        for key, state in sorted(world.states("DhcpScope").items()):
            taken = scope_network(state)
            if str(key) not in ours and taken is not None and overlap(taken, network):
                yield _overlap(one, f"{network} overlaps scope {state.name} of {world.host}, which leases in {taken}")


def _reservations(world: World) -> Iterator[tuple[Declared[Any], Any, Declared[Any]]]:
    """(reservation, its address, its scope)"""
    by_name = {str(one.name).casefold(): one for one, _ in scopes(world)}
    for one, address in reserved(world):
        scope = by_name.get(str(one.spec.scope).casefold())
        if scope is not None:
            yield one, address, scope


def _reserved_outside(world: World) -> Iterator[Finding]:
    for one, address, scope in _reservations(world):
        network = scope_network(scope.spec)
        if network is not None and (address not in network or address in (network.network_address, network.broadcast_address)):
            what = f"is not in {network}" if address not in network else f"is the network or broadcast address of {network}"
            yield Finding(
                one.id,
                "ipAddress",
                f"{address} {what}",
                also=((scope.id, "scopeId", f"leases in {network}"),),
                why="the server refuses a reservation that its scope cannot lease",
                help=for_example(free_address(world, network)),
            )


def _reserved_taken(world: World) -> Iterator[Finding]:
    for one, address in reserved(world):
        for place, own in stands(world):
            if own.ip == address:
                yield Finding(
                    one.id,
                    "ipAddress",
                    f"{address} is kept for {one.spec.clientId}, and the host itself has it",
                    also=((place.id, "ipAddress", "the host has it here"),),
                    why="two machines would then have one address",
                    help=for_example(free_address(world, own.network)),
                )


def _no_router(world: World) -> Iterator[Finding]:
    for one, network in scopes(world):
        behind = next((nat for nat, prefix in nats(world) if overlap(prefix, network)), None)
        if behind is not None and one.spec.router is None:
            yield Finding(
                one.id,
                "router",
                "clients of this scope are told no router, and there is a NAT for them",
                also=((behind.id, "", "the NAT"),),
                why="without DHCP option 3 a guest has no way out",
                help="write switchName, and router follows from it; or router: the host's address there",
            )


def _link_local(world: World) -> Iterator[Finding]:
    for one, network in scopes(world):
        if overlap(network, LINK_LOCAL):
            yield Finding(
                one.id,
                "scopeId",
                f"{network} is the range of self-given addresses",
                why="Windows takes such an address for one that nobody gave; NAT does not work over it",
                help="take a private network, for example 172.20.10.0/24",
            )


def _on_client(world: World) -> Iterator[Finding]:
    for kind in ("DhcpServer", "DhcpScope"):
        for one in world.declared(kind):
            if world.sku.startswith("client"):
                yield Finding(
                    one.id,
                    "",
                    f"a Windows client has no DHCP server, and {world.host} is one",
                    help="on a client the Default Switch leases addresses; take this away, or correct sku",
                )


RULES: tuple[Rule[Any], ...] = (
    Rule("DHC030", Severity.WARNING, "a scope without a declared server", _no_server),
    Rule("DHC031", Severity.ERROR, "a scope leases the host's own address", _leases_the_host),
    Rule("DHC032", Severity.WARNING, "a scope in whose network the host does not stand", _nobody_stands, asks=asking(ADDRESSES)),
    Rule("DHC033", Severity.ERROR, "the server does not answer where a scope leases", _server_deaf),
    Rule("DHC034", Severity.WARNING, "the server answers on an External switch", _serves_lan),
    Rule("DHC035", Severity.ERROR, "two declared scopes overlap", _declared_overlap),
    Rule("DHC036", Severity.ERROR, "a scope overlaps another of the host", _foreign_overlap),
    Rule("DHC037", Severity.ERROR, "a reserved address outside its scope", _reserved_outside),
    Rule("DHC038", Severity.ERROR, "a reserved address that the host itself has", _reserved_taken),
    Rule("DHC039", Severity.WARNING, "a scope with a NAT and no router", _no_router),
    Rule("DHC040", Severity.ERROR, "a scope over the link-local range", _link_local),
    Rule("DHC041", Severity.ERROR, "DHCP on a Windows client", _on_client),
)
