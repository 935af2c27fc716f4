"""A role is written, registered on a host that another process serves, and worked through: `jea`, `emulate serve`, `plan`, `apply`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.emulator.estate import Estate
from reconciler.emulator.skus import HostWish
from tests.cli.conftest import Reconcile
from tests.cli.test_real_hosts import SPECS
from tests.serving import served

CONNECTION = "connection: {port:"


@contextmanager
def serving(folder: Path, *configurations: str) -> Iterator[dict[str, Any]]:
    Estate.new(folder, [HostWish("edge-01")]).close()
    options = [word for name in configurations for word in ("--configuration", name)]
    with served(folder, "--pace", "600", *options) as (_, said):
        yield said


@pytest.mark.soak
def test_a_host_is_worked_on_through_the_role_that_was_written_for_it(fleet: Path, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch) -> None:
    file = fleet / "specs" / "fleet.yaml"
    file.write_text(SPECS.format(address="127.0.0.1", https=5986, user="x", ca=file), encoding="utf-8")
    for name, mode in (("Edge", "function"), ("Looks", "cmdlet")):
        assert reconcile("jea", "--role-name", name, "--mode", mode).code == 0
    monkeypatch.setenv("XDG_STATE_HOME", str(fleet / "state"))
    with serving(fleet / "served", "Edge", "Looks") as served:
        host = served["hosts"][0]
        monkeypatch.setenv("EDGE_PASSWORD", served["password"])
        text = SPECS.format(address=host["address"], https=host["https"], user=served["user"], ca=served["ca"])

        def through(name: str, mode: str) -> None:
            options = f"connection: {{transport: psrp, configurationName: {name}, mode: {mode}, port:"
            file.write_text(text.replace(CONNECTION, options), encoding="utf-8")

        through("Looks", "cmdlet")
        looked, tried = reconcile("plan"), reconcile("apply", "--yes")
        assert (looked.code, "+ WindowsFeature/DHCP" in looked.out) == (2, True), looked.err
        assert (tried.code, "which only looks" in tried.out) == (5, True), tried.out + tried.err
        through("Edge", "function")
        planned, applied, again = reconcile("plan"), reconcile("apply", "--yes"), reconcile("plan")
        assert (planned.code, applied.code, again.code) == (2, 0, 0), (planned.err, applied.err, applied.out)
        through("Edge", "cmdlet")
        again = reconcile("plan")
        assert (again.code, "cannot say which host it is on" in again.out + again.err) == (5, True), again.out + again.err


def test_a_folder_that_is_none_is_not_served(fleet: Path, reconcile: Reconcile) -> None:
    Estate.new(fleet / "served", [HostWish("edge-01")]).close()
    said = reconcile("--estate", str(fleet / "served"), "emulate", "serve", "--configuration", str(fleet), "--http", "0", "--https", "0", "--for", "1s")
    assert (said.code, "CLI044" in said.err) == (1, True)
