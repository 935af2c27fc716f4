"""What can be said to a person: one value for every error, warning and remark, wherever it is found. Views render it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.core.values import quick


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    BLOCKED = "blocked"
    DEFER = "defer"  # of a rule: the step waits for the world (`»`), not for a person
    NOTE = "note"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file: line and column count from 1; `length` in characters on that line (at least 1)."""

    file: str
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Label:
    """A further place that an error is about, with what stands there."""

    position: Position
    text: str


@quick
@dataclass(frozen=True, slots=True)
class Diagnostic:
    """`message` says what; `position` or `subject` (host, or resource id) where; `why` and `help` the rest.

    `label` is written under the marked text. `details` are further (term, text) lines in the frame, in order.
    """

    code: str
    severity: Severity
    message: str
    position: Position | None = None
    label: str = ""
    labels: tuple[Label, ...] = ()
    subject: str = ""
    why: str = ""
    help: str = ""
    details: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> Mapping[str, Any]:
        out: dict[str, Any] = {"code": self.code, "severity": self.severity.value, "message": self.message}
        if self.position:
            out |= {"file": self.position.file, "line": self.position.line, "column": self.position.column}
        if self.subject:
            out["subject"] = self.subject
        if self.labels:
            out["also"] = [{"file": x.position.file, "line": x.position.line, "column": x.position.column, "text": x.text} for x in self.labels]
        for name in ("why", "help"):
            if getattr(self, name):
                out[name] = getattr(self, name)
        if self.details:
            out["details"] = [list(pair) for pair in self.details]
        return out


def error(code: str, message: str, position: Position | None = None, **more: Any) -> Diagnostic:
    """An error, the common case, in one line."""
    return Diagnostic(code, Severity.ERROR, message, position, **more)
