"""An emulated estate: its machines, its clock, what surrounds them, and a log of everything that happened. On disk or in memory.

Tests and `hosts.emulated` work on one in memory; the `emulate` verbs and `--estate` open a folder, work, and `save`. The folder
holds clock.json, site.json, azure.json, hosts/NAME.json, log.jsonl and lock; every file is replaced whole. Between two saves `keep` writes
what one machine did, so that a controller that is killed leaves the estate as its hosts are.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from reconciler.emulator import faults, timeline, typed
from reconciler.emulator.arm.model import Cloud
from reconciler.emulator.clock import EstateClock
from reconciler.emulator.codec import decode, encode
from reconciler.emulator.faults import Fault
from reconciler.emulator.machine import EPOCH, Machine, Site
from reconciler.emulator.powershell import Outcome, execute
from reconciler.emulator.skus import HostWish, build

SECRETS = frozenset(("symmkey", "devconnstring", "password", "credential"))
MASK = "***"


class EstateError(Exception):
    """The estate cannot be used so: no such host, no such folder, or somebody else has it open."""


@dataclass
class Estate:
    """Machines by name. `records` is the log; entries count from 1 in `n`."""

    machines: dict[str, Machine] = field(default_factory=dict)
    clock: EstateClock = field(default_factory=EstateClock)
    site: Site = field(default_factory=Site)
    azure: Cloud = field(default_factory=Cloud)
    path: Path | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    _written: int = 0
    _texts: dict[Path, str] = field(default_factory=dict)  # what each file holds
    _lock: int | None = None
    _settling: bool = False

    @classmethod
    def new(cls, path: Path | str | None = None, hosts: Iterable[HostWish] = (), start: datetime = EPOCH) -> Estate:
        """A fresh estate with bare machines. A folder that already holds one is refused."""
        folder = Path(path) if path is not None else None
        if folder is not None and (folder / "clock.json").exists():
            raise EstateError(f"{folder} already holds an estate")
        estate = cls(clock=EstateClock(start), path=folder)
        for wish in hosts:
            estate.add(wish)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            estate._take_lock()
            estate.save()
        return estate

    @classmethod
    def open(cls, path: Path | str) -> Estate:
        """The estate in a folder; it is locked until `close`."""
        folder = Path(path)
        if not (folder / "clock.json").exists():
            raise EstateError(f"{folder} holds no estate")
        estate = cls(path=folder)
        estate._take_lock()
        estate.clock = EstateClock(datetime.fromisoformat(estate._read(folder / "clock.json")["now"]))
        estate.site = decode(Site, estate._read(folder / "site.json"))
        if (folder / "azure.json").exists():
            estate.azure = decode(Cloud, estate._read(folder / "azure.json"))
        for file in sorted((folder / "hosts").glob("*.json")):
            machine = Machine.from_json(estate._read(file))
            machine.site = estate.site
            estate.machines[machine.name] = machine
        for vm in estate.azure.vms.values():
            if vm.machine in estate.machines:
                estate.put_in_azure(vm.machine)
        log = folder / "log.jsonl"
        if log.exists():
            estate.records = [json.loads(line) for line in _whole_lines(log)]
            estate._written = len(estate.records)
        return estate

    def add(self, wish: HostWish) -> Machine:
        """A bare machine more."""
        machine = build(wish, self.site)
        machine.now = machine.booted = self.clock.now()
        machine.booted -= timedelta(hours=6)
        self.machines[wish.name] = machine
        return machine

    def machine(self, name: str) -> Machine:
        """The machine, brought up to the estate's time."""
        machine = self.machines.get(name)
        if machine is None:
            raise EstateError(f"the estate has no host {name}")
        timeline.settle(machine, self.clock.now())
        return machine

    def put_in_azure(self, name: str) -> None:
        """The host is a VM of the emulated Azure: whoever looks at it sees what Azure did to it until now."""
        self.machines[name].above = self._settle_azure

    def _settle_azure(self) -> None:
        if not self._settling and any(operation.status == "InProgress" for operation in self.azure.operations.values()):
            from reconciler.emulator.arm.settling import settle  # it works on an estate
            from reconciler.emulator.arm.world import World

            self._settling = True
            try:
                settle(World(self))
            finally:
                self._settling = False

    # --- the log

    def record(self, host: str, what: str, **data: Any) -> None:
        """Notes what happened: request, batch, process, cmdlet, program, write, reboot, power, fault."""
        self.records.append({"n": len(self.records) + 1, "at": self.clock.now().isoformat(), "host": host, "what": what, **data})

    def log(self, host: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        """Entries after number `since`, of one host or all."""
        return [r for r in self.records if r["n"] > since and (host is None or r["host"] == host)]

    # --- what a person does to a machine

    def run(self, host: str, line: str) -> Outcome:
        """One cmdlet line as somebody on the machine types it; the clock goes on by what it took."""
        said = typed.parse(line)
        machine = self.machine(host)
        if machine.power != "on" or machine.restarting:
            raise EstateError(f"{host} is off" if machine.power != "on" else f"{host} is restarting")
        outcome = execute(machine, said.name, said.parameters, at=self.clock.now())
        self.record(host, "cmdlet", name=said.name, parameters=masked(said.parameters), by="console", ok=outcome.ok)
        if outcome.reboot:
            self.record(host, "reboot", by="console")
        self.clock.set(self.clock.now() + timedelta(seconds=outcome.seconds))
        timeline.settle(machine, self.clock.now())
        return outcome

    def fault(self, host: str, fault: Fault) -> None:
        self.machine(host).faults.append(fault)
        self.record(host, "fault", **{k: v for k, v in encode(fault).items() if v not in (None, "", False)})

    def heal(self, host: str, cmdlet: str = "") -> Sequence[Fault]:
        gone = faults.heal(self.machine(host).faults, cmdlet)
        self.record(host, "heal", cmdlet=cmdlet, healed=len(gone))
        return gone

    def power(self, host: str, on: bool) -> None:
        machine = self.machine(host)
        if on != (machine.power == "on"):
            (timeline.power_on if on else timeline.power_off)(machine)
            self.record(host, "power", on=on)

    # --- the folder

    def save(self) -> None:
        """Writes everything that changed; nothing in memory-only estates."""
        if self.path is None:
            return
        hosts = self.path / "hosts"
        hosts.mkdir(parents=True, exist_ok=True)
        for name, machine in self.machines.items():
            self._replace(hosts / f"{name}.json", machine.to_json())
        for file in hosts.glob("*.json"):
            if file.stem not in self.machines:
                file.unlink()
        self._surroundings(self.path)

    def keep(self, name: str = "") -> None:
        """Writes what happened on one machine, or in Azure alone, with the clock and the log; nothing in memory-only estates."""
        if self.path is not None:
            if name:
                self._replace(self.path / "hosts" / f"{name}.json", self.machines[name].to_json())
            self._surroundings(self.path)

    def _surroundings(self, folder: Path) -> None:
        """The site, the log and the clock, the clock last: it says when all of this was so."""
        self._replace(folder / "site.json", encode(self.site))
        if self.azure.subscriptions:
            self._replace(folder / "azure.json", encode(self.azure))
        if len(self.records) > self._written:
            with (folder / "log.jsonl").open("a", encoding="utf-8", newline="\n") as log:
                log.writelines(json.dumps(r, ensure_ascii=False, default=str) + "\n" for r in self.records[self._written :])
            self._written = len(self.records)
        self._replace(folder / "clock.json", {"now": self.clock.now().isoformat()})

    def _read(self, file: Path) -> dict[str, Any]:
        text = file.read_text(encoding="utf-8")
        self._texts[file] = text
        value: dict[str, Any] = json.loads(text)
        return value

    def _replace(self, file: Path, value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False, indent=1)
        if self._texts.get(file) == text:
            return
        temporary = file.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(file)
        self._texts[file] = text

    def close(self) -> None:
        """Gives the folder free; what was not saved is lost."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def session(self) -> Iterator[Estate]:
        """Saves and closes at the end, also after an error: what happened has happened."""
        try:
            yield self
        finally:
            self.save()
            self.close()

    def _take_lock(self) -> None:
        if self.path is None:
            return
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT)
        if not _locked(handle):
            os.close(handle)
            raise EstateError(f"{self.path} is in use by another command")
        self._lock = handle


def masked(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters for the log: the values of secret ones are not shown."""
    return {name: MASK if name.casefold() in SECRETS else value for name, value in parameters.items()}


def _locked(handle: int) -> bool:
    """An exclusive lock that the operating system lifts when the process ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _whole_lines(log: Path) -> list[str]:
    """The entries of a log. One that a kill cut short is taken off the file, so that the next one begins a line of its own."""
    text = log.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        log.write_text(whole, encoding="utf-8", newline="\n")
    return whole.split("\n")[:-1]
