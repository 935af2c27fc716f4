"""Frames as values: answers of calls, hello, lease, jobs, and refusals as the errors that the engine knows.

`hosts` calls it with the frames of one finished request. It believes nothing: a frame of another shape is a `WireError`.
Words of the host are made `visible` here, once; values are passed on as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

from reconciler.core.calls import Answer, CallError
from reconciler.core.errors import Fenced, LeaseHeld, TransportError, WireError, WrongMachine
from reconciler.core.observations import Facts
from reconciler.core.transport import Hello, Hold, Job, Lease, Process
from reconciler.wire.arm import arm_hello, with_arm
from reconciler.wire.codec import decode
from reconciler.wire.strict import Malformed, read
from reconciler.wire.text import visible

T = TypeVar("T")
_FIRST = datetime(1, 1, 1, tzinfo=UTC)  # of .NET's ticks
PHASES = ("starting", "running", "done", "lost", "cancelled", "acked")
CUTS = ("stopped", "abandoned", "killed", "skipped", "deadline")
CUT_MESSAGES = {
    "stopped": "no answer in time; it was stopped, and its outcome is not known",
    "abandoned": "no answer in time; it did not stop either, and its outcome is not known",
    "killed": "no answer in time; its process was ended, and its outcome is not known",
    "skipped": "not run: an earlier call of its module gave no answer",
    "deadline": "not begun: the calls before it took all the time",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """One finished request: its frames by what they are. `refused` is the stable id of a refusal of the whole."""

    hello: Mapping[str, Any] | None = None
    lease: Lease | None = None
    job: Job | None = None
    answers: tuple[Answer, ...] = ()
    bad: int = 0
    taint: bool = False
    refused: str = ""
    fatal: str = ""
    detail: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def _get(frame: Mapping[str, Any], name: str, kind: type[T], default: T) -> T:
    """A field of a frame: `default` where it is absent or null, WireError where it has another type."""
    value = frame.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise WireError(f"the host answered {name} as a {type(value).__name__}", sent=True)
    return value


def _number(frame: Mapping[str, Any], name: str) -> float:
    value = frame.get(name)
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
    except OverflowError:
        raise WireError(f"the host answered {name} as a number beyond all bounds", sent=True) from None


def _maps(frame: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = _get(frame, name, list, [])
    if not all(isinstance(item, dict) for item in found):
        raise WireError(f"the host answered {name} with something else than maps", sent=True)
    return found


def _moment(frame: Mapping[str, Any], name: str) -> datetime | None:
    """A moment of a known zone, sent as a tag or as .NET's round-trip text; None where there is none or it is unreadable."""
    value = frame.get(name)
    try:
        found = decode({"$dt": value} if isinstance(value, str) else value)
    except Malformed:
        return None
    return found if isinstance(found, datetime) and found.tzinfo is not None else None


def error_of(frame: Mapping[str, Any]) -> CallError | None:
    """The first error of a call's frame, or what its cut stands for."""
    cut = _get(frame, "cut", str, "") or None
    if cut is not None and cut not in CUTS:
        raise WireError(f"the host says a call was cut as {visible(cut)!r}", sent=True)
    errors = _maps(frame, "err")
    if not errors:
        return CallError("Cut", "OperationTimeout", CUT_MESSAGES[cut], cut=cut) if cut else None
    first = errors[0]
    chain = _maps(first, "ex")
    said = _get(chain[0], "msg", str, "") if chain else _get(first, "target", str, "")
    kind = _get(chain[0], "type", str, "") if chain else ""
    return CallError(_get(first, "fqid", str, ""), _get(first, "cat", str, ""), visible(said), kind, cut)


