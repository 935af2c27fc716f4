"""A remote call as data: what a kind may say to a host or to Azure, and what comes back.

Kinds build `Call`s out of `Cmdlet`, `Program` and `Arm` constants; the wire encodes them, the printer shows them as PowerShell,
law 6 checks them against the official signatures. Nothing here is text that runs: a value can never become code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeAlias

from reconciler.core.errors import Defect

# None, bool, int, float, str, bytes, timedelta, datetime, lists and maps of these, and the marks below.
Value: TypeAlias = Any
Select: TypeAlias = "tuple[str | tuple[str, Select], ...]"

NAME = re.compile(r"(?:[A-Za-z][A-Za-z0-9.-]*\\)?[A-Za-z]+-[A-Za-z0-9]+")
OPERATION = re.compile(r"[A-Z][A-Za-z]+_[A-Z][A-Za-z]+")
EXECUTABLE = re.compile(r'[A-Za-z]:\\[^"*?<>|\x00-\x1f]+\.exe', re.IGNORECASE)


class Plane(Enum):
    """Where a call goes: to the host itself, or to Azure Resource Manager about it."""

    HOST = "host"
    ARM = "arm"


@dataclass(frozen=True, slots=True)
class Out:
    """One property of the one object that call number `call` of the same batch gave; none, or two, is an error there."""

    call: int
    property: str


@dataclass(frozen=True, slots=True)
class Secret:
    """A reference to a value that is resolved only when it is sent. `source` is env, file, command, keyring or keyVault; never the value."""

    source: str
    argument: str | tuple[str, ...]

    def __str__(self) -> str:
        words = self.argument if isinstance(self.argument, str) else " ".join(self.argument)
        return f"{self.source} {words}"


@dataclass(frozen=True, slots=True)
class Printed:
    """Text that ends in the print of a secret field: a part of its salted hash, put in when the request is sent."""

    text: str
    field: str


@dataclass(frozen=True, slots=True)
class Later:
    """A value that is only known after apply: `field` of the state of `resource`."""

    resource: str
    field: str


@dataclass(frozen=True, slots=True)
class Argv:
    """A command for the guest's shell as words; joined by shlex where it is sent or shown."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Good:
    """What a good answer is: the last pipeline object (`returns`, text compared without case, a map per property), or exit codes."""

    returns: Value = None
    exit: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One cmdlet with its parameters. `select` names the properties to bring back; a pair (name, select) goes one object deeper."""

    name: str
    parameters: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    select: Select = ()
    good: Good | None = None
    seconds: int | None = None  # deadline of this call; None: the invoker's own (120 s)
    spelled: str = field(default="", init=False, repr=False, compare=False)  # its canonical form, kept by `snapshot.call_key`


@dataclass(frozen=True, slots=True)
class ProgramCall:
    """One program by its full path, with its arguments as words; run by the invoker with right Windows quoting."""

    path: str
    arguments: tuple[Value, ...] = ()
    good: Good | None = None
    seconds: int | None = None

    @property
    def name(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class LedgerCall:
    """A read or write of the record on the host. Only the engine makes these; `fleet` None means machine or hold."""

    do: str  # get | put | delete
    fleet: str | None
    entry: str
    value: str | None = None

    @property
    def name(self) -> str:
        return f"ledger {self.do}"


NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return NOTHING


@dataclass(frozen=True, slots=True)
class ArmCall:
    """One request to Azure Resource Manager: an operation of `signatures/data/arm.json`, by its operationId.

    `path` and `query` hold what the host does not say by itself (the extension's name): subscription, resource group, VM or scale
    set and location are the host's own, so no call can name anything outside it. `body` is JSON with `Secret`s as leaves; a
    `Secret` where a map belongs holds the map as JSON text. `where` keeps, of a list's entries, those with these properties.
    """

    operation: str
    path: Mapping[str, str] = field(default_factory=_nothing)
    query: Mapping[str, str] = field(default_factory=_nothing)
    body: Mapping[str, Value] | None = None
    where: Mapping[str, str] = field(default_factory=_nothing)
    seconds: int | None = None

    @property
    def name(self) -> str:
        return self.operation


AnyCall: TypeAlias = "Call | ProgramCall | LedgerCall | ArmCall"


def secrets_in(value: Value) -> Iterator[Secret]:
    """Every secret in a value, a call's parameters or a request's body, in order."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secrets_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secrets_in(item)


def plane_of(call: AnyCall) -> Plane:
    return Plane.ARM if isinstance(call, ArmCall) else Plane.HOST


class Cmdlet:
    """A word of a kind's vocabulary: a cmdlet and the parameters the kind ever gives it.

    Calling it builds a `Call`; a parameter outside `accepts` cannot be said (`Defect`). Parameters that are None are left out.
    `values` lists, for a parameter that takes a closed set, the values the kind gives (law 6 checks them).
    """

    __slots__ = ("accepts", "name")

    def __init__(self, name: str, accepts: tuple[str, ...] = ()) -> None:
        if not NAME.fullmatch(name):
            raise Defect(f"{name!r} is no cmdlet name")
        self.name = name
        self.accepts = accepts

    def __call__(self, *, select: Select = (), good: Good | None = None, seconds: int | None = None, **parameters: Value) -> Call:
        for parameter in parameters:
            if parameter not in self.accepts:
                raise Defect(f"{self.name} is declared without the parameter {parameter}")
        given = {name: value for name, value in parameters.items() if value is not None}
        return Call(self.name, MappingProxyType(given), select, good, seconds)

    def __repr__(self) -> str:
        return f"Cmdlet({self.name!r}, {self.accepts!r})"


class Program:
    """A word of a kind's vocabulary: a program by its full path."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        if not EXECUTABLE.fullmatch(path):
            raise Defect(f"{path!r} is no full path of a program")
        self.path = path

    def __call__(self, *argv: Value, good: Good | None = None, seconds: int | None = None) -> ProgramCall:
        return ProgramCall(self.path, argv, good, seconds)


class Arm:
    """A word of a kind's vocabulary: an operation of Azure Resource Manager, what of its path the kind names, what of its body it sends.

    `sends` lists dotted paths of the body (`properties.publisher`); a map below a listed path may hold anything. Law 6 checks both.
    """

    __slots__ = ("accepts", "name", "sends")

    def __init__(self, name: str, accepts: tuple[str, ...] = (), sends: tuple[str, ...] = ()) -> None:
        if not OPERATION.fullmatch(name):
            raise Defect(f"{name!r} is no operation of Azure Resource Manager")
        self.name = name
        self.accepts = accepts
        self.sends = sends

    def __call__(
        self,
        body: Mapping[str, Value] | None = None,
        *,
        query: Mapping[str, str] = NOTHING,
        where: Mapping[str, str] = NOTHING,
        seconds: int | None = None,
        **path: str,
    ) -> ArmCall:
        for parameter in path:
            if parameter not in self.accepts:
                raise Defect(f"{self.name} is declared without the path parameter {parameter}")
        for sent in _sent(body or NOTHING):
            if not any(sent == one or sent.startswith(one + ".") for one in self.sends):
                raise Defect(f"{self.name} is declared without the field {sent}")
        return ArmCall(self.name, MappingProxyType(path), query, body, where, seconds)

    def __repr__(self) -> str:
        return f"Arm({self.name!r}, {self.accepts!r}, {self.sends!r})"


def _sent(body: Mapping[str, Value], under: str = "") -> Iterator[str]:
    """The dotted paths of a body's leaves."""
    for name, value in body.items():
        if isinstance(value, Mapping) and value:
            yield from _sent(value, f"{under}{name}.")
        else:
            yield f"{under}{name}"


Word: TypeAlias = "Cmdlet | Program | Arm"


@dataclass(frozen=True, slots=True)
class CallError:
    """What a call answered instead of objects. `id` is the FullyQualifiedErrorId, or Azure's `error.code`; decisions rest on it, never on `message`."""

    id: str
    category: str
    message: str = ""
    exception: str = ""  # full type name
    cut: str | None = None  # stopped | abandoned | killed | skipped | deadline: the call was cut off, its outcome is unknown

    def is_(self, *ids: str) -> bool:
        """Whether the id is one of `ids`, each given whole or up to the comma that the cmdlet's name follows."""
        head = self.id.partition(",")[0]
        return self.id in ids or head in ids


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call gave: all its objects, or its first error; `info` is the tail of what it printed."""

    objects: tuple[Any, ...] = ()
    error: CallError | None = None
    info: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.error is None


class Unreadable(Exception):
    """A property of an answered object could not be read (it is absent there, or its getter threw)."""

    def __init__(self, property: str, why: str) -> None:
        super().__init__(f"{property}: {why}")
        self.property = property
        self.why = why


# What reading an answer of another shape than Windows documents ends in (a banner among the objects, a word for a number).
NONSENSE = (ValueError, TypeError, LookupError, AttributeError)


@dataclass(frozen=True, slots=True)
class Unread:
    """Stands in a row for a property that could not be read; reading it through `Row` raises `Unreadable`."""

    why: str


class Row(Mapping[str, Any]):
    """An answered object. Reading a property that the host could not give raises `Unreadable`: never a guess, never None."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            raise Unreadable(name, "was not asked for")
        value = self._values[name]
        if isinstance(value, Unread):
            raise Unreadable(name, value.why)
        return value

    def maybe(self, name: str) -> Any:
        """The property, or None where this release of Windows does not have it."""
        value = self._values.get(name)
        return None if isinstance(value, Unread) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Row({dict(self._values)!r})"


def secrets_of(calls: Sequence[AnyCall]) -> tuple[Secret, ...]:
    """Every secret that these calls carry, each once, in the order of use."""
    return tuple(dict.fromkeys(secret for call in calls for secret in secrets_in(_given(call))))


def _given(call: AnyCall) -> Any:
    """What a call hands over; the text of a ledger entry holds no secret."""
    match call:
        case Call():
            return call.parameters
        case ProgramCall():
            return call.arguments
        case ArmCall():
            return call.body
    return None


def rows(value: Any) -> Any:
    """JSON as an answer holds it: maps are `Row`s, lists are tuples, all the way down."""
    if isinstance(value, Mapping):
        return Row({name: rows(item) for name, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(rows(item) for item in value)
    return value
