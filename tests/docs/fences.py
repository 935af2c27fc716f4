"""The fenced blocks of a Markdown file, in order, with the line where each stands. Read by the tests of this folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fence:
    """`start` and `end` are where its text stands in the file."""

    language: str
    text: str
    line: int
    start: int
    end: int

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def fences(text: str) -> list[Fence]:
    return [Fence(m[1], m[2], text.count("\n", 0, m.start()) + 1, m.start(2), m.end(2)) for m in FENCE.finditer(text)]
