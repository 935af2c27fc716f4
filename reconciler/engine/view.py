"""What one look at a host gave: hello, capabilities, every kind's objects, and from them how each resource stands.

`look` asks everything in one batch, equal questions once. The view is a value; decide reads it, apply refreshes parts of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reconciler.core.calls import NONSENSE, Answer, AnyCall, Later, Plane, Unreadable
from reconciler.core.ids import Key, ResourceId
from reconciler.core.kinds import Kind, NotSeen, Registry, nothing
from reconciler.core.model import construct
from reconciler.core.observations import Absent, Ask, Busy, Capability, CapabilityState, Facts, Observation, Present, Unseen
from reconciler.core.resources import Host, Resource
from reconciler.core.snapshot import call_key
from reconciler.core.transport import Clock, Hello, Reader
from reconciler.core.values import quick, replace
from reconciler.engine.drafts import holds_later
from reconciler.engine.ledger import Record, Records
from reconciler.engine.planes import NO_DARK, PLANE_UNSEEN
from reconciler.engine.shapes import shape
from reconciler.engine.tags import record_of_tags

Looked = Mapping[Key, Present[Any]] | Unseen


@quick
@dataclass(frozen=True, slots=True)
class HostView:
    """One host at one moment. `kinds`: kind → objects or why it could not be looked at; `answers` by canonical question.

    `dark`: a plane that could not be seen, and why.
    """

    host: Host
    at: datetime
    hello: Hello
    records: Records
    kinds: Mapping[str, Looked]
    capabilities: Mapping[str, CapabilityState]
    answers: Mapping[str, Answer]
    asked: tuple[tuple[AnyCall, Answer], ...] = ()
    dark: Mapping[Plane, Unseen] = field(default_factory=lambda: NO_DARK)

    @property
    def facts(self) -> Facts:
        return self.hello.facts

    def states(self, kind: str) -> Mapping[Key, Any]:
        looked = self.kinds.get(kind)
        if looked is None or isinstance(looked, Unseen):
            raise NotSeen
        return {key: present.state for key, present in looked.items()}

    def answer(self, ask: Ask) -> Answer:
        answer = self.answers.get(call_key(ask.call))
        if answer is None or (answer.error is not None and not ask.tolerate and not answer.error.is_(*ask.absent)):
            raise NotSeen
        if _dark(answer):
            raise NotSeen
        return answer if answer.error is None or ask.tolerate else Answer()

    def observe(self, kind: Kind[Any, Any], id: ResourceId, key: Key, requires: Collection[Capability]) -> Observation:
        """How one resource stands. A running job comes first, then capabilities, then what was seen."""
        for job in self.hello.jobs:
            if job.resource == str(id) and job.active:
                record = self.records.by_id.get(id)
                return Busy(job.id, job.action, job.since, record.plan if record else "")
        if (told := self.dark.get(kind.plane) or self._by_capability(requires)) is not None:
            return told
        looked = self.kinds.get(kind.name)
        if looked is None:
            return Unseen(f"{kind.name} was not looked at")
        if isinstance(looked, Unseen):
            return looked
        busy = self.at_work() if kind.plane is Plane.ARM else None
        return busy or looked.get(key) or Absent()

    def _by_capability(self, requires: Collection[Capability]) -> Absent | Unseen | None:
        for capability in sorted(requires, key=lambda c: c.name) if len(requires) > 1 else requires:
            state = self.capabilities.get(capability.name)
            if state in (CapabilityState.LACKS, CapabilityState.PENDING_RESTART):
                return Absent(f"the host has no {capability.name}", restart=state is CapabilityState.PENDING_RESTART)
            if state is CapabilityState.SILENT:
                return Unseen(f"{capability.name} is there and does not answer")
        return None

    def at_work(self) -> Busy | None:
        """Azure's own work: one extension of a VM that is at work makes the VM, and all of them, wait (azure-extensions 1.6, Conflict)."""
        for looked in self.kinds.values():
            for key, present in () if isinstance(looked, Unseen) else looked.items():
                if present.busy:
                    return Busy("", f"{key}: {present.busy}", None, present.tagged.run if present.tagged else "someone else")
        at = self.facts.azure.busy if self.facts.azure else ""
        return Busy("", f"the VM: {at}", None, "someone else") if at else None

    def failed_job(self, id: ResourceId) -> str | None:
        """The id of a finished job of this resource that went wrong and is not acknowledged."""
        return next((job.id for job in self.hello.jobs if job.resource == str(id) and job.phase == "done" and job.bad), None)


