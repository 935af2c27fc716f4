"""The contract of a kind: a record of pure functions. See docs/kinds for the kinds, docs/extending.md for writing one.

`ask` → `parse` → (the engine's diff) → `converge` or `delete`. A kind has no I/O, no clock, and never builds Absent or
Unseen. What it leaves out it cannot do, and the plan says so. Rules judge many resources at once, just as purely.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum, StrEnum
from functools import wraps
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

from reconciler.core.calls import Answer, AnyCall, Arm, CallError, Cmdlet, Plane, Word
from reconciler.core.changes import Changes
from reconciler.core.diagnostics import Severity
from reconciler.core.errors import Defect
from reconciler.core.ids import Key
from reconciler.core.model import FieldMarks, Model, fields
from reconciler.core.observations import Ask, Capability, Facts, Meaning, Present
from reconciler.core.resources import Azure
from reconciler.core.values import quick

S = TypeVar("S", bound=Model)
S_co = TypeVar("S_co", bound=Model, covariant=True)
T = TypeVar("T", bound=Model)
T_read = TypeVar("T_read")


class Disruption(IntEnum):
    """What an action disturbs, from nothing to the line we speak through. Printed with dashes."""

    NONE = 0
    LEASE_LOSS = 1
    SERVICE = 2
    VM_RESTART = 3
    REBOOT = 4
    MANAGEMENT_LINK = 5

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")

    @classmethod
    def parse(cls, text: str) -> Disruption:
        return cls[text.upper().replace("-", "_")]


class Reboot(StrEnum):
    """An action's guess, for the plan; the truth is what is seen afterwards."""

    NEVER = "never"
    POSSIBLE = "possible"
    NEEDED = "needed"


def span(low: float, high: float) -> tuple[timedelta, timedelta]:
    """A built-in estimate, in seconds."""
    return timedelta(seconds=low), timedelta(seconds=high)


@dataclass(frozen=True, slots=True)
class Loss:
    """What cannot be brought back, where its text counts or measures. Leave is given for `things`, whatever their text says by then."""

    text: str
    things: tuple[str, ...]


@quick
@dataclass(frozen=True, slots=True)
class Action:
    """Part of a step: a few calls, what they disturb, and what must be seen before the next action starts.

    `name` is stable and unique within a step: job ids, history and estimates hang on it.
    `until` maps fields of the kind's own state to the values to be seen within `within`.
    `long`: a job on the host that outlives the connection (never with a Secret in it).
    """

    name: str
    summary: str
    calls: tuple[AnyCall, ...] = ()
    usual: tuple[timedelta, timedelta] = span(1, 10)
    disruption: Disruption = Disruption.NONE
    reboot: Reboot = Reboot.NEVER
    until: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    within: timedelta = timedelta(seconds=30)
    long: bool = False
    undo: tuple[AnyCall, ...] = ()
    loses: tuple[str | Loss, ...] = ()  # a plain text names what it tells of, and nothing that may vary

    @property
    def lost(self) -> tuple[Loss, ...]:
        return tuple(loss if isinstance(loss, Loss) else Loss(loss, (loss,)) for loss in self.loses)


class NotSeen(Exception):
    """A rule read what nobody has looked at yet: the rule is suspended, not passed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found. `subject` is the id whose step it blocks, `field` where to point at (a dotted path, may be empty).

    `also` adds (id, field, text) places; `message`, `why` and `help` are for people.
    """

    subject: str
    field: str
    message: str
    also: tuple[tuple[str, str, str], ...] = ()
    label: str = ""
    why: str = ""
    help: str = ""


class Declared(Protocol[S_co]):
    """A declared resource as a rule sees it."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def spec(self) -> S_co: ...


class World(Protocol):
    """One host as a rule may see it. Reading what was not looked at raises NotSeen, which suspends the rule."""

    @property
    def host(self) -> str: ...
    @property
    def sku(self) -> str:
        """`server-2022`, `client-11` …: declared, else from the facts."""

    @property
    def azure(self) -> Azure | None:
        """Where Azure knows the host, as it is declared."""

    @property
    def facts(self) -> Facts: ...
    def declared(self, kind: str) -> Sequence[Declared[Any]]:
        """Every declared resource of the kind on this host, in declared order; spec fields may be `Later`."""

    def states(self, kind: str) -> Mapping[Key, Any]:
        """The end state that the plan can reach: projected specs over what is seen, foreign objects too."""

    def seen(self, kind: str) -> Mapping[Key, Any]:
        """What is there now, foreign objects too."""

    def seen_as(self, one: Declared[Any]) -> Any:
        """What a declared resource is now, also where it is still there under a former key; None where it is not there."""

    def ends_as(self, one: Declared[Any]) -> Any:
        """What a declared resource is in the end state that the plan can reach; None where it is not there then."""

    def answer(self, ask: Ask) -> Answer:
        """The answer to one of the rule's own asks."""

    def once(self, read: Callable[[World], T_read]) -> T_read:
        """What `read` makes of this world, worked out once for all rules; see the decorator of this name."""


