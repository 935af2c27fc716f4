"""Which hosts of a plan are alike, so that two hundred equal plans are read once.

Alike: the same steps with the same changes, disruption and blocks. A value that names its own host counts as equal, and so does
any secret: `common` says what can be said of all of them, and that it varies where it does. Facts, times of looking and numbers
of steps do not count. Pure; called by the views of plan and drift.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from reconciler.core.canonical import canonical
from reconciler.core.changes import Change
from reconciler.core.plan import Block, HostPlan, Sight, Step, Verb

OWN_NAME = "(the host's own name)"
OWN_PART = "HOST"  # in the middle of a text
Alike = Sequence[tuple[Step, str]]  # the same step of each host of a group, with the host's name


@dataclass(frozen=True, slots=True)
class Group:
    """Hosts whose plans read the same; `first` stands for all of them."""

    hosts: tuple[HostPlan, ...]

    @property
    def first(self) -> HostPlan:
        return self.hosts[0]

    @property
    def folded(self) -> bool:
        return len(self.hosts) > 1


@dataclass(frozen=True, slots=True)
class Sorted:
    """A plan's hosts by what there is to say about them, each in the plan's order."""

    groups: tuple[Group, ...]
    unseen: tuple[HostPlan, ...]
    quiet: tuple[HostPlan, ...]

    @property
    def any_folded(self) -> bool:
        return any(group.folded for group in self.groups)


def sort_hosts(hosts: Iterable[HostPlan]) -> Sorted:
    groups: dict[str, list[HostPlan]] = {}
    unseen: list[HostPlan] = []
    quiet: list[HostPlan] = []
    for host in hosts:
        if host.sight is not Sight.SEEN and not any(step.runs for step in host.steps):
            unseen.append(host)
        elif not shown_steps(host) and not host.barriers:
            quiet.append(host)
        else:
            groups.setdefault(_signature(host), []).append(host)
    return Sorted(tuple(Group(tuple(found)) for found in groups.values()), tuple(unseen), tuple(quiet))


def shown_steps(host: HostPlan) -> tuple[Step, ...]:
    """The steps that are printed: all that do something, and the ones that could not be seen or may not run."""
    return tuple(step for step in host.steps if step.verb is not Verb.NOTHING or step.blocked or step.pending_restart)


def steps_alike(group: Group) -> list[Alike]:
    """Step by step, the steps of every host of the group."""
    return [tuple(zip(each, (host.name for host in group.hosts), strict=True)) for each in zip(*map(shown_steps, group.hosts), strict=True)]


def common(texts: Iterable[str], what: str = "values") -> str:
    """What is true of all hosts of a group; that it varies where it does."""
    different = dict.fromkeys(texts)
    return next(iter(different), "") if len(different) < 2 else f"varies ({len(different)} {what})"


def generic(change: Change, host: str) -> Change:
    """The change with the host's own name said as such."""
    return replace(change, before=_generic(change.before, host), after=_generic(change.after, host))


def generic_text(text: str, host: str) -> str:
    """`text` with `HOST` for the host's own name."""
    return _named(host).sub(OWN_PART, text)


@cache
def _named(host: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(host)}(?![\w-])", re.IGNORECASE)


def _generic(value: Any, host: str) -> Any:
    match value:
        case str():
            return OWN_NAME if value.casefold() == host.casefold() else generic_text(value, host)
        case list() | tuple():
            return [_generic(part, host) for part in value]
        case Mapping():
            return {name: _generic(part, host) for name, part in value.items()}
    return value


def _signature(host: HostPlan) -> str:
    steps = [_step(step, host.name) for step in shown_steps(host)]
    barriers = [[b.level, [id.local for id in b.because], list(b.usual), _block(b.blocked, host.name)] for b in host.barriers]
    return canonical([steps, barriers, host.code, [generic_text(note, host.name) for note in host.notes]])


def _step(step: Step, host: str) -> list[Any]:
    changes = [[c.path, _side(c.before, c.secret, host), _side(c.after, c.secret, host), c.cause.value] for c in step.changes]
    block, why = _block(step.blocked, host), generic_text(step.why, host)
    said = [step.id.local, step.verb.value, step.level, step.disruption, list(step.usual), list(step.loses), block, why]
    return [*said, changes, list(step.action_names), dict(step.unverified), step.foreign, step.repair, step.pending_restart]


def _side(value: Any, secret: bool, host: str) -> Any:
    return value is not None if secret else _generic(value, host)


def _block(block: Block | None, host: str) -> Sequence[str]:
    return [block.code, generic_text(block.message, host), block.by.local if block.by else ""] if block else []
