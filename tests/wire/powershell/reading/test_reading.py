"""The table of requests and frames against the invoker's text, as a careful reader in Python follows it. No PowerShell is run.

This judges the script's logic where no engine is at hand. The emulator's cmdlets and programs answer the vectors tagged `windows`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.emulator.faults import Fault
from reconciler.wire.frames import unframe
from reconciler.wire.powershell import invoker, sha256
from tests.wire.powershell.reading import world
from tests.wire.powershell.reading.dotnet import Secure
from tests.wire.powershell.reading.world import ROOT, Process, World

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors.json").read_text(encoding="utf-8"))
ALLOW = ["Get-WindowsFeature", "Install-WindowsFeature", "Get-NetAdapter", "Get-Service", "Test-Path", "Get-VM", "C:\\Windows\\System32\\msiexec.exe"]
WORK = 60  # a wait of so many seconds lets runners do their work; in a shorter one they do not begin
UNREAD = {
    "a job is running once its runner took it": "the reading has no two processes at once",
    "a cancelled job ends with its processes": "the reading has no two processes at once",
    "a job is lost when its host restarts, whatever becomes of its work": "the reading has no two processes at once",
    "a lost job is still joined until it is acknowledged": "the reading has no two processes at once",
    "a job whose runner was killed is lost": "the reading has no two processes at once",
    "a product folder that somebody else owns is refused": "the owner is looked at in a function that the reading replaces",
}
READ = [vector for vector in VECTORS if vector["name"] not in UNREAD]


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
        self.greeted_only = vector.get("greeted_only", "abc")
        match vector.get("fixture", "bare"):
            case "no uuid":
                self.world.uuid = "00000000-0000-0000-0000-000000000000"
            case "with records":
                self.world.store = {"fleets\\default": {"0" * 32: '{"a":1}'}, "": {"hold": '{"by":"kim"}', "machine": '{"host":"edge-01"}'}}
            case "logging":
                self.world.logging = {"LocalMachine\\Windows\\PowerShell\\ScriptBlockLogging": 1}
            case "hanging msiexec":
                self.world.machine.faults.append(Fault(cmdlet="msiexec", hang=True, times=1))
            case "hanging adapters":
                self.world.machine.faults.append(Fault(cmdlet="Get-NetAdapter", hang=True, times=1))
            case "torn job":
                self.world.folders |= {f"{ROOT}\\jobs", f"{ROOT}\\jobs\\torn"}
                self.world.files[f"{ROOT}\\jobs\\torn\\state"] = '{"job":"torn","pha'

    def process(self, name: str) -> Process:
        if name not in self.processes:
            self.processes[name] = Process(self.world)
            if self.greeted and name in self.greeted_only:
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
                until = self.world.seconds + seconds
                while seconds >= WORK and self.world.pending:
                    Process(self.world, self.world.pending.pop(0).rpartition("-Detached '")[2].rstrip("'"))
                self.world.seconds = max(self.world.seconds, until)
            case {"restart": _}:
                self.world.restart()
            case {"end": name}:
                self.world.processes.pop(self.processes[name].pid, None)
            case {"kill runner": name}:
                self.world.pending = [line for line in self.world.pending if not line.endswith(f"'{name}'")]
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
    ran = [name.rpartition("\\")[2] for name, _ in stage.world.ran]
    assert {cmdlet: ran.count(cmdlet) for cmdlet in vector.get("effects", {})} == vector.get("effects", {})
    for name in vector.get("gone", ()):
        assert not stage.processes[name].alive


def test_an_installed_invoker_keeps_to_its_own_names_and_knows_itself_under_a_signature() -> None:
    stage = Stage({"fixture": "bare"})
    process = Process(stage.world, text=invoker() + "\r\n# SIG # Begin signature block\r\n", only=["get-windowsfeature"])
    stage.processes["a"] = process
    hello = {"allow": ["Get-WindowsFeature", "Restart-Computer"], "fleet": "default"}
    said, *_ = stage.send({"send": {"id": 1, "hello": hello}})
    assert (said["allow"], said["sha256"]) == (1, sha256())
    refused, *_ = stage.send({"send": {"id": 2, "calls": [{"c": "Restart-Computer"}]}})
    assert refused["err"][0]["fqid"] == "NotAllowed"


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


def test_a_secret_stays_sealed_where_the_parameter_is_no_text() -> None:
    stage = stage_with()
    stage.send({"send": {"id": 2, "calls": [{"c": "Get-WindowsFeature", "p": {"Name": {"$secure": "DHCP"}, "Credential": {"$secure": "hunter2"}}}]}})
    ((_, given),) = stage.world.ran
    assert given["Name"] == "DHCP"
    assert isinstance(given["Credential"], Secure)


def test_a_call_that_outlasts_its_deadline_is_stopped_and_the_process_goes_on() -> None:
    stage = stage_with()
    calls = [{"c": "Install-WindowsFeature", "p": {"Name": "DHCP"}, "t": 1000}, {"c": "Get-WindowsFeature", "p": {"Name": "DHCP"}}]
    frames = stage.send({"send": {"id": 2, "calls": calls}})
    assert [frame.get("cut") for frame in frames] == ["stopped", None, None]
    assert frames[1]["ok"] is True


def test_vectors_that_are_not_read_are_named_with_their_reason() -> None:
    assert set(UNREAD) <= {vector["name"] for vector in VECTORS}
    assert len(UNREAD) < 10


SLIPS = [
    ("-or $id -lt 1)", "-or $id -lt 9)", "a request that asks for nothing is answered"),
    ("$State.Highest = $id", "$State.Lowest = $id", "an id below the highest that was never seen is forgotten, not run"),
    ("'KeyCase'", "'KeyCases'", "keys equal but for case in an argument stop the call"),
]


@pytest.mark.parametrize(("good", "slip", "name"), SLIPS, ids=[slip for _, slip, _ in SLIPS])
def test_the_reading_sees_a_slip_in_the_text(good: str, slip: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = invoker()
    assert whole.count(good) == 1
    monkeypatch.setattr(world, "invoker", lambda: whole.replace(good, slip))
    (vector,) = [vector for vector in READ if vector["name"] == name]
    stage = Stage(vector)
    for step in vector.get("before", ()):
        stage.do(step)
    assert not same(vector["frames"], list(stage.send(vector["request"])))
