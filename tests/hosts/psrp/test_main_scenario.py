"""The main scenario of specs/ over PSRP: what is asked and answered is what is asked and answered in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.core.transport import Target, Writer
from reconciler.emulator.winrm import serve
from reconciler.emulator.winrm.endpoint import WATCH
from reconciler.emulator.winrm.psrp import Configuration
from reconciler.engine.granting import granting
from reconciler.hosts.connect import connections
from reconciler.hosts.jea import Role, function_role
from reconciler.hosts.psrp.channel import PsrpChannel
from reconciler.secrets import Vault
from reconciler.wire.requests import Request
from tests.engine.lab import Lab
from tests.hosts.psrp.serving import BATCH, over_psrp, written
from tests.hosts.winrm.serving import Served, options
from tests.hosts.winrm.test_main_scenario import ENVIRON, Spoken, effects, in_one_process, noted, scenario, walk

SECRETS = tuple(ENVIRON.values())


def alike(value: Any) -> Any:
    """Without how the invoker was started, how many names it lets through, and whether a secret went in its line or beside it."""
    if isinstance(value, dict):
        told = ("mode", "allow") if value.get("hello") == 1 else ()
        return {name: "***" if name == "$secure" else alike(item) for name, item in value.items() if name not in told}
    return [alike(item) for item in value] if isinstance(value, list | tuple) else value


def role(there: Lab, folder: Path) -> Configuration:
    """What `reconcile jea` writes for these specs, as Windows would read it."""
    return written(function_role(Role(BATCH.name), granting(there.desired, there.registry).names), folder)


async def over_psrp_sessions(specs: str, mode: str, patch: pytest.MonkeyPatch, folder: Path) -> tuple[Spoken, list[int], list[str]]:
    there, spoken = scenario(specs), Spoken()
    fenced = role(there, folder)
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
                endpoint.psrp.register(name, fenced)
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
async def test_over_psrp_the_same_is_asked_and_answered_as_in_one_process(specs: str, mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In mode function behind the very role that is written for the specs: it lets through all that they need."""
    here, ended_here, done_here = await in_one_process(specs)
    there, ended_there, done_there = await over_psrp_sessions(specs, mode, monkeypatch, tmp_path)
    assert ended_here == ended_there == [0, 0]
    assert done_here == done_there
    assert sorted(here) == sorted(there)
    for host in sorted(here):
        for one, other in zip(here[host], there[host], strict=True):
            assert alike(one) == alike(other)
    assert not any(secret in repr(there) for secret in SECRETS)
