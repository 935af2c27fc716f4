"""The main scenario of specs/ over real sockets, sealed with NTLM: what is asked and answered is what is asked and answered in one process."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.core.transport import Target, Writer
from reconciler.emulator.controller import Exchange
from reconciler.emulator.winrm import serve
from reconciler.emulator.winrm.endpoint import WATCH
from reconciler.emulator.winrm.programs import Launcher
from reconciler.hosts.connect import connections
from reconciler.hosts.emulated import connect
from reconciler.hosts.winrm.channel import WinrmChannel
from reconciler.secrets import Vault
from reconciler.wire.frames import FrameReader
from reconciler.wire.requests import Request
from tests.engine.lab import Lab, lab
from tests.hosts.winrm.serving import Served, options

SPECS = Path(__file__).parents[3] / "specs"
ENVIRON = {"DPS_KEY_PLANT_RTM_01": "a2V5LW9mLXBsYW50", "DPS_KEY_KIOSK_04": "a2V5LW9mLWtpb3NrLTA0"}
Spoken = dict[str, list[Any]]
# Times, processes, nonces and salts: another run has others.
VOLATILE = {"begun", "nonce", "at", "ms", "pid", "ws", "started", "uptime", "utc", "booted", "now", "until", "since", "sha256", "boot"}
OTHER = re.compile(r"scrypt:[0-9a-f:]+|\d\d/\d\d/\d{4} \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[0-9:.]+Z?")


def bare(value: Any) -> Any:
    """Without what differs between any two runs."""
    if isinstance(value, dict):
        if value.keys() & {"$dt", "$dtu", "$ts"}:
            return "a time"
        return {name: bare(item) for name, item in value.items() if name not in VOLATILE}
    if isinstance(value, list):
        return [bare(item) for item in value]
    if not isinstance(value, str):
        return value
    return bare(json.loads(value)) if value.startswith('{"') else OTHER.sub("other", value)


def noted(spoken: Spoken, host: str, texts: Sequence[str], output: str) -> None:
    asked = [json.loads(text) for text in texts]
    reader = FrameReader(asked[0]["nonce"])
    reader.feed(output)
    spoken.setdefault(host, []).append((bare(asked), bare(reader.frames)))


def scenario(specs: str) -> Lab:
    """One host: with several at work, how often each asks for its jobs depends on the others."""
    there = lab("\n---\n".join(file.read_text(encoding="utf-8") for file in (SPECS / "fleet.yaml", SPECS / specs)))
    there.secrets = Vault(ENVIRON)
    return there


async def walk(there: Lab, reach: Callable[[Target], AbstractAsyncContextManager[Writer]]) -> list[int]:
    there.connect = lambda: reach  # type: ignore[method-assign]
    report = await there.apply()
    return [report.exit_code, sum(1 for step in (await there.plan()).steps() if step.n)]


async def in_one_process(specs: str) -> tuple[Spoken, list[int], list[str]]:
    there, spoken = scenario(specs), Spoken()

    def tap(exchange: Exchange, texts: Sequence[str], output: str) -> None:
        noted(spoken, exchange.host, texts, output)

    ended = await walk(there, connect(there.estate, there.estate.clock, secrets=there.secrets, taps=[tap]))
    return spoken, ended, effects(there)


async def over_sockets(specs: str, patch: pytest.MonkeyPatch, launchers: Sequence[Launcher] = ()) -> tuple[Spoken, list[int], list[str]]:
    there, spoken = scenario(specs), Spoken()
    original = WinrmChannel.exchange

    async def tapped(channel: WinrmChannel, request: Request, texts: Sequence[str], deadline: timedelta) -> str:
        output = await original(channel, request, texts, deadline)
        noted(spoken, channel._line.way.host, [there.secrets.scrub(text) for text in texts], there.secrets.scrub(output))
        return output

    patch.setattr(WinrmChannel, "exchange", tapped)
    async with serve(there.estate, launchers=launchers) as endpoint:
        there.secrets = Vault(ENVIRON | {"WINRM_PASSWORD": endpoint.credentials.password})
        async with connections(there.secrets, there.estate.clock, options(there.estate, along=False)) as reach:
            served = Served(there.estate, endpoint, reach)

            @asynccontextmanager
            async def to(target: Target) -> AsyncIterator[Writer]:
                name = target.host.name
                way = replace(target, host=replace(target.host, address=endpoint.address(name).ip, connection=served.connection("ntlm", name)))
                with there.estate.clock.held():  # the endpoint looks in real time whether a host is up again: virtual time must not run past it
                    await anyio.sleep(2 * WATCH)
                async with reach(way) as writer:
                    yield writer

            ended = await walk(there, to)
    return spoken, ended, effects(there)


def effects(there: Lab) -> list[str]:
    return [f"{record['host']} {record['name']}" for host in sorted(there.estate.machines) for record in there.estate.log(host) if record["what"] == "cmdlet"]


@pytest.mark.parametrize("specs", ["kiosk.yaml", "plant.yaml"])
async def test_over_sockets_the_same_is_asked_and_answered_as_in_one_process(specs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here, ended_here, done_here = await in_one_process(specs)
    there, ended_there, done_there = await over_sockets(specs, monkeypatch)
    assert ended_here == ended_there == [0, 0]
    assert done_here == done_there
    assert sorted(here) == sorted(there)
    for host in sorted(here):
        for one, other in zip(here[host], there[host], strict=True):
            assert one == other


async def test_a_whole_look_of_the_engine_costs_nine_requests_then_seven_then_two() -> None:
    """Whatever the number of resources, and with the same plan each time."""
    there = scenario("plant.yaml")
    async with serve(there.estate) as endpoint:
        there.secrets = Vault(ENVIRON | {"WINRM_PASSWORD": endpoint.credentials.password})
        async with connections(there.secrets, there.estate.clock, options(there.estate)) as reach:
            served = Served(there.estate, endpoint, reach)
            costs, plans = [], []
            for session in ("per-look", "per-look", "persistent", "persistent", "persistent"):

                def to(target: Target, session: str = session) -> AbstractAsyncContextManager[Writer]:
                    name = target.host.name
                    host = replace(target.host, address=endpoint.address(name).ip, connection=served.connection("ntlm", name, session=session))
                    return reach(replace(target, host=host))

                there.connect = lambda to=to: to  # type: ignore[method-assign,misc]
                before, ended = endpoint.counts()["requests"], endpoint.counts()["Signal"] + endpoint.counts()["Delete"]
                plan = await there.plan()
                counts = endpoint.counts()
                costs.append(counts["requests"] - before - (counts["Signal"] + counts["Delete"] - ended))
                plans.append([f"{step.symbol} {step.id}" for step in plan.steps()])
            assert costs == [9, 7, 7, 2, 2]
            assert all(plan == plans[0] for plan in plans)
            assert counts["processes"] == 3
