"""An endpoint in a thread of its own, for what brings its own event loop: the command line in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from reconciler.emulator.estate import Estate
from reconciler.emulator.winrm import Endpoint, serve


@contextmanager
def served_beside(estate: Estate, prepare: Callable[[Endpoint], None] = lambda _: None, **given: Any) -> Iterator[Endpoint]:
    """Until the block ends. The estate belongs to that thread meanwhile."""
    up, down = threading.Event(), asyncio.Event()
    found: list[Endpoint] = []
    failed: list[BaseException] = []
    loop = asyncio.new_event_loop()

    async def work() -> None:
        async with serve(estate, **given) as endpoint:
            prepare(endpoint)
            found.append(endpoint)
            up.set()
            await down.wait()

    def run() -> None:
        try:
            loop.run_until_complete(work())
        except BaseException as error:  # noqa: BLE001 - told below, in the thread of the test
            failed.append(error)
        finally:
            up.set()
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    up.wait()
    try:
        if found:
            yield found[0]
    finally:
        if not failed:
            loop.call_soon_threadsafe(down.set)
        thread.join()
        if failed:
            raise failed[0]
