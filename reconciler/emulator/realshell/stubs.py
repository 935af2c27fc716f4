"""Functions with real parameter binding for every cmdlet that the emulated machines know, made from the official signatures.

`shells` writes them to a folder once; `standin.ps1` makes modules of them in a real PowerShell. Each hands what was bound to the machine.
Not modelled: positions, pipeline input, types of Windows that are not in .NET (any object goes), values that an enum type would refuse
with the ids of compiled cmdlets. The emulated binder looks at every call again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from reconciler.emulator import catalogue
from reconciler.emulator.catalogue import ALL, COMMON, Parameter, Signature
from reconciler.emulator.cmdlets import load
from reconciler.emulator.convert import bare_type

SHOULD = ("WhatIf", "Confirm")
# In PowerShell's own words; what is not here may be any object, or text where the values are known.
TYPES: Mapping[str, str] = {
    "SwitchParameter": "switch",
    "Boolean": "bool",
    "Int32": "int",
    "Int64": "long",
    "IPAddress": "Net.IPAddress",
    **{name: name for name in ("String", "Byte", "Int16", "UInt16", "UInt32", "UInt64", "Single", "Double", "DateTime", "TimeSpan")},
    **{name: name for name in ("Guid", "Uri", "Version", "SecureString", "Hashtable", "PSCredential", "ScriptBlock")},
}
# What the invoker itself uses of a module that the runspace of calls does not load.
OWN = {
    "Microsoft.PowerShell.Utility": "function Select-Object { [CmdletBinding()] param([Parameter(ValueFromPipeline)]$InputObject, [string]$ExpandProperty)\n"
    "process { $InputObject.$ExpandProperty } }"
}


def modules() -> str:
    """The script that makes all stub modules."""
    found: dict[str, list[Signature]] = defaultdict(list)
    for emulated in load().values():
        signature = catalogue.find(emulated.name)
        if signature is not None:
            found[signature.module].append(signature)
    return "\n".join(_module(name, members) for name, members in sorted(found.items()))


def _module(name: str, members: list[Signature]) -> str:
    body = "\n".join([*(function(member) for member in sorted(members, key=lambda member: member.name)), OWN.get(name, "")])
    return f"New-Module -Name {_quoted(name)} -ScriptBlock {{\n{body}\nExport-ModuleMember -Function *\n}} | Import-Module -Global -DisableNameChecking"


def function(signature: Signature) -> str:
    """One cmdlet as an advanced function."""
    sets = [one for one in signature.sets if one.name != ALL]
    default = next((one.name for one in sets if one.default), None)
    binding = [f"DefaultParameterSetName = {_quoted(default)}"] if default and len(sets) > 1 else []
    if any(name in signature.parameters for name in SHOULD):
        binding.append("SupportsShouldProcess")
    own = [parameter for name, parameter in signature.parameters.items() if name not in COMMON and name not in SHOULD]
    shared = ",\n".join(_parameter(signature, parameter) for parameter in own)
    call = f"Send-Emulated $PSCmdlet {_quoted(signature.name)} $PSBoundParameters"
    return f"function {signature.name} {{\n[CmdletBinding({', '.join(binding)})]\nparam(\n{shared})\n{call}\n}}"


def _parameter(signature: Signature, parameter: Parameter) -> str:
    attributes = list(_attributes(signature, parameter))
    known = {name.casefold() for name in (*signature.parameters, *COMMON)}
    aliases = [alias for alias in parameter.aliases if alias.casefold() not in known]
    if aliases:
        attributes.append(f"[Alias({', '.join(map(_quoted, aliases))})]")
    if parameter.values and bare_type(parameter.type).removesuffix("[]") not in ("Boolean", "SwitchParameter"):
        attributes.append(f"[ValidateSet({', '.join(map(_quoted, parameter.values))})]")
    return f"{''.join(attributes)}{_type(parameter)}${{{parameter.name}}}"


def _attributes(signature: Signature, parameter: Parameter) -> Iterator[str]:
    for one in signature.sets:
        if parameter.name in one.members:
            parts = [] if one.name == ALL else [f"ParameterSetName = {_quoted(one.name)}"]
            yield f"[Parameter({', '.join([*parts, 'Mandatory'] if parameter.name in one.mandatory else parts)})]"


def _type(parameter: Parameter) -> str:
    kind = bare_type(parameter.type)
    plain = kind.removesuffix("[]")
    literal = TYPES.get(plain) or ("string" if parameter.values else "object")
    return f"[{literal}{kind[len(plain) :]}]"


def _quoted(said: str) -> str:
    return "'" + said.replace("'", "''") + "'"
