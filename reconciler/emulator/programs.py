"""Programs that the emulated machines can run: msiexec for the EFLOW packages, hcsdiag, shutdown. Anything else is not there.

The invoker calls `run_program`; `eflowmsi` knows what an EFLOW package does to a machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.emulator import eflowmsi
from reconciler.emulator.cmdlets.hostcompute import systems
from reconciler.emulator.faults import take
from reconciler.emulator.machine import Machine
from reconciler.emulator.timeline import restart, settle

NOT_FOUND = 9009  # what cmd.exe gives for a program that is not there
DENIED = 5


@dataclass(frozen=True, slots=True)
class ProgramOutcome:
    """`seconds` is the virtual time it ran; `reboot` says the machine is restarting now."""

    exit: int
    out: str = ""
    err: str = ""
    seconds: float = 0.3
    reboot: bool = False
    hang: bool = False
    drop: str | None = None


def run_program(machine: Machine, path: str, argv: Sequence[str], *, at: datetime | None = None, elevated: bool = True) -> ProgramOutcome:
    """Runs the program at `path` with `argv`."""
    settle(machine, at or machine.now)
    name = path.rpartition("\\")[2].casefold()
    program = PROGRAMS.get(name)
    if program is None or not path.casefold().startswith("c:\\windows\\system32\\"):
        return ProgramOutcome(NOT_FOUND, err=f"'{path}' is not recognized as an internal or external command.")
    fault = take(machine.faults, name.removesuffix(".exe"))
    if fault is not None:
        if fault.reboot:
            restart(machine)
            return ProgramOutcome(1, seconds=0, reboot=True)
        if fault.hang or fault.drop == "before":
            return ProgramOutcome(1, seconds=0, hang=fault.hang, drop=fault.drop)
        if fault.drop is None:
            code = int(fault.error) if fault.error and fault.error.isdecimal() else 1603
            return ProgramOutcome(code, err=fault.says or "", seconds=4)
    if not elevated:
        return ProgramOutcome(DENIED, err=machine.text("denied"))
    outcome = program(machine, list(argv))
    return replace(outcome, drop="after") if fault is not None else outcome


def _msiexec(machine: Machine, argv: Sequence[str]) -> ProgramOutcome:
    switches = [a.casefold() for a in argv]
    for name, run in (("/i", eflowmsi.install), ("/x", eflowmsi.uninstall)):
        if name in switches[:-1]:
            target = argv[switches.index(name) + 1]
            quiet = any(s in ("/qn", "/quiet", "/q") for s in switches)
            properties = {key.upper(): value.strip('"') for key, _, value in (a.partition("=") for a in argv) if value}
            if not quiet:
                return ProgramOutcome(1602, seconds=2)  # nobody is there to click
            code, seconds = run(machine, target, properties)
            return ProgramOutcome(code, seconds=seconds)
    return ProgramOutcome(1639)


def _hcsdiag(machine: Machine, argv: Sequence[str]) -> ProgramOutcome:
    """eflow-domain 6: a GUID line, then type, state, id and owner."""
    if [a.casefold() for a in argv] != ["list"]:
        return ProgramOutcome(1, out="hcsdiag <command> [options...]\n")
    if not machine.running("vmcompute"):
        return ProgramOutcome(1, err="The Host Compute Service is not running.")
    rows = [f"{s['Id']}\n    VM, \tRunning, {s['Id'].upper()}, {s['Owner']}\n" for s in systems(machine)]
    return ProgramOutcome(0, out="\n".join(rows))


def _shutdown(machine: Machine, argv: Sequence[str]) -> ProgramOutcome:
    switches = [a.casefold() for a in argv]
    if "/r" not in switches:
        return ProgramOutcome(1, err="only a restart is emulated")
    restart(machine, delay=float(argv[switches.index("/t") + 1]) if "/t" in switches[:-1] else 30.0)
    return ProgramOutcome(0, reboot=True)


PROGRAMS: Mapping[str, Callable[[Machine, Sequence[str]], ProgramOutcome]] = {"msiexec.exe": _msiexec, "hcsdiag.exe": _hcsdiag, "shutdown.exe": _shutdown}
