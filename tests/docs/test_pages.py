"""README.md, docs/start.md and docs/doctor.md are walked as their readers would: every file written, every command typed, every answer compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli.help import COMMANDS
from reconciler.cli.main import run
from reconciler.kinds import registry
from tests.docs.fences import ROOT, fences
from tests.docs.story import Story, commands, matches

README, START, DOCTOR = ROOT / "README.md", ROOT / "docs" / "start.md", ROOT / "docs" / "doctor.md"
REFRESH = "the product says otherwise; if it is right: python -m tests.docs.refresh"


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Story:
    def reconcile(words: list[str]) -> tuple[int, str]:
        code = run(words)
        said = capsys.readouterr()
        return code, said.out + said.err

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("RECONCILE_ESTATE", "DPS_KEY_EDGE_01"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    clone = tmp_path / "clone"
    clone.mkdir()
    return Story(clone, reconcile, monkeypatch.setenv)


@pytest.mark.parametrize("page", [README, START, DOCTOR], ids=lambda page: page.name)
def test_every_command_of_the_page_answers_as_the_page_says(page: Path, story: Story) -> None:
    typed = [one for fence in fences(page.read_text(encoding="utf-8")) for one in story.tell(fence)]
    assert len(typed) > 2
    for one in typed:
        assert one.code == one.shown_code, f"{one.command}: exit {one.code}"
        assert matches(one.shown, one.said), f"$ {one.command}\n" + "\n".join(one.said) + f"\n\n{REFRESH}"


@pytest.mark.parametrize("page", [README, START, DOCTOR], ids=lambda page: page.name)
def test_no_command_of_the_page_means_something_else_to_a_shell(page: Path) -> None:
    """The tests split words themselves; a shell would also put in variables and run what stands in backquotes."""
    for fence in fences(page.read_text(encoding="utf-8")):
        for command, _, _ in commands(fence) if fence.language == "console" else ():
            assert not set(command) & set("$`!*|;&<>"), command


@pytest.mark.parametrize("page", [README, START, DOCTOR], ids=lambda page: page.name)
def test_every_block_of_the_page_is_one_that_these_tests_walk(page: Path) -> None:
    for fence in fences(page.read_text(encoding="utf-8")):
        assert fence.language in ("sh", "console", "yaml", "diff"), f"line {fence.line}"
        if fence.language in ("yaml", "diff"):
            assert fence.text.startswith("# specs/"), f"line {fence.line} does not say which file it is"


def test_the_readme_names_every_kind_and_every_command() -> None:
    there = README.read_text(encoding="utf-8").partition("## What is there\n")[2].partition("\n## ")[0]
    kinds, said = there.splitlines()[1:3]
    assert kinds == "- Kinds: " + ", ".join(f"`{name}`" for name in registry()) + "."
    assert {f"`{name}`" for name in COMMANDS} == set(said.removeprefix("- ").partition(". ")[0].split(", "))


def test_a_page_that_shows_too_little_or_something_else_does_not_match() -> None:
    said = ["one", "run r-ab12: done", "three"]
    assert matches(["one", "…", "three"], said)
    assert matches(["one", "run r-zz99: done", "three"], said)
    assert not matches(["one", "three"], said)
    assert not matches(["one", "…", "four"], said)
    assert not matches(["…", "two", "…"], said)