def once(read: Callable[[World], T_read]) -> Callable[[World], T_read]:
    """For what many rules read of one world: a pure function of a module, whose result nobody changes."""

    @wraps(read)
    def known(world: World) -> T_read:
        return world.once(read)

    return known


def nothing(*_: Any) -> tuple[()]:
    return ()


def always(*_: Any) -> bool:
    return True


def unknown(*_: Any) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Rule(Generic[S]):
    """`check` is pure and runs three times: at link (nothing seen), on the reachable end state of a plan, before each step."""

    id: str
    severity: Severity
    title: str
    check: Callable[[World], Iterable[Finding]]
    asks: Callable[[Facts], Iterable[Ask]] = nothing


@dataclass(frozen=True, slots=True)
class Kind(Generic[S, T]):
    """All that the product knows about one kind of resource. `words` is its whole vocabulary (laws, docs and JEA read it)."""

    spec: type[S]
    state: type[T]
    key: Callable[[S], Key]
    ask: Callable[[Collection[Key], Facts], Iterable[Ask]]
    parse: Callable[[Sequence[Answer], Facts], Mapping[Key, Present[T]]]
    converge: Callable[[S, T | None, Changes[T], Facts], Iterable[Action]]
    delete: Callable[[T, Facts], Iterable[Action]] | None = None
    requires: Callable[[S], Collection[Capability]] = nothing
    provides: Callable[[S], Collection[Capability]] = nothing
    evidence: Callable[[S, Facts], Iterable[Ask]] = nothing
    rules: Sequence[Rule[S]] = ()
    words: tuple[Word, ...] = ()
    title: str = ""  # one line for docs and explain
    singleton: bool = False  # a host can have only one: its id has no name
    known: tuple[str, ...] = ()  # names that Windows brings: may be referred to, never declared (Default Switch)
    keep: bool = False  # gone from YAML means forget, unless told to delete
    plane: Plane = Plane.HOST  # where record and absence come from; calls have a plane of their own
    tag: Callable[[T, Mapping[str, str]], AnyCall] | None = None  # writes all tags and nothing else, where the record lies on the resource
    restart: Callable[[S], bool] = always  # whether what takes effect after a restart may have one
    explain: Callable[[CallError], Meaning | None] = unknown
    tells: Callable[[Sequence[Answer], Facts], Facts] | None = None  # what its answers say of the host, which an absent resource has no state for
    half_made: str = ""  # of a kind whose absence may be that it is not made wholly: what then is so on the host, in words

    @property
    def name(self) -> str:
        return self.spec.__name__


def _marks(kind: Kind[Any, Any]) -> Mapping[str, FieldMarks]:
    spec: type[Model] = kind.spec
    return fields(spec)


class Registry(Mapping[str, Kind[Any, Any]]):
    """The kinds by name, in the order they were registered, and the rules across kinds with the `words` that these ask."""

    def __init__(self, kinds: Iterable[Kind[Any, Any]], rules: Iterable[Rule[Any]] = (), words: Iterable[Word] = ()) -> None:
        self._kinds: dict[str, Kind[Any, Any]] = {}
        for kind in kinds:
            if kind.name in self._kinds:
                raise Defect(f"two kinds are called {kind.name}")
            if untold := [name for name, mark in _marks(kind).items() if mark.managed and name not in kind.state.model_fields]:
                raise Defect(f"the kind {kind.name} manages {', '.join(untold)}, and its state {kind.state.__name__} has no such field")
            self._kinds[kind.name] = kind
        self._words = tuple(words)
        self.rules: tuple[Rule[Any], ...] = (*(rule for kind in self._kinds.values() for rule in kind.rules), *rules)

    def __getitem__(self, name: str) -> Kind[Any, Any]:
        return self._kinds[name]

    def __iter__(self) -> Any:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def _every(self) -> Iterable[Word]:
        return (*self._words, *(word for kind in self.values() for word in kind.words))

    def words(self) -> tuple[str, ...]:
        """Names of every cmdlet and program that kinds and rules can say, sorted: the invoker's allow-list."""
        return tuple(sorted({word.name if isinstance(word, Cmdlet) else word.path for word in self._every() if not isinstance(word, Arm)}))

    def operations(self) -> tuple[str, ...]:
        """Every operation of Azure Resource Manager that kinds and rules can say, sorted: the least role is made of these."""
        return tuple(sorted({word.name for word in self._every() if isinstance(word, Arm)}))
