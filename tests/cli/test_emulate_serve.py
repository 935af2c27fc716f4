"""`emulate serve`: an estate in a folder, reached by a WinRM client as any host is, and changed by what the client did."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.emulator.estate import Estate
from reconciler.emulator.skus import HostWish
from tests.emulator.winrm.clients import Process, hello_request

PATIENCE = 30
RUN = "import sys; from reconciler.cli.main import run; sys.exit(run(sys.argv[1:]))"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    Estate.new(folder, [HostWish("kiosk-01"), HostWish("edge-01")]).close()
    return folder


@pytest.fixture
def serving(lab: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    words = ["--estate", str(lab), "--output", "json", "emulate", "serve", "--http", "0", "--https", "0", "--for", f"{PATIENCE}s"]
    with subprocess.Popen([sys.executable, "-c", RUN, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n") or text.count("{") != text.count("}"):
            line = process.stdout.readline()
            assert line, text
            text += line
        try:
            yield process, json.loads(text)
        finally:
            process.kill()


def test_a_client_reaches_the_hosts_and_what_it_did_is_in_the_estate(serving: tuple[subprocess.Popen[str], dict[str, Any]], lab: Path) -> None:
    from winrm.protocol import Protocol

    process, said = serving
    found = next(host for host in said["hosts"] if host["name"] == "kiosk-01")
    assert [host["name"] for host in said["hosts"]] == ["edge-01", "kiosk-01"]
    url = f"https://{found['address']}:{found['https']}/wsman"
    wire = Protocol(url, transport="basic", username=said["user"], password=said["password"], ca_trust_path=said["ca"], proxy=None)
    session = Process(wire)
    assert session.ask(hello_request()).hello
    session.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    estate = Estate.open(lab)
    assert [entry["what"] for entry in estate.log("kiosk-01")] == ["shell", "process", "request", "shell"]
    estate.close()
