"""What one host said, as one JSON document: hello, and every question with its answer.

One format for planning without hosts, test cases, bug reports and the rehearsal's twin. No secret is ever in it:
records carry salted hashes, calls that read carry none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from sys import intern
from types import MappingProxyType
from typing import Any

from reconciler.core.calls import Answer, AnyCall, Argv, ArmCall, Call, CallError, LedgerCall, ProgramCall, Row, Select, Unread
from reconciler.core.canonical import canonical, plain

FORMAT = "reconcile/snapshot/1"
SIMPLE = (str, bool, int, type(None), Argv)


def call_json(call: AnyCall) -> dict[str, Any]:
    """A question as data; equal questions have equal JSON. Deadlines are no part of it."""
    match call:
        case Call():
            out: dict[str, Any] = {"cmdlet": call.name, "parameters": plain(call.parameters)}
            if call.select:
                out["select"] = _select(call.select)
            return out
        case ProgramCall():
            return {"program": call.path, "arguments": plain(call.arguments)}
        case LedgerCall():
            return {"ledger": call.do, "fleet": call.fleet, "entry": call.entry}
        case ArmCall():
            return arm_json(call)


def arm_json(call: ArmCall) -> dict[str, Any]:
    """A request as data, what is empty left out."""
    parts = {"path": call.path, "query": call.query, "where": call.where, "body": call.body}
    return {"arm": call.operation} | {name: plain(value) for name, value in parts.items() if value}


def call_key(call: AnyCall) -> str:
    """The canonical form of a question. A fleet asks the same few questions again and again: each is spelled once."""
    if type(call) is not Call:
        return canonical(call_json(call))
    if not call.spelled:
        said = _said(call.parameters)
        object.__setattr__(call, "spelled", canonical(call_json(call)) if said is None else _spelled(call.name, said, call.select))
    return call.spelled


def _said(parameters: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Parameters as something to look up by; None where equal values may be spelled differently (True and 1 within a list)."""
    said: list[Any] = []
    for name, value in parameters.items():
        kind: Any = str if isinstance(value, str) else type(value)
        if kind in SIMPLE:
            said += (name, kind, value)
        elif kind in (list, tuple) and all(type(item) is int or isinstance(item, str) for item in value):
            said += (name, tuple, tuple(value))
        else:
            return None
    return tuple(said)


@lru_cache(maxsize=1 << 14)
def _spelled(name: str, said: tuple[Any, ...], select: Select) -> str:
    return canonical(call_json(Call(name, {said[n]: said[n + 2] for n in range(0, len(said), 3)}, select)))


def _select(select: Any) -> list[Any]:
    return [item if isinstance(item, str) else [item[0], _select(item[1])] for item in select]


def value_json(value: Any) -> Any:
    """An answered value, typed where JSON has no type for it."""
    match value:
        case Row() | Mapping():
            return {name: value_json(item) for name, item in (value._values if isinstance(value, Row) else value).items()}
        case Unread():
            return {"$unread": value.why}
        case timedelta():
            return {"$seconds": value.total_seconds()}
        case datetime():
            return {"$time": value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()}
        case bytes():
            return {"$bytes": value.hex()}
        case list() | tuple():
            return [value_json(item) for item in value]
    return value


def value_of(data: Any) -> Any:
    """The inverse of `value_json`."""
    if isinstance(data, list):
        return tuple(value_of(item) for item in data)
    if not isinstance(data, dict):
        return data
    if len(data) == 1:
        match data:
            case {"$unread": why}:
                return Unread(why)
            case {"$seconds": seconds}:
                return timedelta(seconds=seconds)
            case {"$time": text}:
                return datetime.fromisoformat(text)
            case {"$bytes": text}:
                return bytes.fromhex(text)
    return Row({intern(name): value_of(item) for name, item in data.items()})


@lru_cache(maxsize=1 << 14)
def _question(key: str) -> tuple[str, Mapping[str, Any]]:
    """A question by its canonical form, which is JSON: the snapshots of a fleet hold each once."""
    return key, json.loads(key)


def answer_json(answer: Answer) -> dict[str, Any]:
    if answer.error is None:
        return {"objects": [value_json(item) for item in answer.objects]}
    error = answer.error
    out = {"id": error.id, "category": error.category, "message": error.message}
    return {"error": out | ({"exception": error.exception} if error.exception else {}) | ({"cut": error.cut} if error.cut else {})}


def answer_of(data: Mapping[str, Any]) -> Answer:
    if "error" in data:
        return Answer(error=CallError(**data["error"]))
    return Answer(tuple(value_of(item) for item in data.get("objects", ())))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`hello` as it came over the wire; `answers`: question (canonical JSON) → answer; `seen` in UTC."""

    host: str
    seen: datetime
    hello: Mapping[str, Any]
    answers: Mapping[str, Answer] = field(default_factory=lambda: MappingProxyType({}))
    questions: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))

    def to_json(self) -> dict[str, Any]:
        asks = [{"ask": dict(self.questions[key]), **answer_json(answer)} for key, answer in sorted(self.answers.items())]
        return {"format": FORMAT, "host": self.host, "seen": plain(self.seen), "hello": dict(self.hello), "asks": asks}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Snapshot:
        """Raises ValueError or KeyError for what is no snapshot of this format."""
        if data.get("format") != FORMAT:
            raise ValueError(f"this is no {FORMAT}: {data.get('format')!r}")
        asks = data.get("asks", ())
        asked = [(*_question(json.dumps(item["ask"], sort_keys=True, separators=(",", ":"), allow_nan=False)), answer_of(item)) for item in asks]
        questions, answers = {key: question for key, question, _ in asked}, {key: answer for key, _, answer in asked}
        return cls(data["host"], datetime.fromisoformat(data["seen"]), data["hello"], answers, questions)

    @classmethod
    def taken(cls, host: str, seen: datetime, hello: Mapping[str, Any], asked: Iterable[tuple[AnyCall, Answer]]) -> Snapshot:
        pairs = [(call_json(call), answer) for call, answer in asked]
        return cls(host, seen, hello, {canonical(q): a for q, a in pairs}, {canonical(q): q for q, _ in pairs})
