"""Output of a process → the text of one whole answer, also where pieces of it were lost on the way.

`channel` feeds it. After a loss what came before is worth nothing: only an answer that is whole by itself counts, be it the replay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.wire.frames import FrameReader, Limits
from reconciler.wire.requests import Request

STRAY = Limits().stray
FIRST = 8192


class Collector:
    """Of one request. `late`: characters of earlier, repeated answers that may still come first."""

    def __init__(self, request: Request, late: int = 0) -> None:
        self._request = request
        self._limits = Limits(stray=STRAY + late)
        self._head = re.compile(rf"\n#H[VZ]{request.nonce} ")
        self.first = ""  # the beginning of what came, for messages where no frame did
        self._start()

    def _start(self) -> None:
        self._pieces: list[str] = []
        self._reader = FrameReader(self._request.nonce, self._limits)

    @property
    def begun(self) -> bool:
        """Whether a frame of this answer has come."""
        return bool(self._reader.frames)

    @property
    def text(self) -> str:
        """The answer from its first frame on."""
        whole = "".join(self._pieces)
        head = self._head.search(whole)
        return whole[head.start() :] if head else whole

    def feed(self, data: bytes) -> bool:
        """Whether the answer is whole now. Raises WireError where it breaks a cap."""
        text = data.decode("ascii", "replace")
        self._pieces.append(text)
        self.first = (self.first + text)[:FIRST]
        self._reader.feed(text)
        if self._reader.ended and not whole(self._reader.frames, self._request):
            self._start()
            return False
        return self._reader.ended

    def lost(self) -> None:
        """Some output is gone: begin anew with what comes now."""
        self._start()


def whole(frames: Sequence[Mapping[str, Any]], request: Request) -> bool:
    """Whether these frames are all that the request is answered with."""
    end = frames[-1]
    if end.get("refused"):
        return True
    begun = [frame.get("i") for frame in frames if "i" in frame]
    parts = (request.hello is None or any("name" in frame for frame in frames), request.lease is None or any("now" in frame for frame in frames))
    return all(parts) and begun == list(range(len(begun))) and end.get("n", len(begun)) == len(begun)
