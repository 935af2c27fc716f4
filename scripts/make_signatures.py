"""Cuts the shipped signature catalogue out of the full reference, for the names in `reconciler/signatures/data/cmdlets.txt`.

Run by hand, `python scripts/make_signatures.py REFERENCE_FOLDER`, after a name was added to that list; a test holds the shipped files to
what this makes. It keeps facts (names, types, sets, error ids, evidence) and leaves remarks behind; it never adds a fact of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "reconciler" / "signatures" / "data"
FACTS_OF_A_PROPERTY = ("type", "cim", "ets", "enum", "values", "unit", "nullable", "since", "evidence")
FACTS_OF_AN_ABSENCE = ("errorId", "category", "exception", "evidence")
SIBLINGS_OF_ABSENCE = ("denied", "serviceStopped", "providerAbsent", "valueAbsent")
# Modules of script functions or CDXML that the command table of 5.1 does not cover (powershell f): AzureEFLOW, DhcpServer.
FUNCTION_MODULES = frozenset({"AzureEFLOW", "DhcpServer"})

Json = dict[str, Any]


def wanted() -> list[str]:
    """The names to ship: cmdlets, `Get-CimInstance CLASS`, and full names of object types."""
    return (DATA / "cmdlets.txt").read_text(encoding="utf-8").splitlines()


def make(reference: Path) -> dict[str, str]:
    """The two files, by name, as they are to be shipped."""
    commands = _read(reference, "powershell51-core")["commands"]
    signatures = _read(reference, "windows-cmdlets") | _read(reference, "eflow-cmdlets")
    outputs = _read(reference, "windows-outputs")
    names = wanted()
    return {"inputs.json": _lines(_inputs(names, signatures, commands)), "outputs.json": _lines(_outputs(names, outputs))}


def _read(reference: Path, name: str) -> Json:
    loaded: Json = json.loads((reference / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def _inputs(names: Iterable[str], signatures: Json, commands: Json) -> Json:
    return {name: signatures[name] | {"compiled": _compiled(name, signatures[name]["module"], commands)} for name in names if name in signatures}


def _compiled(name: str, module: str, commands: Json) -> bool:
    known = commands.get(name)
    return module not in FUNCTION_MODULES if known is None else bool(known["k"] == "c")


def _outputs(names: Iterable[str], outputs: Json) -> Json:
    cmdlets = {name: _output(outputs[name]) for name in names if name in outputs}
    classes = {name: _output(outputs["classes"][name]) for name in names if name in outputs["classes"]}
    used = {fact["enum"] for part in (cmdlets, classes) for entry in part.values() for fact in entry["properties"].values() if "enum" in fact}
    enums = {name: {"values": outputs["enums"][name]["values"], "evidence": outputs["enums"][name]["evidence"]} for name in sorted(used)}
    return {"cmdlets": cmdlets, "classes": classes, "enums": enums}


def _output(entry: Json) -> Json:
    kept: Json = {name: entry[name] for name in ("type", "module", "class") if name in entry}
    if "missing" in entry:
        kept["missing"] = _missing(entry["missing"])
    kept["properties"] = {name: _only(fact, FACTS_OF_A_PROPERTY) for name, fact in entry["properties"].items()}
    return kept


def _missing(entry: Json) -> Json:
    siblings = {name: _only(entry[name], FACTS_OF_AN_ABSENCE) for name in SIBLINGS_OF_ABSENCE if isinstance(entry.get(name), dict)}
    return _only(entry, FACTS_OF_AN_ABSENCE) | siblings


def _only(entry: Mapping[str, Any], names: Iterable[str]) -> Json:
    return {name: entry[name] for name in names if name in entry}


def _lines(data: Json, depth: int = 0) -> str:
    """JSON with one entry a line, so that a change of one cmdlet is a change of one line."""
    if depth == 0 and set(data) == {"cmdlets", "classes", "enums"}:
        return "{\n" + ",\n".join(f"{json.dumps(name)}: {_lines(data[name], 1).rstrip()}" for name in data) + "\n}\n"
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(data[name], sort_keys=True)}" for name in sorted(data)) + "\n}\n"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: make_signatures.py REFERENCE_FOLDER")
    for name, text in make(Path(sys.argv[1])).items():
        (DATA / name).write_text(text, encoding="utf-8")
        print(f"{name}: {len(text):,} characters")


if __name__ == "__main__":
    main()
