"""What was found out about one host, as values: made by `line`, `ask` and `examine`, judged by the checks. Whatever failed is its error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from reconciler.core.calls import Answer, AnyCall
from reconciler.core.errors import ReconcilerError
from reconciler.core.resources import Host
from reconciler.core.snapshot import call_key
from reconciler.core.transport import Hello
from reconciler.hosts.cim import Instance
from reconciler.hosts.winrm.way import Way

Rows: TypeAlias = "tuple[Instance, ...] | ReconcilerError"


@dataclass(frozen=True, slots=True)
class Certificate:
    """`trouble` is OpenSSL's own number of why it is not trusted, with its words; 0: it is."""

    names: tuple[str, ...]
    issuer: str
    begins: datetime
    ends: datetime
    at: datetime  # when it was looked at, by this machine's own clock
    trouble: int = 0
    words: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the service answers to somebody who does not sign in. `ways` are its WWW-Authenticate, `date` its clock by HTTP."""

    status: int
    ways: tuple[str, ...] = ()
    date: datetime | None = None
    at: datetime | None = None  # our clock then


@dataclass
class Line:
    """The way to the service. `resolved` and `back` are addresses and name; `connected` the milliseconds of a connection."""

    way: Way
    resolved: tuple[str, ...] = ()
    back: str = ""
    connected: float | None = None
    certificate: Certificate | None = None
    offer: Offer | None = None
    failed: ReconcilerError | None = None  # where it ended, of whatever comes first


@dataclass
class Seen:
    """`settings`: of the WinRM service. `tables`: WMI, by the names in `ask.TABLES`. `answers`: of the session, by question."""

    host: Host
    at: datetime
    fleet: str = "default"
    line: Line | None = None
    signed: ReconcilerError | None = None  # why signing in did not come about
    wmi: ReconcilerError | None = None  # signed in, and WMI told nothing, or no more
    settings: Mapping[str, str] = field(default_factory=dict)
    shells: int | None = None  # open in the WinRM service, before we opened one
    tables: dict[str, Rows] = field(default_factory=dict)
    session: Hello | ReconcilerError | None = None
    stranger: ReconcilerError | None = None  # another machine answers
    unasked: ReconcilerError | None = None  # the session stands, and its questions were not answered
    answers: dict[str, Answer] = field(default_factory=dict)

    @property
    def hello(self) -> Hello | None:
        return self.session if isinstance(self.session, Hello) else None

    def table(self, name: str) -> Sequence[Instance]:
        """The rows, none where they could not be read."""
        rows = self.tables.get(name, ())
        return () if isinstance(rows, ReconcilerError) else rows

    def answer(self, call: AnyCall) -> Answer | None:
        return self.answers.get(call_key(call))
