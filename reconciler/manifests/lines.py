"""The lines of source files, for whoever renders an error frame. Reads a file when its first line is asked for.

Lines are cut where the YAML reader cuts them, so that positions fit. What an error marks as a secret is masked: no frame
repeats it, also not the frame of another error on the same line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from reconciler.core.diagnostics import Diagnostic, Position
from reconciler.manifests.files import LARGEST
from reconciler.manifests.report import NOT_SHOWN
from reconciler.manifests.syntax import BREAK

MASK = "*"


class Lines:
    """The lines of files by name. Reads each file once, when its first line is asked for."""

    def __init__(self, diagnostics: Iterable[Diagnostic] = ()) -> None:
        self._files: dict[str, Sequence[str]] = {}
        self._hidden: dict[str, list[Position]] = {}
        for diagnostic in diagnostics:
            for position in _not_shown(diagnostic):
                self._hidden.setdefault(position.file, []).append(position)

    def line(self, file: str, number: int) -> str | None:
        """Line `number`, from 1, without its end; None where it cannot be had any more."""
        lines = self.file(file)
        return lines[number - 1] if 0 < number <= len(lines) else None

    def file(self, name: str) -> Sequence[str]:
        """All lines of a file, secrets masked; none where it cannot be read."""
        if name not in self._files:
            lines = _read(Path(name))
            for position in self._hidden.get(name, ()):
                _mask(lines, position)
            self._files[name] = tuple(lines)
        return self._files[name]


def _not_shown(diagnostic: Diagnostic) -> Iterable[Position]:
    if diagnostic.position is not None and diagnostic.label.endswith(NOT_SHOWN):
        yield diagnostic.position
    for label in diagnostic.labels:
        if label.text.endswith(NOT_SHOWN):
            yield label.position


def _read(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError:
        return []
    text = data.decode("utf-8-sig", errors="replace")
    return ["".join(_one_sign(c) for c in line) for line in BREAK.split(text)]


def _one_sign(c: str) -> str:
    """A tab as one space, so that columns stay what they are; what does not print as a replacement sign."""
    return " " if c == "\t" else c if c.isprintable() else "\ufffd"


def _mask(lines: list[str], position: Position) -> None:
    """Cover the value. One that runs over several lines has length 1: then all that is indented below its line is covered too."""
    index = position.line - 1
    if not 0 <= index < len(lines):
        return
    line, start = lines[index], position.column - 1
    if position.length > 1:
        end = start + position.length
        lines[index] = line[:start] + MASK * min(position.length, len(line) - start) + line[end:]
        return
    lines[index] = line[:start] + MASK * (len(line) - start)
    outer = _outer(lines, index, start)
    for below in range(index + 1, len(lines)):
        if lines[below].strip() and _indent(lines[below]) <= outer:
            break
        lines[below] = MASK * len(lines[below])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _outer(lines: list[str], index: int, start: int) -> int:
    """The indentation of the key that the value belongs to: on its own line, or above where the value begins its line."""
    own = _indent(lines[index])
    if own < start:
        return own
    return next((_indent(line) for line in reversed(lines[:index]) if line.strip() and _indent(line) < own), -1)
