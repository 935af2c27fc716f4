"""Scale sets at length: batches of twenty, flexible instances, and the whole model as az sends it."""

from __future__ import annotations

import pytest

from reconciler.emulator.arm import building
from reconciler.emulator.arm.model import ScaleSet
from tests.emulator.arm.azure import DRIVER, Azure


def a_set(count: int, **more: str) -> tuple[Azure, ScaleSet]:
    azure = Azure()
    held = building.scale_set(azure.estate, "hpc", count, size="Standard_HB120rs_v3", **more)
    azure.send("PUT", "set/extensions/ib", {"properties": DRIVER})
    assert azure.done()["status"] == "Succeeded"
    return azure, held


def upgrade(azure: Azure, ids: list[str]) -> str:
    azure.send("POST", "set/manualupgrade", {"instanceIds": ids})
    assert azure.status == 202, azure.answer
    return str(azure.done()["status"])


def states(azure: Azure) -> list[str]:
    """Of each instance: what its extension is in, or `untouched`."""
    listed = azure.send("GET", "set/virtualMachines")["value"]
    shown = ["".join(e["properties"]["provisioningState"] for e in one.get("resources", ())) for one in listed]
    assert [one["properties"]["latestModelApplied"] for one in listed] == [bool(state) for state in shown]
    return [state or "untouched" for state in shown]


def test_twenty_in_fives_of_which_the_seventh_fails_leave_twelve_untouched() -> None:
    azure, _ = a_set(20)
    building.script(azure.estate, "hpc/7", "ib", 100)
    assert upgrade(azure, [str(n) for n in range(5)]) == "Succeeded"
    assert upgrade(azure, [str(n) for n in range(5, 10)]) == "Failed"
    assert states(azure) == ["Succeeded"] * 7 + ["Failed"] + ["untouched"] * 12


def test_instances_at_once_do_not_stop_each_other() -> None:
    azure, held = a_set(5)
    held.width = 0
    building.script(azure.estate, "hpc/1", "ib", 100)
    assert upgrade(azure, ["*"]) == "Failed"
    assert states(azure) == ["Succeeded", "Failed", "Succeeded", "Succeeded", "Succeeded"]


def test_a_failed_instance_is_mended_by_another_tag_alone() -> None:
    azure, _ = a_set(2)
    building.script(azure.estate, "hpc/0", "ib", 100)
    assert upgrade(azure, ["0"]) == "Failed"
    assert upgrade(azure, ["0"]) == "Succeeded"  # it has the latest model: nothing is done
    assert states(azure) == ["Failed", "untouched"]
    azure.send("PUT", "set/extensions/ib", {"properties": DRIVER | {"forceUpdateTag": "2"}})
    azure.done()
    assert upgrade(azure, ["*"]) == "Succeeded"
    assert states(azure) == ["Succeeded", "Succeeded"]


def test_instances_of_a_flexible_set_are_upgraded_by_name_and_read_as_vms() -> None:
    azure, held = a_set(3, orchestration="Flexible")
    names = [vm.instance for vm in azure.cloud.instances(held)]
    assert upgrade(azure, names[1:2]) == "Succeeded"
    assert states(azure) == ["untouched", "Succeeded", "untouched"]
    (one,) = [vm for vm in azure.cloud.instances(held) if vm.instance == names[1]]
    shown = azure.send("GET", one.id)
    assert shown["properties"]["virtualMachineScaleSet"] == {"id": held.id}
    assert [e["name"] for e in shown["resources"]] == ["ib"]


def test_a_rolling_upgrade_of_extensions_stops_when_too_many_fail() -> None:
    azure, held = a_set(10)
    held.mode = "Rolling"
    building.script(azure.estate, "hpc/*", "ib", 100, 100, 100)
    azure.send("POST", "set/extensionRollingUpgrade")
    assert azure.done()["status"] == "Failed"
    assert states(azure) == ["Failed"] * 3 + ["Succeeded"] + ["untouched"] * 6  # 2 of 10 are allowed, 3 are not


@pytest.mark.parametrize("mode", ["Manual", "Automatic"])
def test_the_whole_model_takes_away_what_it_lacks(mode: str) -> None:
    azure, held = a_set(1)
    upgrade(azure, ["*"])
    held.mode = mode
    shown = azure.send("GET", "set")
    del shown["properties"]["virtualMachineProfile"]["extensionProfile"]
    assert azure.send("PUT", "set", shown)["properties"]["provisioningState"] == "Updating"
    assert azure.done()["status"] == "Succeeded"
    assert azure.send("GET", "set/extensions")["value"] == []
    assert bool(azure.send("GET", "set/virtualMachines/0/extensions")["value"]) is (mode == "Manual")


def test_a_set_is_made_with_its_extensions_on_every_instance() -> None:
    azure = Azure()
    model = {"virtualMachineProfile": {"extensionProfile": {"extensions": [{"name": "ib", "properties": DRIVER}]}}, "upgradePolicy": {"mode": "Manual"}}
    path = azure.vm.id.replace("virtualMachines/hpc-01", "virtualMachineScaleSets/new")
    azure.send("PUT", path, {"location": "westeurope", "sku": {"name": "Standard_HB120rs_v3", "capacity": 2}, "properties": model})
    assert azure.status == 201
    assert azure.done()["status"] == "Succeeded"
    assert states(azure) == ["Succeeded", "Succeeded"]
