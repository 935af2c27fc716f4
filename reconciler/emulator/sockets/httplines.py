"""HTTP/1.1 as the emulated services need it, over an asyncio transport: whole requests in, whole answers out, one at a time, connection kept.

NTLM belongs to the TCP connection, so the connection is the object here, and no web framework stands in between.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # at once: what is closed so is reset
HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 8 * 2**20
REASONS = {status.value: status.phrase for status in HTTPStatus}


class Broken(Exception):
    """The other end is gone, or what it sent is no HTTP."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]  # names in small letters
    body: bytes
    size: int = 0  # bytes of all of it


@dataclass(frozen=True, slots=True)
class Response:
    """A `status` of 0 means that `body` goes out as it is, and is no HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str = "application/soap+xml;charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self, at: datetime) -> bytes:
        """`at`: the host's own clock, which Windows puts into every answer."""
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Unknown')}", "Server: Microsoft-HTTPAPI/2.0", f"Date: {format_datetime(at, usegmt=True)}"]
        if self.body:
            lines.append(f"Content-Type: {self.content_type}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        return ("\r\n".join([*lines, f"Content-Length: {len(self.body)}"]) + "\r\n\r\n").encode("latin-1") + self.body


class Line(asyncio.Protocol):
    """One TCP connection. `opened` is called with it once it stands; what it returns is run as the connection's task."""

    def __init__(self, opened: Callable[[Line], asyncio.Task[None] | None]) -> None:
        self._opened = opened
        self._buffer = bytearray()
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.transport: Any = None
        self.closed = False

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._task = self._opened(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._more.set()
        if len(self._buffer) > BODY_LIMIT + HEAD_LIMIT:
            self.reset()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits for output on behalf of this connection stops: what it would have taken stays for the next one."""
        self.closed = True
        self._more.set()
        if self._task is not None:
            self._task.cancel()

    # --- reading and writing

    async def read(self, idle: float) -> Request | None:
        """The next request; None when the other end closed, or sent nothing for `idle` seconds."""
        try:
            async with asyncio.timeout(idle):
                head = await self._until(b"\r\n\r\n")
        except TimeoutError:
            return None
        if head is None:
            return None
        method, path, headers = _head(head)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > BODY_LIMIT:
            raise Broken(f"content length {length}")
        body = await self._exactly(int(length))
        return Request(method, path, headers, body, len(head) + len(body))

    def write(self, data: bytes) -> None:
        if not self.closed:
            self.transport.write(data)

    def close(self) -> None:
        if not self.closed:
            self.transport.close()

    def reset(self) -> None:
        """The connection breaks: the other end sees a reset, and not an orderly end."""
        self.closed = True
        found = self.transport.get_extra_info("socket")
        if found is not None and found.fileno() >= 0:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        self.transport.abort()

    async def _until(self, mark: bytes) -> bytes | None:
        while (at := self._buffer.find(mark)) < 0:
            if len(self._buffer) > HEAD_LIMIT:
                raise Broken("head too long")
            if self.closed:
                return None
            await self._wait()
        return self._take(at + len(mark))

    async def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            if self.closed:
                raise Broken("closed within a body")
            await self._wait()
        return self._take(count)

    async def _wait(self) -> None:
        self._more.clear()
        await self._more.wait()

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


def _head(data: bytes) -> tuple[str, str, dict[str, str]]:
    lines = data.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Broken("no HTTP request")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return words[0], words[1], headers
