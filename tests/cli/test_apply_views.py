"""How a run is told: a line an event, a screen that is redrawn, and how it ended."""

from __future__ import annotations

import io
import os
import signal
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest
from rich.console import Console

from reconciler.cli.hints import Said
from reconciler.cli.interrupt import interruptible
from reconciler.cli.screen import Screen
from reconciler.cli.views.apply_text import asks, event_line, left_at_once, question, report_page, stopping
from reconciler.cli.views.live import Live, Plain
from reconciler.cli.views.page import Page
from reconciler.cli.views.step_text import fitting
from reconciler.core.diagnostics import Diagnostic, Severity, error
from reconciler.core.ids import ResourceId
from reconciler.core.plan import HostPlan, Verb
from reconciler.engine.events import Event, Happening, HostReport, RunReport
from tests.cli.plans import NOON, SERVER, bare, plan, replaced, resized, step

NAT = ResourceId("edge-01", "NatNetwork", "eflow")
VM = ResourceId("edge-01", "EflowVm")
PROVISIONING = ResourceId("edge-01", "EflowProvisioning")


def event(what: Happening, after: float = 0, **more: Any) -> Event:
    return Event(NOON + timedelta(seconds=after), "r-8f3k", "edge-01", what, **more)


def screen(terminal: bool = False) -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=terminal, color_system=None, highlight=False, markup=False)
    return Screen(console, console, 100, True, terminal), out


def ended(report: RunReport, made: Any = None) -> str:
    page = Page(100)
    report_page(page, report, made or plan(bare()), Said((), ("edge-01",)), lambda file, line: None)
    return page.plain()


def test_the_question_says_how_much_and_how_bad() -> None:
    assert question(plan(bare())) == "Apply 5 steps on 1 host, 1 reboot? Worst disruption: reboot. Type yes: "
    assert "Data is lost, as the plan says." in question(plan(replaced(leave=True)))
    assert ", no reboot?" in question(plan(resized("a"), resized("b")))


def test_what_writes_our_record_alone_is_not_asked_for() -> None:
    adopt = step("edge-01", "NatNetwork", "x", Verb.ADOPT, 1)

    assert not asks(plan(HostPlan("edge-01", seen=NOON, facts=SERVER, steps=(adopt,))))
    assert asks(plan(bare()))


def test_a_log_line_has_its_moment_run_host_and_resource() -> None:
    assert event_line(event(Happening.DONE, 73, id=NAT, seconds=71.2)) == "2026-12-01T08:03:01Z r-8f3k edge-01 NatNetwork/eflow done in 71 s"
    assert event_line(event(Happening.LEASED)) is None
    assert (
        event_line(event(Happening.STEP, id=NAT, index=4, of=8, usual=(2, 5)))
        == "2026-12-01T08:01:48Z r-8f3k edge-01 NatNetwork/eflow started 4/8, usual 2–5 s"
    )


def test_the_words_of_a_host_cannot_break_a_log_line() -> None:
    line = event_line(event(Happening.FAILED, id=NAT, text="bad\x1b[2J\nFAKE 2026 line"))

    assert line is not None
    assert "\n" not in line
    assert "\x1b" not in line


def test_a_failure_that_the_kind_knows_is_told_by_what_it_means() -> None:
    found = Diagnostic("AZR116", Severity.ERROR, "install failed", details=(("means", "this region has no such version"),))
    line = event_line(event(Happening.FAILED, id=NAT, text="VirtualMachineExtensions_CreateOrUpdate: No version found", diagnostic=found))
    assert line is not None
    assert line.endswith("failed: AZR116, this region has no such version")


def test_a_status_word_of_azure_is_not_quoted_as_if_a_host_had_said_it() -> None:
    line = event_line(event(Happening.PROGRESS, id=NAT, action="put", text="InProgress", seconds=40))
    assert line is not None
    assert line.endswith("runs for 40 s (put)")


