"""A host whose replies are mutated somewhere between its process and the wire, and what our client makes of each: an error of ours, or the truth.

`Mutator` changes one reply of a session, in one layer: what the process writes (frames), the envelope before it is sealed (SOAP), the sealed body,
the tokens of the sign-in, the bytes of the HTTP answer. What the client then believes is judged by `Fuzz.round`.
"""

from __future__ import annotations

import base64
import itertools
import json
import random
import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

import anyio
import pytest

from reconciler.core.calls import Answer
from reconciler.core.errors import TransportError
from reconciler.emulator.sockets.httplines import Line, Response
from reconciler.emulator.winrm import connection
from reconciler.emulator.winrm.connection import Connection
from reconciler.emulator.winrm.console import Console
from reconciler.emulator.winrm.signin import Asked
from reconciler.emulator.winrm.wsman import SHELL
from tests.hosts.winrm.serving import ADAPTERS, Served


class Layer(StrEnum):
    FRAMES = "frames"
    SOAP = "soap"
    SEALED = "sealed"
    TOKEN = "token"
    HTTP = "http"


SNIPPETS = [b"\0", b"<", b">", b"&", b'"', b"'", b"{", b"}", b"[", b"\xff\xfe", b"\r\n", b"\n", b"9" * 40, b"-1", b"null", b"NaN", b"1e999", b"\xc3\xa9"]
SNIPPETS += [b"<!DOCTYPE a>", b"&#0;", b"]]>", b"\n#HV", b"\n#HZ", b"Content-Length: 5\r\n", b"\x1b[2J", b'{"$dtu":"x"}', b"A" * 5000, b"--Encrypted Boundary"]
DEADLINE = timedelta(seconds=0.5)
OPENING = 1.0
SHUT = 0.9  # chance that what was mutated is the last word; else more is waited for, until the deadline
PATIENCE = 45.0  # seconds after which a session counts as one that hangs: 2 to open and ask, 10 each for its process and its shell to end
SKIPS = {Layer.FRAMES: 2, Layer.SOAP: 8, Layer.SEALED: 8, Layer.TOKEN: 1, Layer.HTTP: 9}  # replies of a layer in a session
LOOK = (ADAPTERS(select=("Name", "Status")), ADAPTERS(select=("ifIndex", "MacAddress")))


def mutated(data: bytes, dice: random.Random) -> bytes:
    """A few places changed: a bit, a piece cut out, doubled or replaced, the tail gone."""
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        at = dice.randrange(len(data) + 1)
        to = min(len(data), at + dice.choice((1, 1, 2, 8, 64, 1024)))
        match dice.randrange(6):
            case 0 if at < len(data):
                data = data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]
            case 1:
                data = data[:at] + data[to:]
            case 2:
                data = data[:at] + data[at:to] * 2 + data[to:]
            case 3:
                data = data[:at]
            case 4:
                data = data[:at] + dice.choice(SNIPPETS) + data[to:]
            case _:
                data = data[:at] + dice.randbytes(to - at) + data[to:]
    return data


