"""The plan as a comment on a pull request."""

from __future__ import annotations

from reconciler.cli.hints import Said
from reconciler.cli.views.commands_text import printer
from reconciler.cli.views.plan_markdown import escaped, fenced, plan_markdown
from reconciler.cli.views.plan_text import PlanView
from reconciler.core.changes import Cause, Change
from reconciler.core.plan import HostPlan, Plan
from tests.cli.plans import NOON, SERVER, bare, plan, resized, silent, step


def markdown(made: Plan) -> str:
    return plan_markdown(made, PlanView(Said(), lambda file, line: None), printer({}))


def test_the_heading_line_is_the_summary() -> None:
    lines = markdown(plan(bare())).splitlines()

    assert lines[0] == "<!-- reconcile plan -->"
    assert lines[1] == "### 5 to create, 0 to update, 0 to replace, 0 to delete · 1 reboot · worst disruption: reboot"


def test_like_hosts_are_one_open_group_with_their_commands_folded_away() -> None:
    text = markdown(plan(*(resized(f"shop-{n:03}") for n in range(200)), silent("gone")))

    assert text.count("```text") == 1
    assert "shop-000 … shop-199: 200 hosts alike" in text
    assert "<details><summary>Commands for shop-000, as one of 200 like hosts</summary>" in text
    assert "Set-EflowVM -memoryInMB 6144" in text
    assert "- gone: HST010 no answer on gone:5986 for 10 s" in text


def test_a_comment_never_grows_beyond_what_a_comment_may_have() -> None:
    text = markdown(plan(*(resized(f"shop-{n:03}", after=4097 + n) for n in range(400))))

    assert len(text.encode()) < 60_000
    assert "more would not fit here" in text


def test_no_name_can_close_a_block_or_mention_anybody() -> None:
    evil = "x```\n@everyone <script> #12 [a](b)"
    found = step("edge-01", "NatNetwork", "x", n=1, changes=(Change("name2", None, evil, Cause.NEW),))
    text = markdown(plan(HostPlan("edge-01", seen=NOON, facts=SERVER, steps=(found,)), HostPlan("h", sight=silent("h").sight, why=evil)))

    fences = [line for line in text.splitlines() if line.startswith("```")]
    assert fences[0] == "````text"
    assert "````" in fences[1]
    outside = text[text.rindex("````") :]
    assert "@everyone" not in outside
    assert "<script>" not in outside


def test_a_fence_is_longer_than_any_run_inside() -> None:
    assert fenced("a `````` b", "text").startswith("```````text\n")


def test_text_stays_text() -> None:
    assert escaped("<b>*x*</b> @me & #1 [l](u)") == "\\<b\\>\\*x\\*\\</b\\> @\u200bme &amp; \\#1 \\[l\\](u)"
