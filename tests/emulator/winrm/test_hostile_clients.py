"""Whatever a client sends, the endpoint refuses it and goes on: an error of its own would come out when it closes, and fail the test."""

from __future__ import annotations

import base64
import random
import socket
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.emulator.winrm import Settings
from reconciler.emulator.winrm.wsman import SHELL
from tests.emulator.winrm.clients import HOST, Process, bootstrap, endpoint, hello_request, protocol, threaded
from tests.emulator.winrm.test_programs import encoded, said

ROUNDS = 400
ALPHABET = ["\0", "é", "<", ">", "&", '"', "😀", "PT-1S", "PT1E9S", "uuid:", "../..", "9" * 40, "²", "]]>", "true", "Name", "stdin", ""]


def post(body: bytes, headers: str = "") -> bytes:
    return f"POST /wsman HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


def exchange(address: Any, data: bytes) -> bytes:
    """What comes back for these bytes within a moment; nothing where the connection is reset."""
    with socket.create_connection((address.ip, address.http), timeout=2) as line:
        line.sendall(data)
        line.shutdown(socket.SHUT_WR)
        try:
            return line.recv(65536)
        except ConnectionError:
            return b""


def envelopes(served: Any, shell: str, command: str) -> list[str]:
    """Sound requests of every verb, caught before they are sent."""
    caught: list[str] = []

    class Caught(Exception):
        pass

    def keep(message: str) -> bytes:
        caught.append(message)
        raise Caught

    wire: Any = protocol(served, "basic-tls")
    wire.send_message = keep
    acts: list[Callable[[], object]] = [
        lambda: wire.open_shell(idle_timeout="PT60S"),
        lambda: wire.run_command(shell, bootstrap()),
        lambda: wire.send_command_input(shell, command, b"\n"),
        lambda: wire.cleanup_command(shell, command),
        lambda: wire.close_shell(shell, close_session=False),
    ]
    for act in acts:
        with pytest.raises(Caught):
            act()
    return caught


def mutated(text: str, chance: random.Random) -> bytes:
    """The text with a few places replaced, cut out or doubled."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text))
        to = min(len(text), at + chance.randint(0, 30))
        text = text[:at] + chance.choice([*ALPHABET, text[at:to] * 2]) + text[to:]
        text = text or "x"
    return text.encode("utf-8", "surrogatepass")


async def test_no_envelope_breaks_the_service() -> None:
    chance = random.Random(4)
    async with endpoint(Settings(allow_unencrypted=True)) as (_, served):
        process = await threaded(lambda: Process(protocol(served, "basic-tls")))
        await threaded(process.ask, hello_request())
        sound = envelopes(served, process.shell, process.command)
        account = served.credentials
        basic = "Authorization: Basic " + base64.b64encode(f"{account.user}:{account.password}".encode()).decode() + "\r\n"

        def attack() -> set[bytes]:
            return {exchange(served.address(HOST), post(mutated(chance.choice(sound), chance), basic))[9:12] for _ in range(ROUNDS)}

        assert await threaded(attack) == {b"200", b"400", b"500"}
        assert (await threaded(lambda: Process(protocol(served, "ntlm")).ask(hello_request()))).hello


async def test_no_head_and_no_token_breaks_a_connection_but_its_own() -> None:
    chance = random.Random(5)
    tokens = [b"", b"NTLMSSP\0\1\0\0\0", b"NTLMSSP\0\3\0\0\0" + b"\xff" * 60, b"\x60\x82\xff\xff", bytes(range(256))]
    schemes = ["Basic", "Negotiate", "NTLM", "Kerberos", "negotiate", SHELL, "\xe9", ""]
    async with endpoint() as (_, served):

        def attack() -> set[bytes]:
            heads = [f"Authorization: {chance.choice(schemes)} {base64.b64encode(chance.choice(tokens)).decode()}\r\n" for _ in range(100)]
            heads += ["Authorization: Basic \xe9\r\n", "Content-Type: multipart/encrypted\r\n", "Connection: close\r\n", ":\r\n", "\xff" * 5000 + "\r\n"]
            found = {exchange(served.address(HOST), post(b"x", head))[9:12] for head in heads}
            raw = [b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x00\x05hello\r\n\r\n", b"POST /wsman HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"A" * 70_000]
            return found | {exchange(served.address(HOST), data)[9:12] for data in raw}

        assert await threaded(attack) <= {b"401", b"500", b"400", b""}
        assert served.counts()["Create"] == 0
        assert (await threaded(lambda: Process(protocol(served, "ntlm")).ask(hello_request()))).hello


async def test_a_command_line_that_is_too_long_is_cut_off_by_cmd() -> None:
    async with endpoint() as (_, served):
        assert await said(served, encoded("Get-NetAdapter" + " " * 4000)) == ("", "The command line is too long.\r\n", 1)


@pytest.mark.parametrize("line", [b"{", b"\xff\xfe", b'{"id":1,"nonce":"zz"}', b"[" * 100_000, b'{"id":0}', b"null"])
async def test_a_line_that_is_no_request_is_refused_and_the_session_goes_on(line: bytes) -> None:
    async with endpoint() as (_, served):

        def talk() -> bool:
            process = Process(protocol(served, "ntlm"))
            process.send(line + b"\n")
            return process.ask(hello_request()).hello is not None

        assert await threaded(talk)
