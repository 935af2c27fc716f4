"""Message encryption of WinRM over HTTP: envelopes inside `multipart/encrypted`, sealed by the connection's security context.

`connection` unseals requests and seals answers and faults with it. `Length` counts the plain text and the padding (winrm.md 4.3).
"""

from __future__ import annotations

import re
import struct
from typing import Any

TYPES = ("application/HTTP-SPNEGO-session-encrypted", "application/HTTP-Kerberos-session-encrypted")
BOUNDARY = b"--Encrypted Boundary"
STREAM = BOUNDARY + b"\r\n\tContent-Type: application/octet-stream\r\n"
END = BOUNDARY + b"--\r\n"
LENGTH = re.compile(rb"Length=(\d+)")


class NotSealed(ValueError):
    """The body is not sealed under this connection's context: answered with an empty 400, and nothing was run."""


def is_sealed(content_type: str) -> bool:
    return content_type.lower().startswith("multipart/encrypted")


def unseal(context: Any, body: bytes) -> bytes:
    """The plain text of a sealed body."""
    head, found, rest = body.partition(STREAM)
    length = LENGTH.search(head)
    if not found or length is None or not rest.endswith(END) or len(rest) < 4 + len(END):
        raise NotSealed("no sealed message")
    payload = rest[: -len(END)]
    size = struct.unpack("<i", payload[:4])[0]
    if not 0 < size <= len(payload) - 4:
        raise NotSealed("no signature")
    try:
        plain: bytes = context.unwrap_winrm(payload[4 : 4 + size], payload[4 + size :])
    except Exception as error:  # noqa: BLE001 - whatever the library raises here means that it is not ours
        raise NotSealed(type(error).__name__) from None
    if not len(plain) <= int(length[1]) <= len(plain) + 16:
        raise NotSealed("length")
    return plain


def seal(context: Any, plain: bytes, protocol: str = TYPES[0]) -> tuple[str, bytes]:
    """The content type and the body."""
    header, data, padding = context.wrap_winrm(plain)
    head = BOUNDARY + f"\r\n\tContent-Type: {protocol}\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(plain) + padding}\r\n".encode()
    return f'multipart/encrypted;protocol="{protocol}";boundary="Encrypted Boundary"', head + STREAM + struct.pack("<i", len(header)) + header + data + END
