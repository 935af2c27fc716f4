"""Our client by azure-core and azure-identity over TLS: what it sends is what azure-mgmt-compute sends, request by request, but for headers.

`tests/interop/azure_calls.json` has what the SDK sent (`make interop` holds it to that). Named differences: we greet with the VM first; after a
write to a scale set's model we look at the list of its extensions, which the next look asks anyway, where the SDK gets the one; how often
operations are polled is the engine's business. What the engine adds to the bodies is the last test's.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.azure.checkup import AzureCheckup
from reconciler.azure.connect import AzureConnections
from reconciler.azure.errors import NoToken, Untrusted
from reconciler.azure.role import Needs
from reconciler.core.calls import ArmCall, Plane, Secret
from reconciler.core.checkup import State
from reconciler.core.errors import Unreachable
from reconciler.core.resources import Azure, Connection, Host
from reconciler.core.transport import Job, Target, Writer
from reconciler.emulator.arm import building
from reconciler.emulator.arm.endpoint import Endpoint, serve
from reconciler.emulator.arm.model import SUBSCRIPTION, RequestFault
from reconciler.emulator.estate import Estate
from reconciler.secrets import Vault
from tests.emulator.arm.azure import DRIVER, body
from tests.emulator.arm.calls import calls
from tests.engine.azurelab import azure_lab
from tests.engine.lab import run, symbols

KEPT: dict[str, list[str]] = json.loads((Path(__file__).parents[1] / "interop" / "azure_calls.json").read_text(encoding="utf-8"))
MINUTE = timedelta(minutes=1)
CANARY = "canary-of-a-key-51c0"
TOKEN, SIGNATURE = "eyJ0eXAi", "&s="  # how every token begins, and the signed part of a status URL
NAME = {"vmExtensionName": "ib"}
LIST = ArmCall("VirtualMachineExtensions_List", query={"$expand": "instanceView"})
GET = ArmCall("VirtualMachineExtensions_Get", NAME)
DELETE = ArmCall("VirtualMachineExtensions_Delete", NAME)


@dataclass
class Line:
    """A session over TLS, and what the emulated Azure was asked in it."""

    writer: Writer
    estate: Estate
    begun: int

    async def write(self, call: ArmCall) -> Job:
        job = await self.writer.start("j", "hpc-01/AzureVmExtension/ib", "put", (call,), key="k", epoch=1, deadline=MINUTE)
        while job.active:
            job = await self.writer.poll("j")
        return job

    async def ask(self, call: ArmCall) -> list[Any]:
        (answer,) = await self.writer.ask((call,), MINUTE)
        assert answer.error is None
        return list(answer.objects)

    @property
    def sent(self) -> list[str]:
        return calls(self.estate, since=self.begun)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@asynccontextmanager
async def line(environment: pytest.MonkeyPatch, *runs: int, trusted: bool = True, scale_set: str = "") -> AsyncIterator[tuple[Line, Endpoint]]:
    estate = Estate.new()
    building.vm(estate, "hpc-01", size="Standard_HB120rs_v3")
    building.scale_set(estate, "hpc", 3, size="Standard_HB120rs_v3")
    building.script(estate, "hpc-01", "ib", *runs)
    building.script(estate, "hpc/1", "ib", 100)
    async with serve(estate) as served:
        for name, value in served.environment.items():
            if trusted or name != "REQUESTS_CA_BUNDLE":
                environment.setenv(name, value)
        azure = Azure(SUBSCRIPTION, building.GROUP, cloud=served.url, credential="managedIdentity", vm="" if scale_set else "hpc-01", scale_set=scale_set)
        reach = AzureConnections(Vault({"KEY": CANARY}), estate.clock)
        try:
            async with reach(Target(Host("hpc-01", connection=Connection("none"), azure=azure), "edge", (), plane=Plane.ARM)) as writer:
                yield Line(writer, estate, len(estate.records)), served
        finally:
            reach.close()


def put(**more: Any) -> ArmCall:
    return ArmCall("VirtualMachineExtensions_CreateOrUpdate", NAME, body=body(**more))


async def test_one_extension_is_kept_by_the_requests_of_azure_mgmt_compute(environment: pytest.MonkeyPatch) -> None:
    async with line(environment, 0, 100, 0) as (here, _):
        for _ in range(2):  # made, and the same again
            assert (await here.write(put())).bad == 0
            assert [row["properties"]["provisioningState"] for row in await here.ask(GET)] == ["Succeeded"]
        assert len(await here.ask(LIST)) == 1
        failed = await here.write(put(forceUpdateTag="2"))
        assert failed.answers[-1].error is not None
        assert "Exit code: 100" in failed.answers[-1].error.message
        assert (await here.write(put(forceUpdateTag="3"))).bad == 0
        await here.ask(GET)
        for _ in range(2):
            assert (await here.write(DELETE)).bad == 0
        assert await here.ask(LIST) == []
        assert here.sent == KEPT["one extension"]


async def test_a_scale_set_is_kept_by_the_requests_of_azure_mgmt_compute(environment: pytest.MonkeyPatch) -> None:
    named = {"vmssExtensionName": "ib"}
    async with line(environment, scale_set="hpc") as (here, _):
        assert (await here.write(ArmCall("VirtualMachineScaleSetExtensions_CreateOrUpdate", named, body={"properties": DRIVER}))).bad == 0
        upgraded = [await here.write(ArmCall("VirtualMachineScaleSets_UpdateInstances", body={"instanceIds": ids})) for ids in (["0"], ["1", "2"])]
        assert [job.bad for job in upgraded] == [0, 1]
        assert [row["properties"]["latestModelApplied"] for row in await here.ask(ArmCall("VirtualMachineScaleSetVMs_List"))] == [True, True, False]
        await here.ask(ArmCall("VirtualMachineScaleSets_GetInstanceView"))
        assert (await here.write(ArmCall("VirtualMachineScaleSetExtensions_Delete", named))).bad == 0
        looked = "GET virtualMachineScaleSets/hpc/extensions/ib 2024-11-01 200"
        assert here.sent == [sent for sent in KEPT["a scale set"] if sent != looked]


async def test_a_certificate_that_nobody_knows_is_refused_before_anything_is_sent(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(Untrusted, match="REQUESTS_CA_BUNDLE"):
        async with line(environment, trusted=False):
            pass


async def test_a_line_that_breaks_says_whether_the_write_may_have_been_carried_out(environment: pytest.MonkeyPatch) -> None:
    async with line(environment, 0) as (here, served):
        for drop in ("before", "after"):
            here.estate.azure.faults.append(RequestFault("PUT", drop=drop))
            with pytest.raises(Unreachable) as broken:
                await here.write(put())
            assert broken.value.sent
        await served.close()
        with pytest.raises(Unreachable) as gone:
            await here.write(put())
        assert not gone.value.sent


async def test_no_log_has_a_secret_a_token_or_a_status_url(environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """At the most talkative that anybody can set, the libraries below us included."""
    caplog.set_level(logging.DEBUG)
    async with line(environment, 0) as (here, _):
        assert (await here.write(put(protectedSettings={"key": Secret("env", "KEY")}))).bad == 0
        assert [sent.rpartition(" ")[0] for sent in here.sent if "operations" in sent]  # a signed URL was asked
    assert not [word for word in (CANARY, TOKEN, SIGNATURE) if word in caplog.text]


async def test_the_doctor_looks_over_the_same_line(environment: pytest.MonkeyPatch) -> None:
    async with line(environment) as (here, served):
        azure = Azure(SUBSCRIPTION, building.GROUP, scale_set="hpc", cloud=served.url, credential="managedIdentity")
        reach = AzureConnections(Vault(), here.estate.clock)
        try:
            found = await AzureCheckup(reach, lambda host: Needs(("Microsoft.Compute/x/read",)))(Host("hpc", connection=Connection("none"), azure=azure))
        finally:
            reach.close()
        assert [(one.name, one.state) for one in found] == [(name, State.OK) for name in ("credential", "azure", "scale set", "rights")]
        assert found[0].text.startswith("managedIdentity, as ")
        assert found[2].text == "Standard_HB120rs_v3 in westeurope, 3 instances, Uniform, upgrades Manual"


async def test_an_identity_that_is_not_there_is_told_by_its_word(environment: pytest.MonkeyPatch) -> None:
    async with line(environment) as (_, served):
        environment.setenv("IDENTITY_ENDPOINT", f"{served.metadata}/nothing")
        azure = Azure(SUBSCRIPTION, building.GROUP, vm="hpc-01", cloud=served.url, credential="managedIdentity")
        reach = AzureConnections(Vault(), served.estate.clock)
        with pytest.raises(NoToken, match="managedIdentity: "):
            await reach.tokens(azure).bearer()


def test_what_the_engine_sends_differs_from_that_by_contract_alone() -> None:
    """The record's three tags in every body, `settings` always, our spelling of forceUpdateTag; no request for a no-op, one delete."""

    async def story() -> None:
        lab = azure_lab("AzureVmExtension/ib: {driver: InfiniBandDriverWindows, version: 1.2}")
        lab.script(240, 0)
        assert (await lab.apply()).exit_code == 0
        assert symbols(await lab.plan()) == []
        lab.redeclare("{}")
        assert (await lab.apply()).exit_code == 0
        sent = [record for record in lab.estate.log() if record["what"] == "arm" and record["method"] != "GET"]
        assert [(one["method"], one["api"], one["path"].rpartition("/")[2]) for one in sent] == [
            (what, "2024-11-01", "ib") for what in ("PUT", "PUT", "DELETE")
        ]
        first, again = (one["body"] for one in sent[:2])
        assert first == body() | {"tags": first["tags"], "properties": DRIVER | {"settings": {}}}
        assert again == first | {"properties": first["properties"] | {"forceUpdateTag": ":1"}}
        assert set(first["tags"]) == {"reconciler.id", "reconciler.spec", "reconciler.run"}

    run(story)
