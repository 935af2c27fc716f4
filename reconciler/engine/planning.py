"""Plans: look at every host in scope at once, decide each, put the fleet's brake on. Contacts hosts only to read.

`make_plan` looks; `plan_from` reads snapshots instead; `observe` only looks. All three use the same look and the same decide.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import anyio

from reconciler.core.calls import Answer, AnyCall, CallError, Later, Plane, Secret, secrets_in
from reconciler.core.canonical import canonical
from reconciler.core.collecting import uncollected
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.errors import SecretUnavailable, TransportError, Unreachable, WrongMachine
from reconciler.core.ids import ResourceId
from reconciler.core.observations import CapabilityState, Facts, Unseen
from reconciler.core.plan import HostPlan, Plan, Sight, Verb
from reconciler.core.resources import Host, Resource
from reconciler.core.snapshot import Snapshot, call_key
from reconciler.core.transport import Hello, Reader, Target
from reconciler.core.values import replace
from reconciler.engine.decide import decide
from reconciler.engine.desired import Desired
from reconciler.engine.diff import DIFFERS, SAME, UNAVAILABLE
from reconciler.engine.environment import Environment, Request, Scope
from reconciler.engine.identity import verify
from reconciler.engine.judge import UNJUDGED
from reconciler.engine.ledger import salt
from reconciler.engine.link import Linked
from reconciler.engine.planes import connected
from reconciler.engine.shapes import shape
from reconciler.engine.tags import matches
from reconciler.engine.view import HostView, look
from reconciler.engine.vocabulary import vocabulary
from reconciler.secrets.fingerprint import fingerprint
from reconciler.signatures import resolved
from reconciler.wire.answers import hello as hello_of

SETTLING = 300.0  # seconds after a boot in which a silent service is waited for
BETWEEN = timedelta(seconds=5)
SWIFT = timedelta(seconds=30)  # a look whose line broke within so much is begun once more
AGAIN = "the line broke while it was looked at; it was looked at once more"
T = TypeVar("T")
NOT_ASKED_THEN = Answer(error=CallError("NotInSnapshot", "ObjectNotFound", "the snapshot does not hold this question; take a new one with reconcile observe"))


def _quietly(silent: str) -> None:
    """Nobody is told."""


def hosts_in(linked: Linked, scope: Scope) -> list[Host]:
    """The hosts that targets and labels choose, in declared order; all of them where neither is given."""
    named = {target.partition("/")[0].casefold() for target in scope.targets}
    return [
        host
        for host in linked.hosts.values()
        if (not named or host.name.casefold() in named) and all(host.labels.get(key) == value for key, value in scope.labels)
    ]


def unknown_targets(linked: Linked, targets: Sequence[str]) -> list[str]:
    """Targets that name no declared host or resource."""
    known = {name.casefold() for name in linked.hosts} | {str(r.id).casefold() for each in linked.resources.values() for r in each}
    return [target for target in targets if target.casefold() not in known]


def desired_of(linked: Linked, host: Host, request: Request, env: Environment) -> Desired:
    """What one host should be, within the request's scope. Secrets are added after its hello (`with_secrets`)."""
    resources = linked.resources.get(host.name, ())
    targets = {t.casefold() for t in request.scope.targets}
    asked = set() if host.name.casefold() in targets else {t for t in targets if t.startswith(host.name.casefold() + "/")}
    excluded = {t.casefold() for t in request.scope.exclude}
    return Desired(
        host,
        linked.fleet,
        resources,
        env.registry,
        request.limits,
        chosen=_with_needs(resources, asked) if asked else None,
        excluded=frozenset(r.id for r in resources if str(r.id).casefold() in excluded or host.name.casefold() in excluded),
        whole=linked.complete and not asked and not excluded and not any("/" in t for t in request.scope.targets),
        destroy=tuple(id for id in map(ResourceId.parse, request.destroy) if id.host.casefold() == host.name.casefold()),
        settled=linked.settled.get(host.name, UNJUDGED),
    )


