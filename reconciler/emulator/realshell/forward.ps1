# In a real PowerShell: asks the emulated machine over a loopback socket, one question a connection. JSON goes there, CLIXML comes back.
# Read by standin.ps1, and by the runspace of the calls, where nothing but .NET and PowerShell's core is at hand.
$ForwardTypes = @{}

function Get-Literal([string]$Text) {
    return [Newtonsoft.Json.JsonConvert]::ToString($Text, [char]34, [Newtonsoft.Json.StringEscapeHandling]::EscapeNonAscii)
}
function Get-Spoken($Value) {                     # a value as the wire shows it, secrets included: nobody else hears it
    $invariant = [Globalization.CultureInfo]::InvariantCulture
    if ($null -eq $Value) { return 'null' }
    if ($Value -is [string] -or $Value -is [char]) { return Get-Literal ([string]$Value) }
    if ($Value -is [bool] -or $Value -is [switch]) { if ($Value) { return 'true' } else { return 'false' } }
    if ($Value -is [enum]) { return Get-Literal ($Value.ToString()) }
    if ($Value -is [timespan]) { return '{"$ts":' + $Value.Ticks.ToString($invariant) + '}' }
    if ($Value -is [datetime]) {
        if ($Value.Kind -eq 'Unspecified') { return '{"$dtu":' + (Get-Literal ($Value.ToString('o', $invariant))) + '}' }
        return '{"$dt":' + (Get-Literal ($Value.ToUniversalTime().ToString('o', $invariant))) + '}'
    }
    if ($Value -is [double] -or $Value -is [single] -or $Value -is [decimal]) { return $Value.ToString('R', $invariant) }
    if ($Value -is [ValueType] -and $Value -is [IFormattable] -and $Value -isnot [guid]) { return $Value.ToString('D', $invariant) }
    if ($Value -is [byte[]]) { return '{"$b64":' + (Get-Literal ([Convert]::ToBase64String($Value))) + '}' }
    if ($Value -is [securestring]) { return '{"$secure":' + (Get-Literal ([Net.NetworkCredential]::new('', $Value).Password)) + '}' }
    if ($Value -is [pscredential]) { return '{"$cred":[' + (Get-Literal $Value.UserName) + ',' + (Get-Literal ($Value.GetNetworkCredential().Password)) + ']}' }
    if ($Value -is [Collections.IDictionary]) {
        $pairs = foreach ($entry in ([Collections.IDictionary]$Value).GetEnumerator()) { '[' + (Get-Literal ([string]$entry.Key)) + ',' + (Get-Spoken $entry.Value) + ']' }
        return '{"$map":[' + ($pairs -join ',') + ']}'
    }
    if ($Value -is [Net.IPAddress] -or $Value -is [version] -or $Value -is [uri] -or $Value -is [guid]) { return Get-Literal ($Value.ToString()) }
    if ($Value -is [Collections.IEnumerable]) {
        $items = foreach ($item in $Value) { Get-Spoken $item }
        return '[' + ($items -join ',') + ']'
    }
    $pairs = foreach ($property in $Value.PSObject.Properties) { '[' + (Get-Literal $property.Name) + ',' + (Get-Spoken $property.Value) + ']' }
    return '{"$map":[' + ($pairs -join ',') + ']}'
}
function Send-Question([string]$Verb, $Fields) {
    $client = [Net.Sockets.TcpClient]::new('127.0.0.1', [int]$env:EMULATED_PORT)
    try {
        $stream = $client.GetStream()
        $asked = '{"token":' + (Get-Literal $env:EMULATED_TOKEN) + ',"do":' + (Get-Literal $Verb) + ',"fields":' + (Get-Spoken $Fields) + "}`n"
        $bytes = [Text.Encoding]::ASCII.GetBytes($asked)
        $stream.Write($bytes, 0, $bytes.Length)
        $answer = [IO.StreamReader]::new($stream, [Text.UTF8Encoding]::new($false)).ReadToEnd()
    } finally { $client.Dispose() }
    if (-not $answer) { throw 'the emulated machine does not answer any more' }
    return [Management.Automation.PSSerializer]::Deserialize($answer)
}
function Get-NamedType([string]$Name) {           # an exception of Windows that this engine does not know, by its name
    if (-not $ForwardTypes[$Name]) {
        $assembly = [Reflection.Emit.AssemblyBuilder]::DefineDynamicAssembly([Reflection.AssemblyName]::new('Emulated'), 'Run')
        $type = $assembly.DefineDynamicModule('Emulated').DefineType($Name, 'Public', [Exception])
        $code = $type.DefineConstructor('Public', 'Standard', [type[]]@([string])).GetILGenerator()
        $code.Emit([Reflection.Emit.OpCodes]::Ldarg_0)
        $code.Emit([Reflection.Emit.OpCodes]::Ldarg_1)
        $code.Emit([Reflection.Emit.OpCodes]::Call, [Exception].GetConstructor([type[]]@([string])))
        $code.Emit([Reflection.Emit.OpCodes]::Ret)
        $ForwardTypes[$Name] = $type.CreateType()
    }
    return $ForwardTypes[$Name]
}
function New-SaidRecord($Said) {                  # the whole id is put in: PowerShell would add a function's name to it
    $known = $Said.exception -as [type]
    if (-not $known -or -not [Exception].IsAssignableFrom($known) -or -not $known.GetConstructor([type[]]@([string]))) { $known = Get-NamedType $Said.exception }
    $category = $Said.category -as [Management.Automation.ErrorCategory]
    if ($null -eq $category) { $category = [Management.Automation.ErrorCategory]::NotSpecified }
    $record = [Management.Automation.ErrorRecord]::new($known::new([string]$Said.message), 'Emulated', $category, $null)
    [Management.Automation.ErrorRecord].GetField('_serializedFullyQualifiedErrorId', 'NonPublic,Instance').SetValue($record, [string]$Said.id)
    return $record
}
function Send-Emulated($Cmdlet, [string]$Name, $Bound) {
    $answer = Send-Question 'run' @{ name = $Name; parameters = $Bound }
    foreach ($text in $answer.info) { $Cmdlet.WriteInformation($text, [string[]]@()) }
    foreach ($text in $answer.warnings) { $Cmdlet.WriteWarning($text) }
    foreach ($item in $answer.objects) { $Cmdlet.WriteObject($item, $false) }
    foreach ($said in $answer.errors) {
        $record = New-SaidRecord $said
        if ($said.terminating) { $Cmdlet.ThrowTerminatingError($record) } else { $Cmdlet.WriteError($record) }
    }
}
