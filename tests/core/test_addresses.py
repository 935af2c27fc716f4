"""Networks of a host: `overlap` says what the standard library says."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.addresses import masked, overlap

NEAR = st.integers(0, 0xFFF).map(lambda low: 0x0A400000 + low)  # within a few small networks, so that many of them touch


@st.composite
def networks(draw: st.DrawFn) -> IPv4Network:
    return IPv4Network((draw(NEAR), draw(st.integers(0, 32))), strict=False)


@given(networks(), networks())
def test_two_networks_overlap_as_the_standard_library_has_it(one: IPv4Network, other: IPv4Network) -> None:
    assert overlap(one, other) == one.overlaps(other) == overlap(other, one)


def test_an_address_and_a_mask_that_fit_make_a_network() -> None:
    assert masked(IPv4Address("172.20.10.0"), IPv4Address("255.255.255.0")) == IPv4Network("172.20.10.0/24")


@given(networks())
def test_every_network_is_made_by_its_own_address_and_mask(one: IPv4Network) -> None:
    assert masked(one.network_address, one.netmask) == one


def test_an_address_inside_a_network_and_a_mask_with_holes_make_none() -> None:
    assert masked(IPv4Address("172.20.10.7"), IPv4Address("255.255.255.0")) is None
    assert masked(IPv4Address("172.20.0.0"), IPv4Address("255.0.255.0")) is None
    assert masked(IPv4Address("172.20.10.0"), IPv4Address("0.0.0.255")) is None  # a mask the wrong way round
