"""Runs a scenario, stage by stage, on an emulated host with the real engine, and keeps what the laws judge.

A stage is what somebody typed on the host, what is declared then, and which steps that must give. `ran` plans and applies it,
looks again, and notes every question and action that a kind made on the way. The laws and the mutations read these notes.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from reconciler.cli.wishes import web, wishes
from reconciler.core.calls import AnyCall, Later
from reconciler.core.changes import Changes
from reconciler.core.diagnostics import Severity
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Finding, Kind, NotSeen, Registry, Rule, World
from reconciler.core.model import FieldMarks, fields
from reconciler.core.observations import Ask, Facts, Present, Unseen
from reconciler.core.plan import Plan
from reconciler.core.snapshot import Snapshot
from reconciler.emulator.arm import building
from reconciler.emulator.arm.model import Run
from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.emulator.skus import AdapterWish, HostWish
from reconciler.engine.environment import Limits
from reconciler.engine.events import RunReport
from reconciler.engine.link import Linked
from reconciler.engine.planes import connected
from reconciler.engine.planning import desired_of, look_at, target_of
from reconciler.engine.shapes import shape
from reconciler.engine.view import HostView, Looked
from reconciler.kinds import registry
from reconciler.rules import RULES, WORDS
from reconciler.secrets import Vault
from tests.engine.azurelab import azure_host
from tests.engine.lab import FLEET, Lab, host, linked, symbols

HOST = "edge-01"
KINDS = registry()


@dataclass(frozen=True)
class Stage:
    """`does`: the plan's lines, in order. `leave`: leave to replace is given. `held`: what is planned cannot run, as it should be."""

    name: str
    declared: str
    does: tuple[str, ...] = ()
    hand: tuple[str, ...] = ()
    fault: Fault | None = None
    leave: bool = True
    held: bool = False
    fails: bool = False  # the apply is to fail (a fault says so); the next stage goes on from there
    crash: bool = False  # crash law: this stage is cut at every exchange


@dataclass(frozen=True)
class Scenario:
    """One kind at work on one host; its first stage may make only what the kind needs."""

    kind: str
    name: str
    stages: tuple[Stage, ...]
    sku: str = "server-2022"
    adapters: tuple[AdapterWish, ...] = ()
    domain: str | None = None
    language: str = "en-US"
    azure: str = ""  # the size of the VM that the host is in an emulated Azure

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


@dataclass(frozen=True)
class Made:
    """An action that a kind made, and out of what."""

    kind: str
    action: Action
    deleting: bool
    state: Any


@dataclass
class Notes:
    """Everything that kinds said while a scenario ran."""

    made: list[Made] = field(default_factory=list)
    asked: list[tuple[str, Ask]] = field(default_factory=list)
    reach: dict[str, dict[Key, Any]] = field(default_factory=dict)

    def calls(self) -> Iterator[tuple[str, AnyCall]]:
        """Every call, once each, with the kind that made it."""
        seen: set[str] = set()
        for kind, call in self._calls():
            if (text := f"{kind} {call!r}") not in seen:
                seen.add(text)
                yield kind, call

    def _calls(self) -> Iterator[tuple[str, AnyCall]]:
        yield from ((kind, ask.call) for kind, ask in self.asked)
        yield from ((one.kind, call) for one in self.made for call in (*one.action.calls, *one.action.undo))


def marks_of(kind: Kind[Any, Any]) -> Mapping[str, FieldMarks]:
    spec: type[BaseModel] = kind.spec
    return fields(spec)


def noted(kind: Kind[Any, Any], notes: Notes) -> Kind[Any, Any]:
    """The same kind, with a note taken of everything that it makes."""

    def ask(keys: Collection[Key], facts: Facts) -> Iterable[Ask]:
        asks = tuple(kind.ask(keys, facts))
        notes.asked += [(kind.name, one) for one in asks]
        return asks

    def evidence(spec: Any, facts: Facts) -> Iterable[Ask]:
        asks = tuple(kind.evidence(spec, facts))
        notes.asked += [(kind.name, one) for one in asks]
        return asks

    def tag(now: Any, tags: Mapping[str, str]) -> AnyCall:
        assert kind.tag is not None
        call = kind.tag(now, tags)
        notes.made.append(Made(kind.name, Action("tag", "", (call,)), False, now))
        return call

    def converge(spec: Any, now: Any, changes: Changes[Any], facts: Facts) -> Iterable[Action]:
        actions = tuple(kind.converge(spec, now, changes, facts))
        notes.made += [Made(kind.name, action, False, now) for action in actions]
        return actions

    def delete(now: Any, facts: Facts) -> Iterable[Action]:
        assert kind.delete is not None
        actions = tuple(kind.delete(now, facts))
        notes.made += [Made(kind.name, action, True, now) for action in actions]
        return actions

    return replace(kind, ask=ask, evidence=evidence, converge=converge, delete=delete if kind.delete else None, tag=tag if kind.tag else None)


