"""JSON as Azure's tools write and take it: with a byte order mark, with comments. Raises Unreadable with line and column."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

LARGEST = 8 * 2**20  # bytes: ARM itself takes templates of 4 MB
COMMENT = re.compile(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)


class Unreadable(Exception):
    """`line` and `column` count from 1; 0 where the whole file is meant."""

    def __init__(self, why: str, line: int = 0, column: int = 0) -> None:
        super().__init__(why)
        self.line = line
        self.column = column


def read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > LARGEST:
            raise Unreadable(f"it is larger than {LARGEST >> 20} MiB")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as why:
        raise Unreadable(f"it cannot be read: {why.strerror or why}") from None
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None
    try:
        return json.loads(COMMENT.sub(_blank, text), parse_constant=_refuse)
    except json.JSONDecodeError as why:
        raise Unreadable(why.msg, why.lineno, why.colno) from None
    except (ValueError, RecursionError) as why:
        raise Unreadable(str(why) or "it is nested too deeply") from None


def parameters_of(document: Any) -> dict[str, Any]:
    """A parameter file's values: `{"parameters": {name: {"value": …}}}`, or names and values alone. References to a vault have none."""
    held = document.get("parameters", document) if isinstance(document, dict) else {}
    found = {}
    for name, said in held.items() if isinstance(held, dict) else ():
        if isinstance(said, dict) and "value" in said:
            found[name] = said["value"]
        elif not isinstance(said, dict):
            found[name] = said
    return found


def _blank(found: re.Match[str]) -> str:
    """A comment as blanks, so that what follows keeps its place."""
    return found[1] or re.sub(r"[^\n]", " ", found[0])


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")
