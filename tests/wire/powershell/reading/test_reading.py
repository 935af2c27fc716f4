"""The table of requests and frames against the invoker's text, as a careful reader in Python follows it. No PowerShell is run.

This judges the script's logic where no engine is at hand. Vectors tagged `windows` need cmdlets and are not read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.wire.frames import unframe
from tests.wire.powershell.reading.world import ROOT, Process, World

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors.json").read_text(encoding="utf-8"))
ALLOW = ["Get-WindowsFeature", "Install-WindowsFeature", "Get-NetAdapter", "Get-Service", "Test-Path", "Get-VM", "C:\\Windows\\System32\\msiexec.exe"]
READ = [vector for vector in VECTORS if vector["tag"] != "windows"]


@pytest.fixture(autouse=True)
def deep() -> Iterator[None]:
    """Forty levels of JSON are some thousand calls of the reader."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(before)


class Stage:
    def __init__(self, vector: Mapping[str, Any]) -> None:
        self.world = World()
        self.processes: dict[str, Process] = {}
        self.greeted = vector.get("greeted", True)
        match vector.get("fixture", "bare"):
            case "no uuid":
                self.world.uuid = "00000000-0000-0000-0000-000000000000"
            case "with records":
                self.world.store = {"fleets\\default": {"0" * 32: '{"a":1}'}, "": {"hold": '{"by":"kim"}', "machine": '{"host":"edge-01"}'}}
            case "torn job":
                self.world.folders |= {f"{ROOT}\\jobs", f"{ROOT}\\jobs\\torn"}
                self.world.files[f"{ROOT}\\jobs\\torn\\state"] = '{"job":"torn","pha'

    def process(self, name: str) -> Process:
        if name not in self.processes:
            self.processes[name] = Process(self.world)
            if self.greeted:
                self.processes[name].line(json.dumps({"id": 1, "hello": {"allow": ALLOW, "fleet": "default"}}))
        return self.processes[name]

    def send(self, request: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        nonce = request.get("nonce", "") if "line" in request else request["send"].get("nonce", "ab")
        line = request["line"] if "line" in request else json.dumps({"nonce": nonce, **request["send"]})
        said = self.process(request.get("process", "a")).line(line)
        return unframe(said, nonce) if said else ()

    def do(self, step: Mapping[str, Any]) -> None:
        match step:
            case {"wait": seconds}:
                self.world.seconds += seconds
            case {"restart": _}:
                self.world.restart()
            case {"end": name}:
                self.world.processes.pop(self.processes[name].pid, None)
            case {"kill runner": _}:
                self.world.pending.clear()
            case _:
                self.send(step)


def same(want: Any, have: Any) -> bool:
    match want:
        case "*":
            return True
        case dict():
            return isinstance(have, dict) and (bool(want) or not have) and all(key in have and same(value, have[key]) for key, value in want.items())
        case list():
            return isinstance(have, list) and len(want) == len(have) and all(map(same, want, have))
    return type(want) is type(have) and bool(want == have)


@pytest.mark.parametrize("vector", READ, ids=[str(vector["name"]) for vector in READ])
def test_the_text_answers_as_the_table_says(vector: dict[str, Any]) -> None:
    stage = Stage(vector)
    for step in vector.get("before", ()):
        stage.do(step)
    stage.process("a")
    stage.world.locked = bool(vector.get("lock"))
    frames = list(stage.send(vector["request"]))
    assert same(vector["frames"], frames), json.dumps(frames, indent=1)
    for number in vector.get("exact", ()):
        assert set(frames[number]) == set(vector["frames"][number])
    for name in vector.get("gone", ()):
        assert not stage.processes[name].alive


def stage_with(**fixture: Any) -> Stage:
    return Stage({"fixture": "bare", **fixture})


TAKE = {"send": {"id": 2, "lease": {"do": "take", "holder": "me", "seconds": 60}}}


def job(id: int, *calls: Mapping[str, Any]) -> dict[str, Any]:
    return {"send": {"id": id, "epoch": 1, "job": {"do": "start", "job": "j1", "resource": "r", "action": "a", "key": "k", "calls": list(calls)}}}


def test_a_runner_does_its_job_once_and_a_poll_brings_its_frames() -> None:
    stage = stage_with(fixture="with records")
    stage.send(TAKE)
    stage.send(job(3, {"l": "get", "f": "default", "n": "0" * 32}, {"l": "get", "f": None, "n": "hold"}))
    (line,) = stage.world.pending
    assert line.endswith("-Detached 'j1'")
    Process(stage.world, "j1")
    Process(stage.world, "j1")
    polled, _ = stage.send({"send": {"id": 4, "job": {"do": "poll", "job": "j1"}}})
    assert polled["job"]["phase"] == "done"
    assert [frame.get("out") for frame in polled["answer"]] == [['{"a":1}'], ['{"by":"kim"}'], None]
    assert stage.send({"send": {"id": 5, "job": {"do": "ack", "job": "j1"}}})[0]["job"]["phase"] == "acked"
    assert not [path for path in stage.world.files if "j1" in path]


def test_a_job_that_ends_at_a_bad_call_says_so() -> None:
    stage = stage_with()
    stage.send(TAKE)
    stage.send(job(3, {"l": "put", "f": "default", "n": "0" * 32, "v": "x"}, {"l": "get", "f": None, "n": "hold"}))
    Process(stage.world, "j1")
    state = stage.send({"send": {"id": 4, "job": {"do": "poll", "job": "j1"}}})[0]
    assert (state["job"]["bad"], len(state["answer"])) == (1, 2)
    assert stage.world.store.get("fleets\\default", {}) == {}


def test_a_runner_that_windows_refuses_leaves_nothing_behind() -> None:
    stage = stage_with()
    stage.world.refuses_runners = True
    stage.send(TAKE)
    assert stage.send(job(3))[-1]["refused"] == "StartFailed"
    assert stage.send({"send": {"id": 4, "job": {"do": "poll", "job": "j1"}}})[-1]["refused"] == "NoJob"


def test_where_calls_are_logged_a_secret_is_refused_before_anything_runs() -> None:
    stage = stage_with()
    stage.world.logging = {"LocalMachine\\Windows\\PowerShell\\ScriptBlockLogging": 1}
    frames = stage.send({"send": {"id": 2, "calls": [{"c": "Get-VM", "p": {"Name": {"$secure": "hunter2"}}}]}})
    assert frames[0]["err"][0]["fqid"] == "NoSecret"
    assert "hunter2" not in json.dumps(frames)


def test_an_old_process_asks_to_be_replaced() -> None:
    stage = stage_with()
    stage.processes["a"] = process = stage.process("a")
    process.reader.top.read("state").put("Served", 499)
    assert stage.send({"send": {"id": 2}})[-1]["recycle"] is True


def test_a_young_process_does_not() -> None:
    assert "recycle" not in stage_with().send({"send": {"id": 2}})[-1]


def test_text_of_every_kind_comes_back_as_it_went() -> None:
    stage = stage_with()
    stage.send(TAKE)
    hostile = ["'\"`$(calc)", "a\nb\0c", "\u202eevil", chr(0x1F600), "x" * 500 + "\u00e9", "\\u0041", "{}[],:", "#HVab 2 {}", ""]
    for number, text in enumerate(hostile, 3):
        put = {"l": "put", "f": "default", "n": "0" * 32, "v": text}
        frames = stage.send({"send": {"id": number, "w": True, "epoch": 1, "calls": [put, {"l": "get", "f": "default", "n": "0" * 32}]}})
        assert frames[1]["out"] == [text]


def test_long_frames_go_packed_and_arrive_whole() -> None:
    stage = stage_with()
    stage.send(TAKE)
    put = {"l": "put", "f": "default", "n": "0" * 32, "v": "y" * 60_000}
    frames = stage.send({"send": {"id": 3, "w": True, "epoch": 1, "calls": [put, {"l": "get", "f": "default", "n": "0" * 32}]}})
    assert frames[1]["out"] == ["y" * 60_000]


def test_a_write_that_was_cut_taints_its_process() -> None:
    stage = stage_with()
    stage.send(TAKE)
    stage.process("a").reader.top.read("state").put("Cut", True)
    assert stage.send({"send": {"id": 3, "w": True, "epoch": 1}})[-1]["refused"] == "Tainted"
    assert stage.send(job(4))[-1]["refused"] == "Tainted"
