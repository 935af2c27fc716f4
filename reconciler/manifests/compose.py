"""Builds the nodes of one document from PyYAML's events, within bounds, and refuses what a manifest does not use.

Called by `syntax`, which owns the event stream. Tags, merge keys, keys that are no text, and second keys are refused one by
one and reading goes on; what would make a document too deep or too large ends that document (`Unreadable`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from reconciler.core.diagnostics import Diagnostic, Label, Position, error
from reconciler.manifests.nodes import Map, Node, Scalar, Sequence, position
from reconciler.manifests.report import Report, shown

DEEPEST = 40
MOST_NODES = 100_000  # of one document, aliases unfolded
MOST_IN_FILE = 500_000
WHOLE_FILE = 1 << 60  # an index behind every text: nothing of the file is read any more


class Unreadable(Exception):
    """This document cannot be read any further; `index` is the character where reading ended."""

    def __init__(self, diagnostic: Diagnostic, index: int) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic
        self.index = index


class Open:
    """A map or sequence that has not ended yet; of a map, the key that waits for its value."""

    __slots__ = ("key", "node", "refused")

    def __init__(self, node: Map | Sequence) -> None:
        self.node = node
        self.key: Scalar | None = None
        self.refused = False  # the entry at hand is left out: its key was refused


class Composer:
    """Takes the events of one document at a time; `root` is its node once the document has ended."""

    def __init__(self, file: str, lines_before: int, report: Report) -> None:
        self.file = file
        self.report = report
        self.root: Node | None = None
        self.total = 0
        self._first = lines_before + 1
        self._stack: list[Open] = []
        self._anchors: dict[str, Node] = {}
        self._size = 0
        self._takers: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.MappingStartEvent: self._map,
            yaml.SequenceStartEvent: self._sequence,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
        }

    def begin(self) -> None:
        self.root = None
        self._stack.clear()
        self._anchors.clear()
        self._size = 0

    def take(self, event: yaml.Event) -> None:
        taker = self._takers.get(type(event))
        if taker is not None:
            taker(event)

    def _place(self, event: Any) -> tuple[int, int, int]:
        """Line, column and length; of what runs over several lines the length is that of nothing: 1."""
        start, end = event.start_mark, event.end_mark
        length = end.column - start.column if end.line == start.line else 1
        return start.line + self._first, start.column + 1, max(length, 1)

    def _at(self, event: Any) -> Position:
        return Position(self.file, *self._place(event))

    def _scalar(self, event: Any) -> None:
        if event.tag is not None:
            self._refuse_tag(event)
        node = Scalar(event.value, *self._place(event), not event.style)
        self._count(1, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._add(node)

    def _alias(self, event: Any) -> None:
        node = self._anchors.get(event.anchor)
        if node is None:
            self.report.add(
                error(
                    "MAN028",
                    f"*{shown(event.anchor)} names no anchor of this document",
                    self._at(event),
                    help=f"mark the value with &{shown(event.anchor)} before it is used",
                )
            )
            self._leave_out()
        elif node.size == 0:
            self.report.add(
                error(
                    "MAN028",
                    f"*{shown(event.anchor)} stands inside what it names",
                    self._at(event),
                    labels=(Label(position(self.file, node), "it begins here"),),
                )
            )
            self._leave_out()
        else:
            if len(self._stack) + node.height > DEEPEST:
                raise self._too_deep(event)
            self._count(node.size, event)
            self._add(node)

    def _map(self, event: Any) -> None:
        self._open(Map(*self._place(event)[:2]), event)

    def _sequence(self, event: Any) -> None:
        self._open(Sequence(*self._place(event)[:2]), event)

    def _open(self, node: Map | Sequence, event: Any) -> None:
        if event.tag is not None:
            self._refuse_tag(event)
        if len(self._stack) >= DEEPEST:
            raise self._too_deep(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._count(1, event)
        self._stack.append(Open(node))

    def _end(self, event: Any) -> None:
        opened = self._stack.pop()
        node = opened.node
        children = [value for _, value in node.entries.values()] if isinstance(node, Map) else node.items
        node.size = 1 + sum(child.size for child in children)
        node.height = 1 + max((child.height for child in children), default=0)
        end = event.end_mark
        if end.line + self._first == node.line:
            node.length = max(end.column + 1 - node.column, 1)
        self._add(node)

    def _add(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        opened = self._stack[-1]
        parent = opened.node
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif opened.refused:
            opened.refused = False
        elif opened.key is None:
            self._key(opened, parent, node)
        else:
            parent.entries[opened.key.text] = (opened.key, node)
            opened.key = None

    def _key(self, opened: Open, parent: Map, node: Node) -> None:
        problem = self._wrong_key(parent, node)
        if problem is None and isinstance(node, Scalar):
            opened.key = node
        elif problem is not None:
            parent.damaged = opened.refused = True
            self.report.add(problem)

    def _wrong_key(self, parent: Map, node: Node) -> Diagnostic | None:
        if isinstance(node, Scalar) and node.text not in parent.entries and not (node.plain and node.text in ("", "<<")):
            return None
        at = position(self.file, node)
        if not isinstance(node, Scalar):
            return error(
                "MAN031",
                "a key is plain text, and here stands a map or a list",
                at,
                help="write the key as one word; a name with special characters goes in quotes",
            )
        if node.plain and node.text == "<<":
            return error("MAN030", "merge keys (<<) are not read", at, help="write the fields out; every value then has one place where it stands")
        if node.plain and not node.text:
            return error("MAN031", "a key is missing before the colon", at)
        first = position(self.file, parent.entries[node.text][0])
        return error(
            "MAN007", f"{shown(node.text)} stands twice in one map", at, label="again here", labels=(Label(first, "first here"),), help="keep one of the two"
        )

    def _leave_out(self) -> None:
        """The value at hand was refused: drop its key with it."""
        if self._stack:
            opened = self._stack[-1]
            if isinstance(opened.node, Map):
                opened.refused = opened.key is None and not opened.refused
                opened.node.damaged = True
                opened.key = None

    def _refuse_tag(self, event: Any) -> None:
        tag = event.tag.removeprefix("tag:yaml.org,2002:")
        name = f"!!{tag}" if tag != event.tag else event.tag
        self.report.add(error("MAN029", f"tags are not read: {shown(name)}", self._at(event), help="remove it: the field says how its value is read"))

    def _count(self, size: int, event: Any) -> None:
        self._size += size
        self.total += 1
        if self._size > MOST_NODES:
            raise Unreadable(self._too_many(event), event.start_mark.index)
        if self.total > MOST_IN_FILE:
            raise Unreadable(
                error("MAN027", f"this file holds more than {MOST_IN_FILE:,} values", self._at(event), help="split it into several files"), WHOLE_FILE
            )

    def _too_many(self, event: Any) -> Diagnostic:
        if type(event) is yaml.AliasEvent:
            message = f"this document would unfold to more than {MOST_NODES:,} values"
            return error("MAN027", message, self._at(event), label="with this alias", help="write out what is meant: no manifest needs that many")
        return error("MAN027", f"this document holds more than {MOST_NODES:,} values", self._at(event), help="split it into several documents")

    def _too_deep(self, event: Any) -> Unreadable:
        return Unreadable(
            error(
                "MAN026",
                f"this is nested more than {DEEPEST} deep",
                self._at(event),
                help="no manifest needs that: look for a slip in the brackets or the indentation",
            ),
            event.start_mark.index,
        )
