"""A reader of the few literals that the printer may write for text, by the rules of the 5.1 tokenizer. Written apart from the printer."""

from __future__ import annotations

import re

QUOTES = frozenset("'‘’‚‛")
CHARACTER = re.compile(r"\[char\]0x([0-9A-F]{1,4})")
CODE_POINT = re.compile(r"\[char\]::ConvertFromUtf32\(0x([0-9A-F]+)\)")


def read_text(source: str) -> str:
    """The value of a text literal; anything left over, or anything that is not such a literal, is an error."""
    value, rest = _expression(source)
    if rest:
        raise ValueError(f"left over: {rest!r}")
    return value


def _expression(source: str) -> tuple[str, str]:
    if not source.startswith("("):
        return _quoted(source)
    value, rest = _term(source[1:])
    while rest.startswith(" + "):
        more, rest = _term(rest[3:])
        value += more
    if not rest.startswith(")"):
        raise ValueError(f"no closing bracket before {rest!r}")
    return value, rest[1:]


def _term(source: str) -> tuple[str, str]:
    for pattern in (CHARACTER, CODE_POINT):
        found = pattern.match(source)
        if found:
            return chr(int(found[1], 16)), source[found.end() :]
    return _quoted(source)


def _quoted(source: str) -> tuple[str, str]:
    """Any two single quotes in a row stand for one; any one alone ends the text."""
    if not source or source[0] not in QUOTES:
        raise ValueError(f"no text begins at {source!r}")
    value, at = "", 1
    while at < len(source):
        if source[at] in QUOTES:
            if source[at + 1 : at + 2] not in QUOTES or at + 1 == len(source):
                return value, source[at + 1 :]
            at += 1
        value += source[at]
        at += 1
    raise ValueError("the text does not end")


def split_line(line: str) -> list[str]:
    """The arguments that a C program sees: backslashes count only before a quote, two quotes inside a quoted part are one."""
    words: list[str] = []
    at = 0
    while at < len(line):
        if line[at] in " \t":
            at += 1
            continue
        word, at = _argument(line, at)
        words.append(word)
    return words


def _argument(line: str, at: int) -> tuple[str, int]:
    word, inside = "", False
    while at < len(line) and (inside or line[at] not in " \t"):
        slashes = len(line[at:]) - len(line[at:].lstrip("\\"))
        at += slashes
        if line[at : at + 1] != '"':
            word += "\\" * slashes
            if at < len(line) and (inside or line[at] not in " \t") and not slashes:
                word += line[at]
                at += 1
            continue
        word += "\\" * (slashes // 2)
        if slashes % 2:
            word += '"'
        elif inside and line[at + 1 : at + 2] == '"':
            word += '"'
            at += 1
        else:
            inside = not inside
        at += 1
    return word, at
