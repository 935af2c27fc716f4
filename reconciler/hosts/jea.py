"""A restricted endpoint (JEA) in files: role capability, session configuration, and in mode function the module with the invoker.

`reconcile jea` writes them, a person registers them; nothing here reaches a host. The texts are made of names and literals, the same for
the same specs. What the emulated endpoint reads of them is what Windows would (about_Role_Capability_Files, about_Session_Configuration_Files).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.calls import EXECUTABLE, Call
from reconciler.hosts.psrp.greeting import QUESTIONS
from reconciler.signatures import catalogue
from reconciler.wire import powershell
from reconciler.wire.codec import encode

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
GROUP = re.compile(r"[^\x00-\x1f'\"`$\\/]{1,64}\\[^\x00-\x1f'\"`$\\/]{1,256}")
DEFAULT_GROUP = "BUILTIN\\Remote Management Users"
MODES = ("function", "cmdlet")
NAMESPACE = uuid.UUID("8d4b8f0c-5f6a-4d0e-9a58-0c1a6f6f2b57")
VERSION = "1.0.0"
BATCH = "Invoke-Batch"
BUILT_IN = "Microsoft.PowerShell."
PATHS = ("Get-ChildItem", "Get-ItemProperty")
MODULES = "C:\\Program Files\\WindowsPowerShell\\Modules"

UNFENCED_FUNCTION = (
    f"{BATCH} is the fence: Windows does not look into it. It runs as an administrator of the host, and keeps to the list in the module.",
    "Which values go into the parameters of a listed cmdlet is not fenced: Remove-VMSwitch removes any switch, Remove-Item takes any path.",
    "So whoever may connect could make himself an administrator: give the group to accounts that might be, and no others.",
    "A listed program may do whatever its arguments say: msiexec installs any package that can be reached, as administrator.",
    "Deploy-Eflow, and commands in the EFLOW guest, are powerful in themselves: they make a VM, and run as root in it.",
    f"The product's record in HKLM:\\SOFTWARE\\reconciler, its lease and its jobs under Program Files are written by {BATCH} itself.",
    "A kind that is no more in the specs is not in the list either: what is left of it on a host can then not be removed through this role.",
)
UNFENCED_CMDLET = (
    "The cmdlets run as an administrator of the host. They read; what they read is not fenced beyond their parameters.",
    "A cmdlet that no question gives a parameter takes any parameter.",
    "Nothing can be changed, and no record can be read: whether somebody changed a host, or the specs did, is not told apart.",
    "Values are those of these specs: after a change of names write the role again.",
)


@dataclass(frozen=True, slots=True)
class Role:
    """`name` of role, module and configuration alike; `group` may connect."""

    name: str
    group: str = DEFAULT_GROUP


def function_role(role: Role, names: Sequence[str]) -> dict[str, str]:
    """Files by path, for mode function: one visible function, kept to `names`."""
    listed = "".join(f"    {_text(name)}\n" for name in sorted(names, key=str.casefold))
    module = (
        f"# The function of the session configuration {role.name}, made by reconcile. Whatever it is asked, it uses no other names than these.\n"
        f". (Join-Path $PSScriptRoot 'invoker.ps1') -Only @(\n{listed})\n"
    )
    manifest: dict[str, Any] = {"RootModule": f"{role.name}.psm1", "ModuleVersion": VERSION, "GUID": _guid(role, "module"), "Author": "reconcile"}
    manifest |= {
        "Description": f"{BATCH} for {role.name}",
        "PowerShellVersion": "5.1",
        "FunctionsToExport": [BATCH],
        "CmdletsToExport": [],
        "AliasesToExport": [],
    }
    visible = {"ModulesToImport": [role.name], "VisibleFunctions": [f"{role.name}\\{BATCH}"]}
    files = {f"{role.name}.psd1": _table(manifest), f"{role.name}.psm1": module, "invoker.ps1": powershell.invoker()}
    return files | _restricted(role, visible, _function_words(role, names))


def cmdlet_role(role: Role, questions: Iterable[Call]) -> dict[str, str]:
    """Files by path, for mode cmdlet: what reads, with the parameters and the values that these questions have."""
    known = catalogue().cmdlets
    asked = _by_name((*questions, *QUESTIONS))
    visible: dict[str, list[Any]] = {"ModulesToImport": [role.name], "VisibleProviders": _providers(asked), "VisibleCmdlets": [], "VisibleFunctions": []}
    for name, calls in asked.items():
        parameters = _parameters(calls)
        kind = "VisibleCmdlets" if known[name].compiled else "VisibleFunctions"  # CDXML and script modules have functions
        visible[kind].append({"Name": name, "Parameters": parameters} if parameters else name)
    modules = sorted({known[name].module for name in asked if not known[name].module.startswith(BUILT_IN)})
    module = (
        f"# The modules of the session configuration {role.name}, made by reconcile. Only those that are on the host: of a name in the role that\n"
        "# carries its module, or of a module to import that is not there, no session would open.\n"
        f"foreach ($name in @(\n{''.join(f'    {_text(name)}{chr(10)}' for name in modules)})) {{\n"
        "    if (Get-Module -ListAvailable -Name $name) { Import-Module -Name $name -Global }\n}\nExport-ModuleMember\n"
    )
    manifest: dict[str, Any] = {"RootModule": f"{role.name}.psm1", "ModuleVersion": VERSION, "GUID": _guid(role, "module"), "Author": "reconcile"}
    manifest |= {"Description": f"The modules of {role.name}", "FunctionsToExport": [], "CmdletsToExport": [], "AliasesToExport": []}
    files = {f"{role.name}.psd1": _table(manifest), f"{role.name}.psm1": module}
    return files | _restricted(role, {kind: entries for kind, entries in visible.items() if entries}, _cmdlet_words(role))


def _restricted(role: Role, visible: Mapping[str, Any], words: str) -> dict[str, str]:
    about = {"Author": "reconcile", "Description": f"What the specs of reconcile need, for {role.name}"}
    capability = {"GUID": _guid(role, "role"), **about, **visible}
    session: dict[str, Any] = {"SchemaVersion": "2.0.0.0", "GUID": _guid(role, "session"), **about}
    session |= {"SessionType": "RestrictedRemoteServer", "RunAsVirtualAccount": True}
    session |= {"RoleDefinitions": {role.group: {"RoleCapabilities": [role.name]}}}
    return {f"RoleCapabilities/{role.name}.psrc": _table(capability), f"{role.name}.pssc": _table(session), "README.txt": words}


def _providers(asked: Mapping[str, Sequence[Call]]) -> list[str]:
    """Without them no path of theirs is found in a restricted session."""
    paths = [str(item) for name in PATHS for call in asked.get(name, ()) for item in _items(encode(call.parameters.get("Path")))]
    return sorted({"Registry" if path.startswith("HK") else "FileSystem" for path in paths})


def _by_name(calls: Iterable[Call]) -> dict[str, list[Call]]:
    found: dict[str, list[Call]] = {}
    for call in calls:
        found.setdefault(call.name, []).append(call)
    return dict(sorted(found.items()))


def _parameters(calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Those that the questions give, each with its set of values where all of them are texts."""
    names = sorted({name for call in calls for name in call.parameters})
    found: list[dict[str, Any]] = []
    for name in names:
        values = [item for call in calls if name in call.parameters for item in _items(encode(call.parameters[name]))]
        texts = all(isinstance(item, str) for item in values)
        found.append({"Name": name, "ValidateSet": sorted({value.casefold(): value for value in values}.values())} if texts else {"Name": name})
    return found


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _function_words(role: Role, names: Sequence[str]) -> str:
    programs = [name for name in names if EXECUTABLE.fullmatch(name)]
    cmdlets = len(names) - len(programs)
    kept = f"It is kept to {cmdlets} cmdlets and {', '.join(programs) or 'no program'}."
    return _words(role, "function", kept, UNFENCED_FUNCTION)