def _with_needs(resources: Sequence[Resource], asked: set[str]) -> frozenset[ResourceId]:
    """What was asked for, and all that it needs."""
    by_id = {resource.id: resource for resource in resources}
    chosen: set[ResourceId] = set()
    waiting = [resource for resource in resources if str(resource.id).casefold() in asked]
    while waiting:
        resource = waiting.pop()
        if resource.id not in chosen:
            chosen.add(resource.id)
            waiting += [by_id[need.target] for need in resource.needs if need.target in by_id]
    return frozenset(chosen)


async def with_secrets(desired: Desired, view: HostView, env: Environment) -> Desired:
    """Compare WRITE_ONLY values with the record by salted scrypt. The values themselves go nowhere."""
    verdicts: dict[ResourceId, dict[str, str]] = {}
    hashes: dict[ResourceId, dict[str, str]] = {}
    missing: dict[ResourceId, str] = {}
    for resource in desired.resources:
        for mark in shape(type(resource.spec)).secrets:
            written = getattr(resource.spec, mark.name)
            if written is None or isinstance(written, Later):
                continue
            try:
                value = await _value_of(written, env)
            except SecretUnavailable as unavailable:
                missing[resource.id] = str(unavailable)
                verdicts.setdefault(resource.id, {})[mark.name] = f"its value could not be had here: {unavailable}"
                continue
            made = fingerprint(value, salt(_machine(desired, view.facts, resource), desired.fleet.name, resource.id, mark.name))
            before = _print_of(view, resource, mark.name)
            hashes.setdefault(resource.id, {})[mark.name] = made
            verdicts.setdefault(resource.id, {})[mark.name] = UNAVAILABLE if not before else SAME if matches(before, made) else DIFFERS
    return replace(desired, secrets=verdicts, hashes=hashes, missing=missing)


def _print_of(view: HostView, resource: Resource, field: str) -> str | None:
    """What the record knows of a secret, or the resource itself where it has no record."""
    if resource.id in view.records.by_id:
        return (view.records.by_id[resource.id].spec.get(field) or {}).get("$scrypt")
    looked = view.kinds.get(resource.kind)
    present = None if looked is None or isinstance(looked, Unseen) else looked.get(resource.key)
    return present.prints.get(field) if present is not None else None


def _machine(desired: Desired, facts: Facts, resource: Resource) -> str:
    """What a secret is salted with. A record on an Azure resource is read where the machine itself is not."""
    if desired.registry[resource.kind].plane is Plane.ARM and facts.azure is not None:
        return facts.azure.vm_id or desired.host.name
    return facts.machine_guid or facts.uuid or desired.host.name


async def _value_of(written: Any, env: Environment) -> str:
    """A secret's value; of a map with secrets in it, the whole as canonical JSON."""
    values = {secret: await env.secrets.resolve(secret) for secret in secrets_in(written)}
    return values[written] if isinstance(written, Secret) else canonical(resolved(written, values))


def target_of(desired: Desired) -> Target:
    return Target(desired.host, desired.fleet.name, vocabulary(desired.registry))


async def look_at(
    desired: Desired, reader: Reader, env: Environment, settling: Callable[[str], None] = _quietly, *, waits: bool = True
) -> tuple[Desired, HostView]:
    """One look within a session that is open: identity first, then one batch.

    Soon after a boot, a capability that is there and silent is waited for (`waits`): services come up after the network does.
    """
    verify(desired.host, reader.hello)
    settled = env.clock.now() + timedelta(seconds=max(0.0, SETTLING - reader.hello.facts.uptime))
    while True:
        view = await look(reader, desired.host, desired.registry, desired.resources, env.clock, env.deadline, desired.fleet.name)
        silent = ", ".join(sorted(name for name, state in view.capabilities.items() if state is CapabilityState.SILENT))
        if not waits or not silent or Plane.HOST in view.dark or env.clock.now() >= settled:
            return await with_secrets(desired, view, env), view
        settling(silent)
        await env.clock.sleep_until(env.clock.now() + BETWEEN)


