"""One cmdlet line as a person types it, with literal values only: `Remove-NetNat -Name eflow -Confirm:$false`.

`estate.run` (behind `emulate run HOST "…"`) and the wire endpoint parse with it. Variables, pipelines, sub-expressions and
positional arguments are refused: this is no PowerShell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reconciler.core.calls import NAME

NUMBER = re.compile(r"(?P<number>-?\d+(?:\.\d+)?)(?P<unit>KB|MB|GB|TB)?", re.IGNORECASE)
UNITS = {"": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}
WORDS = {"$true": True, "$false": False, "$null": None}
TOKEN = re.compile(
    r"""\s*(?: (?P<single>'(?:[^']|'')*')
             | (?P<double>"(?:[^"`]|`.|"")*")
             | (?P<parameter>-[A-Za-z][A-Za-z0-9]*:?)
             | (?P<open>@?\() | (?P<close>\)) | (?P<comma>,)
             | (?P<bare>[^\s,()'"]+) )""",
    re.VERBOSE,
)


class NotTyped(ValueError):
    """The line is more than one cmdlet with literal values; the text says where."""


@dataclass(frozen=True, slots=True)
class Typed:
    name: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def parse(line: str) -> Typed:
    """The cmdlet and its parameters, or NotTyped."""
    tokens = list(_tokens(line))
    if not tokens or tokens[0].kind != "bare" or not NAME.fullmatch(tokens[0].text):
        raise NotTyped("a line begins with the name of a cmdlet")
    parameters: dict[str, Any] = {}
    at = 1
    while at < len(tokens):
        token = tokens[at]
        if token.kind != "parameter":
            raise NotTyped(f"{token.text}: write the parameter's name before its value")
        name = token.text[1:].rstrip(":")
        if name in parameters:
            raise NotTyped(f"-{name} is given twice")
        at += 1
        if at < len(tokens) and tokens[at].kind != "parameter":
            parameters[name], at = _value(tokens, at)
        else:
            parameters[name] = True
    return Typed(tokens[0].text, parameters)


def _tokens(line: str) -> Iterator[_Token]:
    at = 0
    text = line.strip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise NotTyped(f"cannot read {text[at:]!r}")
        token = found[found.lastgroup]
        if found.lastgroup == "bare" and (token[0] in "|;&{}<>`" or (token[0] == "$" and token.lower() not in WORDS)):
            raise NotTyped(f"{token}: only literal values of one cmdlet are taken")
        yield _Token(found.lastgroup, token)
        at = found.end()


def _value(tokens: list[_Token], at: int) -> tuple[Any, int]:
    """A value, or an array of values joined by commas or in parentheses; and where it ends."""
    if tokens[at].kind == "open":
        items: list[Any] = []
        at += 1
        while at < len(tokens) and tokens[at].kind != "close":
            if tokens[at].kind != "comma":
                items.append(_literal(tokens[at]))
            at += 1
        if at == len(tokens):
            raise NotTyped("a parenthesis is not closed")
        return items, at + 1
    items = [_literal(tokens[at])]
    at += 1
    while at + 1 < len(tokens) and tokens[at].kind == "comma":
        items.append(_literal(tokens[at + 1]))
        at += 2
    return (items[0] if len(items) == 1 else items), at


def _literal(token: _Token) -> Any:
    match token.kind:
        case "single":
            return token.text[1:-1].replace("''", "'")
        case "double":
            if "$" in re.sub(r"`.", "", token.text):
                raise NotTyped(f"{token.text}: variables in text are not known here")
            return re.sub(r"`(.)", r"\1", token.text[1:-1].replace('""', '"'))
        case "bare":
            if token.text.lower() in WORDS:
                return WORDS[token.text.lower()]
            if found := NUMBER.fullmatch(token.text):
                scale = UNITS[(found["unit"] or "").lower()]
                return float(found["number"]) * scale if "." in found["number"] else int(found["number"]) * scale
            return token.text
    raise NotTyped(f"{token.text} is no value")
