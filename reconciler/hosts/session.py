"""A session with one invoker process: what the engine says becomes requests, frames become answers.

Every transport builds one over its own `Channel`. It implements `core.transport.Writer`, keeps one request in flight, and
never sends a write twice: what may have acted is reported (`sent`), and the engine looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

import anyio

from reconciler.core.calls import Answer, AnyCall, Secret, secrets_of
from reconciler.core.errors import SecretUnavailable, TransportError, WireError, WrongMachine
from reconciler.core.transport import Clock, Hello, Job, Lease, Secrets, Target
from reconciler.wire import answers
from reconciler.wire.answers import Reply
from reconciler.wire.frames import unframe
from reconciler.wire.requests import HelloAsk, JobAsk, LeaseAsk, Request, lines

QUICK = timedelta(seconds=60)  # hello, lease and job verbs


class LoggedSecret(TransportError):
    """The host writes down what calls are given, so a call that carries a secret is not sent to it."""

    code = "HST044"


class Channel(Protocol):
    """A line to one invoker process."""

    def nonce(self, number: int) -> str: ...
    async def exchange(self, request: Request, texts: Sequence[str], deadline: timedelta) -> str:
        """Sends the lines of one request and gives all output up to its closing frame. Raises Unreachable."""

    async def renew(self) -> None:
        """Ends the process, sees it gone, and starts another."""


@runtime_checkable
class Apart(Protocol):
    """A channel on which secrets may have to go beside the line, which then has their numbers."""

    @property
    def apart(self) -> bool: ...
    def beside(self, values: Sequence[str]) -> None:
        """Those of the next request."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One batch of questions."""

    calls: tuple[AnyCall, ...]
    deadline: timedelta


class NoSecrets:
    """For sessions that send none."""

    async def resolve(self, secret: Any) -> str:
        raise SecretUnavailable(f"{secret}: this session was opened without access to secrets")

    def scrub(self, text: str) -> str:
        return text


