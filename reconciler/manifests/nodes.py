"""What stands in a file: scalars, maps and sequences with their places, before anybody says what they mean.

Built from PyYAML's events, so that nothing is ever resolved by YAML 1.1's guesses or constructed, depth and size are
bounded while reading, and an alias costs nothing. Nodes are plain slotted classes: millions of them are made.
"""

from __future__ import annotations

from typing import TypeAlias

from reconciler.core.diagnostics import Position


class Scalar:
    """Text as it was typed. `plain`: without quotes, so that `~`, `null` and nothing at all mean "left out"."""

    __slots__ = ("column", "length", "line", "plain", "text")
    size = 1
    height = 0

    def __init__(self, text: str, line: int, column: int, length: int, plain: bool) -> None:
        self.text = text
        self.line = line
        self.column = column
        self.length = length
        self.plain = plain

    @property
    def empty(self) -> bool:
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")


class Map:
    """Entries by key, in order. `damaged`: an entry was refused and is not here. `flow` maps and sequences know their length."""

    __slots__ = ("column", "damaged", "entries", "height", "length", "line", "size")

    def __init__(self, line: int, column: int) -> None:
        self.entries: dict[str, Entry] = {}
        self.line = line
        self.column = column
        self.length = 1
        self.damaged = False
        self.size = 0  # 0 while it is still open
        self.height = 0


class Sequence:
    """Items in order."""

    __slots__ = ("column", "height", "items", "length", "line", "size")

    def __init__(self, line: int, column: int) -> None:
        self.items: list[Node] = []
        self.line = line
        self.column = column
        self.length = 1
        self.size = 0
        self.height = 0


Node: TypeAlias = "Scalar | Map | Sequence"
Entry: TypeAlias = "tuple[Scalar, Node]"


def position(file: str, node: Node) -> Position:
    """The place of a node."""
    return Position(file, node.line, node.column, node.length)


def describe(node: Node) -> str:
    """What a node is, in the words of an error: `a map`."""
    match node:
        case Map():
            return "a map"
        case Sequence():
            return "a list"
        case Scalar() if node.empty:
            return "nothing"
        case Scalar():
            return "one value"