@dataclass(frozen=True, slots=True)
class Questions:
    """What to ask one host: per kind its asks, per capability its own, and those of rules."""

    kinds: Mapping[str, tuple[Ask, ...]]
    capabilities: Mapping[str, tuple[Capability, tuple[Ask, ...]]]
    rules: tuple[Ask, ...]

    def calls(self) -> dict[str, AnyCall]:
        """Every question once, by its canonical form, in a stable order."""
        found: dict[str, AnyCall] = {}
        for ask in self._asks():
            found.setdefault(call_key(ask.call), ask.call)
        return found

    def _asks(self) -> Iterable[Ask]:
        for _, asks in self.capabilities.values():
            yield from asks
        for asks in self.kinds.values():
            yield from asks
        yield from self.rules


def questions(registry: Registry, facts: Facts, resources: Sequence[Resource], records: Records, kinds: Collection[str] | None = None) -> Questions:
    """Keys asked for are declared ∪ recorded. `kinds` narrows it to some kinds (and the capabilities they need or give)."""
    keys: dict[str, set[Key]] = {}
    needed: dict[str, Capability] = {}
    for name, key, spec in (*_declared(resources), *_referred(registry, resources), *_on_record(registry, resources, records)):
        if kinds is None or name in kinds:
            keys.setdefault(name, set()).add(key)
            kind = registry[name]
            if spec is not None:
                for capability in (*kind.requires(spec), *kind.provides(spec)):
                    needed[capability.name] = capability
    if facts.azure is not None:  # records there lie on the resources: what is declared no more is only found by looking
        keys |= {name: set() for name, kind in registry.items() if kind.plane is Plane.ARM and name not in keys and (kinds is None or name in kinds)}
    asks = {name: tuple(registry[name].ask(tuple(sorted(found)), facts)) for name, found in sorted(keys.items())}
    for ask in (ask for each in asks.values() for ask in each):
        if ask.requires:
            needed[ask.requires.name] = ask.requires
    capabilities = {name: (capability, tuple(capability.ask(facts))) for name, capability in sorted(needed.items())}
    rules = tuple(ask for rule in registry.rules if rule.asks is not nothing for ask in rule.asks(facts)) if kinds is None else ()
    return Questions(asks, capabilities, rules)


def _declared(resources: Sequence[Resource]) -> Iterable[tuple[str, Key, Any]]:
    return ((resource.kind, resource.key, resource.spec) for resource in resources)


def _referred(registry: Registry, resources: Sequence[Resource]) -> Iterable[tuple[str, Key, Any]]:
    """What values are taken from and is not declared: objects of others, looked at for their state alone."""
    open_ = [resource.spec for resource in resources if holds_later(resource.spec)]
    for value in (value for spec in open_ for value in spec.__dict__.values() if isinstance(value, Later)):
        target = ResourceId.parse(value.resource)
        yield target.kind, Key(target.name.casefold()), registry[target.kind].spec.model_construct(None)


def _on_record(registry: Registry, resources: Sequence[Resource], records: Records) -> Iterable[tuple[str, Key, Any]]:
    """What a declared resource needs, its declaration says: of its record the key alone counts."""
    declared = {resource.id for resource in resources}
    for r in records.by_id.values():
        if r.id.kind in registry:
            yield r.id.kind, r.key, None if r.id in declared else recorded(registry[r.id.kind], r)


def recorded(kind: Kind[Any, Any], record: Record) -> Any:
    """A recorded spec as an object with plain values: enough to ask what it requires."""
    return construct(kind.spec, {name: record.spec.get(name, mark.default) for name, mark in shape(kind.spec).marks.items()})


async def look(reader: Reader, host: Host, registry: Registry, resources: Sequence[Resource], clock: Clock, deadline: timedelta, fleet: str = "") -> HostView:
    """Ask everything in one batch. Raises TransportError; what a single call could not answer is Unseen in the view."""
    hello = reader.hello
    records = Records.read(host.name, hello.ledger, fleet)
    asked = questions(registry, hello.facts, resources, records)
    calls = asked.calls()
    answers = dict(zip(calls, await reader.ask(tuple(calls.values()), deadline), strict=True)) if calls else {}
    return _view(host, clock.now(), hello, records, asked, calls, answers, registry, getattr(reader, "dark", NO_DARK))