async def make_plan(linked: Linked, request: Request, env: Environment) -> Plan:
    """Look at every host in scope, `env.at_once` at a time; a host that cannot be seen costs the others nothing."""
    started = env.clock.now()
    plans: dict[str, _Decided] = {}
    limiter = anyio.CapacityLimiter(env.at_once)

    async def one(host: Host) -> None:
        async with limiter:
            plans[host.name] = await _plan_host(desired_of(linked, host, request, env), env)

    hosts = hosts_in(linked, request.scope)
    async with anyio.create_task_group() as group:
        for host in hosts:
            group.start_soon(one, host)
    return finish(linked, request, env, [plans[host.name] for host in hosts], started)


@dataclass(frozen=True, slots=True)
class _Decided:
    """A host's plan. `braked` decides it anew without deletions; None where it has none, so that its view can go."""

    plan: HostPlan
    braked: Callable[[str], HostPlan] | None = None


def _decided(desired: Desired, view: HostView, now: datetime) -> _Decided:
    plan = decide(desired, view, now)
    return _Decided(plan, (lambda why: decide(replace(desired, braked=why), view, now)) if _deletions(plan) else None)


def _deletions(plan: HostPlan) -> int:
    """Deletions of what is declared no more; those that somebody named are not counted."""
    return sum(1 for step in plan.steps if step.verb is Verb.DELETE and not step.blocked and step.why != "named")


async def _plan_host(desired: Desired, env: Environment) -> _Decided:
    try:
        (desired, view), again = await _looking(desired, env, lambda reader: look_at(desired, reader, env))
    except TransportError as trouble:
        return _Decided(unseen_host(desired.host, trouble))
    found = _decided(desired, view, env.clock.now())
    return replace(found, plan=replace(found.plan, notes=(*found.plan.notes, AGAIN))) if again else found


async def _looking(desired: Desired, env: Environment, act: Callable[[Reader], Awaitable[T]]) -> tuple[T, bool]:
    """What `act` sees, and whether it took a second connection: where the first one broke, for nothing is written by a look.

    Who could not be reached at all, or hangs, is not tried twice: that would double the time of every host that is off.
    """
    target = replace(target_of(desired), look=True)
    begun, opened = env.clock.now(), False
    try:
        async with connected(env, target) as reader:
            opened = True
            return await act(reader), False
    except Unreachable as broke:
        if not (opened or broke.sent) or env.clock.now() - begun > SWIFT:
            raise
    async with connected(env, target) as reader:
        return await act(reader), True


def unseen_host(host: Host, trouble: TransportError) -> HostPlan:
    """A host that could not be looked at: nothing is planned for it, and nothing on it is taken for absent."""
    sight = Sight.REFUSED if isinstance(trouble, WrongMachine) else Sight.UNSEEN
    return HostPlan(host.name, sight, why=str(trouble), code=trouble.code)


def finish(linked: Linked, request: Request, env: Environment, decided: list[_Decided], started: datetime) -> Plan:
    """Number the steps over all hosts and put the brake on deletions."""
    hosts = _braked(decided, linked.fleet.max_deletes)
    numbered = _numbered(hosts)
    diagnostics = [d for d in linked.diagnostics if d.severity is not Severity.ERROR]
    whole = linked.complete and linked.fleet.declared and not request.scope.exclude and not any("/" in t for t in request.scope.targets)
    return Plan(
        id=env.name_run(),
        fleet=linked.fleet.name,
        made=env.clock.now(),
        specs=request.specs,
        hosts=tuple(numbered),
        diagnostics=_once([*diagnostics, *(d for host in hosts for d in host.diagnostics)]),
        replace=request.limits.replace,
        max_disruption=request.limits.max_disruption,
        by=env.by,
        seconds=(env.clock.now() - started).total_seconds(),
        whole=whole,
        targets=request.scope.targets,
        exclude=request.scope.exclude,
        destroy=request.destroy,
    )


