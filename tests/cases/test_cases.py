"""Hosts in situations, as data: a manifest and a snapshot in, what the plan says of the kind out. One runner for all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.core.snapshot import FORMAT
from reconciler.kinds import registry
from tests.cases.expected import SECRETS, expected

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*/*.json"))
SITUATIONS = ("absent", "equal", "foreign", "unseen", "pending-reboot", "hostile-name")  # that every kind can be in
CHANGED = ("drifted", "immutable-change", "half-made", "half-removed", "half-read", "changed", "another-type")


def read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=[f"{file.parent.name}/{file.stem}" for file in FILES])
def test_a_plan_says_of_a_situation_what_a_person_has_read(file: Path) -> None:
    case = read(file)
    assert anyio.run(expected, file.parent.name, case) == case["expect"], case["why"]


@pytest.mark.parametrize("kind", list(registry()))
def test_every_kind_is_seen_in_at_least_eight_situations(kind: str) -> None:
    names = {file.stem for file in FILES if file.parent.name == kind}
    assert set(SITUATIONS) <= names
    assert len(names & set(CHANGED)) >= 2
    assert len(names) >= 8


def test_no_case_holds_a_secret_or_is_of_another_format() -> None:
    for file in FILES:
        assert read(file)["snapshot"]["format"] == FORMAT
        assert not [value for value in SECRETS.values() if value in file.read_text(encoding="utf-8")]
