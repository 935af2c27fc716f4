"""`import` and `export --arm`: what goes out as a template comes back as the same specs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Reconcile

SUBSCRIPTION = "6f1c0c9e-0000-4000-8000-00000000e001"
SPECS = f"""
apiVersion: reconciler/v1
kind: Host
metadata: {{name: hpc-01}}
spec:
  azure: {{subscription: {SUBSCRIPTION}, resourceGroup: rg-hpc, vm: hpc-01}}
  connection: none
  resources:
    AzureVmExtension/infiniband: {{driver: InfiniBandDriverWindows, version: "1.5", autoUpgradeMinorVersion: true, rerun: "2"}}
    AzureVmExtension/script:
      driver: CustomScriptExtension
      version: "1.10"
      autoUpgradeMinorVersion: false
      settings: {{odd: "[it's]", nested: {{n: 1, enabled: true}}}}
      protectedSettings: {{commandToExecute: {{env: COMMAND_TO_EXECUTE}}}}
      after: [infiniband]
"""


@pytest.fixture
def written(fleet: Path) -> Path:
    (fleet / "specs" / "fleet.yaml").unlink()
    (fleet / "specs" / "azure.yaml").write_text(SPECS, encoding="utf-8")
    return fleet


def test_a_template_comes_back_as_the_same_specs(written: Path, reconcile: Reconcile) -> None:
    assert reconcile("export", "--arm", "--out", "template.json").code == 0
    template = json.loads((written / "template.json").read_text(encoding="utf-8"))
    assert [resource["name"] for resource in template["resources"]] == ["hpc-01/infiniband", "hpc-01/script"]
    assert template["resources"][1]["dependsOn"] == ["[resourceId('Microsoft.Compute/virtualMachines/extensions', 'hpc-01', 'infiniband')]"]
    assert template["resources"][1]["properties"]["protectedSettings"] == {"commandToExecute": "[parameters('commandToExecute')]"}
    assert template["parameters"]["commandToExecute"]["type"] == "securestring"

    (written / "specs" / "azure.yaml").unlink()
    said = reconcile("import", "template.json", "--out", "specs/back.yaml")
    assert (said.code, "which resource group is it in?" in said.err) == (0, True)
    (host,) = yaml.safe_load_all((written / "specs" / "back.yaml").read_text(encoding="utf-8"))
    assert host["spec"]["azure"] == {"subscription": "?", "resourceGroup": "?", "vm": "hpc-01"}
    want = yaml.safe_load(SPECS)["spec"]["resources"]
    assert host["spec"]["resources"] == want

    refused = reconcile("validate")
    assert refused.code == 1
    assert "subscription" in refused.err + refused.out


def test_an_older_version_leaves_out_what_is_off_and_refuses_what_is_on(written: Path, reconcile: Reconcile) -> None:
    said = reconcile("export", "--arm", "--api-version", "2015-06-15")
    assert said.code == 0
    assert "enableAutomaticUpgrade" not in said.out
    (written / "specs" / "azure.yaml").write_text(SPECS.replace('version: "1.5"', 'version: "1.5", suppressFailures: true'), encoding="utf-8")
    said = reconcile("export", "--arm", "hpc-01", "--api-version", "2020-06-01")
    assert (said.code, "suppressFailures came with api-version 2021-07-01" in said.err) == (1, True)


def test_what_is_no_template_is_said_with_its_place(written: Path, reconcile: Reconcile) -> None:
    (written / "bad.json").write_text('{"resources": [\n  {"name" 1}]}', encoding="utf-8")
    said = reconcile("import", "bad.json")
    assert (said.code, "line 2, column 11" in said.err) == (1, True)
    (written / "bad.json").write_text('{"resources": [\n  {"name": "x"},\n]}', encoding="utf-8")
    assert "line 2, column 16: nothing follows this comma before the closing ]" in " ".join(reconcile("import", "bad.json").err.split())
    (written / "other.json").write_text("[1, {}]", encoding="utf-8")
    assert "CLI080" in reconcile("import", "other.json").err
    assert "CLI083" in reconcile("export").err


def test_extensions_of_a_declared_machine_are_documents_of_its_host(written: Path, reconcile: Reconcile) -> None:
    identity = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-hpc/providers/Microsoft.Compute/virtualMachines/HPC-01/extensions/nvidia"
    found = {
        "id": identity,
        "name": "nvidia",
        "properties": {"publisher": "Microsoft.HpcCompute", "type": "NvidiaGpuDriverWindows", "typeHandlerVersion": "1.10"},
    }
    (written / "list.json").write_text(json.dumps({"value": [found]}), encoding="utf-8")
    said = reconcile("import", "list.json")
    assert (said.code, said.err) == (0, "")
    assert yaml.safe_load(said.out) == {
        "apiVersion": "reconciler/v1",
        "kind": "AzureVmExtension",
        "metadata": {"name": "nvidia"},
        "spec": {"host": "hpc-01", "driver": "NvidiaGpuDriverWindows", "version": "1.10", "autoUpgradeMinorVersion": False},
    }
    assert said.out.startswith("# from list.json\n# nvidia: autoUpgradeMinorVersion is not written")


NESTED = {
    "languageVersion": "2.0",
    "resources": {
        "net": {"type": "Microsoft.Network/virtualNetworks", "name": "vnet"},
        "drivers": {
            "type": "Microsoft.Resources/deployments",
            "name": "drivers",
            "resourceGroup": "rg-gpu",
            "properties": {
                "expressionEvaluationOptions": {"scope": "inner"},
                "parameters": {"vm": {"value": "gpu-01"}},
                "template": {
                    "parameters": {"vm": {"type": "string"}},
                    "resources": [
                        {
                            "type": "Microsoft.Compute/virtualMachines/extensions",
                            "name": "[format('{0}/{1}', parameters('vm'), 'script')]",
                            "properties": {
                                "publisher": "Microsoft.Compute",
                                "type": "CustomScriptExtension",
                                "typeHandlerVersion": "1.10",
                                **dict.fromkeys(("autoUpgradeMinorVersion", "enableAutomaticUpgrade", "suppressFailures"), "[parameters('gone')]"),
                                **dict.fromkeys(("settings", "protectedSettingsFromKeyVault", "provisionAfterExtensions"), "[parameters('gone')]"),
                            },
                        }
                    ],
                },
            },
        },
        "monitoring": {
            "type": "Microsoft.Resources/deployments",
            "name": "monitoring",
            "properties": {"templateLink": {"uri": "https://example.com/m.json?sig=x"}},
        },
    },
}


def test_what_was_passed_by_stands_at_the_top_and_every_gap_is_refused(written: Path, reconcile: Reconcile) -> None:
    (written / "nested.json").write_text(json.dumps(NESTED), encoding="utf-8")
    passed = [
        "left out: Microsoft.Network/virtualNetworks vnet",
        "deployment monitoring: its template is at https://example.com/m.json, which is not fetched: import that file too",
    ]
    told = json.loads(reconcile("import", "nested.json", "--output", "json").out)
    assert told["notes"] == passed
    assert told["text"].startswith("".join(f"# {line}\n" for line in ("from nested.json", *passed)))

    (written / "specs" / "azure.yaml").write_text(told["text"], encoding="utf-8")
    refused = reconcile("validate", "--output", "json")
    messages = {each["message"] for each in json.loads(refused.out)["diagnostics"]}
    gaps = ("autoUpgradeMinorVersion", "enableAutomaticUpgrade", "suppressFailures", "settings", "protectedSettingsFromKeyVault", "after")
    assert [name for name in gaps if not any(f"AzureVmExtension.{name} " in message for message in messages)] == []


def test_a_template_without_extensions_says_what_it_holds(written: Path, reconcile: Reconcile) -> None:
    (written / "plain.json").write_text(json.dumps(NESTED | {"resources": {"m": NESTED["resources"]["monitoring"]}}), encoding="utf-8")  # type: ignore[index]
    said = reconcile("import", "plain.json")
    assert (said.code, "CLI080" in said.err, "import that file too" in " ".join(said.err.split())) == (1, True, True)
