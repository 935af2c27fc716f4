"""Values as CLIXML, which PowerShell reads with their types: what the emulated machine answers to a real PowerShell.

`bridge` writes one document an answer. JSON would not do: PowerShell makes dates of text that looks like one.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from reconciler.wire.codec import moment

HEAD = '<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")


def document(value: Any) -> str:
    """One value; a map becomes an object with these properties."""
    return HEAD + _element(value, "", itertools.count()) + "</Objs>"


def text(value: str) -> str:
    """What XML cannot hold goes as `_xHHHH_`, so also an underscore that would begin one."""
    return escape(_safe(value))


def _safe(value: str) -> str:
    return UNSAFE.sub(lambda found: f"_x{ord(found[0]):04X}_", value)


def _element(value: Any, name: str, numbers: Iterator[int]) -> str:
    attribute = f" N={quoteattr(_safe(name))}" if name else ""
    match value:
        case None:
            return f"<Nil{attribute}/>"
        case Mapping():
            return _object(attribute, "MS", (_element(item, str(key), numbers) for key, item in value.items()), numbers)
        case list() | tuple():
            return _object(attribute, "LST", (_element(item, "", numbers) for item in value), numbers)
    tag, said = _primitive(value)
    return f"<{tag}{attribute}>{said}</{tag}>"


def _primitive(value: Any) -> tuple[str, str]:
    match value:
        case bool():
            return "B", str(value).lower()
        case int():
            return "I32" if -(2**31) <= value < 2**31 else "I64" if -(2**63) <= value < 2**63 else "U64", str(value)
        case float():
            return "Db", repr(value).replace("inf", "INF").replace("nan", "NaN")
        case timedelta():
            return "TS", _span(value)
        case datetime():
            return "DT", moment(value)
        case bytes():
            return "BA", base64.b64encode(value).decode("ascii")
    return "S", text(str(value))


def _span(value: timedelta) -> str:
    """By days: .NET takes no number above 2^31 in it, and leases that never end are longer than that in seconds."""
    whole = abs(value)
    return f"{'-' if value < timedelta(0) else ''}P{whole.days}DT{whole.seconds}.{whole.microseconds:06d}S"


def _object(attribute: str, tag: str, members: Iterable[str], numbers: Iterator[int]) -> str:
    return f'<Obj{attribute} RefId="{next(numbers)}"><{tag}>{"".join(members)}</{tag}></Obj>'
