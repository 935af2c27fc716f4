"""What an emulated host runs when a shell is given a command line: our bootstrap, one literal pipeline, and nothing else.

`launch` tries the launchers in order; more can be handed to `serve` (a test's own, or what other clients wrap round their work).
Whatever nobody takes is refused in words on stderr: an emulator that pretended would be believed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.emulator.winrm.console import CommandLine, Console, Program
from reconciler.emulator.winrm.host import EmulatedHost
from reconciler.emulator.winrm.pipeline import Pipeline
from reconciler.emulator.winrm.session import Session

POWERSHELL = re.compile(r"(?:.*\\)?(?:powershell|pwsh)(?:\.exe)?", re.IGNORECASE)
WORD = re.compile(r'(?:"[^"]*"|[^\s"])+')
VALUED = ("executionpolicy", "inputformat", "outputformat", "version", "windowstyle", "configurationname", "workingdirectory")
NOT_RECOGNISED = 1
LONGEST = 8191  # what cmd.exe takes
SHELL_MARKS = ("#HVBOOT", "#HVEND")  # what our bootstrap says and looks for


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is started. `cut` breaks the connections of the host's clients."""

    host: EmulatedHost
    cut: Callable[[], None]


@dataclass(frozen=True, slots=True)
class PowerShell:
    """A powershell command line: its script, whether the host itself might read standard input, and whether errors are for a program to read."""

    script: str
    input_none: bool
    encoded: bool = False


Launcher: TypeAlias = Callable[[CommandLine, Place], Program | None]


def command_line(command: str, arguments: Sequence[str]) -> CommandLine:
    text = " ".join([command, *arguments]).strip()
    return CommandLine(text, tuple(word.replace('"', "") for word in WORD.findall(text)))


def powershell(line: CommandLine) -> PowerShell | None:
    """The script of a powershell.exe command line, by -EncodedCommand or -Command; None for any other command line."""
    if not line.words or not POWERSHELL.fullmatch(line.words[0]):
        return None
    words, at, input_none = line.words, 1, False
    while at < len(words):
        name = words[at].lstrip("-/").casefold()
        if not words[at].startswith(("-", "/")):
            return PowerShell(" ".join(words[at:]), input_none)
        if name == "ec" or "encodedcommand".startswith(name):
            return PowerShell(_decoded(words[at + 1] if at + 1 < len(words) else ""), input_none, encoded=True)
        if "command".startswith(name):
            return PowerShell(" ".join(words[at + 1 :]), input_none)
        takes = any(full.startswith(name) for full in VALUED) and at + 1 < len(words)
        input_none |= takes and "inputformat".startswith(name) and words[at + 1].casefold() == "none"
        at += 2 if takes else 1
    return PowerShell("", input_none)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-16-le")
    except ValueError:
        return ""


def launch(line: CommandLine, place: Place, more: Sequence[Launcher] = ()) -> Program:
    if len(line.text) > LONGEST:
        return Refusing(place, "The command line is too long.\r\n")
    for launcher in (*more, blocked, bootstrap, pipeline):
        found = launcher(line, place)
        if found is not None:
            return found
    return Refusing(place, f"not emulated: {line.text[:200]}\r\nThis host runs the product's own session and one pipeline of known cmdlets.\r\n")


def blocked(line: CommandLine, place: Place) -> Program | None:
    """PowerShell that a policy does not let start: a fault of the program `powershell` with an error, as `emulate fault` puts it."""
    if powershell(line) is None:
        return None
    found = next((fault for fault in place.host.machine.faults if fault.cmdlet and fault.error and fault.meets("powershell")), None)
    return Refusing(place, f"{found.says or 'The system cannot execute the specified program.'}\r\n") if found else None


def bootstrap(line: CommandLine, place: Place) -> Program | None:
    """Our bootstrap. A text that mentions $input lets the host read stdin itself, unless it was told not to (powershell.md a)."""
    found = powershell(line)
    if found is None or not all(mark in found.script for mark in SHELL_MARKS):
        return None
    if re.search(r"\$input\b", found.script, re.IGNORECASE) and not found.input_none:
        return Refusing(place, "not emulated: the script mentions $input, so PowerShell itself would read its standard input; add -InputFormat None\r\n")
    return Session(place.host, place.cut)


def pipeline(line: CommandLine, place: Place) -> Program | None:
    found = powershell(line)
    return Pipeline(place.host, found.script, encoded=found.encoded) if found is not None and found.script else None


class Refusing:
    """Says why it is not run, and ends."""

    def __init__(self, place: Place, words: str) -> None:
        self.pid = place.host.settled().start_process("cmd.exe", "refused").pid
        self._host = place.host
        self._words = words

    async def run(self, console: Console) -> int:
        self._host.log("refused", {"says": self._words.strip()})
        console.err(self._words)
        self._host.machine.kill_tree(self.pid)
        return NOT_RECOGNISED
