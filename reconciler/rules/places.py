"""What the resources of one host declare about its networks: who stands where, who leases what. Read by the rules of this package.

Values that are only known after apply are left out here: they are judged once they are known.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from reconciler.core.addresses import masked
from reconciler.core.calls import Later
from reconciler.core.kinds import Declared, World, once
from reconciler.core.model import Existing
from reconciler.kinds._host_network import host_adapter

LINK_LOCAL = IPv4Network("169.254.0.0/16")
DEFAULT_SWITCH = "default switch"


def known(value: Any) -> bool:
    """Whether a value is there to be judged now."""
    return value is not None and not isinstance(value, Later)


def switch_name(named: Any) -> str:
    """A switch's casefolded name, however it is referred to; empty where none is."""
    if named is None:
        return ""
    return str(named.existing if isinstance(named, Existing) else named).casefold()


def switch(world: World, named: Any) -> Declared[Any] | None:
    """The declared switch of that name."""
    name = switch_name(named)
    return next((one for one in world.declared("VirtualSwitch") if str(one.spec.name).casefold() == name), None)


@once
def stands(world: World) -> tuple[tuple[Declared[Any], IPv4Interface], ...]:
    """Declared switches on which the host has an address, with it."""
    return tuple((one, one.spec.ipAddress) for one in world.declared("VirtualSwitch") if known(one.spec.ipAddress))


@once
def own_adapters(world: World) -> frozenset[str]:
    """Casefolded names of the host's ends of every declared switch."""
    return frozenset(host_adapter(str(one.spec.name)).casefold() for one in world.declared("VirtualSwitch"))


@once
def nats(world: World) -> tuple[tuple[Declared[Any], IPv4Network], ...]:
    """Declared NATs whose prefix is known."""
    found = ((one, one.spec.internalIPInterfaceAddressPrefix) for one in world.declared("NatNetwork"))
    return tuple((one, prefix) for one, prefix in found if known(prefix))


@once
def scopes(world: World) -> tuple[tuple[Declared[Any], IPv4Network], ...]:
    """Declared scopes whose network is known; one whose mask and address make none is DHC008's."""
    placed = (one for one in world.declared("DhcpScope") if known(one.spec.scopeId) and known(one.spec.subnetMask))
    return tuple((one, network) for one in placed if (network := scope_network(one.spec)) is not None)


def scope_network(scope: Any) -> IPv4Network | None:
    """The network of a scope, declared or seen."""
    return masked(scope.scopeId, scope.subnetMask)


def leased(scope: Any, address: IPv4Address) -> bool:
    """Whether a scope would lease the address: in its range and not excluded. `scope` is a spec or a state."""
    if not scope.startRange <= address <= scope.endRange:
        return False
    entries = scope.exclusions or ()
    excluded = entries.values() if hasattr(entries, "values") else entries
    return not any(one.startRange <= address <= one.endRange for one in excluded)


@once
def reserved(world: World) -> tuple[tuple[Declared[Any], IPv4Address], ...]:
    return tuple((one, one.spec.ipAddress) for one in world.declared("DhcpReservation") if known(one.spec.ipAddress))


@once
def guests(world: World) -> tuple[tuple[Declared[Any], IPv4Address], ...]:
    """Declared EFLOW VMs with a static address, with it."""
    return tuple((one, IPv4Address(int(one.spec.ip4Address))) for one in world.declared("EflowVm") if known(one.spec.ip4Address))


def free_address(world: World, network: IPv4Network) -> IPv4Address | None:
    """An address of the network that nothing declared has, keeps or leases: for hints."""
    taken = {int(address.ip) for _, address in stands(world)}
    taken |= {int(address) for _, address in (*guests(world), *reserved(world))}
    taken |= {int(one.spec.ip4GatewayAddress) for one in world.declared("EflowVm") if known(one.spec.ip4GatewayAddress)}
    ranges = [one.spec for one, _ in scopes(world)]
    for n, address in enumerate(network.hosts()):
        if int(address) not in taken and not any(scope.startRange <= address <= scope.endRange for scope in ranges):
            return address
        if n > 1024:
            break
    return None


def for_example(address: IPv4Address | None) -> str:
    return f"take a free one, for example {address}" if address else "take a free one"
