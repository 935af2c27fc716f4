"""A page of styled lines with columns. Views write on it; the screen prints it, plain or coloured.

Texts are never rich markup: they are `Text` from the start, so a bracket in somebody's name is a bracket.
Cells that do not fit their column push what follows to the next line; what does not fit the width is wrapped,
except for `exact` lines (quoted source, commands to paste).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from reconciler.wire.text import visible

# How to say it where the console knows ASCII only. Anything else is escaped by the screen.
ASCII = str.maketrans(
    {
        "═": "=", "─": "-", "━": "-", "█": "#", "░": ".", "←": "<-", "→": "->", "…": "...", "–": "-", "·": "-", "×": "x", "‹": "<", "›": ">",
        "⏎": "|", "»": ">>", "“": '"', "”": '"', "’": "'", "✔": "ok", "✖": "x", "≥": ">=", "≤": "<=",
    }
)  # fmt: skip


NARROW = 20  # a column of fewer cells is not wrapped into; its text goes to a line of its own


@dataclass(frozen=True, slots=True)
class At:
    """A text that begins (or, `right`, ends) at a column."""

    column: int
    text: str
    style: str = ""
    right: bool = False


class Page:
    """Lines in the making. `width` is what text is wrapped to; `utf8` False spells everything in ASCII."""

    def __init__(self, width: int = 100, *, utf8: bool = True) -> None:
        self.width = width
        self.utf8 = utf8
        self.lines: list[Text] = []

    def spell(self, text: str) -> str:
        """`text` as this page may show it: nothing in it moves a cursor or breaks a line, whoever wrote it."""
        text = visible(text).replace("\n", " ⏎ ")
        return text if self.utf8 else text.translate(ASCII).encode("ascii", "backslashreplace").decode()

    def blank(self) -> None:
        """An empty line, never two in a row and never at the top."""
        if self.lines and self.lines[-1].plain:
            self.lines.append(Text())

    def exact(self, *parts: tuple[str, str]) -> None:
        """One line as it is, however long."""
        line = Text()
        for text, style in parts:
            line.append(self.spell(text), style)
        self.lines.append(line)

    def say(self, text: str, style: str = "", *, indent: int = 0, hang: int | None = None) -> None:
        """A paragraph, wrapped at the width; its further lines begin at `hang`."""
        hang = indent if hang is None else hang
        for position, piece in enumerate(wrap(self.spell(text), self.width - hang, self.width - indent)):
            self.lines.append(Text(" " * (hang if position else indent)).append(piece, style))

    def term(self, word: str, text: str, *, indent: int = 2, column: int = 14, style: str = "") -> None:
        """A term and what it says, further lines under the first."""
        self.row(At(indent, word, "bold"), At(column, text, style))

    def row(self, *cells: At) -> None:
        """Cells of one row, left to right."""
        told = [At(cell.column, self.spell(cell.text), cell.style, cell.right) for cell in cells if cell.text]
        line = Text()
        for cell in told:
            line = self._place(line, cell)
        self._end(line)

    def _place(self, line: Text, cell: At) -> Text:
        size = cell_len(cell.text)
        start = max(0, cell.column - size) if cell.right else cell.column
        if line.plain and cell_len(line.plain) > start - 1:
            self._end(line)
            line = Text()
        if start + size > self.width and not cell.right:
            return self._wrapped(line, cell)
        line.pad_right(max(0, start - cell_len(line.plain)))
        return line.append(cell.text, cell.style)

    def _wrapped(self, line: Text, cell: At) -> Text:
        column = cell.column
        if self.width - column < NARROW:
            self._end(line)
            line, column = Text(), min(column, NARROW)
        for position, piece in enumerate(wrap(cell.text, self.width - column)):
            if position:
                self._end(line)
                line = Text()
            line.pad_right(max(0, column - cell_len(line.plain)))
            line.append(piece, cell.style)
        return line

    def _end(self, line: Text) -> None:
        line.rstrip()
        self.lines.append(line)

    def rule(self, title: str, cells: Iterable[At], style: str) -> None:
        """A line ruled from edge to edge, with a title and cells let into it."""
        bar = "═"
        text = f" {bar * 5} {title} "
        for cell in cells:
            start = cell.column - cell_len(cell.text) if cell.right else cell.column
            text += bar * max(1, start - 1 - cell_len(text)) + f" {cell.text} "
        self.exact((text.rstrip(), style))

    def plain(self) -> str:
        """The page without styles, as a file or a test reads it."""
        return "".join(f"{line.plain}\n" for line in self.lines)


def wrap(text: str, width: int, first: int | None = None) -> list[str]:
    """Words into lines of at most `width` cells (the first one `first`); a longer word is cut. Runs of spaces inside a line stay."""
    lines: list[str] = []
    rest = text.rstrip()
    while cell_len(rest) > (room := first if first and not lines else width):
        cut = _fitting(rest, room)
        space = rest.rfind(" ", 1, cut + 1)
        end = space if space > 0 and rest[:space].strip() else cut
        lines.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return [*lines, rest]


def _fitting(text: str, width: int) -> int:
    """How many characters of `text` fit into `width` cells, at least one."""
    used = 0
    for position, character in enumerate(text):
        used += cell_len(character)
        if used > width:
            return max(1, position)
    return len(text)
