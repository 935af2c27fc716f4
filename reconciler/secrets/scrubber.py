"""Takes known secret values out of any text, in the forms in which they could have got there.

The vault registers a value before it gives it to anyone, so that no text made later can show it.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4  # a shorter value would blank out ordinary words


def forms(value: str) -> set[str]:
    """`value` as is, and as JSON, base64, URLs, HTML and PowerShell literals would spell it."""
    raw = value.encode("utf-8", "surrogatepass")
    found = {value, value.strip(), html.escape(value), value.replace("'", "''"), quote_plus(raw), quote(raw), quote(raw, safe="")}
    found |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    found |= {json.dumps(json.dumps(value)[1:-1])[1:-1]}
    for data in (raw, value.encode("utf-16-le", "surrogatepass")):
        found |= {base64.b64encode(data).decode().rstrip("="), base64.urlsafe_b64encode(data).decode().rstrip("=")}
    return {form for form in found if len(form) >= SHORTEST}


class Scrubber:
    """`add` values, then `scrub` text. Adding is rare and scrubbing frequent, so the pattern is kept ready."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """The whole, its lines, and where it is JSON the texts in it: each may come back alone."""
        for part in (value, *(line.strip() for line in value.splitlines()), *_texts(value)):
            self._forms |= forms(part) if len(part) >= SHORTEST else set()
        longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(re.escape(form) for form in longest_first))

    def scrub(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text


def _texts(value: str) -> Iterator[str]:
    """Texts in an object or list that is written as JSON, however deep."""
    if value.lstrip()[:1] not in ("{", "["):
        return
    try:
        left = [json.loads(value)]
    except (ValueError, RecursionError):
        return
    while left:
        found = left.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict | list):
            left += found.values() if isinstance(found, dict) else found
