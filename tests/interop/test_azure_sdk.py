"""azure-mgmt-compute and azure-identity, unmodified, over TLS against the emulated ARM: the judges of whether it is believable.

What they send is kept in `azure_calls.json`, story by story; another client's log can be held to it (`tests.emulator.arm.calls`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from reconciler.emulator.arm import building, identity, quotas
from reconciler.emulator.arm.endpoint import Endpoint, serve
from reconciler.emulator.arm.model import SUBSCRIPTION, Principal, RequestFault
from reconciler.emulator.estate import Estate
from tests.emulator.arm.azure import API, DRIVER, body
from tests.emulator.arm.calls import calls

pytest.importorskip("azure.mgmt.compute", reason="azure-mgmt-compute is not installed; `make interop` installs it")

from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.identity import ManagedIdentityCredential
from azure.mgmt.compute import ComputeManagementClient

pytestmark = pytest.mark.interop
KEPT = Path(__file__).with_name("azure_calls.json")
GROUP = building.GROUP
SCOPE = f"{identity.MANAGER}/.default"


@pytest.fixture(params=["app service", "imds"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def estate() -> Estate:
    estate = Estate.new()
    building.vm(estate, "hpc-01", size="Standard_HB120rs_v3")
    building.scale_set(estate, "hpc", 3, size="Standard_HB120rs_v3")
    return estate


class Judge:
    """The SDK, with a managed identity; `do` runs a piece of a story in a thread of its own and gives its error instead of raising it."""

    def __init__(self, served: Endpoint, environment: pytest.MonkeyPatch, protocol: str = "app service") -> None:
        if protocol == "imds":
            environment.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", served.metadata)
        else:
            for name, value in served.environment.items():
                environment.setenv(name, value)
        self.client = ComputeManagementClient(
            ManagedIdentityCredential(),
            SUBSCRIPTION,
            base_url=served.url,
            credential_scopes=[SCOPE],
            connection_verify=str(served.ca),
            polling_interval=0,
            retry_total=0,
        )

    async def do(self, act: Any) -> Any:
        def run() -> Any:
            try:
                return act(self.client)
            except HttpResponseError as failure:
                return failure

        return await anyio.to_thread.run_sync(run)

    async def close(self) -> None:
        await anyio.to_thread.run_sync(self.client.close)


def put(name: str = "ib", sent: Any = None, vm: str = "hpc-01") -> Any:
    said = sent or body()
    return lambda client: client.virtual_machine_extensions.begin_create_or_update(GROUP, vm, name, said, api_version=API).result()


def delete(name: str = "ib") -> Any:
    return lambda client: client.virtual_machine_extensions.begin_delete(GROUP, "hpc-01", name, api_version=API).result()


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


async def test_the_story_of_one_extension(estate: Estate, no_proxy: pytest.MonkeyPatch, protocol: str) -> None:
    building.script(estate, "hpc-01", "ib", 0, 100, 0)
    async with serve(estate) as served:
        judge = Judge(served, no_proxy, protocol)
        made = await judge.do(put())
        assert (made.name, made.properties.provisioning_state) == ("ib", "Succeeded")
        assert (await judge.do(put())).properties.provisioning_state == "Succeeded"
        listed = await judge.do(lambda client: client.virtual_machine_extensions.list(GROUP, "hpc-01", expand="instanceView", api_version=API))
        assert [(e.name, e.properties.instance_view.statuses[0].code) for e in listed.value] == [("ib", "ProvisioningState/succeeded")]
        failed = await judge.do(put(sent=body(forceUpdateTag="2")))
        assert (failed.status_code, failed.error.code) == (200, "VMExtensionProvisioningError")
        assert "Exit code: 100" in failed.error.message
        assert (await judge.do(put(sent=body(forceUpdateTag="3")))).properties.provisioning_state == "Succeeded"
        assert await judge.do(delete()) is None
        assert await judge.do(delete()) is None
        assert (await judge.do(lambda client: client.virtual_machine_extensions.list(GROUP, "hpc-01", api_version=API))).value == []
        await judge.close()
    assert [e["exit"] for e in estate.log() if e["what"] == "handler" and e["do"] == "ends"] == [0, 100, 0]
    _same_as_kept("one extension", calls(estate))


async def test_the_story_of_a_scale_set(estate: Estate, no_proxy: pytest.MonkeyPatch) -> None:
    building.script(estate, "hpc/1", "ib", 100)
    async with serve(estate) as served:
        judge = Judge(served, no_proxy)
        model = {"properties": DRIVER}
        made = await judge.do(
            lambda client: client.virtual_machine_scale_set_extensions.begin_create_or_update(GROUP, "hpc", "ib", model, api_version=API).result()
        )
        assert made.properties.provisioning_state == "Succeeded"
        for ids in (["0"], ["1", "2"]):
            failed = await judge.do(
                lambda client, ids=ids: client.virtual_machine_scale_sets.begin_update_instances(GROUP, "hpc", {"instanceIds": ids}, api_version=API).result()
            )
        assert "Exit code: 100" in failed.error.message
        listed = await judge.do(lambda client: list(client.virtual_machine_scale_set_vms.list(GROUP, "hpc", api_version=API)))
        assert [vm.properties.latest_model_applied for vm in listed] == [True, True, False]
        assert [[e.properties.provisioning_state for e in vm.resources or ()] for vm in listed] == [["Succeeded"], ["Failed"], []]
        view = await judge.do(lambda client: client.virtual_machine_scale_sets.get_instance_view(GROUP, "hpc", api_version=API))
        assert [(s.code, s.count) for s in view.extensions[0].statuses_summary] == [("ProvisioningState/failed/100", 1), ("ProvisioningState/succeeded", 1)]
        gone = await judge.do(lambda client: client.virtual_machine_scale_set_extensions.begin_delete(GROUP, "hpc", "ib", api_version=API).result())
        assert gone is None
        await judge.close()
    _same_as_kept("a scale set", calls(estate))


async def test_what_the_sdk_reads_besides(estate: Estate, no_proxy: pytest.MonkeyPatch) -> None:
    async with serve(estate) as served:
        judge = Judge(served, no_proxy)
        vm = await judge.do(lambda client: client.virtual_machines.get(GROUP, "hpc-01", expand="instanceView"))
        assert vm.properties.security_profile.security_type == "Standard"  # its api-version is newer than 2025-11-01
        assert [s.code for s in vm.properties.instance_view.statuses] == ["ProvisioningState/succeeded", "PowerState/running"]
        sizes = await judge.do(lambda client: list(client.resource_skus.list(filter="location eq 'westeurope'")))
        rdma = {size.name for size in sizes if any(c.name == "RdmaEnabled" and c.value == "True" for c in size.capabilities)}
        assert len(sizes) == len(estate.azure.sizes)
        assert "Standard_HB120rs_v3" in rdma
        versions = await judge.do(
            lambda client: client.virtual_machine_extension_images.list_versions("westeurope", "Microsoft.HpcCompute", "InfiniBandDriverWindows")
        )
        assert [v.name for v in versions][-1] == "1.5.0.1"
        assert await judge.do(lambda client: client.virtual_machines.begin_restart(GROUP, "hpc-01").result()) is None
        await judge.close()


async def test_the_sdk_understands_what_is_refused(estate: Estate, no_proxy: pytest.MonkeyPatch) -> None:
    vm = next(iter(estate.azure.vms.values()))
    async with serve(estate) as served:
        judge = Judge(served, no_proxy)
        vm.power = "deallocated"
        off = await judge.do(put())
        assert (type(off), off.error.code, off.status_code) == (ResourceExistsError, "OperationNotAllowed", 409)  # so it calls every 409
        vm.power = "running"
        quotas.drain(estate.azure, "update", estate.clock.now(), resource=vm.id)
        throttled = await judge.do(put())
        assert (throttled.status_code, throttled.response.headers["Retry-After"], throttled.error.details[0].code) == (429, "15", "TooManyRequests")
        estate.azure.principals["edge"] = Principal(identity.object_id("edge"), actions=["*/read"])
        assert (await judge.do(put())).error.code == "AuthorizationFailed"
        estate.azure.principals.clear()
        estate.azure.faults.append(RequestFault("GET", drop="before"))
        with pytest.raises(Exception, match="Connection"):
            await judge.do(lambda client: client.virtual_machines.get(GROUP, "hpc-01"))
        await judge.close()


def _same_as_kept(story: str, found: list[str]) -> None:
    kept: dict[str, list[str]] = json.loads(KEPT.read_text(encoding="utf-8"))
    assert found == kept[story]
