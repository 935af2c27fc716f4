"""Calls as what a person would type into an elevated Windows PowerShell 5.1. Handed to `plan --show-commands`, errors and docs.

Pure: call and catalogue in, text out. The text is for reading and for pasting by hand; the product never runs it. What the product does
beside a call (projecting properties, judging the answer, deadlines) is not typed by a person and not printed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from reconciler.core.calls import AnyCall, Argv, ArmCall, Call, Later, LedgerCall, Out, ProgramCall, Secret
from reconciler.core.errors import Defect
from reconciler.signatures import literals
from reconciler.signatures.catalogue import Catalogue, CmdletSignature, ParameterSignature, catalogue

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
SYSTEM32 = re.compile(r"[A-Za-z]:\\Windows\\System32\\([^\\]+)", re.IGNORECASE)
REMARKS = 46  # the column where a remark behind a command begins
GENERAL = {"Object", "PSObject"}  # parameters that keep one value and a list of one value apart


def script(calls: Sequence[AnyCall], known: Catalogue | None = None) -> str:
    """The calls of one action: secrets asked for before their call, an answer that a later call reads kept as `$stepN`, N from 1."""
    read = {mark.call for at, call in enumerate(calls) for _, mark in _marks(call) if isinstance(mark, Out) and mark.call < at}
    variables: dict[Secret, str] = {}
    lines: list[str] = []
    for index, call in enumerate(calls):
        asked = len(variables)
        _name_secrets(call, variables)
        lines += [_prompt(name, secret) for secret, name in list(variables.items())[asked:]]
        typed = _Typed(known or catalogue(), variables).call(call)
        if typed:
            lines.append(f"$step{index + 1} = {typed}" if index in read else typed)
    return "\n".join(lines)


def powershell(call: AnyCall, known: Catalogue | None = None) -> str:
    """One call, as it stands; a value that an earlier call gives is `$stepN.property`. The record's own calls print as nothing."""
    return script((call,), known)


def _marks(call: AnyCall) -> Iterator[tuple[str, Any]]:
    """Every single value of the call with the parameter it belongs to."""
    match call:
        case Call():
            named: Iterable[tuple[str, Any]] = call.parameters.items()
        case ProgramCall():
            named = [("", call.arguments)]
        case LedgerCall() | ArmCall():
            named = ()
    return ((name, found) for name, value in named for found in _within(value))


def _within(value: Any) -> Iterator[Any]:
    match value:
        case list() | tuple():
            for entry in value:
                yield from _within(entry)
        case Mapping():
            yield from _within(list(value.values()))
        case _:
            yield value


def _name_secrets(call: AnyCall, variables: dict[Secret, str]) -> None:
    """Give each secret that is new a variable, named after its parameter and numbered where that name is taken."""
    for name, value in _marks(call):
        if isinstance(value, Secret) and value not in variables:
            taken = sum(other.rstrip("0123456789") == name for other in variables.values())
            variables[value] = f"{name}{taken + 1}" if taken else name


def _prompt(name: str, secret: Secret) -> str:
    return f"${name} = Read-Host '{name}'".ljust(REMARKS) + f"# {literals.remark(str(secret))}: never printed"


