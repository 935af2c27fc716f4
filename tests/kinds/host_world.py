"""What the tests of the network kinds stand on: facts, answers as Windows gives them, one way to decide, and a world for rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from reconciler.core.calls import Answer, Call, CallError, Cmdlet, Row
from reconciler.core.ids import Key, ResourceId
from reconciler.core.kinds import Action, Declared, Finding, Kind, NotSeen, World
from reconciler.core.model import Model
from reconciler.core.observations import Ask, Facts, Present
from reconciler.core.resources import Azure, Common, Resource
from reconciler.engine.diff import compare, everything
from reconciler.engine.ledger import APPLIED, Record, recorded_spec
from reconciler.signatures.check import check_call, check_word

T = TypeVar("T")
SERVER = Facts("EDGE-01", "u", "m", "Microsoft Windows Server 2022 Standard", "10.0.20348", 20348, 3)
SERVER_2016 = Facts("EDGE-01", "u", "m", "Microsoft Windows Server 2016 Standard", "10.0.14393", 14393, 3)
CLIENT = Facts("KIOSK-04", "u", "m", "Microsoft Windows 11 Pro", "10.0.22631", 22631, 1)
NOTHING = Answer()


def rows(*values: Mapping[str, Any]) -> Answer:
    return Answer(tuple(Row(value) for value in values))


def failed(id: str, category: str = "NotSpecified") -> Answer:
    return Answer(error=CallError(id, category))


def actions(
    kind: Kind[Any, Any], spec: Model, present: Present[Any] | None, facts: Facts = SERVER, *, was: Model | None = None, exclusive: bool = False
) -> tuple[Action, ...]:
    """What the kind does, on the engine's own difference; `was`: the spec on record. Every call is held to the official signatures."""
    resource = Resource(ResourceId("edge-01", kind.name, "x"), kind.key(spec), spec, {}, common=Common(exclusive=exclusive))
    record = None if was is None else _record(kind, was)
    changes = everything(resource, record) if present is None else compare(resource, present, record, {}).changes
    made = tuple(kind.converge(spec, present.state if present else None, changes, facts)) if present is None or changes else ()
    return sound(made)


def _record(kind: Kind[Any, Any], spec: Model) -> Record:
    resource = Resource(ResourceId("edge-01", kind.name, "x"), kind.key(spec), spec, {})
    return Record(resource.id, resource.key, recorded_spec(resource, {}), APPLIED, "p", "c", True, resource.common.lifecycle, ())


def removal(kind: Kind[Any, Any], state: Model, facts: Facts = SERVER) -> tuple[Action, ...]:
    assert kind.delete is not None
    return sound(tuple(kind.delete(state, facts)))


def sound(made: tuple[Action, ...]) -> tuple[Action, ...]:
    """The actions, once every call in them would be bound by Windows and names are unique in their step."""
    calls = [call for action in made for call in (*action.calls, *action.undo)]
    assert [fault for call in calls for fault in check_call(call)] == []
    assert len({action.name for action in made}) == len(made)
    return made


def called(*made: Action) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, dict(call.parameters)) for action in made for call in action.calls if isinstance(call, Call)]


def sound_kind(kind: Kind[Any, Any], facts: Facts, keys: Sequence[str] = ()) -> list[str]:
    """What the official signatures have against a kind's vocabulary and its questions."""
    asks = [*kind.ask([Key(key) for key in keys], facts), *(ask for rule in kind.rules for ask in rule.asks(facts))]
    cmdlets = [word for word in kind.words if isinstance(word, Cmdlet)]
    words = {word.name for word in cmdlets}
    unsaid = [f"{ask.call.name} is no word of {kind.name}" for ask in asks if ask.call.name not in words and "WindowsFeature" not in ask.call.name]
    return [*unsaid, *(fault for word in cmdlets for fault in check_word(word)), *(f for a in asks for f in check_call(a.call))]


@dataclass(frozen=True)
class Thing:
    """A declared resource as a rule sees it."""

    id: str
    name: str
    spec: Any


@dataclass(frozen=True)
class StubWorld:
    """A host for rules; what is None was not looked at."""

    things: Mapping[str, Sequence[Thing]] = field(default_factory=dict)
    end: Mapping[str, Mapping[Key, Any]] | None = None
    now: Mapping[str, Mapping[Key, Any]] | None = None
    answers: Mapping[str, Answer] | None = None
    host: str = "edge-01"
    sku: str = "server-2022"
    known: Facts | None = SERVER
    azure: Azure | None = None

    @property
    def facts(self) -> Facts:
        if self.known is None:
            raise NotSeen
        return self.known

    def declared(self, kind: str) -> Sequence[Thing]:
        return self.things.get(kind, ())

    def states(self, kind: str) -> Mapping[Key, Any]:
        return self.seen(kind) if self.end is None else self.end.get(kind, {})

    def seen(self, kind: str) -> Mapping[Key, Any]:
        if self.now is None:
            raise NotSeen
        return self.now.get(kind, {})

    def seen_as(self, one: Declared[Any]) -> Any:
        raise NotSeen

    def ends_as(self, one: Declared[Any]) -> Any:
        raise NotSeen

    def answer(self, ask: Ask) -> Answer:
        if self.answers is None:
            raise NotSeen
        return self.answers.get(ask.call.name, NOTHING)

    def once(self, read: Callable[[World], T]) -> T:
        return read(self)


def declare(kind: str, **specs: Any) -> Mapping[str, Sequence[Thing]]:
    return {kind: [Thing(f"edge-01/{kind}/{name}", name, spec) for name, spec in specs.items()]}


def findings(kind: Kind[Any, Any], rule: str, world: StubWorld) -> list[Finding]:
    return list(next(one for one in kind.rules if one.id == rule).check(world))
