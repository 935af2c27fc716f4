"""Hosts in situations, as data: a manifest and a snapshot in, what the plan says of the kind out. One runner for all of them."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from reconciler.core.plan import Verb
from reconciler.core.snapshot import FORMAT
from reconciler.kinds import registry
from tests.cases.casefile import HERE, files, parsed, read, rendered
from tests.cases.expected import SECRETS, expected

FILES = files()
SITUATIONS = ("absent", "equal", "drifted", "foreign", "unseen", "pending-reboot", "immutable-change", "hostile-name", "half-made")
INSTEAD = {  # what a kind cannot be in, and what was taken for it; each folder's README says why
    ("WindowsFeature", "immutable-change"): "changed",
    ("WindowsFeature", "half-made"): "half-removed",
    ("DhcpServer", "immutable-change"): "no-domain",
    ("DhcpReservation", "half-made"): "absent-with-its-scope",
    ("EflowProvisioning", "immutable-change"): "another-type",
    ("EflowProvisioning", "half-made"): "half-read",
    ("AzureVmExtension", "hostile-name"): "hostile-settings",
}
QUIET = {verb.word for verb in Verb if not verb.acts}


def situations(kind: str) -> set[str]:
    return {file.stem for file in FILES if file.parent.name == kind}


@pytest.mark.parametrize("file", FILES, ids=[f"{file.parent.name}/{file.stem}" for file in FILES])
def test_a_plan_says_of_a_situation_what_a_person_has_read(file: Path) -> None:
    case = read(file)
    assert anyio.run(expected, file.parent.name, case) == case["expect"], case["why"]


@pytest.mark.parametrize("kind", list(registry()))
def test_every_kind_is_seen_in_at_least_eight_situations(kind: str) -> None:
    assert {INSTEAD.get((kind, name), name) for name in SITUATIONS} <= situations(kind)
    assert len(situations(kind)) >= 8


def test_every_folder_is_a_kind_and_explains_what_its_kind_cannot_be_in() -> None:
    assert {file.parent.name for file in FILES} == set(registry())
    for (kind, missing), taken in INSTEAD.items():
        assert missing not in situations(kind)
        told = (HERE / kind / "README.md").read_text(encoding="utf-8")
        assert f"**{missing}**" in told
        assert f"`{taken}`" in told


def test_every_case_says_its_why_in_a_line_and_expects_something_of_its_kind() -> None:
    for file in FILES:
        case = read(file)
        assert len(case["why"].splitlines()) == 1, file
        assert case["expect"], file
        assert case["snapshot"]["format"] == FORMAT


def test_what_is_unseen_equal_or_waited_for_expects_no_call() -> None:
    for step in (step for file in FILES for step in read(file)["expect"]):
        assert step["verb"] not in QUIET or not step.get("calls")


def test_a_hostile_name_stands_in_calls_only_as_one_quoted_word() -> None:
    lines = [line for file in FILES if file.stem == "hostile-name-absent" for step in read(file)["expect"] for line in step["calls"]]
    named = [line for line in lines if "$(calc)" in line]
    assert named
    for line in named:
        bare = "".join(line.replace("''", "").split("'")[::2])
        assert "$(calc)" not in bare
        assert ";" not in bare


def test_a_case_that_is_written_again_is_the_same_case() -> None:
    for file in FILES:
        assert parsed(rendered(read(file))) == read(file), file


def test_no_case_holds_a_secret() -> None:
    for file in FILES:
        assert not [value for value in SECRETS.values() if value in file.read_text(encoding="utf-8")], file
