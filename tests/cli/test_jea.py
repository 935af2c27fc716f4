"""`reconcile jea`: files of a restricted endpoint, and words for what it does not fence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Reconcile

SPECS = Path(__file__).parents[2] / "specs"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_writes_the_files_and_says_what_they_do_not_fence(reconcile: Reconcile, tmp_path: Path) -> None:
    said = reconcile("jea", "--role-name", "Edge", str(SPECS))

    assert said.code == 0
    written = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "Edge").rglob("*") if path.is_file())
    assert written == ["Edge/Edge.psd1", "Edge/Edge.psm1", "Edge/Edge.pssc", "Edge/README.txt", "Edge/RoleCapabilities/Edge.psrc", "Edge/invoker.ps1"]
    for words in ("What it does not fence", "msiexec", "Register-PSSessionConfiguration -Name Edge ", "mode: function"):
        assert words in said.out
    before = (tmp_path / "Edge/Edge.psm1").read_bytes()
    assert reconcile("jea", "--role-name", "Edge", str(SPECS)).code == 0
    assert (tmp_path / "Edge/Edge.psm1").read_bytes() == before


def test_a_role_that_only_looks(reconcile: Reconcile, tmp_path: Path) -> None:
    said = reconcile("jea", "--role-name", "Looks", "--mode", "cmdlet", "--group", "CORP\\auditors", "--out", "made", str(SPECS), "--output", "json")

    assert said.json()["mode"] == "cmdlet"
    assert said.json()["files"] == ["Looks.psd1", "Looks.psm1", "Looks.pssc", "README.txt", "RoleCapabilities/Looks.psrc"]
    assert "'CORP\\auditors'" in (tmp_path / "made/Looks.pssc").read_text(encoding="utf-8")
    role = (tmp_path / "made/RoleCapabilities/Looks.psrc").read_text(encoding="utf-8")
    assert "'Get-NetNat'" in role
    assert "New-NetNat" not in role


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--role-name", "x'; calc"), "CLI073"),
        (("--role-name", "Edge", "--group", "nobody"), "CLI074"),
        (("--role-name", "Edge", "--mode", "script"), "CLI075"),
        (("--role-name", "Edge", "--out", "/dev/null/x"), "CLI076"),
    ],
)
def test_what_cannot_be_written_is_said(reconcile: Reconcile, words: tuple[str, ...], code: str) -> None:
    said = reconcile("jea", *words, str(SPECS))
    assert (said.code, code in said.err) == (1, True)


def test_specs_with_errors_make_no_role(reconcile: Reconcile, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("apiVersion: reconciler/v1\nkind: Host\nmetadata: {}\n", encoding="utf-8")
    assert reconcile("jea", "--role-name", "Edge", "wrong.yaml").code == 1
    assert not (tmp_path / "Edge").exists()
