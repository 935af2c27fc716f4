"""What a reader carries along while it reads one resource for one host: where it is, what went wrong, what it found where."""

from __future__ import annotations

from typing import Any, TypeAlias

from reconciler.core.diagnostics import Position, error
from reconciler.manifests.expressions import Scope, Unknown, expand
from reconciler.manifests.nodes import Map, Node, Scalar, position
from reconciler.manifests.report import Report, shown


class _Failed:
    """A value that could not be read; its error is in the report."""


FAILED = _Failed()
Text: TypeAlias = "str | None"


class Reading:
    """One resource being read. `owner` begins every message, `where` collects positions by dotted path."""

    __slots__ = ("broken", "expanded", "file", "owner", "report", "scope", "where")

    def __init__(self, file: str, owner: str, report: Report, scope: Scope | None = None) -> None:
        self.file = file
        self.owner = owner
        self.report = report
        self.scope = scope
        self.where: dict[str, Position] = {}
        self.broken = False
        self.expanded = False  # an expression was met: the result is this host's alone

    def at(self, node: Node) -> Position:
        return position(self.file, node)

    def name(self, path: str) -> str:
        """`EflowVm.provisioning`: how messages call the place at `path`."""
        return f"{self.owner}.{path}" if path else self.owner

    def fail(self, code: str, message: str, node: Node, **more: Any) -> Any:
        """Report an error at `node`; gives FAILED, so that a reader can return it."""
        self.broken = True
        self.report.add(error(code, message, self.at(node), **more))
        return FAILED

    def mark(self, path: str, key: Scalar, node: Node) -> None:
        """Remember where the value at `path` stands: the value itself where it is one line, else its key."""
        short = isinstance(node, Scalar) and not node.empty
        self.where[path] = self.at(node if short else key)
        if isinstance(node, Map) and node.damaged:
            self.broken = True

    def text(self, node: Scalar) -> Text:
        """The text of a scalar with its expressions replaced; None when one of them could not be."""
        if "${" not in node.text:
            return node.text
        self.expanded = True
        try:
            return expand(node.text, self.scope)
        except Unknown as unknown:
            place = self.at(node)
            if node.plain and node.length == len(node.text):
                place = Position(self.file, node.line, node.column + unknown.offset, unknown.length)
            self.broken = True
            self.report.add(error(unknown.code, unknown.message, place, label=unknown.label, help=unknown.help))
            return None

    def details(self, node: Scalar, text: str) -> tuple[tuple[str, str], ...]:
        """What an expression became, as a line of the frame."""
        return (("read as", shown(text)),) if text != node.text else ()
