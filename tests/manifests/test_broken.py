"""Every broken manifest is refused with the expected words at the expected places, in little time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from reconciler.core.diagnostics import Severity
from reconciler.manifests import CODES
from tests.manifests.broken_cases import EXPECTED, FOLDER, check, found, inside, names

LINK_CODES = [f"LNK00{n}" for n in range(1, 9)]


@pytest.mark.parametrize("name", names())
def test_a_broken_manifest_is_refused_as_expected(name: str, tmp_path: Path) -> None:
    started = time.process_time()
    lines = found(name, tmp_path)
    took = time.process_time() - started
    assert lines == (FOLDER / name / EXPECTED).read_text(encoding="utf-8").splitlines()
    assert lines
    assert took < 2


@pytest.mark.parametrize("code", [*CODES, *LINK_CODES])
def test_every_code_has_a_broken_manifest(code: str) -> None:
    holders = [name for name in names() if f"{code} " in (FOLDER / name / EXPECTED).read_text(encoding="utf-8")]
    assert holders


def test_there_are_at_least_sixty_of_them() -> None:
    assert len(names()) >= 60


def test_the_reference_fleet_is_without_errors() -> None:
    with inside(FOLDER.parent.parent):
        diagnostics = check([Path("specs")])
    assert [d for d in diagnostics if d.severity is Severity.ERROR] == []
