"""Values as Windows PowerShell 5.1 literals, and words as one Windows command line. Used by the printer; pure text, nothing here runs.

Whatever a value holds, its literal is read back as that value and as nothing else: single-quoted text in which every kind of single quote
is doubled, and `[char]` for what a terminal would act on or hide.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby

SINGLE_QUOTES = "'\u2018\u2019\u201a\u201b"  # the tokenizer takes each of them for a single quote
UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
DAY = timedelta(days=1)
MSI_PROPERTY = re.compile(r'([A-Z][A-Z0-9_.]*)=((?:.*[ "].*)?)', re.DOTALL)


def text(value: str) -> str:
    """A string literal; controls, bidirectional marks and the like stand as `[char]`, so that pasting cannot act on them."""
    pieces = [_shown("".join(run)) if seen else _hidden("".join(run)) for seen, run in groupby(value, _seen)]
    if len(pieces) < 2 and all(map(_seen, value)):
        return pieces[0] if pieces else "''"
    return "(" + " + ".join(pieces if _seen(value[0]) else ["''", *pieces]) + ")"


def _seen(character: str) -> bool:
    return unicodedata.category(character) not in UNSEEN


def _shown(run: str) -> str:
    return "'" + "".join(character * 2 if character in SINGLE_QUOTES else character for character in run) + "'"


def _hidden(run: str) -> str:
    return " + ".join(f"[char]0x{ord(one):X}" if ord(one) < 0x10000 else f"[char]::ConvertFromUtf32(0x{ord(one):X})" for one in run)


def remark(value: str) -> str:
    """Text that is safe inside a comment of one line, also a `<# #>` one: what is not seen is written out."""
    return "".join(one if _seen(one) else f"‹U+{ord(one):04X}›" for one in value).replace("#>", "# >")


def boolean(value: bool) -> str:
    return "$true" if value else "$false"


def number(value: float) -> str:
    """An int as it is; a float so that it is read back exactly, the ones that are no numbers by their .NET names."""
    if isinstance(value, int):
        return str(int(value))
    named = {"inf": "[double]::PositiveInfinity", "-inf": "[double]::NegativeInfinity", "nan": "[double]::NaN"}
    return f"({named[repr(value)]})" if repr(value) in named else repr(value)


def time_span(value: timedelta) -> str:
    """As [timespan] reads it: `'8.00:00:00'`."""
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    minutes, seconds = divmod(value.seconds, 60)
    fraction = f".{value.microseconds:06d}0" if value.microseconds else ""
    return f"'{sign}{value // DAY}.{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{fraction}'"


def moment(value: datetime) -> str:
    """As [datetime] reads it; a moment with a zone is written in UTC."""
    if value.tzinfo is None:
        return f"'{value.isoformat()}'"
    return f"'{value.astimezone(UTC).replace(tzinfo=None).isoformat()}Z'"


def octets(value: bytes) -> str:
    return "([byte[]](" + ",".join(str(one) for one in value) + "))" if value else "([byte[]]@())"


def command_line(words: Iterable[str], *, msi: bool = False) -> str:
    """Words as one line that CommandLineToArgvW takes apart again; with `msi`, PROPERTY=value by msiexec's own rule."""
    return " ".join(_word(word, msi) for word in words)


def _word(word: str, msi: bool) -> str:
    found = MSI_PROPERTY.fullmatch(word) if msi else None
    if found:
        return f'{found[1]}="' + found[2].replace('"', '""') + '"'
    if word and not re.search(r'[\s"]', word):
        return word
    return '"' + re.sub(r"(\\+)\Z", r"\1\1", re.sub(r'(\\*)"', r'\1\1\\"', word)) + '"'