def answer(frame: Mapping[str, Any]) -> Answer:
    """One call's frame. A call that says it failed and names no error is an error all the same."""
    error = error_of(frame)
    if error is None and not _get(frame, "ok", bool, False):
        error = CallError("Unnamed", "NotSpecified", "the call failed and named no error")
    try:
        objects = tuple(decode(item) for item in _get(frame, "out", list, []))
    except Malformed as malformed:
        raise WireError(f"an answer that cannot be read: {visible(str(malformed))}", sent=True) from None
    warnings = tuple(visible(item) for item in _get(frame, "warn", list, []) if isinstance(item, str))
    return Answer(objects, error, visible(_get(frame, "info", str, "")), warnings)


def lease(frame: Mapping[str, Any], now: float, boot: str) -> Lease:
    """A lease as it stands at `now`, the host's monotonic clock. On another boot than its own it is free."""
    until, here = _number(frame, "until"), _get(frame, "boot", str, "") == boot
    holder = _get(frame, "holder", str, "") or None
    restart = _get(frame, "rebooting", dict, {})
    left = max(0.0, until - now) if holder and here else 0.0
    return Lease(holder, _get(frame, "epoch", int, 0), left, _get(restart, "holder", str, "") or None, _process(frame))


def _process(frame: Mapping[str, Any]) -> Process | None:
    """`pid` and `started`, which hello gives as a moment and the lease in ticks."""
    pid, ticks = _number(frame, "pid"), _number(frame, "started")
    try:
        started = _moment(frame, "started") or (_FIRST + timedelta(microseconds=ticks // 10) if ticks else None)
    except OverflowError:
        return None
    return Process(int(pid), started) if pid and started else None


def job(frame: Mapping[str, Any], *, joined: bool = False, answers: Sequence[Mapping[str, Any]] = ()) -> Job:
    phase = _get(frame, "phase", str, "")
    if phase not in PHASES:
        raise WireError(f"the host names a job's phase {visible(phase)!r}", sent=True)
    return Job(
        id=_get(frame, "job", str, ""),
        resource=_get(frame, "resource", str, ""),
        action=_get(frame, "action", str, ""),
        phase=phase,
        since=_moment(frame, "since"),
        last=visible(_get(frame, "last", str, "")),
        key=_get(frame, "key", str, ""),
        bad=_get(frame, "bad", int, 0),
        answers=tuple(answer(item) for item in answers if "i" in item),
        joined=joined,
    )


def facts(frame: Mapping[str, Any]) -> Facts:
    return Facts(
        computer_name=_get(frame, "name", str, ""),
        uuid=_get(frame, "uuid", str, "") or None,
        machine_guid=_get(frame, "guid", str, "") or None,
        caption=_get(frame, "os", str, ""),
        version=_get(frame, "version", str, ""),
        build=int(_number(frame, "build") or _digits(frame.get("build"))),
        product_type=_get(frame, "product", int, 0),
        language=_get(frame, "ui", str, "en-US"),
        boot=_get(frame, "boot", str, ""),
        booted=_moment(frame, "booted"),
        uptime=_number(frame, "uptime"),
        utc=_moment(frame, "utc"),
    )


def _digits(value: Any) -> int:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else 0


def hold(text: Any) -> Hold | None:
    """The hold that lies on the host. What cannot be read is a hold all the same: hands off."""
    if not isinstance(text, str) or not text:
        return None
    try:
        said = read(text)
        return Hold(visible(_get(said, "by", str, "")), visible(_get(said, "why", str, "")), _moment(said, "until"))
    except (Malformed, WireError, AttributeError):
        return Hold("somebody", "the hold on the host cannot be read")


def hello(frame: Mapping[str, Any]) -> Hello:
    """The hello of a machine, as a snapshot holds it: its own frame, with what Azure says of it under `arm`; or that alone."""
    said = _get(frame, "arm", dict, {})
    if said and "name" not in frame:
        return arm_hello(said)
    return with_arm(_greeted(frame), said) if said else _greeted(frame)


def _greeted(frame: Mapping[str, Any]) -> Hello:
    """The hello frame of a machine that is the expected one."""
    about = facts(frame)
    ledger = _get(frame, "ledger", dict, {})
    if not all(isinstance(value, str) for value in ledger.values()):
        raise WireError("the host's ledger holds something else than text", sent=True)
    return Hello(
        facts=about,
        machine=_get(frame, "machine", str, "") or None,
        ledger=MappingProxyType({name: ledger[name] for name in sorted(ledger)}),
        lease=lease(_get(frame, "lease", dict, {}), about.uptime, about.boot),
        hold=hold(frame.get("hold")),
        jobs=tuple(sorted((job(item) for item in _maps(frame, "jobs")), key=lambda found: found.id)),
        raw=frame,
        process=_process(frame),
        logging=tuple(sorted(visible(name) for name, on in _get(frame, "log", dict, {}).items() if on)),  # one that could not be read counts as on
    )


def reply(frames: Sequence[Mapping[str, Any]], request: int, boot: str = "") -> Reply:
    """All frames of one request. `boot` is the boot that this session greeted; a lease of another is void."""
    if not frames or frames[-1].get("end") is not True:
        raise WireError("the answer has no closing frame", sent=True)
    if any(frame.get("id") not in (request, None) for frame in frames):
        raise WireError("frames of another request", sent=True)
    end = frames[-1]
    taken, worked, greeted = _first(frames, "lease", "now"), _first(frames, "job", "joined"), _first(frames, "hello", "name")
    boot = _get(greeted, "boot", str, "") if greeted else boot
    return Reply(
        hello=greeted,
        lease=None if taken is None else lease(_get(taken, "lease", dict, {}), _number(taken, "now"), boot),
        job=None if worked is None else job(_get(worked, "job", dict, {}), joined=_get(worked, "joined", bool, False), answers=_maps(worked, "answer")),
        answers=tuple(answer(frame) for frame in _in_order(frames)),
        bad=_get(end, "bad", int, 0),
        taint=_get(end, "taint", bool, False),
        refused=_get(end, "refused", str, ""),
        fatal=visible(_get(end, "fatal", str, "")),
        detail=_get(end, "detail", dict, {}),
    )


def _first(frames: Sequence[Mapping[str, Any]], *names: str) -> Mapping[str, Any] | None:
    return next((frame for frame in frames if all(name in frame for name in names)), None)


def _in_order(frames: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    calls = [frame for frame in frames if "i" in frame]
    if [frame["i"] for frame in calls] != list(range(len(calls))):
        raise WireError("answers out of order", sent=True)
    return calls


class HostBusy(TransportError):
    """Something on the host keeps the lock file open, or an expired holder alive; it may pass."""

    code = "HST052"
    transient = True


def refusal(found: Reply, now: float, utc: datetime | None) -> NoReturn:
    """Raises what a refusal of the whole request means; `now` and `utc` are the host's clocks.

    Nothing of the request was done, but for what its frames show.
    """
    match found.refused:
        case "WrongHost":
            raise WrongMachine(found.fatal)
        case "LeaseHeld" | "Rebooting":
            raise _held(found, now, utc)
        case "StaleEpoch" | "Tainted":
            raise Fenced(found.fatal)
        case "LockBusy" | "HolderAlive":
            raise HostBusy(f"{found.refused}: {found.fatal}")
    raise WireError(f"the host refused the request: {found.refused or 'it gave no id'}: {found.fatal}")


def _held(found: Reply, now: float, utc: datetime | None) -> LeaseHeld:
    restart = _get(found.detail, "rebooting", dict, {})
    if found.refused == "Rebooting":
        until = _moment(restart, "until")
        left = (until - utc).total_seconds() if until and utc else 0.0
        return LeaseHeld(found.fatal, holder=_get(restart, "holder", str, ""), seconds=max(0.0, left))
    return LeaseHeld(found.fatal, holder=_get(found.detail, "holder", str, ""), seconds=max(0.0, _number(found.detail, "until") - now))
