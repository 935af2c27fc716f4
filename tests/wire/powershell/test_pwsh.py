"""The table of requests and frames against the invoker itself, in a real PowerShell where one is installed.

Vectors tagged `windows` need cmdlets of Windows and are judged on a Windows machine only; waits longer than a test may take are
left out. What stays unjudged is said as the reason of the skip.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.wire.powershell.pwsh import Folder, Process, found

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors.json").read_text(encoding="utf-8"))
ALLOW = ["Get-WindowsFeature", "Install-WindowsFeature", "Get-NetAdapter", "Get-Service", "Test-Path", "Get-VM", "C:\\Windows\\System32\\msiexec.exe"]
LONGEST_WAIT = 5
HERE = [vector for vector in VECTORS if vector["tag"] != "windows"]
PWSH = found()


def waits(vector: Mapping[str, Any]) -> int:
    return max((step.get("wait", 0) for step in vector.get("before", ())), default=0)


class Stage:
    def __init__(self, vector: Mapping[str, Any], path: Path) -> None:
        self.folder = Folder(path)
        self.processes: dict[str, Process] = {}
        self.greeted = vector.get("greeted", True)
        match vector["fixture"]:
            case "no uuid":
                self.folder.say(uuid="00000000-0000-0000-0000-000000000000")
            case "with records":
                self.folder.put("fleets/default", "0" * 32, '{"a":1}')
                self.folder.put("", "hold", '{"by":"kim"}')
                self.folder.put("", "machine", '{"host":"edge-01"}')
            case "torn job":
                (path / "jobs" / "torn").mkdir(parents=True)
                (path / "jobs" / "torn" / "state").write_text('{"job":"torn","pha', encoding="ascii")

    def process(self, name: str) -> Process:
        if name not in self.processes:
            assert PWSH is not None
            self.processes[name] = Process(PWSH, self.folder)
            if self.greeted:
                greeting = self.processes[name].send(json.dumps({"id": 1, "hello": {"allow": ALLOW, "fleet": "default"}}), "")
                assert greeting[-1]["end"] is True
        return self.processes[name]

    def do(self, step: Mapping[str, Any]) -> None:
        match step:
            case {"wait": seconds}:
                time.sleep(seconds)
            case {"restart": _}:
                for process in self.processes.values():
                    process.end()
                self.folder.boot()
            case {"end": name}:
                self.processes[name].end()
            case {"kill runner": job}:
                state = self.folder.job(job)
                if state["pid"]:
                    os.kill(int(state["pid"]), signal.SIGKILL)
            case {"line": line} if '"part": 1' in line:
                self.process("a").tell(line)
            case _:
                self.send(step)

    def send(self, request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        process = self.process(request.get("process", "a"))
        if "line" in request:
            return process.send(request["line"], request.get("nonce", ""))
        nonce = request["send"].get("nonce", "ab")
        return process.send(json.dumps({"nonce": nonce, **request["send"]}), nonce)


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(request.getfixturevalue("vector"), tmp_path)
    yield made
    for process in made.processes.values():
        process.end()


def same(want: Any, have: Any) -> bool:
    match want:
        case "*":
            return True
        case dict():
            return isinstance(have, dict) and (bool(want) or not have) and all(key in have and same(value, have[key]) for key, value in want.items())
        case list():
            return isinstance(have, list) and len(want) == len(have) and all(map(same, want, have))
    return type(want) is type(have) and bool(want == have)


@pytest.mark.skipif(
    PWSH is None, reason=f"no PowerShell here: {len(HERE)} vectors of the invoker itself are unjudged (those tagged windows need a Windows machine)"
)
@pytest.mark.parametrize("vector", [vector for vector in HERE if waits(vector) <= LONGEST_WAIT], ids=lambda vector: str(vector["name"]))
def test_the_invoker_answers_as_the_table_says(vector: dict[str, Any], stage: Stage, tmp_path: Path) -> None:
    for step in vector.get("before", ()):
        stage.do(step)
    stage.process("a")
    with (tmp_path / "lock").open("a") as lock:
        if vector.get("lock"):
            fcntl.flock(lock, fcntl.LOCK_EX)
        frames = stage.send(vector["request"])
    assert same(vector["frames"], frames), json.dumps(frames, indent=1)
    for number in vector.get("exact", ()):
        assert set(frames[number]) == set(vector["frames"][number])
    for name in vector.get("gone", ()):
        assert not stage.processes[name].alive


def test_every_vector_has_a_place_where_it_is_judged() -> None:
    assert {vector["tag"] for vector in VECTORS} == {"pure", "store", "windows"}
    assert len(HERE) > 100
    assert sum(waits(vector) > LONGEST_WAIT for vector in HERE) < 10
