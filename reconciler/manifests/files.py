"""Which files are manifests, and their text. Called by `loading`; knows nothing of YAML.

Folders are read recursively and in order, hidden names are skipped, a file that is reached twice is read once. A link that
leaves the folder it stands in is refused: what is not in the tree is not under review.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from reconciler.core.diagnostics import Diagnostic, Position, Severity, error
from reconciler.manifests.report import Report

SUFFIXES = (".yaml", ".yml")
LARGEST = 4 * 1024 * 1024
# What YAML allows as a character; everything else is refused with its place (NUL, other controls, halves of surrogates).
NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def find(paths: Sequence[Path], report: Report) -> Iterator[Path]:
    """Every manifest under `paths`, each once."""
    seen: set[Path] = set()
    for path in paths:
        any_here = False
        for file in _under(path, report):
            any_here = True
            if not str(file).isprintable():
                report.add(error("MAN023", f"the name of {file.as_posix()!a} does not print", help="rename the file"))
                continue
            real = file.resolve()
            if real not in seen:
                seen.add(real)
                yield file
        if not any_here and path.is_dir() and not report.errors:
            report.add(_nothing_here(path))


def _under(path: Path, report: Report) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    root = path.resolve()
    for folder, names, files in os.walk(path, onerror=lambda problem: report.add(_unreadable(Path(problem.filename), problem))):
        names[:] = sorted(name for name in names if not name.startswith("."))
        here = Path(folder)
        for link in [name for name in names if (here / name).is_symlink()]:
            _stays(here / link, root, report)
        for name in sorted(files):
            file = here / name
            if not name.startswith(".") and file.suffix.lower() in SUFFIXES and (not file.is_symlink() or _stays(file, root, report)):
                yield file


def _stays(link: Path, root: Path, report: Report) -> bool:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError) as problem:
        report.add(
            error("MAN023", f"{link.as_posix()} is a link that leads nowhere", _top(link), why=_reason(problem), help="remove it, or mend where it leads")
        )
        return False
    if target.is_relative_to(root):
        return True
    message = f"{link.as_posix()} is a link out of the folder that is read"
    report.add(error("MAN024", message, _top(link), help="put the file itself here, or name the other folder as one of those to read"))
    return False


def read(path: Path, report: Report) -> str | None:
    """The text of a manifest without its byte order mark, or None with the reason in `report`."""
    data = _bytes(path, report)
    if data is None:
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        report.add(_not_utf8(path, data, problem.start))
        return None
    bad = NOT_TEXT.search(text)
    if bad is None:
        return text
    name = "NUL" if bad.group() == "\x00" else f"U+{ord(bad.group()):04X}"
    at = _place(path, text[: bad.start()])
    report.add(error("MAN021", f"{path.as_posix()} holds the character {name}", at, help="remove it: a manifest is plain text"))
    return None


def _bytes(path: Path, report: Report) -> bytes | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            report.add(error("MAN023", f"{path.as_posix()} is not a file", _top(path), help="name files and folders of YAML"))
            return None
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as problem:
        report.add(_unreadable(path, problem))
        return None
    if len(data) <= LARGEST:
        return data
    message = f"{path.as_posix()} is larger than {LARGEST // 1024 // 1024} MiB"
    report.add(error("MAN022", message, _top(path), help="split it: documents may stand in any number of files"))
    return None


def _not_utf8(path: Path, data: bytes, start: int) -> Diagnostic:
    at = _place(path, data[:start].decode("utf-8-sig", errors="replace"))
    utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    why = "it begins like UTF-16, as Windows PowerShell's > writes it" if utf16 else f"the byte 0x{data[start]:02X} cannot stand there"
    return error("MAN020", f"{path.as_posix()} is not UTF-8 text", at, why=why, help="save it as UTF-8")


def _place(path: Path, before: str) -> Position:
    lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", before)
    return Position(path.as_posix(), len(lines), len(lines[-1]) + 1)


def _top(path: Path) -> Position:
    return Position(path.as_posix(), 1, 1)


def _unreadable(path: Path, problem: Exception) -> Diagnostic:
    return error(
        "MAN023",
        f"{path.as_posix()} cannot be read",
        _top(path),
        why=_reason(problem),
        help="is the path right?" if isinstance(problem, FileNotFoundError) else "",
    )


def _reason(problem: Exception) -> str:
    return (problem.strerror or type(problem).__name__).lower() if isinstance(problem, OSError) else str(problem)


def _nothing_here(path: Path) -> Diagnostic:
    return Diagnostic("MAN034", Severity.WARNING, f"there is no manifest in {path.as_posix()}", help="manifests are files that end in .yaml or .yml")
