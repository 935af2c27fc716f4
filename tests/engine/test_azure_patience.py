"""How long Azure's wish to wait is waited for: as long as it lasts, up to a bound of its own; what is then said, and what is tried again."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.core.diagnostics import Diagnostic
from reconciler.emulator.arm.model import RequestFault, Run
from reconciler.engine.environment import Limits
from reconciler.engine.events import Happening, RunReport
from tests.engine.azurelab import DRIVER, IB, AzureLab, azure_lab, both_planes
from tests.engine.lab import run, symbols

EXAMPLE = 1200  # seconds of Azure's own example
TWO = f"{DRIVER}\nAzureVmExtension/script: {{publisher: Microsoft.Compute, type: CustomScriptExtension, version: '1.10'}}"
SUBSCRIPTIONS = "UpdateVMSubscriptionMaximum"


def throttled(lab: AzureLab, *, retry_after: int = EXAMPLE, times: int | None = None, **more: Any) -> None:
    lab.estate.azure.faults.append(RequestFault(status=429, retry_after=retry_after, times=times, **more))


def requests(lab: AzureLab, method: str) -> list[datetime]:
    return [datetime.fromisoformat(r["at"]) for r in lab.estate.log() if r["what"] == "arm" and r["method"] == method]


def failure(report: RunReport, host: int = 0) -> tuple[Diagnostic, dict[str, str]]:
    (found,) = report.hosts[host].diagnostics
    return found, dict(found.details)


def test_a_vm_that_never_takes_a_write_fails_its_step_after_an_hour_and_no_other_vm() -> None:
    async def story() -> None:
        lab = azure_lab(names=("hpc-01", "hpc-02"))
        throttled(lab, method="PUT", path="*/hpc-01/*")
        report = await lab.apply()
        assert report.exit_code == 1
        assert report.seconds == pytest.approx(3600, abs=60)
        assert [len(host.done) for host in report.hosts] == [0, 1]
        found, told = failure(report)
        assert (found.code, found.subject) == ("AZR429", f"hpc-01/{IB}")
        assert told["why"] == (
            "this VM's quota of writes in Azure is used up: Azure wants no request for another 20 min after 60 min of waiting, "
            "and no more than 60 min is waited for it; nothing was sent"
        )
        assert told["next"].endswith(f"reconcile apply hpc-01/{IB}")

    run(story)


def test_a_wait_that_is_longer_than_the_bound_is_not_begun() -> None:
    async def story() -> None:
        lab = azure_lab()
        throttled(lab, retry_after=7200, method="PUT")
        report = await lab.apply()
        assert (report.exit_code, len(requests(lab, "PUT"))) == (1, 1)
        assert report.seconds < 60
        assert "Azure wants no request for 120 min" in failure(report)[1]["why"]

    run(story)


def test_what_was_waited_for_in_vain_is_tried_once_for_the_next_step_and_not_waited_for_again() -> None:
    async def story() -> None:
        lab = azure_lab(TWO)
        throttled(lab, method="PUT")
        report = await lab.apply()
        assert [id.name for id in report.hosts[0].failed] == ["ib", "script"]
        assert dict(report.hosts[0].diagnostics[1].details)["why"].endswith("and it was waited for in vain before; nothing was sent")
        puts = requests(lab, "PUT")
        assert (len(puts), puts[-1] - puts[0] < timedelta(minutes=61)) == (5, True)  # three waits of 20 min, then one try of the other

    run(story)


def test_a_subscription_that_is_never_let_through_is_given_up_by_all_after_an_hour() -> None:
    async def story() -> None:
        lab = azure_lab(names=("hpc-01", "hpc-02", "hpc-03"))
        throttled(lab, method="PUT", quota=SUBSCRIPTIONS)
        report = await lab.apply()
        assert report.exit_code == 1
        assert report.seconds == pytest.approx(3600, abs=60)
        assert {failure(report, n)[0].code for n in range(3)} == {"AZR429"}
        assert failure(report)[1]["why"].startswith("the subscription's quota of writes in westeurope is used up")

    run(story)


def test_an_hour_in_a_row_is_counted_and_not_what_was_waited_for_before() -> None:
    async def story() -> None:
        lab = azure_lab(TWO)
        throttled(lab, method="PUT", path="*/ib*", times=3)
        throttled(lab, method="PUT", path="*/script*", times=3)
        report = await lab.apply()
        assert report.exit_code == 0
        assert report.seconds > 7000

    run(story)


def test_an_operation_that_cannot_be_asked_after_goes_on_and_that_is_said() -> None:
    async def story() -> None:
        lab = azure_lab()
        throttled(lab, method="GET", path="*/operations/*")
        report = await lab.apply()
        told = failure(report)[1]
        assert "this VM's quota of reads" in told["why"]
        assert told["why"].endswith("how it goes on in Azure was not seen")
        assert told["next"] == f"once Azure takes requests again, reconcile plan hpc-01/{IB} shows what came of it"
        lab.estate.azure.faults.clear()
        assert symbols(await lab.plan()) == []

    run(story)


def test_a_plan_waits_for_no_more_than_one_look_may_take_and_the_vm_is_not_seen() -> None:
    async def story() -> None:
        lab = azure_lab()
        throttled(lab, method="GET")
        before = lab.estate.clock.now()
        (host,) = (await lab.plan()).hosts
        assert lab.estate.clock.now() - before < timedelta(minutes=3)
        assert (host.seen, host.code) == (None, "AZR429")
        assert host.why == "this VM's quota of reads in Azure is used up: Azure wants no request for 20 min, and no more than 3 min is waited for it"

    run(story)


def test_where_azure_lets_nobody_look_what_runs_on_the_host_goes_on() -> None:
    async def story() -> None:
        lab = both_planes(f"WindowsFeature/Web-Server: {{}}\n{DRIVER}")
        throttled(lab, method="GET")
        plan = await lab.plan()
        assert symbols(plan) == ["+ WindowsFeature/Web-Server", f"? {IB}"]
        report = await lab.apply(plan)
        assert (report.exit_code, [id.name for id in report.hosts[0].done]) == (5, ["Web-Server"])

    run(story)


def test_a_run_that_may_not_look_at_first_is_not_seen_after_an_hour_and_nothing_was_sent() -> None:
    async def story() -> None:
        lab = azure_lab()
        plan = await lab.plan()
        throttled(lab, method="GET")
        report = await lab.apply(plan)
        assert (report.exit_code, requests(lab, "PUT")) == (5, [])
        assert report.seconds == pytest.approx(3600, abs=60)
        assert "Azure wants no request for another 20 min after 60 min of waiting" in report.hosts[0].unseen

    run(story)


def test_a_service_that_asks_for_no_wait_at_all_is_not_asked_in_a_circle() -> None:
    async def story() -> None:
        lab = azure_lab()
        throttled(lab, retry_after=0, times=5, method="PUT", code="OperationNotAllowed")
        assert (await lab.apply()).exit_code == 0
        puts = requests(lab, "PUT")
        assert len(puts) == 6
        assert all(later - earlier >= timedelta(seconds=1) for earlier, later in itertools.pairwise(puts))

    run(story)


def test_a_throttle_is_said_once_with_its_end_and_whose_it_is() -> None:
    async def story() -> None:
        lab = azure_lab()
        throttled(lab, times=1, method="PUT")
        await lab.apply()
        told = [(event.text, event.seconds) for event in lab.events if event.what is Happening.THROTTLED]
        assert told == [("this VM's quota of writes in Azure", EXAMPLE)]

    run(story)


def test_a_bound_of_the_run_is_its_own() -> None:
    async def story() -> None:
        lab = azure_lab()
        throttled(lab, retry_after=60, method="PUT")
        report = await lab.apply(limits=Limits(throttle_wait=timedelta(minutes=5)))
        assert (report.exit_code, len(requests(lab, "PUT"))) == (1, 6)
        assert report.seconds == pytest.approx(300, abs=30)

    run(story)


def test_a_write_that_breaks_off_again_and_again_is_said_to_start_once() -> None:
    async def story() -> None:
        lab = azure_lab()
        lab.script(Run(0, 15.0))
        lab.estate.azure.faults.append(RequestFault(method="PUT", status=503, code="ServiceUnavailable", times=3))
        assert (await lab.apply()).exit_code == 0
        told = [event.what for event in lab.events]
        assert (told.count(Happening.STEP), told.count(Happening.UNLEASED), told.count(Happening.WAITING)) == (1, 1, 3)

    run(story)


def test_a_step_of_a_second_round_is_said_to_start_again() -> None:
    async def story() -> None:
        lab = azure_lab()
        lab.script(240, 0)
        report = await lab.apply()
        assert (report.exit_code, report.hosts[0].rounds) == (0, 2)
        assert [event.text for event in lab.events if event.what is Happening.STEP] == ["+", ">"]

    run(story)
