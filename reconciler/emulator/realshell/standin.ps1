# Handed to the invoker as its StandIn in a real PowerShell of an emulated host. Its six functions ask the emulated machine. Three more are
# put over by aliases: the clock and programs, which are the machine's too, and the runspace of calls, which has the stub modules and
# loads no others: a call must never reach a cmdlet of the computer that the emulator runs on.
. ([ScriptBlock]::Create([IO.File]::ReadAllText([IO.Path]::Combine($env:EMULATED_FOLDER, 'forward.ps1'))))

function Get-Store([string]$Key) {
    $found = New-Object 'Collections.Generic.Dictionary[string,string]' ([StringComparer]::OrdinalIgnoreCase)
    foreach ($pair in (Send-Question 'store' @{ key = $Key }).pairs) { $found[$pair[0]] = $pair[1] }
    return $found
}
function Set-Store([string]$Key, [string]$Name, $Text) { [void](Send-Question 'put' @{ key = $Key; name = $Name; text = $Text }) }
function Get-Facts {
    $said = Send-Question 'facts' @{}
    if ($said.refused) { Stop-With $said.refused $said.text }
    $facts = [ordered]@{ log = [ordered]@{} }
    foreach ($property in $said.PSObject.Properties) { if ($property.Name -ne 'log') { $facts[$property.Name] = $property.Value } }
    foreach ($pair in $said.log) { $facts.log[$pair[0]] = $pair[1] }
    return $facts
}
function Start-Detached([string]$Text) { return [bool](Send-Question 'detach' @{ text = $Text }).done }
function Stop-Tree([int]$Id) { [void](Send-Question 'stop' @{ id = $Id }) }
function Get-Started([int]$Id) { return [long](Send-Question 'started' @{ id = $Id }).ticks }

function Get-EmulatedClock { return [double](Send-Question 'clock' @{}).seconds }
function Invoke-EmulatedProgram($Call, [long]$Ms) {
    $path = [string]$Call['x']
    if ($path -notmatch $RxProgram -or -not $State.Allow -or -not $State.Allow.Contains($path)) { return New-Refusal 'NotAllowed' $path }
    if (Find-Secret $Call['a']) { Stop-With 'NoSecret' 'a program takes no secret' }
    $line = Get-Arguments $Call ($path -match '[\\/]msiexec\.exe\z')
    $words = New-Object 'Collections.Generic.List[string]'
    if ($Call['a'] -is [array]) {
        foreach ($item in $Call['a']) {
            $given = Get-Argument $item
            if ($null -eq $given) { $words.Add('') } else { $words.Add([string]::Format($Invariant, '{0}', $given)) }
        }
    }
    $said = Send-Question 'program' @{ path = $path; arguments = $words; ms = $Ms }
    $result = New-Result
    $result.cut = $said.cut
    $result.exit = $said.exit
    $result.out = @([ordered]@{ exit = $said.exit; out = $said.out; err = $said.err; lost = 0; open = $false; line = $line })
    return $result
}
function Open-EmulatedRunspace {
    if ($State.Runspace) { return }
    & $ExecutionContext.InvokeCommand.GetCommand('Open-Runspace', 'Function')
    $State.Runspace.SessionStateProxy.SetVariable('PSModuleAutoLoadingPreference', 'None')
    $shell = [powershell]::Create()
    $shell.Runspace = $State.Runspace
    foreach ($name in 'forward.ps1', 'stubs.ps1') {
        [void]$shell.AddScript([IO.File]::ReadAllText([IO.Path]::Combine($env:EMULATED_FOLDER, $name)), $false).AddStatement()
    }
    [void]$shell.Invoke()
    if ($shell.HadErrors) { throw $shell.Streams.Error[0] }
    $shell.Dispose()
}
Set-Alias -Name Get-Clock -Value Get-EmulatedClock
Set-Alias -Name Invoke-Program -Value Invoke-EmulatedProgram
Set-Alias -Name Open-Runspace -Value Open-EmulatedRunspace
