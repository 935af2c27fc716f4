"""Lines of the files that an error points into, read again when they are shown. Never fails: a line that cannot be had is None."""

from __future__ import annotations

from pathlib import Path


class SourceLines:
    """Reads each file once; what is not UTF-8 in it is shown as a replacement sign."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}

    def line(self, file: str, number: int) -> str | None:
        """Line `number` (from 1) without its end, tabs as one space so that columns stay what they are."""
        if file not in self._files:
            self._files[file] = _read(file)
        lines = self._files[file]
        return lines[number - 1].replace("\t", " ") if 0 < number <= len(lines) else None


def _read(file: str) -> list[str]:
    try:
        text = Path(file).read_bytes().decode("utf-8-sig", "replace")
    except OSError:
        return []
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
