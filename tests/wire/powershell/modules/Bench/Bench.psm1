# For tests: commands that misbehave as commands of Windows may, in a module of their own.
$script:Counted = 0
function Get-Echo { [CmdletBinding()] param($Value) , $Value }
function Get-Kind { [CmdletBinding()] param([string]$Text, [securestring]$Sealed, [timespan]$Span, [switch]$On)
    [pscustomobject]@{ Text = $Text; Length = $Text.Length; Sealed = [Net.NetworkCredential]::new('', $Sealed).Password.Length; Minutes = $Span.TotalMinutes; On = $On } }
function Get-Private { [CmdletBinding()] param() $script:Counted++; $script:Counted }
function Wait-Blocked { [CmdletBinding()] param([int]$Seconds) [Threading.Thread]::Sleep($Seconds * 1000) }
function Wait-Politely { [CmdletBinding()] param([int]$Seconds) 'begun'; Microsoft.PowerShell.Utility\Start-Sleep -Seconds $Seconds }
function Add-Line { [CmdletBinding()] param([string]$Path, [int]$Seconds)
    [IO.File]::AppendAllText($Path, "begun`n"); [Threading.Thread]::Sleep($Seconds * 1000); [IO.File]::AppendAllText($Path, "ended`n") }
function Show-Noise { [CmdletBinding()] param()
    Write-Host 'on the host'; Write-Warning 'a warning'; Write-Verbose 'wordy' -Verbose; Write-Debug 'deep' -Debug; Write-Information 'told' -InformationAction Continue
    Write-Progress -Activity 'half' -PercentComplete 50; [Console]::WriteLine('on the console'); [Console]::Out.Write('#HVab 2 {}'); 'answer' }
function Stop-Here { [CmdletBinding()] param() exit 3 }
function Write-Both { [CmdletBinding()] param() Write-Error 'first' -ErrorId One; Write-Error 'second' -ErrorId Two; 'after' }
function Remove-Much { [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')] param() if ($PSCmdlet.ShouldProcess('all')) { 'gone' } }
Export-ModuleMember -Function *
