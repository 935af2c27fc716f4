"""Collects what is wrong while manifests are read. Every step of the loader adds to one Report; none of them stops at the first error.

A file that is all errors does not cost its full length: after `LIMIT` of them `add` raises Enough, and the loader leaves that file.
"""

from __future__ import annotations

from difflib import get_close_matches

from reconciler.core.diagnostics import Diagnostic, Position, Severity

LIMIT = 100
LONG = 60

# The label of a place that must not be shown: `Lines` masks it in the source.
NOT_SHOWN = "not shown here"


class Enough(Exception):
    """This file has more errors than anyone wants to read at once."""


class Report:
    """Diagnostics in the order they were found, each once, however many hosts a document is read for."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, Position | None, str], Diagnostic] = {}
        self._counts: dict[str, int] = {}

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep it. Raises Enough when its file has been full before."""
        key = (diagnostic.code, diagnostic.position, diagnostic.message)
        if key in self._items:
            return
        file = diagnostic.position.file if diagnostic.position else ""
        count = self._counts[file] = self._counts.get(file, 0) + 1
        if count > LIMIT and file:
            raise Enough(file)
        self._items[key] = diagnostic

    @property
    def errors(self) -> bool:
        return any(diagnostic.severity is Severity.ERROR for diagnostic in self._items.values())

    def sorted(self) -> tuple[Diagnostic, ...]:
        """By position, then code; what has no position comes last. A file that was cut short gets a note at its end."""
        notes = [self._more(file) for file, count in self._counts.items() if count > LIMIT and file]
        return tuple(sorted((*self._items.values(), *notes), key=_order))

    def _more(self, file: str) -> Diagnostic:
        last = max(d.position for d in self._items.values() if d.position is not None and d.position.file == file)
        return Diagnostic("MAN037", Severity.NOTE, f"{file} has more errors than these {LIMIT}; the rest of it was not read", last)


def _order(diagnostic: Diagnostic) -> tuple[bool, str, int, int, str, str]:
    at = diagnostic.position
    if at is None:
        return (True, "", 0, 0, diagnostic.code, diagnostic.message)
    return (False, at.file, at.line, at.column, diagnostic.code, diagnostic.message)


def shown(text: str) -> str:
    """`text` fit for a message: one line, printable, not longer than a glance."""
    short = text if len(text) <= LONG else f"{text[:LONG]}…"
    return short if short.isprintable() else ascii(short)[1:-1]


def closest(word: str, names: list[str]) -> str:
    """The name that was probably meant, or nothing. Another case of the same letters comes before any likeness."""
    if len(word) > LONG:
        return ""
    folded = word.casefold()
    for name in names:
        if name.casefold() == folded:
            return name
    by_folded = {name.casefold(): name for name in names}
    near = get_close_matches(folded, list(by_folded), n=1, cutoff=0.7)
    return by_folded[near[0]] if near else ""


def meant(word: str, names: list[str]) -> str:
    """`did you mean X?`, or nothing."""
    near = closest(word, names)
    return f"did you mean {near}?" if near else ""


def listed(names: list[str], last: str = "or") -> str:
    """`a, b or c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"
