"""Small texts that every view shares: counts, spans of time, values of fields, lists of hosts.

Pure. What comes from hosts or manifests passes `one_line`, so that nothing in it can move a cursor or break a line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from pydantic import BaseModel
from rich.cells import cell_len, set_cell_size

from reconciler.core.calls import Argv, Later, Secret
from reconciler.core.canonical import duration_text
from reconciler.core.model import Existing
from reconciler.wire.text import visible

RULE = re.compile(r"(?:DHC|EFL|HYP|NET)0\d\d|HST1\d\d")
MINUTE = 60
HOUR = 3600


def one_line(text: str) -> str:
    """Somebody else's words on one line: controls made visible, line ends as a sign."""
    return visible(text).strip("\n").replace("\n", " ⏎ ")


def rule_page(code: str) -> str:
    """Where a rule is explained; nothing for a code that is no rule's."""
    return f"docs/rules/{code}.md" if RULE.fullmatch(code) else ""


def clipped(text: str, width: int) -> str:
    """`text` in at most `width` cells, its end shown as left out."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(1, width - 1)).rstrip() + "…"


def count(number: int, one: str, many: str = "") -> str:
    """`1 host`, `2 hosts`, `1,023 resources`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def span(usual: tuple[timedelta, timedelta]) -> str:
    """An estimate: `20 s`, `1–10 s`, `30 s – 2 min`, `10–32 min`, `2–3 h`."""
    low, high = usual[0].total_seconds(), usual[1].total_seconds()
    if high < MINUTE:
        return _range(round(low), round(high), "s")
    if low < MINUTE:
        return f"{round(low)} s – {_up(high, MINUTE)} min" if round(low) else f"0–{_up(high, MINUTE)} min"
    if high < 3 * HOUR:
        return _range(int(low // MINUTE), _up(high, MINUTE), "min")
    return _range(int(low // HOUR), _up(high, HOUR), "h")


def span_seconds(usual: tuple[float, float]) -> str:
    return span((timedelta(seconds=usual[0]), timedelta(seconds=usual[1])))


def _up(value: float, unit: int) -> int:
    return int(-(-value // unit))


def _range(low: int, high: int, unit: str) -> str:
    return f"{high} {unit}" if low == high else f"{low}–{high} {unit}"


def clock(seconds: float) -> str:
    """Time passed, as on a stop watch: `0:07`, `12:02`, `1:02:03`."""
    whole = int(seconds)
    hours, rest = divmod(whole, HOUR)
    return f"{hours}:{rest // MINUTE:02}:{rest % MINUTE:02}" if hours else f"{rest // MINUTE}:{rest % MINUTE:02}"


def took(seconds: float) -> str:
    """`1.8 s`, `71 s`, `12:02`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{round(seconds)} s" if seconds < 100 else clock(seconds)


def stamp(when: datetime) -> str:
    """A moment for logs and machines, always UTC: `2026-12-01T08:03:01Z`."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def hour(when: datetime) -> str:
    """A time of day for people, in their own zone: `09:02:17`."""
    return f"{when.astimezone():%H:%M:%S}"


def moment(when: datetime) -> str:
    """A moment for people, in their own zone: `Tue 1 Dec 09:02`."""
    local = when.astimezone()
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def value(item: Any) -> str:
    """A field's value on one line. Secrets appear as the reference that was written, nothing else of them."""
    match item:
        case None:
            return "nothing"
        case bool():
            return "true" if item else "false"
        case Enum():
            return str(item.value)
        case str():
            text = str(item)  # a type of its own may be equal to much
            return one_line(text) if text and text.strip() == text else f'"{one_line(text)}"'
        case timedelta():
            return duration_text(item)
        case datetime():
            return stamp(item)
    return _mark(item) or _composed(item)


def _mark(item: Any) -> str:
    match item:
        case Secret():
            return f"secret, {one_line(str(item))}"
        case Later():
            return f"(known after apply, from {item.resource})"
        case Existing():
            return f"{one_line(item.existing)} (existing)"
        case Argv():
            return one_line(" ".join(item.words))
    return ""


def _composed(item: Any) -> str:
    match item:
        case BaseModel():
            return _mapping({name: part for name, part in item.__dict__.items() if part is not None})
        case Mapping():
            return _mapping(dict(sorted(item.items(), key=lambda pair: str(pair[0]))))
        case list() | tuple():
            return ", ".join(value(part) for part in item) if item else "none"
        case set() | frozenset():
            return ", ".join(sorted(value(part) for part in item)) if item else "none"
    return one_line(str(item))


def _mapping(item: Mapping[Any, Any]) -> str:
    if set(item) == {"$later"} or set(item) == {"$secret"}:
        return "(known after apply)" if "$later" in item else "secret"
    return ", ".join(f"{one_line(str(name))} {value(part)}" for name, part in item.items()) if item else "none"


def names(items: Sequence[str], most: int = 6) -> str:
    """`a`, `a and b`, `a, b, c and 14 more`."""
    if len(items) > most:
        return f"{', '.join(items[: most - 1])} and {len(items) - most + 1:,} more"
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1]))) if items else "none"


def extent(items: Sequence[str]) -> str:
    """A group of hosts by its ends: `shop-001 … shop-200`; two or three are named."""
    return ", ".join(items) if len(items) <= 3 else f"{items[0]} … {items[-1]}"


def numbers(items: Sequence[int]) -> str:
    """`step 1`, `steps 1 and 4`, `steps 3–8`."""
    run = list(items)
    if len(run) > 2 and run == list(range(run[0], run[-1] + 1)):
        return f"steps {run[0]}–{run[-1]}"
    return f"step{'' if len(run) == 1 else 's'} {names([str(n) for n in run])}"
