"""Standard streams of one emulated process: bytes in by Send, bytes out by Receive.

A `Program` reads and writes them; a `shells.Command` sits at the other end.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass
from typing import Protocol

LINE_LIMIT = 16 * 2**20
INPUT_LIMIT = 64 * 2**20


class Overflow(Exception):
    """More input than a process takes without reading any of it."""


class Console:
    """`stdout` and `stderr` keep the order in which they were written."""

    def __init__(self) -> None:
        self._input = bytearray()
        self._ended = False
        self._came = asyncio.Event()
        self._output: deque[tuple[str, bytes]] = deque()
        self._wrote = asyncio.Event()
        self.exit: int | None = None

    # --- the program's end

    async def line(self) -> bytes | None:
        """The next line without its end; the rest where none ends; None at the end of input."""
        while (at := self._input.find(b"\n")) < 0 and not self._ended and len(self._input) < LINE_LIMIT:
            self._came.clear()
            await self._came.wait()
        if at < 0 and not self._input:
            return None
        taken = bytes(self._input if at < 0 else self._input[:at])
        del self._input[: len(taken) + (at >= 0)]
        return taken.removesuffix(b"\r")

    async def rest(self) -> bytes:
        """All input up to its end."""
        while not self._ended:
            self._came.clear()
            await self._came.wait()
        taken, self._input = bytes(self._input), bytearray()
        return taken

    def out(self, data: bytes | str) -> None:
        self._write("stdout", data)

    def err(self, data: bytes | str) -> None:
        self._write("stderr", data)

    def _write(self, name: str, data: bytes | str) -> None:
        raw = data.encode() if isinstance(data, str) else data
        if raw:
            self._output.append((name, raw))
            self._wrote.set()

    # --- the shell's end

    def feed(self, data: bytes, end: bool) -> None:
        if len(self._input) + len(data) > INPUT_LIMIT:
            raise Overflow
        self._input += data
        self._ended |= end
        self._came.set()

    @property
    def input_ended(self) -> bool:
        return self._ended

    def finish(self, exit: int) -> None:
        if self.exit is None:
            self.exit = exit
            self._wrote.set()

    async def wait(self) -> None:
        """Returns once there is output, or no more will come."""
        while not self._output and self.exit is None:
            self._wrote.clear()
            await self._wrote.wait()

    def take(self, room: int, chop: random.Random | None = None, piece: int = 0) -> list[tuple[str, bytes]]:
        """Output of at most `room` bytes; with `chop` one piece of at most `piece` bytes, cut anywhere."""
        if chop is not None:
            room = min(room, chop.randint(1, max(1, piece)))
        taken: list[tuple[str, bytes]] = []
        while self._output and room > 0:
            name, data = self._output.popleft()
            if len(data) > room:
                self._output.appendleft((name, data[room:]))
                data = data[:room]
            taken.append((name, data))
            room -= len(data)
        return taken

    @property
    def drained(self) -> bool:
        return not self._output and self.exit is not None


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What a Command asked for. `words` is the command and its arguments, split as Windows would."""

    text: str
    words: tuple[str, ...]


class Program(Protocol):
    """Something that an emulated host can run. `pid` is its process on the machine, which may be killed from outside."""

    pid: int

    async def run(self, console: Console) -> int:
        """Its exit code. Cancelled when its process is killed."""
