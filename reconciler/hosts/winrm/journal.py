"""Which shells are ours: every id is written down before the shell is used, and one whose controller process is gone may be closed.

One file a controller process, held under an exclusive lock that the operating system lifts when the process ends: a file that can be locked
belongs to nobody any more. `channel` asks for a host's orphans when it first meets that host; no other shell is ever touched.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


class Journal:
    """Without a folder it remembers in memory only: then what another process left behind is not found."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._own: dict[str, set[str]] = {}  # host's address and port → shells in use
        self._left: dict[str, set[str]] = {}  # shells that this process gave up without seeing them gone
        self._handle: int | None = None

    def add(self, host: str, shell: str) -> None:
        self._own.setdefault(host, set()).add(shell)
        self._save()

    def gone(self, host: str, shell: str) -> None:
        """The shell was seen to be gone."""
        for known in (self._own, self._left):
            known.get(host, set()).discard(shell)
        self._save()

    def left(self, host: str, shell: str) -> None:
        """Nobody uses it here any more, and it may still be there."""
        self._own.get(host, set()).discard(shell)
        self._left.setdefault(host, set()).add(shell)

    def orphans(self, host: str) -> tuple[str, ...]:
        """Shells of ours on this host that nobody uses: this process's own and those of processes that are gone. They are ours from now on."""
        if self._folder is not None and self._folder.is_dir():
            for file in sorted(self._folder.glob("shells-*.json")):
                self._adopt(file)
        return tuple(sorted(self._left.get(host, set())))

    def _adopt(self, file: Path) -> None:
        try:
            handle = os.open(file, os.O_RDWR)
        except OSError:
            return
        try:
            if file == self._file or not _locked(handle):
                return
            for host, shells in _read(file).items():
                self._left.setdefault(host, set()).update(shells)
            self._save()
            file.unlink(missing_ok=True)
        finally:
            os.close(handle)

    @property
    def _file(self) -> Path | None:
        return None if self._folder is None else self._folder / f"shells-{os.getpid()}-{id(self):x}.json"

    def _save(self) -> None:
        file = self._file
        if file is None:
            return
        if self._handle is None:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = file.with_suffix(".new")  # nobody may find it before it is locked
            self._handle = os.open(new, os.O_RDWR | os.O_CREAT, 0o600)
            _locked(self._handle)
            new.rename(file)
        everything = {host: sorted(self._own.get(host, set()) | self._left.get(host, set())) for host in sorted({*self._own, *self._left})}
        data = json.dumps({host: shells for host, shells in everything.items() if shells}).encode()
        os.lseek(self._handle, 0, os.SEEK_SET)
        os.write(self._handle, data + b"\n")
        os.ftruncate(self._handle, len(data) + 1)

    def close(self) -> None:
        """A journal without shells leaves no file; one with shells leaves it to whoever comes next."""
        if self._handle is not None and self._file is not None:
            if not any(self._own.values()) and not any(self._left.values()):
                self._file.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None


def _read(file: Path) -> dict[str, list[str]]:
    """What a journal says; one that a kill cut short says nothing."""
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(host): [str(shell) for shell in shells] for host, shells in found.items() if isinstance(shells, list)}


def _locked(handle: int) -> bool:
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
