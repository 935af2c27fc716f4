"""System.Diagnostics.Process of the reading: the emulator's programs, their time, and pipes that end with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from reconciler.emulator.programs import run_program
from tests.wire.powershell.reading.dotnet import Simple

WORD = re.compile(r'(?:"(?:[^"\\\\]|\\\\.)*"|[^\s"])+')


def start(info: Simple, world: Any) -> Simple:
    """Runs the program at once; it seems to end when its seconds are over, or when it is killed."""
    fields = info.fields
    words = [word.strip('"') for word in WORD.findall(fields["Arguments"])]
    done = run_program(world.machine, fields["FileName"], words)
    world.ran.append((fields["FileName"], {"line": fields["Arguments"]}))
    pid = world.begin()
    ends = float("inf") if done.hang else world.seconds + done.seconds

    def over() -> bool:
        return bool(pid in world.ended or world.seconds >= ends)

    out, err = (Simple("Reader", BaseStream=Simple("Stream", read=_reads(text.encode(), over))) for text in (done.out, done.err))
    return Simple("Process", Id=pid, HasExited=over, ExitCode=done.exit, StandardOutput=out, StandardError=err, StandardInput=Simple("Writer"))


def _reads(data: bytes, over: Callable[[], bool]) -> Callable[[bytearray], Simple]:
    left = [data]

    def read(buffer: bytearray) -> Simple:
        piece, left[0] = left[0][: len(buffer)], left[0][len(buffer) :]
        buffer[: len(piece)] = piece
        return Simple("Task", IsCompleted=(lambda: True) if piece else over, IsFaulted=False, Result=len(piece))

    return read


def wait(process: Simple, milliseconds: int, world: Any) -> bool:
    over: Callable[[], bool] = process.fields["HasExited"]
    if not over():
        world.seconds += milliseconds / 1000
    return over()
