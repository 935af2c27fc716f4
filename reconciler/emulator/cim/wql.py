"""WQL as far as people write it to read instances: `SELECT names|* FROM class [WHERE name op literal {AND|OR …}]`.

Operators are = != <> < <= > >= and LIKE (%, _, [sets]); AND binds closer. Parentheses, NOT, IS NULL, joins and associators are refused as an
invalid query, which is also what WMI says of an unknown property. Backslash escapes in literals, as in WMI.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.emulator.cim.repository import INVALID_QUERY, CimClass, CimError, Row
from reconciler.emulator.machine import Machine

TOKEN = re.compile(r"""\s*(?:(?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|(?P<word>[A-Za-z_]\w*)|(?P<number>-?\d+)|(?P<op><=|>=|<>|!=|[=<>*,]))""")
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<>": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
LONGEST = 16 * 1024


@dataclass(frozen=True, slots=True)
class Comparison:
    name: str
    op: str
    literal: str


@dataclass(frozen=True, slots=True)
class Query:
    """`names` empty: every property. `choices`: any of them, and in one all."""

    names: tuple[str, ...]
    class_name: str
    choices: tuple[tuple[Comparison, ...], ...] = ()


class _Tokens:
    def __init__(self, text: str) -> None:
        self._left = _split(text)

    def next(self, *wanted: str) -> tuple[str, str]:
        """The next token as (kind, text); one of `wanted` by kind or by word. Raises CimError."""
        kind, text = self._left.pop(0) if self._left else ("end", "")
        if wanted and kind not in wanted and text.casefold() not in wanted:
            raise _invalid()
        return kind, text

    def on(self, word: str) -> bool:
        """Whether the next token is `word`; then it is taken."""
        if self._left and self._left[0][1].casefold() == word and self._left[0][0] != "text":
            self._left.pop(0)
            return True
        return False

    @property
    def ended(self) -> bool:
        return not self._left


def _split(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, text = 0, text.rstrip()
    if len(text) > LONGEST:
        raise _invalid()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _invalid()
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def parse(text: str) -> Query:
    """Raises CimError."""
    tokens = _Tokens(text)
    tokens.next("select")
    names: list[str] = []
    if not tokens.on("*"):
        names.append(tokens.next("word")[1])
        while tokens.on(","):
            names.append(tokens.next("word")[1])
    tokens.next("from")
    class_name = tokens.next("word")[1]
    choices = _choices(tokens) if tokens.on("where") else ()
    if not tokens.ended:
        raise _invalid()
    return Query(tuple(names), class_name, choices)


def _choices(tokens: _Tokens) -> tuple[tuple[Comparison, ...], ...]:
    choices: list[list[Comparison]] = [[_comparison(tokens)]]
    while not tokens.ended:
        if tokens.on("or"):
            choices.append([])
        elif not tokens.on("and"):
            raise _invalid()
        choices[-1].append(_comparison(tokens))
    return tuple(tuple(choice) for choice in choices)


def _comparison(tokens: _Tokens) -> Comparison:
    name = tokens.next("word")[1]
    kind, op = tokens.next("op", "like")
    if kind == "op" and op not in COMPARE:
        raise _invalid()
    kind, literal = tokens.next("text", "number", "true", "false")
    if kind == "text":
        literal = re.sub(r"\\(.)", r"\1", literal[1:-1])
    return Comparison(name, op.casefold(), literal)


def run(machine: Machine, found: CimClass, query: Query) -> list[Row]:
    """The chosen properties of the instances that the query means, spelled as the class spells them. Raises CimError."""
    names = [_known(found, name) for name in query.names]
    for comparison in (one for choice in query.choices for one in choice):
        _known(found, comparison.name)
    rows = [row for row in found.instances(machine) if not query.choices or any(_all(found, row, choice) for choice in query.choices)]
    return [{name: row[name] for name in names} for row in rows] if names else rows


def _known(found: CimClass, name: str) -> str:
    own = found.named(name)
    if own is None:
        raise _invalid()
    return own


def _all(found: CimClass, row: Row, choice: Sequence[Comparison]) -> bool:
    return all(_holds(row[_known(found, one.name)], one) for one in choice)


def _holds(value: Any, comparison: Comparison) -> bool:
    """NULL compares with nothing; text without regard to case."""
    if value is None or isinstance(value, list):
        return False
    if comparison.op == "like":
        return re.fullmatch(_pattern(comparison.literal), str(value), re.IGNORECASE | re.DOTALL) is not None
    if isinstance(value, bool):
        return COMPARE[comparison.op](value, comparison.literal.casefold() in ("true", "1"))
    if isinstance(value, int):
        if not re.fullmatch(r"-?\d+", comparison.literal):
            raise _invalid()
        return COMPARE[comparison.op](value, int(comparison.literal))
    return COMPARE[comparison.op](str(value).casefold(), comparison.literal.casefold())


def _pattern(like: str) -> str:
    parts = re.findall(r"\[\^?[^\]]+\]|.", like, re.DOTALL)
    return "".join({"%": ".*", "_": "."}.get(part) or (_set(part) if len(part) > 1 else re.escape(part)) for part in parts)


def _set(part: str) -> str:
    """`[a=f]` is a range, as is `[a-f]`."""
    inside = part[1:-1]
    negated, inside = ("^", inside[1:]) if inside.startswith("^") else ("", inside)
    return f"[{negated}{re.escape(inside).replace(re.escape('-'), '-').replace('=', '-')}]"


def _invalid() -> CimError:
    return CimError(INVALID_QUERY, "Invalid query")
