"""Diagnostics as frames: what, where with the quoted source and the marks under it, why, and what to do next.

The shape is that of a compiler's errors. Equal diagnostics of many hosts are said once, with the number of hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from rich.cells import cell_len

from reconciler.cli.views.fold import generic_text
from reconciler.cli.views.page import At, Page
from reconciler.cli.views.words import count, names, one_line, rule_page
from reconciler.core.diagnostics import Diagnostic, Label, Position, Severity

Lines = Callable[[str, int], "str | None"]
STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.BLOCKED: "bold magenta", Severity.NOTE: "bold cyan"}
RANK = {Severity.ERROR: 0, Severity.BLOCKED: 1, Severity.WARNING: 2, Severity.NOTE: 3}
QUOTED = 400  # characters of a source line that are shown at most


@dataclass(frozen=True, slots=True)
class Folded:
    """A diagnostic and how many hosts it is about; 0: it is about no host, or only said for one. `also`: further places of a warning."""

    diagnostic: Diagnostic
    hosts: int
    also: tuple[Position, ...] = ()


def fold(diagnostics: Iterable[Diagnostic]) -> list[Folded]:
    """Equal but for the host → one; of warnings wherever they stand. Worst first, otherwise in the order given."""
    found: dict[Diagnostic, list[Diagnostic]] = {}
    for item in diagnostics:
        found.setdefault(_same(item), []).append(item)
    return sorted((_folded(same, items) for same, items in found.items()), key=lambda f: RANK[f.diagnostic.severity])


def _same(item: Diagnostic) -> Diagnostic:
    """What two diagnostics have in common that are told as one."""
    host = item.subject.partition("/")[0]
    warned = item.severity in (Severity.WARNING, Severity.NOTE)
    if not (item.position or item.subject.count("/") or (warned and host)):
        return item
    if host:
        said = (generic_text(text, host) for text in (item.message, item.why, item.help, item.label))
        item = replace(item, message=next(said), why=next(said), help=next(said), label=next(said))
    item = replace(item, subject="")
    return replace(item, position=None, label="", labels=()) if warned else item


def _folded(same: Diagnostic, items: Sequence[Diagnostic]) -> Folded:
    """Of one host in its own words; of several in words that are true of each."""
    first = items[0]
    hosts = {item.subject.partition("/")[0] for item in items if item.subject}
    places = tuple(dict.fromkeys(item.position for item in items if item.position))
    if len({item.subject for item in items}) > 1:
        first = replace(first, subject="", message=same.message, why=same.why, help=same.help)
    return Folded(first, len(hosts), tuple(place for place in places if place != first.position))


def frames(page: Page, diagnostics: Iterable[Diagnostic], lines: Lines) -> None:
    """Every diagnostic in a frame of its own, a blank line between two."""
    for item in fold(diagnostics):
        page.blank()
        frame(page, item.diagnostic, lines, item.hosts, item.also)


def frame(page: Page, item: Diagnostic, lines: Lines, hosts: int = 0, also: Sequence[Position] = ()) -> None:
    _head(page, item, hosts)
    if item.position:
        _quotes(page, item.position, item.label, item.labels, lines)
    elif item.subject and item.subject not in item.message and not any(term == "where" for term, _ in item.details):
        page.term("where", one_line(item.subject))
    if item.why:
        _note(page, "why", item.why, framed=bool(item.position))
    for term, text in item.details:
        page.term(one_line(term), visible_lines(text))
    if also:
        _note(page, "also", names([str(place) for place in also]), framed=bool(item.position))
    if item.help:
        _note(page, "help" if item.position else "next", item.help, framed=bool(item.position))
    if rule_page(item.code):
        _note(page, "more", rule_page(item.code), framed=bool(item.position))


def _head(page: Page, item: Diagnostic, hosts: int) -> None:
    cells = [At(0, f"{item.severity.value}[{item.code}]: {one_line(item.message)}", STYLE[item.severity])]
    if hosts > 1:
        cells.append(At(page.width, count(hosts, "host"), "bold", right=True))
    page.row(*cells)


def _note(page: Page, word: str, text: str, *, framed: bool) -> None:
    if not framed:
        page.term(word, visible_lines(text))
        return
    head = f"   = {word}: "
    for position, part in enumerate(text.split("\n")):
        page.say((head if not position else " " * len("   = help: ")) + one_line(part), hang=len("   = help: "))


def visible_lines(text: str) -> str:
    return one_line(text)


def _quotes(page: Page, at: Position, label: str, labels: Sequence[Label], lines: Lines) -> None:
    """The primary place first; every further place in the order of files and lines."""
    marks = [(at, one_line(label), "^"), *((other.position, one_line(other.text), "-") for other in labels)]
    gutter = max(2, *(len(str(mark[0].line)) for mark in marks))
    page.exact((f"{' ' * gutter}--> ", "bold blue"), (one_line(str(at)), ""))
    by_file = sorted(marks, key=lambda mark: (mark[0].file != at.file, mark[0].file, mark[0].line, mark[0].column))
    for file, in_file in groupby(by_file, key=lambda mark: mark[0].file):
        held = list(in_file)
        if file != at.file:
            page.exact((f"{' ' * gutter}::: ", "bold blue"), (one_line(str(held[0][0])), ""))
        for number, on_line in groupby(held, key=lambda mark: mark[0].line):
            _quote(page, gutter, lines(file, number), number, list(on_line))


Marked = tuple[Position, str, str]


def _quote(page: Page, gutter: int, source: str | None, number: int, marks: list[Marked]) -> None:
    if source is None:
        for at, text, _ in marks:
            page.exact((f"{' ' * gutter} | ", "bold blue"), (f"{at}{': ' + text if text else ''}", ""))
        return
    shift = max(0, min(at.column for at, _, _ in marks) - QUOTED // 2) if len(source) > QUOTED else 0
    shown = "".join(_shown(c) for c in source[shift : shift + QUOTED])
    page.exact((f"{number:>{gutter}} | ", "bold blue"), (shown, ""))
    underline, rest = _underline(source[shift:], [(replace(at, column=max(1, at.column - shift)), text, sign) for at, text, sign in marks])
    page.exact((f"{' ' * gutter} | ", "bold blue"), *underline)
    for indent, text, style in rest:
        page.exact((f"{' ' * gutter} | ", "bold blue"), (" " * indent + text, style))


def _shown(character: str) -> str:
    """One sign for one character of quoted source, so that the marks stay under what they mean."""
    return one_line(character) and (character if one_line(character) == character else "�")


def _underline(source: str, marks: list[Marked]) -> tuple[list[tuple[str, str]], list[tuple[int, str, str]]]:
    """The marks of one line; the last one has its text beside it, earlier texts follow below, right to left."""
    parts: list[tuple[str, str]] = []
    below: list[tuple[int, str, str]] = []
    at_cell = 0
    for position, (at, text, sign) in enumerate(marks):
        start = cell_len(source[: at.column - 1]) + max(0, at.column - 1 - len(source))
        size = max(1, cell_len(source[at.column - 1 : at.column - 1 + at.length]))
        style = "bold red" if sign == "^" else "bold blue"
        parts.append((" " * max(0, start - at_cell) + sign * size, style))
        at_cell = max(start, at_cell) + size
        if text and position == len(marks) - 1:
            parts.append((f" {text}", style))
        elif text:
            below.insert(0, (start, text, style))
    return parts, below
