# For tests: the six functions of the invoker that touch Windows, over a folder. The bootstrap of the tests hands it over, the product never does.
$Limits.Grace = 1.5
function Get-Store([string]$Key) {
    $found = New-Object 'Collections.Generic.Dictionary[string,string]' ([StringComparer]::OrdinalIgnoreCase)
    $folder = $env:STANDIN_ROOT + '/store/' + $Key.Replace('\', '/')
    if ([IO.Directory]::Exists($folder)) { foreach ($path in [IO.Directory]::GetFiles($folder)) { $found[[IO.Path]::GetFileName($path)] = [IO.File]::ReadAllText($path) } }
    return $found
}
function Set-Store([string]$Key, [string]$Name, $Text) {
    $folder = $env:STANDIN_ROOT + '/store/' + $Key.Replace('\', '/')
    [void][IO.Directory]::CreateDirectory($folder)
    $path = [IO.Path]::Combine($folder, $Name)
    if ($null -eq $Text) { [IO.File]::Delete($path) } else { Write-Whole $path $Text }
}
function Get-Facts {
    $said = Read-Json ([IO.File]::ReadAllText($env:STANDIN_ROOT + '/facts'))
    $facts = [ordered]@{ booted = $null; log = [ordered]@{}; root = $env:STANDIN_ROOT }
    foreach ($name in $said.get_Keys()) { $facts[$name] = $said[$name] }
    return $facts
}
function Start-Detached([string]$Text) {
    $whole = $Text + ' -StandIn ([ScriptBlock]::Create([IO.File]::ReadAllText($env:STANDIN_FILE)))'
    $start = New-Object Diagnostics.ProcessStartInfo
    $start.FileName = 'setsid'
    $start.UseShellExecute = $false
    $code = [Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes($whole))
    $shell = 'exec "$0" "$@" </dev/null >/dev/null 2>>"$STANDIN_ROOT/runner-errors"'
    foreach ($word in '--fork', 'sh', '-c', $shell, $env:STANDIN_POWERSHELL, '-NoProfile', '-NonInteractive', '-EncodedCommand', $code) { [void]$start.ArgumentList.Add($word) }
    $launcher = [Diagnostics.Process]::Start($start)
    [void]$launcher.WaitForExit(5000)
    return $true
}
function Stop-Tree([int]$Id) {
    try { [Diagnostics.Process]::GetProcessById($Id).Kill($true) } catch { return }
}
function Get-Started([int]$Id) {
    try {
        $line = [IO.File]::ReadAllText('/proc/' + $Id + '/stat')
        $fields = $line.Substring($line.LastIndexOf(')') + 2).Split(' ')
        if ($fields[0] -eq 'Z' -or $fields[0] -eq 'X') { return [long]0 }
        return [long]$fields[19] * 100000
    } catch { return [long]0 }
}
