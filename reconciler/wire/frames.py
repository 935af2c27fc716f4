"""Frames: how answers are told from everything else on the output stream, and how much of them a controller takes.

    LF #HV<nonce> SP <characters> SP <json> LF        #HZ: the JSON is gzip, then base64

`frame` writes one, `FrameReader` finds them in whatever a host sends. Every cap is a `WireError` for that host alone.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.errors import WireError
from reconciler.wire.strict import Malformed, read

GZIP_FROM = 8192
_HEAD = re.compile(r"\n#H([VZ])([0-9a-f]{0,32}) ([0-9]{1,9}) ")
_HEAD_LENGTH = 2 + 1 + 32 + 1 + 9 + 2  # longest head; a shorter rest of the buffer may still become one


@dataclass(frozen=True, slots=True)
class Limits:
    """What a controller takes from a host. The defaults are the contract; tests lower them."""

    frame: int = 32 * 2**20  # characters of one frame, unpacked
    batch: int = 64 * 2**20  # characters of all frames of a batch, unpacked
    frames: int = 10_000
    values: int = 1_000_000  # commas and opening brackets of all frames of a batch: 43 KB can unpack to a gigabyte of empty lists
    stray: int = 2**20  # characters between frames (diagnostics)


def frame(nonce: str, body: str) -> str:
    """`body`, the JSON of one answer, as a frame."""
    if len(body) <= GZIP_FROM:
        return f"\n#HV{nonce} {len(body)} {body}\n"
    packed = base64.b64encode(gzip.compress(body.encode("ascii"), mtime=0)).decode("ascii")
    return f"\n#HZ{nonce} {len(packed)} {packed}\n"


class FrameReader:
    """Collects the frames of one request out of pieces of output. Frames of another nonce count as stray text."""

    def __init__(self, nonce: str, limits: Limits = Limits()) -> None:
        self.frames: list[Mapping[str, Any]] = []
        self.stray = 0
        self.ended = False
        self._nonce = nonce
        self._limits = limits
        self._rest = ""
        self._at = 0  # where in `_rest` reading goes on: it is not cut for every frame
        self._more: list[str] = []  # what came since, joined once it can end the frame that is waited for
        self._missing = 0
        self._size = self._values = 0

    def feed(self, text: str) -> None:
        """More output. Raises WireError where it breaks a cap or is no frame at all."""
        self._more.append(text)
        self._missing -= len(text)
        if self._missing > 0:
            return
        self._rest = "".join((self._rest[self._at :], *self._more))
        self._at, self._more, self._missing = 0, [], 0
        while not self.ended and self._take():
            pass

    def _take(self) -> bool:
        """One step forward in the buffer; False when more output is needed."""
        head = _HEAD.search(self._rest, self._at)
        if head is None:
            self._skip(len(self._rest) - _HEAD_LENGTH)
            return False
        kind, nonce, length = head[1], head[2], int(head[3])
        if length > self._limits.frame:
            raise WireError(f"a frame of {length} characters: more than {self._limits.frame} are not taken")
        end = head.end() + length
        if len(self._rest) <= end:
            self._missing = end + 1 - len(self._rest)
            return False
        if nonce != self._nonce or self._rest[end] != "\n":
            self._skip(head.start() + 1)
            return True
        self._skip(head.start())
        self._at = end + 1
        payload = self._rest[head.end() : end]
        self._keep(self._unpack(payload) if kind == "Z" else payload)
        return True

    def _skip(self, to: int) -> None:
        self.stray += max(0, to - self._at)
        self._at = max(to, self._at)
        if self.stray > self._limits.stray:
            raise WireError(f"more than {self._limits.stray} characters between frames")

    def _unpack(self, payload: str) -> str:
        """Unpacked only as far as the cap: 130 KB can hold 100 MB."""
        inflate = zlib.decompressobj(wbits=31)
        try:
            data = inflate.decompress(base64.b64decode(payload, validate=True), self._limits.frame + 1)
            text = data.decode("ascii")
        except (zlib.error, binascii.Error, UnicodeDecodeError):
            raise WireError("a packed frame that does not unpack") from None
        if len(text) > self._limits.frame:
            raise WireError(f"a packed frame of more than {self._limits.frame} characters")
        if not inflate.eof:
            raise WireError("a packed frame that is cut short")
        return text

    def _keep(self, body: str) -> None:
        self._size += len(body)
        self._values += body.count(",") + body.count("[") + body.count("{")
        if self._size > self._limits.batch or len(self.frames) >= self._limits.frames:
            raise WireError("more frames than one batch may have")
        if self._values > self._limits.values:
            raise WireError(f"more than {self._limits.values} values in one batch")
        try:
            value = read(body)
        except Malformed as error:
            raise WireError(f"a frame that is no JSON of ours: {error}") from None
        if not isinstance(value, dict):
            raise WireError("a frame that holds no map")
        self.frames.append(value)
        self.ended = value.get("end") is True


def unframe(text: str, nonce: str, limits: Limits = Limits()) -> tuple[Mapping[str, Any], ...]:
    """The frames of one finished answer. Raises WireError when its closing frame is missing."""
    reader = FrameReader(nonce, limits)
    reader.feed(text)
    if not reader.ended:
        raise WireError("the answer has no closing frame", sent=True)
    return tuple(reader.frames)
