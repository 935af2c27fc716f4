"""The block to paste on a host where nothing listens: what it asks for, and that no name becomes program text."""

from __future__ import annotations

import pytest

from reconciler.hosts.bootstrap import is_host, is_source, listener_block


def test_the_block_names_host_port_and_who_may_connect() -> None:
    block = listener_block("plant-lyn-02.example.net", 5987, ["10.60.0.0/16", "10.61.0.1"])
    assert block.endswith("} -Name 'plant-lyn-02.example.net' -Port 5987 -From '10.60.0.0/16', '10.61.0.1' -Keep $false\n")


def test_a_new_block_makes_a_certificate_and_rebind_takes_one_that_is_there() -> None:
    assert "certificate that it makes itself" in listener_block("a")
    again = listener_block("a", rebind=True)
    assert "newest certificate for a" in again
    assert again.endswith("-Keep $true\n")


def test_the_script_is_the_same_for_every_host() -> None:
    first, second = (listener_block(name, port).partition("& {")[2].rpartition("}")[0] for name, port in (("a", 1), ("b", 2)))
    assert first == second


def test_no_command_is_told_to_accept_plain_http_or_basic() -> None:
    block = listener_block("a")
    assert "AllowUnencrypted" not in block
    assert "Auth\\Basic" not in block


def test_a_quote_stays_inside_its_text() -> None:
    assert "-Name 'x''; Remove-Item C:\\ #'" in listener_block("x'; Remove-Item C:\\ #")


@pytest.mark.parametrize("name", ["edge-01", "edge-01.example.net", "10.0.0.1", "A" * 63])
def test_host_names_and_addresses_are_taken(name: str) -> None:
    assert is_host(name)


@pytest.mark.parametrize("name", ["", "-a", "a b", "a'b", "a\n", "a..b", "a" * 64, "x:5986", "$(calc)"])
def test_what_is_no_host_name_is_not_taken(name: str) -> None:
    assert not is_host(name)


@pytest.mark.parametrize(
    ("text", "good"),
    [("Any", True), ("LocalSubnet", True), ("10.0.0.0/8", True), ("fe80::/10", True), ("10.0.0.1-10.0.0.9", True), ("x", False), ("any'", False)],
)
def test_sources_are_addresses_networks_or_their_names(text: str, good: bool) -> None:
    assert is_source(text) is good
