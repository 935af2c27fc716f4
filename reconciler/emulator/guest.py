"""Inside the EFLOW guest: the few commands that in-guest facts are read with, over files made from the machine's state.

`cmdlets/eflowguest` runs Invoke-EflowVmCommand here. A line is words, pipes, `;`, `&&`, `||` and `sh -c`; expansions are not
known. A command that is not emulated ends with 127, as in a shell. Sources: eflow-domain 1.5, 1.8, 1.9, 1.11.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.emulator.eflow import Endpoint
from reconciler.emulator.guestfiles import files, hostname
from reconciler.emulator.machine import Machine
from reconciler.emulator.trains import train

OPERATORS = (";", "&&", "||", "|")
NOT_FOUND, FAILED = 127, 1


@dataclass(frozen=True, slots=True)
class Ended:
    """What a guest command printed and its exit code."""

    out: str
    code: int = 0


def run(machine: Machine, line: str) -> Ended:
    """Runs a shell line in the guest."""
    try:
        lexer = shlex.shlex(line.replace("\n", " ; "), posix=True, punctuation_chars=";&|<>")
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError as error:
        return Ended(f"sh: {error}", 2)
    out, code, pending = "", 0, ";"
    for pipeline, after in _split(_without_redirects(words)):
        if pipeline and not (pending == "&&" and code) and not (pending == "||" and not code):
            ended = _pipeline(machine, pipeline)
            out, code = out + ended.out, ended.code
        pending = after
    return Ended(out, code)


def _without_redirects(words: Sequence[str]) -> list[str]:
    """Drops `2>/dev/null`, `>/dev/null` and `2>&1`; what went to a file is not seen anyway."""
    kept: list[str] = []
    at = 0
    while at < len(words):
        if words[at] in (">", "<", ">&", ">>"):
            if kept and kept[-1] in ("1", "2"):
                kept.pop()
            at += 2
        else:
            kept.append(words[at])
            at += 1
    return kept


def _split(words: Sequence[str]) -> list[tuple[list[str], str]]:
    parts: list[tuple[list[str], str]] = [([], ";")]
    for word in words:
        if word in (";", "&&", "||"):
            parts[-1] = (parts[-1][0], word)
            parts.append(([], ";"))
        else:
            parts[-1][0].append(word)
    return parts


def _pipeline(machine: Machine, words: Sequence[str]) -> Ended:
    stages: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            stages.append([])
        else:
            stages[-1].append(word)
    ended = Ended("")
    for stage in stages:
        ended = _command(machine, stage, ended.out)
    return ended


def _command(machine: Machine, words: Sequence[str], given: str) -> Ended:
    while words and (words[0] == "sudo" or re.fullmatch(r"[A-Z_]+=\S*", words[0])):
        words = words[1:]
    if not words:
        return Ended("")
    if words[0] in ("sh", "bash") and len(words) > 2 and words[1].startswith("-") and "c" in words[1]:
        return run(machine, words[2])
    command = COMMANDS.get(words[0].rpartition("/")[2])
    return command(machine, words[1:], given) if command else Ended(f"sh: {words[0]}: command not found\n", NOT_FOUND)


def _read(machine: Machine, names: Sequence[str], given: str) -> tuple[str, bool]:
    """The text of the named files, or what came through the pipe; and whether all were there."""
    if not names:
        return given, True
    known = files(machine)
    return "".join(known.get(name, "") for name in names), all(name in known for name in names)


# --- commands


def _options(words: Sequence[str], valued: str = "") -> tuple[dict[str, list[str]], list[str]]:
    """Single-letter options (those in `valued` take a word) and the rest."""
    options: dict[str, list[str]] = {}
    rest: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if re.fullmatch(r"-[A-Za-z]+", word):
            for letter in word[1:]:
                options.setdefault(letter, [])
            if word[-1] in valued and at + 1 < len(words):
                at += 1
                options[word[-1]].append(words[at])
        elif word != "--":
            rest.append(word)
        at += 1
    return options, rest


def _grep(machine: Machine, words: Sequence[str], given: str) -> Ended:
    options, rest = _options(words, "em")
    patterns = options.get("e") or rest[:1]
    names = rest if options.get("e") else rest[1:]
    text, found = _read(machine, names, given)
    gone = [] if found else [name for name in names if name not in files(machine)]
    complaint = "" if "s" in options else "".join(f"grep: {name}: No such file or directory\n" for name in gone)
    joined = "|".join(f"(?:{_regex(p, extended='E' in options or 'P' in options)})" for p in patterns)
    expression = re.compile(joined, re.IGNORECASE if "i" in options else 0)
    lines = [line for line in text.splitlines() if bool(expression.search(line)) != ("v" in options)]
    if "q" in options:
        return Ended("", 0 if lines else 1)
    if "c" in options:
        return Ended(f"{len(lines)}\n", 0 if lines else 1)
    if "o" in options:
        lines = [hit.group() for line in lines for hit in expression.finditer(line) if hit.group()]
    # A file that is not there is said, and makes the code 2; the others are read all the same (POSIX grep).
    return Ended(complaint + "".join(line + "\n" for line in lines), 2 if gone else 0 if lines else 1)


def _regex(pattern: str, *, extended: bool) -> str:
    """A POSIX pattern as a Python one: classes, and the swapped meaning of backslashes in basic patterns."""
    for name, chars in (("space", r"\s"), ("blank", r" \t"), ("digit", r"\d"), ("alnum", r"a-zA-Z0-9"), ("alpha", "a-zA-Z")):
        pattern = pattern.replace(f"[:{name}:]", chars)
    if not extended:
        pattern = re.sub(r"\\([|+?(){}])|([|+?(){}])", lambda m: m[1] or "\\" + m[2], pattern)
    return pattern


def _sed(machine: Machine, words: Sequence[str], given: str) -> Ended:
    """Only substitutions: `s/a/b/`, with -n and p the changed lines alone."""
    options, rest = _options(words, "e")
    scripts = options.get("e") or rest[:1]
    text, found = _read(machine, rest if options.get("e") else rest[1:], given)
    if not found:
        return Ended(f"sed: can't read {rest[-1]}: No such file or directory\n", 2)
    try:
        edits = [_substitution(script, extended="E" in options or "r" in options) for script in scripts]
    except ValueError:
        return Ended("sed: unknown command\n", 1)
    lines: list[str] = []
    for original in text.splitlines():
        line, shown = original, False
        for pattern, replacement, count, printed in edits:
            line, times = pattern.subn(replacement, line, count=count)
            shown = shown or (printed and times > 0)
        if shown or "n" not in options:
            lines.append(line)
    return Ended("".join(line + "\n" for line in lines))


def _substitution(script: str, *, extended: bool) -> tuple[re.Pattern[str], str, int, bool]:
    """Pattern, replacement, how often a line (0: always), and whether to print."""
    parts = re.fullmatch(r"s(?P<d>.)(?P<a>(?:\\.|(?!(?P=d)).)*)(?P=d)(?P<b>(?:\\.|(?!(?P=d)).)*)(?P=d)(?P<flags>[gpIi]*)", script)
    if parts is None:
        raise ValueError(script)
    pattern = re.compile(_regex(parts["a"], extended=extended))
    return pattern, parts["b"].replace("&", r"\g<0>"), 0 if "g" in parts["flags"] else 1, "p" in parts["flags"]


def _cat(machine: Machine, words: Sequence[str], given: str) -> Ended:
    text, found = _read(machine, [w for w in words if not w.startswith("-")], given)
    return Ended(text) if found else Ended(f"cat: {words[-1]}: No such file or directory\n", FAILED)


def _head(machine: Machine, words: Sequence[str], given: str) -> Ended:
    options, rest = _options(words, "n")
    text, _ = _read(machine, rest, given)
    count = int(options["n"][0]) if options.get("n") else 10
    return Ended("".join(line + "\n" for line in text.splitlines()[:count]))


def _test(machine: Machine, words: Sequence[str], given: str) -> Ended:
    words = [w for w in words if w != "]"]
    return Ended("", 0 if len(words) == 2 and words[0] in ("-f", "-e", "-r", "-s") and words[1] in files(machine) else FAILED)


def _resolvectl(machine: Machine, words: Sequence[str], given: str) -> Ended:
    """eflow-domain 1.8: per link, "Current DNS Server" and "DNS Servers"; nothing of both where there are none."""
    verb, links = (words[0], words[1:]) if words and words[0] in ("status", "dns") else ("status", words)
    out = ""
    for number, endpoint in enumerate(machine.eflow.endpoints, start=2):
        if links and endpoint.guest not in links:
            continue
        if verb == "dns":
            out += f"Link {number} ({endpoint.guest}): {' '.join(endpoint.dns)}".rstrip() + "\n"
            continue
        out += f"Link {number} ({endpoint.guest})\n      Current Scopes: {'DNS' if endpoint.dns else 'none'}\n"
        if endpoint.dns:
            out += f"  Current DNS Server: {endpoint.dns[0]}\n         DNS Servers: " + ("\n" + " " * 22).join(endpoint.dns) + "\n"
    return Ended(out)


def _ip(machine: Machine, words: Sequence[str], given: str) -> Ended:
    """`ip -br -4 addr show eth0` and `ip -4 route`: what the guest really has."""
    bare = [w for w in words if not w.startswith("-")]
    endpoints = [e for e in machine.eflow.endpoints if len(bare) < 3 or e.guest in bare]
    if bare and bare[0] in ("r", "route"):
        return Ended("".join(f"default via {e.gateway} dev {e.guest}\n" for e in machine.eflow.endpoints if e.gateway))
    return Ended("".join(_address_line(e) for e in endpoints))


def _address_line(endpoint: Endpoint) -> str:
    address = f"{endpoint.address}/{endpoint.prefix}" if endpoint.address else ""
    return f"{endpoint.guest:<17}UP             {address} \n"


def _systemctl(machine: Machine, words: Sequence[str], given: str) -> Ended:
    services = train(machine.eflow.version).services
    names = [w.removesuffix(".service") for w in words[1:] if not w.startswith("-")]
    states = ["active" if n in (*services, "docker") and (machine.eflow.provisioning or n == "docker") else "inactive" for n in names]
    return Ended("".join(s + "\n" for s in states), 0 if all(s == "active" for s in states) else 3)


def _echo(machine: Machine, words: Sequence[str], given: str) -> Ended:
    return Ended(" ".join(words) + "\n")


def _hostname(machine: Machine, words: Sequence[str], given: str) -> Ended:
    return Ended(hostname(machine.eflow) + "\n")


def _true(machine: Machine, words: Sequence[str], given: str) -> Ended:
    return Ended("")


COMMANDS: Mapping[str, Callable[[Machine, Sequence[str], str], Ended]] = {
    "grep": _grep,
    "egrep": lambda machine, words, given: _grep(machine, ["-E", *words], given),
    "sed": _sed,
    "cat": _cat,
    "head": _head,
    "test": _test,
    "[": _test,
    "resolvectl": _resolvectl,
    "ip": _ip,
    "systemctl": _systemctl,
    "echo": _echo,
    "hostname": _hostname,
    "true": _true,
}
