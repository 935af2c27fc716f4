"""This machine through pipes: real ones, with a program at the other end that speaks frames, prints too much, says nothing, or dies."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from reconciler.core.calls import Cmdlet
from reconciler.core.errors import TransportError, Unreachable, WireError, WrongMachine
from reconciler.core.resources import Connection, Host
from reconciler.core.transport import Target, Writer
from reconciler.hosts.local import Local, LocalChannel, Program
from reconciler.hosts.session import NoSecrets, Session
from reconciler.hosts.winrm.errors import BadConnection, BootFailed, Hostile, NoPowerShell, OutOfTime, ProcessEnded
from reconciler.wire import powershell

SPEAKER = Path(__file__).with_name("speaker.py")
ADAPTERS = Cmdlet("Get-NetAdapter", ("Name",))
SOON = timedelta(milliseconds=300)
LONG = timedelta(seconds=20)


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep_until(self, when: datetime) -> None:
        await anyio.sleep(max(0.0, (when - self.now()).total_seconds()))


def target(**options: object) -> Target:
    return Target(Host("here", connection=Connection("local", None, options)), "default", ("Get-NetAdapter",))


def program(how: str = "") -> Program:
    return Program((sys.executable, "-S", str(SPEAKER), how), b"packed\n", grace=0.0)


@asynccontextmanager
async def session(how: str = "") -> AsyncIterator[Writer]:
    async with Local(NoSecrets(), Clock(), program(how), platform="win32")(target()) as opened:
        yield opened


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def pid_of(opened: Writer) -> int:
    pid = (await opened.ask([ADAPTERS()], LONG))[0].objects[0]["pid"]
    assert isinstance(pid, int)
    return pid


async def test_one_process_answers_everything_and_goes_with_its_session() -> None:
    async with session() as opened:
        assert opened.hello.facts.computer_name == "HERE"
        pids = {await pid_of(opened) for _ in range(3)}
        assert len(pids) == 1
        assert alive(*pids)
    assert not alive(*pids)


async def test_more_than_any_pipe_holds_goes_in_and_comes_out() -> None:
    async with session() as opened:
        big = tuple(ADAPTERS(Name="n" * 30_000) for _ in range(20))
        answers = await opened.ask(big, LONG)
        assert [answer.objects[0]["said"] > 30_000 for answer in answers] == [True] * 20


async def test_a_deadline_ends_the_process_before_anybody_looks_again() -> None:
    begun = anyio.current_time()
    async with session("silent") as opened:
        assert isinstance(opened, Session)
        assert isinstance(opened._channel, LocalChannel)
        process = opened._channel._process
        assert process is not None
        with pytest.raises(OutOfTime) as failed:
            await opened.ask([ADAPTERS()], SOON)
        assert failed.value.sent
        with pytest.raises(Unreachable, match="no whole answer"):
            await opened.ask([ADAPTERS()], SOON)
    assert not alive(process.pid)
    assert anyio.current_time() - begun < 5


@pytest.mark.parametrize(("how", "error"), [("flood", WireError), ("stderr", Hostile), ("ends", ProcessEnded)])
async def test_a_process_that_floods_or_dies_ends_its_own_session(how: str, error: type[TransportError]) -> None:
    async with session(how) as opened:
        with pytest.raises(error) as failed:
            await opened.ask([ADAPTERS()], LONG)
        assert failed.value.sent


async def test_a_new_process_takes_the_place_of_one_that_was_ended() -> None:
    async with session() as opened:
        assert isinstance(opened, Session)
        first = await pid_of(opened)
        opened._tainted = True  # as after a write that was cut
        second = await pid_of(opened)
        assert (alive(first), alive(second)) == (False, True)


async def test_what_keeps_powershell_from_running_is_said() -> None:
    with pytest.raises(BootFailed, match="ConstrainedLanguage"):
        async with session("mode"):
            raise AssertionError("a session was given")
    with pytest.raises(BootFailed, match=r"ended with 5 before it began: blocked by ‹U\+001B›"):
        async with session("refuses"):
            raise AssertionError("a session was given")
    with pytest.raises(NoPowerShell, match="cannot be started"):
        async with Local(NoSecrets(), Clock(), Program(("/nowhere/powershell.exe",)), platform="win32")(target()):
            raise AssertionError("a session was given")


async def test_elsewhere_than_on_windows_and_with_a_sign_in_it_is_refused_before_anything_starts() -> None:
    for local, wanted, words in (
        (Local(NoSecrets(), Clock(), program(), platform="linux"), target(), "this is none"),
        (Local(NoSecrets(), Clock(), program(), platform="win32"), target(username="a", ca="b"), "leave out ca, username"),
    ):
        with pytest.raises(BadConnection, match=words):
            async with local(wanted):
                raise AssertionError("a session was given")


async def test_another_machine_than_the_declared_one_is_left_alone() -> None:
    from reconciler.engine.identity import verify

    async with session() as opened:
        with pytest.raises(WrongMachine):
            verify(Host("elsewhere"), opened.hello)


def test_the_command_is_powershell_by_its_full_path_in_words() -> None:
    words = Program.powershell().words
    assert words[0] == powershell.POWERSHELL
    assert words[-2] == "-EncodedCommand"
    assert " ".join(words) == powershell.bootstrap_line()