async def refresh(
    view: HostView, reader: Reader, registry: Registry, resources: Sequence[Resource], clock: Clock, deadline: timedelta, kinds: Collection[str]
) -> HostView:
    """Look again at some kinds; everything else stays as it was seen. Needs no hello: jobs and ledger are the caller's to know."""
    asked = questions(registry, view.facts, resources, view.records, kinds)
    calls = asked.calls()
    answers = dict(zip(calls, await reader.ask(tuple(calls.values()), deadline), strict=True)) if calls else {}
    part = _view(view.host, clock.now(), view.hello, view.records, asked, calls, answers, registry, view.dark)
    return replace(
        view,
        at=part.at,
        hello=part.hello,
        records=part.records,
        kinds={**view.kinds, **part.kinds},
        capabilities={**view.capabilities, **part.capabilities},
        answers={**view.answers, **part.answers},
        asked=(*((c, a) for c, a in view.asked if call_key(c) not in part.answers), *part.asked),
    )


def _view(
    host: Host,
    at: datetime,
    hello: Hello,
    records: Records,
    asked: Questions,
    calls: Mapping[str, AnyCall],
    answers: Mapping[str, Answer],
    registry: Registry,
    dark: Mapping[Plane, Unseen],
) -> HostView:
    def of(asks: Iterable[Ask]) -> list[Answer]:
        return [answers[call_key(ask.call)] for ask in asks]

    capabilities: dict[str, CapabilityState] = {}
    for name, (capability, asks) in asked.capabilities.items():
        try:
            capabilities[name] = capability.read(of(asks), hello.facts)
        except (Unreadable, *NONSENSE):
            capabilities[name] = CapabilityState.SILENT
    kinds: dict[str, Looked] = {
        name: dark.get(registry[name].plane) or _parse(registry[name], asks, of(asks), capabilities, hello.facts) for name, asks in asked.kinds.items()
    }
    for name, asks in asked.kinds.items():
        tells = registry[name].tells
        if tells is not None and not isinstance(kinds[name], Unseen):
            hello = replace(hello, facts=tells(of(asks), hello.facts))
    said = tuple((call, answers[key]) for key, call in calls.items() if not _dark(answers[key]))
    return HostView(host, at, hello, _with_tagged(host, records, kinds, registry), kinds, capabilities, answers, said, dark)


def _dark(answer: Answer) -> bool:
    """Whether nobody was there to be asked: that is no answer to keep."""
    return answer.error is not None and answer.error.category == PLANE_UNSEEN


def _with_tagged(host: Host, records: Records, kinds: Mapping[str, Looked], registry: Registry) -> Records:
    """The records that lie on the resources themselves, as they were just seen, beside those of the ledger."""
    seen = {name: looked for name, looked in kinds.items() if registry[name].plane is Plane.ARM and not isinstance(looked, Unseen)}
    if not seen:
        return records
    by_id = {id: record for id, record in records.by_id.items() if id.kind not in seen}
    for looked in seen.values():
        found = [record_of_tags(records.fleet, key, present.tagged) for key, present in looked.items() if present.tagged]
        by_id |= {record.id: record for record in found if record is not None and record.id.host.casefold() == host.name.casefold()}
    return replace(records, by_id=by_id)


def _parse(kind: Kind[Any, Any], asks: Sequence[Ask], answers: Sequence[Answer], capabilities: Mapping[str, CapabilityState], facts: Facts) -> Looked:
    """Definite answers go to the kind; anything else makes the kind Unseen. Nothing is guessed."""
    definite: list[Answer] = []
    for ask, answer in zip(asks, answers, strict=True):
        state = capabilities.get(ask.requires.name) if ask.requires else None
        if state in (CapabilityState.LACKS, CapabilityState.PENDING_RESTART):
            definite.append(Answer())
        elif answer.error is None or (ask.tolerate and not answer.error.cut):
            definite.append(answer)
        elif answer.error.is_(*ask.absent):
            definite.append(Answer())
        else:
            cut = f" ({answer.error.cut})" if answer.error.cut else ""
            return Unseen(f"{ask.call.name} answered {answer.error.id}{cut}: {answer.error.message}".rstrip(": "))
    try:
        return kind.parse(definite, facts)
    except NONSENSE as nonsense:
        return Unseen(f"{kind.name}: the host answered what cannot be read ({type(nonsense).__name__}: {nonsense})")
    except Unreadable as unreadable:
        return Unseen(f"{kind.name}: the host gave no {unreadable.property}: {unreadable.why}")
