"""The texts that a real PowerShell is given: answers as CLIXML, stub functions made from the signatures."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.emulator import catalogue
from reconciler.emulator.cmdlets import load
from reconciler.emulator.realshell.clixml import document, text
from reconciler.emulator.realshell.stubs import function, modules

SPACE = "{http://schemas.microsoft.com/powershell/2004/04}"


def only(value: Any) -> ET.Element:
    return ET.fromstring(document(value))[0]


@pytest.mark.parametrize(
    ("value", "tag", "said"),
    [
        (None, "Nil", None),
        (True, "B", "true"),
        (7, "I32", "7"),
        (-(2**31) - 1, "I64", "-2147483649"),
        (2**64 - 1, "U64", "18446744073709551615"),
        (1.5, "Db", "1.5"),
        (float("-inf"), "Db", "-INF"),
        (timedelta(hours=1, microseconds=5), "TS", "P0DT3600.000005S"),
        (-timedelta(seconds=2), "TS", "-P0DT2.000000S"),
        (timedelta(microseconds=(2**63 - 1) // 10), "TS", "P10675199DT10085.477580S"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "DT", "2026-01-02T03:04:05.0000000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None), "DT", "2026-01-02T03:04:05.0000000"),
        (b"\0\1", "BA", "AAE="),
        ("<a&b>", "S", "<a&b>"),
    ],
)
def test_a_value_keeps_its_type(value: Any, tag: str, said: str | None) -> None:
    found = only(value)
    assert (found.tag, found.text) == (SPACE + tag, said)


@pytest.mark.parametrize(("said", "written"), [("a\nb", "a_x000A_b"), ("\ud800", "_xD800_"), ("\0", "_x0000_"), ("_x000A_", "_x005F_x000A_"), ("a_b", "a_b")])
def test_text_that_xml_cannot_hold_is_escaped(said: str, written: str) -> None:
    assert text(said) == written


def test_maps_are_objects_and_lists_stay_lists() -> None:
    row = only({"Name": "a", "Rows": [{"N": 1}], 'odd "name"\n': None})
    members = {member.get("N"): member for member in row[0]}
    assert row[0].tag == SPACE + "MS"
    assert set(members) == {"Name", "Rows", 'odd "name"_x000A_'}
    assert members["Rows"][0].tag == SPACE + "LST"
    numbers = [element.get("RefId") for element in row.iter(SPACE + "Obj")]
    assert len(set(numbers)) == len(numbers) == 3


def test_a_stub_has_the_sets_types_and_names_of_the_signature() -> None:
    found = catalogue.find("New-NetNat")
    assert found is not None
    said = function(found)
    assert said.startswith("function New-NetNat {\n[CmdletBinding(")
    assert "[Parameter(Mandatory)][String]${Name}" in said
    assert "Send-Emulated $PSCmdlet 'New-NetNat' $PSBoundParameters" in said
    assert "${Verbose}" not in said
    adapter = catalogue.find("Get-NetAdapter")
    assert adapter is not None
    assert "[switch]${Physical}" in function(adapter)


def test_every_cmdlet_of_the_emulated_machines_has_a_stub_in_its_module() -> None:
    script = modules()
    assert script.isascii()
    for emulated in load().values():
        assert f"\nfunction {emulated.name} {{" in script
    assert script.count("New-Module -Name ") == len({found.module for one in load().values() if (found := catalogue.find(one.name))})
