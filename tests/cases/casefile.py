"""Case files: YAML around a snapshot. The runner reads them, scripts/record_cases.py writes them; nothing is decided here.

Written with one question of the snapshot a line, as JSON: a case is looked at for its manifest and what is expected, and its
snapshot is searched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent


def files() -> list[Path]:
    return sorted(HERE.glob("*/*.yaml"))


def read(file: Path) -> Any:
    return parsed(file.read_text(encoding="utf-8"))


def parsed(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def rendered(case: Mapping[str, Any]) -> str:
    """The text of a case file; reading it gives the case again."""
    manifest = "".join(f"  {line}\n" if line else "\n" for line in case["manifest"].splitlines())
    steps = "".join(f"-{_block(step, '  ')[1:]}" for step in case["expect"])
    snapshot = {name: value for name, value in case["snapshot"].items() if name not in ("hello", "asks")}
    return (
        f"why: {_word(case['why'])}\nmanifest: |\n{manifest}expect:\n{steps}"
        f"snapshot:\n{_block(snapshot, '  ')}  hello:\n{_block(case['snapshot']['hello'], '    ')}  asks:\n{_lines(case['snapshot']['asks'], '  ')}"
    )


def _block(values: Mapping[str, Any], indent: str) -> str:
    """One field a line; lists of an expectation one entry a line."""
    lines = ""
    for name, value in values.items():
        entries = _lines(value, indent) if isinstance(value, list) and value else ""
        lines += f"{indent}{_word(name)}:" + (f"\n{entries}" if entries else f" {_word(value)}\n")
    return lines


def _lines(values: Sequence[Any], indent: str) -> str:
    return "".join(f"{indent}- {_word(value)}\n" for value in values)


def _word(value: Any) -> str:
    """A text bare where YAML reads it as that text; anything else as JSON, which YAML reads."""
    if isinstance(value, str) and value and value.isprintable() and value == value.strip() and _bare(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _bare(value: str) -> bool:
    try:
        return bool(parsed(f"- {value}") == [value] and parsed(f"a: {value}") == {"a": value})
    except yaml.YAMLError:
        return False
