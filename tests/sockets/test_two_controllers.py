"""Two controllers in processes of their own, one stopped with SIGSTOP: after the first write of a later epoch there is none of an earlier one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from reconciler.emulator.winrm import Settings
from reconciler.emulator.winrm.troubles import Trouble, What
from tests.hosts.winrm.serving import HOST, Served, served

ROOT = Path(__file__).parents[2]


class Controller:
    def __init__(self, process: Process) -> None:
        self.process = process

    async def said(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 15)).decode().strip()

    def write(self, *numbers: int, **more: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"numbers": numbers, **more}).encode() + b"\n")


@asynccontextmanager
async def controller(there: Served, holder: str) -> AsyncIterator[Controller]:
    address = there.endpoint.address(HOST)
    given = {"host": HOST, "ip": address.ip, "port": address.http, "user": there.endpoint.credentials.user, "holder": holder}
    environ = os.environ | there.environ
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.sockets.controller", json.dumps(given), cwd=ROOT, env=environ, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    try:
        yield Controller(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def writers(there: Served) -> list[int]:
    """The processes that executed, in the order of the host's log, one for each uninterrupted stretch."""
    return [pid for pid, _ in groupby(record["pid"] for record in there.estate.log(HOST) if record["what"] == "execution")]


async def sends(there: Served, count: int) -> None:
    async with asyncio.timeout(15):
        while there.counts["Send"] < count:
            await asyncio.sleep(0.005)


async def stopped(there: Served, first: Controller, when: str) -> None:
    before = there.counts["Send"]
    if when == "mid-Send":
        there.endpoint.trouble(HOST, Trouble(What.SLOW, "Send", skip=1, amount=40))
        first.write(*range(100, 120), size=60_000)
        await sends(there, before + 2)
    elif when == "long batch":
        first.write(100, 101, long=True)
        await sends(there, before + 1)
    first.process.send_signal(signal.SIGSTOP)


@pytest.mark.parametrize("when", ["between batches", "mid-Send", "long batch"])
async def test_a_controller_that_was_stopped_writes_nothing_after_the_next_one_began(when: str) -> None:
    async with served(settings=Settings(pace=20 if when == "long batch" else None)) as there, controller(there, "first") as first:
        assert await first.said() == "epoch 1"
        first.write(1, 2)
        assert await first.said() == "done [true, true]"
        await stopped(there, first, when)
        async with controller(there, "second") as second:
            if when != "long batch":  # there the time runs by itself
                there.estate.clock.advance(timedelta(minutes=5))
            assert await second.said() == "epoch 2"
            second.write(3, 4)
            assert await second.said() == "done [true, true]"
            first.process.send_signal(signal.SIGCONT)
            first.write(5, 6)
            word = await first.said()
            if when == "long batch":  # its answer, cut at the deadline, was on the way already
                assert word == "done [false]"
                word = await first.said()
            assert word.startswith("lost ")
            second.write(7, 8)
            assert await second.said() == "done [true, true]"
        assert len(writers(there)) == 2
