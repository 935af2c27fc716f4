"""What Azure can answer to a run, each told with the resource, what it means and what to do; one VM's troubles are its own; secrets nowhere."""

from __future__ import annotations

import json
import logging
from collections import Counter

import pytest

from reconciler.core.snapshot import Snapshot
from reconciler.emulator.arm import building
from reconciler.emulator.arm.model import RequestFault, Run
from reconciler.engine.environment import Scope
from reconciler.engine.planfile import save
from reconciler.engine.planning import observe
from reconciler.kinds._azure_errors import ERRORS
from reconciler.secrets import Vault
from tests.engine.azurelab import DRIVER, IB, AzureLab, azure_lab
from tests.engine.lab import run, symbols

TEN = tuple(f"hpc-{number:02}" for number in range(1, 11))
SOON = 15.0  # seconds that a handler runs here
STORM = 12  # requests that are refused


def counts(lab: AzureLab) -> Counter[str]:
    """Requests by VM; polls of operations are told apart by the VM that they are logged under."""
    return Counter(name for r in lab.estate.log() if r["what"] == "arm" for name in TEN if f"/{name}" in r["path"])


def stormed(storm: bool) -> tuple[AzureLab, int, set[str]]:
    async def story() -> tuple[AzureLab, int, set[str]]:
        lab = azure_lab(names=TEN)
        lab.script(*(Run(0, SOON) for _ in TEN), vm="*")
        plan = await lab.plan()
        if storm:
            lab.estate.azure.faults.append(RequestFault(path="*/virtualmachines/hpc-04/*", status=429, retry_after=60, times=STORM))
        report = await lab.apply(plan)
        return lab, report.exit_code, {host.host for host in report.hosts if host.done}

    found: tuple[AzureLab, int, set[str]] = run(story)
    return found


def test_a_storm_of_429_on_one_vm_leaves_nine_others_as_they_were() -> None:
    calm, code, done = stormed(False)
    assert (code, done) == (0, set(TEN))
    lab, code, done = stormed(True)
    assert (code, done) == (0, set(TEN))  # the tenth too, once Azure lets it
    usual, spent = counts(calm), counts(lab)
    assert {name: count for name, count in spent.items() if name != "hpc-04"} == {name: count for name, count in usual.items() if name != "hpc-04"}
    assert spent["hpc-04"] == usual["hpc-04"] + STORM
    refused = [r for r in lab.estate.log() if r["what"] == "arm" and r["status"] == 429]
    assert {r["path"].partition("/extensions")[0].rpartition("/")[2] for r in refused} == {"hpc-04"}


