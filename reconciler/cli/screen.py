"""The terminal, or the pipe, that a command speaks to. Made once by `main`; nothing else writes to it.

Decides colour, width and character set once: colour only on a terminal without NO_COLOR; at most 100 columns when piped;
ASCII where the stream cannot say UTF-8.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from rich.console import Console

from reconciler.cli.views.page import Page

PIPED = 100
WIDEST = 120  # columns further apart than this do not read as one line


@dataclass(frozen=True, slots=True)
class Screen:
    """`out` for what was asked for, `err` for what went wrong with asking."""

    out: Console
    err: Console
    width: int
    utf8: bool
    terminal: bool
    quiet: bool = False

    @classmethod
    def on(cls, out: IO[str] | None = None, err: IO[str] | None = None, *, quiet: bool = False) -> Screen:
        out, err = out or sys.stdout, err or sys.stderr
        terminal = out.isatty() and os.environ.get("TERM") != "dumb"
        width = min(shutil.get_terminal_size((PIPED, 40)).columns, WIDEST) if terminal else PIPED
        utf8 = (getattr(out, "encoding", None) or "").lower().replace("-", "") == "utf8"
        return cls(_console(out, width), _console(err, width), max(width, 60), utf8, terminal, quiet)

    def page(self) -> Page:
        return Page(self.width, utf8=self.utf8)

    def show(self, page: Page) -> None:
        _print(self.out, page)

    def complain(self, page: Page) -> None:
        _print(self.err, page)

    def note(self, text: str, style: str = "") -> None:
        """One line, as it is."""
        page = self.page()
        page.exact((text, style))
        self.show(page)

    def text(self, text: str) -> None:
        """Text of a format of its own (Markdown, PowerShell), as it is."""
        self.out.file.write(text if self.utf8 else text.encode("ascii", "backslashreplace").decode())
        self.out.file.flush()

    def json(self, data: Mapping[str, Any]) -> None:
        """ASCII throughout: whoever wrote the texts in it, a terminal has nothing to obey."""
        self.text(json.dumps(data, indent=1) + "\n")

    def ask(self, question: str) -> str:
        """What a person types; nothing where nobody can."""
        if not sys.stdin.isatty():
            return ""
        self.out.file.write(question)
        self.out.file.flush()
        return sys.stdin.readline().strip()


def _console(stream: IO[str], width: int) -> Console:
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True)


def _print(console: Console, page: Page) -> None:
    for line in page.lines:
        console.print(line, no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)
    console.file.flush()
