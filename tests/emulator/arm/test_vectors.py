"""The table of requests and answers in `vectors.yaml`, against the emulated ARM; a client's own fake can be held to the same table.

A vector is a story: `given`, then `steps` of `send` (with `body`), `poll` (the last operation), `wait` (seconds), `get` (a VM's or set's
extension). Of a body only what stands here is compared; `~x` is a pattern, `absent` what must not be there.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.emulator.arm import building, identity, quotas
from reconciler.emulator.arm.model import Lock, Policy, Principal, RequestFault, Run
from tests.emulator.arm.azure import API, Azure, body

VECTORS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "vectors.yaml").read_text(encoding="utf-8"))
MARKS = {"rec", "spec", "doc", "mem", "meas", "assume"}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_vector(vector: dict[str, Any]) -> None:
    azure = _given(vector.get("given") or {})
    for number, step in enumerate(vector["steps"]):
        where = f"{vector['name']}, step {number + 1}"
        if "wait" in step:
            azure.wait(step["wait"])
        elif "do" in step:
            _do(azure, step)
        else:
            _ask(azure, step)
            _compare(azure, step, where)


def test_every_vector_is_marked_with_what_it_rests_on() -> None:
    assert [v["name"] for v in VECTORS if v["mark"] not in MARKS or not str(v["section"])] == []
    assert [name for name, n in Counter(v["name"] for v in VECTORS).items() if n > 1] == []


@pytest.mark.parametrize(
    "code",
    [
        *("MissingApiVersionParameter", "InvalidApiVersionParameter", "InvalidRequestContent", "InvalidParameter", "BadRequest", "AuthenticationFailed"),
        *("ExpiredAuthenticationToken", "AuthorizationFailed", "ResourceNotFound", "ResourceGroupNotFound", "ParentResourceNotFound", "ArtifactNotFound"),
        *("ArtifactVersionNotFound", "PropertyChangeNotAllowed", "OperationNotAllowed", "Conflict", "MissingSubscriptionRegistration"),
        *("VMExtensionProvisioningError", "VMExtensionHandlerNonTransientError", "VMExtensionProvisioningTimeout", "VMAgentStatusCommunicationError"),
        *("VMExtensionManagementInternalError", "OperationPreempted", "TooManyRequests", "ScopeLocked", "RequestDisallowedByPolicy", "SubscriptionNotFound"),
    ],
)
def test_every_error_of_the_facts_has_a_vector(code: str) -> None:
    assert any(code in str(step.get("expect", step)) for v in VECTORS for step in v["steps"]), code


def _given(given: dict[str, Any]) -> Azure:
    azure = Azure(given.get("size", "Standard_HB120rs_v3"), os=given.get("os", "Windows"), security=given.get("security", ""))
    if "set" in given:
        building.scale_set(azure.estate, "hpc", size="Standard_HB120rs_v3", **given["set"])
    for one in given.get("installed", ()):
        building.extension(azure.estate, azure.vm, one["name"], one["publisher"], one["type"], one["version"], failed=one.get("failed", ""))
    for script in given.get("script", ()):
        runs = [Run(**run) if isinstance(run, dict) else Run(run) for run in script["runs"]]
        building.script(azure.estate, script.get("vm", "*"), script.get("extension", "*"), *runs)
    azure.vm.power = given.get("power", azure.vm.power)
    azure.vm.agent = given.get("agent", azure.vm.agent)
    for name, locations in (given.get("only_in") or {}).items():
        for size in (size for size in azure.cloud.sizes if name in size.name):
            size.locations = locations
        for image in (image for image in azure.cloud.images if name == image.type):
            image.locations = locations
    azure.cloud.retry_after = given.get("retry_after")
    azure.cloud.reboot_as = given.get("reboot_as", "succeeded")
    azure.cloud.subscriptions[azure.vm.id.split("/")[2]].registered = given.get("registered", True)
    azure.cloud.locks += [Lock(azure.vm.id.rpartition("/providers/")[0], level) for level in given.get("locks", ())]
    azure.cloud.policies += [Policy("approved-extensions", "/", **policy) for policy in given.get("policies", ())]
    if "may_not" in given:
        azure.cloud.principals["edge"] = Principal(identity.object_id("edge"), not_actions=given["may_not"])
    azure.cloud.faults += [RequestFault(**fault) for fault in given.get("faults", ())]
    return azure


def _do(azure: Azure, step: dict[str, Any]) -> None:
    """What happens beside the requests."""
    match step["do"]:
        case "no token":
            azure.token = None
        case "tokens expire":
            identity.expire(azure.cloud)
        case "remember":
            azure.remembered = azure.url
        case "the VM goes":
            del azure.cloud.vms[azure.vm.id.lower()]
        case "the quota is used up":
            quotas.drain(azure.cloud, step["group"], azure.estate.clock.now(), resource=azure.vm.id)
        case "the subscription's quota is used up":
            quotas.drain(azure.cloud, "update", azure.estate.clock.now(), subscription=azure.vm.id.split("/")[2], location="westeurope", debt=499)
        case "the image changes":
            building.change_image(next(iter(azure.cloud.sets.values())), step["image"])
        case other:
            raise AssertionError(other)


def _ask(azure: Azure, step: dict[str, Any]) -> None:
    if "poll" in step:
        azure.send("GET", (azure.remembered if step.get("which") else azure.url) + step.get("more", ""))
        return
    method, _, path = step["send"].partition(" ")
    sent = step.get("body")
    if isinstance(step.get("driver"), dict):
        sent = body(**step["driver"])
        if path.startswith("set"):
            sent.pop("location")
        sent |= step.get("top", {})
    azure.send(method, path, sent, api=step.get("api", API) or None)


def _compare(azure: Azure, step: dict[str, Any], where: str) -> None:
    expect = step.get("poll") or step.get("expect") or {}
    assert azure.status == expect.get("status", 200), f"{where}: {azure.status} {azure.answer}"
    for name, wanted in (expect.get("headers") or {}).items():
        _match(azure.headers.get(name, "absent"), wanted, f"{where}, header {name}")
    if "body" in expect:
        _match(azure.answer, expect["body"], where)
    if "error" in expect:
        found = azure.answer["error"]
        _match(found, expect["error"], where)
    if "runs" in expect:
        assert azure.runs() == expect["runs"], where
    if "log" in expect:
        assert [e["extension"] for e in azure.estate.log() if e["what"] == "handler" and e["do"] == "begins"] == expect["log"], where


def _match(found: Any, wanted: Any, where: str) -> None:
    if isinstance(wanted, dict):
        assert isinstance(found, dict), f"{where}: {found!r}"
        for name, part in wanted.items():
            if part == "absent":
                assert name not in found, f"{where}: {name} is there"
            else:
                assert name in found, f"{where}: no {name} in {found}"
                _match(found[name], part, f"{where}.{name}")
    elif isinstance(wanted, list):
        assert isinstance(found, list), f"{where}: {found!r}"
        assert len(found) == len(wanted), f"{where}: {found}"
        for number, (one, part) in enumerate(zip(found, wanted, strict=True)):
            _match(one, part, f"{where}[{number}]")
    elif isinstance(wanted, str) and wanted.startswith("~"):
        assert re.search(wanted[1:], str(found)), f"{where}: {found!r}"
    else:
        assert found == wanted, f"{where}: {found!r} is not {wanted!r}"
