"""The planes of one host as one connection: the host itself, and Azure Resource Manager about it. Every call goes where it belongs.

`connected` opens what a host has; everybody else in the engine sees one `Writer`. Lease, ledger and jobs are the host's; a host that
is reached through Azure alone has none. A plane that could not be seen is in `dark`: its kinds are Unseen, the other goes on.
Azure's wish to wait is waited out here, on the engine's clock, as often as it is told and no longer than a bound.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from math import inf
from typing import TypeVar

from reconciler.core.calls import Answer, AnyCall, CallError, Plane, plane_of
from reconciler.core.errors import Defect, Throttled, TransportError, Unreachable
from reconciler.core.observations import Unseen
from reconciler.core.transport import Hello, Job, Lease, Target, Writer
from reconciler.engine.environment import Environment
from reconciler.wire.arm import with_arm

T = TypeVar("T")
PLANE_UNSEEN = "PlaneUnseen"  # category of the error that stands for every answer of a plane that was not seen
NO_DARK: Mapping[Plane, Unseen] = {}
SHORTEST = 1.0  # seconds between two tries: a service that asks to wait for none is not asked in a circle
Endure = Callable[[float, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Patience:
    """`endure` waits so many seconds, for the quota that it is told; `most` is how long is waited in a row, for looking or for writing."""

    endure: Endure
    most: timedelta


@asynccontextmanager
async def connected(env: Environment, target: Target, patience: Patience | None = None, *, alone: bool = False) -> AsyncIterator[Writer]:
    """A connection to a host by all its planes. Without `patience` a throttle is waited out for as long as one look may take.

    Raises TransportError where nothing of it can be seen; of one that is only looked at (`target.look`) one plane is enough, and
    with `alone` Azure is, where the host is silent.
    """
    if target.host.azure is None:
        async with env.connect(target) as writer:
            yield writer
        return
    throttle = _Throttle(env, target, patience)
    async with AsyncExitStack() as stack:
        dark: dict[Plane, TransportError] = {}
        found: dict[Plane, Writer] = {}
        for plane in (Plane.HOST, Plane.ARM) if target.host.connected else (Plane.ARM,):
            try:
                found[plane] = await throttle.outlast(partial(_enter, stack, env, replace(target, plane=plane)))
            except TransportError as trouble:
                dark[plane] = trouble
                if plane is Plane.HOST and not ((target.look or alone) and isinstance(trouble, Unreachable)):
                    raise
        if not found:
            raise next(iter(dark.values()))
        yield Planes(found, dark, throttle, one_is_enough=target.look and Plane.HOST in found)


async def _enter(stack: AsyncExitStack, env: Environment, target: Target) -> Writer:
    return await stack.enter_async_context(env.connect(target))


class _Throttle:
    """Repeats what Azure wants to be asked later. Waits count in a row, apart for looking and for writing: each has a quota of its own."""

    def __init__(self, env: Environment, target: Target, patience: Patience | None) -> None:
        self.env = env
        self.azure = target.host.azure
        self.patience = patience or Patience(self._asleep, env.deadline)
        self.location = ""
        self.waited = {False: 0.0, True: 0.0}  # by whether it writes

    async def _asleep(self, seconds: float, _: str) -> None:
        await self.env.clock.sleep_until(self.env.clock.now() + timedelta(seconds=seconds))

    async def outlast(self, ask: Callable[[], Awaitable[T]], *, write: bool = False) -> T:
        """What `ask` gives, once it is not throttled any more. Raises Throttled where that is not to be waited for."""
        assert self.azure is not None
        while True:
            held = self.env.quotas.wait(self.azure, self.location, self.env.clock.now()) if write else 0.0
            if held:
                await self._wait(held, "subscription", write)
                continue
            try:
                found = await ask()
            except Throttled as throttled:
                if throttled.scope == "subscription" and write:
                    self.env.quotas.exhausted(self.azure, self.location, self.env.clock.now(), max(throttled.seconds, SHORTEST))
                else:
                    await self._wait(throttled.seconds, throttled.scope, write)
            else:
                self.waited[write] = 0.0
                return found

    async def _wait(self, seconds: float, scope: str, write: bool) -> None:
        seconds, most = max(seconds, SHORTEST), self.patience.most.total_seconds()
        quota = self._quota(scope, write)
        if self.waited[write] + seconds > most:
            waited, self.waited = self.waited[write], dict.fromkeys(self.waited, inf)  # what comes next is tried, and not waited for again
            raise Throttled(_spent(quota, seconds, waited, most), seconds=seconds, scope=scope)
        self.waited[write] += seconds
        await self.patience.endure(seconds, quota)

    def _quota(self, scope: str, write: bool) -> str:
        """Which quota is used up: whose, and of what."""
        assert self.azure is not None
        of = "writes" if write else "reads"
        if scope != "subscription":
            return f"{'the scale set' if self.azure.scale_set else 'this VM'}'s quota of {of} in Azure"
        return f"the subscription's quota of {of}{f' in {self.location}' if self.location else ''}"


def _spent(quota: str, seconds: float, waited: float, most: float) -> str:
    """Why it is not waited for (any longer)."""
    wish = f"{quota} is used up: Azure wants no request for {'another ' if waited else ''}{_lasting(seconds)}"
    if waited > most:
        return f"{wish}, and it was waited for in vain before"
    return f"{wish}{f' after {_lasting(waited)} of waiting' if waited else ''}, and no more than {_lasting(most)} is waited for it"


def _lasting(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


class Planes:
    """A `Writer` over the planes that were seen."""

    def __init__(self, found: Mapping[Plane, Writer], dark: dict[Plane, TransportError], throttle: _Throttle, *, one_is_enough: bool) -> None:
        self._found = found
        self._throttle = throttle
        self._dark = dark
        self._one_is_enough = one_is_enough
        self._jobs: set[str] = set()  # those of Azure
        self._note_location()

    @property
    def dark(self) -> Mapping[Plane, Unseen]:
        """What could not be seen, and why."""
        return {plane: Unseen(str(trouble), trouble.code) for plane, trouble in self._dark.items()}

    @property
    def hello(self) -> Hello:
        host, arm = self._found.get(Plane.HOST), self._found.get(Plane.ARM)
        if host is None:
            assert arm is not None
            return arm.hello
        return host.hello if arm is None else with_arm(host.hello, arm.hello.raw["arm"])

    async def greet(self) -> Hello:
        for plane, writer in self._found.items():
            await (self._throttle.outlast(writer.greet) if plane is Plane.ARM else writer.greet())
        self._note_location()
        return self.hello

    def _note_location(self) -> None:
        azure = self.hello.facts.azure
        self._throttle.location = azure.location if azure else ""

    async def ask(self, calls: Sequence[AnyCall], deadline: timedelta) -> tuple[Answer, ...]:
        answers: dict[int, Answer] = {}
        for plane in Plane:
            places = [n for n, call in enumerate(calls) if plane_of(call) is plane]
            if places:
                answers |= zip(places, await self._ask(plane, [calls[n] for n in places], deadline), strict=True)
        return tuple(answers[n] for n in range(len(calls)))

    async def _ask(self, plane: Plane, calls: Sequence[AnyCall], deadline: timedelta) -> tuple[Answer, ...]:
        writer = self._found.get(plane)
        if writer is None or plane in self._dark:
            trouble = self._dark.get(plane)
            why = CallError(trouble.code if trouble else PLANE_UNSEEN, PLANE_UNSEEN, str(trouble or "it is not reached (connection: none)"))
            return tuple(Answer(error=why) for _ in calls)
        if plane is Plane.HOST:
            return await writer.ask(calls, deadline)
        try:
            return await self._throttle.outlast(lambda: writer.ask(calls, deadline))
        except TransportError as trouble:
            if not self._one_is_enough:
                raise
            self._dark[plane] = trouble  # Azure was there for the hello and then no more: what runs on the host goes on
            return await self._ask(plane, calls, deadline)

    # -- acting

    @property
    def _lessor(self) -> Writer:
        """Who gives the lease."""
        return self._found.get(Plane.HOST) or self._found[Plane.ARM]

    async def take(self, holder: str, seconds: float, epoch: int | None = None) -> Lease:
        return await self._lessor.take(holder, seconds, epoch)

    async def release(self, holder: str, epoch: int) -> None:
        await self._lessor.release(holder, epoch)

    async def rebooting(self, holder: str, epoch: int, seconds: float) -> None:
        await self._lessor.rebooting(holder, epoch, seconds)

    async def run(self, calls: Sequence[AnyCall], *, key: str, epoch: int, deadline: timedelta) -> tuple[Answer, ...]:
        if Plane.HOST not in self._found or any(plane_of(call) is Plane.ARM for call in calls):
            raise Defect(f"{', '.join(call.name for call in calls)}: only what is said to a host goes in a batch")
        return await self._found[Plane.HOST].run(calls, key=key, epoch=epoch, deadline=deadline)

    async def start(self, job: str, resource: str, action: str, calls: Sequence[AnyCall], *, key: str, epoch: int, deadline: timedelta) -> Job:
        planes = {plane_of(call) for call in calls}
        if planes != {Plane.ARM}:
            return await self._found[Plane.HOST].start(job, resource, action, calls, key=key, epoch=epoch, deadline=deadline)
        if len(calls) != 1:
            raise Defect(f"{action} of {resource}: a request to Azure is a job of its own")
        writer = self._found.get(Plane.ARM)
        if writer is None:
            raise Unreachable(str(self._dark[Plane.ARM]))
        self._jobs.add(job)
        return await self._throttle.outlast(lambda: writer.start(job, resource, action, calls, key=key, epoch=epoch, deadline=deadline), write=True)

    async def poll(self, job: str) -> Job:
        if job in self._jobs:
            return await self._throttle.outlast(lambda: self._found[Plane.ARM].poll(job))
        return await self._found[Plane.HOST].poll(job)

    async def ack(self, job: str) -> None:
        await self._found[Plane.ARM if job in self._jobs else Plane.HOST].ack(job)
