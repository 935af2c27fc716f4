"""Without an estate, hosts are reached by their connection: the command line against an endpoint that another process serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.emulator.estate import Estate
from reconciler.emulator.skus import HostWish
from tests.cli.conftest import Reconcile
from tests.serving import served as served_from

SPECS = """
apiVersion: reconciler/v1
kind: Fleet
metadata: {{name: edge}}
---
apiVersion: reconciler/v1
kind: Host
metadata: {{name: edge-01}}
spec:
  address: {address}
  connection: {{port: {https}, authentication: ntlm, username: {user}, password: {{env: EDGE_PASSWORD}}, ca: {ca}}}
  resources:
    WindowsFeature/DHCP: {{}}
"""


@pytest.fixture
def served(fleet: Path) -> Iterator[dict[str, Any]]:
    folder = fleet / "served"
    Estate.new(folder, [HostWish("edge-01")]).close()
    with served_from(folder, "--pace", "600") as (_, said):
        yield said


@pytest.fixture
def declared(served: dict[str, Any], fleet: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    host = served["hosts"][0]
    file = fleet / "specs" / "fleet.yaml"
    file.write_text(SPECS.format(address=host["address"], https=host["https"], user=served["user"], ca=served["ca"]), encoding="utf-8")
    monkeypatch.setenv("EDGE_PASSWORD", served["password"])
    monkeypatch.setenv("XDG_STATE_HOME", str(fleet / "state"))
    return file


def test_a_host_is_planned_applied_and_as_declared_over_winrm(declared: Path, fleet: Path, reconcile: Reconcile) -> None:
    doctor, planned, applied, again = reconcile("doctor"), reconcile("plan"), reconcile("apply", "--yes"), reconcile("plan")

    assert doctor.code == 0, doctor.out + doctor.err
    for row in ("ok    port", "warn  tls", "ok    sign-in     ntlm as Administrator", "ok    who         computer name EDGE-01", "ok    machines"):
        assert row in doctor.out
    assert (planned.code, applied.code, again.code) == (2, 0, 0), (planned.err, applied.err, applied.out)
    assert "+ WindowsFeature/DHCP" in planned.out
    assert list((fleet / "state" / "edge-reconciler" / "shells").iterdir()) == []


def test_a_credential_that_is_refused_is_said_and_nothing_is_taken_for_absent(declared: Path, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_PASSWORD", "not the password")
    planned = reconcile("plan")

    assert "HST021" in planned.out + planned.err
    assert "nothing is planned for it" in planned.out + planned.err
    assert "not the password" not in planned.out + planned.err


def test_a_port_where_nobody_listens_and_a_password_that_is_missing_are_both_said_with_what_to_do(fleet: Path, reconcile: Reconcile) -> None:
    text = (
        SPECS.format(address="127.0.0.1", https=1, user="Administrator", ca="ca.pem").replace(", ca: ca.pem", "").replace("EDGE_PASSWORD", "NO_SUCH_PASSWORD")
    )
    (fleet / "specs" / "fleet.yaml").write_text(text, encoding="utf-8")
    planned = reconcile("plan")

    said = " ".join(planned.out.split())
    assert planned.code == 5
    assert "edge-01[HST018]" in said
    assert "there is no password: env NO_SUCH_PASSWORD: the environment variable is not set" in said
    assert "reconcile bootstrap edge-01 prints what to paste there; then: reconcile plan edge-01" in said


def test_a_password_in_a_manifest_is_refused(declared: Path, reconcile: Reconcile) -> None:
    declared.write_text(declared.read_text(encoding="utf-8").replace("{env: EDGE_PASSWORD}", "hunter2hunter2"), encoding="utf-8")
    planned = reconcile("plan")

    assert planned.code == 1
    assert "MAN016" in planned.err
    assert "hunter2" not in planned.err
