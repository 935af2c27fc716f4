"""Detached work on an emulated host: job folders as the real invoker keeps them, and their runners in virtual time.

`invoker` uses the verbs; `advance` brings every runner up to a moment and is called before anybody looks at the machine.
A runner is a process of the machine whose memory is in `Process.data`, so a saved estate keeps running jobs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from reconciler.emulator import lease
from reconciler.emulator.arguments import Refusal, holds_secret
from reconciler.emulator.lease import Here
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Process
from reconciler.emulator.runner import INFO, Batch, Log, Ran, batch_seconds, frame, run
from reconciler.emulator.timeline import settle
from reconciler.wire.codec import moment
from reconciler.wire.strict import Malformed, read, write

ROOT = "C:\\Program Files\\reconciler"
JOBS = f"{ROOT}\\jobs"
JOB_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
RUNNER_STARTS = 1.5  # seconds until the runner has read its request
LATE = 60  # a job that is still starting after this is lost
_BLANK: Mapping[str, Any] = {
    "job": "", "resource": "", "action": "", "key": None, "phase": "lost", "boot": "", "at": 0.0, "since": "", "pid": 0, "started": 0, "last": "", "bad": None,
}  # fmt: skip


def _path(job: str, file: str) -> str:
    return f"{JOBS}\\{job}\\{file}"


def _text(machine: Machine, job: str, file: str) -> str | None:
    found = machine.files.find(_path(job, file))
    return found.content if found else None


def _save(machine: Machine, state: Mapping[str, Any]) -> None:
    machine.files.write(_path(state["job"], "state"), write(state), machine.now)


def state_of(machine: Machine, job: str) -> dict[str, Any]:
    """A job's state as one may rely on it: `running` without its process, or of another boot, is lost."""
    state = {**_BLANK, "job": job}
    try:
        said = read(_text(machine, job, "state") or "")
        state |= {name: said[name] for name in state if name in said}
    except (Malformed, TypeError):
        state["last"] = "state cannot be read"
    here = state["boot"] == machine.boot_id
    if state["phase"] == "running" and (not here or lease.alive(machine, state) is None):
        state["phase"] = "lost"
    if state["phase"] == "starting" and (not here or lease.uptime(machine) - float(state["at"]) > LATE):
        state["phase"] = "lost"
    return state


def listed(machine: Machine) -> list[dict[str, Any]]:
    """All jobs that nobody acknowledged, in the order of their ids."""
    return [state_of(machine, entry.name) for entry in machine.files.children(JOBS) if entry.folder and JOB_ID.fullmatch(entry.name)]


# --- the verbs


def use(here: Here, ask: Mapping[str, Any], request: Mapping[str, Any], allow: frozenset[str]) -> dict[str, Any]:
    """start, poll, ack, cancel: the fields of the job's frame. Raises Refusal."""
    job, do = ask.get("job"), ask.get("do")
    if not isinstance(job, str) or not JOB_ID.fullmatch(job):
        raise Refusal("BadJob", "job id")
    if do == "start":
        return _start(here, job, ask, request, allow)
    if do not in ("poll", "ack", "cancel"):
        raise Refusal("BadJob", "job verb")
    if machine_has_no(here.machine, job):
        raise Refusal("NoJob", job)
    state = state_of(here.machine, job)
    if do == "ack":
        return {"job": _acknowledge(here.machine, state), "joined": False}
    if do == "cancel":
        return {"job": _cancel(here.machine, state), "joined": False}
    answer = _text(here.machine, job, "answer") if state["phase"] == "done" else None
    return {"job": state, "joined": False} | ({"answer": read(answer)} if answer else {})


def machine_has_no(machine: Machine, job: str) -> bool:
    return machine.files.find(f"{JOBS}\\{job}") is None


def _start(here: Here, job: str, ask: Mapping[str, Any], request: Mapping[str, Any], allow: frozenset[str]) -> dict[str, Any]:
    if holds_secret(ask.get("calls")):
        raise Refusal("NoSecret", "a job takes no secret")
    if not ask.get("resource"):
        raise Refusal("BadJob", "no resource")
    machine = here.machine
    lease.confirm(here, request.get("epoch"), 0)
    for other in listed(machine):
        if other["job"] == job or not other["resource"] or other["resource"] == ask["resource"]:
            return {"job": other, "joined": True}
    state = {**_BLANK, "job": job, "phase": "starting", "boot": machine.boot_id, "at": lease.uptime(machine), "since": moment(machine.local_now)}
    state |= {"resource": str(ask["resource"]), "action": str(ask.get("action", "")), "key": ask.get("key")}
    _save(machine, state)
    detached = {"id": 0, "bt": ask.get("bt"), "allow": sorted(allow), "calls": ask.get("calls") or []}
    machine.files.write(_path(job, "request"), write(detached), machine.now)
    memory = {"job": job, "next": 0, "frames": [], "resume": machine.now + timedelta(seconds=RUNNER_STARTS)}
    machine.start_process("powershell.exe", f"reconciler job {job}", data=memory)
    return {"job": state, "joined": False}


