"""Our client tells the stories that the real SDK told the emulated ARM, and the two logs are equal but for headers and one read.

The SDK's calls were kept by tests/interop/test_azure_sdk.py. We open a session with a look at the machine; the SDK does not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.azure.emulated import reach
from reconciler.core.calls import ArmCall, Plane
from reconciler.core.resources import Azure, Connection, Host
from reconciler.core.transport import Target
from reconciler.emulator.arm import building
from reconciler.emulator.arm.model import SUBSCRIPTION
from reconciler.emulator.controller import Controller
from reconciler.emulator.estate import Estate
from reconciler.secrets import Vault
from tests.azure.test_emulated import MINUTE, ended
from tests.emulator.arm.azure import DRIVER, body
from tests.emulator.arm.calls import calls

SDK: dict[str, list[str]] = json.loads((Path(__file__).parents[1] / "interop" / "azure_calls.json").read_text(encoding="utf-8"))
NAME = {"vmExtensionName": "ib"}
SET_NAME = {"vmssExtensionName": "ib"}


def put(**more: Any) -> ArmCall:
    return ArmCall("VirtualMachineExtensions_CreateOrUpdate", NAME, body=body(**more))


GET = ArmCall("VirtualMachineExtensions_Get", NAME)
LIST = ArmCall("VirtualMachineExtensions_List")
DELETE = ArmCall("VirtualMachineExtensions_Delete", NAME)
NOT_OURS = "GET virtualMachineScaleSets/hpc/extensions/ib "  # the SDK reads a set's extension after its PUT; we list them, when we look again
ONE = (put(), GET, put(), GET, LIST, put(forceUpdateTag="2"), put(forceUpdateTag="3"), GET, DELETE, DELETE, LIST)
A_SET = (
    ArmCall("VirtualMachineScaleSetExtensions_CreateOrUpdate", SET_NAME, body={"properties": DRIVER}),
    ArmCall("VirtualMachineScaleSets_UpdateInstances", body={"instanceIds": ["0"]}),
    ArmCall("VirtualMachineScaleSets_UpdateInstances", body={"instanceIds": ["1", "2"]}),
    ArmCall("VirtualMachineScaleSetVMs_List"),
    ArmCall("VirtualMachineScaleSets_GetInstanceView"),
    ArmCall("VirtualMachineScaleSetExtensions_Delete", SET_NAME),
)


@pytest.mark.parametrize(
    ("story", "where", "told"),
    [("one extension", Azure(SUBSCRIPTION, building.GROUP, vm="hpc-01"), ONE), ("a scale set", Azure(SUBSCRIPTION, building.GROUP, scale_set="hpc"), A_SET)],
)
async def test_our_client_makes_the_calls_that_the_sdk_makes(story: str, where: Azure, told: tuple[ArmCall, ...]) -> None:
    estate = Estate.new()
    building.vm(estate, "hpc-01", size="Standard_HB120rs_v3")
    building.scale_set(estate, "hpc", 3, size="Standard_HB120rs_v3")
    building.script(estate, "hpc-01", "ib", 0, 100, 0)
    building.script(estate, "hpc/1", "ib", 100)
    host = Host("hpc-01", connection=Connection("none"), azure=where)
    async with reach(Controller(estate, estate.clock, Vault({}), (), None))(Target(host, "edge", (), plane=Plane.ARM)) as opened:
        opening = estate.log()[-1]["n"]
        for number, call in enumerate(told):
            if call.operation.rpartition("_")[2] in ("CreateOrUpdate", "Delete", "UpdateInstances"):
                await ended(opened, estate, call, f"j{number}")
            else:
                await opened.ask((call,), MINUTE)
    assert calls(estate, opening) == [line for line in SDK[story] if not line.startswith(NOT_OURS)]
