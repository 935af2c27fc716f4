"""Errors as PowerShell itself writes them to a redirected stderr when its script came by -EncodedCommand: CLIXML, one string a line.

`pipeline` calls it. Windows PowerShell does so whatever -OutputFormat says, PowerShell 7 only where none is given (their source,
ConsoleHost.ErrorFormat); other people's clients know that and unpack it.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

HEAD = '#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
ESCAPED = re.compile(r"_(?=[xX][0-9A-Fa-f]{4}_)|[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\U00010000-\U0010ffff]")


def errors(text: str) -> str:
    """Each line with its end is one `<S S="Error">`; what XML cannot hold, and each half of a surrogate pair, is `_xHHHH_`."""
    return HEAD + "".join(f'<S S="Error">{_string(line)}</S>' for line in text.splitlines(keepends=True)) + "</Objs>"


def _string(text: str) -> str:
    return escape(ESCAPED.sub(lambda found: _units(found[0]), text))


def _units(character: str) -> str:
    data = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"_x{data[at : at + 2].hex().upper()}_" for at in range(0, len(data), 2))
