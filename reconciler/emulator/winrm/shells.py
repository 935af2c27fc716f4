"""Remote shells of one host and the commands in them: what Create, Command, Send, Receive, Signal and Delete act upon.

`service` speaks WS-Management and calls this. Shells die with the boot they were made in; a closed shell kills its processes.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.emulator.machine import NAMESPACE, Machine
from reconciler.emulator.winrm import wsfaults
from reconciler.emulator.winrm.console import CommandLine, Console, Program
from reconciler.emulator.winrm.host import EmulatedHost
from reconciler.emulator.winrm.programs import Launcher, Place, launch
from reconciler.emulator.winrm.session import KILLED


class Command:
    """One process with its console, run in a task of its own."""

    def __init__(self, id: str, program: Program, console: Console | None = None) -> None:
        self.id = id
        self.program = program
        self.console = console or Console()
        self.receiver: asyncio.Task[object] | None = None
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        """Whatever happens to the program, whoever waits for its output hears of the end."""
        code = KILLED
        try:
            code = await self.program.run(self.console)
        finally:
            self.console.finish(code)

    @property
    def running(self) -> bool:
        return self.console.exit is None

    def kill(self) -> None:
        self.console.finish(KILLED)
        self._task.cancel()

    def end(self, machine: Machine) -> None:
        """Its process and the children of that are killed."""
        machine.kill_tree(self.program.pid)
        self.kill()

    @property
    def done(self) -> bool:
        """Over, and not by an error of the emulator."""
        return self._task.done() and (self._task.cancelled() or self._task.exception() is None)

    async def ended(self) -> None:
        """Waits until its task is over; an error of the emulator itself is raised here."""
        found = await asyncio.gather(self._task, return_exceptions=True)
        if isinstance(found[0], Exception):
            raise found[0]


@dataclass
class Shell:
    id: str
    resource: str
    user: str
    boot: str
    idle: float
    used: datetime
    made: datetime
    inputs: str = "stdin"
    outputs: str = "stdout stderr"
    commands: dict[str, Command] = field(default_factory=dict)


class Shells:
    """All text shells of a host."""

    def __init__(self, host: EmulatedHost, cut: Callable[[], None], launchers: Sequence[Launcher] = ()) -> None:
        self._host = host
        self.place = Place(host, cut)
        self._launchers = launchers
        self._shells: dict[str, Shell] = {}
        self._operations: Counter[str] = Counter()
        self._boot = host.machine.boot_id
        self._over: list[Command] = []

    def create(self, user: str, resource: str, idle: float | None, id: str = "") -> Shell:
        """`id`: the one that the client chose, where it may."""
        self.sweep()
        limit = self._host.settings.quotas.shells_per_user
        if sum(shell.user == user for shell in self._shells.values()) >= limit:
            raise wsfaults.too_many_shells(limit)
        now = self._host.clock.now()
        wanted = idle or self._host.settings.quotas.shell_idle
        shell = Shell(id.upper() or self.new_id("shell"), resource, user, self._boot, min(wanted, self._host.settings.quotas.shell_idle), now, now)
        self._shells[shell.id] = shell
        self._host.log("shell", {"do": "create", "shell": shell.id, "user": user})
        return shell

    def shell(self, id: str, user: str) -> Shell:
        """The shell, used now. Another user's is not there."""
        self.sweep()
        found = self._shells.get(id.upper())
        if found is None or found.user != user:
            raise wsfaults.no_shell()
        found.used = self._host.clock.now()
        return found

    def command(self, shell: Shell, id: str) -> Command:
        found = shell.commands.get(id.upper())
        if found is None:
            raise wsfaults.no_command()
        return found

    def start(self, shell: Shell, line: CommandLine, id: str = "") -> Command:
        quotas = self._host.settings.quotas
        if self._operations[shell.user] >= quotas.operations_per_user:
            raise wsfaults.too_many_operations(quotas.operations_per_user)
        if sum(command.running for command in shell.commands.values()) >= quotas.processes_per_shell - 1:  # the shell's own counts too
            raise wsfaults.too_many_processes()
        self._operations[shell.user] += 1
        program = launch(line, self.place, self._launchers)
        self._host.counts["processes"] += 1
        command = Command(id.upper() or self.new_id("command"), program)
        shell.commands[command.id] = command
        return command

    def end(self, shell: Shell, command: Command) -> None:
        """Terminate: the process and its children are killed, and the command is forgotten."""
        shell.commands.pop(command.id, None)
        command.end(self._host.machine)
        self._over = [other for other in self._over if not other.done] + [command]

    def delete(self, shell: Shell) -> None:
        self._shells.pop(shell.id, None)
        for command in list(shell.commands.values()):
            self.end(shell, command)
        self._host.log("shell", {"do": "delete", "shell": shell.id})

    def sweep(self) -> None:
        """Notices what happened meanwhile: a restart, processes that were killed from outside, shells nobody used."""
        machine = self._host.settled()
        if machine.boot_id != self._boot or machine.power != "on":
            self._boot = machine.boot_id
            self._operations.clear()
            for shell in list(self._shells.values()):
                self.delete(shell)
        now = self._host.clock.now()
        for shell in list(self._shells.values()):
            for command in shell.commands.values():
                if command.running and machine.process(command.program.pid) is None:
                    command.kill()
            receiving = any(command.receiver is not None for command in shell.commands.values())
            if not receiving and (now - shell.used).total_seconds() > shell.idle:
                self.delete(shell)

    def all(self) -> tuple[Shell, ...]:
        return tuple(self._shells.values())

    async def close(self) -> None:
        """The service stops: every process is ended, and errors of the emulator itself come out."""
        for shell in self.all():
            self.delete(shell)
        for command in self._over:
            await command.ended()

    def new_id(self, what: str) -> str:
        return str(uuid.uuid5(NAMESPACE, f"{self._host.name}/{what}/{self._host.number()}")).upper()
