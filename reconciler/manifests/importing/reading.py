"""JSON as Azure's tools write and take it: with a byte order mark, with comments. Raises Unreadable with line and column."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from typing import Any

LARGEST = 8 * 2**20  # bytes: ARM itself takes templates of 4 MB
DEEPEST = 100  # brackets within brackets
COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
BRACKETS = re.compile(r'"(?:\\.|[^"\\])*"|([\[{])|[\]}]', re.DOTALL)


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
        held = path.read_bytes()
        text = held.decode("utf-16" if held.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")  # the former is what > of Windows PowerShell writes
    except OSError as why:
        raise Unreadable(f"it cannot be read: {why.strerror or why}") from None
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None
    text = COMMENT.sub(_blank, text)
    _not_too_deep(text)
    try:
        return json.loads(text, parse_constant=_refuse, strict=False)  # az takes text of several lines
    except json.JSONDecodeError as why:
        raise _unreadable(text, why) from None
    except ValueError as why:
        raise Unreadable(str(why)) from None


def _unreadable(text: str, why: json.JSONDecodeError) -> Unreadable:
    """A comma too many is told where it is: the parser speaks of what follows it."""
    before = text[: why.pos].rstrip()
    if before.endswith(",") and text[why.pos : why.pos + 1] in ("}", "]"):
        why = json.JSONDecodeError(f"nothing follows this comma before the closing {text[why.pos]}", text, len(before) - 1)
    return Unreadable(why.msg, why.lineno, why.colno)


def _not_too_deep(text: str) -> None:
    depth = 0
    for found in BRACKETS.finditer(text):
        depth += 1 if found[1] else -1 if found[0] in "]}" else 0
        if depth > DEEPEST:
            line = text.count("\n", 0, found.start()) + 1
            raise Unreadable("it is nested too deeply", line, found.start() - text.rfind("\n", 0, found.start()))


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
