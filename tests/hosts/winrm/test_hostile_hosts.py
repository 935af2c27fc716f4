"""Hosts that break rules: each answer ends that session with an error of its own, and costs the controller little."""

from __future__ import annotations

import contextlib
import gc
import gzip
import socket
import ssl
import threading
import weakref
from datetime import timedelta

import anyio
import pytest
from urllib3.exceptions import HTTPError

from reconciler.core.errors import TransportError, WireError
from reconciler.emulator.winrm import Settings
from reconciler.emulator.winrm.troubles import Trouble, What
from reconciler.hosts.winrm import channel
from reconciler.hosts.winrm.adapter import CapsAdapter
from reconciler.hosts.winrm.channel import WinrmChannel
from reconciler.hosts.winrm.collector import Collector, whole
from reconciler.hosts.winrm.errors import BootFailed, Hostile, Unavailable, Unencrypted
from reconciler.hosts.winrm.journal import Journal
from reconciler.hosts.winrm.line import Line, Output, Workers
from reconciler.hosts.winrm.way import way_to
from reconciler.wire.frames import frame
from reconciler.wire.requests import HelloAsk, Request
from tests.hosts.winrm.serving import ADAPTERS, HOST, Served, served

MINUTE = timedelta(minutes=1)
ENVELOPE = '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{}</s:Body></s:Envelope>'
LAUGHS = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'


async def look(there: Served, how: str, *troubles: Trouble) -> None:
    async with there.reach(there.target(how)) as session:
        there.endpoint.trouble(HOST, *troubles)
        try:
            assert (await session.ask([ADAPTERS(select=("Name",))], MINUTE))[0].error is None
        finally:
            there.endpoint.heal(HOST)


async def met(trouble: Trouble, how: str = "ntlm") -> TransportError:
    """What a session ends with that meets this trouble; another session afterwards is well."""
    async with served() as there:
        with pytest.raises(TransportError) as failed:
            await look(there, how, trouble)
        await look(there, how)
    return failed.value


@pytest.mark.parametrize("verb", ["Send", "Receive"])
async def test_an_answer_in_plain_text_ends_a_sealed_session(verb: str) -> None:
    failed = await met(Trouble(What.PLAINTEXT, verb))
    assert isinstance(failed, Hostile)
    assert "not sealed" in str(failed)


def test_a_handshake_that_never_ends_is_given_up_from_outside() -> None:
    """While TLS is agreed on the connection does not have its socket: shutting the one that it had did nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        adapter = CapsAdapter(ssl.create_default_context())
        url = f"https://127.0.0.1:{server.getsockname()[1]}/wsman"

        def reach() -> None:
            with contextlib.suppress(OSError, HTTPError):
                adapter.reach(url, 30)

        thread = threading.Thread(target=reach, daemon=True)
        thread.start()
        there, _ = server.accept()
        with there:
            there.recv(1)  # the handshake has begun
            there.sendall(b"\x16\x03\x03\x40\x00\x02")
            adapter.abort()
            thread.join(5)
        assert not thread.is_alive()
        assert not adapter.opening
        adapter.close()


def test_a_connection_that_was_given_up_is_not_kept_for_ever() -> None:
    """urllib3 keeps what a pool has until the pool is gone; where that kept the pool too, each broken line cost a socket."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        adapter: CapsAdapter | None = CapsAdapter(None)
        assert adapter is not None
        adapter.reach(f"http://127.0.0.1:{server.getsockname()[1]}/wsman", 10)
        gone = weakref.ref(adapter)
        sock = adapter.connections[0].sock
        adapter.abort()
        adapter = None
        gc.collect()
        assert gone() is None
        assert sock.fileno() == -1


async def test_whoever_does_not_wait_for_the_end_is_not_kept_by_a_host_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "LEAVING", 0.3)
    async with served() as there:
        begun = 0.0
        with anyio.move_on_after(5) as run:
            async with there.reach(there.target("basic-tls")) as session:
                there.endpoint.trouble(HOST, Trouble(What.HANG, times=None))
                begun = anyio.current_time()
                run.deadline = begun + 0.2
                await session.ask([ADAPTERS(select=("Name",))], MINUTE)
        assert run.cancelled_caught
        assert anyio.current_time() - begun < 2
        there.endpoint.heal(HOST)
        await look(there, "basic-tls")
        assert there.counts["Delete"] >= 2  # the shell that was left is closed by the next session


@pytest.mark.parametrize("how", ["ntlm", "basic-tls"])
async def test_a_redirect_is_not_followed(how: str) -> None:
    failed = await met(Trouble(What.REDIRECT, "Receive", text="http://127.0.0.1:9/wsman"), how)
    assert isinstance(failed, Hostile)
    assert "redirects" in str(failed)


