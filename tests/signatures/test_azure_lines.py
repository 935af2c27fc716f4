"""What a person would type to Azure: read back by the shells' own rules, and it says what the request says."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from reconciler.core.calls import ArmCall, Secret
from reconciler.core.resources import Azure
from reconciler.signatures.azure_lines import typed
from tests.wire.powershell.syntax import broken, nodes, tree, words

S = "6f1c0c9e-0000-4000-8000-00000000e001"
VM = Azure(S, "rg-hpc", vm="hpc-01")
SET = Azure(S, "rg-hpc", scale_set="nodes")
ODD = {"it's": 'a "quoted" $(word) `tick`', "list": [1, True, None, {"x": "ü"}]}
DRIVER = {"publisher": "Microsoft.HpcCompute", "type": "InfiniBandDriverWindows", "typeHandlerVersion": "1.5", "enableAutomaticUpgrade": False}


def put(**more: Any) -> ArmCall:
    body = {"location": "westeurope", "tags": {"reconciler.id": "x"}, "properties": {**DRIVER, "autoUpgradeMinorVersion": True, **more}}
    return ArmCall("VirtualMachineExtensions_CreateOrUpdate", {"vmExtensionName": "infiniband"}, body=body)


def put_on_set(**more: Any) -> ArmCall:
    body = {"properties": {**DRIVER, "autoUpgradeMinorVersion": True, **more}}
    return ArmCall("VirtualMachineScaleSetExtensions_CreateOrUpdate", {"vmssExtensionName": "infiniband"}, body=body)


CALLS = [
    (put(), VM),
    (put(settings=ODD, autoUpgradeMinorVersion=False, forceUpdateTag="2:1", suppressFailures=True), VM),
    (put(protectedSettings={"key": Secret("env", "KEY")}), VM),
    (put(protectedSettings=Secret("file", "p.json")), VM),
    (ArmCall("VirtualMachineExtensions_Delete", {"vmExtensionName": "o'brien"}), VM),
    (ArmCall("VirtualMachines_Restart"), VM),
    (put_on_set(settings=ODD, forceUpdateTag="a:1", provisionAfterExtensions=["one", "two"], protectedSettings={"k": Secret("env", "K")}), SET),
    (ArmCall("VirtualMachineScaleSetExtensions_Delete", {"vmssExtensionName": "ib"}), SET),
    (ArmCall("VirtualMachineScaleSets_UpdateInstances", body={"instanceIds": ["0", "3"]}), SET),
]


def lines(text: str) -> tuple[list[str], list[str]]:
    """The words of the az line as bash reads them, and the lines for PowerShell."""
    said = text.splitlines()
    (az,) = (line for line in said if line.startswith("az "))
    return shlex.split(az), [line for line in said if line != az]


def option(argv: list[str], name: str) -> str:
    return argv[argv.index(name) + 1]


def test_the_documented_lines_are_these() -> None:
    assert typed(put(), VM).splitlines() == [
        (
            f"az vm extension set --subscription {S} --resource-group rg-hpc --vm-name hpc-01 --name InfiniBandDriverWindows "
            "--extension-instance-name infiniband --publisher Microsoft.HpcCompute --version 1.5 --enable-auto-upgrade false"
        ),
        f"Set-AzContext -Subscription '{S}' | Out-Null",
        (
            "Set-AzVMExtension -ResourceGroupName 'rg-hpc' -VMName 'hpc-01' -Name 'infiniband' -Publisher 'Microsoft.HpcCompute' "
            "-ExtensionType 'InfiniBandDriverWindows' -TypeHandlerVersion '1.5' -EnableAutomaticUpgrade $false"
        ),
    ]


@pytest.mark.parametrize(("call", "azure"), CALLS)
def test_both_shells_read_it_and_no_secret_is_in_it(call: ArmCall, azure: Azure) -> None:
    argv, typed_lines = lines(typed(call, azure))
    assert (option(argv, "--subscription"), option(argv, "--resource-group")) == (S, "rg-hpc")
    assert broken("\n".join(typed_lines)) == []
    assert f"Set-AzContext -Subscription '{S}' | Out-Null" in typed_lines


def test_settings_come_through_both_shells_as_they_are() -> None:
    argv, typed_lines = lines(typed(put(settings=ODD), VM))
    assert json.loads(option(argv, "--settings")) == ODD
    (literal,) = [words(node) for node in nodes(tree("\n".join(typed_lines)), "verbatim_string_characters") if "it''s" in words(node)]
    assert json.loads(literal[1:-1].replace("''", "'")) == ODD


def test_what_neither_can_say_is_a_remark() -> None:
    text = typed(put(suppressFailures=True, forceUpdateTag="2:1", autoUpgradeMinorVersion=False), VM)
    argv, _ = lines(text)
    assert "--force-update" in argv
    assert option(argv, "--no-auto-upgrade-minor-version") == "true"
    assert "-ForceRerun '2:1'" in text
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# suppressFailures: true is in our request; neither az nor PowerShell can say it",
        "# our request runs it again with the tag 2:1; az makes one of its own",
    ]


def test_secrets_are_named_and_read_from_a_file() -> None:
    text = typed(put(protectedSettings={"key": Secret("env", "KEY")}), VM)
    assert "protected.json holds the protected settings, key from env KEY: never printed" in text
    assert option(lines(text)[0], "--protected-settings") == "@protected.json"


def test_a_record_alone_is_nothing_to_type() -> None:
    call = ArmCall("VirtualMachineExtensions_Update", {"vmExtensionName": "ib"}, body={"tags": {"reconciler.id": "x"}})
    assert typed(call, VM) == "# our record alone, three tags: nothing to type"
