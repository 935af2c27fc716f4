"""The writer for the ARM plane of one host, as docs/azure.md says: questions are GETs, a write is a job of one request, polled by one GET.

`connect` opens it. It never waits, retries or decides; the status URLs of its jobs are signed and never leave it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, NoReturn

import anyio

from reconciler.azure.cache import Cache
from reconciler.azure.line import Line
from reconciler.azure.messages import Response, innermost
from reconciler.core.calls import Answer, AnyCall, ArmCall, CallError, rows, secrets_of
from reconciler.core.errors import ArmRefused, Defect, Unreachable, WireError
from reconciler.core.transport import Clock, Hello, Job, Lease, Secrets
from reconciler.signatures import address, arm_catalogue, resolved
from reconciler.signatures.arm import Operation
from reconciler.wire.arm import arm_hello
from reconciler.wire.text import visible

PAGES = 200  # of one list; more is no list of ours
ENDS = ("Succeeded", "Failed", "Canceled")  # any other word is still in progress (azure-extensions 1.4)


@dataclass(frozen=True, slots=True)
class Under:
    """A job whose request Azure took: where to ask for it. `monitor`: a Location, whose status code is the answer."""

    job: Job
    url: str
    monitor: bool = False


@dataclass
class ArmSession:
    """Use `ArmSession.open`."""

    line: Line
    cache: Cache
    secrets: Secrets
    clock: Clock
    api_version: str = ""
    base: str = ""
    _hello: Hello | None = None
    _jobs: dict[str, Under] = field(default_factory=dict)

    @classmethod
    async def open(cls, line: Line, cache: Cache, secrets: Secrets, clock: Clock, api_version: str = "", base: str = "") -> ArmSession:
        session = cls(line, cache, secrets, clock, api_version, base)
        await session.greet()
        return session

    # --- Reader

    @property
    def hello(self) -> Hello:
        assert self._hello is not None  # opened by a greeting
        return self._hello

    async def greet(self) -> Hello:
        azure = self.line.azure
        call = ArmCall("VirtualMachines_Get", query={"$expand": "instanceView"}) if azure.vm else ArmCall("VirtualMachineScaleSets_Get")
        answer = await self.line.get(address(call, azure, "", self.api_version))
        if answer.status != 200:
            self._refuse(answer)
        body = answer.json()
        if not isinstance(body, Mapping):
            raise WireError("Azure's answer about the machine is no object")
        self._hello = arm_hello({name: self._hushed(value) for name, value in body.items() if name != "resources"})
        return self._hello

    def _refuse(self, answer: Response) -> NoReturn:
        code, said = answer.error
        said = self._clean(said)
        scope = self.line.azure.scope
        if answer.status == 404:
            raise ArmRefused(code, f"Azure shows no such {'VM' if self.line.azure.vm else 'scale set'} ({code}): {scope}. {said}")
        raise ArmRefused(code, f"Azure does not show {scope} ({answer.status} {code}): {said}")

    async def ask(self, calls: Sequence[AnyCall], deadline: timedelta) -> tuple[Answer, ...]:
        with anyio.move_on_after(deadline.total_seconds()):
            return tuple([await self._ask(_arm(call)) for call in calls])
        raise Unreachable(f"Azure Resource Manager gave no answer within {deadline.total_seconds():.0f} s")

    async def _ask(self, call: ArmCall) -> Answer:
        operation = arm_catalogue().operations[call.operation]
        first = self._address(call)
        info = ""
        try:
            if operation.cached:
                kept = await self.cache.entries(self.base + first, lambda: self._entries(operation, first))
                found, info = kept.entries, f"as of {kept.at:%Y-%m-%d %H:%M} UTC"
            else:
                found = self._hushed(await self._entries(operation, first))
        except _ArmError as wrong:
            return self._answer(wrong.response)
        return Answer(tuple(rows(entry) for entry in found if _meant(entry, call.where)), info=info)

    async def _entries(self, operation: Operation, first: str) -> list[Any]:
        """A list's entries, of all its pages; what is no list is its own one entry."""
        found: list[Any] = []
        url: str | None = first
        for _ in range(PAGES):
            if url is None:
                return found
            answer = await self.line.get(url)
            if answer.status != 200:
                raise _ArmError(answer)
            body = answer.json()
            if operation.entries is None:
                return [body]
            found += _listed(operation, body)
            url = body.get("nextLink") or None if operation.paged and isinstance(body, Mapping) else None
        raise WireError(f"{operation.name}: a list of more than {PAGES} pages")

    # --- Writer

    async def take(self, holder: str, seconds: float, epoch: int | None = None) -> Lease:
        """ARM has no lease: who else writes is seen afterwards, in the record."""
        return Lease(holder, 1, seconds)

    async def release(self, holder: str, epoch: int) -> None:
        """There is none."""

    async def rebooting(self, holder: str, epoch: int, seconds: float) -> None:
        """There is none."""

    async def run(self, calls: Sequence[AnyCall], *, key: str, epoch: int, deadline: timedelta) -> tuple[Answer, ...]:
        raise Defect("on Azure's plane every write is a job of one call")

    async def start(self, job: str, resource: str, action: str, calls: Sequence[AnyCall], *, key: str, epoch: int, deadline: timedelta) -> Job:
        """Sends the request, once. Raises Unreachable(sent=True) where it may have been carried out."""
        (call,) = map(_arm, calls)
        operation = arm_catalogue().operations[call.operation]
        body = None if call.body is None else resolved(call.body, {secret: await self.secrets.resolve(secret) for secret in secrets_of((call,))})
        begun = Job(job, resource, action, "running", self.clock.now(), key=key)
        with anyio.move_on_after(deadline.total_seconds()):
            answer = await self.line.request(operation.method, self._address(call), body)
            return self._begun(begun, answer)
        raise Unreachable(f"Azure Resource Manager gave no answer within {deadline.total_seconds():.0f} s", sent=True)

    def _begun(self, job: Job, answer: Response) -> Job:
        if answer.status >= 400:
            return replace(job, phase="done", bad=1, answers=(self._answer(answer),))
        status, location = answer.headers.get("azure-asyncoperation"), answer.headers.get("location")
        url = status or (location if answer.status == 202 else None)
        if url is None:
            found = (rows(answer.json()),) if answer.body else ()
            return replace(job, phase="done", answers=(Answer(found, info=_correlation(answer)),))
        job = replace(job, pause=answer.pause(self.clock.now()))
        self._jobs[job.id] = Under(job, url, monitor=status is None)
        return job

    async def poll(self, job: str) -> Job:
        """One GET. A job that this writer did not start is `lost`: what became of it is to be seen."""
        under = self._jobs.get(job)
        if under is None:
            return Job(job, "", "", "lost")
        answer = await self.line.get(under.url)
        found = replace(under.job, pause=answer.pause(self.clock.now()))
        if answer.status == 404:
            return replace(found, phase="lost")
        if answer.status >= 400:
            self._refuse(answer)
        return self._monitored(found, answer) if under.monitor else self._ended(found, answer)

    def _monitored(self, job: Job, answer: Response) -> Job:
        return job if answer.status == 202 else replace(job, phase="done", answers=(Answer((), info=_correlation(answer)),))

    def _ended(self, job: Job, answer: Response) -> Job:
        body = answer.json()
        status = body.get("status") if isinstance(body, Mapping) else None
        if status not in ENDS:
            return replace(job, last=visible(str(status or "")))
        if status == "Succeeded":
            return replace(job, phase="done", last=status, answers=(Answer((), info=_correlation(answer)),))
        code, said = innermost(body) or (str(status), f"the operation ended {status} and named no error")
        error = CallError(visible(code), str(answer.status), self._clean(said))
        return replace(job, phase="done", last=str(status), bad=1, answers=(Answer((), error, _correlation(answer)),))

    async def ack(self, job: str) -> None:
        self._jobs.pop(job, None)

    # --- words

    def _address(self, call: ArmCall) -> str:
        facts = self.hello.facts.azure
        return address(call, self.line.azure, facts.location if facts else "", self.api_version)

    def _answer(self, response: Response) -> Answer:
        code, said = response.error
        return Answer((), CallError(visible(code), str(response.status), self._clean(said)), _correlation(response))

    def _hushed(self, value: Any) -> Any:
        """An answer without secrets in messages: a handler may say back what it was given."""
        if isinstance(value, list):
            return [self._hushed(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {name: self.secrets.scrub(item) if name == "message" and isinstance(item, str) else self._hushed(item) for name, item in value.items()}

    def _clean(self, text: str) -> str:
        return self.secrets.scrub(visible(text))


class _ArmError(Exception):
    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def _arm(call: AnyCall) -> ArmCall:
    if not isinstance(call, ArmCall):
        raise Defect(f"{call!r} was to be asked of Azure Resource Manager")
    return call


def _listed(operation: Operation, body: Any) -> list[Any]:
    found = body.get(operation.entries) if isinstance(body, Mapping) and operation.entries else body
    if not isinstance(found, list):
        raise WireError(f"{operation.name}: the answer holds no list")
    return found


def _meant(entry: Any, where: Mapping[str, str]) -> bool:
    return all(isinstance(entry, Mapping) and str(entry.get(name, "")).casefold() == value.casefold() for name, value in where.items())


def _correlation(response: Response) -> str:
    """What Azure's support asks for first."""
    found = response.headers.get("x-ms-correlation-request-id", "")
    return f"correlation {visible(found)}" if found else ""
