"""What a hostile host says is shown and does nothing: escape sequences, Markdown fences, HTML, names of paths, in every place where its words go."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reconciler.emulator.estate import Estate
from reconciler.emulator.skus import HostWish
from reconciler.emulator.winrm import Endpoint, Trouble, What
from reconciler.wire.frames import frame
from reconciler.wire.strict import read, write
from reconciler.wire.text import HIDDEN
from tests.cli.conftest import Reconcile, fleet, reconcile
from tests.sockets.beside import served_beside
from tests.sockets.lying import Lie, edited, lying

__all__ = ("fleet", "reconcile")  # fixtures

POISON = "\x1b]0;owned\x07\x1b[2J\x9b1A\u202e../../../tmp/owned\r\n```\n# owned\n<script>owned()</script> @owned [owned](http://owned.example) |owned|"
SPECS = """
apiVersion: reconciler/v1
kind: Fleet
metadata: {name: edge}
"""
HOST = """---
apiVersion: reconciler/v1
kind: Host
metadata: {{name: {name}}}
spec:
  address: {ip}
  connection: {{port: {port}, authentication: basic, username: {user}, password: {{env: EDGE_PASSWORD}}, ca: {ca}}}
  resources:
    WindowsFeature/Hyper-V: {{}}
    VirtualSwitch/eflow: {{switchType: Internal, ipAddress: 172.20.10.1/24}}
"""
KEPT = {"nonce", "boot", "phase", "lease", "c"}  # without these it would be no answer at all


def everywhere(value: Any, name: str = "") -> Any:
    """Every text in an answer, poisoned."""
    if isinstance(value, dict):
        return value if any(key.startswith("$") for key in value) else {key: everywhere(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [everywhere(item, name) for item in value]
    return f"{value}{POISON}" if isinstance(value, str) and name not in KEPT else value


def in_calls(body: str, **more: Any) -> str:
    said = read(body)
    return write(said | more if "i" in said else said)


def in_hello(body: str, **more: Any) -> str:
    said = read(body)
    return write(said | more if "hello" in said else said)


def rewritten(edit: Callable[[str], str]) -> Lie:
    return lambda request, sound: edited(request, sound, edit)


ERROR = [{"fqid": f"Bad{POISON}", "cat": POISON, "target": POISON, "ex": [{"type": POISON, "msg": f"it failed {POISON}"}]}]
JOB = {"job": "j-1", "resource": f"edge-04/VirtualSwitch/{POISON}", "action": POISON, "phase": "running", "last": POISON, "key": POISON}
LIES: Mapping[str, Lie] = {
    "edge-01": rewritten(lambda body: write(everywhere(read(body)))),
    "edge-02": rewritten(partial(in_calls, ok=False, err=ERROR, out=[], info=POISON, warn=[POISON])),
    "edge-03": rewritten(partial(in_hello, hold=write({"by": POISON, "why": POISON}))),
    "edge-04": rewritten(partial(in_hello, jobs=[JOB], log={POISON: 1}, os=POISON, version=POISON, ui=POISON)),
    "edge-05": lambda request, _: frame(request["nonce"], write({"id": request["id"], "end": True, "n": 0, "refused": f"Odd{POISON}", "fatal": POISON})),
    "edge-06": lambda request, _: "#HVBOOT mode " + POISON.replace("\n", " ") + "\n",
    "edge-07": rewritten(partial(in_calls, cut=f"odd{POISON}")),
}
FAULT = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"><s:Body><s:Fault>'
    "<s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:Odd</s:Value></s:Subcode></s:Code>"
    "<s:Reason><s:Text>&#x202e;&#x9b;1A&#10;```&#10;# owned&#10;&lt;script&gt; @owned</s:Text></s:Reason>"
    '<s:Detail><f:WSManFault Code="4711"/></s:Detail></s:Fault></s:Body></s:Envelope>'
)
ANSWER = f"HTTP/1.1 500 @owned\r\nContent-Type: application/soap+xml\r\nContent-Length: {len(FAULT)}\r\n\r\n{FAULT}"
NAMES = (*LIES, "edge-08")
COMMANDS = ("plan -v", "plan --output markdown", "plan --output json", "doctor", "drift", "observe --out shots", "apply edge-02 --yes -v")


def troubled(endpoint: Endpoint) -> None:
    endpoint.trouble("edge-08", Trouble(What.RAW, "Create", times=None, text=ANSWER))


@pytest.fixture
def hostile(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with served_beside(Estate.new(None, [HostWish(name) for name in NAMES]), troubled, launchers=[lying(LIES)]) as endpoint:
        about = {"user": endpoint.credentials.user, "ca": endpoint.ca}
        hosts = [HOST.format(name=name, ip=endpoint.address(name).ip, port=endpoint.address(name).https, **about) for name in NAMES]
        (fleet / "specs" / "fleet.yaml").write_text(SPECS + "".join(hosts), encoding="utf-8")
        monkeypatch.setenv("EDGE_PASSWORD", endpoint.credentials.password)
        yield


def outside(markdown: str) -> str:
    """What is not within a fence; one ends only with as many backticks as it began with, or more."""
    kept, fence = [], 0
    for line in markdown.split("\n"):
        ticks = re.match(r" {0,3}(`{3,})[a-z]*\s*$", line)
        if ticks and fence and len(ticks[1]) >= fence:
            fence = 0
        elif ticks and not fence:
            fence = len(ticks[1])
        elif not fence:
            kept.append(line)
    assert not fence
    return "\n".join(kept)


@pytest.mark.usefixtures("hostile")
def test_what_a_hostile_host_says_is_shown_and_does_nothing(fleet: Path, reconcile: Reconcile, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = {words: reconcile(*words.split()) for words in COMMANDS}
    for words, one in said.items():
        assert "owned" in one.out + one.err, words
        assert not HIDDEN.search(one.out + one.err), words
    assert not HIDDEN.search(caplog.text)

    markdown = outside(said["plan --output markdown"].out)
    assert "owned" in markdown
    assert not re.search(r"(?<!\\)<script|@owned|(?m:^\s*# owned)|(?<!\\)\]\(http", markdown)

    shots = {path.name for path in (fleet / "shots").iterdir()}
    assert shots == {f"{name}.snapshot.json" for name in ("edge-02", "edge-03", "edge-04")}
    assert {path.name for path in fleet.iterdir()} <= {"specs", "shots", "state"}
    assert not (fleet.parent / "tmp").exists()
