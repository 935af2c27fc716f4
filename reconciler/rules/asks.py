"""What rules across kinds ask of a host, and how the answers read. Questions that a kind asks too are spelled alike: asked once a host.

Used by the modules of this package. Nothing here judges. An answer that cannot be read suspends the rule (`NotSeen`, `Unreadable`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

from reconciler.core.addresses import SEVERAL_HOSTS, ipv4_interface, ipv4_network_around
from reconciler.core.calls import Cmdlet
from reconciler.core.capabilities import GET_NAT, HYPER_V, WINNAT
from reconciler.core.kinds import World, once
from reconciler.core.observations import Ask
from reconciler.kinds._host_network import ADDRESSES, GET_ADDRESS

GET_SWITCH = Cmdlet("Get-VMSwitch")
GET_ADAPTER = Cmdlet("Get-NetAdapter")
GET_ROUTE = Cmdlet("Get-NetRoute", ("AddressFamily",))
GET_SERVICE = Cmdlet("Get-Service", ("Name",))
GET_VALUES = Cmdlet("Get-ItemProperty", ("Path",))

WORDS: tuple[Cmdlet, ...] = (GET_ADDRESS, GET_SWITCH, GET_NAT, GET_ADAPTER, GET_ROUTE, GET_SERVICE, GET_VALUES)

SWITCHES = Ask(GET_SWITCH(select=("Name", "SwitchType")), requires=HYPER_V)
NATS = Ask(GET_NAT(select=("Name", "InternalIPInterfaceAddressPrefix")), requires=WINNAT)
CARDS = Ask(GET_ADAPTER(select=("Name", "InterfaceType", "HardwareInterface", "MediaConnectionState")))
ROUTES = Ask(GET_ROUTE(AddressFamily="IPv4", select=("DestinationPrefix", "NextHop", "InterfaceAlias")))
AZURE_AGENT = Ask(GET_SERVICE(Name="WindowsAzureGuestAgent*", select=("Name", "Status")))  # a pattern: an absent service is no error then

NAMES = r"HKLM:\SYSTEM\CurrentControlSet\Control\ComputerName"
COMPUTER_NAMES = Ask(GET_VALUES(Path=(rf"{NAMES}\ComputerName", rf"{NAMES}\ActiveComputerName"), select=("PSChildName", "ComputerName")))

SWITCH_TYPES = {"0": "Private", "1": "Internal", "2": "External"}
WIRELESS = 71  # IANA's interface type for IEEE 802.11
BROADCAST = IPv4Network("255.255.255.255/32")
UNPLUGGED = ("2", "disconnected")


@once
def host_addresses(world: World) -> list[tuple[str, IPv4Interface]]:
    """(adapter, IPv4 address) of every adapter of the host, loopback left out."""
    found = [
        (str(row["InterfaceAlias"]), ipv4_interface(f"{row['IPAddress']}/{row['PrefixLength']}"))
        for row in world.answer(ADDRESSES).objects
        if ":" not in str(row["IPAddress"])
    ]
    return sorted((alias, address) for alias, address in found if not address.is_loopback)


@once
def routes(world: World) -> list[tuple[str, IPv4Network, str]]:
    """(adapter, destination, next hop) of every IPv4 route, without the default one, multicast, broadcast and loopback."""
    found = ((row, _destination(str(row["DestinationPrefix"]))) for row in world.answer(ROUTES).objects)
    return sorted((str(row["InterfaceAlias"]), destination, str(row["NextHop"])) for row, destination in found if destination is not None)


@lru_cache(maxsize=SEVERAL_HOSTS)
def _destination(text: str) -> IPv4Network | None:
    """None for what leads to nobody in particular. Most routes are the same on every host."""
    if ":" in text:
        return None
    network = ipv4_network_around(text)
    nowhere = not network.prefixlen or network.is_loopback or network.is_multicast or network == BROADCAST
    return None if nowhere else network


@once
def switch_types(world: World) -> Mapping[str, tuple[str, ...]]:
    """Casefolded name → type of each switch of that name."""
    types: dict[str, tuple[str, ...]] = {}
    for row in world.answer(SWITCHES).objects:
        name, kind = str(row["Name"]).casefold(), str(row["SwitchType"])
        types[name] = (*types.get(name, ()), SWITCH_TYPES.get(kind, kind))
    return types


@once
def nat_prefixes(world: World) -> list[IPv4Network]:
    """Internal prefixes of the host's NATs; a NAT without one, or with one that is no IPv4 network, is behind nothing of ours."""
    found = []
    for row in world.answer(NATS).objects:
        try:
            found.append(ipv4_network_around(str(row["InternalIPInterfaceAddressPrefix"])))
        except ValueError:
            continue
    return sorted(found)


@once
def cards(world: World) -> Mapping[str, Any]:
    """Casefolded name → the answered adapter."""
    return {str(row["Name"]).casefold(): row for row in world.answer(CARDS).objects}


def asking(*asks: Ask) -> Any:
    """The same questions for every host."""

    def questions(_: object) -> Iterable[Ask]:
        return asks

    return questions
