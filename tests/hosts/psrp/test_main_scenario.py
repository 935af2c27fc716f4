"""The main scenario of specs/ over PSRP: what is asked and answered is what is asked and answered in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest

from reconciler.core.transport import Target, Writer
from reconciler.emulator.winrm import serve
from reconciler.emulator.winrm.endpoint import WATCH
from reconciler.hosts.connect import connections
from reconciler.hosts.psrp.channel import PsrpChannel
from reconciler.secrets import Vault
from reconciler.wire.requests import Request
from tests.hosts.psrp.serving import BATCH, over_psrp
from tests.hosts.winrm.serving import Served, options
from tests.hosts.winrm.test_main_scenario import ENVIRON, Spoken, effects, in_one_process, noted, scenario, walk

SECRETS = tuple(ENVIRON.values())


def alike(value: Any) -> Any:
    """Without how the invoker was started, and whether a secret went in its line or beside it."""
    if isinstance(value, dict):
        return {name: "***" if name == "$secure" else alike(item) for name, item in value.items() if not (name == "mode" and "hello" in value)}
    return [alike(item) for item in value] if isinstance(value, list | tuple) else value


async def over_psrp_sessions(specs: str, mode: str, patch: pytest.MonkeyPatch) -> tuple[Spoken, list[int], list[str]]:
    there, spoken = scenario(specs), Spoken()
    original = PsrpChannel.exchange

    async def tapped(channel: PsrpChannel, request: Request, texts: Sequence[str], *rest: Any) -> str:
        output = await original(channel, request, texts, *rest)
        noted(spoken, channel.host, [there.secrets.scrub(text) for text in texts], there.secrets.scrub(output))
        return output

    patch.setattr(PsrpChannel, "exchange", tapped)
    async with serve(there.estate) as endpoint:
        there.secrets = Vault(ENVIRON | {"WINRM_PASSWORD": endpoint.credentials.password})
        async with connections(there.secrets, there.estate.clock, options(there.estate, along=False)) as reach:
            served = Served(there.estate, endpoint, reach)

            @asynccontextmanager
            async def to(target: Target) -> AsyncIterator[Writer]:
                name = target.host.name
                endpoint.psrp.register(name, replace(BATCH, only=frozenset(word.casefold() for word in target.allow)))
                way = replace(target, host=replace(target.host, address=endpoint.address(name).ip, connection=served.connection("ntlm", name)))
                with there.estate.clock.held():  # the endpoint looks in real time whether a host is up again: virtual time must not run past it
                    await anyio.sleep(2 * WATCH)
                async with reach(over_psrp(way, mode)) as writer:
                    yield writer

            ended = await walk(there, to)
    return spoken, ended, effects(there)


@pytest.mark.parametrize(
    ("specs", "mode"),
    [
        ("kiosk.yaml", "function"),
        pytest.param("kiosk.yaml", "script", marks=pytest.mark.soak),
        pytest.param("plant.yaml", "function", marks=pytest.mark.soak),
        pytest.param("plant.yaml", "script", marks=pytest.mark.soak),
    ],
)
async def test_over_psrp_the_same_is_asked_and_answered_as_in_one_process(specs: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here, ended_here, done_here = await in_one_process(specs)
    there, ended_there, done_there = await over_psrp_sessions(specs, mode, monkeypatch)
    assert ended_here == ended_there == [0, 0]
    assert done_here == done_there
    assert sorted(here) == sorted(there)
    for host in sorted(here):
        for one, other in zip(here[host], there[host], strict=True):
            assert alike(one) == alike(other)
    assert not any(secret in repr(there) for secret in SECRETS)