@pytest.mark.parametrize("how", ["ntlm", "basic-tls"])
async def test_a_flood_is_cut_off(how: str) -> None:
    begun = anyio.current_time()
    failed = await met(Trouble(What.FLOOD, "Receive", amount=50_000_000), how)
    assert isinstance(failed, TransportError)
    assert failed.code in (Hostile.code, "HST013", "HST015")
    assert anyio.current_time() - begun < 8


@pytest.mark.parametrize("body", [LAUGHS, LAUGHS.replace("?>", ' encoding="cp037"?>', 1), "", "<a>", "nothing of the kind", ENVELOPE.format("")])
@pytest.mark.parametrize("how", ["ntlm", "basic-tls"])
async def test_a_body_that_is_no_answer_is_not_believed(how: str, body: str) -> None:
    async with served() as there:
        there.endpoint.trouble(HOST, Trouble(What.BODY, "Create", text=body))
        with pytest.raises(WireError):
            async with there.reach(there.target(how)):
                raise AssertionError("a session was given")


@pytest.mark.parametrize(("status", "error"), [(503, Unavailable), (404, Unavailable), (500, Unencrypted), (418, Hostile)])
async def test_a_status_without_words_is_told_by_its_number(status: int, error: type[TransportError]) -> None:
    async with served() as there:
        there.endpoint.trouble(HOST, Trouble(What.STATUS, "Create", amount=status))
        with pytest.raises(error):
            async with there.reach(there.target("basic-tls")):
                raise AssertionError("a session was given")


async def test_a_packed_body_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b"x" * 1000).decode("latin-1")
    raw = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n{bomb}"
    async with served() as there:
        there.endpoint.trouble(HOST, Trouble(What.RAW, "Create", text=raw))
        with pytest.raises(Hostile, match="packed"):
            async with there.reach(there.target("basic-tls")):
                raise AssertionError("a session was given")


async def test_a_host_that_takes_no_basic_refuses_the_sign_in() -> None:
    async with served(settings=Settings(basic=False)) as there:
        with pytest.raises(TransportError) as failed:
            async with there.reach(there.target("basic-tls")):
                raise AssertionError("a session was given")
        assert failed.value.code == "HST021"


async def test_a_host_that_restricts_powershell_says_what_to_do() -> None:
    async with served() as there:
        key = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment"
        there.estate.machines[HOST].registry.put(key, "__PSLockdownPolicy", "4")
        with pytest.raises(BootFailed, match="ConstrainedLanguage"):
            async with there.reach(there.target()):
                raise AssertionError("a session was given")


async def test_words_on_stderr_are_shown_and_obeyed_by_no_terminal() -> None:
    async with served() as there, there.reach(there.target()):
        channel = WinrmChannel(Line(way_to(there.host()), there.reach.signins, Workers(anyio.CapacityLimiter(1))), Journal())
        channel._first = b"not answered yet"
        failed = channel.failed_start(Output(b"", b"blocked \x1b]0;by policy\x07", 1, True), "")
        assert isinstance(failed, BootFailed)
        assert "blocked ‹U+001B›]0;by policy‹U+0007›" in str(failed)


ASKED = Request(7, "ab", hello=HelloAsk((), "default"))
FRAMES = frame("ab", '{"id":7,"hello":1,"name":"X"}') + frame("ab", '{"id":7,"i":0,"ok":true}') + frame("ab", '{"id":7,"end":true,"n":1}')


def test_an_answer_counts_only_when_it_is_whole_by_itself() -> None:
    collector = Collector(ASKED)
    assert not collector.feed(FRAMES[:20].encode())
    collector.lost()
    assert not collector.feed(FRAMES[30:].encode())
    assert not collector.begun
    assert collector.feed(b"noise" + FRAMES.encode())
    assert collector.text == FRAMES


def test_frames_that_lack_what_was_asked_for_are_no_answer() -> None:
    end = {"id": 7, "end": True, "n": 1}
    assert whole([{"name": "X"}, {"i": 0}, end], ASKED)
    assert not whole([{"i": 0}, end], ASKED)
    assert not whole([{"name": "X"}, end], ASKED)
    assert not whole([{"name": "X"}, {"i": 1}, end], ASKED)
    assert whole([{"id": 7, "end": True, "n": 0, "refused": "BadLine"}], ASKED)


def test_repeated_answers_do_not_count_as_noise() -> None:
    old = frame("aa", '{"x":"' + "y" * 8000 + '"}') * 140
    with pytest.raises(WireError, match="between frames"):
        Collector(ASKED).feed(old.encode())
    assert Collector(ASKED, late=len(old)).feed(old.encode() + FRAMES.encode())
