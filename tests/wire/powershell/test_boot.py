"""How a session's process is started, and what its refusal to start means to a person."""

from __future__ import annotations

import base64
import gzip
import hashlib

import pytest

from reconciler.core.diagnostics import Severity
from reconciler.wire import powershell
from reconciler.wire.powershell.boot import explain_boot


def test_the_command_line_fits_into_what_cmd_takes() -> None:
    assert len(powershell.bootstrap_line()) < powershell.LONGEST // 2


def test_the_command_line_names_powershell_by_its_full_path_and_runs_the_bootstrap() -> None:
    program, *switches, encoded = powershell.bootstrap_line().split(" ")
    assert program == "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
    assert " ".join(switches) == "-NoProfile -NonInteractive -ExecutionPolicy RemoteSigned -InputFormat None -OutputFormat Text -EncodedCommand"
    assert base64.b64decode(encoded).decode("utf-16-le") == powershell.bootstrap()


def test_the_first_line_of_input_is_the_invoker_and_nothing_else() -> None:
    line = powershell.invoker_line()
    assert line.count(b"\n") == 1
    assert gzip.decompress(base64.b64decode(line)).decode("ascii") == powershell.invoker()


def test_the_first_line_is_the_same_each_time() -> None:
    assert powershell.packed(powershell.invoker()) == powershell.packed(powershell.invoker()) == powershell.invoker_line()


def test_the_first_line_stays_within_its_budget() -> None:
    assert len(powershell.invoker_line()) < 28_000  # it is sent once for each process; 382 KB fit into one envelope (winrm.md 1.4)
    assert len(powershell.invoker()) < 72_000


def test_the_print_is_that_of_the_text_as_shipped() -> None:
    assert powershell.sha256() == hashlib.sha256(powershell.invoker().encode()).hexdigest()


def test_a_restricted_language_is_explained_with_what_to_do() -> None:
    found = explain_boot("#HVBOOT mode ConstrainedLanguage\r\n", "plant-lyn-02")
    assert found is not None
    assert (found.severity, found.subject) == (Severity.ERROR, "plant-lyn-02")
    assert "ConstrainedLanguage" in found.message
    assert "signed" in found.why
    assert "reconcile jea" in found.help


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("torn", "whole"),
        ("FormatException", "changes what is sent"),
        ("empty", "nothing arrived"),
        ("ScriptContainedMaliciousContent,Microsoft.PowerShell.Commands", "antivirus"),
        ("SomethingElse,Cmd", "PowerShell itself"),
    ],
)
def test_a_failed_start_says_why(said: str, word: str) -> None:
    found = explain_boot(f"noise\n#HVBOOT fail {said}\n")
    assert found is not None
    assert word in found.why
    assert found.help


def test_what_the_bootstrap_can_say_is_all_known_to_its_explanation() -> None:
    assert {line.partition("'#HVBOOT ")[2].partition(" ")[0] for line in powershell.bootstrap().splitlines() if "'#HVBOOT" in line} == {"mode", "fail"}


@pytest.mark.parametrize("text", ["", "#HVab 2 {}", "#HVBOOT", "x #HVBOOT mode y", "#HVBOOT else z"])
def test_other_output_is_no_answer_of_the_bootstrap(text: str) -> None:
    assert explain_boot(text) is None


def test_controls_in_what_a_host_says_are_shown_and_not_obeyed() -> None:
    found = explain_boot("#HVBOOT mode \x1b[2JFull")
    assert found is not None
    assert "\x1b" not in found.message + found.why + found.help
