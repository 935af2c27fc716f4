"""A plan: what would happen, in order, as a value. Pure, stable, readable; never a program (calls are not run out of it).

Made by `engine.decide`, shown by views, walked by `engine.apply`, which decides again before every step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

from reconciler.core.calls import Later
from reconciler.core.canonical import plain
from reconciler.core.changes import Change
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.ids import Key, ResourceId
from reconciler.core.kinds import Action, Disruption, Reboot
from reconciler.core.observations import Facts
from reconciler.core.resources import Resource, Source
from reconciler.core.values import quick

ZERO = timedelta()
NO_KEY = Key("")


class Verb(StrEnum):
    """What happens to one resource; the value is the printed symbol."""

    CREATE = "+"
    UPDATE = "~"
    REPLACE = "-/+"
    DELETE = "-"
    ADOPT = "="
    FORGET = "."
    AGAIN = ">"
    WAIT = "…"
    DEFERRED = "»"
    UNSEEN = "?"
    NOTHING = ""

    @property
    def word(self) -> str:
        return self.name.lower()

    @cached_property  # asked of a verb sixty times a host
    def acts(self) -> bool:
        """Whether it changes the host beyond our own record."""
        return self in (Verb.CREATE, Verb.UPDATE, Verb.REPLACE, Verb.DELETE, Verb.AGAIN)

    @cached_property
    def records(self) -> bool:
        """Whether it writes our record and nothing else."""
        return self in (Verb.ADOPT, Verb.FORGET)


@dataclass(frozen=True, slots=True)
class Block:
    """Why a step may not run (`!`). `code` names the rule or policy; `next` is what a person can do, often a command."""

    code: str
    message: str
    next: str = ""
    by: ResourceId | None = None  # the step that it waits for, when it is blocked only through another


@quick
@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one resource. `n` counts over the whole plan from 1, in the order of execution; 0: nothing to do.

    `level`: how many restarts lie before it. `unverified`: field → why it could not be compared. `loses`: what cannot
    be brought back. `foreign`: it is there and not in our record. `repair`: a replace of what our own failed attempt left.
    """

    id: ResourceId
    verb: Verb
    n: int = 0
    level: int = 0
    key: Key = NO_KEY
    needs: tuple[ResourceId, ...] = ()
    changes: tuple[Change, ...] = ()
    actions: tuple[Action, ...] = ()
    blocked: Block | None = None
    why: str = ""
    code: str = ""
    unverified: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sources: Mapping[str, Source] = field(default_factory=lambda: MappingProxyType({}))
    foreign: bool = False
    repair: bool = False
    gone: int = 0  # of a replace: how many of its actions take the old away
    pending_restart: str = ""  # why what is seen takes effect only after a restart
    missing: str = ""  # it is not there, and why nothing is done about it: what needs it cannot be made
    desired: Resource | None = None

    @property
    def symbol(self) -> str:
        return "!" if self.blocked else self.verb.value

    @property
    def runs(self) -> bool:
        """Whether apply would do something for it now."""
        return not self.blocked and (self.verb.acts or self.verb.records or self.verb is Verb.WAIT)

    @property
    def disruption(self) -> Disruption:
        return max(action.disruption for action in self.actions) if self.actions else Disruption.NONE

    @property
    def loses(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(loss.text for action in self.actions for loss in action.lost)) if self.actions else ()

    @property
    def reboot(self) -> Reboot:
        guesses = {action.reboot for action in self.actions}
        return Reboot.NEEDED if Reboot.NEEDED in guesses else Reboot.POSSIBLE if Reboot.POSSIBLE in guesses else Reboot.NEVER

    @property
    def usual(self) -> tuple[timedelta, timedelta]:
        return sum((a.usual[0] for a in self.actions), ZERO), sum((a.usual[1] for a in self.actions), ZERO)

    @property
    def action_names(self) -> tuple[str, ...]:
        return tuple(action.name for action in self.actions)


def same_value(planned: object, fresh: object) -> bool:
    """Whether two canonical values are one; a `Later` matches anything."""
    later = any(isinstance(value, Mapping) and "$later" in value for value in (planned, fresh))
    return later or planned == fresh


def same_step(planned: Step, fresh: Step) -> bool:
    """Equal steps: same verb, same changes (a `Later` matches anything), same action names in order."""
    if planned.verb is not fresh.verb or planned.action_names != fresh.action_names or len(planned.changes) != len(fresh.changes):
        return False
    pairs = zip(planned.changes, fresh.changes, strict=True)
    return all(a.path == b.path and same_value(plain(a.before), plain(b.before)) and same_value(plain(a.after), plain(b.after)) for a, b in pairs)


