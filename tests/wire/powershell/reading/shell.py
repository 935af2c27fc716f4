"""Runspace and PowerShell objects of the reading: what the invoker's own runspace would do, done by the emulated cmdlets.

The machine of the emulator answers; its virtual seconds pass in the world's clock while the invoker waits on the handle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.emulator import catalogue
from reconciler.emulator.errors import CmdletError, ErrorRecord
from reconciler.emulator.machine import Machine
from reconciler.emulator.powershell import Outcome, execute, resolve
from tests.wire.powershell.reading.dotnet import Record, Row, Secure, Simple
from tests.wire.powershell.reading.values import NOTHING, EnumName, Map, NetList, Thrown

GET_COMMAND = "Microsoft.PowerShell.Core\\Get-Command"
TYPES = {"String": "string", "String[]": "string[]"}


def new_shell() -> Simple:
    streams = Simple("Streams", Error=NetList(), Warning=NetList(), Information=NetList())
    return Simple("PowerShell", commands=[], Runspace=None, Streams=streams, thrown=None, left=0.0)


def call(shell: Simple, name: str, given: list[Any], world: Any) -> Any:
    fields = shell.fields
    match name:
        case "AddCommand":
            fields["commands"].append((given[0], {}))
            return shell
        case "AddParameter":
            fields["commands"][-1][1][given[0]] = given[1]
            return shell
        case "BeginInvoke":
            assert fields["Runspace"] is not None
            _begin(shell, given[1], world)
            return Simple("Async", AsyncWaitHandle=Simple("WaitHandle", shell=shell))
        case "EndInvoke":
            if fields["thrown"]:
                raise fields["thrown"]
            return NOTHING
        case "BeginStop":
            fields["left"] = float("inf") if fields["left"] == float("inf") else 0.0
            return Simple("Async", AsyncWaitHandle=Simple("WaitHandle", shell=shell))
        case "Dispose":
            return NOTHING
    raise AssertionError(f"PowerShell.{name} is not read")


def wait(handle: Simple, milliseconds: int, world: Any) -> bool:
    """WaitOne: time passes until the call is through, or the wait is."""
    fields = handle.fields["shell"].fields
    passed = min(fields["left"], milliseconds / 1000)
    world.seconds += passed
    fields["left"] -= passed
    return bool(fields["left"] <= 0)


def _begin(shell: Simple, out: NetList, world: Any) -> None:
    name, given = shell.fields["commands"][0]
    if name == GET_COMMAND:
        out.items += _looked_up(world.machine, given["Name"], shell)
        return
    values = {key: python(value) for key, value in given.items()}
    outcome = execute(world.machine, name, values)
    world.ran.append((name, given))
    _done(shell, out, outcome)


def _looked_up(machine: Machine, name: str, shell: Simple) -> list[Any]:
    try:
        emulated, signature = resolve(machine, name)
    except CmdletError as error:
        thrown = Thrown(f"{error.id},Microsoft.PowerShell.Commands.GetCommandCommand", str(error), kind=error.exception, category=error.category)
        shell.fields["Streams"].fields["Error"].items.append(Record(thrown))
        return []
    if len(shell.fields["commands"]) == 1:
        return [Simple("CommandInfo", Name=emulated.name, ModuleName=signature.module)]
    return [_parameters(signature)]


def _parameters(signature: catalogue.Signature) -> Map:
    found = Map()
    for name, parameter in signature.parameters.items():
        found.put(name, Simple("ParameterMetadata", Name=name, ParameterType=TYPES.get(parameter.type.removeprefix("System."), parameter.type)))
    return found


def _done(shell: Simple, out: NetList, outcome: Outcome) -> None:
    streams = shell.fields["Streams"].fields
    shell.fields["left"] = float("inf") if outcome.hang else outcome.seconds
    out.items += [net(value) for value in outcome.objects]
    streams["Warning"].items += [Simple("WarningRecord", Message=text) for text in outcome.warnings]
    if outcome.info_text:
        streams["Information"].items.append(Simple("InformationRecord", MessageData=outcome.info_text))
    for error in outcome.errors:
        if error.terminating:
            shell.fields["thrown"] = _thrown(error)
        else:
            streams["Error"].items.append(Record(_thrown(error)))


def _thrown(error: ErrorRecord) -> Thrown:
    return Thrown(error.id, error.message, kind=error.exception, category=error.category)


def python(value: Any) -> Any:
    """A value of the reading as a cmdlet of the emulator takes it; what is still sealed stays so."""
    match value:
        case Map():
            return {key: python(held) for key, held in value.pairs()}
        case list():
            return [python(held) for held in value]
        case Secure():
            return "System.Security.SecureString"
    return value


def net(value: Any) -> Any:
    """A value of the emulator as the reading shows it."""
    match value:
        case Mapping():
            return Row({str(name): net(held) for name, held in value.items()})
        case list() | tuple():
            return [net(held) for held in value]
    return EnumName(value) if isinstance(value, str) and type(value) is not str else value
