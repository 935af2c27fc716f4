"""Every example is run as its README says: each command in order, with the exit code it names and the plan that lies beside it.

`WRITE_EXAMPLES=1` writes the plans anew; read the difference before it is committed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.cli.main import run

EXAMPLES = Path(__file__).parents[2] / "examples"
SCENARIOS = sorted(folder.name for folder in EXAMPLES.iterdir() if folder.is_dir())
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
REMARK = re.compile(r"\s+# exit (\d)(, expected\.plan\.txt)?$")
# What changes with every rule that is added, and with every call that is asked more: no part of what an example shows.
COUNTS = (re.compile(r"^\d+ rules checked.*$", re.MULTILINE), re.compile(r"looked at in \S+ s$", re.MULTILINE))
PLAN = "expected.plan.txt"


@dataclass(frozen=True)
class Line:
    words: tuple[str, ...]
    exit: int
    shows: bool  # its output is the expected plan


def lines(readme: str) -> list[Line]:
    found = []
    for text in (line[2:] for block in BLOCK.findall(readme) for line in block.splitlines() if line.startswith("$ ")):
        remark = REMARK.search(text)
        words = tuple(shlex.split(text[: remark.start()] if remark else text))
        found.append(Line(words, int(remark[1]) if remark else 0, bool(remark and remark[2])))
    return found


def settled(text: str) -> str:
    for pattern in COUNTS:
        text = pattern.sub("…", text)
    return text


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_example_does_what_its_readme_says(scenario: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(EXAMPLES / scenario, tmp_path / scenario, ignore=shutil.ignore_patterns("lab", "snapshots"))
    monkeypatch.chdir(tmp_path / scenario)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")
    for line in lines((EXAMPLES / scenario / "README.md").read_text(encoding="utf-8")):
        if line.words[0] == "export":
            name, _, value = line.words[1].partition("=")
            monkeypatch.setenv(name, value)
            continue
        code = run(line.words[1:])
        told = capsys.readouterr()
        assert code == line.exit, f"{shlex.join(line.words)} ended with {code}\n{told.out}{told.err}"
        if line.shows and os.environ.get("WRITE_EXAMPLES"):
            (EXAMPLES / scenario / PLAN).write_text(told.out, encoding="utf-8")
        if line.shows:
            assert settled(told.out) == settled((EXAMPLES / scenario / PLAN).read_text(encoding="utf-8"))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_example_is_whole(scenario: str) -> None:
    """It is validated, planned, applied, and proved by an empty plan; what it shows is what a reader will see."""
    readme = (EXAMPLES / scenario / "README.md").read_text(encoding="utf-8")
    said = lines(readme)
    commands = [line.words[1] for line in said if line.words[0] == "reconcile"]

    assert {"validate", "emulate", "plan", "apply"} <= set(commands)
    assert [line.words[1] for line in said if line.shows] == ["plan"]
    assert said[-1].words[1] in ("plan", "drift")
    assert said[-1].exit == 0
    assert readme.startswith("# ")
    assert len(readme.splitlines()) < 50


def test_every_example_is_on_the_list() -> None:
    listed = re.findall(r"\]\(([a-z0-9-]+)/README\.md\)", (EXAMPLES / "README.md").read_text(encoding="utf-8"))

    assert sorted(listed) == SCENARIOS
