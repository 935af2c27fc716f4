"""The folder tests/broken: one folder a case, its manifests and `expected.txt`; how a case is run and written down.

`expected.txt` has a line a diagnostic: `CODE place [further places] message`, in the order of places; the messages, marks and
helps are the product's face, so they are kept whole. `python -m tests.manifests.broken_cases NAME…` writes them anew, to be
read before they are committed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from reconciler.core.diagnostics import Diagnostic
from reconciler.engine.link import link
from reconciler.kinds import registry
from reconciler.manifests import load

FOLDER = Path(__file__).parent.parent / "broken"
EXPECTED = "expected.txt"
Check = Callable[[Sequence[Path]], Sequence[Diagnostic]]

# Cases whose files are better made than kept.
MADE: Mapping[str, Mapping[str, str]] = {"file-too-large": {"large.yaml": "# nothing but a remark\n" * 200_000}}


def check(paths: Sequence[Path]) -> Sequence[Diagnostic]:
    """All that `validate` finds without a host."""
    kinds = registry()
    return link(load(paths, kinds), kinds).diagnostics


def names() -> list[str]:
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def found(name: str, scratch: Path, how: Check = check) -> list[str]:
    """What is said about a case, as `expected.txt` has it. `scratch` is where made files go."""
    folder = FOLDER / name
    if name in MADE:
        folder = scratch
        for file, text in MADE[name].items():
            (folder / file).write_text(text, encoding="utf-8")
    with inside(folder):
        specs = Path("specs") if Path("specs").is_dir() else Path()
        diagnostics = how([specs])
    return [line for diagnostic in sorted(diagnostics, key=_place) for line in said(diagnostic)]


def _place(diagnostic: Diagnostic) -> tuple[bool, str, str]:
    at = diagnostic.position
    return (at is None, f"{at.file}:{at.line:06}:{at.column:06}" if at else "", diagnostic.code)


def said(diagnostic: Diagnostic) -> list[str]:
    """One diagnostic in text: its line, and the lines under it."""
    also = ", ".join(f"{label.position} {label.text}" for label in diagnostic.labels)
    severity = "" if diagnostic.severity == "error" else f"{diagnostic.severity} "
    place = f"{diagnostic.position}+{diagnostic.position.length}" if diagnostic.position else "-"
    lines = [f"{severity}{diagnostic.code} {place} {f'[{also}] ' if also else ''}{diagnostic.message}"]
    details = [("mark", diagnostic.label), ("why", diagnostic.why), ("help", diagnostic.help), *diagnostic.details]
    return lines + [f"    {term}: {text}" for term, text in details if text]


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    for case in sys.argv[1:] or names():
        with TemporaryDirectory() as made:
            (FOLDER / case / EXPECTED).write_text("".join(f"{line}\n" for line in found(case, Path(made))), encoding="utf-8")
