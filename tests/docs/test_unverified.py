"""What is marked as unverified in the code is on docs/unverified.md."""

from __future__ import annotations

import importlib
import re

import pytest

from reconciler.emulator.cmdlets import load
from reconciler.kinds import MODULES, registry
from tests.docs.emulated import PAGE, written
from tests.docs.fences import ROOT

TEXT = PAGE.read_text(encoding="utf-8")
KINDS = ROOT / "docs" / "kinds"


def test_every_cmdlet_that_the_emulator_guesses_at_is_in_the_table_with_its_source() -> None:
    assert written(TEXT) == TEXT, "python -m tests.docs.refresh"
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.+) \|$", TEXT, re.MULTILINE))
    assert rows == {one.name: one.source for one in load().values() if "unverified" in one.source}
    assert len(rows) > 20


@pytest.mark.parametrize("module", MODULES)
def test_a_kind_that_doubts_something_says_so_on_its_page_and_is_on_this_one(module: str) -> None:
    kind = importlib.import_module(f"reconciler.kinds.{module}")
    page = KINDS / f"{kind.KIND.name}.md"
    doubts = "Unverified:" in (kind.__doc__ or "")
    assert doubts == ("\n## Not verified on a real " in page.read_text(encoding="utf-8"))
    assert not doubts or f"](kinds/{kind.KIND.name}.md)" in TEXT


def test_every_kind_has_a_page_and_a_line_in_the_index() -> None:
    index = (KINDS / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[(\w+)\]\(\1\.md\) \|", index, re.MULTILINE) == list(registry())
    for name, kind in registry().items():
        assert kind.title in index, name
