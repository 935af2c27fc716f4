"""Frames of diagnostics: the quoted source, the marks under it, and what to do next."""

from __future__ import annotations

from dataclasses import replace

from reconciler.cli.views.frames import frames
from reconciler.cli.views.page import Page
from reconciler.core.diagnostics import Diagnostic, Label, Position, Severity, error

SOURCE = {
    10: "    VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}",
    11: "    NatNetwork/eflow: {switchName: eflw}",
    19: "    EflowVm: {vswitchName: Default Switch, ip4Address: 172.20.5.9}",
    20: "    名前: {switchName: eflw}",
    21: "    bad: \x1b[31m\u202etext",
}


def lines(file: str, number: int) -> str | None:
    return SOURCE.get(number) if file == "specs/azure.yaml" else None


def text_of(*found: Diagnostic, width: int = 100, utf8: bool = True) -> str:
    page = Page(width, utf8=utf8)
    frames(page, found, lines)
    return page.plain()


def at(line: int, column: int, length: int, file: str = "specs/azure.yaml") -> Position:
    return Position(file, line, column, length)


DANGLING = error(
    "LNK001",
    "NatNetwork/eflow on edge-01 refers to a VirtualSwitch that is not declared there",
    at(11, 36, 4),
    label="no VirtualSwitch/eflw on edge-01",
    help="did you mean eflow (specs/azure.yaml:10:5)? A switch that others made: {existing: eflw}",
)


def test_an_error_points_under_the_word_it_is_about() -> None:
    assert text_of(DANGLING) == (
        "error[LNK001]: NatNetwork/eflow on edge-01 refers to a VirtualSwitch that is not declared there\n"
        "  --> specs/azure.yaml:11:36\n"
        "11 |     NatNetwork/eflow: {switchName: eflw}\n"
        "   |                                    ^^^^ no VirtualSwitch/eflw on edge-01\n"
        "   = help: did you mean eflow (specs/azure.yaml:10:5)? A switch that others made: {existing: eflw}\n"
    )


def test_a_second_place_above_is_quoted_in_the_order_of_lines() -> None:
    found = error("NET001", "overlap", at(11, 36, 4), labels=(Label(at(10, 60, 14), "the host has it here"),))
    assert text_of(found).splitlines()[2:] == [
        "10 |     VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}",
        "   |                                                            -------------- the host has it here",
        "11 |     NatNetwork/eflow: {switchName: eflw}",
        "   |                                    ^^^^",
        "   = more: docs/rules/NET001.md",
    ]


def test_two_places_on_one_line_are_marked_on_one_line() -> None:
    found = error("EFL013", "no static address", at(19, 44, 10), labels=(Label(at(19, 28, 14), "it brings DHCP"),), label="here")
    assert text_of(found).splitlines()[3:] == [
        "   |                            --------------  ^^^^^^^^^^ here",
        "   |                            it brings DHCP",
        "   = more: docs/rules/EFL013.md",
    ]


def test_a_place_in_another_file_has_its_own_heading() -> None:
    found = error("MAN010", "declared twice", at(11, 5, 10), labels=(Label(at(3, 1, 4, "specs/b.yaml"), "first here"),))
    assert "  ::: specs/b.yaml:3:1\n   | specs/b.yaml:3:1: first here\n" in text_of(found)


def test_marks_stand_right_under_wide_characters() -> None:
    quoted, marked = text_of(error("X", "m", at(20, 22, 4))).splitlines()[2:]
    assert quoted == "20 |     名前: {switchName: eflw}"
    assert marked == "   |" + " " * (len("     名前: {switchName: ") + 2) + "^^^^"


def test_quoted_source_cannot_move_the_cursor() -> None:
    text = text_of(error("X", "m\x1b]0;title\x07", at(21, 10, 4)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "‹U+001B›" in text


def test_equal_findings_of_many_hosts_are_told_once_with_their_number() -> None:
    found = Diagnostic("EFL090", Severity.WARNING, "past its end of support", at(10, 5, 3))
    text = text_of(*(replace(found, subject=f"shop-{n:03}/EflowVm") for n in range(204)))
    assert text.splitlines()[0] == f"{'warning[EFL090]: past its end of support':<91}204 hosts"
    assert text.count("warning[EFL090]") == 1


def test_a_warning_that_stands_in_several_places_is_one_frame_with_all_of_them() -> None:
    found = [
        Diagnostic("EFL090", Severity.WARNING, f"EFLOW on {host} is old", at(line, 5, 3), subject=f"{host}/EflowVm")
        for host, line in (("edge-01", 10), ("edge-02", 11), ("edge-03", 11))
    ]
    lines_ = text_of(*found).splitlines()

    assert lines_[0] == f"{'warning[EFL090]: EFLOW on HOST is old':<93}3 hosts"
    assert "   = also: specs/azure.yaml:11:5" in lines_
    assert text_of(*found).count("warning[") == 1


def test_an_error_is_told_at_every_place_that_has_to_be_mended() -> None:
    found = [error("EFL012", "its own gateway", at(line, 5, 3), subject=f"edge-{line}/EflowVm") for line in (10, 11)]

    assert text_of(*found).count("error[EFL012]") == 2


def test_what_is_no_rule_names_no_page() -> None:
    assert "docs/rules" not in text_of(DANGLING)


def test_errors_come_before_warnings() -> None:
    warning = Diagnostic("W", Severity.WARNING, "w", at(10, 5, 1))
    assert text_of(warning, DANGLING).index("error[") < text_of(warning, DANGLING).index("warning[")


def test_a_failure_on_a_host_is_told_in_terms() -> None:
    found = error("EFL201", "Deploy-Eflow failed", subject="edge-01/EflowVm", details=(("host says", "line one\nline two"), ("next", "free memory")))
    assert text_of(found).splitlines() == [
        "error[EFL201]: Deploy-Eflow failed",
        "  where       edge-01/EflowVm",
        "  host says   line one ⏎ line two",
        "  next        free memory",
    ]


def test_a_file_that_is_gone_still_gives_a_frame() -> None:
    assert text_of(error("X", "m", at(1, 1, 1, "gone.yaml"), label="here")).splitlines() == ["error[X]: m", "  --> gone.yaml:1:1", "   | gone.yaml:1:1: here"]


def test_an_endless_line_is_quoted_around_the_mark() -> None:
    long = {11: "x" * 5000 + "HERE" + "y" * 5000}
    page = Page(100)
    frames(page, [error("X", "m", at(11, 5001, 4))], lambda file, number: long.get(number))
    quoted, marked = page.plain().splitlines()[2:]
    assert len(quoted) < 500
    assert quoted[marked.index("^") : marked.index("^") + 4] == "HERE"


def test_frames_are_ascii_where_the_console_is() -> None:
    assert text_of(error("X", "a → b … “c”", at(20, 22, 4)), utf8=False).isascii()
