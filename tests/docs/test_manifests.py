"""Whole documents on the pages of docs/kinds load and link without an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.engine.link import link
from reconciler.kinds import registry
from reconciler.manifests import load
from reconciler.rules import RULES
from tests.docs.fences import ROOT, fences

WHOLE = [
    (f"{page.relative_to(ROOT)}:{fence.line}", fence.text)
    for page in sorted((ROOT / "docs").glob("kinds/*.md"))
    for fence in fences(page.read_text(encoding="utf-8"))
    if fence.language == "yaml" and fence.text.startswith("apiVersion:")
]


@pytest.mark.parametrize(("where", "text"), WHOLE, ids=[where for where, _ in WHOLE])
def test_a_whole_document_of_a_page_is_taken_as_it_stands(where: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "host.yaml").write_text(text, encoding="utf-8")
    kinds = registry(RULES)
    found = link(load([tmp_path], kinds), kinds)
    assert [d.message for d in found.errors] == []
    assert found.resources
