"""A real PowerShell opens what is written for hosts: our script that makes the invoker a module, and both roles of `reconcile jea`.

Skipped where no PowerShell is (RECONCILE_PWSH, else pwsh on the path). It is not Windows: no cmdlets of Windows, no registration, no virtual account.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from reconciler.hosts.jea import Role, cmdlet_role, function_role
from reconciler.wire import powershell
from tests.hosts.psrp.test_jea import granted
from tests.wire.powershell.pwsh import found

pytestmark = pytest.mark.skipif(found() is None, reason="no PowerShell here: what opens in one is unjudged")

# Each step is a pipeline of its own in one runspace; what it gives, or the id of what it ends with.
DRIVER = r"""
param([string]$File)
$case = Get-Content -Raw -LiteralPath $File | ConvertFrom-Json
$env:PSModulePath = $case.modules + [IO.Path]::PathSeparator + $env:PSModulePath
$state = [Management.Automation.Runspaces.InitialSessionState]::CreateDefault2()
if ($case.configuration) {
    $state = [Management.Automation.Runspaces.InitialSessionState]::CreateFromSessionConfigurationFile($case.configuration, [Func[string, bool]]{ $true })
}
$runspace = [runspacefactory]::CreateRunspace($state)
$runspace.Open()
$said = foreach ($step in $case.steps) {
    $shell = [powershell]::Create()
    $shell.Runspace = $runspace
    if ($step.script) { [void]$shell.AddScript([string]$step.script) } else { [void]$shell.AddCommand([string]$step.command) }
    if ($step.argument) { [void]$shell.AddArgument([string]$step.argument) }
    if ($step.parameters) { foreach ($p in $step.parameters.PSObject.Properties) { [void]$shell.AddParameter($p.Name, $p.Value) } }
    try { $out = @($shell.Invoke() | ForEach-Object { "$_" }); $id = "$(@($shell.Streams.Error)[0].FullyQualifiedErrorId)" }
    catch { $out = @(); $id = $_.Exception.InnerException.ErrorRecord.FullyQualifiedErrorId }
    @{ out = $out; id = $id }
}
'#RESULT ' + (ConvertTo-Json -Compress -Depth 5 @($said))
"""
LINE = '{"id": 1, "nonce": "aa", "calls": [{"c": "Get-Date"}]}'
BATCH = {"command": "Invoke-Batch", "parameters": {"Json": LINE}}


def ran(folder: Path, steps: list[Mapping[str, Any]], configuration: str = "") -> list[dict[str, Any]]:
    program = found()
    assert program is not None
    (folder / "driver.ps1").write_text(DRIVER, encoding="ascii")
    case = {"modules": str(folder), "configuration": str(folder / configuration) if configuration else "", "steps": steps}
    (folder / "case.json").write_text(json.dumps(case), encoding="ascii")
    words = [program, "-NoProfile", "-NonInteractive", "-File", str(folder / "driver.ps1"), str(folder / "case.json")]
    done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("#RESULT ")), None)
    assert line is not None, done.stdout + done.stderr
    said: list[dict[str, Any]] = json.loads(line.removeprefix("#RESULT "))
    return said


@cache
def roles() -> tuple[Mapping[str, str], Mapping[str, str]]:
    what = granted("kiosk.yaml", "plant.yaml", "azure.yaml")
    return function_role(Role("Edge"), what.names), cmdlet_role(Role("Looks"), what.questions)


def laid(folder: Path, name: str, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / name / path).write_bytes(text.encode())


def test_our_script_makes_the_invoker_a_module(tmp_path: Path) -> None:
    packed = powershell.invoker_line().decode("ascii").strip()
    print_ = {"script": "& (Get-Module reconciler) { Get-Sha $Self }"}
    prepared, first, again, itself, torn = ran(
        tmp_path, [{"script": powershell.module(), "argument": packed}, BATCH, BATCH, print_, {"script": powershell.module(), "argument": "H4sI"}]
    )
    assert prepared == {"out": [], "id": ""}
    assert "NotAllowed" in first["out"][0]
    assert again == first
    assert itself["out"] == [powershell.sha256()]
    assert torn["out"] == ["#HVBOOT fail torn"]


def test_the_function_role_opens_and_lets_through_one_function(tmp_path: Path) -> None:
    laid(tmp_path, "Edge", roles()[0])
    steps: list[Mapping[str, Any]] = [
        {"command": "Get-Command"},
        BATCH,
        {"command": "Edge\\Invoke-Batch", "parameters": {"Json": LINE}},
        {"script": "1 + 1"},
        {"command": "Get-Date"},
    ]
    visible, *batches, script, other = ran(tmp_path, steps, "Edge/Edge.pssc")
    assert "Invoke-Batch" in visible["out"]
    assert not {name for name in visible["out"] if name.startswith(("New-", "Set-", "Remove-"))}
    assert all("NotAllowed" in said["out"][0] for said in batches)
    assert (script["id"], other["id"]) == ("ScriptsNotAllowed", "CommandNotFoundException")


def test_the_cmdlet_role_opens_without_the_modules_and_keeps_to_its_parameters(tmp_path: Path) -> None:
    laid(tmp_path, "Looks", roles()[1])
    laid(tmp_path, "NetAdapter", {"NetAdapter.psm1": "function Get-NetAdapter { [CmdletBinding()]param([string]$Name) 'adapter ' + $Name }\n"})
    steps: list[Mapping[str, Any]] = [
        {"command": "Get-Command"},
        {"command": "Get-NetAdapter"},
        {"command": "Get-NetNat"},
        {"command": "Get-ChildItem", "parameters": {"Path": "/"}},
        {"command": "Get-ChildItem", "parameters": {"Recurse": True}},
        {"command": "Select-Object", "parameters": {"First": 1}},
    ]
    visible, there, *refused = ran(tmp_path, steps, "Looks/Looks.pssc")
    assert {"Get-NetAdapter", "Get-ChildItem", "Get-ItemProperty"} <= set(visible["out"])
    assert there["out"] == ["adapter "]
    wanted = ["CommandNotFoundException", "ParameterArgumentValidationError,Get-ChildItem", "NamedParameterNotFound,Get-ChildItem"]
    assert [said["id"] for said in refused] == [*wanted, "NamedParameterNotFound,Select-Object"]
