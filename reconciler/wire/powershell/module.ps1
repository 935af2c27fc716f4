#HVBOOT: takes the invoker, packed, as its argument and makes it a module of this runspace, which then has Invoke-Batch.
param([string]$Packed)
$ErrorActionPreference = 'Stop'
$language = [string]$ExecutionContext.SessionState.LanguageMode
if ($language -ne 'FullLanguage') { '#HVBOOT mode ' + $language; return }
try {
    $bytes = New-Object IO.MemoryStream(, [Convert]::FromBase64String($Packed))
    $plain = New-Object IO.Compression.GZipStream($bytes, [IO.Compression.CompressionMode]::Decompress)
    $text = (New-Object IO.StreamReader($plain, (New-Object Text.UTF8Encoding $false))).ReadToEnd()
    if (-not $text.EndsWith('#HVEND' + [char]10, [StringComparison]::Ordinal)) { throw 'torn' }
    $module = New-Module -Name 'reconciler' -ArgumentList ([ScriptBlock]::Create($text)) -ScriptBlock { param($invoker) . $invoker }
    Import-Module -ModuleInfo $module -Global
} catch { '#HVBOOT fail ' + $_.FullyQualifiedErrorId }
