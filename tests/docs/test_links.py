"""Every link between files of the repository leads somewhere, to a heading that is there if it names one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.fences import FENCE, ROOT

LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
SKIP = {".venv", "node_modules", "build", "dist"}


def pages() -> list[Path]:
    return sorted(p for p in ROOT.rglob("*.md") if not any(part.startswith(".") or part in SKIP for part in p.relative_to(ROOT).parts))


def plain(text: str) -> str:
    """Without code, in which brackets are not links."""
    return re.sub(r"`[^`\n]*`(?!\])", "", FENCE.sub("", text))


def anchors(page: Path) -> set[str]:
    """The names that a viewer gives headings: lower case, blanks to hyphens, other signs left out."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_the_page_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(plain(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    open_ = [ROOT / "README.md"]
    while open_:
        page = open_.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in LINK.findall(plain(page.read_text(encoding="utf-8"))):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists():
                open_.append(target)
    lost = [str(page.relative_to(ROOT)) for page in pages() if page not in seen and page.is_relative_to(ROOT / "docs")]
    assert lost == []
