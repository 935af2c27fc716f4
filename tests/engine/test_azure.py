"""Extensions of Azure VMs with the real engine and client against the emulated Azure: every scenario that the product promises."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import partial

import pytest

from reconciler.core.kinds import Disruption
from reconciler.core.plan import Plan, Step
from reconciler.emulator.arm import building, quotas
from reconciler.emulator.arm.model import SUBSCRIPTION, RequestFault, Run
from reconciler.engine.environment import Limits
from reconciler.engine.events import Happening, RunReport
from reconciler.engine.planfile import load, save
from reconciler.secrets import Vault
from tests.engine.azurelab import DRIVER, IB, AzureLab, azure_lab, both_planes
from tests.engine.lab import run, symbols

SCRIPT = "AzureVmExtension/script: {driver: CustomScriptExtension, settings: {commandToExecute: hostname, timestamp: 3}}"
ASKED = DRIVER.replace("}", ", restart: when-asked}")


def only(plan: Plan) -> Step:
    (step,) = [step for step in plan.steps() if step.n]
    return step


def details(report: RunReport) -> dict[str, str]:
    (diagnostic,) = report.hosts[0].diagnostics
    return {"code": diagnostic.code, **dict(diagnostic.details)}


def writes(lab: AzureLab) -> list[tuple[str, str]]:
    """Requests that changed something, by the estate's own log."""
    return [(r["method"], r["path"].rpartition("/")[2]) for r in lab.estate.log() if r["what"] == "arm" and r["method"] != "GET"]


def test_an_extension_is_made_once_and_then_left_alone() -> None:
    async def story() -> None:
        lab = azure_lab()
        plan = await lab.plan()
        assert (symbols(plan), plan.exit_code) == ([f"+ {IB}"], 2)
        assert (await lab.apply(plan)).exit_code == 0
        made = lab.extension()
        assert made is not None
        assert made.properties == {
            "publisher": "Microsoft.HpcCompute",
            "type": "InfiniBandDriverWindows",
            "typeHandlerVersion": "1.5",
            "autoUpgradeMinorVersion": True,
            "enableAutomaticUpgrade": False,
            "settings": {},
        }
        assert made.tags is not None
        assert (made.tags["reconciler.id"], made.tags["reconciler.run"]) == (f"edge/hpc-01/{IB}", "r-0001")
        assert lab.events[0].what is Happening.UNLEASED
        again = await lab.plan()
        assert (symbols(again), again.exit_code) == ([], 0)
        assert lab.runs_of() == [0]

    run(story)


def test_another_version_is_an_update_and_tags_of_others_stay() -> None:
    async def story() -> None:
        lab = azure_lab("AzureVmExtension/ib: {driver: InfiniBandDriverWindows, version: 1.2}")
        await lab.apply()
        made = lab.extension()
        assert made is not None
        assert made.tags is not None
        made.tags["costCentre"] = "4711"
        lab.redeclare(DRIVER)
        plan = await lab.plan()
        assert symbols(plan) == [f"~ {IB}"]
        assert [(c.path, str(c.before), str(c.after), c.cause.value) for c in only(plan).changes] == [("version", "1.2", "1.5", "change")]
        assert (await lab.apply(plan)).exit_code == 0
        assert made.properties["typeHandlerVersion"] == "1.5"
        assert made.tags["costCentre"] == "4711"
        assert (await lab.plan()).exit_code == 0

    run(story)


def test_a_difference_that_nobody_declared_is_drift() -> None:
    async def story() -> None:
        lab = azure_lab(SCRIPT)
        await lab.apply()
        made = lab.extension("script")
        assert made is not None
        made.properties["settings"] = {"commandToExecute": "whoami"}
        plan = await lab.plan()
        assert [(c.path, c.cause.value) for c in only(plan).changes] == [("settings", "drift")]
        assert (await lab.apply(plan)).exit_code == 0
        assert made.properties["settings"] == {"commandToExecute": "hostname", "timestamp": 3}

    run(story)


def test_a_failure_that_would_come_again_is_told_and_not_repeated() -> None:
    async def story() -> None:
        lab = azure_lab()
        lab.script(100, 0)
        report = await lab.apply()
        assert report.exit_code == 1
        told = details(report)
        assert told["code"] == "AZR100"
        assert "exit code 100" in told["means"]
        assert "Exit code: 100" in told["Azure says"]
        assert lab.runs_of() == [100]
        plan = await lab.plan()  # by another plan it may be tried again: a person mended something
        assert (symbols(plan), [c.path for c in only(plan).changes]) == ([f"> {IB}"], ["installed"])
        assert (await lab.apply(plan)).exit_code == 0
        made = lab.extension()
        assert made is not None
        assert (made.properties["forceUpdateTag"], lab.runs_of()) == (":1", [100, 0])
        assert (await lab.plan()).exit_code == 0

    run(story)


