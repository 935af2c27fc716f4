"""The entry point: which command was meant, its module imported alone, and every error ended in words and an exit code.

`--help` is answered before anything heavy is imported. Usage errors exit 1: 2 means that changes are pending.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from reconciler.cli.help import COMMANDS, EMULATE, EMULATE_TEXT, TEXT

# Shared options that may stand before the command, and whether a value follows.
GLOBALS = {"--specs": True, "--estate": True, "--output": True, "--quiet": False, "-q": False, "--verbose": False, "-v": False}


def main() -> None:
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # pressed while modules are still read
        code = 130
    sys.exit(code)


def run(argv: Sequence[str]) -> int:
    """Serve one call; returns the exit code and never raises."""
    early, rest = _leading(list(argv))
    if not rest or rest[0] in ("--help", "-h", "help"):
        return _tell(TEXT)
    if rest[0] == "--version":
        return _tell(f"reconcile {_version()}\n")
    if rest[0] not in COMMANDS:
        return _unknown(rest[0], COMMANDS, "reconcile --help")
    if rest[0] != "emulate":
        return _serve("import_" if rest[0] == "import" else rest[0], rest[0], [*early, *rest[1:]])
    return _emulate(early, rest[1:])


def _emulate(early: list[str], rest: list[str]) -> int:
    more, rest = _leading(rest)
    if not rest or rest[0] in ("--help", "-h"):
        return _tell(EMULATE_TEXT)
    if rest[0] not in EMULATE:
        return _unknown(rest[0], EMULATE, "reconcile emulate --help")
    return _serve("emulate", f"emulate {rest[0]}", [*early, *more, *rest[1:]], rest[0])


def _leading(words: list[str]) -> tuple[list[str], list[str]]:
    """Shared options before the command, and what follows them."""
    at = 0
    while at < len(words) and words[at].partition("=")[0] in GLOBALS:
        at += 2 if GLOBALS[words[at].partition("=")[0]] and "=" not in words[at] else 1
    return words[:at], words[at:]


def _tell(text: str) -> int:
    try:
        sys.stdout.write(text if (sys.stdout.encoding or "").lower().replace("-", "") == "utf8" else _ascii(text))
        sys.stdout.flush()
    except BrokenPipeError:
        return 141
    return 0


def _ascii(text: str) -> str:
    return text.replace("…", "...").replace("·", "-").encode("ascii", "backslashreplace").decode()


def _version() -> str:
    from importlib.metadata import version

    return version("edge-reconciler")


def _unknown(word: str, known: Sequence[str], help: str) -> int:
    import difflib

    near = difflib.get_close_matches(word, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"commands: {', '.join(known)}"
    sys.stderr.write(f"error[CLI010]: there is no command {word!r}\n  next        {hint}  ({help})\n")
    return 1


def _serve(module: str, name: str, arguments: list[str], verb: str = "") -> int:
    from contextlib import nullcontext
    from importlib import import_module

    from reconciler.core.collecting import seldom

    with nullcontext() if module == "watch" else seldom():
        from reconciler.cli.serving import serve

        found: Any = import_module(f"reconciler.cli.commands.{module}")
        command: Callable[..., int] = getattr(found, verb) if verb else found.command
        return serve(command, name, arguments)