def _acknowledge(machine: Machine, state: dict[str, Any]) -> dict[str, Any]:
    if state["phase"] in ("running", "starting"):
        raise Refusal("NotFinished", state["job"])
    machine.files.delete(f"{JOBS}\\{state['job']}")
    return state | {"phase": "acked"}


def _cancel(machine: Machine, state: dict[str, Any]) -> dict[str, Any]:
    if state["phase"] not in ("running", "starting"):
        return state
    if state["phase"] == "running" and (runner := lease.alive(machine, state)):
        machine.kill_tree(runner.pid)
    cancelled = state | {"phase": "cancelled"}
    _save(machine, cancelled)
    return cancelled


# --- the runners


def advance(machine: Machine, now: datetime, log: Log) -> None:
    """Lets every runner do what it would have done until `now`, in the order of time; the machine is then at `now`."""
    while (runner := _earliest(machine)) is not None and runner.data["resume"] <= now:
        at = max(machine.now, runner.data["resume"])
        settle(machine, at)
        if machine.process(runner.pid) is runner:
            _step(machine, runner, at, log)
    settle(machine, now)
    for runner in _runners(machine):
        _say(machine, runner, now)


def _runners(machine: Machine) -> list[Process]:
    return [process for process in machine.processes.values() if "job" in process.data]


def _earliest(machine: Machine) -> Process | None:
    return min(_runners(machine), key=lambda process: (process.data["resume"], process.pid), default=None)


def _step(machine: Machine, runner: Process, at: datetime, log: Log) -> None:
    """One step of a runner: it takes its request, ends a call, or begins the next one."""
    memory, state = runner.data, state_of(machine, runner.data["job"])
    text = _text(machine, memory["job"], "request")
    if state["phase"] == "starting":
        state |= {"phase": "running", "pid": runner.pid, "started": lease.ticks(runner.started)}
        memory["ends"] = at + timedelta(seconds=batch_seconds(read(text or "{}")))
        _save(machine, state)
    if state["phase"] != "running" or state["pid"] != runner.pid or text is None:
        machine.kill_tree(runner.pid)
        return
    request = {**read(text), "stop": True}
    if "body" in memory:
        memory["frames"].append(memory.pop("body"))
    if memory.get("bad") or memory["next"] >= len(request["calls"]):
        _finish(machine, runner, state, request)
        return
    _begin(machine, runner, request, at, log)


def _begin(machine: Machine, runner: Process, request: Mapping[str, Any], at: datetime, log: Log) -> None:
    memory = runner.data
    batch = Batch(Here(machine, runner.pid), request, frozenset(request["allow"]), log)
    batch.earlier.outs = {int(n): out for n, out in memory.get("outs", {}).items()}
    batch.earlier.good = dict.fromkeys(batch.earlier.outs, True)
    number = memory["next"]
    ran: Ran = run(batch, number, request["calls"][number], (memory["ends"] - at).total_seconds(), at)
    memory |= {"next": number + 1, "begun": at, "resume": at + timedelta(seconds=ran.seconds), "info": ran.info[-INFO:]}
    memory |= {"body": frame(batch, number, request["calls"][number], ran), "bad": 0 if ran.ok else 1}
    memory.setdefault("outs", {})[str(number)] = ran.objects or []


def _finish(machine: Machine, runner: Process, state: dict[str, Any], request: Mapping[str, Any]) -> None:
    memory = runner.data
    end = write({"id": 0, "end": True, "n": len(memory["frames"]), "bad": memory.get("bad", 0), "taint": False})
    machine.files.write(_path(state["job"], "answer"), "[" + ",".join([*memory["frames"], end]) + "]", machine.now)
    said = str(memory.get("info", "")).rstrip()
    _save(machine, state | {"phase": "done", "bad": memory.get("bad", 0), "last": said or state["last"]})
    machine.kill_tree(runner.pid)


def _say(machine: Machine, runner: Process, now: datetime) -> None:
    """What a call printed so far becomes the job's `last`: as much of its text as of its time has gone by."""
    memory = runner.data
    lines = str(memory.get("info", "")).splitlines()
    if not lines or "begun" not in memory:
        return
    whole = (memory["resume"] - memory["begun"]).total_seconds()
    part = 1.0 if whole <= 0 else min(1.0, (now - memory["begun"]).total_seconds() / whole)
    last = "\n".join(lines[: int(part * (len(lines) + 1))])
    state = state_of(machine, memory["job"])
    if last and state["phase"] == "running" and state["last"] != last:
        _save(machine, state | {"last": last})
