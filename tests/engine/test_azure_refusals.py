"""What Azure, or a person with it, puts in the way of a run, end to end: a later write, a lock, a policy, an install that a restart broke off."""

from __future__ import annotations

import json

import pytest

from reconciler.emulator.arm.model import SUBSCRIPTION, Lock, Policy, Run
from reconciler.emulator.arm.transport import Transport
from reconciler.emulator.controller import Exchange, Point
from reconciler.engine.events import Happening, RunReport
from tests.engine.azurelab import DRIVER, IB, AzureLab, azure_lab, both_planes
from tests.engine.lab import run, symbols

ASKED = DRIVER.replace("}", ", restart: when-asked}")
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-hpc"
ARM = "https://management.azure.com"


def told(report: RunReport) -> dict[str, str]:
    (diagnostic,) = report.hosts[0].diagnostics
    return {"code": diagnostic.code, "subject": diagnostic.subject, **dict(diagnostic.details)}


def writes(lab: AzureLab) -> list[tuple[str, str, int]]:
    taken = (r for r in lab.estate.log() if r["what"] == "arm" and r["method"] != "GET")
    return [(r["method"], r["path"].rpartition("/")[2], r["status"]) for r in taken]


def write_by_others(lab: AzureLab, settings: dict[str, str]) -> None:
    """Somebody else's write of the same extension, with a tool that knows nothing of our tags."""
    transport = Transport(lab.estate)
    properties = {"publisher": "Microsoft.HpcCompute", "type": "InfiniBandDriverWindows", "typeHandlerVersion": "1.5", "settings": settings}
    body = json.dumps({"location": "westeurope", "properties": properties}).encode()
    headers = {"Authorization": f"Bearer {transport.token('cli', ARM)}", "Content-Type": "application/json"}
    status, _, said = transport.send("PUT", f"{ARM}{lab.vm().id}/extensions/ib?api-version=2024-11-01", headers, body)
    assert status in (200, 201), said


def test_a_later_write_of_others_ends_ours_and_is_not_written_over() -> None:
    lab = azure_lab(DRIVER.replace("}", ", settings: {level: ours}}"))
    others: list[dict[str, str]] = [{"level": "theirs"}]

    def cut(exchange: Exchange, point: Point) -> None:
        if "/operations/" in exchange.what and point is Point.BEFORE and others:
            write_by_others(lab, others.pop())

    lab.cut = cut
    report = run(lab.apply)
    found = told(report)
    assert (report.exit_code, found["code"], found["error id"]) == (1, "AZR125", "OperationPreempted")
    assert (found["subject"], "reconciler.run" in found["next"]) == (f"hpc-01/{IB}", True)
    assert writes(lab) == [("PUT", "ib", 201), ("PUT", "ib", 200)]  # ours, theirs, and none after it
    made = lab.extension()
    assert made is not None
    assert made.properties["settings"] == {"level": "theirs"}
    plan = run(lab.plan)
    assert symbols(plan) == [f"… {IB}"]
    assert run(lambda: lab.apply(plan)).exit_code == 0  # another plan, asked for by a person: it waits for their work, then declares its own
    assert made.properties["settings"] == {"level": "ours"}
    assert run(lab.plan).exit_code == 0


@pytest.mark.parametrize("level", ["ReadOnly", "CanNotDelete"])
def test_a_lock_is_named_and_keeps_only_what_it_forbids(level: str) -> None:
    async def story() -> None:
        lab = azure_lab()
        lab.estate.azure.locks.append(Lock(f"{GROUP}", level))
        report = await lab.apply()
        if level == "CanNotDelete":
            assert report.exit_code == 0
            lab.redeclare("{}")
            report = await lab.apply()
        found = told(report)
        assert (report.exit_code, found["code"], found["error id"]) == (1, "AZR127", "ScopeLocked")
        assert GROUP in found["Azure says"]
        assert [status for *_, status in writes(lab)][-1] == 409
        assert len(writes(lab)) == (1 if level == "ReadOnly" else 2)  # refused once, not tried again
        lab.estate.azure.locks.clear()
        assert (await lab.apply()).exit_code == 0
        assert (await lab.plan()).exit_code == 0

    run(story)