def _cmdlet_words(role: Role) -> str:
    return _words(role, "cmdlet", "It sees cmdlets that read, with the parameters that are asked with.", UNFENCED_CMDLET)


def _words(role: Role, mode: str, kept: str, unfenced: Sequence[str]) -> str:
    fence = "".join(f"  - {line}\n" for line in unfenced)
    return f"""\
{role.name}: a session configuration of PowerShell for reconcile, mode {mode}. {kept}

What it does not fence
{fence}
On each host, as administrator, in Windows PowerShell; the last line restarts WinRM and so ends every session
  Copy-Item -Recurse -Force .\\{role.name} '{MODULES}'
  Test-PSSessionConfigurationFile -Path '{MODULES}\\{role.name}\\{role.name}.pssc'
  Register-PSSessionConfiguration -Name {role.name} -Path '{MODULES}\\{role.name}\\{role.name}.pssc' -Force
For a newer version of the files: Unregister-PSSessionConfiguration -Name {role.name} first. On a host that lets only signed scripts run, sign
the .ps1, .psm1 and .psd1 files after copying: Set-AuthenticodeSignature. Where the execution policy is Restricted (client Windows), no module
of scripts is loaded: Set-ExecutionPolicy RemoteSigned.

In the host's manifest
  connection: {{transport: psrp, configurationName: {role.name}, mode: {mode}, …}}
Members of {role.group} may connect, and need no rights of administrators.
"""


def _guid(role: Role, what: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{role.name}/{what}"))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _table(table: Mapping[str, Any]) -> str:
    """A data file: one hashtable of literals."""
    return f"@{{\n{''.join(f'    {_key(name)} = {_literal(value, 1)}{chr(10)}' for name, value in table.items())}}}\n"


def _key(name: str) -> str:
    return name if NAME.fullmatch(name) else _text(name)


def _literal(value: Any, depth: int) -> str:
    pad = "    " * (depth + 1)
    match value:
        case bool():
            return "$true" if value else "$false"
        case str():
            return _text(value)
        case Mapping():
            return "@{ " + "; ".join(f"{_key(str(name))} = {_literal(item, depth)}" for name, item in value.items()) + " }"
        case []:
            return "@()"
    return f"@(\n{''.join(f'{pad}{_literal(item, depth + 1)}{chr(10)}' for item in value)}{'    ' * depth})"
