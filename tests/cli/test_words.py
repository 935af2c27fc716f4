"""The small texts: spans, moments, values, lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.cli.hints import Said
from reconciler.cli.timewords import moment_from
from reconciler.cli.views import words
from reconciler.cli.views.page import At, Page, wrap
from reconciler.core.calls import Argv, Later, Secret
from reconciler.core.kinds import span
from reconciler.core.model import Existing

NOW = datetime(2026, 12, 1, 14, 0, tzinfo=UTC)  # a Tuesday


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (20, 20, "20 s"),
        (1, 10, "1–10 s"),
        (30, 120, "30 s – 2 min"),
        (0, 120, "0–2 min"),
        (60, 180, "1–3 min"),
        (90, 190, "1–4 min"),
        (120, 120, "2 min"),
        (7200, 14400, "2–4 h"),
    ],
)
def test_an_estimate_is_a_short_range(low: float, high: float, text: str) -> None:
    assert words.span(span(low, high)) == text


@pytest.mark.parametrize(("seconds", "text"), [(7, "0:07"), (722, "12:02"), (3723, "1:02:03")])
def test_time_passed_reads_as_on_a_stop_watch(seconds: float, text: str) -> None:
    assert words.clock(seconds) == text


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        ("", '""'),
        (" a", '" a"'),
        (timedelta(days=8), "8.00:00:00"),
        (("a", "b"), "a, b"),
        ((), "none"),
        ({"protocol": "TCP", "port": 4840}, "port 4840, protocol TCP"),
        (Secret("env", "KEY"), "secret, env KEY"),
        (Later("edge-01/VirtualSwitch/eflow", "ifIndex"), "(known after apply, from edge-01/VirtualSwitch/eflow)"),
        (Existing(existing="Plant Bus"), "Plant Bus (existing)"),
        (Argv(("cat", "/etc/x")), "cat /etc/x"),
        ({"$secret": {"env": "KEY"}}, "secret"),
        ("a\x1b[2J\nb", "a‹U+001B›[2J ⏎ b"),
    ],
)
def test_a_value_is_one_line(item: object, text: str) -> None:
    assert words.value(item) == text


def test_lists_are_short() -> None:
    assert words.names(["a"]) == "a"
    assert words.names(["a", "b", "c"]) == "a, b and c"
    assert words.names([str(n) for n in range(20)], 3) == "0, 1 and 18 more"
    assert words.numbers([3, 4, 5]) == "steps 3–5"
    assert words.numbers([1]) == "step 1"


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("14:31", "2026-12-01T14:31"),
        ("13:00", "2026-12-02T13:00"),
        ("Tue 13:00", "2026-12-08T13:00"),
        ("Thursday 9:05", "2026-12-03T09:05"),
        ("2027-01-02T03:04", "2027-01-02T03:04"),
    ],
)
def test_a_time_is_read_as_people_type_it(text: str, when: str) -> None:
    assert moment_from(text, NOW) == datetime.fromisoformat(when).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["soon", "25:00", "Foo 12:00", "12:61"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time"):
        moment_from(text, NOW)


def test_commands_can_be_pasted_as_they_stand() -> None:
    said = Said(("--estate", "my lab"), ("edge-01",), ("-l", "tier=shop"))

    assert said.again("apply") == "reconcile --estate 'my lab' apply edge-01 -l tier=shop"
    assert said.completed("--replace edge-01/EflowVm") == "reconcile --estate 'my lab' apply edge-01 -l tier=shop --replace edge-01/EflowVm"
    assert said.completed("reconcile destroy x/Y/z") == "reconcile --estate 'my lab' destroy x/Y/z"
    assert said.completed("ask who holds it") == "ask who holds it"


def test_words_are_wrapped_and_longer_ones_cut() -> None:
    assert wrap("aa bb cc", 5) == ["aa bb", "cc"]
    assert wrap("a" * 12, 5) == ["aaaaa", "aaaaa", "aa"]
    assert wrap("名前名前", 4) == ["名前", "名前"]


def test_a_cell_that_does_not_fit_pushes_the_next_one_down() -> None:
    page = Page(40)
    page.row(At(0, "a very long first cell"), At(10, "second"))

    assert page.plain() == "a very long first cell\n          second\n"
