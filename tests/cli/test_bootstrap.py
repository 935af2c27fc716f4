"""`reconcile bootstrap`: printed as it is to be pasted."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.hosts.bootstrap import listener_block
from tests.cli.conftest import Reconcile


@pytest.mark.usefixtures("fleet")
def test_a_declared_host_is_called_by_the_address_that_its_manifest_gives(reconcile: Reconcile) -> None:
    said = reconcile("bootstrap", "edge-01")

    assert said.code == 0
    assert said.out == listener_block("edge-01.example.net")


def test_a_host_needs_no_manifest(reconcile: Reconcile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    said = reconcile("bootstrap", "10.0.0.7", "--port", "443", "--from", "10.1.0.0/16", "--rebind")

    assert said.code == 0
    assert said.out == listener_block("10.0.0.7", 443, ["10.1.0.0/16"], rebind=True)


@pytest.mark.usefixtures("fleet")
def test_what_is_no_name_or_network_is_refused(reconcile: Reconcile) -> None:
    assert "CLI071" in reconcile("bootstrap", "x'; calc").err
    assert "CLI072" in reconcile("bootstrap", "edge-01", "--from", "x'; calc").err


@pytest.mark.usefixtures("fleet")
def test_a_machine_can_read_it(reconcile: Reconcile) -> None:
    assert reconcile("bootstrap", "edge-01", "--output", "json").json()["text"] == listener_block("edge-01.example.net")
