"""Which hosts of a plan are alike, so that two hundred equal plans are read once.

Alike: the same steps with the same changes, disruption and blocks. A value that is the host's own name counts as equal.
Facts, times of looking and numbers of steps do not count. Pure; called by the views of plan and drift.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.canonical import canonical
from reconciler.core.changes import Change
from reconciler.core.plan import Block, HostPlan, Sight, Step, Verb

OWN_NAME = "(the host's own name)"


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


def generic(change: Change, host: str) -> Change:
    """The change with the host's own name, where it is the whole value, said as such."""
    return replace(change, before=_generic(change.before, host), after=_generic(change.after, host))


def _generic(value: Any, host: str) -> Any:
    return OWN_NAME if isinstance(value, str) and value.casefold() == host.casefold() else value


def _signature(host: HostPlan) -> str:
    steps = [_step(step, host.name) for step in shown_steps(host)]
    barriers = [[b.level, [id.local for id in b.because], list(b.usual), _block(b.blocked)] for b in host.barriers]
    return canonical([steps, barriers, host.code, [note.replace(host.name, "") for note in host.notes]])


def _step(step: Step, host: str) -> list[Any]:
    changes = [[c.path, _side(c.before, c.secret, host), _side(c.after, c.secret, host), c.cause.value] for c in step.changes]
    said = [step.id.local, step.verb.value, step.level, step.disruption, list(step.usual), list(step.loses), _block(step.blocked), step.why.replace(host, "")]
    return [*said, changes, list(step.action_names), dict(step.unverified), step.foreign, step.repair, step.pending_restart]


def _side(value: Any, secret: bool, host: str) -> Any:
    return value is not None if secret else _generic(value, host)


def _block(block: Block | None) -> Sequence[str]:
    return [block.code, block.message, block.by.local if block.by else ""] if block else []
