"""The table of what the emulator guesses, made from what its cmdlets name as their source. Read by `refresh` and the tests of this folder."""

from __future__ import annotations

from reconciler.emulator.cmdlets import load
from tests.docs.fences import ROOT

PAGE = ROOT / "docs" / "unverified.md"
BEGIN, END = "<!-- refreshed by `python -m tests.docs.refresh` -->\n", "<!-- end -->\n"


def table() -> str:
    cmdlets = load()
    doubted = sorted((one for one in cmdlets.values() if not one.verified), key=lambda one: one.name.casefold())
    head = (
        f"{len(doubted)} of {len(cmdlets)} emulated cmdlets rest on a guess in some part; their source says in which. A source is a tag of\n"
        "the facts that were collected beforehand; nothing stands behind `unverified` but general knowledge.\n\n"
        "| cmdlet | source |\n|---|---|\n"
    )
    return head + "".join(f"| `{one.name}` | {one.source} |\n" for one in doubted)


def written(text: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}"
