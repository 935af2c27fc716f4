"""A tap on the line: a relay that keeps every byte of both directions; and the search for a value in every form in which it may lie somewhere."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from reconciler.secrets.scrubber import forms

LEAST = 6  # characters of a fragment that is worth searching for


@dataclass
class Tap:
    """What went over the line. `port`: where the relay listens, on the host's own address."""

    port: int = 0
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)

    @property
    def all(self) -> bytes:
        return bytes(self.sent) + bytes(self.received)


@asynccontextmanager
async def tapped(ip: str, port: int) -> AsyncIterator[Tap]:
    tap, lines = Tap(), set[asyncio.Task[None]]()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, kept: bytearray) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                kept += data
                sink.write(data)
                await sink.drain()

    async def relay(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Until either end has enough; then the other one is closed too."""
        try:
            there, back = await asyncio.open_connection(ip, port)
        except OSError:  # the host is down
            sink.transport.abort()
            return
        pumps = [asyncio.create_task(pump(source, back, tap.sent)), asyncio.create_task(pump(there, sink, tap.received))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for writer in (sink, back):
                writer.close()
            await asyncio.gather(*pumps, return_exceptions=True)
            for writer in (sink, back):
                with suppress(ConnectionError):
                    await writer.wait_closed()

    def opened(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        lines.add(asyncio.create_task(relay(source, sink)))

    server = await asyncio.start_server(opened, ip, 0)
    tap.port = server.sockets[0].getsockname()[1]
    try:
        yield tap
    finally:
        server.close()
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)


def spelled(value: str) -> set[bytes]:
    """The value as it may stand in bytes: as text of two encodings, escaped, and within base64 at any of its three offsets."""
    found = {form.encode("utf-8", "surrogatepass") for form in forms(value)} | {value.encode("utf-16-le", "surrogatepass")}
    for raw in (value.encode("utf-8", "surrogatepass"), value.encode("utf-16-le", "surrogatepass")):
        for offset in range(3):
            text = base64.b64encode(b"\0" * offset + raw)
            found.add(text[-(-offset * 4 // 3) + (offset > 0) : (len(raw) + offset) // 3 * 4])
    return {form for form in found if len(form) >= LEAST}


def found_in(values: Iterable[str], *places: bytes | str) -> list[bytes]:
    """The forms of these values that lie in any of these places."""
    everything = [place.encode("utf-8", "surrogatepass") if isinstance(place, str) else place for place in places]
    return sorted({form for value in values for form in spelled(value) if any(form in place for place in everything)})
