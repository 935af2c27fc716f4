"""`python -m tests.docs.refresh`: types what README.md, docs/start.md and docs/doctor.md type, and writes anew what no longer is what the product says;
and the table of docs/unverified.md.

For whoever changes a message. A block that still matches, with its `…`, stays as it is. Read the difference before you commit it.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

from reconciler.cli.main import run
from tests.docs.emulated import PAGE, written
from tests.docs.fences import ROOT, fences
from tests.docs.story import Story, Typed

PAGES = (ROOT / "README.md", ROOT / "docs" / "start.md", ROOT / "docs" / "doctor.md")


def reconcile(words: list[str]) -> tuple[int, str]:
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run(words)
    said.seek(0)
    return code, said.read()


def fresh(page: Path, folder: Path) -> str:
    """The page with every console block that no longer matches written anew."""
    story = Story(folder, reconcile, os.environ.__setitem__)
    text, out, at = page.read_text(encoding="utf-8"), "", 0
    for fence in fences(text):
        typed = story.tell(fence)
        out += text[at : fence.start] + (fence.text if all(one.as_shown for one in typed) else "".join(map(shown, typed)))
        at = fence.end
    return out + text[at:]


def shown(typed: Typed) -> str:
    lines = typed.shown if typed.as_shown else typed.said
    return "\n".join([f"$ {typed.command}", *lines, *([f"[exit {typed.code}]"] if typed.code else [])]) + "\n"


def main() -> None:
    for page in PAGES:
        os.environ.pop("RECONCILE_ESTATE", None)
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_STATE_HOME"] = f"{folder}/state"
            write(page, fresh(page, Path(folder)))
    write(PAGE, written(PAGE.read_text(encoding="utf-8")))


def write(page: Path, text: str) -> None:
    sys.stdout.write(f"{page.name}: {'as it was' if text == page.read_text(encoding='utf-8') else 'written anew'}\n")
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
