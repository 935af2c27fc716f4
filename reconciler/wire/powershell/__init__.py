"""The PowerShell that the product runs on a host: a bootstrap on the command line, and the invoker that it is given on standard input.

`hosts` starts a session with `bootstrap_line` and `invoker_line`; the emulator and the tests take the same bytes. Nothing here runs
anything. The texts are constants: no value ever becomes part of them. `boot` says what the bootstrap's answers mean.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from functools import cache
from importlib.resources import files

POWERSHELL = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"  # 64-bit, by full path: no search path decides what runs
SWITCHES = "-NoProfile -NonInteractive -ExecutionPolicy RemoteSigned -InputFormat None -OutputFormat Text"
LONGEST = 8191  # what cmd.exe takes, and a WinRM shell runs its commands through it


@cache
def bootstrap() -> str:
    """The bootstrap's text."""
    return (files(__package__) / "bootstrap.ps1").read_text(encoding="ascii")


@cache
def invoker() -> str:
    """The invoker's text."""
    return (files(__package__) / "invoker.ps1").read_text(encoding="ascii")


@cache
def module() -> str:
    """The script that makes the invoker, its one argument, a module of a runspace (PSRP)."""
    return (files(__package__) / "module.ps1").read_text(encoding="ascii")


def command_line(script: str, powershell: str = POWERSHELL) -> str:
    """The command line that runs `script`, a constant text, in a powershell of its own."""
    return f"{powershell} {SWITCHES} -EncodedCommand {base64.b64encode(script.encode('utf-16-le')).decode('ascii')}"


def packed(script: str) -> bytes:
    """`script` as the line that the bootstrap reads first: gzip, then base64, then a newline."""
    return base64.b64encode(gzip.compress(script.encode("ascii"), mtime=0)) + b"\n"


def bootstrap_line(powershell: str = POWERSHELL) -> str:
    """The whole command line of a session's process."""
    return command_line(bootstrap(), powershell)


@cache
def invoker_line() -> bytes:
    """The first line of a session's standard input; request lines follow it."""
    return packed(invoker())


@cache
def sha256() -> str:
    """What `hello` names: the print of the invoker's text, as the host computes it."""
    return hashlib.sha256(invoker().encode("ascii")).hexdigest()