def test_a_size_without_the_device_is_refused_before_anything_is_tried() -> None:
    async def story() -> None:
        plan = await azure_lab(size="Standard_D4s_v5").plan()
        assert (symbols(plan), plan.exit_code) == ([f"! {IB}"], 4)
        block = only(plan).blocked
        assert block is not None
        assert (block.code, "Standard_D4s_v5 has no InfiniBand" in block.message) == ("AZR018", True)

    run(story)


@pytest.mark.parametrize("first", [240, 840, Run(via="agent"), Run(via="timeout"), Run(via="internal")], ids=str)
def test_what_ran_out_of_time_is_run_again_with_another_tag_in_the_same_apply(first: int | Run) -> None:
    async def story() -> None:
        lab = azure_lab()
        lab.script(first, 0)
        report = await lab.apply()
        assert (report.exit_code, report.hosts[0].rounds) == (0, 2)
        made = lab.extension()
        assert made is not None
        assert (made.properties["forceUpdateTag"], made.runs, made.state) == (":1", 2, "Succeeded")
        assert (await lab.plan()).exit_code == 0

    run(story)


def test_it_is_run_again_twice_and_no_more() -> None:
    async def story() -> None:
        lab = azure_lab()
        lab.script(240, 240, 240, 0)
        report = await lab.apply()
        assert (report.exit_code, report.hosts[0].rounds, lab.runs_of()) == (1, 3, [240, 240, 240])
        assert details(report)["code"] == "AZR103"

    run(story)


def test_another_rerun_begins_to_count_anew() -> None:
    async def story() -> None:
        lab = azure_lab()
        lab.script(240, 0)
        await lab.apply()
        lab.redeclare(DRIVER.replace("}", ", rerun: v2}"))
        plan = await lab.plan()
        assert (symbols(plan), [(c.path, c.before, c.after) for c in only(plan).changes]) == ([f"> {IB}"], [("rerun", None, "v2")])
        assert (await lab.apply(plan)).exit_code == 0
        made = lab.extension()
        assert made is not None
        assert (made.properties["forceUpdateTag"], lab.runs_of()) == ("v2:0", [240, 0, 0])
        assert (await lab.plan()).exit_code == 0

    run(story)


# -- restarts


def test_a_driver_that_asks_for_a_restart_gets_one_through_azure_and_never_another() -> None:
    async def story() -> None:
        lab = azure_lab(ASKED)
        lab.script(3010)
        report = await lab.apply()
        assert (report.exit_code, report.hosts[0].reboots) == (0, 1)
        assert [path for _, path in writes(lab)] == ["ib", "restart", "ib"]
        for _ in range(2):  # the status stays 3010 for ever
            plan = await lab.plan()
            assert (symbols(plan), plan.exit_code, plan.summary.reboots) == ([], 0, 0)
        assert lab.runs_of() == [3010]

    run(story)


def test_a_restart_that_nobody_allowed_is_a_warning() -> None:
    async def story() -> None:
        lab = azure_lab()
        lab.script(3010)
        report = await lab.apply()
        assert (report.exit_code, report.hosts[0].reboots) == (0, 0)
        plan = await lab.plan()
        assert (plan.exit_code, [d.code for d in plan.diagnostics]) == (0, ["AZR301"])

    run(story)


@pytest.mark.parametrize("shown", ["succeeded", "failed"])
def test_3010_counts_as_done_however_azure_shows_it(shown: str) -> None:
    async def story() -> None:
        lab = azure_lab(ASKED)
        lab.estate.azure.reboot_as = shown
        lab.script(3010)
        report = await lab.apply()
        assert (report.exit_code, report.hosts[0].reboots, lab.runs_of()) == (0, 1, [3010])
        plan = await lab.plan()
        assert (symbols(plan), plan.exit_code) == ([], 0)

    run(story)


def test_one_restart_serves_the_role_and_the_driver() -> None:
    async def story() -> None:
        lab = both_planes("WindowsFeature/Hyper-V: {}\n" + ASKED)
        lab.script(3010)
        plan = await lab.plan()
        assert sorted(symbols(plan)) == ["+ AzureVmExtension/ib", "+ WindowsFeature/Hyper-V"]
        report = await lab.apply(plan)
        assert (report.exit_code, report.hosts[0].reboots, lab.runs_of()) == (0, 1, [3010])
        assert [path for _, path in writes(lab)] == ["ib"]  # the host's own restart settled it: nothing to note
        after = await lab.plan()
        assert (symbols(after), after.exit_code) == ([], 0)

    run(story)


