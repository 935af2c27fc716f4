"""`reconcile emulate serve` in a process of its own: an estate in a folder, as other people's clients reach it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RUN = "import sys; from reconciler.cli.main import run; sys.exit(run(sys.argv[1:]))"
PATIENCE = 120  # seconds after which it ends by itself


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The process, and what it said: hosts with their ports, user, password, CA."""
    words = ["--estate", str(folder), "--output", "json", "emulate", "serve", "--http", "0", "--https", "0", "--for", f"{PATIENCE}s", *options]
    with subprocess.Popen([sys.executable, "-c", RUN, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n") or text.count("{") != text.count("}"):
            line = process.stdout.readline()
            assert line, text
            text += line
        try:
            yield process, json.loads(text)
        finally:
            process.kill()
