"""Words of a host made safe to show. Used where frames become answers; text that is compared or sent on never passes here."""

from __future__ import annotations

import re

# Controls but newline, bidirectional marks and overrides, line and paragraph separators, the BOM, and halves of surrogate pairs.
HIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def visible(text: str) -> str:
    """`text` verbatim, except that what a terminal would obey instead of print appears as `‹U+001B›`."""
    return HIDDEN.sub(lambda found: f"‹U+{ord(found[0]):04X}›", text.replace("\r\n", "\n"))
