"""Rules between networks of one host: switches, NATs, scopes, guests, and what the host itself reaches.

Sources: eflow-domain 2, 3, 5, 9 (problem 4). What NAT prefixes may be by themselves is judged by the kind (NET010 to NET017).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from reconciler.core.addresses import overlap
from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import Declared, Finding, Rule, World, once
from reconciler.kinds._host_network import ADDRESSES, host_adapter
from reconciler.rules.asks import ROUTES, asking, host_addresses, routes
from reconciler.rules.places import DEFAULT_SWITCH, guests, leased, nats, own_adapters, reserved, scopes, stands, switch_name

DOCKER = tuple(IPv4Network(f"172.{n}.0.0/16") for n in (17, 18, 19))
ON_LINK = "0.0.0.0"
PREFIX = "internalIPInterfaceAddressPrefix"


def _on_default_switch(world: World) -> Iterator[Finding]:
    for kind, what in (("NatNetwork", "NAT"), ("DhcpScope", "DHCP")):
        for one in world.declared(kind):
            if switch_name(one.spec.switchName) == DEFAULT_SWITCH:
                yield Finding(
                    one.id,
                    "switchName",
                    f"the Default Switch brings {what} of its own",
                    why="Windows gives it another network at any restart, and shares the connection itself (ICS)",
                    help=f"take {one.id.partition('/')[2]} away, or declare an Internal switch for it",
                )


@once
def _inside(world: World) -> tuple[tuple[Declared[Any], str, IPv4Network], ...]:
    """(resource, field, network) of every network that is to exist inside this host only; one with a NAT is the NAT's."""
    behind = nats(world)
    own = ((one, address.network) for one, address in stands(world) if one.spec.switchType == "Internal")
    alone = ((one, "ipAddress", network) for one, network in own if not any(overlap(prefix, network) for _, prefix in behind))
    return (*((one, PREFIX, prefix) for one, prefix in behind), *alone)


def _own(world: World, one: Declared[Any]) -> frozenset[str]:
    """Adapters of the host that are meant to stand in the networks of its declared switches, and on the switch of this resource."""
    return own_adapters(world) | {host_adapter(switch_name(getattr(one.spec, "switchName", None))).casefold()}


def _over_lan(world: World) -> Iterator[Finding]:
    """Networks with a NAT are NET015's."""
    for one, field, network in _inside(world):
        if field == PREFIX:
            continue
        for alias, address in host_addresses(world):
            if overlap(address.network, network) and alias.casefold() not in _own(world, one):
                yield Finding(
                    one.id,
                    field,
                    f"{network} overlaps {address.network}, where {world.host} itself is ({alias}, {address.ip})",
                    why="the host would look for its neighbours behind the switch",
                    help="take a network that no adapter, route or VPN of the host uses, for example 172.20.10.0/24",
                )


@once
def _beyond(world: World) -> tuple[tuple[Declared[Any], str, IPv4Network, str, IPv4Network, str], ...]:
    """(resource, field, network, adapter, destination, hop) of routes that touch a network inside this host and lead out of it."""
    return tuple((one, field, network, *route) for one, field, network in _inside(world) for route in _leading_out(world, one, network))


def _leading_out(world: World, one: Declared[Any], network: IPv4Network) -> Iterator[tuple[str, IPv4Network, str]]:
    """Routes that touch a network and are not there because an adapter stands in it (NET015, NET021)."""
    local = {alias for alias, address in host_addresses(world) if overlap(address.network, network)}
    own = _own(world, one)
    for alias, destination, hop in routes(world):
        here = alias.casefold() in own or (hop == ON_LINK and alias in local)
        if overlap(destination, network) and not here:
            yield alias, destination, hop


def _over_route(world: World) -> Iterator[Finding]:
    for one, field, network, alias, destination, hop in _beyond(world):
        if destination.subnet_of(network):
            way = alias if hop == ON_LINK else f"{hop} on {alias}"
            yield Finding(
                one.id,
                field,
                f"{network} holds {destination}, which {world.host} reaches over {way}",
                why="guests cannot reach anybody there: their packets stay on the switch",
                help="take a network that no adapter, route or VPN of the host uses",
            )