@dataclass
class Mutator:
    """Armed for one reply of a layer, after `skip` others of it; `hit` once it met one."""

    dice: random.Random
    layer: Layer | None = None
    skip: int = 0
    hit: bool = False
    after: bytes = b""

    def arm(self, layer: Layer, skip: int) -> None:
        self.layer, self.skip, self.hit, self.after = layer, skip, False, b""

    def at(self, layer: Layer, data: bytes) -> bytes:
        if layer is not self.layer or self.hit or not data:
            return data
        if self.skip > 0:
            self.skip -= 1
            return data
        self.hit, self.after = True, mutated(data, self.dice)
        return self.after

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Into the endpoint of this process, each layer where its bytes are made."""
        sealed, question, write, out = Connection._sealed, Connection._question, Line.write, Console.out

        def sealing(this: Connection, response: Response, asked: bool) -> Response:
            done = sealed(this, Response(response.status, self.at(Layer.SOAP, response.body), response.content_type, response.headers), asked)
            return Response(done.status, self.at(Layer.SEALED, done.body), done.content_type, done.headers) if asked else done

        async def questioned(this: Connection, asked: Asked) -> Any:
            response, troubles = await question(this, asked)
            headers = tuple((name, self._token(value)) for name, value in response.headers)
            return Response(response.status, response.body, response.content_type, headers), troubles

        def written(this: Line, data: bytes) -> None:
            write(this, self.at(Layer.HTTP, data))
            if self.after and self.layer in (Layer.HTTP, Layer.SEALED) and self.dice.random() < SHUT:
                this.close()

        def said(this: Console, data: bytes | str) -> None:
            out(this, self.at(Layer.FRAMES, data.encode() if isinstance(data, str) else data))
            if self.after and self.layer is Layer.FRAMES and self.dice.random() < SHUT:
                this.finish(1)

        patch.setattr(connection.Connection, "_sealed", sealing)
        patch.setattr(connection.Connection, "_question", questioned)
        patch.setattr(Line, "write", written)
        patch.setattr(Console, "out", said)

    def _token(self, value: str) -> str:
        scheme, _, token = value.partition(" ")
        if not token:
            return value
        return f"{scheme} " + re.sub(r"[\r\n]", "", self.at(Layer.TOKEN, token.encode()).decode("latin-1"))


@dataclass
class Fuzz:
    """Sessions one after another, each with one mutated reply."""

    there: Served
    mutator: Mutator
    truth: tuple[Answer, ...]
    mutations: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0

    async def round(self, layer: Layer) -> None:
        """Never a crash, never longer than the deadlines allow, never an answer that the host did not give."""
        self.mutator.arm(layer, self.mutator.dice.randrange(SKIPS[layer]))
        begun = anyio.current_time()
        try:
            with anyio.fail_after(PATIENCE):
                async with self.there.reach(self.there.target()) as session:
                    answers = await session.ask(LOOK, DEADLINE)
        except TransportError as failed:
            self.outcomes[failed.code] += self.mutator.hit
        except Exception as crash:
            raise AssertionError(f"{layer}: {crash!r} after {self.mutator.after!r}") from crash
        else:
            assert repr(answers) == repr(self.truth) or said(layer, self.mutator.after, len(LOOK)), (layer, self.mutator.after, answers)
            self.outcomes["the truth" if repr(answers) == repr(self.truth) else "what it said"] += self.mutator.hit
        self.mutations += self.mutator.hit
        self.longest = max(self.longest, anyio.current_time() - begun)

    @property
    def figures(self) -> str:
        told = ", ".join(f"{outcome} {count}" for outcome, count in sorted(self.outcomes.items()))
        return f"{self.mutations} mutated replies: {told}; none crashed, none was taken for another answer, the longest took {self.longest:.1f} s"


def said(layer: Layer, mutant: bytes, calls: int) -> bool:
    """Whether a process that was mutated itself said so, in whole frames of one request: then it is the host that lies, within the rules."""
    match layer:
        case Layer.FRAMES:
            text = mutant.decode("latin-1")
        case Layer.SOAP:
            streams = ET.fromstring(mutant).iter(f"{{{SHELL}}}Stream")
            text = b"".join(base64.b64decode(item.text or "") for item in streams if item.get("Name") == "stdout").decode("latin-1")
        case _:
            return False
    bodies = [(found[2], int(found[3]), found[4]) for found in re.finditer(r"\n#H(V)([0-9a-f]{32}) (\d+) (.*)(?=\n)", text)]
    whole = [(nonce, json.loads(body)) for nonce, size, body in bodies if size == len(body)]
    nonces = Counter(nonce for nonce, _ in whole)
    of_one = [body for nonce, body in whole if nonce == nonces.most_common(1)[0][0]]
    return [body["i"] for body in of_one if "i" in body] == list(range(calls)) and of_one[-1].get("end") is True


async def fuzz(there: Served, rounds: int, seed: int, patch: pytest.MonkeyPatch) -> Fuzz:
    """So many mutations, layer after layer. What a controller learns from failures (breaker, sign-ins) is forgotten in between."""
    async with there.reach(there.target()) as session:
        truth = await session.ask(LOOK, timedelta(minutes=1))
    assert all(answer.error is None for answer in truth)
    there.reach.options = replace(there.reach.options, opening=OPENING)
    mutator = Mutator(random.Random(seed))
    mutator.install(patch)
    run = Fuzz(there, mutator, truth)
    layers = itertools.cycle(Layer)
    while run.mutations < rounds:
        there.reach.signins.reset()
        there.reach._breakers.clear()
        await run.round(next(layers))
    return run
