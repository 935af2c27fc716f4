"""Mode cmdlet: a channel without an invoker at its other end. Each question is one pipeline of one cmdlet, of those that a role makes visible.

It answers the session in the invoker's own frames, and so can be used like any other channel; but it only looks. There is no ledger, no
lease, no job: whatever would change something, or tell who changed it, is refused (ObservesOnly). `connect` makes one a session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import anyio

from reconciler.core.calls import AnyCall, Call, Select
from reconciler.core.errors import Defect
from reconciler.hosts.psrp.channel import PsrpChannel, Sending
from reconciler.hosts.psrp.errors import NoConfiguration, ObservesOnly
from reconciler.hosts.psrp.greeting import QUESTIONS, greeting, mismatch
from reconciler.hosts.psrp.line import Failure, Step
from reconciler.wire.codec import encode
from reconciler.wire.frames import frame
from reconciler.wire.requests import Request
from reconciler.wire.strict import write
from reconciler.wire.text import visible

SELECT = "Select-Object"  # a proxy that every restricted session has
TAGS = ("$out", "$secure", "$ts", "$dt", "$dtu", "$b64", "$map", "$num")


class LookingChannel(PsrpChannel):
    """`Get-CimInstance` must be visible: it says which host this is."""

    apart = False

    def permit(self, request: Request) -> None:
        if request.write or request.lease is not None or request.job is not None:
            raise ObservesOnly(f"{self.host}: connection.mode is cmdlet, which only looks: to change something, use mode function")

    async def answer(self, request: Request, texts: Sequence[str], deadline: timedelta, sending: Sending) -> str:
        until = anyio.current_time() + deadline.total_seconds() + self.setup.grace
        frames: list[dict[str, Any]] = []
        if request.hello is not None:
            body = await self._hello(sending, until)
            if mismatch(body, request.hello.expect):
                refused = {"end": True, "n": 0, "refused": "WrongHost", "fatal": "this is not the host that was expected"}
                return self._written(request, [body | {"mismatch": "name"}, refused])
            frames.append(body)
        for number, call in enumerate(request.calls):
            frames.append({"i": number, **await self._called(call, sending, until)})
            if request.stop and not frames[-1]["ok"]:
                break
        done = [item for item in frames if "i" in item]
        frames.append({"end": True, "n": len(done), "bad": sum(not item["ok"] for item in done), "taint": False})
        return self._written(request, frames)

    def _written(self, request: Request, bodies: Sequence[Mapping[str, Any]]) -> str:
        return "".join(frame(request.nonce, write({"id": request.id, **body})) for body in bodies)

    async def _hello(self, sending: Sending, until: float) -> dict[str, Any]:
        rows = []
        for question in QUESTIONS:
            said = await self._called(question, sending, until)
            if not said["ok"] or len(said["out"]) != 1:
                why = visible(str(said.get("err", [{}])[0].get("fqid", "no answer")))[:100]
                raise NoConfiguration(f"{self.host}: this session cannot say which host it is on: {question.name} gave {why}; run `reconcile jea` again")
            rows.append(said["out"][0])
        return greeting(rows)

    async def _called(self, call: AnyCall, sending: Sending, until: float) -> dict[str, Any]:
        """The fields of one call's frame."""
        steps = _steps(call)
        if steps is None:
            return _failed(Failure("NotAllowed", "InvalidOperation", f"mode cmdlet cannot say this: {call.name}", "System.InvalidOperationException"))
        started = anyio.current_time()
        gave = await sending.run(steps, until)
        taken = {"ms": round((anyio.current_time() - started) * 1000)}
        if gave.failure is not None:
            return _failed(gave.failure) | taken
        select = call.select if isinstance(call, Call) else ()
        warned = {"warn": list(gave.warnings)} if gave.warnings else {}
        return {"ok": True, "out": [_selected(item, select) for item in gave.objects]} | taken | warned


def _steps(call: AnyCall) -> list[Step] | None:
    """The pipeline for a call; None for what no pipeline of cmdlets with plain values can say, or what has to be judged on the host."""
    if not isinstance(call, Call) or call.good is not None:
        return None
    try:
        values = {name: encode(value) for name, value in call.parameters.items()}
    except Defect:
        return None
    if any(_has_tag(value) for value in values.values()):
        return None
    names = [item if isinstance(item, str) else item[0] for item in call.select]
    return [Step(call.name, values), *([Step(SELECT, {"Property": names})] if names else [])]


def _has_tag(value: Any) -> bool:
    match value:
        case dict():
            return any(name in TAGS or _has_tag(item) for name, item in value.items())
        case list():
            return any(_has_tag(item) for item in value)
    return False


def _failed(failure: Failure) -> dict[str, Any]:
    chain = [{"type": failure.exception, "hr": 0, "msg": failure.message}]
    return {"ok": False, "err": [{"fqid": failure.id, "cat": failure.category, "reason": failure.exception.rpartition(".")[2], "target": "", "ex": chain}]}


def _selected(item: Any, select: Select) -> Any:
    """The properties that were asked for, under the names by which they were."""
    if not select:
        return item
    if not isinstance(item, dict):
        return {"$cut": "System.Object"} if isinstance(item, str) else item  # an object that came as its text
    folded = {name.casefold(): value for name, value in item.items()}
    row: dict[str, Any] = {}
    for one in select:
        name, inner = (one, ()) if isinstance(one, str) else one
        found = folded.get(name.casefold(), {"$absent": True})
        row[name] = [_selected(each, inner) for each in found] if isinstance(found, list) else _selected(found, inner)
    return row