def test_a_pipe_hears_of_a_long_step_at_least_every_15_seconds_and_when_the_host_says_something_new() -> None:
    to, out = screen()
    tell = Plain(to)
    polls, pause = [5.0], 7.0
    while polls[-1] < 150:  # as engine.jobs asks: from 5 s to 15 s apart
        polls.append(polls[-1] + pause)
        pause = min(pause + 2, 15.0)
    tell(event(Happening.STEP, 0, id=VM, index=1, of=1))
    for seconds in polls:
        tell(event(Happening.PROGRESS, seconds, id=VM, action="deploy", text="Step 1" if seconds < 90 else "Step 2", seconds=seconds))
    told = [line.split(" runs for ")[1] for line in out.getvalue().splitlines()[1:]]
    assert told[:3] == ['5.0 s (deploy): "Step 1"', '21 s (deploy): "Step 1"', '32 s (deploy): "Step 1"']
    assert len(told) == len(polls) - 1  # the one 7 s after the first had nothing new


WRITES = "this VM's quota of writes in Azure"


def test_a_throttle_is_told_by_whose_quota_it_is_and_until_when() -> None:
    told = event(Happening.THROTTLED, text=WRITES, seconds=1200.0)
    assert event_line(told) == "2026-12-01T08:01:48Z r-8f3k edge-01 waits until 08:21:48Z for this VM's quota of writes in Azure"
    region = event(Happening.THROTTLED, text="the subscription's quota of writes in westeurope", seconds=60.0)
    assert event_line(region, verbose=True) == (
        "2026-12-01T08:01:48Z r-8f3k edge-01 waits until 08:02:48Z for the subscription's quota of writes in westeurope"
    )


def test_a_throttle_on_a_terminal_ends_by_the_readers_clock() -> None:
    to, _ = screen(terminal=True)
    told = event(Happening.THROTTLED, 30, text=WRITES, seconds=1200.0)
    with Live(to, ["edge-01"]) as tell:
        tell(event(Happening.STEP, 0, id=NAT, index=1, of=1, text="+"))
        tell(told)
        (row,) = (line.plain for line in tell._drawn().renderables)  # type: ignore[union-attr]
    end = (told.at + timedelta(seconds=1200)).astimezone()
    assert f"waits until {end:%H:%M:%S} for {WRITES}" in row


def test_short_throttles_one_after_the_other_are_no_line_a_second() -> None:
    to, out = screen()
    tell = Plain(to)
    for second in range(0, 150, 2):
        tell(event(Happening.THROTTLED, second, text=WRITES, seconds=2.0))
    tell(event(Happening.THROTTLED, 151, text="this VM's quota of reads in Azure", seconds=2.0))
    assert [line[17:19] for line in out.getvalue().splitlines()] == ["48", "48", "48", "19"]


def test_a_failure_whose_code_says_what_it_is_names_it_on_the_line() -> None:
    found = Diagnostic("AZR429", Severity.ERROR, "install failed")
    line = event_line(event(Happening.FAILED, id=NAT, text=f"{WRITES} is used up", diagnostic=found))
    assert line is not None
    assert "failed: AZR429, this VM's quota" in line
    plain = event_line(event(Happening.FAILED, id=NAT, text="bad", diagnostic=replace(found, code="PLN050")))
    assert plain is not None
    assert plain.endswith("failed: bad")


def test_a_terminal_keeps_what_ended_and_redraws_what_runs() -> None:
    to, out = screen(terminal=True)
    with Live(to, ["edge-01"]) as tell:
        tell(event(Happening.STEP, 0, id=NAT, index=1, of=2, usual=(2, 5)))
        tell(event(Happening.DONE, 4, id=NAT, index=1, of=2, seconds=4))
        tell(event(Happening.STEP, 5, id=VM, index=2, of=2))
        assert tell.board.running() == ["edge-01/EflowVm"]
        tell(event(Happening.PROGRESS, 20, id=VM, action="deploy", text="Step 3", seconds=15))
        tell(event(Happening.DONE, 60, id=VM, index=2, of=2, seconds=55))
        tell(event(Happening.CONVERGED, 61))
        assert tell.board.running() == []

    assert "0:04    edge-01" in out.getvalue()
    assert "NatNetwork/eflow: done in 4.0 s" in out.getvalue()
    assert "as declared" in out.getvalue()


def test_a_host_that_says_nothing_ages_by_the_clock_of_the_others() -> None:
    to, _ = screen(terminal=True)
    with Live(to, ["edge-01", "edge-02"]) as tell:
        tell(event(Happening.STEP, 0, id=NAT, index=1, of=2, text="+"))
        tell(event(Happening.REBOOTING, 10))
        tell(replace(event(Happening.STEP, 200, id=VM, index=1, of=2, text="~"), host="edge-02"))
        first, second = (line.plain for line in tell._drawn().renderables)  # type: ignore[union-attr]

    assert first.startswith("3:20    edge-01")
    assert first.rstrip().endswith("is rebooting  for 3:10")
    assert "~ EflowVm" in second


