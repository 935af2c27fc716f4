"""The command line on an emulated estate, from bare machines to converged ones and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.cli.main import run
from tests.cli.conftest import SPECS, Reconcile
from tests.cli.shape import violations
from tests.cli.test_plan_schema import SCHEMA

NAT_GONE = "Remove-NetNat -Name eflow -Confirm:$false"


def test_bare_machines_become_as_declared_through_a_restart(lab: Reconcile) -> None:
    planned = lab("plan")
    applied = lab("apply", "--yes")
    again = lab("plan")

    assert (planned.code, applied.code, again.code) == (2, 0, 0)
    assert "reboot, once: step 1 needs it" in planned.out
    assert "run " in applied.out
    assert "Looked again: nothing left to do." in applied.out
    assert "as declared: edge-01 and kiosk-04" in again.out


def test_planning_changes_nothing_on_the_hosts(lab: Reconcile, fleet: Path) -> None:
    lab("plan")
    log = lab("emulate", "log", "--output", "json").json()

    assert "write" not in log["summary"]
    assert "reboot" not in log["summary"]


def test_a_nat_removed_by_hand_is_found_as_drift_and_put_back_alone(built: Reconcile) -> None:
    assert built("emulate", "run", "edge-01", NAT_GONE).code == 0
    drift = built("drift")
    shown = built("drift", "--output", "json").json()
    built("emulate", "log", "--since-last")
    mended = built("apply", "--yes")
    log = built("emulate", "log", "--since-last", "--output", "json").json()

    assert drift.code == 2
    assert " + NatNetwork/eflow" in drift.out
    assert "Drift: 1 resource on 1 host." in drift.out
    assert [step["id"] for step in shown["steps"]] == ["edge-01/NatNetwork/eflow"]
    assert mended.code == 0
    assert [e["name"] for e in log["entries"] if e["what"] == "cmdlet" and e["name"].startswith(("New-", "Set-", "Remove-"))] == ["New-NetNat"]
    assert built("drift").code == 0


def test_what_git_asks_for_is_not_drift(built: Reconcile, fleet: Path) -> None:
    file = fleet / "specs" / "fleet.yaml"
    file.write_text(SPECS.replace("ipAddress: 172.20.10.1/24", "ipAddress: 172.20.11.1/24"), encoding="utf-8")
    drift = built("drift")

    assert drift.code == 0
    assert "Drift: none." in drift.out
    assert "Besides, Git asks for" in drift.out


def test_a_saved_plan_is_applied_as_it_is(lab: Reconcile, fleet: Path) -> None:
    saved = lab("plan", "edge-01", "--out", "edge-01.plan")
    applied = lab("apply", "edge-01.plan")

    assert saved.code == 2
    assert "Next: reconcile apply edge-01.plan" in saved.out
    assert applied.code == 0
    assert lab("plan", "edge-01").code == 0
    assert lab("plan", "kiosk-04").code == 2


def test_a_saved_plan_that_no_longer_fits_is_stale(built: Reconcile) -> None:
    built("emulate", "run", "edge-01", NAT_GONE)
    built("plan", "edge-01", "--out", "edge-01.plan")
    built("emulate", "run", "edge-01", "New-NetNat -Name eflow -InternalIPInterfaceAddressPrefix 172.20.99.0/24")
    applied = built("apply", "edge-01.plan")

    assert applied.code == 3
    assert "error[PLN003]: edge-01 is not as it was when this plan was made" in applied.out
    assert "NatNetwork/eflow" in applied.out
    assert "next        reconcile plan edge-01" in applied.out


def test_a_tampered_plan_file_is_refused(lab: Reconcile, fleet: Path) -> None:
    lab("plan", "--out", "x.plan")
    file = fleet / "x.plan"
    file.write_text(file.read_text().replace("172.20.10.1", "172.20.66.1"))

    refused = lab("apply", "x.plan")

    assert refused.code == 1
    assert "PLN061" in refused.err


def test_a_host_without_power_is_not_seen_and_costs_the_others_nothing(lab: Reconcile) -> None:
    lab("emulate", "power", "off", "kiosk-04")
    planned = lab("plan")
    applied = lab("apply", "--yes")

    assert planned.code == 5
    assert "? kiosk-04[HST010]" in planned.out
    assert "nothing on it is taken for absent" in " ".join(planned.out.split())
    assert applied.code == 5
    assert lab("plan", "edge-01").code == 0


def test_a_cmdlet_that_fails_is_shown_with_its_words_and_mended_after_healing(lab: Reconcile) -> None:
    lab("emulate", "fault", "edge-01", "--cmdlet", "New-NetNat", "--error", "Windows System Error 87,New-NetNat")
    failed = lab("apply", "--yes", "edge-01")
    lab("emulate", "heal", "edge-01")
    mended = lab("apply", "--yes", "edge-01")

    assert failed.code == 1
    assert "edge-01/NatNetwork/eflow" in failed.out
    assert "Windows System Error 87,New-NetNat" in failed.out
    assert "Nothing is rolled back." in failed.out
    assert mended.code == 0


def test_snapshots_plan_as_the_hosts_do(lab: Reconcile, fleet: Path) -> None:
    assert lab("observe", "--out", "snaps").code == 0
    from_hosts = lab("plan", "--output", "json").json()
    from_snapshots = lab("plan", "--from", "snaps", "--output", "json").json()

    assert sorted(file.name for file in (fleet / "snaps").iterdir()) == ["edge-01.snapshot.json", "kiosk-04.snapshot.json"]
    assert from_snapshots["steps"] == from_hosts["steps"]
    assert from_snapshots["summary"] == from_hosts["summary"]


def test_a_snapshot_of_one_host_is_printed_to_be_redirected(lab: Reconcile) -> None:
    said = lab("observe", "edge-01")

    assert json.loads(said.out)["format"] == "reconcile/snapshot/1"


def test_destroy_takes_away_what_is_named_and_nothing_else(built: Reconcile) -> None:
    gone = built("destroy", "edge-01/NatNetwork/eflow", "--yes")
    left = built("plan", "--output", "json").json()

    assert gone.code == 0
    assert [(step["id"], step["verb"]) for step in left["steps"]] == [("edge-01/NatNetwork/eflow", "create")]


def test_a_block_taken_out_of_the_manifest_is_pruned(built: Reconcile, fleet: Path) -> None:
    file = fleet / "specs" / "fleet.yaml"
    file.write_text(SPECS.replace("    NatNetwork/eflow: {switchName: eflow}\n", ""), encoding="utf-8")
    planned = built("plan")

    assert planned.code == 2
    assert " 1 - NatNetwork/eflow" in planned.out
    assert built("apply", "--yes").code == 0
    assert "NatNetwork" not in built("plan").out


def test_labels_and_exclusions_narrow_what_is_planned(lab: Reconcile) -> None:
    by_label = lab("plan", "-l", "tier=client", "--output", "json").json()
    without = lab("plan", "--exclude", "edge-01/NatNetwork/eflow", "edge-01", "--output", "json").json()

    assert [host["name"] for host in by_label["hosts"]] == ["kiosk-04"]
    assert [step["id"] for step in without["steps"] if "blocked" in step] == ["edge-01/NatNetwork/eflow"]


def test_a_restart_above_the_limit_is_blocked(lab: Reconcile) -> None:
    planned = lab("plan", "kiosk-04", "--max-disruption", "service")

    assert planned.code == 4
    assert "POL004" in planned.out


def test_the_loop_puts_drift_back(built: Reconcile) -> None:
    built("emulate", "run", "edge-01", NAT_GONE)
    watched = built("watch", "--every", "15m", "--sweeps", "2")

    assert watched.code == 0
    assert "edge-01 + NatNetwork/eflow corrected" in watched.out
    assert "sweep 2 hosts" in watched.out
    assert built("drift").code == 0


def test_the_loop_speaks_json_too(built: Reconcile) -> None:
    lines = built("watch", "--sweeps", "1", "--output", "json").out.splitlines()

    assert {json.loads(line)["format"] for line in lines} == {"reconcile/watch/1"}


@pytest.mark.parametrize("command", [("validate",), ("plan",), ("drift",), ("observe",), ("apply", "--yes")])
def test_every_command_speaks_json(lab: Reconcile, command: tuple[str, ...]) -> None:
    said = lab(*command, "--output", "json")
    shown = said.json()

    assert shown["format"].startswith("reconcile/")
    assert shown["exitCode"] == said.code
    assert {"hosts", "diagnostics"} <= set(shown)


def test_the_estates_clock_only_goes_forward(lab: Reconcile) -> None:
    assert "Thu 2026-11-26" in lab("emulate", "advance", "2d").out
    assert "14:31" in lab("emulate", "clock", "Fri 14:31").out
    assert "CLI042" in lab("emulate", "clock", "2020-01-01T00:00").err


def test_what_a_person_types_on_a_host_answers_as_windows_does(lab: Reconcile) -> None:
    assert "Ethernet" in lab("emulate", "run", "edge-01", "Get-NetAdapter").out
    unknown = lab("emulate", "run", "edge-01", "Get-Nothing")
    assert unknown.code == 1
    assert "CommandNotFoundException" in unknown.out
    assert "CLI043" in lab("emulate", "run", "edge-01", "Get-VM | Remove-VM").err


def test_a_rehearsal_runs_the_plan_on_a_twin_and_touches_no_host(lab: Reconcile) -> None:
    lab("emulate", "log", "--since-last")
    rehearsed = lab("plan", "--rehearse")
    log = lab("emulate", "log", "--since-last", "--output", "json").json()

    assert rehearsed.code == 2
    assert "Rehearsed on a twin: 4 steps done, 2 reboots" in rehearsed.out
    assert "planned again: nothing left to do." in rehearsed.out
    assert "taken for granted: " in rehearsed.out
    assert rehearsed.out.splitlines()[-1].startswith("Next: reconcile apply")
    assert "write" not in log["summary"]
    assert "reboot" not in log["summary"]


def test_a_rehearsal_needs_snapshots_alone(lab: Reconcile) -> None:
    lab("observe", "--out", "snaps")
    shown = lab("plan", "--rehearse", "--from", "snaps", "--output", "json").json()

    assert shown["rehearsal"]["ok"] is True
    assert len(shown["rehearsal"]["done"]) == 4
    assert list(violations(shown, SCHEMA, SCHEMA)) == []


def test_a_cmdlet_that_never_answers_is_told_in_our_words_not_as_the_hosts(lab: Reconcile) -> None:
    lab("emulate", "fault", "edge-01", "--cmdlet", "New-NetNat", "--hang", "--times", "1")
    failed = lab("apply", "--yes", "edge-01")
    said = " ".join(failed.out[failed.out.index("error[") :].split())

    assert failed.code == 1
    assert "no answer New-NetNat: none within 120 s" in said
    assert "its outcome is not known" in said
    assert "host says" not in said
    assert "error id" not in said
    assert "next reconcile plan edge-01/NatNetwork/eflow shows what came of it" in said
    assert lab("apply", "--yes", "edge-01").code == 0


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two estates made alike, planned alike: text, JSON and the saved plan are equal to the byte."""
    specs = tmp_path / "specs.yaml"
    specs.write_text(SPECS, encoding="utf-8")
    answers = []
    for name in ("one", "two"):
        estate = tmp_path / name
        assert run(["emulate", "new", str(estate), "--from", str(specs)]) == 0
        capsys.readouterr()
        file = tmp_path / f"{name}.plan"
        assert run(["plan", "edge-01", "--specs", str(specs), "--estate", str(estate), "--output", "json", "--out", str(file)]) == 2
        answers.append((capsys.readouterr().out.replace(str(file), "FILE"), file.read_text(encoding="utf-8")))
    assert answers[0] == answers[1]
