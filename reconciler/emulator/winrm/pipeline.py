"""One pipeline in a powershell of its own: a known cmdlet with literal values, then Select-Object and ConvertTo-Json at most.

What a person or another tool would send to look at a host. It starts, imports, answers and ends: the costs that a session pays once.
"""

from __future__ import annotations

import json
import re
from typing import Any

from reconciler.emulator import catalogue
from reconciler.emulator.powershell import Outcome, execute
from reconciler.emulator.projection import member, shown
from reconciler.emulator.typed import NotTyped, Typed, parse
from reconciler.emulator.winrm import clixml
from reconciler.emulator.winrm.console import Console
from reconciler.emulator.winrm.host import EmulatedHost

SPLIT = re.compile(r"""((?:'[^']*'|"[^"]*"|[^|'"])+)(?:\||$)""")
POSITIONAL = re.compile(r"(Select-Object)\s+(?!-)", re.IGNORECASE)
PREFERENCE = re.compile(r"""\s*\$ProgressPreference\s*=\s*['"]?SilentlyContinue['"]?\s*;?\s*""", re.IGNORECASE)
AFTER = {"select-object": ("property", "first"), "convertto-json": ("depth", "compress")}


class Pipeline:
    """`encoded`: the script came by -EncodedCommand, so errors go out as CLIXML."""

    def __init__(self, host: EmulatedHost, script: str, *, encoded: bool = False) -> None:
        self.pid = host.settled().start_process("powershell.exe", "pipeline").pid
        self._host = host
        self._script = script
        self._encoded = encoded
        host.log("process", {"do": "start", "pid": self.pid})

    async def run(self, console: Console) -> int:
        await self._host.cost(self._host.settings.costs.process)
        try:
            first, *rest = steps(self._script)
        except NotTyped as wrong:
            console.err(f"not emulated: {wrong}\r\n")
            self._host.log("refused", {"says": str(wrong)})
            return self._ends(1)
        outcome = await self._execute(first)
        said = "".join(f"{first.name} : {record.message}\r\n    + FullyQualifiedErrorId : {record.id}\r\n" for record in outcome.errors)
        if said:
            console.err(clixml.errors(said) if self._encoded else said)
        console.out(written(list(outcome.objects), rest))
        return self._ends(0 if outcome.ok else 1)

    async def _execute(self, said: Typed) -> Outcome:
        found = catalogue.find(said.name.rpartition("\\")[2])
        if found is not None:
            self._host.counts["modules"] += 1
            await self._host.cost(self._host.settings.costs.module)
        outcome = execute(self._host.settled(), said.name, said.parameters, at=self._host.clock.now())
        self._host.log("cmdlet", {"name": said.name, "parameters": said.parameters, "ok": outcome.ok, "by": "pipeline"})
        await self._host.cost(outcome.seconds)
        return outcome

    def _ends(self, code: int) -> int:
        self._host.machine.kill_tree(self.pid)
        return code


def steps(script: str) -> list[Typed]:
    """The parts of a pipeline, or NotTyped where it is more than that."""
    text = PREFERENCE.sub("", script, count=1).strip()
    parts = [part.strip() for part in SPLIT.findall(text)]
    if not parts or "|".join(parts).replace(" ", "") != text.replace(" ", ""):
        raise NotTyped("one pipeline, and nothing else")
    return checked([parse(parts[0]), *(parse(POSITIONAL.sub(r"\1 -Property ", part)) for part in parts[1:])])


def checked(found: list[Typed]) -> list[Typed]:
    """The same, or NotTyped where something else follows the first than may."""
    for step in found[1:]:
        known = AFTER.get(step.name.casefold())
        if known is None or any(name.casefold() not in known for name in step.parameters):
            raise NotTyped(f"{step.name}: only Select-Object -Property, -First and ConvertTo-Json -Depth, -Compress follow")
    return found


def written(objects: list[Any], steps: list[Typed]) -> str:
    """The objects as text: JSON where asked for, else one `Name : value` a line."""
    left = reduced(objects, steps)
    return left if isinstance(left, str) else "".join(_listed(item) for item in left)


def reduced(objects: list[Any], steps: list[Typed]) -> list[Any] | str:
    """What the rest of a pipeline makes of the objects: fewer, or JSON."""
    as_json: Typed | None = None
    for step in steps:
        given = {name.casefold(): value for name, value in step.parameters.items()}
        if step.name.casefold() == "convertto-json":
            as_json = step
        else:
            objects = objects[: int(given["first"])] if "first" in given else objects
            names = given.get("property")
            objects = [_chosen(item, names if isinstance(names, list) else [names]) for item in objects] if names else objects
    if as_json is not None:
        return _json([shown(item) for item in objects], compress=any(name.casefold() == "compress" for name in as_json.parameters))
    return objects


def _chosen(item: Any, names: list[Any]) -> dict[str, Any]:
    """Select-Object gives null for a property that is not there."""
    return {str(name): member(item, str(name))[1] for name in names}


def _json(rows: list[Any], *, compress: bool) -> str:
    """As ConvertTo-Json does it: one object is no list, none is nothing."""
    if not rows:
        return ""
    value = rows[0] if len(rows) == 1 else rows
    return json.dumps(value, indent=None if compress else 4, separators=(",", ":") if compress else None) + "\r\n"


def _listed(item: Any) -> str:
    if not isinstance(item, dict):
        return f"{item}\r\n"
    return "".join(f"{name} : {'' if value is None else shown(value)}\r\n" for name, value in item.items()) + "\r\n"
