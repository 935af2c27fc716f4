"""Every cap of what a controller takes from a host, over sockets: each makes that host unseen, and no other one."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.plan import Sight
from reconciler.emulator.winrm import Trouble, What
from reconciler.wire.frames import frame
from tests.engine.lab import FLEET, Lab, host, lab
from tests.sockets.lying import Lie, edited, lying, over_sockets

MB = 2**20
PACKED = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
DOCTYPE = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha">]><a>&b;</a>'
SOUND = "edge-00"


def packed(nonce: str, body: bytes) -> str:
    text = base64.b64encode(gzip.compress(body, 9, mtime=0)).decode()
    return f"\n#HZ{nonce} {len(text)} {text}\n"


def instead(made: Callable[[str], str]) -> Lie:
    """Before the sound answer to the first request, something else under its nonce."""
    return lambda request, sound: made(request["nonce"]) + sound


def huge(body: str) -> str:
    return re.sub(r'"uptime":[0-9.]+', '"uptime":1' + "0" * 311, body)


def padded(size: int) -> bytes:
    return b'{"x":"' + b"y" * size + b'"}'


@dataclass(frozen=True)
class Case:
    """What a host does that is too much, and what it is told by."""

    says: str
    lie: Lie | None = None
    stderr: bytes = b""
    trouble: Trouble | None = None


CASES: Mapping[str, Case] = {
    "an HTTP body above 2 MiB": Case("more than 2097152 bytes", trouble=Trouble(What.BODY, "Receive", text="x" * (2 * MB))),
    "a packed HTTP body": Case(
        "packed", trouble=Trouble(What.RAW, "Receive", text="HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc")
    ),
    "a DOCTYPE": Case("DOCTYPE", trouble=Trouble(What.BODY, "Receive", text=DOCTYPE)),
    "another encoding": Case("UTF-8", trouble=Trouble(What.BODY, "Receive", text=DOCTYPE.replace("?>", ' encoding="cp037"?>', 1))),
    "a redirect": Case("redirects", trouble=Trouble(What.REDIRECT, "Receive", text="http://127.0.0.1:9/wsman")),
    "a redirect that keeps the method": Case("redirects", trouble=Trouble(What.STATUS, "Receive", amount=308)),
    "an answer in plain text": Case("not sealed", trouble=Trouble(What.PLAINTEXT, "Receive")),
    "a frame that says it is above 32 MiB": Case("more than 33554432", instead(lambda nonce: f"\n#HV{nonce} 33554433 ")),
    "a frame that unpacks to more": Case("more than 33554432", instead(lambda nonce: packed(nonce, padded(32 * MB)))),
    "frames of 64 MiB": Case("more frames than", instead(lambda nonce: packed(nonce, padded(22 * MB)) * 3)),
    "10,001 frames": Case("more frames than", instead(lambda nonce: frame(nonce, "{}") * 10_001)),
    "depth 41": Case("too deep", instead(lambda nonce: frame(nonce, '{"a":' + "[" * 40 + "]" * 40 + "}"))),
    "a NaN": Case("NaN", instead(lambda nonce: frame(nonce, '{"a":NaN}'))),
    "a key twice": Case("duplicate key", instead(lambda nonce: frame(nonce, '{"a":1,"a":2}'))),
    "a number beyond all bounds": Case("beyond all bounds", lambda request, sound: edited(request, sound, huge)),
    "noise of 1 MiB": Case("between frames", lambda _, sound: "n" * (MB + 100) + sound),
    "diagnostics of 1 MiB": Case("on stderr", stderr=b"e" * (MB + 1)),
}
NAMES = {f"edge-{number:02}": case for number, case in enumerate(CASES, 1)}


def fleet() -> Lab:
    return lab(FLEET + "".join(host(name, "WindowsFeature/DHCP: {}") for name in (SOUND, *NAMES)))


async def test_every_cap_makes_one_host_unseen_and_no_other() -> None:
    here = fleet()
    lies: dict[str, Any] = {name: CASES[case].lie for name, case in NAMES.items() if CASES[case].lie is not None}
    stderr = {name: CASES[case].stderr for name, case in NAMES.items() if CASES[case].stderr}
    async with over_sockets(here, lying(lies, stderr)) as endpoint:
        for name, case in NAMES.items():
            if (trouble := CASES[case].trouble) is not None:
                endpoint.trouble(name, trouble)
        plan = await here.plan()
    found = {one.name: (one.sight, one.why) for one in plan.hosts}
    assert found.pop(SOUND) == (Sight.SEEN, "")
    wrong = {case: found[name] for name, case in NAMES.items() if found[name][0] is not Sight.UNSEEN or CASES[case].says not in found[name][1]}
    assert not wrong
    assert len(found) == len(CASES)