def noting(kinds: Registry, notes: Notes) -> Registry:
    """A registry that notes, with a last rule that sees what rules see: the end state that the plan can reach."""

    def look(world: World) -> Iterable[Finding]:
        notes.reach = {}
        for name in kinds:
            try:
                notes.reach[name] = dict(world.states(name))
            except NotSeen:
                continue
        return ()

    probe: Rule[Any] = Rule("TST001", Severity.NOTE, "what rules see", look)
    return Registry((noted(kind, notes) for kind in kinds.values()), (*RULES, probe), WORDS)


@dataclass(frozen=True, repr=False)
class Ran:
    """One stage, run. `before` is the estate as it was before the plan; `reach` what the plan said would be there in the end."""

    scenario: Scenario
    stage: Stage
    before: Estate
    plan: Plan
    reach: Mapping[str, Mapping[Key, Any]]
    report: RunReport | None
    second: Plan
    after: HostView
    snapshot: Snapshot
    events: tuple[Any, ...]
    estate: Estate  # as it was left

    def __repr__(self) -> str:
        return f"{self.scenario}, {self.stage.name}"


def document(scenario: Scenario, stage: Stage) -> str:
    """All that is declared at a stage."""
    if scenario.azure:
        return FLEET + azure_host(HOST, stage.declared, connection="{transport: winrm}", sku=scenario.sku)
    return FLEET + host(HOST, stage.declared or "{}", scenario.sku)


def leave(desired: Linked, stage: Stage) -> Limits:
    """Leave to replace anything, where the stage gives it."""
    return Limits(replace=tuple(str(r.id) for each in desired.resources.values() for r in each)) if stage.leave else Limits()


@dataclass
class Play:
    """A scenario on its host."""

    scenario: Scenario
    lab: Lab
    notes: Notes

    @classmethod
    def begin(cls, scenario: Scenario, kinds: Registry = KINDS, secrets: Mapping[str, str] | None = None) -> Play:
        notes = Notes()
        reg = noting(kinds, notes)
        here = Lab(linked(document(scenario, scenario.stages[0]), reg), Estate.new(None), reg, secrets=Vault(environ=secrets or SECRETS))
        base = wishes(here.desired, {})[0]
        adapters = (*base.adapters, *(a for a in scenario.adapters if a.name not in {b.name for b in base.adapters}))
        here.estate.add(HostWish(HOST, scenario.sku, adapters, language=scenario.language, domain=scenario.domain))
        if scenario.azure:
            building.vm(here.estate, HOST, group="rg-hpc", size=scenario.azure, machine=HOST)
        return cls(scenario, here, notes)

    def declare(self, stage: Stage) -> None:
        """What is declared from now on."""
        self.lab.desired = linked(document(self.scenario, stage), self.lab.registry)
        self.lab.estate.site.web.update(web(self.lab.desired))

    def prepare(self, stage: Stage) -> None:
        for line in stage.hand:
            if line.startswith("wait "):
                self.lab.estate.clock.advance(timedelta(minutes=float(line.removeprefix("wait "))))
                continue
            if line.startswith("azure exits "):
                self.lab.estate.azure.scripts.clear()
                building.script(self.lab.estate, "*", "*", *(Run(int(code), 15.0) for code in line.removeprefix("azure exits ").split()))
                continue
            outcome = self.lab.estate.run(HOST, line)
            assert outcome.ok, (line, outcome.errors)
        if stage.fault:
            self.lab.estate.fault(HOST, copy.copy(stage.fault))
        self.declare(stage)

    async def stage(self, stage: Stage) -> Ran:
        self.prepare(stage)
        limits = leave(self.lab.desired, stage)
        before = copy.deepcopy(self.lab.estate)
        self.lab.events = []
        plan = await self.lab.plan(limits=limits)
        reach = self.notes.reach
        report = None if stage.held else await self.lab.apply(plan, limits=limits)
        self.lab.estate.heal(HOST)
        second = await self.lab.plan(limits=limits)
        view, snapshot = await self.look()
        return Ran(self.scenario, stage, before, plan, reach, report, second, view, snapshot, tuple(self.lab.events), copy.deepcopy(self.lab.estate))

    async def look(self) -> tuple[HostView, Snapshot]:
        env = self.lab.environment()
        desired = desired_of(self.lab.desired, self.lab.desired.hosts[HOST], self.lab.request(), env)
        async with connected(env, target_of(desired)) as reader:
            _, view = await look_at(desired, reader, env)
            return view, Snapshot.taken(HOST, view.at, reader.hello.raw, view.asked)