class Session:
    """Use `Session.open`: a session exists only once its machine said hello and was the expected one."""

    def __init__(self, channel: Channel, target: Target, secrets: Secrets, clock: Clock) -> None:
        self._channel = channel
        self._target = target
        self._secrets = secrets
        self._clock = clock
        self._number = 0
        self._tainted = False
        self._one = anyio.Lock()
        self._hello = Hello(answers.facts({}))
        self._greeted = clock.now()
        self.first: Asked | None = None  # what was asked right after hello; None while nothing was, or something else came first
        self._fresh = True
        self._ahead: tuple[tuple[AnyCall, ...], tuple[Answer, ...]] | None = None

    @classmethod
    async def open(cls, channel: Channel, target: Target, secrets: Secrets, clock: Clock, along: Asked | None = None) -> Session:
        session = cls(channel, target, secrets, clock)
        await session.greet(along)
        return session

    @property
    def tainted(self) -> bool:
        """Whether a call was cut in this process, and may still be at work in it."""
        return self._tainted

    # --- Reader

    @property
    def hello(self) -> Hello:
        return self._hello

    async def greet(self, along: Asked | None = None) -> Hello:
        """`along` rides with hello: questions that will be asked next, as far as one can know. If they are, they are answered already."""
        async with self._one:
            if self._tainted:
                await self._renew()
            return await self._greet(along)

    async def ask(self, calls: Sequence[AnyCall], deadline: timedelta) -> tuple[Answer, ...]:
        if not calls:
            return ()
        if self._fresh:
            self.first = Asked(tuple(calls), deadline)
        ahead, self._ahead = self._ahead, None
        if self._fresh and ahead is not None and ahead[0] == tuple(calls):
            self._fresh = False
            return self._clean(ahead[1])
        found = await self._request(Request(0, "", calls=tuple(calls), deadline=deadline), deadline)
        if len(found.answers) != len(calls):
            raise WireError(f"{len(calls)} calls, {len(found.answers)} answers", sent=True)
        return self._clean(found.answers)

    # --- Writer

    async def take(self, holder: str, seconds: float, epoch: int | None = None) -> Lease:
        return await self._lease(LeaseAsk("take", holder, epoch, seconds))

    async def release(self, holder: str, epoch: int) -> None:
        await self._lease(LeaseAsk("release", holder, epoch))

    async def rebooting(self, holder: str, epoch: int, seconds: float) -> None:
        await self._lease(LeaseAsk("rebooting", holder, epoch, seconds))

    async def run(self, calls: Sequence[AnyCall], *, key: str, epoch: int, deadline: timedelta) -> tuple[Answer, ...]:
        request = Request(0, "", calls=tuple(calls), write=True, epoch=epoch, key=key, deadline=deadline)
        return self._clean((await self._request(request, deadline)).answers)

    async def start(self, job: str, resource: str, action: str, calls: Sequence[AnyCall], *, key: str, epoch: int, deadline: timedelta) -> Job:
        return await self._job(JobAsk("start", job, resource, action, key, tuple(calls), deadline), epoch)

    async def poll(self, job: str) -> Job:
        return await self._job(JobAsk("poll", job))

    async def ack(self, job: str) -> None:
        await self._job(JobAsk("ack", job))

    async def cancel(self, job: str) -> Job:
        """Ends the job's processes; its outcome is then unknown."""
        return await self._job(JobAsk("cancel", job))

    # --- requests

    async def _lease(self, ask: LeaseAsk) -> Lease:
        found = (await self._request(Request(0, "", lease=ask), QUICK)).lease
        if found is None:
            raise WireError("the host answered no lease", sent=True)
        return found

    async def _job(self, ask: JobAsk, epoch: int | None = None) -> Job:
        found = (await self._request(Request(0, "", job=ask, epoch=epoch), QUICK)).job
        if found is None:
            raise WireError("the host answered no job", sent=True)
        return replace(found, last=self._secrets.scrub(found.last), answers=self._clean(found.answers))

    async def _request(self, request: Request, deadline: timedelta) -> Reply:
        self._fresh, self._ahead = False, None
        async with self._one:
            if self._tainted:
                await self._renew()
                await self._greet()
            return await self._exchange(request, deadline)

    async def _renew(self) -> None:
        """What was cut may still act in the old process: end it, and only then go on, in a new one that holds no lease."""
        await self._channel.renew()
        self._number, self._tainted = 0, False

    async def _greet(self, along: Asked | None = None) -> Hello:
        host = self._target.host
        ask = HelloAsk(self._target.allow, self._target.fleet, {"name": host.expected_name})
        self._greeted = self._clock.now()
        calls = along.calls if along is not None and not secrets_of(along.calls) else ()
        deadline = along.deadline if along is not None and calls else None
        found = await self._exchange(Request(0, "", hello=ask, calls=calls, deadline=deadline), QUICK + (deadline or timedelta(0)))
        if found.hello is None:
            raise WireError("the host answered no hello")
        self._hello = answers.hello(found.hello)
        self._fresh, self.first = True, None
        self._ahead = (calls, found.answers) if calls and len(found.answers) == len(calls) else None
        return self._hello

    async def _exchange(self, request: Request, deadline: timedelta) -> Reply:
        secrets = secrets_of(request.calls)
        if secrets and self._hello.logging:
            raise LoggedSecret(f"{self._target.host.name} logs what calls are given, so {secrets[0]} is not sent to it")
        values: dict[Secret, str] = {secret: await self._secrets.resolve(secret) for secret in secrets}
        self._number += 1
        request = replace(request, id=self._number, nonce=self._channel.nonce(self._number))
        output = await self._channel.exchange(request, self._lines(request, values), deadline)
        found = answers.reply(unframe(output, request.nonce), request.id, self._hello.facts.boot)
        self._tainted |= found.taint
        if found.refused:
            self._refuse(found)
        return found

    def _lines(self, request: Request, values: Mapping[Secret, str]) -> tuple[str, ...]:
        """The request's lines, with its secrets in them or their numbers."""
        if not isinstance(self._channel, Apart) or not self._channel.apart:
            return lines(request, values.__getitem__)
        self._channel.beside(tuple(values.values()))
        return lines(request, list(values).index)

    def _refuse(self, found: Reply) -> None:
        if found.refused == "WrongHost" and found.hello:
            here = answers.facts(found.hello)
            wanted = self._target.host.expected_name
            raise WrongMachine(f"{here.computer_name} answers under the address of {self._target.host.name}, where {wanted} is expected")
        passed = self._clock.now() - self._greeted
        utc: datetime | None = self._hello.facts.utc
        answers.refusal(found, self._hello.facts.uptime + passed.total_seconds(), utc + passed if utc else None)

    def _clean(self, found: Sequence[Answer]) -> tuple[Answer, ...]:
        """Words of the host without any secret that this process ever resolved: cmdlets like to repeat what they were given."""
        return tuple(self._clean_one(item) for item in found)

    def _clean_one(self, item: Answer) -> Answer:
        scrub = self._secrets.scrub
        error = item.error and replace(item.error, id=scrub(item.error.id), message=scrub(item.error.message))
        return replace(item, error=error, info=scrub(item.info), warnings=tuple(scrub(text) for text in item.warnings))
