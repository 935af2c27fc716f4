"""Every rule has a page, and the page is right: its bad example breaks the rule, its good one does not, and it says what that needs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import Rule
from reconciler.engine.judge import Verdict, judge
from reconciler.engine.link import Linked
from reconciler.engine.world import HostWorld
from tests.rules.pages import DOCS, HOST, Page, kinds, linked, pages
from tests.rules.seen import CASES, CLIENT, HEALTHY, Host, healthy

PAGES = pages()
RULES = {rule.id: rule for rule in kinds().rules}


def judged(found: Linked, rule: Rule[Any], host: Host) -> Verdict:
    declared = found.hosts[HOST]
    if declared.sku.startswith("client") and host is HEALTHY:
        host = healthy(CLIENT)
    return judge(HostWorld(declared, kinds(), found.resources[HOST], host, host.reach or None, host.former), [rule])


def broken(found: Linked) -> list[str]:
    return [f"{d.code} {d.message}" for d in found.errors if d.code not in RULES]


def codes(found: Linked) -> set[str]:
    return {d.code for d in found.diagnostics}


def test_no_two_rules_share_an_id() -> None:
    assert len(RULES) == len(kinds().rules)


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    assert {one.id for one in PAGES} == set(RULES)


@pytest.mark.parametrize("one", PAGES, ids=lambda one: one.id)
def test_the_page_says_what_the_rule_is_called_and_how_much_it_weighs(one: Page) -> None:
    rule = RULES[one.id]
    assert one.title == rule.title
    assert one.severity == {Severity.WARNING: "warning", Severity.DEFER: "deferral"}.get(rule.severity, "error")


@pytest.mark.parametrize("one", PAGES, ids=lambda one: one.id)
def test_the_bad_example_breaks_the_rule(one: Page) -> None:
    found = linked(one.bad)
    assert broken(found) == []
    if not one.needs_host:
        assert one.id in codes(found)
        return
    assert one.id not in codes(found)
    verdict = judged(found, RULES[one.id], CASES.get(one.id, (HEALTHY, HEALTHY))[0])
    assert verdict.suspended == ()
    assert one.id in {rule.id for rule, _ in verdict.findings}
    assert all(d.message and (d.help or d.why) for d in verdict.diagnostics)


@pytest.mark.parametrize("one", PAGES, ids=lambda one: one.id)
def test_the_good_example_keeps_the_rule_and_every_rule_that_needs_no_host(one: Page) -> None:
    found = linked(one.good or one.bad)
    assert broken(found) == []
    assert [d.message for d in found.errors] == []
    assert one.id not in codes(found)
    verdict = judged(found, RULES[one.id], CASES.get(one.id, (HEALTHY, HEALTHY))[1])
    assert verdict.suspended == ()
    assert verdict.findings == ()


def test_the_index_names_every_rule_once_with_its_title() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8").splitlines()
    rows = {line.split("]")[0].removeprefix("| ["): line for line in index if line.startswith("| [")}
    assert set(rows) == set(RULES)
    for one in PAGES:
        where = "on a look" if one.needs_host else "without a host"
        assert rows[one.id] == f"| [{one.id}]({one.id}.md) | {one.severity} | {where} | {one.title} |"


def test_the_coverage_has_every_row_and_names_rules_that_there_are() -> None:
    text = (DOCS / "coverage.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\[((?:HST|HYP|NET|DHC|EFL)\d{3})\]\(\1\.md\)", text))
    assert named <= set(RULES)
    assert len(named) > 40
    problems = re.findall(r"^\| (\d+) \| .+ \| .+ \| .+ \|$", text, re.MULTILINE)
    assert problems == [str(n) for n in range(1, 21)]
    assert "[" not in re.sub(r"\[\w+\]\(\w+\.md\)", "", text)  # no link of another shape, so none that leads nowhere
