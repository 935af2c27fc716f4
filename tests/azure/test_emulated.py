"""The client and the emulated Azure, written apart from each other: what one sends the other takes, and what it answers is understood."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from reconciler.azure.emulated import reach
from reconciler.core.calls import ArmCall, Plane, Secret
from reconciler.core.errors import ArmRefused
from reconciler.core.resources import Azure, Connection, Host
from reconciler.core.transport import Job, Target, Writer
from reconciler.emulator.arm import building, identity
from reconciler.emulator.arm.model import SUBSCRIPTION
from reconciler.emulator.controller import Controller
from reconciler.emulator.estate import Estate
from reconciler.secrets import Vault

MINUTE = timedelta(minutes=1)
LIST = ArmCall("VirtualMachineExtensions_List", query={"$expand": "instanceView"})


def put(name: str = "ib", **more: Any) -> ArmCall:
    properties = {"publisher": "Microsoft.HpcCompute", "type": "InfiniBandDriverWindows", "typeHandlerVersion": "1.5", "autoUpgradeMinorVersion": True}
    body = {"location": "westeurope", "tags": {"reconciler.id": "edge/x"}, "properties": {**properties, "enableAutomaticUpgrade": False, **more}}
    return ArmCall("VirtualMachineExtensions_CreateOrUpdate", {"vmExtensionName": name}, body=body)


@asynccontextmanager
async def session(vm: str = "hpc-01") -> Any:
    estate = Estate.new(None, ())
    building.vm(estate, "hpc-01", size="Standard_HB120rs_v3")
    controller = Controller(estate, estate.clock, Vault({"KEY": "canary-of-a-key"}), (), None)
    host = Host("hpc-01", connection=Connection("none"), azure=Azure(SUBSCRIPTION, building.GROUP, vm=vm))
    async with reach(controller)(Target(host, "edge", (), plane=Plane.ARM)) as opened:
        yield opened, estate


async def ended(writer: Writer, estate: Estate, call: ArmCall, job: str = "j1") -> Job:
    found = await writer.start(job, "hpc-01/AzureVmExtension/ib", "put", (call,), key="k", epoch=1, deadline=MINUTE)
    while found.active:
        await estate.clock.sleep_until(estate.clock.now() + timedelta(seconds=10))
        found = await writer.poll(job)
    return found


async def test_a_driver_is_put_and_seen() -> None:
    async with session() as (opened, estate):
        assert opened.hello.facts.azure.size == "Standard_HB120rs_v3"
        assert (await opened.ask((LIST,), MINUTE))[0].objects == ()
        job = await ended(opened, estate, put(protectedSettings={"key": Secret("env", "KEY")}))
        assert (job.phase, job.bad) == ("done", 0)
        (seen,) = (await opened.ask((LIST,), MINUTE))[0].objects
        assert (seen["name"], seen["properties"]["provisioningState"]) == ("ib", "Succeeded")
        assert seen["properties"]["instanceView"]["statuses"][0]["code"].startswith("ProvisioningState/succeeded")
        assert "canary" not in repr(estate.records)


async def test_an_installer_that_fails_is_the_operations_error() -> None:
    async with session() as (opened, estate):
        building.script(estate, "hpc-01", "ib", 100)
        job = await ended(opened, estate, put())
        error = job.answers[-1].error
        assert error is not None
        assert (job.phase, job.bad, error.id) == ("done", 1, "VMExtensionProvisioningError")
        assert "100" in error.message


async def test_a_delete_ends_and_an_expired_token_is_replaced() -> None:
    async with session() as (opened, estate):
        await ended(opened, estate, put())
        identity.expire(estate.azure)
        job = await ended(opened, estate, ArmCall("VirtualMachineExtensions_Delete", {"vmExtensionName": "ib"}), "j2")
        assert (job.phase, job.bad) == ("done", 0)
        assert (await opened.ask((LIST,), MINUTE))[0].objects == ()


async def test_what_is_the_same_for_a_region_is_found() -> None:
    async with session() as (opened, _):
        sizes, versions = await opened.ask(
            (
                ArmCall("ResourceSkus_List", where={"name": "Standard_HB120rs_v3"}),
                ArmCall("VirtualMachineExtensionImages_ListVersions", {"publisherName": "Microsoft.HpcCompute", "type": "InfiniBandDriverWindows"}),
            ),
            MINUTE,
        )
        assert [row["family"] for row in sizes.objects] == ["standardHBv3Family"]
        assert versions.objects


async def test_a_machine_that_is_not_there() -> None:
    with pytest.raises(ArmRefused, match="no such VM"):
        async with session("gone"):
            pass