# -- what is in the way


def test_extensions_of_a_stopped_vm_wait_and_nobody_starts_it() -> None:
    async def story() -> None:
        lab = azure_lab(DRIVER + "\n" + SCRIPT)
        building.power(lab.estate, lab.vm(), "deallocated")
        plan = await lab.plan()
        assert (symbols(plan), plan.exit_code) == ([f"» {IB}", "» AzureVmExtension/script"], 2)
        assert all(step.code == "AZR010" and "deallocated" in step.why for step in plan.steps())
        report = await lab.apply(plan)
        assert (report.exit_code, len(report.hosts[0].left), writes(lab), lab.vm().power) == (2, 2, [], "deallocated")
        building.power(lab.estate, lab.vm(), "running")
        assert (await lab.apply()).exit_code == 0

    run(story)


def test_taking_an_extension_on_or_off_record_waits_for_the_vm_too() -> None:
    async def story() -> None:
        lab = azure_lab()
        building.extension(lab.estate, lab.vm(), "ib", "Microsoft.HpcCompute", "InfiniBandDriverWindows", "1.5")
        assert (symbols(await lab.plan()), (await lab.plan()).exit_code) == ([f"= {IB}"], 0)
        building.power(lab.estate, lab.vm(), "stopped")
        plan = await lab.plan()
        assert (symbols(plan), plan.exit_code) == ([f"» {IB}"], 2)

    run(story)


def test_a_vm_that_stops_after_the_plan_was_made_is_left_alone() -> None:
    async def story() -> None:
        lab = azure_lab()
        plan = await lab.plan()
        building.power(lab.estate, lab.vm(), "stopped")
        report = await lab.apply(plan)
        assert (report.exit_code, report.hosts[0].stale, writes(lab)) == (2, (), [])

    run(story)


def test_a_failed_extension_of_others_stands_in_the_way_and_is_named() -> None:
    async def story() -> None:
        lab = azure_lab()
        building.extension(lab.estate, lab.vm(), "mde", "Microsoft.Azure.AzureDefenderForServers", "MDE.Windows", "1.0", failed="no way out")
        plan = await lab.plan()
        block = only(plan).blocked
        assert block is not None
        assert (block.code, "mde has failed" in block.message, plan.exit_code) == ("AZR013", True, 4)

    run(story)


def test_a_failed_extension_that_the_plan_mends_goes_first_and_blocks_nobody() -> None:
    async def story() -> None:
        lab = azure_lab(SCRIPT)
        lab.script(5, 0)
        assert (await lab.apply()).exit_code == 1
        lab.redeclare(DRIVER + "\n" + SCRIPT)
        plan = await lab.plan()
        assert symbols(plan) == ["> AzureVmExtension/script", f"+ {IB}"]
        assert (await lab.apply(plan)).exit_code == 0

    run(story)


def test_a_handler_under_another_name_is_named_and_adopted_under_it() -> None:
    async def story() -> None:
        lab = azure_lab()
        building.extension(lab.estate, lab.vm(), "InfiniBandDriverWindows", "Microsoft.HpcCompute", "InfiniBandDriverWindows", "1.5")
        block = only(await lab.plan()).blocked
        assert block is not None
        assert (block.code, block.next) == ("AZR012", "declare it as AzureVmExtension/InfiniBandDriverWindows: it is then adopted")
        lab.redeclare("AzureVmExtension/InfiniBandDriverWindows: {driver: InfiniBandDriverWindows}")
        plan = await lab.plan()
        assert (symbols(plan), plan.exit_code) == (["= AzureVmExtension/InfiniBandDriverWindows"], 0)
        assert (await lab.apply(plan)).exit_code == 0
        assert (lab.runs_of("InfiniBandDriverWindows"), [m for m, _ in writes(lab)]) == ([], ["PATCH"])
        assert symbols(await lab.plan()) == []

    run(story)


def test_another_publisher_is_a_replace_that_is_told_before() -> None:
    async def story() -> None:
        lab = azure_lab("AzureVmExtension/x: {publisher: Microsoft.Compute, type: CustomScriptExtension, version: 1.10}")
        await lab.apply()
        lab.redeclare("AzureVmExtension/x: {driver: InfiniBandDriverWindows}")
        plan = await lab.plan()
        assert (symbols(plan), only(plan).action_names) == (["-/+ AzureVmExtension/x"], ("delete", "put"))
        assert (await lab.apply(plan)).exit_code == 0
        made = lab.extension("x")
        assert made is not None
        assert made.type == "InfiniBandDriverWindows"
        assert [m for m, _ in writes(lab)] == ["PUT", "DELETE", "PUT"]

    run(story)


