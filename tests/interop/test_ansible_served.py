"""Ansible against `reconcile emulate serve`, each in a process of its own: what it did is in the estate afterwards."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.emulator.estate import Estate
from reconciler.emulator.skus import HostWish
from tests.interop.driving import installed, raw
from tests.serving import PATIENCE, served

pytestmark = [pytest.mark.interop, installed]
RENAME = "Rename-NetAdapter -Name Ethernet -NewName Uplink"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    Estate.new(tmp_path / "lab", [HostWish("kiosk-01"), HostWish("kiosk-02")]).close()
    return tmp_path / "lab"


@pytest.fixture
def serving(lab: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    with served(lab, "--pace", "600") as found:
        yield found


@pytest.mark.parametrize(
    ("plugin", "by"),
    [
        ({"ansible_connection": "winrm", "ansible_winrm_transport": "ntlm", "ansible_winrm_scheme": "http"}, "pipeline"),
        ({"ansible_connection": "psrp", "ansible_psrp_auth": "ntlm", "ansible_psrp_protocol": "http"}, "runspace"),
    ],
)
async def test_what_ansible_did_is_in_the_estate(
    plugin: dict[str, str], by: str, serving: tuple[subprocess.Popen[str], dict[str, Any]], lab: Path, tmp_path: Path
) -> None:
    process, said = serving
    account = {"ansible_user": said["user"], "ansible_password": said["password"]}
    hosts = {host["name"]: {"ansible_host": host["address"], "ansible_port": host["http"]} | plugin | account for host in said["hosts"]}
    run = await raw(tmp_path, hosts, RENAME)
    assert run.code == 0, run.output
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    estate = Estate.open(lab)
    for name in hosts:
        assert estate.machines[name].adapters[0].name == "Uplink"
        assert [(entry["name"], entry["by"]) for entry in estate.log(name) if entry["what"] == "cmdlet"] == [("Rename-NetAdapter", by)]
    estate.close()
