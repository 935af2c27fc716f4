"""PowerShell data files (.psd1, .psrc, .pssc): one hashtable of literals. Nothing is evaluated; what is no literal is refused.

`configuration` reads with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from reconciler.emulator.typed import NotTyped

TOKEN = re.compile(
    r"""(?:\s|\#[^\n]*|<\#.*?\#>)*(?:
        (?P<open>@\{|@\() | (?P<close>[})]) | (?P<mark>[=,;])
      | '(?P<single>(?:[^']|'')*)' | "(?P<double>[^"$`]*)"
      | (?P<number>-?\d+)\b | \$(?P<constant>true|false|null)\b | (?P<word>[A-Za-z_][\w.]*)
      | (?P<end>\Z) )""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
CONSTANTS = {"true": True, "false": False, "null": None}


def read(text: str) -> dict[str, Any]:
    """The hashtable in `text`, or NotTyped."""
    tokens = list(_tokens(text))
    value, at = _value(tokens, 0)
    if not isinstance(value, dict) or tokens[at][0] != "end":
        raise NotTyped("a data file is one hashtable")
    return value


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while True:
        found = TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise NotTyped(f"no literal: {text[at : at + 40]!r}")
        yield found.lastgroup, found[found.lastgroup]
        if found.lastgroup == "end":
            return
        at = found.end()


def _value(tokens: list[tuple[str, str]], at: int) -> tuple[Any, int]:
    """A literal, or several with commas between them."""
    first, at = _single(tokens, at)
    if tokens[at] != ("mark", ","):
        return first, at
    items = [first]
    while tokens[at] == ("mark", ","):
        item, at = _single(tokens, at + 1)
        items.append(item)
    return items, at


def _single(tokens: list[tuple[str, str]], at: int) -> tuple[Any, int]:
    kind, text = tokens[at]
    match kind:
        case "open":
            return _table(tokens, at + 1) if text == "@{" else _array(tokens, at + 1)
        case "single":
            return text.replace("''", "'"), at + 1
        case "double":
            return text, at + 1
        case "number":
            return int(text), at + 1
        case "constant":
            return CONSTANTS[text.casefold()], at + 1
    raise NotTyped(f"a value is expected, not {text!r}")


def _array(tokens: list[tuple[str, str]], at: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    while tokens[at] != ("close", ")"):
        if tokens[at] in (("mark", ","), ("mark", ";")):
            at += 1
            continue
        item, at = _single(tokens, at)
        items.append(item)
    return items, at + 1


def _table(tokens: list[tuple[str, str]], at: int) -> tuple[dict[str, Any], int]:
    table: dict[str, Any] = {}
    while tokens[at] != ("close", "}"):
        if tokens[at] == ("mark", ";"):
            at += 1
            continue
        kind, name = tokens[at]
        if kind not in ("word", "single", "double") or tokens[at + 1] != ("mark", "="):
            raise NotTyped(f"a key and = are expected, not {name!r}")
        table[name], at = _value(tokens, at + 2)
    return table, at + 1