def test_what_is_declared_no_more_is_deleted_where_the_tags_say_that_it_is_ours() -> None:
    async def story() -> None:
        lab = azure_lab(DRIVER + "\n" + SCRIPT)
        building.extension(lab.estate, lab.vm(), "mde", "Microsoft.Azure.AzureDefenderForServers", "MDE.Windows", "1.0")
        await lab.apply()
        lab.redeclare("{}")
        plan = await lab.plan()
        assert sorted(symbols(plan)) == [f"- {IB}", "- AzureVmExtension/script"]
        assert (await lab.apply(plan)).exit_code == 0
        assert set(lab.vm().extensions) == {"mde"}
        assert (await lab.plan()).exit_code == 0

    run(story)


def test_a_vm_that_is_gone_is_not_seen_and_its_extensions_are_not_absent() -> None:
    async def story() -> None:
        lab = azure_lab()
        del lab.estate.azure.vms[lab.vm().id.lower()]
        plan = await lab.plan()
        (host,) = plan.hosts
        assert (plan.exit_code, host.steps, host.code) == (5, (), "ResourceNotFound")
        assert f"subscriptions/{SUBSCRIPTION}/resourceGroups/rg-hpc/providers/Microsoft.Compute/virtualMachines/hpc-01" in host.why

    run(story)


def test_azure_that_is_not_seen_darkens_its_own_and_nothing_else() -> None:
    async def story() -> None:
        lab = both_planes("WindowsFeature/Web-Server: {}\n" + DRIVER)
        del lab.estate.azure.vms[lab.vm().id.lower()]
        plan = await lab.plan()
        assert (symbols(plan), plan.exit_code) == (["+ WindowsFeature/Web-Server", f"? {IB}"], 5)
        assert (await lab.apply(plan)).exit_code == 5
        assert symbols(await lab.plan()) == [f"? {IB}"]

    run(story)


def test_two_machines_under_one_name_are_refused_on_both_planes() -> None:
    async def story() -> None:
        lab = both_planes(DRIVER)
        lab.vm().vm_id = "00000000-0000-4000-8000-000000000bad"
        plan = await lab.plan()
        assert (plan.hosts[0].sight.value, plan.hosts[0].code) == ("refused", "HST030")

    run(story)


def test_a_vm_that_somebody_else_works_on_is_waited_for() -> None:
    async def story() -> None:
        lab = azure_lab(DRIVER + "\n" + SCRIPT)
        other = AzureLab(lab.desired, lab.estate, by="operator2@ctl-02")
        plan = await other.plan(f"hpc-01/{IB}")
        await other.apply(plan, f"hpc-01/{IB}", stop_at=Happening.PROGRESS)
        waiting = await lab.plan()
        assert set(symbols(waiting)) == {f"… {IB}", "… AzureVmExtension/script"}
        assert "Creating" in next(iter(waiting.steps())).why
        assert (await lab.apply(waiting)).exit_code == 0
        assert lab.runs_of() == [0]
        assert symbols(await lab.plan()) == []

    run(story)


# -- quotas


def test_a_subscription_without_quota_is_written_to_by_nobody_until_it_says_so() -> None:
    async def story() -> None:
        lab = azure_lab(names=("hpc-01", "hpc-02", "hpc-03"))
        quotas.drain(lab.estate.azure, "update", lab.estate.clock.now(), subscription=SUBSCRIPTION, location="westeurope", debt=500)
        assert (await lab.apply()).exit_code == 0
        puts = [(r["status"], datetime.fromisoformat(r["at"])) for r in lab.estate.log() if r["what"] == "arm" and r["method"] == "PUT"]
        assert puts[0][0] == 429
        later = [at - puts[0][1] for _, at in puts if at != puts[0][1]]  # what was on its way already is refused like the first
        assert len(later) == 3
        assert min(later) >= timedelta(seconds=60)
        assert any(event.what is Happening.THROTTLED and event.text.startswith("the subscription's quota") and event.seconds for event in lab.events)

    run(story)


def test_a_loop_without_a_policy_repeats_no_run() -> None:
    async def story() -> None:
        lab = azure_lab()
        lab.script(100)
        await lab.apply()
        plan = await lab.plan(limits=Limits(max_disruption=Disruption.NONE, only_drift=True, destructive=False))
        assert (symbols(plan), plan.exit_code) == ([f"! {IB}"], 4)

    run(story)


