"""What may not run says why and ends with a command; what nobody saw the end of is said first."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.cli.commands import apply
from reconciler.cli.hints import Said
from reconciler.cli.screen import Screen
from reconciler.cli.views.apply_text import report_page
from reconciler.cli.views.page import Page
from reconciler.cli.views.plan_text import PlanView, plan_page
from reconciler.core.model import Existing
from reconciler.core.plan import Block, HostPlan, Plan
from reconciler.core.resources import Common, Lifecycle, Resource
from reconciler.engine.events import HostReport, RunReport
from tests.cli.conftest import SPECS, Reconcile
from tests.cli.plans import bare, plan, replaced, resized
from tests.cli.test_killed import killed_at

ROOM = Block("EFL033", "wants 2,048 MB more, 1,120 MB are free", "free memory, or lower memoryInMB")
NAT = "edge-01/NatNetwork/eflow"


def text_of(made: Plan, said: Said | None = None) -> str:
    page = Page(100)
    plan_page(page, made, PlanView(said or Said((), ("edge-01",)), lambda file, line: None))
    return page.plain()


def test_a_plan_that_a_rule_blocks_ends_with_a_command_and_what_comes_before_it() -> None:
    assert text_of(plan(resized("edge-01", block=ROOM))).splitlines()[-2:] == [
        "Next: reconcile plan edge-01",
        "      (first: free memory, or lower memoryInMB; more in docs/rules/EFL033.md)",
    ]


@pytest.mark.parametrize("code", ["POL001", "PLN011", "PLN012", "PLN031", "PLN032", "PLN034", "EFL033", "PLN999"])
def test_every_block_without_advice_of_its_own_still_ends_with_a_command(code: str) -> None:
    text = text_of(plan(resized("edge-01", block=Block(code, "it may not"))))

    assert "Next: reconcile plan edge-01" in text
    assert "(first: " in text


def test_leave_to_replace_is_tried_on_a_plan_first() -> None:
    assert text_of(plan(replaced())).splitlines()[-1] == "Next: reconcile plan edge-01 --replace edge-01/EflowVm"


def test_what_is_protected_is_never_offered_to_be_replaced() -> None:
    host = resized("edge-01", block=Block("EFL023", "1.4 is deployed", "let Microsoft Update do it; or --replace edge-01/EflowVm"))
    (found,) = host.steps
    kept = Resource(found.id, found.key, Existing(existing="x"), {}, common=Common(lifecycle=Lifecycle(prevent_destroy=True)))
    text = text_of(plan(replace(host, steps=(replace(found, desired=kept),))))

    assert "--replace" in text_of(plan(host))
    assert "--replace" not in text
    assert "let Microsoft Update do it" in text


def ended(report: HostReport, made: Plan) -> str:
    page = Page(100)
    report_page(page, RunReport("r-1", (report,), 3), made, Said((), ("edge-01",)), lambda file, line: None)
    return page.plain()


def test_a_run_that_ends_blocked_says_why_and_what_to_type() -> None:
    host: HostPlan = resized("edge-01", block=ROOM)
    text = ended(HostReport("edge-01", blocked=(host.steps[0].id,)), plan(host))

    assert "    EflowVm: EFL033: wants 2,048 MB more, 1,120 MB are free" in text
    assert "Next: reconcile plan edge-01\n" in text


def test_a_run_that_did_not_see_a_host_ends_with_the_same_command() -> None:
    assert "Next, once it answers: reconcile apply edge-01" in ended(HostReport("edge-01", unseen="edge-01 does not answer"), plan(bare()))


def test_destroy_says_named_and_warns_of_what_is_still_declared(built: Reconcile) -> None:
    gone = built("destroy", NAT, "--yes")

    assert gone.code == 0
    assert "no longer declared" not in gone.out
    assert "NatNetwork/eflow                      named" in gone.out
    assert gone.out.rstrip().splitlines()[-1] == f"{NAT} is still declared: the next apply makes it again"


def test_destroy_of_what_is_declared_no_more_warns_of_nothing(built: Reconcile, fleet: Path) -> None:
    (fleet / "specs" / "fleet.yaml").write_text(SPECS.replace("    NatNetwork/eflow: {switchName: eflow}\n", ""), encoding="utf-8")

    assert "still declared" not in built("destroy", NAT, "--yes").out


def test_a_step_that_was_done_before_the_line_broke_counts_as_done(lab: Reconcile) -> None:
    lab("emulate", "fault", "edge-01", "--cmdlet", "New-NetNat", "--drop", "after", "--times", "1")
    applied = lab("apply", "edge-01", "--yes")

    assert applied.code == 0
    assert "NatNetwork/eflow done before the line broke; recorded" in applied.out
    assert ": 3 done, 0 failed" in applied.out
    assert "1 recorded" not in applied.out


def test_a_change_of_protection_alone_is_record_only(built: Reconcile, fleet: Path) -> None:
    kept = "    NatNetwork/eflow: {switchName: eflow, lifecycle: {preventDestroy: true}}\n"
    (fleet / "specs" / "fleet.yaml").write_text(SPECS.replace("    NatNetwork/eflow: {switchName: eflow}\n", kept), encoding="utf-8")
    planned = built("plan")

    assert planned.code == 0
    assert ", 1 record only\n" in planned.out
    assert "adopt" not in planned.out


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_the_next_command_says_first_which_run_did_not_end(lab: Reconcile, fleet: Path, command: str) -> None:
    killed_at(60)
    said = lab(command).out.splitlines()

    told = " ".join(" ".join(said[:4]).split())
    assert re.search(
        r" began VirtualSwitch/eflow on edge-01 and did not see it done \(intent recorded 2026-11-24 08:\d\d:\d\d UTC\): it is looked at anew", told
    )
    assert lab("apply", "--yes").code == 0
    assert "did not see it done" not in lab(command).out


def test_saying_no_leaves_the_changes_pending_and_says_so(lab: Reconcile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "_may_ask", lambda *_: None)
    monkeypatch.setattr(Screen, "ask", lambda *_: "no")
    declined = lab("apply", "edge-01")

    assert declined.code == 2
    assert declined.out.rstrip().endswith("nothing was done: 3 changes pending still")
    assert lab("plan", "edge-01").code == 2


HALF = """
apiVersion: reconciler/v1
kind: Host
metadata: {name: edge-01}
spec:
  sku: server-2022
  resources:
    WindowsFeature/DHCP: {}
    DhcpServer: {bindings: []}
"""


def test_a_dhcp_server_that_was_undone_in_part_is_not_called_gone(reconcile: Reconcile, fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (fleet / "specs" / "fleet.yaml").write_text(HALF, encoding="utf-8")
    reconcile("emulate", "new", "lab")
    monkeypatch.setenv("RECONCILE_ESTATE", "lab")
    assert reconcile("apply", "--yes").code == 0
    role = "HKLM:\\SOFTWARE\\Microsoft\\ServerManager\\Roles\\12"
    reconcile("emulate", "run", "edge-01", f"Set-ItemProperty -LiteralPath '{role}' -Name ConfigurationState -Value 1")
    planned, drifted = reconcile("plan").out, reconcile("drift").out
    for page, words in ((planned, "half made: made again"), (drifted, "half made")):
        assert words in page
        assert "the role is there, and its post-installation tasks are not done" in page
        assert "gone" not in page
