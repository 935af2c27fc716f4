"""One call of a batch on an emulated host: checked, run, judged, and turned into its frame.

`invoker` runs attached batches with it and `jobs` detached ones. A call's effects count from its start; the caller lets the
virtual `seconds` go by before it shows the frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from reconciler.core.calls import EXECUTABLE, NAME
from reconciler.emulator import catalogue, lease, programs
from reconciler.emulator.arguments import Earlier, Refusal, argument, holds_secret, masked, same
from reconciler.emulator.lease import Here
from reconciler.emulator.policies import logging
from reconciler.emulator.powershell import Outcome, execute
from reconciler.emulator.projection import error, listed, shown
from reconciler.wire.strict import write

Log: TypeAlias = Callable[[str, Mapping[str, Any]], None]

PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
CALL_SECONDS = 120.0
LONGEST = 7200.0
STOPPING = 3.0  # how long a stop is waited for before the call is abandoned
INFO = 8192
SEEN = 2000
RESTARTS, LINK_DOWN, BROKE = "it restarts", "its network link went down", "the connection broke"


@dataclass(slots=True)
class Batch:
    """What the calls of one batch share. `cut`: a write was cut; `taint`: a call was abandoned."""

    here: Here
    request: Mapping[str, Any]
    allow: frozenset[str]
    log: Log
    earlier: Earlier = field(default_factory=Earlier)
    skipped: set[str] = field(default_factory=set)
    cut: bool = False
    taint: bool = False


@dataclass(slots=True)
class Ran:
    """What a call gave. `lost`: the connection breaks with it, and why."""

    objects: list[Any] | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    cut: str | None = None
    warnings: tuple[str, ...] = ()
    info: str = ""
    seconds: float = 0.0
    exit: int | None = None
    lost: str = ""

    @property
    def ok(self) -> bool:
        return not self.errors and not self.cut


def batch_seconds(request: Mapping[str, Any]) -> float:
    span = request.get("bt")
    return max(0.001, min(LONGEST, span / 1000)) if isinstance(span, int | float) and span else 600.0


def run(batch: Batch, number: int, call: Mapping[str, Any], left: float, at: datetime) -> Ran:
    """Runs call `number`; `left` is what remains of the batch's time. Its objects are then there for `$out`."""
    try:
        ran = _run(batch, call, left, at) if left > 0 else Ran(cut="deadline")
    except Refusal as refusal:
        chain = [{"type": "System.InvalidOperationException", "hr": -2146233079, "msg": refusal.text}]
        ran = Ran(errors=[{"fqid": refusal.id, "cat": "InvalidOperation", "reason": "Invoker", "target": "", "ex": chain}])
    if ran.objects is not None:
        batch.earlier.outs[number] = ran.objects
    batch.earlier.good[number] = ran.ok
    batch.cut |= bool(batch.request.get("w")) and ran.cut in ("stopped", "abandoned", "killed")
    return ran


def frame(batch: Batch, number: int, call: Mapping[str, Any], ran: Ran) -> str:
    """The call's frame, as JSON."""
    body: dict[str, Any] = {"id": batch.request.get("id"), "i": number, "ok": ran.ok, "ms": round(ran.seconds * 1000)}
    if ran.errors:
        body["err"] = ran.errors
    if ran.cut:
        body["cut"] = ran.cut
    if ran.warnings:
        body["warn"] = list(ran.warnings)
    if ran.info:
        body["info"] = ran.info[-INFO:]
    select = call.get("s")
    body["out"] = listed(ran.objects or [], select if isinstance(select, list) else None)
    return write(body)


def _run(batch: Batch, call: Mapping[str, Any], left: float, at: datetime) -> Ran:
    span = call.get("t")
    limit = min(left, max(0.001, min(LONGEST, span / 1000)) if isinstance(span, int | float) and span else CALL_SECONDS)
    good = call.get("g")
    if "l" in call:
        objects = lease.ledger(batch.here, call, batch.request)
        batch.log("ledger", {name: call.get(key) for name, key in (("do", "l"), ("fleet", "f"), ("entry", "n"), ("value", "v")) if call.get(key) is not None})
        return Ran(objects)
    if "x" in call:
        ran = _program(batch, call, limit, at)
        good = good or {"exit": [0]}
    else:
        ran = _cmdlet(batch, call, limit, at)
    if good and ran.ok and not _is_good(good, ran):
        seen = write(shown(ran.objects[-1] if ran.objects else None))
        ran.errors = [_bad("NotGood", seen[:SEEN])]
    return ran