def _once(diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The same finding from link and from decide is said once."""
    return tuple({(d.code, d.subject, d.message): d for d in diagnostics}.values())


def _braked(decided: list[_Decided], most: int) -> list[HostPlan]:
    """Above `most` deletions none runs, and what rests on one is decided anew: a label typo must not empty a fleet."""
    count = sum(_deletions(one.plan) for one in decided)
    why = f"{count} deletions in one plan, and maxDeletes is {most}: none of them runs"
    return [one.plan if count <= most or one.braked is None else one.braked(why) for one in decided]


def _numbered(hosts: list[HostPlan]) -> list[HostPlan]:
    n = 0
    out = []
    for host in hosts:
        steps = []
        for step in host.steps:
            shown = step.blocked is not None or step.verb is not Verb.NOTHING
            n += shown
            steps.append(replace(step, n=n) if shown else step)
        out.append(replace(host, steps=tuple(steps)))
    return out


# -- without hosts


class SnapshotReader:
    """Answers out of a snapshot; what was not asked then is not seen now."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._hello = hello_of(snapshot.hello)

    @property
    def hello(self) -> Hello:
        return self._hello

    async def greet(self) -> Hello:
        return self._hello

    async def ask(self, calls: Sequence[AnyCall], deadline: timedelta) -> tuple[Answer, ...]:
        return tuple([self._snapshot.answers.get(call_key(call), NOT_ASKED_THEN) for call in calls])


async def plan_from(linked: Linked, snapshots: Mapping[str, Snapshot], request: Request, env: Environment) -> Plan:
    """The plan for the hosts as they were when the snapshots were taken. A host without one is not seen."""
    started = env.clock.now()
    with uncollected(kept=True):
        plans = [await _plan_snapshot(desired_of(linked, host, request, env), snapshots.get(host.name), env) for host in hosts_in(linked, request.scope)]
        return finish(linked, request, env, plans, started)


async def _plan_snapshot(desired: Desired, snapshot: Snapshot | None, env: Environment) -> _Decided:
    if snapshot is None:
        return _Decided(HostPlan(desired.host.name, Sight.UNSEEN, why="no snapshot of it was given", code="PLN040"))
    try:
        desired, view = await look_at(desired, SnapshotReader(snapshot), env, waits=False)
    except TransportError as trouble:
        return _Decided(unseen_host(desired.host, trouble))
    return _decided(replace(desired, missing={}), replace(view, at=snapshot.seen), snapshot.seen)


async def observe(linked: Linked, scope: Scope, env: Environment) -> dict[str, Snapshot | Diagnostic]:
    """A snapshot of every host in scope, or why there is none."""
    found: dict[str, Snapshot | Diagnostic] = {}
    limiter = anyio.CapacityLimiter(env.at_once)
    request = Request(scope=scope)

    async def snapshot(desired: Desired, reader: Reader) -> Snapshot:
        host = desired.host
        verify(host, reader.hello)
        view = await look(reader, host, env.registry, desired.resources, env.clock, env.deadline, desired.fleet.name)
        return Snapshot.taken(host.name, view.at, reader.hello.raw, view.asked)

    async def one(host: Host) -> None:
        desired = desired_of(linked, host, request, env)
        async with limiter:
            try:
                found[host.name], _ = await _looking(desired, env, lambda reader: snapshot(desired, reader))
            except TransportError as trouble:
                found[host.name] = Diagnostic(trouble.code, Severity.ERROR, str(trouble), subject=host.name)

    async with anyio.create_task_group() as group:
        for host in hosts_in(linked, scope):
            group.start_soon(one, host)
    return {host.name: found[host.name] for host in hosts_in(linked, scope)}
