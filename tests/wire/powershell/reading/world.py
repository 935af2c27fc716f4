"""The world of the reading: one machine in memory, with clock, files, registry values and processes, and the stand-ins over it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Any

from reconciler.emulator.estate import Estate
from reconciler.emulator.machine import Machine
from reconciler.emulator.skus import HostWish
from reconciler.wire.powershell import invoker
from tests.wire.powershell.reading import programs, shell
from tests.wire.powershell.reading.dotnet import Builder, Simple
from tests.wire.powershell.reading.reader import Built, Reader
from tests.wire.powershell.reading.values import NOTHING, Map, Thrown

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
ROOT = "C:\\Program Files\\reconciler"


class World:
    """One machine. `locked`: the lock file is held by somebody; `pending`: the runners that were started and have not begun."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.boots = 1
        self.uuid = "4C4C4544-0042-3010-8051-B4C04F4B3132"
        self.logging: dict[str, int] = {}
        self.store: dict[str, dict[str, str]] = {}
        self.files: dict[str, str] = {}
        self.folders: set[str] = {ROOT}
        self.processes: dict[int, int] = {}
        self.pending: list[str] = []
        self.locked = False
        self.refuses_runners = False
        self.ended: set[int] = set()
        self.ran: list[tuple[str, dict[str, Any]]] = []
        self._next = 1000

    @cached_property
    def machine(self) -> Machine:
        """What the emulator answers for: cmdlets and programs alone, since files and values are this world's own."""
        return Estate.new(None, [HostWish("edge-01")]).machine("edge-01")

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def begin(self) -> int:
        self._next += 4
        self.processes[self._next] = int(self.seconds * 10_000_000) + 600_000_000_000
        return self._next

    def restart(self) -> None:
        self.processes.clear()
        self.pending.clear()
        self.boots += 1
        self.seconds += 60

    def new_shell(self) -> Simple:
        return shell.new_shell()

    def shell(self, made: Simple, name: str, given: list[Any]) -> Any:
        return shell.call(made, name, given, self)

    def waited(self, handle: Simple, milliseconds: int) -> bool:
        return shell.wait(handle, milliseconds, self)

    def program(self, start: Simple) -> Simple:
        return programs.start(start, self)

    def exited(self, process: Simple, milliseconds: int) -> bool:
        return programs.wait(process, milliseconds, self)

    # --- files

    def file(self, kind: str, name: str, given: list[Any]) -> Any:
        match kind, name:
            case "io.path", "Combine":
                return "\\".join(part for part in given if part)
            case "io.path", "GetFileName":
                return given[0].rpartition("\\")[2]
            case "io.file", "Open":
                return self._open(given[0])
            case "io.file", "Exists":
                return given[0] in self.files
            case "io.directory", "Exists":
                return given[0] in self.folders
            case "io.directory", "CreateDirectory":
                self.folders |= {given[0], given[0].rpartition("\\")[0]}
                return NOTHING
            case "io.directory", "GetDirectories":
                return sorted(folder for folder in self.folders if folder.rpartition("\\")[0] == given[0])
        return self._change(kind, name, given)

    def _change(self, kind: str, name: str, given: list[Any]) -> Any:
        match kind, name:
            case "io.file", "ReadAllText":
                if given[0] not in self.files:
                    raise Thrown("FileNotFoundException", given[0], kind="System.IO.FileNotFoundException")
                return self.files[given[0]]
            case "io.file", "WriteAllText":
                self.files[given[0]] = given[1]
            case "io.file", "Move" | "Replace":
                assert (given[1] in self.files) == (name == "Replace")
                self.files[given[1]] = self.files.pop(given[0])
            case "io.directory", "Move":
                assert given[1] not in self.folders
                self._renamed(given[0], given[1])
            case "io.directory", "Delete":
                self.folders.discard(given[0])
                self.files = {path: held for path, held in self.files.items() if not path.startswith(given[0] + "\\")}
            case _:
                raise AssertionError(f"[{kind}]::{name} is not read")
        return NOTHING

    def _renamed(self, old: str, new: str) -> None:
        self.folders = (self.folders - {old}) | {new}
        self.files = {new + path[len(old) :] if path.startswith(old + "\\") else path: held for path, held in self.files.items()}

    def _open(self, path: str) -> Simple:
        if self.locked:
            raise Thrown("IOException", f"{path} is being used by another process", kind="System.IO.IOException")
        self.locked = True
        return Simple("File")

    # --- what stands in for Windows

    def built(self) -> dict[str, Built]:
        return {
            "Get-Store": self._get_store,
            "Set-Store": self._set_store,
            "Get-Facts": self._facts,
            "Start-Detached": self._start,
            "Stop-Tree": self._stop,
            "Get-Started": lambda pid: [self.processes.get(pid, 0)],
        }

    def _get_store(self, key: str) -> list[Any]:
        found = Map()
        for name, held in self.store.get(key, {}).items():
            found.put(name, held)
        return [found]

    def _set_store(self, key: str, name: str, value: Any) -> list[Any]:
        if value is None:
            self.store.get(key, {}).pop(name, None)
        else:
            self.store.setdefault(key, {})[name] = value
        return []

    def _facts(self) -> list[Any]:
        facts = Map()
        said = {"name": "EDGE-01", "uuid": self.uuid, "guid": "g", "os": "Windows", "version": "10.0", "build": "20348", "product": 3, "root": ROOT}
        for name, held in (said | {"boot": f"boot {self.boots}", "booted": None, "log": Map()}).items():
            facts.put(name, held)
        for name, on in self.logging.items():
            facts.get("log").put(name, on)
        return [facts]

    def _start(self, line: str) -> list[Any]:
        if not self.refuses_runners:
            self.pending.append(line)
        return [not self.refuses_runners]

    def _stop(self, pid: int) -> list[Any]:
        self.ended.add(pid)
        self.processes.pop(pid, None)
        return []


class Process:
    """One invoker process: the script is read once, then each line that it is given."""

    def __init__(self, world: World, detached: str = "", text: str = "", **more: Any) -> None:
        self.world = world
        self.pid = world.begin()
        self.pipe = Builder()
        version = Map()
        version.put("PSVersion", "5.1")
        about = Simple("ExecutionContext", SessionState=Simple("SessionState", LanguageMode="FullLanguage"))
        mine = Simple("Invocation", MyCommand=Simple("Command", ScriptBlock=text or invoker()))
        given = {"pid": self.pid, "psversiontable": version, "executioncontext": about, "myinvocation": mine, "pipe": self.pipe, "detached": detached}
        self.reader = Reader(without_loop(invoker()), world, world.built(), given | {"reader": None if detached else "a reader"} | more)
        self.reader.run()

    @property
    def alive(self) -> bool:
        return self.pid in self.world.processes

    def line(self, said: str) -> str:
        self.pipe.data = b""
        stray = self.reader.outputs("Invoke-Line", [said], self.reader.top)
        assert stray == [], "what a function leaves in the pipeline would stand between the frames"
        return self.pipe.data.decode("ascii")


@cache
def without_loop(script: str) -> str:
    """The script up to where it waits for lines: the reading hands them over itself. A runner's own call stays."""
    head, found, tail = script.partition("if ($Mode -eq 'job') {")
    assert found
    return head + "if ($Mode -eq 'job') { Invoke-Detached $Detached }\n" + tail[tail.index("\nif ($State.Taint)") + 1 :]