def test_actions_are_named_as_far_as_there_is_room() -> None:
    assert fitting(("install", "deploy"), 30) == "install, deploy"
    assert fitting(("install", "deploy", "set DNS servers"), 30) == "install, deploy and 1 more"
    assert fitting(("a very long action's name", "another"), 20) == "2 actions"


def test_a_failure_says_what_stands_and_what_waits() -> None:
    found = error("EFL201", "Deploy-Eflow failed", subject=str(VM), details=(("host says", "too little memory"), ("next", "reconcile apply edge-01")))
    host = HostReport("edge-01", done=(NAT,), failed=(VM,), blocked=(PROVISIONING,), diagnostics=(found,))
    text = ended(RunReport("r-8g1p", (host,), 500))

    assert text.splitlines()[:7] == [
        "error[EFL201]: Deploy-Eflow failed",
        "  where       edge-01/EflowVm",
        "  host says   too little memory",
        "  stands      1 of 5 steps of edge-01. Nothing is rolled back.",
        "  blocked     edge-01/EflowProvisioning, which needs it",
        "  next        reconcile apply edge-01",
        "",
    ]
    assert "run r-8g1p: 1 done, 1 failed, 1 blocked in 8:20" in text


def test_a_good_end_compares_the_outage_with_what_was_planned() -> None:
    host = HostReport("edge-01", done=(NAT, VM), reboots=1, unreachable=182)

    assert ended(RunReport("r-1", (host,), 931)) == (
        "run r-1: 2 done, 0 failed in 15:31 (unreachable 3:02; the plan said 2–7 min). Looked again: nothing\nleft to do.\n"
    )


def test_a_stale_plan_names_what_moved() -> None:
    text = ended(RunReport("r-1", (HostReport("edge-01", stale=("NatNetwork/lab: absent → 172.20.0.0/16",)),), 3))

    assert "error[PLN003]: edge-01 is not as it was when this plan was made" in text
    assert "  moved       NatNetwork/lab: absent → 172.20.0.0/16" in text
    assert "  next        reconcile plan edge-01" in text


def test_an_interrupted_run_says_what_goes_on_and_how_to_join_it() -> None:
    host = HostReport("edge-01", done=(NAT,), running={str(VM): "j-7f3a"}, stopped=True)
    report = RunReport("r-1", (host,), 31)

    assert report.exit_code == 130
    assert "Next: reconcile apply edge-01    (joins j-7f3a)" in ended(report)
    assert "edge-01: 1 of 5  stopped, running on as j-7f3a" in ended(report)
    assert "edge-01/EflowVm goes on" in stopping([str(VM)])


def test_leaving_at_once_says_what_is_unknown() -> None:
    page = Page(100)
    left_at_once(page, [str(VM)], Said((), ("edge-01",)))

    assert "whether these ended: edge-01/EflowVm" in page.plain()
    assert "reconcile apply edge-01" in page.plain()


async def _press(times: int) -> None:
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep(0.02)


@pytest.mark.skipif(os.name == "nt", reason="signals of a terminal are POSIX here")
async def test_the_first_ctrl_c_lets_the_work_end_by_itself() -> None:
    told: list[str] = []

    async def work(stop: anyio.Event) -> str:
        await _press(1)
        await stop.wait()
        return "report"

    ended_run = await interruptible(work, lambda: told.append("no new step"))

    assert (ended_run.value, ended_run.stopped, told) == ("report", True, ["no new step"])


@pytest.mark.skipif(os.name == "nt", reason="signals of a terminal are POSIX here")
async def test_the_second_ctrl_c_leaves_at_once() -> None:
    async def work(stop: anyio.Event) -> str:
        await _press(2)
        await anyio.sleep(60)
        return "never"

    with anyio.fail_after(5):
        ended_run = await interruptible(work, lambda: None)

    assert ended_run.value is None


async def test_work_that_is_not_disturbed_just_ends() -> None:
    async def work(stop: anyio.Event) -> int:
        return 7

    assert (await interruptible(work, lambda: None)).value == 7
