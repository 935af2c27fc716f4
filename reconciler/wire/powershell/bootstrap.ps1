#HVBOOT: takes the invoker as the first line of standard input and hands it that input and the output, both as bytes.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$language = [string]$ExecutionContext.SessionState.LanguageMode
if ($language -ne 'FullLanguage') { '#HVBOOT mode ' + $language; exit 41 }
try {
    $utf8 = New-Object Text.UTF8Encoding $false
    $reader = New-Object IO.StreamReader([Console]::OpenStandardInput(65536), $utf8, $false, 65536)
    $pipe = [Console]::OpenStandardOutput()
    $line = $reader.ReadLine()
    if (-not $line) { throw 'empty' }
    $packed = New-Object IO.MemoryStream(, [Convert]::FromBase64String($line))
    $plain = New-Object IO.Compression.GZipStream($packed, [IO.Compression.CompressionMode]::Decompress)
    $text = (New-Object IO.StreamReader($plain, $utf8)).ReadToEnd()
    if (-not $text.EndsWith('#HVEND' + [char]10, [StringComparison]::Ordinal)) { throw 'torn' }
    $invoker = [ScriptBlock]::Create($text)
} catch { '#HVBOOT fail ' + $_.FullyQualifiedErrorId; exit 42 }
& $invoker $reader $pipe
exit 0