def test_a_policy_that_forbids_an_extension_is_named_and_the_others_are_made() -> None:
    async def story() -> None:
        lab = azure_lab(DRIVER + "\nAzureVmExtension/script: {driver: CustomScriptExtension, settings: {commandToExecute: hostname}}")
        lab.estate.azure.policies.append(Policy("no-drivers", GROUP, ["Microsoft.HpcCompute.*"]))
        report = await lab.apply()
        found = told(report)
        assert (report.exit_code, found["code"], found["error id"]) == (1, "AZR128", "RequestDisallowedByPolicy")
        assert "no-drivers" in found["Azure says"]
        assert (lab.extension(), lab.runs_of("script")) == (None, [0])
        lab.estate.azure.policies.clear()
        plan = await lab.plan()
        assert symbols(plan) == [f"+ {IB}"]
        assert (await lab.apply(plan)).exit_code == 0

    run(story)


@pytest.mark.parametrize("code", [-50, -51, -59])
def test_an_install_that_a_pending_restart_broke_off_gets_one_and_goes_on_by_itself(code: int) -> None:
    async def story() -> None:
        lab = azure_lab(ASKED)
        lab.script(Run(code))
        report = await lab.apply()
        assert (report.exit_code, report.hosts[0].reboots) == (0, 1), report
        assert [name for _, name, _ in writes(lab)].count("restart") == 1
        made = lab.extension()
        assert made is not None
        assert (made.runs, made.exit, made.state) == (2, 0, "Succeeded")  # it went on, and one more run took Failed off it
        plan = await lab.plan()
        assert (symbols(plan), plan.exit_code, plan.summary.reboots) == ([], 0, 0)

    run(story)


def test_an_install_that_was_broken_off_waits_where_nobody_allowed_a_restart() -> None:
    async def story() -> None:
        lab = azure_lab()
        lab.script(Run(-51))
        report = await lab.apply()
        assert (report.hosts[0].reboots, [name for _, name, _ in writes(lab)]) == (0, ["ib"])
        plan = await lab.plan()
        assert "AZR301" in [d.code for d in plan.diagnostics]

    run(story)


def test_an_install_that_was_broken_off_goes_on_with_the_hosts_own_restart() -> None:
    async def story() -> None:
        lab = both_planes("WindowsFeature/Hyper-V: {}\n" + ASKED)
        lab.script(Run(-51))
        report = await lab.apply()
        assert (report.exit_code, report.hosts[0].reboots) == (0, 1), report
        assert [name for _, name, _ in writes(lab)] == ["ib", "ib"]  # no restart through Azure beside it
        assert (await lab.plan()).exit_code == 0

    run(story)


@pytest.mark.parametrize("asked", [DRIVER, ASKED], ids=["never", "when-asked"])
def test_what_azure_does_is_done_where_the_host_is_silent(asked: str) -> None:
    async def story() -> None:
        lab = both_planes("WindowsFeature/Web-Server: {}\n" + asked)
        lab.script(Run(3010))
        machine = lab.estate.machine("hpc-01")
        address, machine.uplink = machine.uplink, "192.0.2.1"  # no adapter of it is up: nobody gets through
        plan = await lab.plan()
        assert (symbols(plan), plan.exit_code) == (["? WindowsFeature/Web-Server", f"+ {IB}"], 5)
        report = await lab.apply(plan)
        (host,) = report.hosts
        assert (report.exit_code, [id.local for id in host.done], host.reboots) == (5, [IB], 0)
        assert "Web-Server" in host.unseen
        assert Happening.UNLEASED in [event.what for event in lab.events]
        assert Happening.LEASED not in [event.what for event in lab.events]
        assert [name for _, name, _ in writes(lab)] == ["ib"]
        machine.uplink = address
        assert (await lab.apply()).exit_code == 0
        assert (await lab.plan()).exit_code == 0

    run(story)