@dataclass(frozen=True, slots=True)
class _Typed:
    """One call being typed, against a catalogue."""

    known: Catalogue
    variables: Mapping[Secret, str]

    def call(self, call: AnyCall) -> str:
        match call:
            case Call() if _hash_of(call):
                return f"# {call.parameters.get('Algorithm', 'sha256')} of it is compared with {literals.remark(str(_hash_of(call))[:8])}…".lower()
            case Call():
                return self._cmdlet(call)
            case ProgramCall():
                return self._program(call)
            case LedgerCall() | ArmCall():
                return ""  # az and PowerShell lines of a request are another printer's

    def _cmdlet(self, call: Call) -> str:
        signature = self.known.cmdlet(call.name)
        parts = [signature.name if signature else call.name.rpartition("\\")[2]]
        parts += [self._parameter(name, value, signature) for name, value in call.parameters.items()]
        return " ".join(parts)

    def _parameter(self, name: str, value: Any, signature: CmdletSignature | None) -> str:
        if not NAME.fullmatch(name):
            raise Defect(f"{name!r} is no parameter name")
        parameter = signature.parameters.get(name) if signature else None
        if isinstance(value, bool) and (parameter is None or parameter.switch):
            return f"-{name}" if parameter and value else f"-{name}:{literals.boolean(value)}"
        return f"-{name} {self._argument(value, parameter)}"

    def _argument(self, value: Any, parameter: ParameterSignature | None) -> str:
        """A value in argument mode, where a word of a closed set stands bare and lists need no brackets."""
        if isinstance(value, (list, tuple)):
            entries = ", ".join(self._argument(entry, parameter) for entry in value)
            general = parameter is None or parameter.element in GENERAL
            return f"@({self._list(value)})" if not value or (general and len(value) == 1) or _nested(value) else entries
        accepted = {word.casefold() for word in parameter.values} if parameter else set()
        if isinstance(value, str) and value.casefold() in accepted and NAME.fullmatch(value):
            return value
        return self._value(value)

    def _list(self, values: Sequence[Any]) -> str:
        return ", ".join(f"@({self._list(value)})" if isinstance(value, (list, tuple)) else self._value(value) for value in values)

    def _value(self, value: Any) -> str:
        """A value in either mode."""
        match value:
            case Out():
                return _output(value)
            case Secret():
                return f"${self.variables[value]}"
            case Later():
                return f"<# {_later(value)} #>"
            case Mapping():
                return "@{ " + "; ".join(f"{literals.text(str(key))} = {self._entry(entry)}" for key, entry in value.items()) + " }"
            case _:
                return _literal(value)

    def _entry(self, value: Any) -> str:
        return f"@({self._list(value)})" if isinstance(value, (list, tuple)) else self._value(value)

    def _program(self, call: ProgramCall) -> str:
        """Start-Process joins its arguments without quoting them, so the line is quoted here."""
        found = SYSTEM32.fullmatch(call.path)
        path = literals.text(found[1] if found else call.path)
        line = _pieces(call.arguments, msi=call.path.casefold().endswith("\\msiexec.exe"))
        return f"Start-Process -FilePath {path}" + (f" -ArgumentList {line}" if line else "") + " -Wait -PassThru"


def _hash_of(call: Call) -> str | None:
    """The hash that Get-FileHash is expected to give: a person compares it by eye."""
    if call.name.rpartition("\\")[2] == "Get-FileHash" and call.good and isinstance(call.good.returns, Mapping):
        return call.good.returns.get("Hash")
    return None


def _nested(values: Sequence[Any]) -> bool:
    return any(isinstance(value, (list, tuple, Mapping)) for value in values)


def _output(out: Out) -> str:
    property_ = out.property if NAME.fullmatch(out.property) else literals.text(out.property)
    return f"$step{out.call + 1}.{property_}"


def _later(later: Later) -> str:
    return literals.remark(f"known after apply: {later.field} of {later.resource}")


def _literal(value: Any) -> str:
    match value:
        case None:
            return "$null"
        case bool():
            return literals.boolean(value)
        case int() | float():
            return literals.number(value)
        case bytes():
            return literals.octets(value)
        case timedelta():
            return literals.time_span(value)
        case datetime():
            return literals.moment(value)
        case Argv():
            return literals.text(shlex.join(value.words))
        case _:
            return literals.text(str(value))


def _pieces(arguments: Sequence[Any], *, msi: bool) -> str:
    """The command line as one literal, or as literals joined with what is only known when it is typed."""
    pieces: list[str] = []
    line = ""
    for index, argument in enumerate(arguments):
        line += " " if index else ""
        if isinstance(argument, (Out, Later)):
            pieces += [literals.text(line + '"'), _value_in_line(argument)]
            line = '"'
        else:
            line += literals.command_line([str(argument)], msi=msi)
    pieces += [literals.text(line)] if line else []
    return f"({' + '.join(pieces)})" if len(pieces) > 1 else "".join(pieces)


def _value_in_line(argument: Out | Later) -> str:
    return _output(argument) if isinstance(argument, Out) else f"<# {_later(argument)} #>"
