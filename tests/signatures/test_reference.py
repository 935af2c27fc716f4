"""Holds the shipped files to the reference they were cut from, and the judge to what a real binder did. Only here is the reference read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.core.calls import Call
from reconciler.signatures import catalogue, check_call
from scripts import make_signatures

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the full reference is not beside this checkout")


def test_the_shipped_files_are_what_the_generator_makes() -> None:
    for name, text in make_signatures.make(REFERENCE).items():
        assert (make_signatures.DATA / name).read_text(encoding="utf-8") == text, f"{name}: run scripts/make_signatures.py"


def test_every_listed_name_is_shipped_and_the_list_is_sorted() -> None:
    known, names = catalogue(), make_signatures.wanted()
    assert names == sorted(set(names))
    assert [name for name in names if name not in known.cmdlets and name not in known.answers and name not in known.classes] == []


def test_the_judge_agrees_with_what_a_real_binder_did() -> None:
    """Left out: other spellings, which bind and which we refuse all the same, and null, which a vocabulary cannot say."""
    cases = [case for case in json.loads((REFERENCE / "binding-cases.json").read_text(encoding="utf-8")) if case["cmdlet"] in catalogue().cmdlets]
    cases = [case for case in cases if not case["why"].startswith(("other case", "alias", "null"))]
    assert len(cases) > 400
    differ = [(case["cmdlet"], case["why"]) for case in cases if bool(check_call(Call(case["cmdlet"], case["parameters"]))) != bool(case.get("error"))]
    assert differ == []