SECRETS: Mapping[str, str] = {
    "KEY_ONE": "Y2FuYXJ5LW9uZS1zeW1rZXk=",
    "KEY_TWO": "Y2FuYXJ5LXR3by1zeW1rZXk=",
    "CONNECTION": "HostName=hub.example.net;DeviceId=d1;SharedAccessKey=Y2FuYXJ5LWNvbm4=",
}


async def play(scenario: Scenario, kinds: Registry = KINDS) -> tuple[list[Ran], Notes]:
    """All stages in order."""
    here = Play.begin(scenario, kinds)
    return [await here.stage(stage) for stage in scenario.stages], here.notes


# -- what laws say of a stage


def wrong(ran: Ran) -> list[str]:
    """What is not as it should be after a stage: laws 1 and 8, and that the stage did what it is named for."""
    found = [] if tuple(symbols(ran.plan)) == ran.stage.does else [f"the plan says {symbols(ran.plan)}, not {list(ran.stage.does)}"]
    if ran.stage.held or ran.stage.fails:
        if ran.stage.fails and (ran.report is None or ran.report.exit_code != 1):
            found.append(f"it was to fail, and ended with {ran.report.exit_code if ran.report else None}")
        return found
    assert ran.report is not None
    if ran.report.exit_code:
        found.append(f"apply ended with {ran.report.exit_code}: {trouble(ran.report)}")
    if symbols(ran.second) or ran.second.exit_code:
        found.append(f"the second plan is not empty: {symbols(ran.second)} {changes(ran.second)}")
    return found + unlike(ran)


def trouble(report: RunReport) -> list[Any]:
    one = report.hosts[0]
    return [*(str(d.details) for d in one.diagnostics), *one.stale, one.unseen, *map(str, one.blocked), *map(str, one.left)]


def changes(plan: Plan) -> list[str]:
    return [f"{change.path}: {change.before!r} -> {change.after!r}" for step in plan.steps() for change in step.changes]


def unlike(ran: Ran) -> list[str]:
    """Law 8: what the plan said would be there, against what is. What is no longer declared is no longer looked at, too."""
    declared = {(step.id.kind, step.key): step.desired.spec for step in ran.plan.steps() if step.desired is not None}
    found = []
    for name, expected in ran.reach.items():
        looked: Looked = ran.after.kinds.get(name, {})
        if isinstance(looked, Unseen) or name not in ran.after.kinds:
            continue
        found += [f"{name} {key} was to be there" for key in expected if (name, key) in declared and key not in looked]
        found += [f"{name} {key} was not to be there" for key in looked if key not in expected]
        for key in (key for key in expected if key in looked):
            found += [f"{name} {key}: {text}" for text in _differences(KINDS[name], declared.get((name, key)), expected[key], looked[key])]
    return found


def _differences(kind: Kind[Any, Any], spec: Any, expected: Any, seen: Present[Any]) -> Iterator[str]:
    """Of a declared object the fields that it declares; of any other all of them."""
    for mark in shape(kind.spec).managed:
        want, have = getattr(expected, mark.name, None), getattr(seen.state, mark.name)
        unsaid = spec is not None and getattr(spec, mark.name) is None
        if unsaid or want is None or isinstance(want, Later) or mark.name in seen.unseen:
            continue
        if mark.keyed:
            want, have = _entries(mark.keyed, want), _entries(mark.keyed, have)
        if want != have:
            yield f"{mark.name} was to be {want!r} and is {have!r}"


def _entries(keyed: Sequence[str], entries: Iterable[Any]) -> set[tuple[str, ...]]:
    return {tuple(str(getattr(entry, name)) for name in keyed) for entry in entries or ()}
