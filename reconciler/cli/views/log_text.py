"""The log of an emulated estate, one readable line an entry: when, on which host, what. With `-v` nothing of a line is cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.cli.views.page import Page
from reconciler.cli.views.words import clipped, count, one_line, value

READING = ("get", "test", "find", "measure", "select", "show", "resolve")  # verbs that leave a host as it is
DOING = ("ledger", "job", "program", "reboot", "power", "handler")
Entry = Mapping[str, Any]


def writes(entry: Entry) -> bool:
    """Whether it changed the host, or may have: what failed is shown too."""
    if entry["what"] == "cmdlet":
        return str(entry.get("name", "")).rpartition("\\")[2].partition("-")[0].casefold() not in READING
    if entry["what"] == "arm":
        return str(entry["method"]) != "GET"
    return entry["what"] in DOING and not (entry["what"] == "ledger" and entry.get("do") == "get")


def log_page(page: Page, entries: Sequence[Entry], *, whole: bool = False) -> None:
    column = max([6, *(len(str(entry["host"])) for entry in entries)]) + 22
    for entry in entries:
        text = one_line(sentence(entry))
        shown = text if whole else clipped(text, page.width - column - 10)
        word, style = ("error", "red") if entry.get("ok") is False else (str(entry["what"]), "bold")
        host = str(entry["host"]).ljust(column - 20)
        page.exact((f"{str(entry['at'])[:19].replace('T', ' ')} ", "dim"), (host, ""), (f"{word:<10}", style), (shown, ""))
    if not entries:
        page.say("nothing happened")


def sentence(entry: Entry) -> str:
    """What one entry says, without when and where."""
    told = SENTENCES.get(str(entry["what"]))
    return told(entry) if told else _rest(entry)


def _rest(entry: Entry) -> str:
    return ", ".join(f"{name} {value(part)}" for name, part in entry.items() if name not in ("n", "at", "host", "what"))


def _request(entry: Entry) -> str:
    """`ask` with its cmdlets counted: each has a line of its own."""
    parts = []
    for part in str(entry.get("asks", "")).split("; "):
        word, _, names = part.partition(" ")
        parts.append(f"{word} {count(len(names.split(', ')), 'call')}" if word in ("ask", "write") and ", " in names else part)
    return "; ".join(filter(None, parts)) or _rest(entry)


def _cmdlet(entry: Entry) -> str:
    words = [str(entry.get("name", ""))]
    words += [f"-{name} {value(part)}" for name, part in sorted((entry.get("parameters") or {}).items())]
    by = "  (typed on the host)" if entry.get("by") == "console" else ""
    return f"{entry['error']}: {' '.join(words)}{by}" if entry.get("error") else " ".join(words) + by


def _ledger(entry: Entry) -> str:
    """Which resource, in which phase; a record that cannot be read by its entry's name."""
    try:
        held = json.loads(entry.get("value") or "{}")
    except ValueError:
        held = {}
    what = held.get("id") or (f"this machine is {held['name']}" if "name" in held else entry.get("entry", ""))
    phase = f", {held['phase']}" if "phase" in held else ""
    fleet = f" (fleet {entry['fleet']})" if entry.get("fleet") else ""
    return f"{entry.get('do', '')} {what}{phase}{fleet}"


def _lease(entry: Entry) -> str:
    return f"{entry.get('do', '')} by {entry.get('holder', '')}, epoch {entry.get('epoch', '')}"


def _job(entry: Entry) -> str:
    return f"{entry.get('do', '')} {entry.get('job', '')}, {entry.get('resource', '')}: {entry.get('phase', '')}"


def _program(entry: Entry) -> str:
    return f"exit {entry.get('exit', '?')}: {entry.get('path', '')} {' '.join(map(str, entry.get('arguments') or ()))}"


def _arm(entry: Entry) -> str:
    """A request to Azure Resource Manager: what of which resource, and what was answered."""
    path = str(entry["path"]).rpartition("/providers/Microsoft.Compute/")[2]
    code = f" {entry['code']}" if entry.get("code") else ""
    return f"{entry['method']} {path}: {entry['status']}{code}"


def _handler(entry: Entry) -> str:
    """A run of an Azure extension's handler."""
    what = f"{entry.get('do', '')} {entry.get('extension', '')}"
    if entry.get("do") == "begins":
        return f"{what}, {entry.get('handler', '')} {entry.get('version', '')}, run {entry.get('run', '')}"
    return f"{what}, exit {entry['exit']}" if "exit" in entry else what


SENTENCES: Mapping[str, Callable[[Entry], str]] = {
    "arm": _arm,
    "handler": _handler,
    "process": lambda entry: f"powershell {entry.get('pid', '')} {entry.get('do', '')}s",
    "request": _request,
    "cmdlet": _cmdlet,
    "ledger": _ledger,
    "lease": _lease,
    "job": _job,
    "program": _program,
    "power": lambda entry: "on" if entry.get("on") else "off",
}
