"""Runs the engine's coroutines from a command. Every command goes through here, never through anyio.run itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

Result = TypeVar("Result")


def run_async(function: Callable[..., Awaitable[Result]], *arguments: object) -> Result:
    """As `anyio.run`, but the result is no result of the task.

    At its end asyncio compares signal handlers, which spells the task with its result: of a large fleet's plan that takes
    longer than making it, and as much memory again.
    """
    results: list[Result] = []

    async def main() -> None:
        results.append(await function(*arguments))

    anyio.run(main)
    return results[0]
