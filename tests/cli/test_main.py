"""Arguments, help, errors and exit codes of the command line."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from reconciler.cli import session as sessions
from reconciler.cli.help import COMMANDS, EMULATE, EMULATE_TEXT, TEXT
from reconciler.cli.main import run
from reconciler.core.errors import Defect
from tests.cli.conftest import SPECS, Reconcile

HELP = (sys.executable, "-c", "from reconciler.cli.main import main; main()")


def test_help_is_there_in_a_fifth_of_a_second() -> None:
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        done = subprocess.run((*HELP, "--help"), capture_output=True, check=True)
        seconds.append(time.perf_counter() - started)

    assert done.stdout.decode() == TEXT
    sys.stdout.write(f"reconcile --help: {min(seconds):.3f} s\n")
    assert min(seconds) < 0.2


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from reconciler.cli.main import run; run(['--help']); print(sorted({'typer', 'rich', 'pydantic', 'yaml', 'anyio'} & set(sys.modules)))"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, check=True, text=True, encoding="utf-8")

    assert done.stdout.splitlines()[-1] == "[]"


def test_help_names_every_command_and_only_those() -> None:
    files = {file.stem for file in (Path(sessions.__file__).parent / "commands").glob("*.py")} - {"__init__", "emulate_azure", "emulate_serve"}
    modules = {name.rstrip("_") for name in files}

    assert modules == set(COMMANDS)
    assert all(f" {name} " in TEXT for name in COMMANDS)
    assert all(f"emulate {name}" in EMULATE_TEXT and name in TEXT for name in EMULATE)
    assert max(len(line) for line in (TEXT + EMULATE_TEXT).splitlines()) <= 100


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_of_its_own(name: str, reconcile: Reconcile) -> None:
    said = reconcile(name, "--help")

    assert said.code == 0
    assert name in said.out


@pytest.mark.parametrize("verb", EMULATE)
def test_every_verb_of_emulate_has_help_of_its_own(verb: str, reconcile: Reconcile) -> None:
    said = reconcile("emulate", verb, "--help")

    assert said.code == 0
    assert f"Usage: reconcile emulate {verb}" in said.out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("plna",), "did you mean plan?"),
        (("emulate", "runn"), "did you mean run?"),
        (("plan", "--nope"), "CLI011"),
        (("plan", "-l", "tier"), "write KEY=VALUE"),
        (("plan", "--max-disruption", "loud"), "no level of disruption"),
        (("plan", "--output", "xml"), "CLI011"),
        (("watch", "--every", "soon"), "no duration"),
        (("watch", "--every", "1s"), "at least 10s"),
        (("destroy",), "CLI011"),
        (("destroy", "edge-01", "--yes"), "no resource id"),
        (("apply", "x.plan", "edge-01"), "a saved plan is applied alone"),
        (("plan", "edge-02"), "did you mean edge-01?"),
        (("plan", "edge-01/Nat"), "did you mean edge-01/NatNetwork/eflow?"),
        (("plan", "EDGE-01/virtualswich/eflow"), "did you mean edge-01/VirtualSwitch/eflow?"),
        (("plan", "edge-01/Zzz/qq"), "on edge-01: edge-01/WindowsFeature/Hyper-V, edge-01/VirtualSwitch/eflow"),
        (("plan", "--exclude", "nobody"), "CLI003"),
        (("plan", "--from", "nowhere.json"), "cannot be read"),
        (("plan",), "nothing says how these hosts are reached"),
        (("--estate", "nowhere", "plan"), "holds no estate"),
        (("--specs", "nowhere", "validate"), "there is no nowhere"),
        (("apply", "nowhere.plan", "--estate", "x"), "CLI004"),
        (("emulate", "fault", "edge-01"), "say one of --says"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_next_step_and_exit_1(reconcile: Reconcile, words: tuple[str, ...], code: str) -> None:
    said = reconcile(*words)

    assert said.code == 1
    assert code in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_a_sentence_of_ours_stands_alone(reconcile: Reconcile) -> None:
    assert reconcile("plan", "-l", "tier").err.startswith("error[CLI011]: 'tier' is no label: write KEY=VALUE")


def test_who_has_no_manifests_is_told_how_to_begin(reconcile: Reconcile) -> None:
    said = " ".join(reconcile("--specs", "nowhere", "validate").err.split())

    assert "--specs DIR" in said
    assert "to begin, write one document of kind Host to nowhere/NAME.yaml" in said


def test_shared_options_may_stand_before_the_command(lab: Reconcile) -> None:
    assert lab("--output", "json", "--estate=lab", "-q", "plan").json()["format"] == "reconcile/plan/1"


def test_apply_asks_nobody_where_nobody_is(lab: Reconcile) -> None:
    said = lab("apply", "edge-01")

    assert said.code == 1
    assert "apply wants --yes or a saved plan" in said.err
    assert "reconcile apply edge-01 --yes" in said.err


def test_hints_carry_the_options_of_the_call(reconcile: Reconcile) -> None:
    reconcile("emulate", "new", "my lab")

    assert "Next: reconcile --estate 'my lab' apply edge-01" in reconcile("--estate", "my lab", "plan", "edge-01").out


def test_errors_of_manifests_are_framed_with_their_source(reconcile: Reconcile, fleet: Path) -> None:
    file = fleet / "specs" / "fleet.yaml"
    file.write_text(SPECS.replace("switchName: eflow", "switchName: eflw"), encoding="utf-8")
    said = reconcile("validate")

    assert said.code == 1
    assert "error[LNK001]" in said.out
    assert "  --> specs/fleet.yaml:" in said.out
    assert "^^^^" in said.out
    assert "did you mean eflow" in said.out
    assert "1 file, 2 hosts" in said.out
    assert said.out.endswith("Next: reconcile validate    (once they are mended)\n")


def test_a_manifest_with_errors_is_not_planned(lab: Reconcile, fleet: Path) -> None:
    (fleet / "specs" / "more.yaml").write_text("kind: Nonsense\n", encoding="utf-8")
    said = lab("plan")

    assert said.code == 1
    assert "error[MAN" in said.err


def test_an_error_nobody_foresaw_leaves_a_log_and_no_traceback(reconcile: Reconcile, fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise Defect("a kind contradicted itself")

    monkeypatch.setattr(sessions, "link", broken)
    said = reconcile("validate")

    assert said.code == 1
    assert "error[CLI099]" in said.err
    assert "Traceback" not in said.err
    assert "a kind contradicted itself" in (fleet / "state" / "edge-reconciler" / "reconcile-error.log").read_text()


def test_ctrl_c_outside_a_run_exits_130(reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sessions, "link", pressed)

    assert reconcile("validate").code == 130


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("reconcile 0.")


def test_the_schema_can_be_written_to_a_file(reconcile: Reconcile, fleet: Path) -> None:
    assert reconcile("schema", "--out", "schema.json").code == 0
    assert '"$defs"' in (fleet / "schema.json").read_text()
