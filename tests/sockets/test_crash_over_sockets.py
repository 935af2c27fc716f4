"""The crash law over real sockets with NTLM: the controller dies around a request, its line is cut, and a fresh one finishes. The host's log is the judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import anyio
import pytest

from reconciler.core.transport import Target, Writer
from reconciler.emulator.winrm import Endpoint, serve
from reconciler.emulator.winrm.endpoint import WATCH
from reconciler.hosts.connect import connections
from reconciler.hosts.emulated import Killed
from reconciler.hosts.winrm.channel import WinrmChannel
from reconciler.secrets import Vault
from reconciler.wire.requests import Request
from tests.engine.lab import FLEET, Lab, lab
from tests.engine.test_crash import EFFECTS, SMALL, resumes
from tests.hosts.winrm.serving import Served, options


@dataclass
class Cutter:
    """Kills the controller before or after one exchange; `number` None: never."""

    number: int | None
    after: bool
    count: int = 0
    died: bool = False


@asynccontextmanager
async def controller(here: Lab, endpoint: Endpoint) -> AsyncIterator[None]:
    """A controller of its own: nothing that another one kept is known to it."""
    here.secrets = Vault({"WINRM_PASSWORD": endpoint.credentials.password})
    async with connections(here.secrets, here.estate.clock, options(here.estate)) as reach:
        served = Served(here.estate, endpoint, reach)

        @asynccontextmanager
        async def to(target: Target) -> AsyncIterator[Writer]:
            name = target.host.name
            way = replace(target, host=replace(target.host, address=endpoint.address(name).ip, connection=served.connection("ntlm", name)))
            with here.estate.clock.held():  # the endpoint looks in real time whether a host is up again: virtual time must not run past it
                await anyio.sleep(2 * WATCH)
            async with reach(way) as writer:
                yield writer

        here.connect = lambda: to  # type: ignore[method-assign]
        yield


def cut(patch: pytest.MonkeyPatch, cutter: Cutter) -> None:
    original = WinrmChannel.exchange

    async def exchange(channel: WinrmChannel, request: Request, texts: Sequence[str], deadline: timedelta) -> str:
        number, cutter.count = cutter.count, cutter.count + 1
        here = number == cutter.number
        cutter.died |= here
        if here and not cutter.after:
            raise Killed
        output = await original(channel, request, texts, deadline)
        if here:
            raise Killed
        return output

    patch.setattr(WinrmChannel, "exchange", exchange)


async def killed_and_resumed(number: int, after: bool, patch: pytest.MonkeyPatch) -> None:
    undisturbed, here = lab(FLEET + SMALL), lab(FLEET + SMALL)
    await undisturbed.apply()
    cutter = Cutter(number, after)
    async with serve(here.estate) as endpoint:
        with patch.context() as dying:
            cut(dying, cutter)
            try:
                async with controller(here, endpoint):
                    await here.apply()
            except* Killed:
                endpoint.drop_connections("edge-01")
        assert cutter.died, f"the run has {cutter.count} exchanges only"
        async with controller(here, endpoint):
            await resumes(here, None, Counter(undisturbed.effects("edge-01", *EFFECTS)))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [1, 4, 8, 13])
async def test_a_controller_killed_around_a_request_is_followed_by_one_that_does_nothing_twice(
    number: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await killed_and_resumed(number, after, monkeypatch)
