"""What a snapshot says, as the makers of a twin read it; and whether the twin says the same. Used by `twin` and its parts only.

It knows questions by cmdlet, parameters and selected properties, never by the kind that asked. What is not in the snapshot is
None here, which is something else than an empty answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from reconciler.core.calls import Answer, Argv, Call, CallError, Row, Unread
from reconciler.core.snapshot import Snapshot, answer_json
from reconciler.emulator.lease import Here
from reconciler.emulator.machine import Machine
from reconciler.emulator.runner import Batch, frame, run
from reconciler.wire.answers import answer
from reconciler.wire.requests import encode_call
from reconciler.wire.strict import read

SECONDS = 600.0
NO_COMMAND = "CommandNotFoundException"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with its answer. `select` holds the names of the first level."""

    cmdlet: str
    parameters: Mapping[str, Any]
    select: tuple[str, ...]
    answer: Answer

    def rows(self) -> list[Row]:
        return [item for item in self.answer.objects if isinstance(item, Row)]

    def texts(self) -> list[str]:
        """What was answered as bare values, in lines."""
        return [line for item in self.answer.objects if not isinstance(item, Row) for line in str(item).splitlines()]


class Said:
    """The questions and answers of one snapshot, and what the twin takes for granted about it (`assume`)."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.hello = snapshot.hello
        self.assumed: list[str] = []
        self._asked = [_asked(snapshot.questions[key], found) for key, found in sorted(snapshot.answers.items()) if "cmdlet" in snapshot.questions[key]]

    def assume(self, sentence: str) -> None:
        if sentence not in self.assumed:
            self.assumed.append(sentence)

    def asked(self, cmdlet: str) -> Iterator[Asked]:
        return (asked for asked in self._asked if asked.cmdlet.casefold() == cmdlet.casefold())

    def plain(self, cmdlet: str) -> Iterator[Asked]:
        """Questions without parameters, those that select most first."""
        return iter(sorted((asked for asked in self.asked(cmdlet) if not asked.parameters), key=lambda asked: -len(asked.select)))

    def listed(self, cmdlet: str) -> list[Row] | None:
        """The fullest answer to "list them all"; None where it was not asked, or answered with an error."""
        return next((asked.rows() for asked in self.plain(cmdlet) if asked.answer.ok), None)

    def failed(self, cmdlet: str) -> CallError | None:
        """The error of a question of that cmdlet, where none of them was answered."""
        found = list(self.asked(cmdlet))
        return next((asked.answer.error for asked in found), None) if not any(asked.answer.ok for asked in found) else None

    def lacks(self, cmdlet: str) -> bool | None:
        """Whether the host has no such command; None where it was not asked for."""
        found = [asked.answer for asked in self.asked(cmdlet)]
        return all(one.error is not None and one.error.is_(NO_COMMAND) for one in found) if found else None

    def value(self, cmdlet: str, name: str, **parameters: Any) -> Any:
        """A property of the one object that was answered."""
        for asked in self.asked(cmdlet):
            if name in asked.select and dict(asked.parameters) == parameters and len(asked.rows()) == 1:
                return asked.rows()[0].maybe(name)
        return None


def _asked(question: Mapping[str, Any], found: Answer) -> Asked:
    select = tuple(item if isinstance(item, str) else str(item[0]) for item in question.get("select", ()))
    return Asked(str(question["cmdlet"]), question.get("parameters", {}), select, found)


def given(row: Mapping[str, Any], name: str) -> Any:
    """A property as far as the host gave it."""
    return row.maybe(name) if isinstance(row, Row) else row.get(name)


def ip(row: Row, name: str) -> str:
    """An IPv4 address. Raises ValueError for what is none: a machine that holds anything else cannot be asked."""
    return str(IPv4Address(str(row[name])))


# --- does the twin say the same?


def differing(machine: Machine, snapshot: Snapshot) -> list[str]:
    """The cmdlets that answer otherwise on the machine than in the snapshot. Asks a copy: nothing happens to the machine."""
    copy = Machine.from_json(machine.to_json())
    copy.site = machine.site
    allow = frozenset(str(question["cmdlet"]).casefold() for question in snapshot.questions.values() if "cmdlet" in question)
    batch = Batch(Here(copy, copy.start_process("powershell.exe").pid), {"id": 1}, allow, lambda what, fields: None)
    found: dict[str, None] = {}
    for key, question in sorted(snapshot.questions.items()):
        if "cmdlet" in question and told(_ask(batch, question)) != told(snapshot.answers[key]):
            found[str(question["cmdlet"])] = None
    return sorted(found)


def _ask(batch: Batch, question: Mapping[str, Any]) -> Answer:
    call = encode_call(Call(str(question["cmdlet"]), _arguments(question.get("parameters", {})), _select(question.get("select", ()))))
    ran = run(batch, 0, call, SECONDS, batch.here.machine.now)
    return answer(read(frame(batch, 0, call, ran)))


def _arguments(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as the call had them: a guest's command line was words."""
    return {name: Argv(tuple(value["$argv"])) if isinstance(value, dict) and "$argv" in value else value for name, value in parameters.items()}


def _select(select: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(item if isinstance(item, str) else (item[0], _select(item[1])) for item in select)


def told(found: Answer) -> Any:
    """An answer as it counts: errors by their id, rows in any order, without addresses of IPv6 (a twin makes up its own)."""
    if found.error is not None:
        return {"error": found.error.id, "category": found.error.category}
    rows = [item for item in found.objects if not (isinstance(item, Row) and ":" in _address(item))]
    return sorted(json.dumps(item, sort_keys=True) for item in answer_json(Answer(tuple(rows)))["objects"])


def _address(row: Row) -> str:
    value = dict(row._values).get("IPAddress")
    return "" if value is None or isinstance(value, Unread) else str(value)
