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
