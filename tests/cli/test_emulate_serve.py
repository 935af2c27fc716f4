"""`emulate serve`: an estate in a folder, reached by a WinRM client as any host is, and changed by what the client did."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from reconciler.emulator.arm import building
from reconciler.emulator.arm.model import SUBSCRIPTION
from reconciler.emulator.estate import Estate
from reconciler.emulator.skus import HostWish
from tests.emulator.winrm.clients import Process, hello_request
from tests.serving import PATIENCE, RUN, served


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    estate = Estate.new(folder, [HostWish("kiosk-01"), HostWish("edge-01")])
    building.vm(estate, "edge-01", machine="edge-01")
    estate.save()
    estate.close()
    return folder


@pytest.fixture
def serving(lab: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    with served(lab) as found:
        yield found


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
    assert powered_in_azure(said["azure"]) == "PowerState/running"
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    estate = Estate.open(lab)
    assert [entry["what"] for entry in estate.log("kiosk-01")] == ["shell", "process", "request", "shell"]
    assert [(entry["what"], entry["status"]) for entry in estate.log("edge-01")] == [("arm", 200)]
    estate.close()


def powered_in_azure(said: dict[str, Any]) -> str:
    """The power state of edge-01, asked with a token of the identity endpoint."""
    vm = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-edge/providers/Microsoft.Compute/virtualMachines/edge-01"
    with requests.Session() as session:
        session.trust_env = False
        session.verify = said["ca"]
        named = {"X-IDENTITY-HEADER": said["environment"]["IDENTITY_HEADER"]}
        token = session.get(said["identity"], params={"resource": "https://management.azure.com"}, headers=named, timeout=PATIENCE).json()
        asked = {"Authorization": f"Bearer {token['access_token']}"}
        found = session.get(f"{said['url']}{vm}/instanceView?api-version=2024-11-01", headers=asked, timeout=PATIENCE).json()
    return str(found["statuses"][1]["code"])


def test_a_powershell_that_is_not_there_is_refused_before_anything_is_served(lab: Path) -> None:
    words = ["--estate", str(lab), "emulate", "serve", "--http", "0", "--https", "0", "--powershell", str(lab / "no-pwsh")]
    done = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert "is no program" in " ".join((done.stdout + done.stderr).split())
