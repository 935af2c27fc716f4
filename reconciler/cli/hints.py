"""How the command was called, so that the next one to type can be printed whole and pasted as it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from reconciler.core.plan import Plan

TYPED = re.compile(r"\breconcile (?P<verb>plan|apply)\b(?P<rest>[^()]*)$")
OURS = re.compile(r"\breconcile (?=(?:validate|plan|apply|drift|watch|destroy|observe|bootstrap|jea|doctor|emulate) )")


@dataclass(frozen=True, slots=True)
class Said:
    """What was typed, in parts.

    `globals`: options that every command shares, where they were given as options. `scope`: selectors. `bounds`: what limits
    or allows more to a plan (`--max-disruption`, `--replace`). `verb`: what is typed to go on after this run was stopped.
    """

    globals: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()
    verb: str = "apply"

    def command(self, verb: str, *words: str) -> str:
        """`reconcile VERB WORDS` with the shared options of this call."""
        return shlex.join(("reconcile", *self.globals, *verb.split(), *words))

    def again(self, verb: str, *words: str) -> str:
        """The same targets, selectors and bounds under another verb."""
        return self.command(verb, *self.targets, *self.scope, *_without(self.bounds, words), *words)

    def about(self, *targets: str) -> Said:
        """The same call about other targets; the same ones where none are given."""
        return replace(self, targets=targets) if targets else self

    def bounded(self, plan: Plan) -> Said:
        """With the bounds that `plan` was made within: a saved plan carries its own."""
        scope = tuple(word for id in plan.exclude for word in ("--exclude", id))
        return replace(self, scope=scope, bounds=bounds(plan.replace, str(plan.max_disruption) if plan.max_disruption is not None else ""))

    def completed(self, next: str, verb: str = "apply") -> str:
        """What the engine proposes, as it can be pasted here: an option joins the same command, a command gets this call's options."""
        if next.startswith("--"):
            return self.again(verb, *shlex.split(next))
        return self.inside(next)

    def inside(self, text: str) -> str:
        """A sentence with every command of ours in it spelled with this call's options."""
        bounded = _without((*self.excluded, *self.bounds), shlex.split(found["rest"])) if (found := _typed(text)) else ()
        text = text + "".join(f" {shlex.quote(word)}" for word in bounded)
        return OURS.sub(f"reconcile {shlex.join(self.globals)} ", text) if self.globals else text

    @property
    def excluded(self) -> tuple[str, ...]:
        """The `--exclude` of this call: it narrows whatever is typed next, where labels would only repeat its targets."""
        pairs = zip(self.scope[::2], self.scope[1::2], strict=True)
        return tuple(word for option, value in pairs if option == "--exclude" for word in (option, value))


def bounds(replace: Sequence[str], max_disruption: str) -> tuple[str, ...]:
    """The options that bound a plan, as they are typed."""
    limit = ("--max-disruption", max_disruption) if max_disruption else ()
    return (*limit, *(word for id in replace for word in ("--replace", id)))


def _typed(text: str) -> re.Match[str] | None:
    """The command of ours that `text` ends with, where bounds may follow it; a quote left open is no command."""
    found = TYPED.search(text)
    return found if found and found["rest"].count("'") % 2 == 0 and found["rest"].count('"') % 2 == 0 else None


def _without(options: tuple[str, ...], words: Sequence[str]) -> tuple[str, ...]:
    """`options` less those that `words` say anew: a higher limit takes the place of the lower one, the same leave is given once."""
    pairs = zip(options[::2], options[1::2], strict=True)
    said = set(pairwise(words))
    kept = [(o, v) for o, v in pairs if (o, v) not in said and not (o == "--max-disruption" and o in words)]
    return tuple(word for pair in kept for word in pair)
