"""A small fleet in a folder of its own, and `reconcile` called as the shell would, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import run

SPECS = """\
apiVersion: reconciler/v1
kind: Fleet
metadata: {name: edge}
spec: {maxDeletes: 5}
---
apiVersion: reconciler/v1
kind: Host
metadata: {name: edge-01, labels: {tier: cloud}}
spec:
  sku: server-2022
  address: edge-01.example.net
  resources:
    WindowsFeature/Hyper-V: {}
    VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}
    NatNetwork/eflow: {switchName: eflow}
---
apiVersion: reconciler/v1
kind: Host
metadata: {name: kiosk-04, labels: {tier: client}}
spec:
  sku: client-11
  resources:
    WindowsFeature/Hyper-V: {}
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What a call answered."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Reconcile = Callable[..., Said]


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with `specs/`, as the current one."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "fleet.yaml").write_text(SPECS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("RECONCILE_ESTATE", raising=False)
    return tmp_path


@pytest.fixture
def reconcile(fleet: Path, capsys: pytest.CaptureFixture[str]) -> Reconcile:
    def call(*words: str) -> Said:
        code = run(words)
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    return call


@pytest.fixture
def lab(reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch) -> Reconcile:
    """`reconcile` on a fresh emulated estate."""
    assert reconcile("emulate", "new", "lab").code == 0
    monkeypatch.setenv("RECONCILE_ESTATE", "lab")
    return reconcile


@pytest.fixture
def built(lab: Reconcile) -> Reconcile:
    """`reconcile` on an estate that is as declared."""
    assert lab("apply", "--yes", "-q").code == 0
    return lab
