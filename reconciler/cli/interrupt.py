"""Ctrl-C and SIGTERM during a run: the first one lets no new step start, the second one leaves at once."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskStatus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ended(Generic[T]):
    """What came of it; nothing where somebody did not wait for the end. `stopped`: a signal came."""

    value: T | None
    stopped: bool


async def interruptible(work: Callable[[anyio.Event], Awaitable[T]], told: Callable[[], None]) -> Ended[T]:
    """Run `work` with a stop event; `told` is called when the first signal came."""
    stop = anyio.Event()
    value: T | None = None
    async with anyio.create_task_group() as group:

        async def signals(*, task_status: TaskStatus[None]) -> None:
            try:
                receiver = anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM)
                with receiver as received:
                    task_status.started()
                    async for _ in received:
                        if stop.is_set():
                            group.cancel_scope.cancel()
                            return
                        stop.set()
                        told()
            except NotImplementedError:  # this system's event loop takes no signals: Ctrl-C then ends the command at once
                task_status.started()

        await group.start(signals)
        value = await work(stop)
        group.cancel_scope.cancel()
    return Ended(value, stop.is_set())
