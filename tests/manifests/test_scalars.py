"""Scalars are read by the field's type, never by YAML's own guesses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest

from reconciler.core.resources import Written

One = Callable[[str], Written]
Errors = Callable[[str], list[str]]

RIGHT: list[tuple[str, str, Any]] = [
    ("note", "Yes", "Yes"),
    ("note", "1.10", "1.10"),
    ("note", "8:00:00", "8:00:00"),
    ("note", "0755", "0755"),
    ("note", "10:20:30:40:50:59", "10:20:30:40:50:59"),
    ("note", "'null'", "null"),
    ("note", '""', ""),
    ("note", "2026-11-10", "2026-11-10"),
    ("note", "|-\n    two\n    lines", "two\nlines"),
    ("enabled", "Yes", True),
    ("enabled", "OFF", False),
    ("enabled", "'true'", True),
    ("count", "4096", 4096),
    ("count", '"4096"', 4096),
    ("count", "-1", -1),
    ("share", "1.50", 1.5),
    ("mode", "external", "External"),
    ("lease", "8.00:00:00", timedelta(days=8)),
    ("lease", "30m", timedelta(minutes=30)),
    ("mac", "10:20:30:40:50:59", "10-20-30-40-50-59"),
    ("mac", "00155D010203", "00-15-5D-01-02-03"),
    ("network", "172.20.10.0/24", IPv4Network("172.20.10.0/24")),
    ("ipAddress", "172.20.10.1/24", IPv4Interface("172.20.10.1/24")),
    ("dns", "[10.0.0.1, '10.0.0.2']", (IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"))),
    ("uplink", "Plant Bus", "Plant Bus"),
]


@pytest.mark.parametrize(("field", "typed", "value"), RIGHT)
def test_a_scalar_is_what_its_field_wants(resource: One, field: str, typed: str, value: Any) -> None:
    written = resource(f"Switch/a:\n  {field}: {typed}")
    assert written.values[field] == value
    assert type(written.values[field]) is type(value) or isinstance(written.values[field], str)
    assert not written.broken


WRONG: list[tuple[str, str, str]] = [
    ("count", "0x10", "Switch.count wants a whole number"),
    ("count", "010", "Switch.count wants a whole number"),
    ("count", "1_000", "Switch.count wants a whole number"),
    ("count", "4.0", "Switch.count wants a whole number"),
    ("count", "4GB", "Switch.count wants a whole number"),
    ("count", "9" * 30, "Switch.count wants a whole number"),
    ("count", "yes", "Switch.count wants a whole number"),
    ("count", "[1]", "Switch.count wants a whole number"),
    ("share", ".5", "Switch.share wants a number"),
    ("enabled", "1", "Switch.enabled wants true or false"),
    ("mode", "Private", "Switch.mode wants Internal or External"),
    ("lease", "soon", "Switch.lease cannot be soon"),
    ("mac", "00-15", "Switch.mac cannot be 00-15"),
    ("network", "172.20.10.1/24", "Switch.network wants a network, for example 172.20.10.0/24"),
    ("network", "172.20.10.0", "Switch.network wants a network, for example 172.20.10.0/24"),
    ("ipAddress", "172.20.10.1", "Switch.ipAddress cannot be 172.20.10.1"),
    ("dns", "10.0.0.1", "Switch.dns wants a list"),
    ("dns", "[10.0.0.256]", "Switch.dns.0 wants an IPv4 address"),
    ("dns", "[~]", "Switch.dns has an item that says nothing"),
    ("note", "{a: b}", "Switch.note wants text"),
    ("uplink", "'a*'", "Switch.uplink cannot be a*"),
    ("uplink", "{existing: a, other: b}", "Switch.uplink has no field other"),
    ("windows", "[a]", "Switch.windows wants a map of names"),
    ("windows", "{w: {port: 0}}", "Switch.windows.w.port cannot be 0"),
    ("windows", "{w: {}}", "Switch.windows.w lacks port"),
    ("windows", "{w.x: {port: 1}}", "an entry of Switch.windows cannot be called that"),
]


@pytest.mark.parametrize(("field", "typed", "message"), WRONG)
def test_what_a_field_cannot_be_is_said_at_its_place(errors: Errors, field: str, typed: str, message: str) -> None:
    (found,) = errors(f"Switch/a:\n  {field}: {typed}")
    code, place, said = found.split(" ", 2)
    assert code in ("MAN004", "MAN005", "MAN006", "MAN014")
    assert place.startswith("2:")
    assert said == message


@pytest.mark.parametrize("typed", ["", "~", "null"])
def test_a_field_without_a_value_is_left_out(resource: One, typed: str) -> None:
    written = resource(f"Switch/a:\n  count: {typed}\n  note: {typed}")
    assert "count" not in written.values
    assert "note" not in written.values
    assert not written.broken


def test_a_failed_value_is_in_no_map_and_breaks_its_resource_only(load_text: Any) -> None:
    manifest = load_text(
        "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: h}\nspec:\n  resources:\n    Switch/a: {count: x, note: kept}\n    Switch/b: {count: 1}\n"
    )
    broken, sound = manifest.written
    assert "count" not in broken.values
    assert broken.values["note"] == "kept"
    assert broken.broken
    assert not sound.broken
    assert not manifest.complete


def test_an_entry_of_a_keyed_map_becomes_its_model(resource: One) -> None:
    written = resource("Switch/a:\n  windows:\n    web: {port: 80}\n    dns: {port: 53, protocol: udp}")
    assert {name: (entry.port, entry.protocol) for name, entry in written.values["windows"].items()} == {"web": (80, "TCP"), "dns": (53, "UDP")}


def test_what_is_there_already_is_referred_to_by_existing(resource: One) -> None:
    assert resource("Switch/a: {uplink: {existing: Plant Bus}}").values["uplink"].existing == "Plant Bus"
