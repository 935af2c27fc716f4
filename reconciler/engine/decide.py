"""Desired, recorded and observed in; one host's plan out. Pure: the same function plans, and decides again before every step.

1 `Draft`      each resource on its own: absent, present, busy, unseen → a verb, changes, actions
2 `prune`      what is on record and no longer declared
3 `restrain`   protection, leave, limits, hold, rules on the end state that can be reached, and what follows from them
4 `arrange`    levels (restarts before use), order, barriers
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from reconciler.core.calls import Later
from reconciler.core.changes import Cause, Changes
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.ids import Key, ResourceId
from reconciler.core.kinds import Kind, Reboot
from reconciler.core.model import construct
from reconciler.core.observations import Absent, Busy, CapabilityState, Observation, Present, Unseen
from reconciler.core.plan import Block, HostPlan, Step, Verb
from reconciler.core.resources import DriftPolicy, Resource
from reconciler.core.values import replace
from reconciler.engine.arrange import arrange
from reconciler.engine.desired import Desired, brought, is_part
from reconciler.engine.diff import compare, everything, project
from reconciler.engine.drafts import LATER_KEY, attribute, holds_later
from reconciler.engine.ledger import INTENT, Record, needed, recorded_spec, renamed
from reconciler.engine.prune import destroy, left_behind, prune
from reconciler.engine.restrain import restrain
from reconciler.engine.shapes import shape
from reconciler.engine.tags import digest_of
from reconciler.engine.view import HostView

UNENDED = "PLN052"
NOTHING_KNOWN: Mapping[str, str] = MappingProxyType({})


def decide(desired: Desired, view: HostView, now: datetime) -> HostPlan:
    """The plan of one host. Equal arguments give equal plans, byte for byte."""
    drafts = _Drafts(desired, view)
    steps = destroy(desired, view) if desired.destroy else drafts.all()
    if not desired.destroy:
        steps += prune(desired, view)
    restrained = restrain(desired, view, steps, drafts.reach, now)
    ordered, barriers = arrange(restrained.steps, desired.limits)
    return HostPlan(
        name=desired.host.name,
        seen=view.at,
        facts=view.facts,
        steps=ordered,
        barriers=barriers,
        notes=_notes(view),
        diagnostics=(*restrained.diagnostics, *_unended(view)),
        rules=restrained.rules,
        suspended=restrained.suspended,
    )


def _notes(view: HostView) -> tuple[str, ...]:
    notes = [f"a record names another host and is left alone: {name}" for name in view.records.foreign]
    if broken := view.records.broken:
        many = len(broken) > 1
        notes.append(f"{len(broken)} record{'s' if many else ''} of ours cannot be read and {'are' if many else 'is'} left alone: {', '.join(broken)}")
    return tuple(notes)


def _unended(view: HostView) -> tuple[Diagnostic, ...]:
    """What an earlier run began and did not see done: killed, or failed there. What has a job on the host is told of by its step."""
    jobs = {job.resource for job in view.hello.jobs}
    begun = (r for r in view.records.by_id.values() if r.phase == INTENT and not r.digest and str(r.id) not in jobs)
    return tuple(Diagnostic(UNENDED, Severity.NOTE, _began(record), subject=str(record.id)) for record in begun)


def _began(record: Record) -> str:
    when = f" (intent recorded {record.begun} UTC)" if record.begun else ""
    return f"run {record.plan} began {record.id.local} on {record.id.host} and did not see it done{when}: it is looked at anew"


def _watched(base: Step, seen: Observation) -> Step:
    """A resource that is only to be looked at."""
    match seen:
        case Unseen():
            return replace(base, verb=Verb.UNSEEN, why=seen.why, code=seen.code)
        case Absent():
            return replace(base, why="observed only", missing="only observed")
        case Busy() | Present():
            return replace(base, why="observed only")


class _Drafts:
    """Decides every declared resource, needs first, over a projected state that grows as it goes."""

    def __init__(self, desired: Desired, view: HostView) -> None:
        self.desired = desired
        self.view = view
        self.steps: dict[ResourceId, Step] = {}
        self.replaces = False  # any of them
        self.reach: dict[str, dict[Key, Any]] = {
            kind: {key: p.state for key, p in looked.items()} for kind, looked in view.kinds.items() if not isinstance(looked, Unseen)
        }
        self.by_id = {resource.id: resource for resource in desired.resources}
        self.records: Mapping[ResourceId, Record] = {**view.records.by_id, **renamed(desired.resources, view.records)}

    def all(self) -> list[Step]:
        for resource in self._needs_first():
            step = self.steps[resource.id] = self._step(self._resolve(resource))
            self.replaces = self.replaces or step.verb is Verb.REPLACE
        return [self.steps[resource.id] for resource in self.desired.resources]

    def _needs_first(self) -> list[Resource]:
        """Depth first with a stack of its own: a chain of needs may be longer than Python's."""
        done: dict[ResourceId, Resource] = {}
        stack = list(reversed(self.desired.resources))
        while stack:
            resource = stack[-1]
            waiting = [] if resource.id in done else [self.by_id[n.target] for n in resource.needs if n.target in self.by_id and n.target not in done]
            if waiting:
                stack += reversed(waiting)
            else:
                done.setdefault(resource.id, stack.pop())
        return list(done.values())

    # -- values that come from states

    def _resolve(self, resource: Resource) -> Resource:
        """Put in what a Later stands for, where it can be seen now; one of an optional field that stands for nothing is left out."""
        if not holds_later(resource.spec):
            return resource
        laters = {name: value for name, value in resource.spec.__dict__.items() if isinstance(value, Later)}
        known = {name: value for name, later in laters.items() if (value := self._look_up(later)) is not None}
        marks = shape(type(resource.spec)).marks
        known |= {name: None for name, later in laters.items() if name not in known and not marks[name].required and self._holds_nothing(later)}
        kind = self.desired.registry[resource.kind]
        if not known:
            return resource
        spec = construct(kind.spec, {**resource.spec.__dict__, **known})
        key = kind.key(spec) if resource.key.startswith(LATER_KEY) else resource.key
        return replace(resource, spec=spec, key=key)

    def _look_up(self, later: Later) -> Any:
        target = ResourceId.parse(later.resource)
        declared = self.by_id.get(target)
        if declared is not None and (step := self.steps.get(target)) is not None and step.verb.acts:
            return None  # what it will be is known after apply
        key = declared.key if declared else Key(target.name.casefold())
        return attribute(self.reach.get(target.kind, {}).get(key), later.field)

    def _holds_nothing(self, later: Later) -> bool:
        """Its target is there and seen, nothing is to change about it, and it has no such value."""
        target = ResourceId.parse(later.resource)
        step = self.steps.get(target)
        there = step.key if step is not None else Key(target.name.casefold())
        settled = step is None or step.verb in (Verb.NOTHING, Verb.ADOPT)
        return settled and there in self.reach.get(target.kind, {})

    def _unfounded(self, resource: Resource) -> Block | Unseen | None:
        """A value that is to come from something others made, and does not."""
        for name, value in resource.spec.__dict__.items() if holds_later(resource.spec) else ():
            if not isinstance(value, Later) or (target := ResourceId.parse(value.resource)) in self.by_id:
                continue
            looked = self.view.kinds.get(target.kind)
            if looked is None or isinstance(looked, Unseen):
                return Unseen(f"{name} comes from {target.local}, which could not be seen")
            lack = f"has no {value.field}" if Key(target.name.casefold()) in looked else "is not there"
            return Block("PLN035", f"{name} comes from {target.local}, which {lack}", f"make it, or write {name}")
        return None

    # -- one resource

    def _step(self, resource: Resource) -> Step:
        kind = self.desired.registry[resource.kind]
        record = self.records.get(resource.id)
        seen = self._observe(resource, kind)
        base = Step(resource.id, Verb.NOTHING, key=resource.key, needs=tuple(n.target for n in resource.needs), sources=resource.sources, desired=resource)
        if resource.common.lifecycle.observe_only:
            return _watched(base, seen)
        unfounded = self._unfounded(resource)
        if isinstance(unfounded, Unseen) and not isinstance(seen, Busy):
            seen = unfounded
        match seen:
            case Busy():
                return self._wait(base, resource, kind, seen)
            case Unseen():
                return replace(base, verb=Verb.UNSEEN, why=seen.why, code=seen.code)
            case Absent() as absent:
                if record is not None and record.applied and kind.half_made and absent == Absent():
                    base = replace(base, why=kind.half_made)  # what it needs is there: it was undone in part, not taken away
                behind = self._behind_restart(resource, kind)
                step = self._absent(replace(base, level=behind) if behind else base, resource, kind, record)
            case Present():
                step = self._present(base, resource, kind, record, seen)
        return replace(step, blocked=unfounded) if isinstance(unfounded, Block) and step.verb.acts else step

    def _absent(self, base: Step, resource: Resource, kind: Kind[Any, Any], record: Record | None) -> Step:
        """Nothing under its key. Where the record has it under another, and it is there, it is that one that has to become this."""
        former = self._former(resource, kind, record)
        if former is None:
            return self._create(base, resource, kind, record)
        found = compare(resource, former, record, self.desired.secrets.get(resource.id, NOTHING_KNOWN))
        assert record is not None
        step = self._policy(replace(self._replace(base, resource, kind, record, former, found.changes), why=f"it is {record.key} on record"), resource)
        if step.verb.acts and not step.blocked:
            self._reach(resource, kind, None, everything(resource, record))
        return step

    def _former(self, resource: Resource, kind: Kind[Any, Any], record: Record | None) -> Present[Any] | None:
        """What we made for this resource under a key that it no longer has, where it would otherwise be left behind."""
        if record is None or record.key == resource.key or resource.key.startswith(LATER_KEY) or self._goes_with(resource) or left_behind(kind, record):
            return None
        if any((other.kind, other.key) == (resource.kind, record.key) for other in self.desired.resources):
            return None
        looked = self.view.kinds.get(kind.name)
        return None if looked is None or isinstance(looked, Unseen) else looked.get(record.key)

    def _goes_with(self, resource: Resource) -> Step | None:
        """The parent that takes this part along when it is replaced."""
        if not self.replaces:
            return None
        parents = (self.steps.get(need.target) for need in resource.needs)
        return next((p for p in parents if p is not None and p.verb is Verb.REPLACE and is_part(self.desired.registry, p.id.kind, resource.kind)), None)

    def _observe(self, resource: Resource, kind: Kind[Any, Any]) -> Observation:
        parent = self._goes_with(resource)
        if parent is not None:
            return Absent(f"goes with {parent.id.local}")
        return self.view.observe(kind, resource.id, resource.key, kind.requires(resource.spec))

    def _behind_restart(self, resource: Resource, kind: Kind[Any, Any]) -> int:
        """1 where a capability waits for a restart that nothing declared here stands for: somebody else installed it."""
        pending = {c.name for c in kind.requires(resource.spec) if self.view.capabilities.get(c.name) is CapabilityState.PENDING_RESTART}
        return int(bool(pending) and not pending <= brought(self.desired, resource))

    def _tainted(self, resource: Resource, seen: Present[Any], record: Record | None, changes: Changes[Any]) -> Present[Any]:
        """Left-overs that the kind sees; else, while it is not as declared, what a failed job of ours that was to make it left.

        A failed job that was to change what had been as declared leaves that, and the change is tried again.
        """
        job = None if record is not None and record.applied else self.view.failed_job(resource.id)
        ours = (f"job {job} failed" if job else "") or (record.tainted if record and record.phase == INTENT else "")
        why = seen.tainted or (ours if changes else "")
        return replace(seen, tainted=why) if why else seen

    def _wait(self, base: Step, resource: Resource, kind: Kind[Any, Any], seen: Busy) -> Step:
        """A job is at work on it: what comes after goes by what the job is taken to make, and by the restart that may ask for."""
        changes = everything(resource, None)
        actions = kind.converge(resource.spec, None, changes, self.view.facts)
        pending = "what the job makes takes a restart" if any(action.reboot is Reboot.NEEDED for action in actions) else ""
        self._reach(resource, kind, None, changes)
        why = f"job {seen.job} ({seen.what}) runs" if seen.job else f"Azure is at work: {seen.what}, by {seen.by}"
        return replace(base, verb=Verb.WAIT, why=why, code=seen.job, pending_restart=pending)

    def _create(self, base: Step, resource: Resource, kind: Kind[Any, Any], record: Record | None) -> Step:
        changes = everything(resource, record)
        actions = tuple(kind.converge(resource.spec, None, changes, self.view.facts))
        step = replace(base, verb=Verb.CREATE, changes=changes.items, actions=actions)
        step = self._policy(step, resource)
        if step.verb.acts and not step.blocked:
            self._reach(resource, kind, None, changes)
        return step if step.verb.acts else replace(step, missing=step.why)

    def _present(self, base: Step, resource: Resource, kind: Kind[Any, Any], record: Record | None, seen: Present[Any]) -> Step:
        found = compare(resource, seen, record, self.desired.secrets.get(resource.id, NOTHING_KNOWN))
        seen = self._tainted(resource, seen, record, found.changes)
        pending = seen.reboot if seen.reboot and kind.restart(resource.spec) else ""
        if found.unverified or record is None or pending:
            base = replace(base, unverified=found.unverified, foreign=record is None and not seen.recordless, pending_restart=pending)
        if record is not None and self._former(resource, kind, record) is not None:
            why = f"it is {record.key} on record, and {resource.key} is there already and is not ours"
            return replace(base, verb=Verb.REPLACE, changes=found.changes.items, blocked=Block("PLN033", why, "take one of them away by hand"))
        if seen.tainted or any(change.immutable for change in found.changes.items):
            step = self._replace(base, resource, kind, record, seen, found.changes)
        elif not found.changes:
            return base if seen.recordless else self._recorded(base, resource, record)
        else:
            actions = tuple(kind.converge(resource.spec, seen.state, found.changes, self.view.facts))
            verb = Verb.AGAIN if all(change.again for change in found.changes.items) else Verb.UPDATE
            step = replace(base, verb=verb, changes=found.changes.items, actions=actions)
            if not actions:
                names = ", ".join(change.path for change in found.changes.items)
                step = replace(step, blocked=Block("PLN011", f"no action of {kind.name} changes {names} in place"))
            elif seen.terminal and verb is Verb.AGAIN and record is not None and record.plan == self.desired.run:
                step = replace(step, blocked=Block(seen.terminal.code, seen.terminal.message, seen.terminal.next))
        step = self._policy(step, resource)
        if step.verb.acts and not step.blocked:
            changes = everything(resource, record) if step.verb is Verb.REPLACE else found.changes
            self._reach(resource, kind, None if step.verb is Verb.REPLACE else seen.state, changes)
        return step

    def _replace(self, base: Step, resource: Resource, kind: Kind[Any, Any], record: Record | None, seen: Present[Any], changes: Changes[Any]) -> Step:
        repair = seen.tainted is not None and record is not None and record.phase == INTENT and not record.applied
        step = replace(base, verb=Verb.REPLACE, why=seen.tainted or "", changes=changes.items, repair=repair)
        if kind.delete is None:
            return replace(step, blocked=Block("PLN011", f"{kind.name} can be made and changed, not replaced"))
        gone = tuple(kind.delete(seen.state, self.view.facts))
        made = tuple(kind.converge(resource.spec, None, everything(resource, record), self.view.facts))
        return replace(step, actions=(*gone, *made), gone=len(gone))

    def _recorded(self, base: Step, resource: Resource, record: Record | None) -> Step:
        """As declared: is it on record so? A change of HOW fields alone is no step."""
        if record is None:
            return replace(base, verb=Verb.ADOPT)
        ours = recorded_spec(resource, self.desired.hashes.get(resource.id, NOTHING_KNOWN))
        moved = any(ours.get(name) != record.spec.get(name) for name in shape(type(resource.spec)).recorded)
        now, then = resource.common.lifecycle, record.lifecycle
        protected = (now.prevent_destroy, now.deletion_policy) != (then.prevent_destroy, then.deletion_policy)
        if record.digest:
            same = record.digest == digest_of(resource) and not protected and record.id == resource.id
            return base if same else replace(base, verb=Verb.ADOPT, foreign=False)
        if record.phase == INTENT or moved or protected or record.needs != needed(resource) or (record.id, record.key) != (resource.id, resource.key):
            return replace(base, verb=Verb.ADOPT, foreign=False)
        return base

    def _policy(self, step: Step, resource: Resource) -> Step:
        """driftPolicy, for steps that only the world gave cause for."""
        drift = step.changes and all(change.cause is Cause.DRIFT for change in step.changes)
        if not drift or step.blocked:
            return step
        if resource.common.drift_policy is DriftPolicy.IGNORE:
            return replace(step, verb=Verb.NOTHING, changes=(), actions=(), why="drift is ignored (driftPolicy)")
        if resource.common.drift_policy is DriftPolicy.DETECT:
            return replace(step, blocked=Block("POL001", "driftPolicy is detect: drift is shown, not corrected"))
        return step

    def _reach(self, resource: Resource, kind: Kind[Any, Any], state: Any, changes: Changes[Any]) -> None:
        of = shape(kind.spec)
        self.reach.setdefault(kind.name, {})[resource.key] = project(of, kind.state, resource, state, changes)