def subsequence(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    rest = iter(whole)
    return all(name in rest for name in part)


@dataclass(frozen=True, slots=True)
class Barrier:
    """A reboot, as a step of its own: after all steps of `level`, because of the steps `because`."""

    level: int
    because: tuple[ResourceId, ...]
    usual: tuple[timedelta, timedelta] = (timedelta(minutes=2), timedelta(minutes=7))
    blocked: Block | None = None


class Sight(StrEnum):
    """How a host was seen."""

    SEEN = "seen"
    UNSEEN = "unseen"  # not reached, or not all of it answered
    REFUSED = "refused"  # another machine, or we were not let in


@quick
@dataclass(frozen=True, slots=True)
class HostPlan:
    """The plan of one host. `notes`: what is there and not ours, said once; `lines`: facts for the heading."""

    name: str
    sight: Sight = Sight.SEEN
    why: str = ""
    code: str = ""
    seen: datetime | None = None
    facts: Facts | None = None
    lines: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    barriers: tuple[Barrier, ...] = ()
    notes: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    rules: int = 0
    suspended: int = 0

    def step(self, id: ResourceId) -> Step | None:
        return next((step for step in self.steps if step.id == id), None)

    @property
    def outage(self) -> tuple[timedelta, timedelta]:
        """How long the host cannot be reached, from the barriers that may run."""
        run = [b for b in self.barriers if not b.blocked]
        return sum((b.usual[0] for b in run), ZERO), sum((b.usual[1] for b in run), ZERO)


@dataclass(frozen=True, slots=True)
class SpecsInfo:
    """Which declaration a plan is of. `commit` empty: not in a Git repository."""

    path: str
    commit: str = ""
    branch: str = ""
    clean: bool = True


@dataclass(frozen=True, slots=True)
class Summary:
    """How many steps of each sort, over all hosts."""

    create: int = 0
    update: int = 0
    replace: int = 0
    delete: int = 0
    adopt: int = 0
    forget: int = 0
    again: int = 0
    wait: int = 0
    deferred: int = 0
    blocked: int = 0
    unseen: int = 0
    reboots: int = 0
    worst: Disruption = Disruption.NONE


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that would happen. `id` goes into every record that applying it writes."""

    id: str
    fleet: str
    made: datetime
    specs: SpecsInfo
    hosts: tuple[HostPlan, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    replace: tuple[str, ...] = ()  # ids for which leave to replace was given
    max_disruption: Disruption | None = None
    by: str = ""
    seconds: float = 0.0  # how long looking took
    whole: bool = False  # the whole fleet was loaded and asked for: pruning was possible
    targets: tuple[str, ...] = ()  # what was asked for, so that a saved plan is decided again within the same bounds
    exclude: tuple[str, ...] = ()
    destroy: tuple[str, ...] = ()

    def steps(self) -> Iterator[Step]:
        for host in self.hosts:
            yield from host.steps

    @property
    def summary(self) -> Summary:
        counts = dict.fromkeys(("create", "update", "replace", "delete", "adopt", "forget", "again", "wait", "deferred", "blocked", "unseen"), 0)
        worst = Disruption.NONE
        for step in self.steps():
            if step.blocked:
                counts["blocked"] += 1
            elif step.verb is not Verb.NOTHING:
                counts[step.verb.word] += 1
                worst = max(worst, step.disruption)
        barriers = [b for host in self.hosts for b in host.barriers if not b.blocked]
        counts["unseen"] += sum(1 for host in self.hosts if host.sight is not Sight.SEEN and not host.steps)
        return Summary(**counts, reboots=len(barriers), worst=max(worst, Disruption.REBOOT) if barriers else worst)

    @property
    def exit_code(self) -> int:
        """0 as declared, 1 error, 4 blocked, 5 not everything could be seen, 2 changes pending; the first that holds."""
        summary = self.summary
        if any(d.severity is Severity.ERROR for d in self.diagnostics):
            return 1
        if summary.blocked or any(b.blocked for host in self.hosts for b in host.barriers):
            return 4
        if summary.unseen or any(host.sight is not Sight.SEEN for host in self.hosts):
            return 5
        pending = summary.create + summary.update + summary.replace + summary.delete + summary.again + summary.wait + summary.deferred + summary.reboots
        return 2 if pending else 0


def later_text(value: object) -> str | None:
    """How a value that is known after apply is printed; None for any other."""
    return "(known after apply)" if isinstance(value, Later) else None
