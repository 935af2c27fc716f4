"""Walks through a page as its reader would: writes its files, makes its changes, types its commands, in order and in one folder.

- `yaml` whose first line is `# PATH`: the file is written as it stands. Any other yaml block is a part of something: it is not walked.
- `diff` whose first line is `# PATH`: the change is made to that file.
- `sh`: the way in. Run by bash; `make` only says whether it has the target, since these tests are part of `make test`.
- `console`: `$ COMMAND`, then what it says, then `[exit N]` (left out: 0). A line `…` stands for any lines.

Run names are drawn anew each time, and how many rules there are says nothing to a reader: neither is compared.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from tests.docs.fences import ROOT, Fence

Run = Callable[[list[str]], tuple[int, str]]
ANY = "…"
RUN_NAME = re.compile(r"\br-[a-z0-9]{4}\b")
RULES = re.compile(r"\b\d+ rules (checked|wait)\b")
TOOK = re.compile(r"in \d+\.\d s · no host")  # validate, by the clock on the wall


@dataclass(frozen=True, slots=True)
class Typed:
    """One command, what the page says that it answers, and what it does answer."""

    command: str
    shown: list[str]
    shown_code: int
    said: list[str]
    code: int

    @property
    def as_shown(self) -> bool:
        return self.code == self.shown_code and matches(self.shown, self.said)


@dataclass
class Story:
    """`folder` is where the reader is; `run` calls `reconcile` there; `setenv` serves `export`."""

    folder: Path
    run: Run
    setenv: Callable[[str, str], None]

    def tell(self, fence: Fence) -> list[Typed]:
        match fence.language:
            case "yaml" if fence.text.startswith("# "):
                self._write(fence)
            case "diff":
                self._change(fence)
            case "sh":
                self._way_in(fence)
            case "console":
                return [self._type(command, shown, code) for command, shown, code in commands(fence)]
            case _:
                pass
        return []

    def _write(self, fence: Fence) -> None:
        file = self.folder / fence.lines[0].removeprefix("# ")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(fence.text, encoding="utf-8")

    def _change(self, fence: Fence) -> None:
        file = self.folder / fence.lines[0].removeprefix("# ")
        old = "".join(line[1:] + "\n" for line in fence.lines[1:] if line[0] in " -")
        new = "".join(line[1:] + "\n" for line in fence.lines[1:] if line[0] in " +")
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"line {fence.line}: what the change takes away stands {text.count(old)} times in the file"
        file.write_text(text.replace(old, new), encoding="utf-8")

    def _way_in(self, fence: Fence) -> None:
        if not (self.folder / ".venv").exists():
            (self.folder / ".venv").symlink_to(sys.prefix)
        script = f'set -e\nmake() {{ command make -n -C {shlex.quote(str(ROOT))} "$@" >/dev/null; }}\n{fence.text}\npwd\n'
        done = subprocess.run(["bash", "-c", script], cwd=self.folder, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        self.folder = Path(done.stdout.splitlines()[-1])

    def _type(self, command: str, shown: list[str], shown_code: int) -> Typed:
        words = shlex.split(command, comments=True)
        assert words[0] in ("reconcile", "export"), f"{command}: a page types reconcile and export only"
        if words[0] == "export":
            self.setenv(*words[1].split("=", 1))
            return Typed(command, shown, shown_code, [], 0)
        with chdir(self.folder):
            code, said = self.run(words[1:])
        return Typed(command, shown, shown_code, said.strip("\n").splitlines(), code)


def commands(fence: Fence) -> Iterator[tuple[str, list[str], int]]:
    """Each command of a console block with the lines that follow it, and how it is to end."""
    for part in re.split(r"^\$ ", fence.text, flags=re.MULTILINE)[1:]:
        command, _, rest = part.partition("\n")
        shown = rest.strip("\n").splitlines()
        code = re.fullmatch(r"\[exit (\d+)\]", shown[-1]) if shown else None
        yield command, shown[:-1] if code else shown, int(code[1]) if code else 0


def matches(shown: list[str], said: list[str]) -> bool:
    """Whether a page shows what was said: the same lines, `…` for any number of them."""
    pattern = "".join(r"(?:.*\n)*" if line.strip() == ANY else re.escape(even(line)) + "\n" for line in shown)
    return re.fullmatch(pattern, "".join(even(line) + "\n" for line in said)) is not None


def even(line: str) -> str:
    return TOOK.sub("in 0.1 s · no host", RULES.sub(r"N rules \1", RUN_NAME.sub("r-0000", line))).rstrip()
