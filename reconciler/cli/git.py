"""Which commit the manifests are at, asked of `git` where there is a repository. Never fails: without git there is no commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

from reconciler.core.plan import SpecsInfo

SECONDS = 10


def specs_info(specs: Path) -> SpecsInfo:
    """`clean` is about the manifests alone: other files of the repository do not count."""
    folder = specs if specs.is_dir() else specs.parent
    said = _git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=all", "--", specs.name if not specs.is_dir() else ".")
    if said is None:
        return SpecsInfo(str(specs))
    heads = dict(line.removeprefix("# ").split(" ", 1) for line in said if line.startswith("# branch."))
    commit = heads.get("branch.oid", "")
    if commit.startswith("("):
        return SpecsInfo(str(specs))
    branch = heads.get("branch.head", "")
    return SpecsInfo(str(specs), commit, "" if branch.startswith("(") else branch, not any(line and not line.startswith("#") for line in said))


def _git(folder: Path, *words: str) -> list[str] | None:
    try:
        done = subprocess.run(("git", "-C", str(folder), *words), capture_output=True, text=True, timeout=SECONDS, check=False, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.splitlines() if done.returncode == 0 else None
