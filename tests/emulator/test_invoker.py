"""The table of requests and frames (tests/wire/vectors.json) against the emulated invoker.

A vector: `fixture` (a machine), `before` (what happened first), `request`, `frames`. Frames are judged by what a vector names:
a map by its keys, a list by every item, `*` by nothing; `exact` names frames that may hold no further key. `effects` counts
cmdlets that ran. Ids start at 2, since 1 is the hello that each process is greeted with, unless `greeted` is false.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.emulator import jobs, timeline
from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.emulator.invoker import LOCK, Invoker
from reconciler.emulator.machine import Machine
from reconciler.emulator.skus import HostWish
from reconciler.wire.frames import unframe

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "wire" / "vectors.json").read_text(encoding="utf-8"))
ALLOW = ["Get-WindowsFeature", "Install-WindowsFeature", "Get-NetAdapter", "Get-Service", "Test-Path", "Get-VM", "C:\\Windows\\System32\\msiexec.exe"]
STORE = "HKLM\\SOFTWARE\\reconciler"
LOGGING = "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\PowerShell\\ScriptBlockLogging"


def fixture(machine: Machine, name: str) -> None:
    """Brings a bare server into the state that vectors call `name`."""
    match name:
        case "bare":
            return
        case "no uuid":
            machine.uuid = "00000000-0000-0000-0000-000000000000"
        case "with records":
            machine.registry.put(f"{STORE}\\fleets\\default", "0" * 32, '{"a":1}')
            machine.registry.put(STORE, "hold", '{"by":"kim"}')
            machine.registry.put(STORE, "machine", '{"host":"edge-01"}')
        case "logging":
            machine.registry.put(LOGGING, "EnableScriptBlockLogging", 1)
        case "foreign folder":
            machine.files.folder(jobs.ROOT).owner = "EDGE-01\\kim"
        case "hanging adapters":
            machine.faults.append(Fault(cmdlet="Get-NetAdapter", hang=True, times=1))
        case "hanging msiexec":
            machine.faults.append(Fault(cmdlet="msiexec", hang=True, times=1))
        case "torn job":
            machine.files.write(f"{jobs.JOBS}\\torn\\state", '{"job":"torn","pha')
        case _:
            raise AssertionError(f"no fixture {name}")


class Stage:
    """One machine with its processes by name."""

    def __init__(self, vector: Mapping[str, Any]) -> None:
        self.estate = Estate.new(None, [HostWish("edge-01")])
        self.machine = self.estate.machine("edge-01")
        self.processes: dict[str, Invoker] = {}
        self.greeted = vector.get("greeted", True)
        self.ungreeted = () if "greeted_only" not in vector else tuple(name for name in "abc" if name not in vector["greeted_only"])
        fixture(self.machine, vector["fixture"])
        if vector.get("lock"):
            self.lock = self.machine.files.write(LOCK, "")

    def record(self, what: str, fields: Mapping[str, Any]) -> None:
        self.estate.record("edge-01", what, **fields)

    async def process(self, name: str) -> Invoker:
        if name not in self.processes:
            self.processes[name] = Invoker(self.machine, self.estate.clock, self.record)
            if self.greeted and name not in self.ungreeted:
                await self.processes[name].line(json.dumps({"id": 1, "hello": {"allow": ALLOW, "fleet": "default"}}))
        return self.processes[name]

    async def send(self, request: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        invoker = await self.process(request.get("process", "a"))
        if "line" in request:
            nonce, line = request.get("nonce", ""), request["line"]
        else:
            nonce = request["send"].get("nonce", "ab")
            line = json.dumps({"nonce": nonce, **request["send"]})
        text = await invoker.line(line)
        return unframe(text, nonce) if text else ()

    async def do(self, step: Mapping[str, Any]) -> None:
        match step:
            case {"wait": seconds}:
                await self.estate.clock.sleep_until(self.estate.clock.now() + timedelta(seconds=seconds))
            case {"restart": _}:
                jobs.advance(self.machine, self.estate.clock.now(), self.record)
                timeline.restart(self.machine)
                assert self.machine.down_until is not None
                await self.estate.clock.sleep_until(self.machine.down_until + timedelta(seconds=1))
            case {"end": name}:
                self.processes[name].end()
            case {"kill runner": job}:
                jobs.advance(self.machine, self.estate.clock.now(), self.record)
                (runner,) = [process for process in self.machine.processes.values() if process.data.get("job") == job]
                self.machine.kill_tree(runner.pid)
            case _:
                await self.send(step)

    def count(self, cmdlet: str) -> int:
        return sum(record["what"] == "cmdlet" and record["name"] == cmdlet for record in self.estate.records)


def same(want: Any, have: Any) -> bool:
    """Whether `have` is what a vector wants."""
    match want:
        case "*":
            return True
        case dict():
            return isinstance(have, dict) and (bool(want) or not have) and all(key in have and same(value, have[key]) for key, value in want.items())
        case list():
            return isinstance(have, list) and len(want) == len(have) and all(map(same, want, have))
    return type(want) is type(have) and bool(want == have)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
async def test_a_request_is_answered_as_the_table_says(vector: dict[str, Any]) -> None:
    stage = Stage(vector)
    for step in vector.get("before", ()):
        await stage.do(step)
    if vector.get("lock"):
        await stage.process("a")
        stage.lock.locked = True
    frames = list(await stage.send(vector["request"]))
    assert same(vector["frames"], frames), json.dumps(frames, indent=1)
    for number in vector.get("exact", ()):
        assert set(frames[number]) == set(vector["frames"][number])
    assert {cmdlet: stage.count(cmdlet) for cmdlet in vector.get("effects", {})} == vector.get("effects", {})
    for name in vector.get("gone", ()):
        assert not stage.processes[name].alive


def test_the_table_is_whole() -> None:
    names = [vector["name"] for vector in VECTORS]
    assert len(names) >= 60
    assert len(names) == len(set(names))
    assert {vector["tag"] for vector in VECTORS} == {"pure", "store", "windows"}
