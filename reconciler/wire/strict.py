"""JSON without surprises: what the invoker's own reader accepts, and nothing beyond it (powershell d).

Used on every line that arrives, at either end. Refuses non-ASCII text, NaN and Infinity, duplicate keys, depth above 40.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

DEPTH = 40
_BETWEEN = re.compile(r'(?s)"(?:[^"\\]|\\.)*+"?|[^"\[\]{}]++')  # a text that never ends is one, too: a search for its end from every quote would not end either


class Malformed(ValueError):
    """The text is not JSON as the wire allows it."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("json: duplicate key")
    return found


def _constant(name: str) -> Any:
    raise Malformed(f"json: {name} is no number")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Malformed("json: number out of range")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= DEPTH:
        return
    depth = 0
    for bracket in _BETWEEN.sub("", text):
        depth += 1 if bracket in "[{" else -1
        if depth > DEPTH:
            raise Malformed("json: too deep")


def read(text: str) -> Any:
    """The value that `text` holds. Raises Malformed."""
    if not text.isascii():
        raise Malformed("json: not ASCII")
    _check_depth(text)
    try:
        return _DECODER.decode(text)
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:
        raise Malformed(f"json: {error}") from None


def write(value: Mapping[str, Any] | list[Any] | Any) -> str:
    """`value` as one line of ASCII JSON, keys in the order given."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
