"""What the pages write as a command of `reconcile` exists: the command, the verb, and every option."""

from __future__ import annotations

import contextlib
import io
import re
from functools import cache
from pathlib import Path

import pytest

from reconciler.cli.help import COMMANDS, EMULATE
from reconciler.cli.main import run
from tests.docs.fences import ROOT
from tests.docs.test_links import pages

WRITTEN = re.compile(r"(?:`|^\$ |^ {4})(reconcile(?: [^`\n]+)?)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


@cache
def options(command: tuple[str, ...]) -> frozenset[str]:
    """Every option that the command's own help names."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        run([*command, "--help"])
    return frozenset(OPTION.findall(said.getvalue()))


def wrong(line: str) -> str:
    """What is not there in a command as written, or nothing."""
    words = re.sub(r'"[^"]*"|\'[^\']*\'', "TEXT", line).partition("#")[0].split()[1:]
    words = words[2:] if words and words[0] in ("--estate", "--specs") else words
    if not words or words[0].startswith("--") or words[0].isupper():
        return ""
    if words[0] not in COMMANDS:
        return f"there is no command {words[0]}"
    command = tuple(words[:2]) if words[0] == "emulate" else (words[0],)
    if len(command) > 1 and command[1] not in EMULATE:
        return f"there is no verb {command[1]}"
    return ", ".join(option for option in OPTION.findall(" ".join(words)) if option not in options(command))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_the_page_writes_exists(page: Path) -> None:
    for line in WRITTEN.findall(page.read_text(encoding="utf-8")):
        assert not wrong(line), line


def test_what_does_not_exist_is_noticed() -> None:
    assert wrong("reconcile explain EFL012") == "there is no command explain"
    assert wrong("reconcile emulate travel") == "there is no verb travel"
    assert wrong("reconcile plan --frobnicate") == "--frobnicate"
    assert wrong("reconcile --estate lab plan edge-01 --out x.plan") == ""
