"""What a host sends of PSRP, put together under caps before pypsrp reads it: fragments, messages, their XML.

`line` gives it to every pool. A host that breaks a rule is Hostile, and hurts itself alone (wire-contract "A hostile or sick host").
"""

from __future__ import annotations

import struct
from typing import Any

from pypsrp.messages import Message
from pypsrp.powershell import Fragmenter
from pypsrp.serializer import Serializer

from reconciler.hosts.winrm.errors import Hostile

HEAD = struct.Struct(">QQBI")  # object, number of the fragment, marks (2: the last), length (MS-PSRP 2.2.4)
LAST = 2
BYTES = 64 * 2**20  # of one pipeline
PIECES = 100_000


class StrictSerializer(Serializer):
    """Reads no XML that brings definitions of its own."""

    def deserialize(self, element: Any, metadata: Any = None, clear: bool = True) -> Any:
        if isinstance(element, str) and ("<!DOCTYPE" in element or "<!ENTITY" in element):
            raise Hostile("XML with a DOCTYPE", sent=True)
        return super().deserialize(element, metadata, clear)


class StrictFragmenter(Fragmenter):
    """`begin` before each pipeline: what came of an earlier one is worth nothing."""

    def __init__(self, room: int) -> None:
        super().__init__(room, StrictSerializer())
        self.begin()

    def begin(self) -> None:
        self._open: dict[int, list[bytes]] = {}
        self._bytes = self._pieces = 0

    def defragment(self, data: bytes) -> list[Message]:
        """The messages that are whole now. pypsrp's own copies all that follows for every fragment."""
        messages: list[Message] = []
        view, at = memoryview(data), 0
        while at < len(view):
            if len(view) - at < HEAD.size:
                raise Hostile("a fragment without a whole head", sent=True)
            object_, number, marks, length = HEAD.unpack_from(view, at)
            at += HEAD.size + length
            self._count(length, whole=at <= len(view))
            pieces = self._open.setdefault(object_, [])
            if number != len(pieces):
                raise Hostile("fragments out of order", sent=True)
            pieces.append(bytes(view[at - length : at]))
            if marks & LAST:
                messages.append(Message.unpack(b"".join(self._open.pop(object_)), self.serializer))
        return messages

    def _count(self, length: int, *, whole: bool) -> None:
        self._bytes += length
        self._pieces += 1
        if not whole:
            raise Hostile("a fragment that is cut short", sent=True)
        if self._bytes > BYTES or self._pieces > PIECES:
            raise Hostile(f"more than {BYTES} bytes or {PIECES} fragments of one pipeline", sent=True)
