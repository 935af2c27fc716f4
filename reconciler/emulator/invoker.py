"""The emulated invoker: one powershell process on an emulated host that takes request lines and answers frames.

It stands where `invoker.ps1` runs on a real host and speaks the same wire (docs/wire.md; tests/wire/vectors.json judges it).
`hosts.emulated` feeds it. It waits in the estate's virtual time and never in real time.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from reconciler.core.transport import Clock
from reconciler.emulator import greeting, jobs, lease, runner
from reconciler.emulator.arguments import Earlier, Refusal
from reconciler.emulator.lease import Here
from reconciler.emulator.machine import Machine
from reconciler.emulator.runner import Batch, Log, Ran
from reconciler.wire.frames import frame
from reconciler.wire.strict import Malformed, read, write

REMEMBERED = 32
LOCK = f"{jobs.ROOT}\\lock"
LOCK_SECONDS = 5.0
HIGHEST = 2**63 - 1
NONCE = re.compile(r"[0-9a-f]{0,32}")
TICK = 1.0  # seconds of work after which the estate's clock is let go by


class Gone(Exception):
    """No answer will come: the process ended, or the line to it broke. What was sent may have acted."""


class Invoker:
    """One process. `line` must not be called again before it has answered. `sha256`: the print of the text that it says it runs.

    In function mode it runs in a process that is there already, keeps to `only`, and `secrets` come beside a line.
    """

    sha256 = greeting.INVOKER
    mode = "process"
    only: frozenset[str] | None = None
    secrets: Sequence[str] = ()

    def __init__(self, machine: Machine, clock: Clock, log: Log, pid: int | None = None) -> None:
        self.machine = machine
        self.pid = machine.start_process("powershell.exe", "reconciler session").pid if pid is None else pid
        self._clock = clock
        self._log = log
        self._allow: frozenset[str] = frozenset()
        self._wrong = self._taint = self._cut = False
        self._done: dict[int, tuple[str, list[str]]] = {}
        self._order: deque[int] = deque()
        self._highest = 0
        self._parts: dict[int, dict[int, str]] = {}
        self._debt = 0.0

    @property
    def alive(self) -> bool:
        return self.machine.process(self.pid) is not None

    def end(self) -> None:
        """The process ends, as when its standard input is closed."""
        self.machine.kill_tree(self.pid)

    async def line(self, text: str) -> str:
        """The frames that one line is answered with; empty for a part of a request that is not whole yet. Raises Gone."""
        self._wake()
        nonce, keep, number = "", None, None
        try:
            request = self._whole(text, read(text))
            if request is None:
                return ""
            nonce, number = _nonce(request[0]), request[0].get("id")
            old = self._replay(*request)
            if old is not None:
                return _frames(nonce, old)
            keep = self._remember(*request)
            await self._request(request[0], keep)
        except (Refusal, Malformed) as refused:
            keep = [] if keep is None else keep
            keep.append(self._refused(number, refused))
        await self._pay()
        return _frames(nonce, keep)

    # --- ids, parts, replay

    def _whole(self, text: str, said: Any) -> tuple[dict[str, Any], str] | None:
        """The request and the print of its very bytes, put together from parts; None while parts are missing."""
        if not isinstance(said, dict):
            raise Malformed("a request is a map")
        _nonce(said)
        number = _id(said)
        if "part" not in said:
            return said, _print(text)
        part, of = said.get("part"), said.get("of")
        if not isinstance(part, int) or not isinstance(of, int) or not 0 <= part < of <= 1000:
            raise Malformed("part")
        if len(self._parts) > 8:
            self._parts.clear()
        pieces = self._parts.setdefault(number, {})
        pieces[part] = str(said.get("data", ""))
        if len(pieces) < of:
            return None
        del self._parts[number]
        text = "".join(pieces[n] for n in sorted(pieces))
        whole = read(text)
        if not isinstance(whole, dict) or _id(whole) != number:
            raise Malformed("part id")
        return whole, _print(text)

    def _replay(self, request: Mapping[str, Any], print_: str) -> list[str] | None:
        """The frames of an answered id, before its epoch is looked at; a forgotten id is refused, never run."""
        number = _id(request)
        if number in self._done:
            known, keep = self._done[number]
            if known != print_:
                raise Refusal("IdReused", "id used for another request")
            return keep
        if number <= self._highest:
            raise Refusal("Forgotten", f"id {number} is not remembered; highest is {self._highest}")
        return None

    def _remember(self, request: Mapping[str, Any], print_: str) -> list[str]:
        number = _id(request)
        self._highest = number
        self._done[number] = (print_, [])
        self._order.append(number)
        if len(self._order) > REMEMBERED:
            del self._done[self._order.popleft()]
        return self._done[number][1]

    def _refused(self, number: Any, refused: Refusal | Malformed) -> str:
        id_ = refused.id if isinstance(refused, Refusal) else "BadLine"
        body = {"id": number, "end": True, "n": 0, "refused": id_, "fatal": str(refused), "taint": self._taint or self._cut}
        if isinstance(refused, Refusal) and refused.detail is not None:
            body["detail"] = dict(refused.detail)
        return write(body)

    # --- one request

    async def _request(self, request: dict[str, Any], keep: list[str]) -> None:
        if self._wrong:
            raise Refusal("WrongHost", "this is not the host that was expected")
        if isinstance(request.get("hello"), dict):
            await self._hello(request["hello"], request, keep)
        here = Here(self.machine, self.pid)
        if isinstance(request.get("lease"), dict):
            await self._locked()
            taken = lease.use(here, request["lease"])
            self._log("lease", {"do": request["lease"].get("do"), "holder": request["lease"].get("holder"), "epoch": taken["epoch"]})
            keep.append(write({"id": request["id"], "lease": taken, "now": lease.uptime(self.machine)}))
        if isinstance(request.get("job"), dict):
            await self._job(here, request["job"], request, keep)
        if request.get("w"):
            if self._cut:
                raise Refusal("Tainted", "an earlier write was cut: end this process, see it gone, then look")
            await self._locked()
            lease.confirm(here, request.get("epoch"), runner.batch_seconds(request))
        await self._calls(here, request, keep)

    async def _hello(self, ask: Mapping[str, Any], request: Mapping[str, Any], keep: list[str]) -> None:
        greeting.own_folder(self.machine)
        body = greeting.identity(self.machine, request["id"])
        wrong = greeting.mismatch(body, ask.get("expect"))
        if wrong:
            self._wrong = True
            keep.append(write(body | {"mismatch": wrong}))
            raise Refusal("WrongHost", "this is not the host that was expected")
        if not self._allow:
            asked = frozenset(str(name).casefold() for name in ask.get("allow") or ())
            self._allow = asked if self.only is None else asked & self.only
        body |= greeting.about(self.machine, self.pid, self._taint) | {"allow": len(self._allow), "sha256": self.sha256, "mode": self.mode}
        await self._locked()
        keep.append(write(body | greeting.memory(self.machine, ask.get("fleet"))))

    async def _job(self, here: Here, ask: Mapping[str, Any], request: Mapping[str, Any], keep: list[str]) -> None:
        if ask.get("do") == "start" and self._cut:
            raise Refusal("Tainted", "an earlier write was cut")
        await self._locked()
        answer = jobs.use(here, ask, request, self._allow)
        if ask.get("do") != "poll":
            about = {"do": ask.get("do"), "job": ask.get("job"), "resource": answer["job"]["resource"], "joined": answer["joined"]}
            self._log("job", about | {"phase": answer["job"]["phase"]})
        keep.append(write({"id": request["id"], **answer}))

    async def _calls(self, here: Here, request: Mapping[str, Any], keep: list[str]) -> None:
        batch = Batch(here, request, self._allow, self._log, Earlier(secrets=self.secrets))
        calls = [call for call in request.get("calls") or () if isinstance(call, dict)]
        left, bad, done = runner.batch_seconds(request), 0, 0
        for number, call in enumerate(calls):
            if "l" in call and call["l"] != "get":
                await self._locked()
            ran = runner.run(batch, number, call, left, self._clock.now())
            left -= ran.seconds
            await self._ran(batch, ran)
            keep.append(runner.frame(batch, number, call, ran))
            done += 1
            bad += not ran.ok
            if bad and (request.get("stop") or request.get("w")):
                break
        keep.append(write({"id": request["id"], "end": True, "n": done, "bad": bad, "taint": self._taint or self._cut}))

    async def _ran(self, batch: Batch, ran: Ran) -> None:
        """The call takes its time. What was cut taints this process; a lost line ends the session here."""
        self._taint |= batch.taint
        self._cut |= batch.cut
        self._debt += ran.seconds
        if ran.lost:
            self.lost(ran.lost)
        if self._debt >= TICK:
            await self._pay()

    def lost(self, why: str) -> None:
        """Nobody hears this process any more. In one process with the controller that is the end of the session."""
        raise Gone(f"no answer from {self.machine.name}: {why}")

    # --- time

    async def _pay(self) -> None:
        """Lets the time go by that the work took. Short calls are paid for together: nobody can tell, and clocks jump less."""
        if self._debt > 0:
            seconds, self._debt = self._debt, 0.0
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=seconds))
            self._wake()

    def _wake(self) -> None:
        """Brings the machine up to now; whatever ended this process meanwhile ends the session."""
        jobs.advance(self.machine, self._clock.now(), self._log)
        if not self.alive or not self.machine.answers():
            raise Gone(f"no answer from {self.machine.name}: its process ended")

    async def _locked(self) -> None:
        """Waits for the lock file. Only somebody else can hold it: our own sections never wait."""
        waited = 0.0
        while (found := self.machine.files.find(LOCK)) is not None and found.locked:
            if waited >= LOCK_SECONDS:
                raise Refusal("LockBusy", "the lock file is held")
            self._debt += 0.25
            waited += 0.25
            await self._pay()


def _id(request: Mapping[str, Any]) -> int:
    number = request.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= HIGHEST:
        raise Refusal("BadId", "an id is a whole number above 0")
    return number


def _nonce(request: Mapping[str, Any]) -> str:
    nonce = request.get("nonce", "")
    if not isinstance(nonce, str) or not NONCE.fullmatch(nonce):
        raise Refusal("BadNonce", "at most 32 hex digits")
    return nonce


def _print(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _frames(nonce: str, bodies: list[str]) -> str:
    return "".join(frame(nonce, body) for body in bodies)
