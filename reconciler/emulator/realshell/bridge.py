"""The loopback socket through which real PowerShells ask their emulated machines.

`shells` starts one. A question is one line of JSON with the token of its process; the answer is one CLIXML document, then the end. A
question with no known token is not answered.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from reconciler.emulator.realshell.clixml import document

LIMIT = 64 * 2**20
Answer = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class Bridge:
    def __init__(self) -> None:
        self._known: dict[str, Answer] = {}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        """The port, once it listens."""
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0, limit=LIMIT)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def admit(self, answer: Answer) -> str:
        """The token of a new process, whose questions `answer` takes."""
        token = secrets.token_hex(16)
        self._known[token] = answer
        return token

    def dismiss(self, token: str) -> None:
        self._known.pop(token, None)

    async def close(self) -> None:
        self._known.clear()
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError):
                await self._answer(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(await reader.readline() or b"{}")
        answer = self._known.get(str(asked.get("token")))
        if answer is None:
            return
        said = await answer(asked["do"], asked["fields"])
        writer.write(document(said).encode("utf-8"))
        await writer.drain()
