"""The client against answers written out: what each means to the engine, and where a token never goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.azure.connect import AzureConnections, Options
from reconciler.azure.errors import NoToken
from reconciler.azure.messages import Request, Response
from reconciler.azure.tokens import Source
from reconciler.core.calls import ArmCall, Plane, Secret
from reconciler.core.errors import ArmRefused, Throttled, Unreachable, WireError
from reconciler.core.resources import Azure, Connection, Host
from reconciler.core.transport import Target, Writer
from reconciler.secrets import Vault

AZURE = Azure("00000000-0000-0000-0000-000000000001", "plant", vm="hpc-01")
VM = {
    "id": f"/{AZURE.scope}",
    "name": "hpc-01",
    "type": "Microsoft.Compute/virtualMachines",
    "location": "westeurope",
    "properties": {"vmId": "4C4C4544-0042-3010-8051-B4C04F4B3132", "hardwareProfile": {"vmSize": "Standard_HB120rs_v3"}, "provisioningState": "Succeeded"},
    "resources": [{"properties": {"settings": {"sas": "sig=canary"}}}],
}
BASE = "https://management.azure.com"
STATUS = f"{BASE}/subscriptions/x/providers/Microsoft.Compute/locations/westeurope/operations/1?p=a%2Fb&api-version=2024-11-01&t=1&s=signed"
MINUTE = timedelta(minutes=1)
LIST = ArmCall("VirtualMachineExtensions_List", query={"$expand": "instanceView"})
SKUS = ArmCall("ResourceSkus_List", where={"name": "standard_hb120rs_v3"})
PUT = ArmCall(
    "VirtualMachineExtensions_CreateOrUpdate",
    {"vmExtensionName": "ib"},
    body={"location": "westeurope", "properties": {"publisher": "P", "protectedSettings": {"key": Secret("env", "KEY")}, "rerun": None}},
)


class Watch:
    """Time that stands still."""

    at = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    async def sleep_until(self, when: datetime) -> None:
        self.at = when


@dataclass
class Service:
    """Answers by what the request says: `answers` maps "METHOD part-of-the-address" to answers, the last of which stays."""

    answers: dict[str, list[Response | Exception]]
    seen: list[Request] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        self.seen.append(request)
        for said, answers in self.answers.items():
            method, part = said.split(" ", 1)
            if request.method == method and part in request.url:
                found = answers.pop(0) if len(answers) > 1 else answers[0]
                if isinstance(found, Exception):
                    raise found
                return found
        raise AssertionError(f"nobody expects {request.method} {request.url}")


def answer(status: int = 200, body: Any = None, **headers: str) -> Response:
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"" if body is None else json.dumps(body).encode())


def refused(status: int, code: str, message: str = "no", **headers: str) -> Response:
    return answer(status, {"error": {"code": code, "message": message}}, **headers)


@dataclass
class Given:
    token: str
    expires_on: int = 4_000_000_000


def credentials(*tokens: str) -> Callable[[str, Azure, object], Source]:
    """One credential that gives these, one after the other; the first in the order of those tried does not answer."""
    left = list(tokens)

    def make(word: str, azure: Azure, cloud: object) -> Source:
        if word == "environment":
            raise ValueError("AZURE_TENANT_ID is not set")

        def get(scope: str) -> Given:
            assert scope == f"{BASE}/.default"
            return Given(left.pop(0))

        return get

    return make


@asynccontextmanager
async def session(more: Mapping[str, list[Response | Exception]], *tokens: str, cache: Path | None = None, watch: Watch | None = None) -> Any:
    service = Service({**more, "GET /virtualMachines/hpc-01?": [answer(200, VM)]})
    reach = AzureConnections(Vault({"KEY": "canary-of-a-key"}), watch or Watch(), Options(service, credentials(*(tokens or ("one",))), cache))
    target = Target(Host("hpc-01", connection=Connection("none"), azure=AZURE), "edge", (), plane=Plane.ARM)
    async with reach(target) as opened:
        yield opened, service


async def start(writer: Writer) -> Any:
    return await writer.start("j1", "hpc-01/AzureVmExtension/ib", "put", (PUT,), key="k", epoch=1, deadline=MINUTE)


async def test_a_hello_is_one_request_and_keeps_nothing_of_other_extensions() -> None:
    async with session({}) as (opened, service):
        facts = opened.hello.facts
        assert (facts.azure.size, facts.azure.location, facts.uuid) == ("Standard_HB120rs_v3", "westeurope", "4c4c4544-0042-3010-8051-b4c04f4b3132")
        assert "canary" not in repr(opened.hello)
        (request,) = service.seen
        assert request.url == f"{BASE}/{AZURE.scope}?api-version=2024-11-01&$expand=instanceView"


@pytest.mark.parametrize(("status", "code"), [(404, "ResourceNotFound"), (404, "ResourceGroupNotFound"), (403, "AuthorizationFailed")])
async def test_a_machine_that_is_not_shown_is_refused_with_what_was_searched(status: int, code: str) -> None:
    with pytest.raises(ArmRefused) as caught:
        async with session({"GET /virtualMachines/hpc-01": [refused(status, code, "action 'Microsoft.Compute/virtualMachines/read' over scope")]}):
            pass
    assert caught.value.code == code
    assert AZURE.scope in str(caught.value)
    assert "virtualMachines/read" in str(caught.value)


async def test_an_error_to_one_question_leaves_the_others() -> None:
    versions = ArmCall("VirtualMachineExtensionImages_ListVersions", {"publisherName": "P", "type": "T"})
    nested = {
        "error": {
            "code": "DeploymentFailed",
            "message": "outer",
            "details": [{"code": "Conflict", "message": "m", "details": [{"code": "Inner", "message": "why"}]}],
        }
    }
    async with session({"GET /extensions?": [answer(200, {"value": [{"name": "a", "tags": {}}, {"name": "b"}]})], "GET /versions": [answer(404, nested)]}) as (
        opened,
        _,
    ):
        first, second = await opened.ask((LIST, versions), MINUTE)
    assert [row["name"] for row in first.objects] == ["a", "b"]
    assert second.error is not None
    assert (second.error.id, second.error.category, second.error.message) == ("Inner", "404", "why")


async def test_pages_are_followed_on_the_own_host_alone() -> None:
    pages = [answer(200, {"value": [{"name": "x"}], "nextLink": f"{BASE}/subscriptions/more?skus"}), answer(200, {"value": [{"name": "Standard_HB120rs_v3"}]})]
    async with session({"GET skus": list(pages)}) as (opened, service):
        (found,) = await opened.ask((SKUS,), MINUTE)
        assert [row["name"] for row in found.objects] == ["Standard_HB120rs_v3"]
        assert len(service.seen) == 3
    away = answer(200, {"value": [], "nextLink": "https://management.azure.com.evil.example/next"})
    async with session({"GET skus": [away]}) as (opened, service):
        with pytest.raises(WireError, match="outside"):
            await opened.ask((SKUS,), MINUTE)
        assert all(request.url.startswith(BASE + "/") for request in service.seen)


@pytest.mark.parametrize("elsewhere", ["https://evil.example/op", "http://management.azure.com/op", "https://management.azure.com:444/op", "https://[op"])
async def test_a_status_url_elsewhere_gets_no_token(elsewhere: str) -> None:
    async with session({"PUT /extensions/ib": [answer(201, {}, azure_asyncoperation=elsewhere)]}) as (opened, service):
        assert (await start(opened)).phase == "running"
        with pytest.raises(WireError):
            await opened.poll("j1")
        assert all(request.url.startswith(BASE + "/") for request in service.seen)


async def test_a_write_is_one_request_and_polled_by_one_at_its_own_url() -> None:
    ends: list[Response | Exception] = [
        answer(200, {"status": "InProgress"}),
        answer(200, {"status": "Odd"}, retry_after="7"),
        answer(200, {"status": "Succeeded"}),
    ]
    async with session({"PUT /extensions/ib": [answer(201, {}, azure_asyncoperation=STATUS)], "GET /operations/": ends}) as (opened, service):
        begun = await start(opened)
        assert (begun.phase, begun.pause) == ("running", None)
        (put,) = [request for request in service.seen if request.method == "PUT"]
        assert json.loads(put.body or b"") == {"location": "westeurope", "properties": {"publisher": "P", "protectedSettings": {"key": "canary-of-a-key"}}}
        assert "canary" not in put.url + repr(begun)
        assert [(job.phase, job.pause) for job in [await opened.poll("j1") for _ in range(3)]] == [("running", None), ("running", 7.0), ("done", None)]
        assert {request.url for request in service.seen[2:]} == {STATUS}
        await opened.ack("j1")
        assert (await opened.poll("j1")).phase == "lost"


async def test_an_operation_that_ends_failed_under_200_is_an_error() -> None:
    failed = {"status": "Failed", "error": {"code": "VMExtensionProvisioningError", "message": "Exit code: 100 canary-of-a-key"}}
    async with session({"PUT /extensions/ib": [answer(200, {}, azure_asyncoperation=STATUS)], "GET /operations/": [answer(200, failed)]}) as (opened, _):
        await start(opened)
        job = await opened.poll("j1")
    assert (job.phase, job.bad, job.answers[-1].error.id) == ("done", 1, "VMExtensionProvisioningError")
    assert job.answers[-1].error.message == "Exit code: 100 ***"


@pytest.mark.parametrize(
    ("got", "phase", "bad"),
    [
        (answer(200, {"name": "ib"}), "done", 0),
        (answer(204), "done", 0),
        (refused(409, "OperationNotAllowed", "the VM is not running"), "done", 1),
        (answer(202, None, location=STATUS), "running", 0),
        (answer(201, {}, azure_asyncoperation=STATUS, x_ms_ratelimit_remaining_resource="A/UpdateVMResource;2,A/Sub;1499"), "running", 0),
    ],
)
async def test_what_a_write_is_answered(got: Response, phase: str, bad: int) -> None:
    async with session({"PUT /extensions/ib": [got]}) as (opened, _):
        job = await start(opened)
    assert (job.phase, job.bad, job.pause) == (phase, bad, 30.0 if "UpdateVM" in repr(got) else None)


async def test_a_location_alone_is_polled_by_its_status_code() -> None:
    async with session({"PUT /extensions/ib": [answer(202, None, location=STATUS)], "GET /operations/": [answer(202), answer(200)]}) as (opened, _):
        await start(opened)
        assert [(await opened.poll("j1")).phase for _ in range(2)] == ["running", "done"]


@pytest.mark.parametrize(
    ("got", "seconds", "scope"),
    [
        (refused(429, "OperationNotAllowed", retry_after="1200"), 1200, "vm"),
        (refused(429, "TooManyRequests", x_ms_ratelimit_remaining_resource="A/UpdateVMSubscriptionMaximum;0,A/UpdateVMResource;4"), 60, "subscription"),
        (refused(429, "SubscriptionRequestsThrottled", retry_after="Tue, 24 Nov 2026 12:00:17 GMT"), 17, "subscription"),
    ],
)
async def test_too_many_requests_says_how_long_and_for_whom(got: Response, seconds: float, scope: str) -> None:
    async with session({"PUT /extensions/ib": [got]}) as (opened, service):
        with pytest.raises(Throttled) as caught:
            await start(opened)
        assert len(service.seen) == 2  # hello, and one that was refused: nothing tries again by itself
    assert (caught.value.seconds, caught.value.scope) == (seconds, scope)


async def test_a_write_whose_answer_is_lost_may_have_been_carried_out() -> None:
    for lost in (answer(503), Unreachable("broke", sent=True)):
        async with session({"PUT /extensions/ib": [lost]}) as (opened, _):
            with pytest.raises(Unreachable) as caught:
                await start(opened)
        assert caught.value.sent
    async with session({"GET /extensions?": [answer(500)]}) as (opened, _):
        with pytest.raises(Unreachable) as caught:
            await opened.ask((LIST,), MINUTE)
    assert not caught.value.sent


async def test_a_refused_token_is_replaced_once() -> None:
    expired = refused(401, "ExpiredAuthenticationToken")
    async with session({"GET /extensions?": [expired, answer(200, {"value": []})]}, "one", "two") as (opened, service):
        await opened.ask((LIST,), MINUTE)
        assert [request.headers["Authorization"] for request in service.seen] == ["Bearer one", "Bearer one", "Bearer two"]
    async with session({"GET /extensions?": [expired]}, "one", "two") as (opened, service):
        with pytest.raises(ArmRefused, match="twice"):
            await opened.ask((LIST,), MINUTE)
        assert len(service.seen) == 3


async def test_without_any_credential_each_says_why() -> None:
    def none(word: str, azure: Azure, cloud: object) -> Source:
        raise ValueError(f"no {word} here\nand more")

    reach = AzureConnections(Vault(), Watch(), Options(Service({}), none))
    with pytest.raises(NoToken) as caught:
        async with reach(Target(Host("hpc-01", azure=AZURE), "edge", (), plane=Plane.ARM)):
            pass
    assert all(f"{word}: no {word} here" in str(caught.value) for word in ("environment", "workloadIdentity", "managedIdentity", "cli"))


async def test_what_holds_for_a_day_is_asked_once_by_all_and_remembered(tmp_path: Path) -> None:
    watch = Watch()
    sizes = answer(200, {"value": [{"name": "Standard_HB120rs_v3"}]})
    async with session({"GET skus": [sizes]}, cache=tmp_path, watch=watch) as (opened, service):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(opened.ask, (SKUS,), MINUTE)
        assert len(service.seen) == 2
    async with session({"GET skus": [AssertionError("asked again")]}, cache=tmp_path, watch=watch) as (opened, _):
        (found,) = await opened.ask((SKUS,), MINUTE)
        assert (len(found.objects), found.info) == (1, "as of 2026-11-24 12:00 UTC")
    watch.at += timedelta(days=1)
    async with session({"GET skus": [sizes]}, cache=tmp_path, watch=watch) as (opened, service):
        await opened.ask((SKUS,), MINUTE)
        assert len(service.seen) == 2
    (file,) = tmp_path.iterdir()
    file.write_text("{", encoding="utf-8")
    async with session({"GET skus": [sizes]}, cache=tmp_path, watch=watch) as (opened, service):
        await opened.ask((SKUS,), MINUTE)
        assert len(service.seen) == 2