def _bad(id: str, seen: str) -> dict[str, Any]:
    return {"fqid": id, "cat": "SecurityError", "reason": "Invoker", "target": seen, "ex": []}


def _is_good(good: Mapping[str, Any], ran: Ran) -> bool:
    if "exit" in good:
        return ran.exit is not None and ran.exit in good["exit"]
    return "returns" in good and same(good["returns"], ran.objects[-1] if ran.objects else None)


def _module(name: str) -> str:
    found = catalogue.find(name.rpartition("\\")[2])
    return (found.module if found else name.rpartition("\\")[0]).casefold()


def _cmdlet(batch: Batch, call: Mapping[str, Any], limit: float, at: datetime) -> Ran:
    name, given = str(call.get("c", "")), call.get("p") or {}
    if not NAME.fullmatch(name) or name.casefold() not in batch.allow:
        return Ran(errors=[_bad("NotAllowed", name)])
    for parameter in given:
        if not PARAMETER.fullmatch(parameter):
            return Ran(errors=[_bad("BadParameterName", parameter)])
    module = _module(name)
    if module and module in batch.skipped:
        return Ran(cut="skipped")
    if holds_secret(given) and logging(batch.here.machine):
        raise Refusal("NoSecret", "this host writes down what calls are given")
    values = {parameter: argument(value, batch.earlier) for parameter, value in given.items()}
    outcome = execute(batch.here.machine, name, values, at=at)
    if outcome.drop != "before":
        batch.log("cmdlet", {"name": name, "parameters": masked(values), "ok": outcome.ok} | ({"error": outcome.errors[0].id} if outcome.errors else {}))
    return _judged(batch, module, outcome, limit)


def _judged(batch: Batch, module: str, outcome: Outcome, limit: float) -> Ran:
    """The outcome under the call's deadline."""
    if outcome.hang:
        batch.taint = True
        batch.skipped.add(module)
        return Ran(cut="abandoned", seconds=limit + STOPPING)
    lost = RESTARTS if outcome.reboot else LINK_DOWN if outcome.cut else BROKE if outcome.drop else ""
    said = "".join(f"{text}\n" for text in (outcome.info_text, *outcome.warnings) if text)
    if outcome.seconds > limit:
        return Ran(cut="stopped", info=said, seconds=limit, lost=lost)
    return Ran(list(outcome.objects), [error(record) for record in outcome.errors], None, outcome.warnings, said, outcome.seconds, lost=lost)


def quoted(text: str, msi: bool) -> str:
    """An argument as CommandLineToArgvW reads it back; an MSI property's value is quoted after the `=`, its quotes doubled."""
    if msi and (found := re.fullmatch(r"([A-Z][A-Z0-9_.]*)=(.*[ \"].*|)", text)):
        return f'{found[1]}="' + found[2].replace('"', '""') + '"'
    if text and not re.search(r'[\s"]', text):
        return text
    return '"' + re.sub(r"(\\+)\Z", r"\1\1", re.sub(r'(\\*)"', r'\1\1\\"', text)) + '"'


def _word(value: Any, earlier: Earlier) -> str:
    said = argument(value, earlier)
    text = "" if said is None else str(said)
    if re.search("[\0\r\n]", text):
        raise Refusal("BadArgument", "NUL or newline in an argument")
    return text


def _program(batch: Batch, call: Mapping[str, Any], limit: float, at: datetime) -> Ran:
    path, given = str(call.get("x", "")), call.get("a") or []
    if not EXECUTABLE.fullmatch(path) or path.casefold() not in batch.allow:
        return Ran(errors=[_bad("NotAllowed", path)])
    if holds_secret(given):
        raise Refusal("NoSecret", "a program takes no secret")
    words = [_word(value, batch.earlier) for value in given]
    line = " ".join(quoted(word, path.casefold().endswith("\\msiexec.exe")) for word in words)
    if len(line) > 32000:
        raise Refusal("BadArgument", "command line too long")
    done = programs.run_program(batch.here.machine, path, words, at=at)
    if done.drop != "before":
        batch.log("program", {"path": path, "arguments": words, "exit": done.exit})
    late = done.hang or done.seconds > limit
    code = None if late else done.exit
    row = {"exit": code, "out": done.out, "err": done.err, "lost": 0, "open": False, "line": line}
    lost = RESTARTS if done.reboot else BROKE if done.drop else ""
    return Ran([row], cut="killed" if late else None, seconds=limit if late else done.seconds, exit=code, lost=lost)