# error code → HTTP status, of those that answer a write (azure-extensions 1.6; arm-contract [mem])
REFUSED = {
    "InvalidApiVersionParameter": 400,
    "InvalidRequestContent": 400,
    "InvalidParameter": 400,
    "BadRequest": 400,
    "AuthorizationFailed": 403,
    "RequestDisallowedByPolicy": 403,
    "ParentResourceNotFound": 404,
    "ResourceGroupNotFound": 404,
    "SubscriptionNotFound": 404,
    "ArtifactNotFound": 404,
    "ArtifactVersionNotFound": 404,
    "PropertyChangeNotAllowed": 409,
    "OperationNotAllowed": 409,
    "MissingSubscriptionRegistration": 409,
    "ScopeLocked": 409,
    "AuthenticationFailed": 401,
    "ExpiredAuthenticationToken": 401,
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_write_that_azure_refuses_is_told_with_the_resource_the_meaning_and_what_to_do(code: str) -> None:
    async def story() -> None:
        lab = azure_lab()
        plan = await lab.plan()
        times = 2 if REFUSED[code] == 401 else 1  # a token is replaced once
        lab.estate.azure.faults.append(RequestFault("PUT", status=REFUSED[code], code=code, message="as Azure says", times=times))
        report = await lab.apply(plan)
        assert report.exit_code != 0
        told = " ".join(f"{d.code} {d.message} {d.why} {d.help} {d.subject} {dict(d.details)}" for host in report.hosts for d in host.diagnostics)
        told += " ".join(f"{host.host} {host.unseen}" for host in report.hosts)
        ours, means, do = ERRORS[code]
        assert "hpc-01" in told
        assert "as Azure says" in told
        if REFUSED[code] != 401:  # said by the client, of the whole line
            assert IB in told
            assert ours in told
            assert means in told
            assert do in told
        else:
            assert code in told
        assert lab.runs_of() == []

    run(story)


@pytest.mark.parametrize("code", ["AuthorizationFailed", "SubscriptionNotFound", "ResourceGroupNotFound", "ResourceNotFound"])
def test_a_vm_that_azure_does_not_show_is_not_seen_and_nothing_is_written(code: str) -> None:
    async def story() -> None:
        lab = azure_lab()
        lab.estate.azure.faults.append(RequestFault("GET", status=403 if code == "AuthorizationFailed" else 404, code=code, message="as Azure says", times=9))
        plan = await lab.plan()
        (host,) = plan.hosts
        assert (plan.exit_code, host.steps, host.code) == (5, (), code)
        assert "virtualMachines/hpc-01" in host.why
        assert not [r for r in lab.estate.log() if r["what"] == "arm" and r["method"] != "GET"]

    run(story)


def test_a_vm_that_vanishes_between_plan_and_apply_is_no_absent_extension() -> None:
    async def story() -> None:
        lab = azure_lab()
        plan = await lab.plan()
        assert symbols(plan) == [f"+ {IB}"]
        del lab.estate.azure.vms[lab.vm().id.lower()]
        report = await lab.apply(plan)
        assert report.exit_code == 5
        assert not [r for r in lab.estate.log() if r["what"] == "arm" and r["method"] != "GET"]

    run(story)


# -- secrets

CANARY = "canary-7f3a-of-a-secret"
WHOLE = "canary-9d21-of-a-map"
SECRETS = (
    "AzureVmExtension/script: {driver: CustomScriptExtension, settings: {commandToExecute: hostname}, "
    "protectedSettings: {storageAccountName: plant, storageAccountKey: {env: KEY}}}\n"
    "AzureVmExtension/other: {publisher: Microsoft.Azure.Monitor, type: AzureMonitorWindowsAgent, version: 1.22, protectedSettings: {env: MAP}}"
)


@pytest.mark.parametrize("fails", [False, True], ids=["well", "echoed in an error"])
def test_secrets_of_extensions_are_nowhere_but_in_the_request(fails: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Logs at their most talkative, plans, saved plans, snapshots, tags, events, reports, the estate's own log."""
    caplog.set_level(logging.DEBUG)

    async def story() -> None:
        lab = azure_lab(SECRETS, secrets=Vault({"KEY": CANARY, "MAP": json.dumps({"key": WHOLE})}))
        if fails:
            lab.script(Run(5, SOON, says=f"cannot use {CANARY} nor {WHOLE}"))
        plan = await lab.plan()
        report = await lab.apply(plan)
        assert (report.exit_code != 0) == fails
        again = await lab.plan()
        seen = await observe(lab.desired, Scope(), lab.environment())
        shots = [json.dumps(shot.to_json()) for shot in seen.values() if isinstance(shot, Snapshot)]
        assert len(shots) == 1
        tags = [one.tags for one in lab.vm().extensions.values()]
        assert any("reconciler.spec" in (each or {}) for each in tags)
        said = [repr(plan), save(plan, lab.desired), repr(again), repr(report), repr(lab.events), *shots, repr(tags), caplog.text]
        log = [r for r in lab.estate.log() if r["what"] == "arm" and r["method"] == "PUT"]
        assert len(log) >= (1 if fails else 2)  # it was sent
        for text in (*said, repr(log)):
            assert CANARY not in text
            assert WHOLE not in text
        if not fails:
            assert symbols(again) == []

    run(story)


def test_a_secret_that_changed_is_told_without_its_value() -> None:
    async def story() -> None:
        lab = azure_lab(SECRETS, secrets=Vault({"KEY": CANARY, "MAP": json.dumps({"key": WHOLE})}))
        assert (await lab.apply()).exit_code == 0
        lab.secrets = Vault({"KEY": CANARY, "MAP": json.dumps({"key": WHOLE + "-2"})})
        plan = await lab.plan()
        assert symbols(plan) == ["~ AzureVmExtension/other"]
        assert WHOLE not in repr(plan)

    run(story)


def test_a_driver_that_others_put_there_is_not_ours_to_delete() -> None:
    async def story() -> None:
        lab = azure_lab(DRIVER)
        building.extension(lab.estate, lab.vm(), "ib", "Microsoft.HpcCompute", "InfiniBandDriverWindows", "1.5")
        lab.redeclare("{}")
        assert symbols(await lab.plan()) == []

    run(story)
