"""IPv4 values out of text, each worked out once: the same few networks and addresses are read again and again within a host.

Used by kinds and rules on what hosts answer. All raise ValueError for what is no such value, as the standard library does.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, ip_address

SEVERAL_HOSTS = 4096  # values kept


@lru_cache(maxsize=SEVERAL_HOSTS)
def ipv4(text: str) -> IPv4Address:
    return IPv4Address(text)


@lru_cache(maxsize=SEVERAL_HOSTS)
def ipv4_interface(text: str) -> IPv4Interface:
    """`10.0.0.7/24`"""
    return IPv4Interface(text)


@lru_cache(maxsize=SEVERAL_HOSTS)
def ipv4_network_around(text: str) -> IPv4Network:
    """The network in which an address with its prefix length lies."""
    return IPv4Network(text, strict=False)


@lru_cache(maxsize=SEVERAL_HOSTS)
def ip(text: str) -> IPv4Address | IPv6Address:
    return ip_address(text)


LENGTHS = {(1 << 32) - (1 << 32 - length): length for length in range(33)}  # mask → prefix length


@lru_cache(maxsize=SEVERAL_HOSTS)
def _masked(address: int, mask: int) -> IPv4Network | None:
    return IPv4Network((address, LENGTHS[mask])) if mask in LENGTHS and address & mask == address else None


def masked(address: IPv4Address, mask: IPv4Address) -> IPv4Network | None:
    """The network that an address and a mask make; None where they make none."""
    return _masked(int(address), int(mask))


def overlap(one: IPv4Network, other: IPv4Network) -> bool:
    """As `one.overlaps(other)`, at a fifth of its price: rules ask it of every pair of networks of a host."""
    wide, narrow = (one, other) if one.prefixlen <= other.prefixlen else (other, one)
    return int(narrow.network_address) & int(wide.netmask) == int(wide.network_address)
