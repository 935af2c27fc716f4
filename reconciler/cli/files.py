"""Files that commands read and write beside manifests: snapshots, plan files. What is wrong with one is said in a frame."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from reconciler.core.diagnostics import Diagnostic, error
from reconciler.core.errors import Refused
from reconciler.core.snapshot import Snapshot

SUFFIX = ".snapshot.json"
LARGEST = 256 << 20


def read_text(path: Path) -> str:
    """The text of a file that was named on the command line. Raises Refused."""
    try:
        if path.stat().st_size > LARGEST:
            raise Refused([error("CLI030", f"{path} is larger than {LARGEST >> 20} MiB")])
        return path.read_text(encoding="utf-8")
    except OSError as trouble:
        raise Refused([error("CLI030", f"{path} cannot be read: {trouble.strerror}")]) from None
    except UnicodeDecodeError:
        raise Refused([error("CLI030", f"{path} is not UTF-8 text")]) from None


def write_text(path: Path, text: str) -> None:
    """Whole or not at all. Raises Refused."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    except OSError as trouble:
        temporary.unlink(missing_ok=True)
        raise Refused([error("CLI031", f"{path} cannot be written: {trouble.strerror}")]) from None


def read_snapshots(paths: Iterable[Path]) -> dict[str, Snapshot]:
    """Snapshots by host, of files and of folders that hold them. Raises Refused with everything that is wrong."""
    found: dict[str, Snapshot] = {}
    wrong: list[Diagnostic] = []
    for path in (file for given in paths for file in _files(given)):
        try:
            snapshot = Snapshot.of(json.loads(read_text(path)))
        except Refused as refused:
            wrong += refused.diagnostics
        except (ValueError, KeyError, TypeError, AttributeError) as trouble:
            wrong.append(error("CLI032", f"{path} is no snapshot", why=str(trouble), help="take one: reconcile observe HOST --out FILE"))
        else:
            if snapshot.host in found:
                wrong.append(error("CLI033", f"two snapshots are of {snapshot.host}; one is {path}"))
            found[snapshot.host] = snapshot
    if wrong:
        raise Refused(wrong)
    return found


def _files(path: Path) -> Sequence[Path]:
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def snapshot_text(snapshot: Snapshot) -> str:
    return json.dumps(snapshot.to_json(), indent=1, sort_keys=True) + "\n"


def write_snapshots(out: Path, snapshots: Mapping[str, Snapshot]) -> list[Path]:
    """One file of that name for one host; a folder with a file a host where `out` is one, or there are several."""
    if len(snapshots) == 1 and not out.is_dir() and out.suffix:
        write_text(out, snapshot_text(next(iter(snapshots.values()))))
        return [out]
    paths = [out / f"{name}{SUFFIX}" for name in snapshots]
    for path, snapshot in zip(paths, snapshots.values(), strict=True):
        write_text(path, snapshot_text(snapshot))
    return paths