def test_a_deallocated_vm_says_nothing_by_winrm_and_its_extensions_still_wait() -> None:
    async def story() -> None:
        lab = both_planes("WindowsFeature/Web-Server: {}\n" + DRIVER)
        building.power(lab.estate, lab.vm(), "deallocated")
        plan = await lab.plan()
        assert (symbols(plan), plan.exit_code) == (["? WindowsFeature/Web-Server", f"» {IB}"], 5)
        report = await lab.apply(plan)
        assert (report.exit_code, writes(lab)) == (5, [])  # what was not seen weighs more than what waits

    run(story)


def test_a_storm_of_429_on_one_vm_costs_the_others_not_one_request() -> None:
    names = tuple(f"hpc-{n:02}" for n in range(10))

    def asked(lab: AzureLab) -> dict[str, int]:
        found = Counter(r["host"] for r in lab.estate.log() if r["what"] == "arm")
        return {name: found[name] for name in names[1:]}

    async def story(*, storm: bool) -> tuple[dict[str, int], float]:
        lab = azure_lab(names=names)
        lab.script(*(Run(seconds=15.0) for _ in names))
        if storm:
            lab.estate.azure.faults.append(RequestFault(method="PUT", path="*/hpc-00/*", status=429, code="OperationNotAllowed", retry_after=300, times=3))
        report = await lab.apply()
        assert report.exit_code == 0
        return asked(lab), report.seconds

    calm, _ = run(partial(story, storm=False))
    hit, seconds = run(partial(story, storm=True))
    assert (hit, seconds > 900) == (calm, True)


def test_an_identity_that_may_not_write_is_told_the_action_and_nothing_is_tried_twice() -> None:
    async def story() -> None:
        lab = azure_lab()
        lab.estate.azure.faults.append(RequestFault(method="PUT", status=403, code="AuthorizationFailed", message="no action 'extensions/write'", times=9))
        report = await lab.apply()
        told = details(report)
        assert (report.exit_code, told["code"], told["error id"]) == (1, "AZR113", "AuthorizationFailed")
        assert "extensions/write" in told["Azure says"]
        assert len(writes(lab)) == 1

    run(story)


def test_a_secret_of_an_extension_stands_nowhere_but_in_the_request() -> None:
    async def story() -> None:
        canary = "Y2FuYXJ5LWtleQ"
        declared = "AzureVmExtension/s: {driver: CustomScriptExtension, protectedSettings: {storageAccountKey: {env: KEY}}}"
        lab = azure_lab(declared, secrets=Vault(environ={"KEY": canary}))
        plan = await lab.plan()
        report = await lab.apply(plan)
        assert report.exit_code == 0
        assert lab.vm().extensions["s"].protected
        told = save(plan, lab.desired) + repr(plan) + repr(report) + repr(lab.events) + repr(list(lab.estate.log())) + repr(lab.vm().extensions["s"].tags)
        assert canary not in told
        assert (await lab.plan()).exit_code == 0
        lab.secrets = Vault(environ={"KEY": "another"})
        changed = only(await lab.plan())
        assert (changed.symbol, [c.path for c in changed.changes]) == ("~", ["protectedSettings"])

    run(story)


def test_the_drivers_log_is_read_on_the_vm_where_there_is_a_line_to_it() -> None:
    async def story() -> None:
        lab = both_planes(DRIVER)
        lab.script(100)
        told = details(await lab.apply())
        assert (told["code"], "Exit code: 100" in told["evidence"]) == ("AZR100", True)

    run(story)


def test_a_saved_plan_knows_where_azure_has_the_host_and_what_its_settings_are() -> None:
    async def story() -> None:
        declared = "AzureVmExtension/s: {driver: CustomScriptExtension, settings: {a: [1, {b: true}]}, protectedSettings: {deep: [{key: {env: KEY}}]}}"
        lab = azure_lab(declared, secrets=Vault(environ={"KEY": "a long one"}))
        plan = await lab.plan()
        saved, lab.desired = load(save(plan, lab.desired), lab.registry)
        assert (lab.desired.hosts["hpc-01"].azure, lab.desired.hosts["hpc-01"].connected) != (None, True)
        assert (await lab.apply(saved)).exit_code == 0
        assert lab.vm().extensions["s"].properties["settings"] == {"a": [1, {"b": True}]}
        after = await lab.plan()
        assert (symbols(after), after.exit_code) == ([], 0)

    run(story)
