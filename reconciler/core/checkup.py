"""What `doctor` says of a host: findings in an order, each with what it means and what to do. `hosts.doctor` and others make them, views show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """`LEFT`: not looked at, because of what was found before."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"
    LEFT = "--"


@dataclass(frozen=True, slots=True)
class Finding:
    """`help` is what to do; `code` the HST code that a plan would show for the same."""

    name: str
    state: State
    text: str
    help: str = ""
    code: str = ""

    def to_json(self) -> Mapping[str, Any]:
        out = {
            "check": self.name,
            "state": {State.FAIL: "failure", State.LEFT: "not looked at", State.WARN: "warning"}.get(self.state, "ok"),
            "text": self.text,
        }
        return out | {name: getattr(self, name) for name in ("help", "code") if getattr(self, name)}


@dataclass(frozen=True, slots=True)
class Checkup:
    """One host. `where` says how it is reached and as whom."""

    host: str
    where: str
    findings: tuple[Finding, ...]

    def count(self, state: State) -> int:
        return sum(1 for finding in self.findings if finding.state is state)


def ok(name: str, text: str) -> Finding:
    return Finding(name, State.OK, text)


def warn(name: str, text: str, help: str = "", code: str = "") -> Finding:
    return Finding(name, State.WARN, text, help, code)


def fail(name: str, text: str, help: str = "", code: str = "") -> Finding:
    return Finding(name, State.FAIL, text, help, code)


def left(name: str, text: str) -> Finding:
    return Finding(name, State.LEFT, text)
