"""`reconcile jea --azure` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Reconcile
from tests.engine.azurelab import azure_host

AZURE = "---\n" + azure_host("hpc-01", "AzureVmExtension/ib: {driver: InfiniBandDriverWindows, restart: when-asked}")


def test_the_role_is_written_and_what_to_type_with_it_is_told(reconcile: Reconcile, fleet: Path) -> None:
    (fleet / "specs" / "hpc.yaml").write_text(AZURE, encoding="utf-8")
    said = reconcile("jea", "--azure", "--role-name", "edge")
    assert (said.code, said.err) == (0, "")
    role = json.loads((fleet / "edge" / "role.json").read_text(encoding="utf-8"))
    assert "Microsoft.Compute/virtualMachines/restart/action" in role["Actions"]
    assert f"az role definition create --role-definition {Path('edge')}/role.json" in said.out
    assert f"az role assignment create --assignee OBJECT-ID --role edge --scope {role['AssignableScopes'][0]}" in said.out
    told = reconcile("jea", "--azure", "--role-name", "edge", "--output", "json").json()
    assert told["roles"]["role.json"] == role
    assert told["files"] == ["role-facts.json", "role.json"]


def test_without_a_host_of_azure_there_is_no_role(reconcile: Reconcile, fleet: Path) -> None:
    said = reconcile("jea", "--azure", "--role-name", "edge")
    assert said.code == 1
    assert "CLI077" in said.err
    assert not (fleet / "edge").exists()
