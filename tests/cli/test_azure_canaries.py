"""Secrets of extensions as a person meets the commands: on no screen, in no file, however much is asked for and whatever fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Reconcile
from tests.engine.azurelab import azure_host

KEY, INNER = "canary-41d7-of-a-key", "canary-b2c9-in-a-map"
RESOURCES = """
AzureVmExtension/script:
  driver: CustomScriptExtension
  protectedSettings: {storageAccountName: plant, storageAccountKey: {env: CANARY_KEY}}
AzureVmExtension/agent:
  publisher: Microsoft.Azure.Monitor
  type: AzureMonitorWindowsAgent
  version: 1.22
  protectedSettings: {env: CANARY_MAP}
"""


def test_secrets_are_on_no_screen_and_in_no_file(reconcile: Reconcile, fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (fleet / "specs" / "hpc.yaml").write_text(azure_host("hpc-01", RESOURCES), encoding="utf-8")
    monkeypatch.setenv("CANARY_KEY", KEY)
    monkeypatch.setenv("CANARY_MAP", json.dumps({"workspaceKey": INNER}))
    monkeypatch.setenv("RECONCILE_ESTATE", "lab")
    calls = [
        (("emulate", "new", "lab"), 0),
        (("plan", "hpc-01", "-v"), 2),
        (("plan", "hpc-01", "--output", "json"), 2),
        (("plan", "hpc-01", "--show-commands"), 2),
        (("plan", "hpc-01", "--out", "saved.plan"), 2),
        (("emulate", "installer", "hpc-01", "script", "--exit", "5", "--says", f"no way with {KEY} or {INNER}"), 0),
        (("apply", "saved.plan", "--yes", "-v"), 1),
        (("plan", "hpc-01", "-v"), 2),
        (("apply", "hpc-01", "--yes", "-v", "--output", "json"), 0),
        (("plan", "hpc-01"), 0),
        (("observe", "hpc-01", "--out", "shots"), 0),
        (("export", "--arm"), 0),
        (("doctor", "hpc-01", "-v"), 0),
        (("jea", "--azure", "--role-name", "edge"), 0),
        (("emulate", "log", "hpc-01"), 0),
    ]
    for words, code in calls:
        said = reconcile(*words)
        assert said.code == code, (words, said.out, said.err)
        if words[0] != "emulate" or words[1] != "installer":
            assert not [canary for canary in (KEY, INNER) if canary in said.out + said.err], words
    own = [fleet / "lab"]  # what Azure keeps of its handler's words is Azure's own
    files = [path for path in fleet.rglob("*") if path.is_file() and not any(path.is_relative_to(folder) for folder in own)]
    assert {"saved.plan", "role.json"} <= {path.name for path in files}
    assert not [path for path in files for canary in (KEY, INNER) if canary.encode() in path.read_bytes()]