def _in_wider_route(world: World) -> Iterator[Finding]:
    for one, field, network, alias, destination, hop in _beyond(world):
        if destination.prefixlen < network.prefixlen:
            yield Finding(
                one.id,
                field,
                f"{network} is cut out of {destination}, which {world.host} reaches over {hop if hop != ON_LINK else alias}",
                why="whoever has these addresses out there is out of reach for this host and its guests",
                help="make sure that nobody has, and accept this; or take another network",
            )


def _nobody_stands(world: World) -> Iterator[Finding]:
    for one, prefix in nats(world):
        if any(address.ip in prefix for _, address in stands(world)):
            continue
        if not any(address.ip in prefix for _, address in host_addresses(world)):
            first = next(prefix.hosts())
            yield Finding(
                one.id,
                PREFIX,
                f"no adapter of {world.host} stands in {prefix}, so nobody can use this NAT",
                why="WinNAT gives out no addresses: guests need the host as their gateway inside the prefix",
                help=f"give the switch an address there: ipAddress: {first}/{prefix.prefixlen}",
            )


def _published_to_anybody(world: World) -> Iterator[Finding]:
    kept = {int(address) for _, address in (*reserved(world), *guests(world))}
    for one, _ in nats(world):
        for name, mapping in sorted((one.spec.staticMappings or {}).items()):
            target = mapping.internalIPAddress
            giver = next((scope for scope, _ in scopes(world) if leased(scope.spec, target)), None)
            if giver is not None and int(target) not in kept:
                yield Finding(
                    one.id,
                    f"staticMappings.{name}.internalIPAddress",
                    f"{target} is leased to whoever asks for an address",
                    also=((giver.id, "startRange", "leased from here"),),
                    why="the published port would lead to another machine after a while",
                    help=f"reserve it: reservations: {{{name}: {{ipAddress: {target}, clientId: MAC}}}} in {giver.id.partition('/')[2]}, or a static guest",
                )


def _docker(world: World) -> Iterator[Finding]:
    """Prefixes of NATs are NET016's."""
    told = [prefix for _, prefix in nats(world)]
    found = [(one, "ipAddress", address.network) for one, address in stands(world) if one.spec.switchType == "Internal"]
    found += [(one, "ip4Address", IPv4Network(address)) for one, address in guests(world)]
    for one, field, network in found:
        if any(overlap(network, bridge) for bridge in DOCKER) and not any(overlap(network, other) for other in told):
            told.append(network)
            yield Finding(
                one.id,
                field,
                f"{network if network.num_addresses > 1 else network.network_address} lies where Docker in the guest makes its bridges (172.17 to 172.19)",
                why="the guest would look for its neighbours on a bridge of its own",
                help="take another private network, for example 172.20.10.0/24",
            )


RULES: tuple[Rule[Any], ...] = (
    Rule("NET020", Severity.ERROR, "NAT or DHCP on the Default Switch", _on_default_switch),
    Rule("NET021", Severity.ERROR, "a switch's network overlaps a network of the host", _over_lan, asks=asking(ADDRESSES)),
    Rule("NET022", Severity.WARNING, "a NAT in whose network the host does not stand", _nobody_stands, asks=asking(ADDRESSES)),
    Rule("NET023", Severity.WARNING, "a published port leads to an address that anybody may lease", _published_to_anybody),
    Rule("NET024", Severity.WARNING, "a network where Docker in the guest makes its bridges", _docker),
    Rule("NET025", Severity.ERROR, "a network of this host alone hides one that it reaches by a route", _over_route, asks=asking(ADDRESSES, ROUTES)),
    Rule(
        "NET026", Severity.WARNING, "a network of this host alone is cut out of one that it reaches by a route", _in_wider_route, asks=asking(ADDRESSES, ROUTES)
    ),
)
