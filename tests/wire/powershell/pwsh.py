"""The invoker in a real PowerShell, over a folder in place of Windows. `test_vectors` drives it where one is installed.

The name or path of the PowerShell is RECONCILE_PWSH, else pwsh on the path.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from reconciler.wire import powershell
from reconciler.wire.frames import FrameReader

HERE = Path(__file__).parent
BOOT = "& $invoker $reader $pipe\n"
STAND_IN = "& $invoker $reader $pipe -StandIn ([ScriptBlock]::Create([IO.File]::ReadAllText($env:STANDIN_FILE)))\n"
FACTS = {"name": "EDGE-01", "uuid": "4C4C4544-0042-3010-8051-B4C04F4B3132", "guid": "g", "os": "stand-in", "version": "10.0", "build": "20348", "product": 3}
SECONDS = 90.0


def found() -> str | None:
    return os.environ.get("RECONCILE_PWSH") or shutil.which("pwsh")


class Folder:
    """What stands for a machine: its facts, its registry values, the product's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.boots = 0
        self.facts: dict[str, Any] = dict(FACTS)
        self.boot()

    def boot(self) -> None:
        self.boots += 1
        self.say(boot=f"boot {self.boots}")

    def say(self, **facts: Any) -> None:
        self.facts |= facts
        (self.path / "facts").write_text(json.dumps(self.facts), encoding="ascii")

    def put(self, key: str, name: str, text: str) -> None:
        folder = self.path / "store" / key
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="ascii")

    def job(self, name: str) -> Mapping[str, Any]:
        state: dict[str, Any] = json.loads((self.path / "jobs" / name / "state").read_text(encoding="ascii"))
        return state


def words(script: str, program: str) -> list[str]:
    """The command line that runs `script`, without the switch that a PowerShell outside Windows warns about."""
    line = powershell.command_line(script, program).split(" ")
    return [word for at, word in enumerate(line) if "-ExecutionPolicy" not in (word, line[at - 1])]


class Process:
    """One invoker process. Its output is read until the closing frame of the request that was sent."""

    def __init__(self, program: str, folder: Folder) -> None:
        script = powershell.bootstrap().replace(BOOT, STAND_IN)
        assert script != powershell.bootstrap()
        environment = {"STANDIN_ROOT": str(folder.path), "STANDIN_FILE": str(HERE / "standins.ps1"), "STANDIN_POWERSHELL": program, "NO_COLOR": "1"}
        environment["PSModulePath"] = str(HERE / "modules")
        self._process = subprocess.Popen(
            words(script, program), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ, **environment)
        )
        self.stray = 0
        self._write(powershell.invoker_line())

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, line: str, nonce: str) -> list[Mapping[str, Any]]:
        """The frames that one line is answered with."""
        self._write(line.encode("utf-8") + b"\n")
        reader = FrameReader(nonce)
        os.set_blocking(self._out.fileno(), False)
        until = time.monotonic() + SECONDS
        while not reader.ended and time.monotonic() < until and self.alive:
            reader.feed((self._out.read() or b"").decode("ascii"))
            time.sleep(0.01)
        self.stray += reader.stray
        return list(reader.frames)

    def tell(self, line: str) -> None:
        """A line that gets no answer: a part of a request before its last."""
        self._write(line.encode("utf-8") + b"\n")

    def close(self) -> int:
        """The exit code once its input has ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(SECONDS)

    def end(self) -> None:
        if self.alive:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait(SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    @property
    def _out(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()
