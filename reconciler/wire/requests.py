"""A request to the invoker: one frozen value, one ASCII JSON line. `hosts` builds them; docs/wire.md describes the fields.

Everything in a line is data. A Secret is resolved when the line is written, by the resolver handed in, and stays nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from reconciler.core.calls import AnyCall, ArmCall, Call, Good, LedgerCall, ProgramCall, Select, secrets_of
from reconciler.core.errors import Defect
from reconciler.wire.codec import Resolve, encode, unresolved
from reconciler.wire.strict import write

PART = 200_000  # characters of a line before it goes in parts
HIGHEST = 2**63 - 1
NONCE = re.compile(r"[0-9a-f]{0,32}")


@dataclass(frozen=True, slots=True)
class HelloAsk:
    """Who are you? `allow`: the names that calls of this process may use; `expect`: name, uuid, machine that must answer."""

    allow: tuple[str, ...]
    fleet: str
    expect: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class LeaseAsk:
    """`do`: take, renew, release or rebooting."""

    do: str
    holder: str
    epoch: int | None = None
    seconds: float = 60


@dataclass(frozen=True, slots=True)
class JobAsk:
    """`do`: start, poll, ack or cancel; only start carries the rest."""

    do: str
    job: str
    resource: str = ""
    action: str = ""
    key: str = ""
    calls: tuple[AnyCall, ...] = ()
    deadline: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What one line asks for, worked off in this order: hello, lease, job, calls."""

    id: int
    nonce: str
    hello: HelloAsk | None = None
    lease: LeaseAsk | None = None
    job: JobAsk | None = None
    calls: tuple[AnyCall, ...] = ()
    write: bool = False
    epoch: int | None = None
    key: str = ""
    deadline: timedelta | None = None
    stop: bool = False


def line(request: Request, resolve: Resolve = unresolved) -> str:
    """The request as its line, without the newline. Raises Defect for a request that no invoker would take."""
    if not 1 <= request.id <= HIGHEST or not NONCE.fullmatch(request.nonce):
        raise Defect(f"request {request.id} {request.nonce!r}: bad id or nonce")
    body: dict[str, Any] = {"id": request.id, "nonce": request.nonce}
    if request.hello:
        body["hello"] = {"allow": list(request.hello.allow), "expect": dict(request.hello.expect), "fleet": request.hello.fleet}
    if request.lease:
        body["lease"] = _lease(request.lease)
    if request.job:
        body["job"] = _job(request.job)
    body |= _batch(request, resolve)
    return write(body)


def _batch(request: Request, resolve: Resolve) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if request.write:
        body["w"] = True
    if request.epoch is not None:
        body["epoch"] = request.epoch
    if request.key:
        body["key"] = request.key
    if request.deadline is not None:
        body["bt"] = _ms(request.deadline)
    if request.stop:
        body["stop"] = True
    if request.calls:
        body["calls"] = [encode_call(call, resolve) for call in request.calls]
    return body


def lines(request: Request, resolve: Resolve = unresolved) -> tuple[str, ...]:
    """The request as the lines to send: one, or parts of at most PART characters of it."""
    whole = line(request, resolve)
    if len(whole) <= PART:
        return (whole,)
    pieces = [whole[at : at + PART] for at in range(0, len(whole), PART)]
    return tuple(write({"id": request.id, "nonce": request.nonce, "part": n, "of": len(pieces), "data": piece}) for n, piece in enumerate(pieces))


def _ms(span: timedelta) -> int:
    return max(1, int(span.total_seconds() * 1000))


def _lease(ask: LeaseAsk) -> dict[str, Any]:
    body: dict[str, Any] = {"do": ask.do, "holder": ask.holder, "seconds": int(ask.seconds)}
    return body if ask.epoch is None else body | {"epoch": ask.epoch}


def _job(ask: JobAsk) -> dict[str, Any]:
    body: dict[str, Any] = {"do": ask.do, "job": ask.job}
    if ask.do != "start":
        return body
    body |= {"resource": ask.resource, "action": ask.action, "key": ask.key, "calls": [encode_call(call) for call in ask.calls]}
    return body if ask.deadline is None else body | {"bt": _ms(ask.deadline)}


def encode_call(call: AnyCall, resolve: Resolve = unresolved) -> dict[str, Any]:
    """One call as the wire has it."""
    match call:
        case Call():
            body: dict[str, Any] = {"c": call.name, "p": {name: encode(value, resolve) for name, value in call.parameters.items()}}
            if call.select:
                body["s"] = _select(call.select)
            return body | _judged(call)
        case ProgramCall():
            if secrets_of((call,)):
                raise Defect(f"{call.path} is given a secret: a program takes none")
            return {"x": call.path, "a": [encode(value) for value in call.arguments]} | _judged(call)
        case LedgerCall():
            body = {"l": call.do, "f": call.fleet, "n": call.entry}
            return body if call.value is None else body | {"v": call.value}
        case ArmCall():
            raise Defect(f"{call.operation} is said to Azure Resource Manager, not to a host")


def _select(select: Select) -> list[Any]:
    return [item if isinstance(item, str) else {"n": item[0], "s": _select(item[1])} for item in select]


def _judged(call: Call | ProgramCall) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if call.seconds is not None:
        body["t"] = call.seconds * 1000
    if call.good is not None:
        body["g"] = _good(call.good)
    return body


def _good(good: Good) -> dict[str, Any]:
    return {"exit": list(good.exit)} if good.exit else {"returns": encode(good.returns)}
