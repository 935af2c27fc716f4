"""How the command was called, so that the next one to type can be printed whole and pasted as it stands."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Said:
    """`globals`: the options that every command shares and that were given as options. `scope`: targets and selectors."""

    globals: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()

    def command(self, verb: str, *words: str) -> str:
        """`reconcile VERB WORDS` with the shared options of this call."""
        return shlex.join(("reconcile", *self.globals, *verb.split(), *words))

    def again(self, verb: str, *words: str) -> str:
        """The same targets and selectors under another verb."""
        return self.command(verb, *self.targets, *self.scope, *words)

    def completed(self, next: str, verb: str = "apply") -> str:
        """What the engine proposes, as it can be pasted here: an option joins the same command, a command gets this call's options."""
        if next.startswith("--"):
            return self.again(verb, *shlex.split(next))
        if next.startswith("reconcile ") and self.globals:
            return f"reconcile {shlex.join(self.globals)} {next.removeprefix('reconcile ')}"
        return next
