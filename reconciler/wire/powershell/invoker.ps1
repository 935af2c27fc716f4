# The invoker of reconcile: lines of JSON in, frames out (docs/wire.md). The same text for Windows PowerShell 5.1 and PowerShell 7.
# Nothing that it is sent ever becomes program text: names are looked up, values are bound as values.
# Ways in: Reader and Pipe from the bootstrap; Detached, a job's id, in a runner; neither, as a module that exports Invoke-Batch
# and, where Only is given, keeps to those names whatever it is asked.
# StandIn is for tests alone: it replaces the six functions of part 1, which are the only ones that touch Windows.
param([IO.TextReader]$Reader, [IO.Stream]$Pipe, [string]$Detached, [scriptblock]$StandIn, [string[]]$Only)
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$Mode = 'function'
if ($Detached) { $Mode = 'job' } elseif ($Reader) { $Mode = 'process' }
$Self = $MyInvocation.MyCommand.ScriptBlock.ToString()
$Tail = '#HV' + 'END' + [char]10
$Self = $Self.Substring(0, $Self.LastIndexOf($Tail, [StringComparison]::Ordinal) + $Tail.Length)          # a signature may follow
$Printed = New-Object IO.StringWriter
if ($Mode -ne 'function') { [Console]::SetOut($Printed) }     # what calls write to the console must not mix with frames
$Invariant = [Globalization.CultureInfo]::InvariantCulture
$Utf8 = New-Object Text.UTF8Encoding $false

$RxCommand = '^(?:[A-Za-z][A-Za-z0-9.-]*\\)?[A-Za-z]+-[A-Za-z0-9]+\z'
$RxParameter = '^[A-Za-z][A-Za-z0-9_]*\z'
$RxProgram = '^(?:[A-Za-z]:\\|/)[^"*?<>|\x00-\x1f]+\.exe\z'
$RxJob = '^[a-z0-9][a-z0-9-]{0,63}\z'
$RxFleet = '^[a-z0-9][a-z0-9-]{0,39}\z'
$RxEntry = '^[0-9a-f]{32}\z'
$RxHolder = '^[\x20-\x7e]{1,200}\z'
$RxNonce = '^[0-9a-f]{0,32}\z'
$RxToken = New-Object Text.RegularExpressions.Regex (('\G[ \t\r]*(?:(?<mark>[\[\]{}:,])' +
    '|"(?<text>(?>[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*)"' +
    '|(?<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)(?![0-9A-Za-z.])' +
    '|(?<word>true|false|null)(?![0-9A-Za-z])|(?<end>\z))'), 'CultureInvariant,ExplicitCapture')
$RxHot = New-Object Text.RegularExpressions.Regex ('[^\x20-\x7e]+', 'CultureInvariant')

$Fillers = '03000200-0400-0500-0006-000700080009', '12345678-1234-5678-90AB-CDDEEFAABBCC', '00020003-0004-0005-0006-000700080009'
$Owners = 'S-1-5-18', 'S-1-5-32-544', 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464'
$Policies = @(@('ModuleLogging', 'EnableModuleLogging'), @('ScriptBlockLogging', 'EnableScriptBlockLogging'), @('Transcription', 'EnableTranscripting'))
$Cuts = 'stopped', 'abandoned', 'killed'          # a write that ended so may still act
$Limits = @{
    Grace = 30; Remembered = 32; Said = 8192; Output = 131072; Packed = 8192; Value = 65536; Arguments = 32000
    Batches = 500; Seconds = 3600; Bytes = 536870912
}

$Empty = New-Object 'Management.Automation.PSDataCollection[psobject]'
$Empty.Complete()
$Answered = New-Object 'Collections.Generic.Dictionary[long,object]'
$Order = New-Object 'Collections.Generic.Queue[long]'
$Parts = @{}
$At = @{ Token = $null }                          # where the JSON reader stands
$Sb = New-Object Text.StringBuilder               # what the JSON writer has written
$State = @{
    Allow = $null; Facts = $null; Wrong = $false; Taint = $false; Cut = $false; Highest = [long]0; Served = 0
    Runspace = $null; Commands = @{}; Outs = @{}; Good = @{}; Skip = @{}; Secrets = $null; Box = $null; OnSaid = $null; SaidAt = [double]0
}

# ---- 1. Windows: six functions, all that a test runner replaces
function Get-Store([string]$Key) {                # every value of a key of ours, by its full name
    $found = New-Object 'Collections.Generic.Dictionary[string,string]' ([StringComparer]::OrdinalIgnoreCase)
    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
    try {
        $opened = $base.OpenSubKey(('SOFTWARE\reconciler\' + $Key).TrimEnd('\'))
        if ($opened) {
            foreach ($name in $opened.GetValueNames()) { $found[$name] = [string]$opened.GetValue($name) }
            $opened.Dispose()
        }
    } finally { $base.Dispose() }
    return $found
}
function Set-Store([string]$Key, [string]$Name, $Text) {      # null deletes; on disk before it returns
    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
    try {
        $rights = New-Object Security.AccessControl.RegistrySecurity
        $rights.SetSecurityDescriptorSddlForm('O:BAG:BAD:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)')
        $top = $base.CreateSubKey('SOFTWARE\reconciler', 'ReadWriteSubTree', $rights)
        $top.Dispose()
        $opened = $base.CreateSubKey(('SOFTWARE\reconciler\' + $Key).TrimEnd('\'))
        if ($null -eq $Text) { $opened.DeleteValue($Name, $false) } else { $opened.SetValue($Name, [string]$Text, 'String') }
        $opened.Flush()
        $opened.Dispose()
    } finally { $base.Dispose() }
}
function Get-Facts {                              # who the machine is, its boot, what it logs, and the folder of the product
    $os = Get-CimInstance -ClassName Win32_OperatingSystem
    $product = Get-CimInstance -ClassName Win32_ComputerSystemProduct
    $kernel = Get-CimInstance -ClassName Win32_Process -Filter 'ProcessId = 4'
    $facts = [ordered]@{
        name = [Environment]::MachineName; uuid = $product.UUID; guid = $null; os = $os.Caption; version = $os.Version; build = $os.BuildNumber
        product = $os.ProductType; boot = $null; booted = $os.LastBootUpTime; log = [ordered]@{}; root = $null
    }
    $facts.boot = $kernel.CreationDate.ToUniversalTime().ToString('o', $Invariant)      # LastBootUpTime moves when the clock is set
    foreach ($hive in 'LocalMachine', 'CurrentUser') {
        $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey($hive, 'Registry64')
        if ($hive -eq 'LocalMachine') {
            $opened = $base.OpenSubKey('SOFTWARE\Microsoft\Cryptography')
            if ($opened) { $facts.guid = $opened.GetValue('MachineGuid') }
        }
        foreach ($edition in 'Windows\PowerShell', 'PowerShellCore') {
            foreach ($policy in $Policies) {
                $place = $hive + '\' + $edition + '\' + $policy[0]
                try {
                    $opened = $base.OpenSubKey('SOFTWARE\Policies\Microsoft\' + $edition + '\' + $policy[0])
                    if ($opened -and $opened.GetValue($policy[1])) { $facts.log[$place] = [int]$opened.GetValue($policy[1]) }
                } catch { $facts.log[$place] = -1 }           # not readable: taken as on
            }
        }
        $base.Dispose()
    }
    $programs = [Environment]::GetEnvironmentVariable('ProgramW6432')
    if (-not $programs) { $programs = [Environment]::GetFolderPath('ProgramFiles') }
    $root = [IO.Path]::Combine($programs, 'reconciler')
    [void][IO.Directory]::CreateDirectory($root)
    $folder = New-Object IO.DirectoryInfo $root
    $owner = (Get-Acl -LiteralPath $root).GetOwner([Security.Principal.SecurityIdentifier]).Value
    $link = $folder.Attributes -band [IO.FileAttributes]::ReparsePoint
    if ($link -or $Owners -notcontains $owner) { Stop-With 'Folder' "$root is a link or owned by $owner" }
    $facts.root = $root
    return $facts
}
function Start-Detached([string]$Text) {          # outside the job object of a WinRM shell, which ends with it; false where Windows refused
    $line = [IO.Path]::Combine([Environment]::SystemDirectory, 'WindowsPowerShell\v1.0\powershell.exe')
    $code = [Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes($Text))
    $line = $line + ' -NoProfile -NonInteractive -ExecutionPolicy RemoteSigned -EncodedCommand ' + $code
    $made = Invoke-CimMethod -ClassName Win32_Process -MethodName Create -Arguments @{ CommandLine = $line }
    return ($made.ReturnValue -eq 0)
}
function Stop-Tree([int]$Id) {
    $killer = [Diagnostics.Process]::Start([IO.Path]::Combine([Environment]::SystemDirectory, 'taskkill.exe'), "/T /F /PID $Id")
    [void]$killer.WaitForExit(10000)
}
function Get-Started([int]$Id) {                  # with the id it names a process; 0 where there is none
    try { return [Diagnostics.Process]::GetProcessById($Id).StartTime.ToUniversalTime().Ticks } catch { return [long]0 }
}
if ($StandIn) { . $StandIn }

# ---- 2. Errors with a stable id, and the text of one
function Stop-With([string]$Id, [string]$Text, $Detail) {
    $cause = New-Object InvalidOperationException $Text
    throw (New-Object Management.Automation.ErrorRecord ($cause, $Id, 'InvalidOperation', $Detail))
}
function New-Refusal([string]$Id, [string]$Seen) {
    return @{ bad = [ordered]@{ fqid = $Id; cat = 'SecurityError'; reason = 'Invoker'; target = $Seen; ex = @() } }
}
function Get-ErrorFields($Record) {
    $chain = New-Object 'Collections.Generic.List[object]'
    $cause = $Record.Exception
    $cim = $null
    while ($cause -and $chain.Count -lt 6) {
        $link = [ordered]@{ type = $cause.GetType().FullName; hr = $cause.HResult; msg = $cause.Message }
        $chain.Add($link)
        if (-not $cim -and $link.type -eq 'Microsoft.Management.Infrastructure.CimException') {
            $cim = [ordered]@{ native = $cause.NativeErrorCode; status = $cause.StatusCode; id = $cause.MessageId; source = $cause.ErrorSource }
        }
        $cause = $cause.InnerException
    }
    $about = $Record.CategoryInfo
    $fields = [ordered]@{
        fqid = [string]$Record.FullyQualifiedErrorId; cat = $about.Category; reason = [string]$about.Reason; target = [string]$about.TargetName; ex = $chain
    }
    if ($cim) { $fields['cim'] = $cim }
    return $fields
}
function Get-Sha([string]$Text) {
    $hash = [Security.Cryptography.SHA256]::Create()
    $bytes = $hash.ComputeHash($Utf8.GetBytes($Text))
    $hash.Dispose()
    return [BitConverter]::ToString($bytes).Replace('-', '').ToLowerInvariant()
}
function Test-Number($Value) {
    return ($Value -is [int] -or $Value -is [long] -or $Value -is [uint64] -or $Value -is [double])
}
function Get-Span($Value, [long]$Default) {       # milliseconds, from one to two hours
    if (-not (Test-Number $Value) -or $Value -eq 0) { return $Default }
    return [long][Math]::Max([double]1, [Math]::Min([double]7200000, [double]$Value))
}

# ---- 3. JSON in: strict and lossless, no dates and no types made of text
function Read-Json([string]$Text) {
    if ([regex]::IsMatch($Text, '[^\x00-\x7f]')) { throw 'json: not ASCII' }
    $At.Token = $RxToken.Match($Text)
    $value = Read-Value 0
    if (-not $At.Token.Groups['end'].Success) { throw 'json: text after the value' }
    return , $value
}
function Step-Over([string]$Mark) {
    if ($At.Token.Groups['mark'].Value -ne $Mark) { return $false }
    $At.Token = $At.Token.NextMatch()
    return $true
}
function Read-Number([string]$Text) {
    $signed = [long]0
    $unsigned = [uint64]0
    if ([long]::TryParse($Text, 'AllowLeadingSign', $Invariant, [ref]$signed)) {
        if ($signed -ge -2147483648 -and $signed -le 2147483647) { return [int]$signed }
        return $signed
    }
    if ([uint64]::TryParse($Text, 'None', $Invariant, [ref]$unsigned)) { return $unsigned }
    $real = [double]::Parse($Text, 'Float', $Invariant)
    if ([double]::IsInfinity($real)) { throw 'json: number out of range' }
    return $real
}
function Read-Value([int]$Depth) {
    $token = $At.Token
    $groups = $token.Groups
    if (-not $token.Success -or $groups['end'].Success) { throw 'json: no value' }
    $At.Token = $token.NextMatch()
    if ($groups['text'].Success) {
        $text = $groups['text'].Value
        if ($text.IndexOf([char]92) -ge 0) { $text = [regex]::Unescape($text) }
        return $text
    }
    if ($groups['number'].Success) { return Read-Number $groups['number'].Value }
    if ($groups['word'].Success) {
        if ($groups['word'].Value -eq 'null') { return $null }
        return ($groups['word'].Value -eq 'true')
    }
    if ($Depth -ge 40) { throw 'json: too deep' }
    if ($groups['mark'].Value -eq '{') { return Read-Map ($Depth + 1) }
    if ($groups['mark'].Value -eq '[') {
        $list = Read-List ($Depth + 1)
        return , $list
    }
    throw 'json: no value'
}
function Read-Map([int]$Depth) {
    $map = New-Object 'Collections.Generic.Dictionary[string,object]'
    if (Step-Over '}') { return $map }
    while ($true) {
        if (-not $At.Token.Groups['text'].Success) { throw 'json: no key' }
        $key = Read-Value $Depth
        if (-not (Step-Over ':')) { throw 'json: no colon' }
        if ($map.ContainsKey($key)) { throw 'json: a key twice' }
        $map.Add($key, (Read-Value $Depth))
        if (Step-Over '}') { return $map }
        if (-not (Step-Over ',')) { throw 'json: no comma' }
    }
}
function Read-List([int]$Depth) {
    $list = New-Object 'Collections.Generic.List[object]'
    if (Step-Over ']') { return , $list.ToArray() }
    while ($true) {
        $list.Add((Read-Value $Depth))
        if (Step-Over ']') { return , $list.ToArray() }
        if (-not (Step-Over ',')) { throw 'json: no comma' }
    }
}

# ---- 4. JSON out: pure ASCII, typed values as tags, objects of other types named and never walked
$Escape = {
    param($found)
    $text = [string]$found
    $bytes = New-Object byte[] ($text.Length * 2)
    [Buffer]::BlockCopy($text.ToCharArray(), 0, $bytes, 0, $bytes.Length)     # not an encoder: that would lose lone surrogates
    return [regex]::Replace([BitConverter]::ToString($bytes), '(..)-(..)-?', '\u$2$1')
}
function Out-Text([string]$Text) {
    $hot = $RxHot.IsMatch($Text)
    if ($hot -and $Text.Length -gt 400) {         # the whole at once: a script block for each run would take seconds
        $Text = & $Escape $Text
    } else {
        $Text = $Text.Replace('\', '\\').Replace('"', '\"')
        if ($hot) { $Text = $RxHot.Replace($Text, $Escape) }
    }
    [void]$Sb.Append('"').Append($Text).Append('"')
}
function Out-Tag([string]$Tag, [string]$Text) {
    [void]$Sb.Append('{"$').Append($Tag).Append('":')
    Out-Text $Text
    [void]$Sb.Append('}')
}
function Out-List($Items, $Select, [int]$Depth) {
    $comma = ''
    [void]$Sb.Append('[')
    foreach ($item in $Items) {
        [void]$Sb.Append($comma)
        $comma = ','
        if ($null -ne $Select) { Out-Selected $item $Select $Depth } else { Out-Value $item $Depth }
    }
    [void]$Sb.Append(']')
}
function Get-Property($Object, [string]$Name) {   # by get_Value: reading it as a member would hide that the getter failed
    $seen = @{ Found = $false; Value = $null; Failed = $null }
    try {
        if ($Object -is [Collections.IDictionary]) {
            $seen.Found = ([Collections.IDictionary]$Object).Contains($Name)
            if ($seen.Found) { $seen.Value = $Object[$Name] }
        } else {
            $property = $Object.PSObject.Properties[$Name]
            if ($null -ne $property) {
                $seen.Found = $true
                $seen.Value = $property.get_Value()
            }
        }
    } catch { $seen.Failed = $_.Exception.GetBaseException().GetType().FullName }
    return $seen
}
function Out-Selected($Object, $Select, [int]$Depth) {
    if ($null -eq $Object) { [void]$Sb.Append('null'); return }
    $comma = ''
    [void]$Sb.Append('{')
    foreach ($wanted in $Select) {
        $name = $wanted
        $inner = $null
        if ($wanted -is [Collections.IDictionary]) { $name = $wanted['n']; $inner = $wanted['s'] }
        [void]$Sb.Append($comma)
        $comma = ','
        Out-Text ([string]$name)
        [void]$Sb.Append(':')
        $seen = Get-Property $Object ([string]$name)
        $value = $seen.Value
        if ($seen.Failed) { Out-Tag 'err' $seen.Failed }
        elseif (-not $seen.Found) { [void]$Sb.Append('{"$absent":true}') }
        elseif ($null -eq $inner) { Out-Value $value $Depth }
        elseif ($value -is [string] -or $value -is [Collections.IDictionary]) { Out-Selected $value $inner ($Depth - 1) }
        elseif ($value -is [Collections.IEnumerable]) { Out-List $value $inner ($Depth - 1) }
        else { Out-Selected $value $inner ($Depth - 1) }
    }
    [void]$Sb.Append('}')
}
function Out-Pairs($Pairs, [int]$Depth) {         # a map; with a $ key of its own it goes as a list of pairs, so that no data poses as a tag
    $tagged = $false
    foreach ($pair in $Pairs) { if (([string]$pair[0]).StartsWith('$')) { $tagged = $true } }
    $comma = ''
    if ($tagged) { [void]$Sb.Append('{"$map":[') } else { [void]$Sb.Append('{') }
    foreach ($pair in $Pairs) {
        [void]$Sb.Append($comma)
        $comma = ','
        if ($tagged) { [void]$Sb.Append('[') }
        Out-Text ([string]$pair[0])
        if ($tagged) { [void]$Sb.Append(',') } else { [void]$Sb.Append(':') }
        Out-Value $pair[1] $Depth
        if ($tagged) { [void]$Sb.Append(']') }
    }
    if ($tagged) { [void]$Sb.Append(']}') } else { [void]$Sb.Append('}') }
}
function Out-Real($Value) {
    $real = [double]$Value
    if ([double]::IsNaN($real) -or [double]::IsInfinity($real)) { Out-Tag 'num' ($real.ToString($Invariant)); return }
    [void]$Sb.Append(([IFormattable]$Value).ToString('R', $Invariant))
}
function Out-Moment($Value) {
    if ($Value.Kind -eq 'Unspecified') { Out-Tag 'dtu' ($Value.ToString('o', $Invariant)) }
    else { Out-Tag 'dt' ($Value.ToUniversalTime().ToString('o', $Invariant)) }
}
function Out-Ticks($Value) { [void]$Sb.Append('{"$ts":').Append($Value.Ticks.ToString($Invariant)).Append('}') }
function Out-Struct($Value) {
    if ($Value -is [int] -or $Value -is [long] -or $Value -is [uint64] -or $Value -is [uint32] -or $Value -is [byte] -or $Value -is [int16] -or
        $Value -is [uint16] -or $Value -is [sbyte]) { [void]$Sb.Append(([IFormattable]$Value).ToString('D', $Invariant)) }
    elseif ($Value -is [enum] -or $Value -is [guid]) { Out-Text ($Value.ToString()) }
    elseif ($Value -is [char]) { Out-Text ([string]$Value) }
    elseif ($Value -is [double] -or $Value -is [single]) { Out-Real $Value }
    elseif ($Value -is [decimal]) { Out-Tag 'dec' (([decimal]$Value).ToString($Invariant)) }
    elseif ($Value -is [timespan]) { Out-Ticks ([timespan]$Value) }
    elseif ($Value -is [datetimeoffset]) { Out-Moment (([datetimeoffset]$Value).UtcDateTime) }
    elseif ($Value -is [datetime]) { Out-Moment ([datetime]$Value) }
    else { Out-Stranger $Value }
}
function Out-Stranger($Value) {
    $said = ''
    try { $said = $Value.ToString() } catch { $said = '' }
    [void]$Sb.Append('{"$type":')
    Out-Text ($Value.GetType().FullName)
    [void]$Sb.Append(',"$str":')
    Out-Text $said
    [void]$Sb.Append('}')
}
function Out-Value($Value, [int]$Depth) {
    if ($null -eq $Value) { [void]$Sb.Append('null') }
    elseif ($Value -is [string]) { Out-Text $Value }
    elseif ($Value -is [bool] -or $Value -is [switch]) { if ($Value) { [void]$Sb.Append('true') } else { [void]$Sb.Append('false') } }
    elseif ($Value -is [ValueType]) { Out-Struct $Value }
    elseif ($Value -is [Security.SecureString] -or $Value -is [Management.Automation.PSCredential]) { [void]$Sb.Append('{"$secret":true}') }
    elseif ($Value -is [scriptblock]) { [void]$Sb.Append('{"$refused":"scriptblock"}') }
    elseif ($Value -is [byte[]]) { Out-Tag 'b64' ([Convert]::ToBase64String($Value)) }
    elseif ($Value -is [version] -or $Value -is [uri] -or $Value -is [Net.IPAddress] -or $Value -is [Net.NetworkInformation.PhysicalAddress] -or
        $Value -is [type] -or $Value -is [Globalization.CultureInfo]) { Out-Text ($Value.ToString()) }
    elseif ($Depth -le 0) { Out-Tag 'cut' ($Value.GetType().FullName) }
    else { Out-Whole $Value ($Depth - 1) }
}
function Out-Whole($Value, [int]$Depth) {         # a dictionary before anything else: its keys could be named like members
    $pairs = New-Object 'Collections.Generic.List[object]'
    if ($Value -is [Collections.IDictionary]) {
        foreach ($entry in ([Collections.IDictionary]$Value).GetEnumerator()) { $pairs.Add(@([string]$entry.Key, $entry.Value)) }
        Out-Pairs $pairs $Depth
    } elseif ($Value -is [Collections.IEnumerable]) {
        Out-List $Value $null $Depth
    } elseif ($Value -is [Management.Automation.PSCustomObject]) {
        foreach ($property in $Value.PSObject.Properties) {
            $read = $null
            try { $read = $property.get_Value() } catch { $read = @{ err = $_.Exception.GetBaseException().GetType().FullName } }
            $pairs.Add(@($property.Name, $read))
        }
        Out-Pairs $pairs $Depth
    } elseif ($Value.GetType().FullName -eq 'Microsoft.Management.Infrastructure.CimInstance') {
        foreach ($property in $Value.CimInstanceProperties) { $pairs.Add(@($property.Name, $property.Value)) }
        Out-Pairs $pairs $Depth
    } else { Out-Stranger $Value }
}
function Clear-Text {
    $Sb.Length = 0
    if ($Sb.Capacity -gt 1048576) { $Sb.Capacity = 4096 }
}
function Get-Body($Value) {
    Clear-Text
    Out-Value $Value 12
    return $Sb.ToString()
}
function Get-Raw($Value) {                        # what Read-Json read, written back as it was: Out-Value cuts and turns tags into data
    if ($Value -is [Collections.IDictionary]) {
        $pairs = New-Object 'Collections.Generic.List[string]'
        foreach ($key in $Value.get_Keys()) { $pairs.Add((Get-Body $key) + ':' + (Get-Raw $Value[$key])) }
        return '{' + [string]::Join(',', $pairs.ToArray()) + '}'
    }
    if ($Value -is [array]) {
        $items = New-Object 'Collections.Generic.List[string]'
        foreach ($item in $Value) { $items.Add((Get-Raw $item)) }
        return '[' + [string]::Join(',', $items.ToArray()) + ']'
    }
    return Get-Body $Value
}

# ---- 5. Arguments: tags, secrets, answers of earlier calls
function Find-Secret($Value) {
    if ($Value -is [Collections.IDictionary]) {
        foreach ($key in $Value.get_Keys()) { if ($key -ceq '$secure' -or $key -ceq '$cred' -or (Find-Secret $Value[$key])) { return $true } }
    } elseif ($Value -is [array]) {
        foreach ($item in $Value) { if (Find-Secret $item) { return $true } }
    }
    return $false
}
function Get-Secure($Given) {                     # text, or in function mode the number of a SecureString that came beside the JSON
    if ($Given -is [int]) {
        if (-not $State.Secrets -or $Given -lt 0 -or $Given -ge $State.Secrets.Length) { Stop-With 'BadTag' 'no such secret' }
        return $State.Secrets[$Given]
    }
    if ($Given -isnot [string]) { Stop-With 'BadTag' 'a secret is text' }
    $secure = New-Object Security.SecureString
    foreach ($letter in $Given.ToCharArray()) { $secure.AppendChar($letter) }
    $secure.MakeReadOnly()
    return $secure
}
function Get-Earlier($Asked) {                    # one property of the one object that a call of this batch gave
    if ($Asked -isnot [array] -or $Asked.Length -ne 2) { Stop-With 'OutFailed' 'names no call and property' }
    $call = $Asked[0]
    if ($call -isnot [int] -or -not $State.Good[$call]) { Stop-With 'OutFailed' "call $call has no good answer" }
    $out = $State.Outs[$call]
    if ($out.Count -eq 0 -or ($out.Count -eq 1 -and $null -eq $out[0])) { Stop-With 'OutNone' "call $call gave no object" }
    if ($out.Count -gt 1) { Stop-With 'OutMany' "call $call gave $($out.Count) objects" }
    $seen = Get-Property $out[0] ([string]$Asked[1])
    if ($seen.Failed) { Stop-With 'OutFailed' "property $($Asked[1]) cannot be read" }
    if (-not $seen.Found) { Stop-With 'OutAbsent' "no property $($Asked[1])" }
    if ($null -eq $seen.Value) { Stop-With 'OutNull' "property $($Asked[1]) is null" }
    return , $seen.Value
}
function Get-Answer($Call) {                      # all that a call of this batch gave
    if ($Call -isnot [int] -or -not $State.Outs.ContainsKey($Call)) { Stop-With 'OutFailed' "no result $Call" }
    $out = $State.Outs[$Call]
    if ($out.Count -eq 1) { return , $out[0] }
    return , @($out)
}
function Get-Table($Pairs) {
    $table = @{}
    foreach ($pair in $Pairs) {
        if ($pair -isnot [array] -or $pair.Length -ne 2) { Stop-With 'BadTag' 'a map is a list of pairs' }
        $key = [string]$pair[0]
        if ($table.ContainsKey($key)) { Stop-With 'KeyCase' 'keys equal but for case' }
        $table[$key] = Get-Argument $pair[1]
    }
    return $table
}
function Get-Plain([string]$Tag, $Body) {         # tags that hold a value of their own
    try {
        if ($Tag -ceq '$ts') { return [timespan]::FromTicks([long]$Body) }
        if ($Tag -ceq '$dt') { return [datetime]::Parse($Body, $Invariant, 'RoundtripKind') }
        if ($Tag -ceq '$dtu') { return [datetime]::SpecifyKind([datetime]::Parse($Body, $Invariant, 'RoundtripKind'), 'Unspecified') }
        if ($Tag -ceq '$b64') { return , [Convert]::FromBase64String($Body) }
    } catch { Stop-With 'BadTag' "$Tag holds no such value" }
    Stop-With 'BadTag' 'unknown tag'
}
function Get-Tagged([string]$Tag, $Body) {
    if ($Tag -ceq '$secure') { return Get-Secure $Body }
    if ($Tag -ceq '$cred') {
        if ($Body -isnot [array] -or $Body.Length -ne 2) { Stop-With 'BadTag' 'a credential is user and text' }
        return New-Object Management.Automation.PSCredential ([string]$Body[0], (Get-Secure $Body[1]))
    }
    if ($Tag -ceq '$map') { return Get-Table $Body }
    if ($Tag -ceq '$ref') { $whole = Get-Answer $Body; return , $whole }
    if ($Tag -ceq '$out') { $one = Get-Earlier $Body; return , $one }
    $value = Get-Plain $Tag $Body
    return , $value
}
function Get-Argument($Value) {
    if ($Value -is [Collections.IDictionary]) {
        $tag = ''
        $pairs = New-Object 'Collections.Generic.List[object]'
        foreach ($key in $Value.get_Keys()) {
            if ($key.StartsWith('$')) { $tag = $key }
            $pairs.Add(@($key, $Value[$key]))
        }
        if (-not $tag) { return Get-Table $pairs }
        if ($pairs.Count -ne 1) { Stop-With 'BadTag' 'a tag stands alone; other maps with $ keys go as $map' }
        $tagged = Get-Tagged $tag $Value[$tag]
        return , $tagged
    }
    if ($Value -is [array]) {
        $items = New-Object object[] $Value.Length
        for ($n = 0; $n -lt $items.Length; $n++) { $items[$n] = Get-Argument $Value[$n] }
        return , $items
    }
    return $Value
}
function Test-Same($Want, $Have) {                # as the wire would show it: a number is never a text, case does not count
    if ($Want -is [Collections.IDictionary]) {
        if ($null -eq $Have) { return $false }
        foreach ($key in $Want.get_Keys()) {
            $seen = Get-Property $Have $key
            if (-not $seen.Found -or $seen.Failed -or -not (Test-Same $Want[$key] $seen.Value)) { return $false }
        }
        return $true
    }
    $wanted = Get-Body $Want
    $had = Get-Body $Have
    return [string]::Equals($wanted, $had, [StringComparison]::OrdinalIgnoreCase)
}

# ---- 6. Cmdlets: in a runspace of their own, with a deadline
function Open-Runspace {                          # global preferences: functions of modules look no further
    if ($State.Runspace) { return }
    $State.Commands = @{}
    $made = [runspacefactory]::CreateRunspace([Management.Automation.Runspaces.InitialSessionState]::CreateDefault2())
    $made.ThreadOptions = 'ReuseThread'
    $made.Open()
    $made.SessionStateProxy.SetVariable('ConfirmPreference', 'None')
    $made.SessionStateProxy.SetVariable('ProgressPreference', 'SilentlyContinue')
    $made.SessionStateProxy.SetVariable('WarningPreference', 'Continue')
    $made.SessionStateProxy.SetVariable('InformationPreference', 'SilentlyContinue')
    $made.SessionStateProxy.SetVariable('ErrorActionPreference', 'Continue')
    $State.Runspace = $made
}
function New-Result {
    $errors = New-Object 'Collections.Generic.List[object]'
    $warnings = New-Object 'Collections.Generic.List[string]'
    return @{ out = $null; err = $errors; cut = $null; warn = $warnings; said = ''; exit = $null; bad = $null }
}
function Add-Said($Result, $Shell) {              # what the call has said since the last look, its end only
    $console = $Printed.GetStringBuilder()
    $length = $console.Length
    if (-not ($length -or $Shell.Streams.Warning.Count -or $Shell.Streams.Information.Count)) { return }
    foreach ($record in $Shell.Streams.Warning.ReadAll()) {
        $Result.warn.Add([string]$record.Message)
        $Result.said += [string]$record.Message + [char]10
    }
    foreach ($record in $Shell.Streams.Information.ReadAll()) { $Result.said += [string]$record.MessageData + [char]10 }
    if ($length) {
        $Result.said += $console.ToString([Math]::Max(0, $length - $Limits.Said), [Math]::Min($length, $Limits.Said))
        [void]$console.Remove(0, $length)
    }
    if ($Result.said.Length -gt $Limits.Said) { $Result.said = $Result.said.Substring($Result.said.Length - $Limits.Said) }
    if ($State.OnSaid -and $Result.said) { & $State.OnSaid $Result.said }
}
function Get-Thrown($Thrown) {                    # what ended a pipeline, as the record it was raised with
    $cause = $Thrown.Exception
    if ($cause -is [Management.Automation.MethodInvocationException] -and $cause.InnerException) { $cause = $cause.InnerException }
    if ($cause -is [Management.Automation.IContainsErrorRecord]) { return New-Object Management.Automation.ErrorRecord ($cause.ErrorRecord, $cause) }
    return New-Object Management.Automation.ErrorRecord ($cause, 'Invoker', 'NotSpecified', $null)
}
function Invoke-Shell($Shell, [long]$Ms) {        # one pipeline, stopped at its deadline, and given up where it does not stop
    $out = New-Object 'Management.Automation.PSDataCollection[psobject]'
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $result = New-Result
    $ended = $false
    $Shell.Runspace = $State.Runspace
    $running = $Shell.BeginInvoke($Empty, $out)
    do {
        $ended = $running.AsyncWaitHandle.WaitOne([int][Math]::Max(1, [Math]::Min(1000, $Ms - $clock.ElapsedMilliseconds)))
        if (-not $ended) { Add-Said $result $Shell }
    } until ($ended -or $clock.ElapsedMilliseconds -ge $Ms)
    if ($ended) {
        try { [void]$Shell.EndInvoke($running) } catch { $result.err.Add((Get-Thrown $_)) }
    } else {
        $result.cut = 'stopped'
        $stopping = $Shell.BeginStop($null, $null)
        if (-not $stopping.AsyncWaitHandle.WaitOne(3000)) {               # its thread is lost: the next call gets a new runspace
            $result.cut = 'abandoned'
            $State.Taint = $true
            $State.Runspace = $null
        }
    }
    foreach ($record in $Shell.Streams.Error.ReadAll()) { if (-not $result.err.Contains($record)) { $result.err.Add($record) } }
    Add-Said $result $Shell
    $result.out = $out.ReadAll()                  # ReadAll everywhere: to enumerate a collection that is still open would block
    if ($result.cut -ne 'abandoned') { $Shell.Dispose() }
    return $result
}
function Get-ModuleOf([string]$Name) {
    $slash = $Name.LastIndexOf('\')
    if ($slash -lt 0) { return '' }
    return $Name.Substring(0, $slash).ToLowerInvariant()
}
function New-Lookup([string]$Name) {
    $shell = [powershell]::Create()
    [void]$shell.AddCommand('Microsoft.PowerShell.Core\Get-Command').AddParameter('Name', $Name)
    [void]$shell.AddParameter('CommandType', [Management.Automation.CommandTypes]'Cmdlet,Function')
    return $shell
}
function Get-Textual([string]$Name, [long]$Ms) {  # which parameters of a command are text, and so take a secret as text
    $names = New-Object 'Collections.Generic.HashSet[string]' ([StringComparer]::OrdinalIgnoreCase)
    $shell = New-Lookup $Name
    [void]$shell.AddCommand('Microsoft.PowerShell.Utility\Select-Object').AddParameter('ExpandProperty', 'Parameters')
    $looked = Invoke-Shell $shell $Ms
    if ($looked.cut -or $looked.err.Count -or $looked.out.Count -ne 1) { Stop-With 'NoSecret' 'the parameters of the command cannot be read' }
    $parameters = [Collections.IDictionary]$looked.out[0]
    foreach ($parameter in $parameters.get_Values()) {
        if ($parameter.ParameterType -eq [string] -or $parameter.ParameterType -eq [string[]]) { [void]$names.Add($parameter.Name) }
    }
    return , $names
}
function Get-Unsealed($Value) {
    if ($Value -isnot [Security.SecureString]) { return , $Value }
    $holder = New-Object Net.NetworkCredential ('', $Value)
    return $holder.Password
}
function Invoke-Cmdlet($Call, [long]$Ms) {
    $name = [string]$Call['c']
    $given = $Call['p']
    $clock = [Diagnostics.Stopwatch]::StartNew()
    if ($name -notmatch $RxCommand -or -not $State.Allow -or -not $State.Allow.Contains($name)) { return New-Refusal 'NotAllowed' $name }
    $bound = New-Object 'Collections.Generic.List[object]'
    $keys = @()
    if ($given -is [Collections.IDictionary]) { $keys = @($given.get_Keys()) }
    foreach ($key in $keys) { if ($key -notmatch $RxParameter) { return New-Refusal 'BadParameterName' $key } }
    if ($State.Skip[(Get-ModuleOf $name)]) { return @{ cut = 'skipped' } }
    $secret = Find-Secret $given
    if ($secret -and (Get-Known).log.Count) { Stop-With 'NoSecret' 'this host writes down what calls are given' }
    foreach ($key in $keys) { $bound.Add(@{ Name = $key; Value = (Get-Argument $given[$key]) }) }     # all of them before anything runs
    Open-Runspace
    if (-not $State.Commands.ContainsKey($name)) {
        $looked = Invoke-Shell (New-Lookup $name) $Ms
        if ($looked.cut -eq 'abandoned') { $State.Skip[(Get-ModuleOf $name)] = $true }
        if ($looked.cut -or $looked.err.Count -or $looked.out.Count -lt 1) { $looked.out = $null; return $looked }
        $found = $looked.out[0]
        $full = [string]$found.Name
        if ($found.ModuleName) { $full = [string]$found.ModuleName + '\' + $full }
        $State.Commands[$name] = $full            # the name, not the object: that would run a module's function outside its module
    }
    $full = [string]$State.Commands[$name]
    $module = Get-ModuleOf $full
    if ($module -and $State.Skip[$module]) { return @{ cut = 'skipped' } }
    if ($secret) {
        $textual = Get-Textual $full ($Ms - $clock.ElapsedMilliseconds)
        foreach ($parameter in $bound) { if ($textual.Contains($parameter.Name)) { $parameter.Value = Get-Unsealed $parameter.Value } }
    }
    $shell = [powershell]::Create()
    [void]$shell.AddCommand($full)
    foreach ($parameter in $bound) { [void]$shell.AddParameter($parameter.Name, $parameter.Value) }
    $result = Invoke-Shell $shell ($Ms - $clock.ElapsedMilliseconds)
    if ($result.cut -eq 'abandoned' -and $module) { $State.Skip[$module] = $true }
    return $result
}

# ---- 7. Programs: quoted as Windows splits, no input, capped output, the whole tree ended at the deadline
function Get-Quoted([string]$Text, [bool]$Msi) {  # backslashes count only before a quote; msiexec wants the value quoted, not the word
    if ($Msi) {
        $pair = [regex]::Match($Text, '^([A-Z][A-Z0-9_.]*)=(.*[ "].*|)\z')
        if ($pair.Success) { return $pair.Groups[1].Value + '="' + $pair.Groups[2].Value.Replace('"', '""') + '"' }
    }
    if ($Text -ne '' -and $Text -notmatch '[\s"]') { return $Text }
    $inner = [regex]::Replace($Text, '(\\*)"', '$1$1\"')
    return '"' + [regex]::Replace($inner, '(\\+)\z', '$1$1') + '"'
}
function Get-Arguments($Call, [bool]$Msi) {
    $words = New-Object 'Collections.Generic.List[string]'
    if ($Call['a'] -is [array]) {
        foreach ($item in $Call['a']) {
            $word = ''
            $given = Get-Argument $item
            if ($null -ne $given) { $word = [string]::Format($Invariant, '{0}', $given) }
            if ($word.IndexOfAny([char[]](0, 10, 13)) -ge 0) { Stop-With 'BadArgument' 'NUL or newline in an argument' }
            $words.Add((Get-Quoted $word $Msi))
        }
    }
    $line = [string]::Join(' ', $words.ToArray())
    if ($line.Length -gt $Limits.Arguments) { Stop-With 'BadArgument' 'command line too long' }
    return $line
}
function Read-Pipes($Pipes) {                     # takes what has come; gives the reads that are still open
    foreach ($side in $Pipes) {
        if ($side.Open -and -not $side.Read) { $side.Read = $side.Stream.ReadAsync($side.Buffer, 0, 8192) }
        while ($side.Open -and $side.Read.IsCompleted) {
            $count = 0
            if (-not $side.Read.IsFaulted) { $count = $side.Read.Result }
            if ($count -eq 0) { $side.Open = $false }
            else {
                $kept = [int][Math]::Min($count, $Limits.Output - $side.Kept.Length)
                $side.Kept.Write($side.Buffer, 0, $kept)
                $side.Lost += $count - $kept
                $side.Read = $side.Stream.ReadAsync($side.Buffer, 0, 8192)
            }
        }
        if ($side.Open) { $side.Read }
    }
}
function New-Side($Stream) {
    return @{ Stream = $Stream; Kept = (New-Object IO.MemoryStream); Buffer = (New-Object byte[] 8192); Read = $null; Open = $true; Lost = [long]0 }
}
function Watch-Program($Process, $Sides, [long]$Ms) {         # how it was cut; null where it ended by itself
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $cut = $null
    $until = [long]-1
    while ($true) {
        $open = @(Read-Pipes $Sides)
        $now = $clock.ElapsedMilliseconds
        if ($until -lt 0 -and $Process.HasExited) { $until = $now + 2000 }              # a grandchild may keep the pipe open
        if ($until -ge 0 -and ($open.Count -eq 0 -or $now -ge $until)) { break }
        if ($until -lt 0 -and $now -ge $Ms) {
            $cut = 'killed'
            Stop-Tree $Process.Id
            $until = $now + 2000
        }
        if ($open.Count) { [void][Threading.Tasks.Task]::WaitAny([Threading.Tasks.Task[]]$open, 50) } else { [void]$Process.WaitForExit(50) }
    }
    if (-not $Process.WaitForExit(2000)) { return 'abandoned' }
    return $cut
}
function Invoke-Program($Call, [long]$Ms) {
    $path = [string]$Call['x']
    if ($path -notmatch $RxProgram -or -not $State.Allow -or -not $State.Allow.Contains($path)) { return New-Refusal 'NotAllowed' $path }
    if (Find-Secret $Call['a']) { Stop-With 'NoSecret' 'a program takes no secret' }
    $start = New-Object Diagnostics.ProcessStartInfo
    $start.FileName = $path
    $start.Arguments = Get-Arguments $Call ($path -match '[\\/]msiexec\.exe\z')
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    $process = [Diagnostics.Process]::Start($start)
    $process.StandardInput.Close()
    $sides = @((New-Side $process.StandardOutput.BaseStream), (New-Side $process.StandardError.BaseStream))
    $result = New-Result
    $result.cut = Watch-Program $process $sides $Ms
    if (-not $result.cut) { $result.exit = $process.ExitCode }
    $row = [ordered]@{ exit = $result.exit; out = ''; err = ''; lost = $sides[0].Lost + $sides[1].Lost; open = $false; line = $start.Arguments }
    $row.open = ($sides[0].Open -or $sides[1].Open)
    $row.out = [Console]::OutputEncoding.GetString($sides[0].Kept.ToArray())
    $row.err = [Console]::OutputEncoding.GetString($sides[1].Kept.ToArray())
    $result.out = @($row)
    return $result
}

# ---- 8. Lock, lease, ledger: the lock covers these values and the start of jobs, never a call and never a frame
function Get-Known {
    if (-not $State.Facts) { $State.Facts = Get-Facts }
    return $State.Facts
}
function Get-Clock {                              # seconds since boot, the same for every process
    return [Math]::Round([Diagnostics.Stopwatch]::GetTimestamp() / [double][Diagnostics.Stopwatch]::Frequency, 3)
}
function Use-Lock([scriptblock]$Locked) {
    $lockFile = $null
    $lockClock = [Diagnostics.Stopwatch]::StartNew()
    $lockPath = [IO.Path]::Combine((Get-Known).root, 'lock')
    while (-not $lockFile) {
        try { $lockFile = [IO.File]::Open($lockPath, 'OpenOrCreate', 'ReadWrite', 'None') } catch [IO.IOException] {
            if ($lockClock.ElapsedMilliseconds -gt 5000) { Stop-With 'LockBusy' 'the lock file is held' }
            [Threading.Thread]::Sleep(25)
        }
    }
    try { & $Locked } finally { $lockFile.Dispose() }
}
function Test-Alive($Who) {                       # the process of that id and start time; an id alone may be somebody else's by now
    $ticks = Get-Started ([int]$Who['pid'])
    return ($ticks -ne 0 -and [Math]::Abs($ticks - [long]$Who['started']) -lt 20000000)
}
function Test-Mine($Who) { return ([int]$Who['pid'] -eq $PID -and (Test-Alive $Who)) }
function Stop-Known($Who) {
    if (-not (Test-Alive $Who)) { return }
    Stop-Tree ([int]$Who['pid'])
    $clock = [Diagnostics.Stopwatch]::StartNew()
    while (Test-Alive $Who) {
        if ($clock.ElapsedMilliseconds -gt 5000) { Stop-With 'HolderAlive' "process $($Who['pid']) does not end" }
        [Threading.Thread]::Sleep(25)
    }
}
function Get-Lease {
    $lease = [ordered]@{ holder = $null; epoch = 0; boot = ''; until = 0.0; pid = 0; started = 0; rebooting = $null }
    $text = (Get-Store '')['lease']
    if (-not $text) { return $lease }
    try {
        $said = Read-Json $text
        foreach ($name in @($lease.get_Keys())) { if ($said.ContainsKey($name)) { $lease[$name] = $said[$name] } }
    } catch { Stop-With 'InvalidOperationException' 'the lease cannot be read' }
    return $lease
}
function Set-Mine($Lease, [double]$Until) {
    $Lease['boot'] = (Get-Known).boot
    $Lease['until'] = [Math]::Round($Until, 3)
    $Lease['pid'] = $PID
    $Lease['started'] = Get-Started $PID
    Set-Store '' 'lease' (Get-Body $Lease)
}
function Confirm-Epoch($Epoch, [long]$Ms) {       # inside the lock; only the process that took the lease: a resend to a new one must not act again
    $lease = Get-Lease
    $whole = ($Epoch -is [int] -or $Epoch -is [long])
    if (-not $lease.holder -or $lease.boot -ne (Get-Known).boot -or -not $whole -or [long]$lease.epoch -ne [long]$Epoch -or -not (Test-Mine $lease)) {
        Stop-With 'StaleEpoch' "epoch $Epoch is not current here" $lease
    }
    if ($Ms -gt 0) { Set-Mine $lease ([Math]::Max([double]$lease.until, (Get-Clock) + $Ms / 1000.0 + $Limits.Grace)) }
}
function Test-Kept($Restart, [string]$Who) {      # left by another for a restart, and that time is not over
    if (-not $Restart -or $Restart['holder'] -ceq $Who) { return $false }
    return ([datetime]::UtcNow -lt [datetime]::Parse($Restart['until'], $Invariant, 'RoundtripKind').ToUniversalTime())
}
function Request-Lease($Lease, [string]$Who, [long]$Seconds, [bool]$Same) {
    $now = Get-Clock
    $here = ($Lease.boot -eq (Get-Known).boot)
    if ($Lease.holder -and $here -and $now -lt [double]$Lease.until -and -not $Same) {
        Stop-With 'LeaseHeld' "held by $($Lease.holder) for $([Math]::Round([double]$Lease.until - $now)) s" $Lease
    }
    if (-not $here -and (Test-Kept $Lease.rebooting $Who)) { Stop-With 'Rebooting' "left by $($Lease.rebooting['holder']) for a restart" $Lease }
    if ($Lease.holder -and $here -and [int]$Lease.pid -ne $PID) { Stop-Known $Lease }
    $Lease['epoch'] = [long]$Lease.epoch + 1
    $Lease['holder'] = $Who
    $Lease['rebooting'] = $null
    Set-Mine $Lease ((Get-Clock) + $Seconds)
}
function Use-Lease($Ask) {
    $who = [string]$Ask['holder']
    $verb = [string]$Ask['do']
    if ($who -cnotmatch $RxHolder -or @('take', 'renew', 'release', 'rebooting') -cnotcontains $verb) { Stop-With 'BadLease' 'lease request' }
    if ($null -ne $Ask['seconds'] -and -not (Test-Number $Ask['seconds'])) { Stop-With 'BadLease' 'lease request' }
    $seconds = [long][Math]::Max([double]1, [Math]::Min([double]7200, [double]$Ask['seconds']))
    return Use-Lock {
        $lease = Get-Lease
        $same = ($lease.holder -ceq $who -and (Test-Number $Ask['epoch']) -and [long]$lease.epoch -eq $Ask['epoch'])
        if ($verb -ceq 'take') {
            Request-Lease $lease $who $seconds $same
            return $lease
        }
        if (-not $same -or $lease.boot -ne (Get-Known).boot -or -not (Test-Mine $lease)) { Stop-With 'StaleEpoch' "not the lease of $who here" $lease }
        if ($verb -ceq 'release') {
            $lease['holder'] = $null
            $lease['until'] = 0.0
            $lease['pid'] = 0
            $lease['started'] = 0
            Set-Store '' 'lease' (Get-Body $lease)
            return $lease
        }
        if ($verb -ceq 'rebooting') {
            $until = [datetime]::UtcNow.AddSeconds($seconds).ToString('o', $Invariant)
            $lease['rebooting'] = [ordered]@{ holder = $who; until = $until }
        }
        Set-Mine $lease ([Math]::Max([double]$lease.until, (Get-Clock) + $seconds))
        return $lease
    }
}
function Invoke-Ledger($Call, $Request) {
    $verb = [string]$Call['l']
    $name = [string]$Call['n']
    $value = $Call['v']
    $key = ''
    $result = New-Result
    $result.out = @()
    if ($null -ne $Call['f']) {
        if ([string]$Call['f'] -cnotmatch $RxFleet -or $name -cnotmatch $RxEntry) { Stop-With 'BadLedger' 'fleet or name' }
        $key = 'fleets\' + $Call['f']
    } elseif (@('machine', 'hold') -cnotcontains $name) { Stop-With 'BadLedger' 'name' }
    if ($verb -ceq 'get') { $result.out = @((Get-Store $key)[$name]); return $result }
    if (-not $Request['w'] -or @('put', 'delete') -cnotcontains $verb) { Stop-With 'NotWrite' 'the ledger changes only inside a write batch' }
    if ($verb -ceq 'delete') { $value = $null }
    elseif ($value -isnot [string] -or $value.Length -gt $Limits.Value) { Stop-With 'BadLedger' 'value' }
    [void](Use-Lock {
        Confirm-Epoch $Request['epoch'] 0
        Set-Store $key $name $value
    })
    return $result
}

# ---- 9. Jobs: a folder with request, state and answer, each written whole
function Get-JobPath([string]$Id, [string]$File) { return [IO.Path]::Combine((Get-Known).root, 'jobs', $Id, $File) }
function Write-Whole([string]$Path, [string]$Text) {
    $beside = $Path + '.' + $PID + '.tmp'
    [IO.File]::WriteAllText($beside, $Text, $Utf8)
    if ([IO.File]::Exists($Path)) { [IO.File]::Replace($beside, $Path, [NullString]::Value) } else { [IO.File]::Move($beside, $Path) }
}
function Set-Job($Job) { Write-Whole (Get-JobPath $Job['job'] 'state') (Get-Body $Job) }
function New-JobState([string]$Id) {
    return [ordered]@{
        job = $Id; resource = ''; action = ''; key = $null; phase = 'lost'; boot = ''; at = 0.0; since = ''; pid = 0; started = 0; last = ''; bad = $null
    }
}
function Read-Job([string]$Id) {                  # inside the lock: Windows refuses to replace a file while somebody reads it
    $job = New-JobState $Id
    try {
        $said = Read-Json ([IO.File]::ReadAllText((Get-JobPath $Id 'state')))
        foreach ($name in @($job.get_Keys())) { if ($said.ContainsKey($name)) { $job[$name] = $said[$name] } }
    } catch { $job['last'] = 'state cannot be read' }
    $here = ($job.boot -eq (Get-Known).boot)
    if ($job.phase -eq 'running' -and (-not $here -or -not (Test-Alive $job))) { $job['phase'] = 'lost' }
    if ($job.phase -eq 'starting' -and (-not $here -or (Get-Clock) - [double]$job.at -gt 60)) { $job['phase'] = 'lost' }
    return $job
}
function Get-Jobs {
    $folder = [IO.Path]::Combine((Get-Known).root, 'jobs')
    if (-not [IO.Directory]::Exists($folder)) { return }
    foreach ($path in [IO.Directory]::GetDirectories($folder)) {
        $name = [IO.Path]::GetFileName($path)
        if ($name -cmatch $RxJob) { Read-Job $name }
    }
}
function Clear-Job([string]$Id) {                # renamed first: half a job must not be found
    $gone = Get-JobPath "$Id.gone" ''
    if ([IO.Directory]::Exists($gone)) { [IO.Directory]::Delete($gone, $true) }
    [IO.Directory]::Move((Get-JobPath $Id ''), $gone)
    [IO.Directory]::Delete($gone, $true)
}
function Save-Job($Ask, [string]$Code) {          # inside the lock: the job's folder, whole before it has its name
    $id = [string]$Ask['job']
    $new = Get-JobPath "$id.new" ''
    if (-not [IO.File]::Exists($Code)) { Write-Whole $Code $Self }
    if ([IO.Directory]::Exists($new)) { [IO.Directory]::Delete($new, $true) }
    [void][IO.Directory]::CreateDirectory($new)
    $job = New-JobState $id
    $job['resource'] = [string]$Ask['resource']
    $job['action'] = [string]$Ask['action']
    $job['key'] = $Ask['key']
    $job['phase'] = 'starting'
    $job['boot'] = (Get-Known).boot
    $job['at'] = Get-Clock
    $job['since'] = [datetime]::UtcNow.ToString('o', $Invariant)
    Write-Whole (Get-JobPath "$id.new" 'state') (Get-Body $job)
    $request = '{"id":0,"bt":' + (Get-Raw $Ask['bt']) + ',"allow":' + (Get-Body @($State.Allow)) + ',"calls":' + (Get-Raw $Ask['calls']) + '}'
    Write-Whole (Get-JobPath "$id.new" 'request') $request
    [IO.Directory]::Move($new, (Get-JobPath $id ''))
    return $job
}
function Start-Work($Ask, $Request) {
    $id = [string]$Ask['job']
    if ($State.Cut) { Stop-With 'Tainted' 'an earlier write was cut' }
    if (Find-Secret $Ask['calls']) { Stop-With 'NoSecret' 'a job takes no secret' }
    if (-not $Ask['resource']) { Stop-With 'BadJob' 'no resource' }
    $code = [IO.Path]::Combine((Get-Known).root, 'invoker-' + (Get-Sha $Self) + '.ps1')
    $made = Use-Lock {
        Confirm-Epoch $Request['epoch'] 0
        foreach ($other in @(Get-Jobs)) {
            if ($other.job -eq $id -or $other.resource -eq [string]$Ask['resource'] -or -not $other.resource) { return @{ Job = $other; Joined = $true } }
        }
        return @{ Job = (Save-Job $Ask $code); Joined = $false }
    }
    if ($made.Joined) { return $made }
    $runner = '$text = [IO.File]::ReadAllText(''' + $code.Replace('''', '''''') + '''); & ([ScriptBlock]::Create($text)) -Detached ''' + $id + ''''
    if (-not (Start-Detached $runner)) {          # certainly not begun: no trace of it may block the next start
        [void](Use-Lock { Clear-Job $id })
        Stop-With 'StartFailed' 'Windows did not start the runner'
    }
    return $made
}
function Use-Job($Ask, $Request) {
    $id = $Ask['job']
    $verb = [string]$Ask['do']
    if ($id -isnot [string] -or $id -cnotmatch $RxJob) { Stop-With 'BadJob' 'job id' }
    if (@('start', 'poll', 'ack', 'cancel') -cnotcontains $verb) { Stop-With 'BadJob' 'job verb' }
    if ($verb -ceq 'start') { return Start-Work $Ask $Request }
    return Use-Lock {
        if (-not [IO.Directory]::Exists((Get-JobPath $id ''))) { Stop-With 'NoJob' $id }
        $job = Read-Job $id
        $open = (@('running', 'starting') -contains $job.phase)
        $answer = $null
        if ($verb -ceq 'poll' -and $job.phase -eq 'done') { $answer = [IO.File]::ReadAllText((Get-JobPath $id 'answer')) }
        if ($verb -ceq 'ack') {
            if ($open) { Stop-With 'NotFinished' $id }
            Clear-Job $id
            $job['phase'] = 'acked'
        }
        if ($verb -ceq 'cancel' -and $open) {
            if ($job.phase -eq 'running') { Stop-Known $job }
            $job['phase'] = 'cancelled'
            Set-Job $job
        }
        return @{ Job = $job; Joined = $false; Answer = $answer }
    }
}
function Invoke-Detached([string]$Id) {                # the detached runner; whoever writes running first runs it
    $mine = Use-Lock {
        $job = Read-Job $Id
        if ($job.phase -ne 'starting') { return $null }
        $job['phase'] = 'running'
        $job['pid'] = $PID
        $job['started'] = Get-Started $PID
        Set-Job $job
        return $job
    }
    if (-not $mine) { return }
    $request = Read-Json ([IO.File]::ReadAllText((Get-JobPath $Id 'request')))
    $State.Allow = New-Allowed $request['allow']
    $State.OnSaid = {
        param($text)
        if ((Get-Clock) - $State.SaidAt -ge 1) {
            $State.SaidAt = Get-Clock
            $mine['last'] = $text.TrimEnd()
            try { Use-Lock { Set-Job $mine } } catch { $mine['last'] = '' }             # a busy lock must not break the call
        }
    }
    $request['stop'] = $true
    $reply = New-Reply
    $end = Invoke-Calls $request $reply
    $mine['phase'] = 'done'
    $mine['bad'] = $end['bad']
    Use-Lock {
        Write-Whole (Get-JobPath $Id 'answer') ('[' + [string]::Join(',', $reply.Frames.ToArray()) + ']')
        Set-Job $mine
    }
}

# ---- 10. Hello, batches, frames
function New-Allowed($Names) {
    $allowed = New-Object 'Collections.Generic.HashSet[string]' ([StringComparer]::OrdinalIgnoreCase)
    foreach ($name in $Names) { if ($name -is [string] -and (-not $Only -or $Only -contains $name)) { [void]$allowed.Add($name) } }
    return , $allowed
}
function New-Reply { return @{ Nonce = ''; Id = $null; Sent = 0; Frames = (New-Object 'Collections.Generic.List[string]') } }
function Get-Identity($Id) {                      # a number that makers put in for want of one counts as none
    $facts = Get-Known
    $uuid = ([string]$facts.uuid).ToUpperInvariant()
    if ($uuid -cmatch '^[0-]*\z' -or $uuid -cmatch '^[F-]*\z' -or $Fillers -ccontains $uuid) { $uuid = $null }
    return [ordered]@{ id = $Id; hello = 1; name = $facts.name; uuid = $uuid; machine = (Get-Store '')['machine'] }
}
function Get-Mismatch($Identity, $Expected) {
    if ($Expected -isnot [Collections.IDictionary]) { return '' }
    foreach ($name in 'name', 'uuid', 'machine') {
        $same = [string]::Equals([string]$Expected[$name], [string]$Identity[$name], [StringComparison]::OrdinalIgnoreCase)
        if ($Expected.ContainsKey($name) -and -not $same) { return $name }
    }
    return ''
}
function Add-About($Hello) {
    $facts = Get-Known
    $me = [Diagnostics.Process]::GetCurrentProcess()
    foreach ($name in 'guid', 'os', 'version', 'build', 'product', 'boot', 'booted', 'log') { $Hello[$name] = $facts[$name] }
    $Hello['sha256'] = Get-Sha $Self
    $Hello['ps'] = $PSVersionTable.PSVersion.ToString()
    $Hello['bits'] = [IntPtr]::Size * 8
    $Hello['language'] = [string]$ExecutionContext.SessionState.LanguageMode
    $Hello['mode'] = $Mode
    $Hello['pid'] = $PID
    $Hello['ws'] = $me.WorkingSet64
    $Hello['started'] = $me.StartTime
    $Hello['utc'] = [datetime]::UtcNow
    $Hello['uptime'] = Get-Clock
    $Hello['ui'] = [Globalization.CultureInfo]::CurrentUICulture.Name
    $Hello['taint'] = $State.Taint
    $Hello['allow'] = $State.Allow.Count
}
function Add-Hello($Ask, $Reply) {
    $hello = Get-Identity $Reply.Id
    $wrong = Get-Mismatch $hello $Ask['expect']
    if ($wrong) {
        $State.Wrong = $true
        $hello['mismatch'] = $wrong
        $Reply.Frames.Add((Get-Body $hello))
        Confirm-Host
    }
    if (-not $State.Allow -or $State.Allow.Count -eq 0) { $State.Allow = New-Allowed $Ask['allow'] }
    Add-About $hello
    $fleet = $Ask['fleet']
    $memory = Use-Lock {
        $ledger = [ordered]@{}
        if ($fleet -is [string] -and $fleet -cmatch $RxFleet) {
            foreach ($entry in (Get-Store ('fleets\' + $fleet)).GetEnumerator()) { $ledger[$entry.Key] = $entry.Value }
        }
        return @{ Lease = (Get-Lease); Ledger = $ledger; Jobs = @(Get-Jobs) }
    }
    $hello['lease'] = $memory.Lease
    $hello['hold'] = (Get-Store '')['hold']
    $hello['ledger'] = $memory.Ledger
    $hello['jobs'] = $memory.Jobs
    $Reply.Frames.Add((Get-Body $hello))
}
function Confirm-Host { if ($State.Wrong) { Stop-With 'WrongHost' 'this is not the host that was expected' } }
function Get-Packed([string]$Text) {
    $memory = New-Object IO.MemoryStream
    $zip = New-Object IO.Compression.GZipStream ($memory, [IO.Compression.CompressionMode]::Compress)
    $bytes = [Text.Encoding]::ASCII.GetBytes($Text)
    $zip.Write($bytes, 0, $bytes.Length)
    $zip.Close()
    return [Convert]::ToBase64String($memory.ToArray())
}
function Send-Frames($Reply) {                    # those not yet sent, in one write
    if ($Reply.Sent -ge $Reply.Frames.Count -or $Mode -eq 'job') { return }
    $text = New-Object Text.StringBuilder
    for ($n = $Reply.Sent; $n -lt $Reply.Frames.Count; $n++) {
        $mark = '#HV'
        $body = $Reply.Frames[$n]
        if ($body.Length -gt $Limits.Packed) { $mark = '#HZ'; $body = Get-Packed $body }
        [void]$text.Append([char]10).Append($mark).Append($Reply.Nonce).Append(' ').Append($body.Length).Append(' ').Append($body).Append([char]10)
    }
    $Reply.Sent = $Reply.Frames.Count
    if ($Mode -eq 'function') { [void]$State.Box.Append($text.ToString()); return }
    $bytes = [Text.Encoding]::ASCII.GetBytes($text.ToString())
    $Pipe.Write($bytes, 0, $bytes.Length)
    $Pipe.Flush()
}
function Test-Good($Good, $Result) {
    $out = @($Result.out)
    $last = $null
    if ($out.Count) { $last = $out[$out.Count - 1] }
    if ($Good.ContainsKey('exit')) {
        if ($null -ne $Result.exit -and @($Good['exit']) -contains $Result.exit) { return $null }
    } elseif ($Good.ContainsKey('returns')) {
        if (Test-Same $Good['returns'] $last) { return $null }
    }
    $seen = Get-Body $last
    return $seen.Substring(0, [Math]::Min(2000, $seen.Length))
}
function Invoke-Call($Call, $Request, [long]$Left) {
    if ($Left -le 0) { return @{ cut = 'deadline' } }
    $ms = [Math]::Min((Get-Span $Call['t'] 120000), $Left)
    $good = $Call['g']
    if ($Call.ContainsKey('l')) { return Invoke-Ledger $Call $Request }
    if ($Call.ContainsKey('x')) {
        $result = Invoke-Program $Call $ms
        if ($good -isnot [Collections.IDictionary]) { $good = @{ exit = @(0) } }
    } else { $result = Invoke-Cmdlet $Call $ms }
    if ($good -isnot [Collections.IDictionary] -or $result.bad -or $result.cut -or $result.err.Count) { return $result }
    $seen = Test-Good $good $result
    if ($null -ne $seen) { $result.bad = (New-Refusal 'NotGood' $seen).bad }
    return $result
}
function Get-CallFrame($Call, $Request, [int]$Number, $Result, $Errors, [long]$Ms) {
    $fields = [ordered]@{ id = $Request['id']; i = $Number; ok = ($Errors.Count -eq 0 -and -not $Result.cut); ms = $Ms }
    if ($Errors.Count) { $fields['err'] = $Errors }
    if ($Result.cut) { $fields['cut'] = $Result.cut }
    if ($Result.warn.Count) { $fields['warn'] = $Result.warn }
    if ($Result.said) { $fields['info'] = $Result.said }
    $head = Get-Body $fields
    $select = $null
    if ($Call['s'] -is [array]) { $select = $Call['s'] }
    Clear-Text
    try { Out-List $Result.out $select 4 } catch {
        Clear-Text
        [void]$Sb.Append('[{"$err":"projection"}]')
    }
    return $head.Substring(0, $head.Length - 1) + ',"out":' + $Sb.ToString() + '}'
}
function Invoke-Numbered($Call, $Request, [int]$Number, [long]$Left, $Reply) {          # true where the call was good
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $errors = New-Object 'Collections.Generic.List[object]'
    $result = New-Result
    try {
        $result = Invoke-Call $Call $Request $Left
        if ($result.bad) { $errors.Add($result.bad) }
        foreach ($record in $result.err) { $errors.Add((Get-ErrorFields $record)) }
    } catch {
        $fields = Get-ErrorFields $_
        $fields['reason'] = 'Invoker'
        $errors.Add($fields)
    }
    $good = ($errors.Count -eq 0 -and -not $result.cut)
    if ($null -ne $result.out) { $State.Outs[$Number] = $result.out }
    $State.Good[$Number] = $good
    if ($Request['w'] -and $Cuts -contains $result.cut) { $State.Cut = $true }          # no further write from this process
    $Reply.Frames.Add((Get-CallFrame $Call $Request $Number $result $errors $clock.ElapsedMilliseconds))
    return $good
}
function Clear-Batch {
    $State.Outs = @{}
    $State.Good = @{}
    $State.Skip = @{}
}
function Invoke-Calls($Request, $Reply) {         # the fields of the closing frame, which is then the reply's last
    $whole = [Diagnostics.Stopwatch]::StartNew()
    $quiet = [Diagnostics.Stopwatch]::StartNew()
    $budget = Get-Span $Request['bt'] 600000
    $every = 10000                                # one write for a batch of reads; a write's answer goes out at once, it may be the last
    if ($Request['w']) { $every = 250 }
    $number = 0
    $bad = 0
    Clear-Batch
    foreach ($call in $Request['calls']) {
        if ($call -isnot [Collections.IDictionary]) { continue }
        $good = Invoke-Numbered $call $Request $number ($budget - $whole.ElapsedMilliseconds) $Reply
        $number++
        if (-not $good) {
            $bad++
            if ($Request['stop'] -or $Request['w']) { break }
        }
        if ($quiet.ElapsedMilliseconds -gt $every) {
            Send-Frames $Reply
            $quiet.Restart()
        }
    }
    Clear-Batch
    $end = [ordered]@{ id = $Request['id']; end = $true; n = $number; bad = $bad; taint = ($State.Taint -or $State.Cut) }
    if (Test-Old) { $end['recycle'] = $true }
    $Reply.Frames.Add((Get-Body $end))
    return $end
}
function Test-Old {                               # time for a new process: batches served, age, memory
    $me = [Diagnostics.Process]::GetCurrentProcess()
    return ($State.Served -ge $Limits.Batches -or ([datetime]::Now - $me.StartTime).TotalSeconds -ge $Limits.Seconds -or $me.WorkingSet64 -ge $Limits.Bytes)
}
function Invoke-Request($Request, $Reply) {
    Confirm-Host
    if ($Request['hello'] -is [Collections.IDictionary]) { Add-Hello $Request['hello'] $Reply }
    if ($Request['lease'] -is [Collections.IDictionary]) {
        $lease = Use-Lease $Request['lease']
        $Reply.Frames.Add((Get-Body ([ordered]@{ id = $Reply.Id; lease = $lease; now = (Get-Clock) })))
    }
    if ($Request['job'] -is [Collections.IDictionary]) {
        $found = Use-Job $Request['job'] $Request
        $body = Get-Body ([ordered]@{ id = $Reply.Id; job = $found.Job; joined = $found.Joined })
        if ($found.Answer) { $body = $body.Substring(0, $body.Length - 1) + ',"answer":' + $found.Answer + '}' }
        $Reply.Frames.Add($body)
    }
    if ($Request['w']) {
        if ($State.Cut) { Stop-With 'Tainted' 'an earlier write was cut: end this process, see it gone, then look' }
        Use-Lock { Confirm-Epoch $Request['epoch'] (Get-Span $Request['bt'] 600000) }
    }
    [void](Invoke-Calls $Request $Reply)
}

# ---- 11. Lines: parts, ids, replay
function Read-Line([string]$Line) {
    $value = $null
    try { $value = Read-Json $Line } catch { Stop-With 'BadLine' $_.Exception.Message }
    if ($value -isnot [Collections.IDictionary]) { Stop-With 'BadLine' 'a request is a map' }
    return $value
}
function Get-Nonce($Request) {
    if (-not $Request.ContainsKey('nonce')) { return '' }
    $nonce = $Request['nonce']
    if ($nonce -isnot [string] -or $nonce -cnotmatch $RxNonce) { Stop-With 'BadNonce' 'at most 32 hex digits' }
    return $nonce
}
function Get-RequestId($Request) {
    $id = $Request['id']
    if (($id -isnot [int] -and $id -isnot [long]) -or $id -lt 1) { Stop-With 'BadId' 'an id is a whole number above 0' }
    return [long]$id
}
function Join-Part($Request, [long]$Id) {         # the whole line once its last part is there, else null
    $part = $Request['part']
    $of = $Request['of']
    if ($part -isnot [int] -or $of -isnot [int] -or $part -lt 0 -or $part -ge $of -or $of -gt 1000) { Stop-With 'BadLine' 'part' }
    if ($Parts.get_Count() -gt 8) { $Parts.Clear() }
    if (-not $Parts.ContainsKey($Id)) { $Parts[$Id] = @{} }
    $pieces = $Parts[$Id]
    $pieces[$part] = [string]$Request['data']
    if ($pieces.get_Count() -lt $of) { return $null }
    $text = New-Object Text.StringBuilder
    for ($n = 0; $n -lt $of; $n++) { [void]$text.Append($pieces[$n]) }
    $Parts.Remove($Id)
    return $text.ToString()
}
function Invoke-Once($Request, [string]$Line, $Reply) {       # an answered id is replayed before the epoch is looked at
    $id = [long]$Reply.Id
    $print = Get-Sha $Line
    if ($Answered.ContainsKey($id)) {
        $old = $Answered[$id]
        if ($old.Print -cne $print) { Stop-With 'IdReused' 'id used for another request' }
        $Reply.Frames = $old.Frames
        return
    }
    if ($id -le $State.Highest) { Stop-With 'Forgotten' "id $id is not remembered; highest is $($State.Highest)" }
    $State.Highest = $id
    $State.Served++
    $Answered[$id] = @{ Print = $print; Frames = $Reply.Frames }
    $Order.Enqueue($id)
    if ($Order.Count -gt $Limits.Remembered) { [void]$Answered.Remove($Order.Dequeue()) }
    Invoke-Request $Request $Reply
}
function Get-RefusedFrame($Reply, $Record) {
    $fields = [ordered]@{
        id = $Reply.Id; end = $true; n = 0; refused = [string]$Record.FullyQualifiedErrorId; fatal = $Record.Exception.Message
        taint = ($State.Taint -or $State.Cut)
    }
    if ($Record.TargetObject -is [Collections.IDictionary]) { $fields['detail'] = $Record.TargetObject }
    return Get-Body $fields
}
function Invoke-Line([string]$Line) {
    $reply = New-Reply
    try {
        $request = Read-Line $Line
        $reply.Nonce = Get-Nonce $request
        $id = Get-RequestId $request
        if ($request.ContainsKey('part')) {
            $Line = Join-Part $request $id
            if (-not $Line) { return }
            $request = Read-Line $Line
            $reply.Nonce = Get-Nonce $request
            if ((Get-RequestId $request) -ne $id) { Stop-With 'BadLine' 'parts of another id' }
        }
        $reply.Id = $id
        Invoke-Once $request $Line $reply
    } catch {
        $reply.Frames.Add((Get-RefusedFrame $reply $_))
    }
    Send-Frames $reply
}

# ---- 12. Ways in
function Invoke-Batch([string]$Json, [Security.SecureString[]]$Secret) {                # one line in, frames out as text; the module keeps the state
    $State.Box = New-Object Text.StringBuilder
    $State.Secrets = $Secret
    try { Invoke-Line $Json } finally { $State.Secrets = $null }
    return $State.Box.ToString()
}
if ($Mode -eq 'function') {
    Export-ModuleMember -Function Invoke-Batch
    return
}
if ($Mode -eq 'job') { Invoke-Detached $Detached } else {
    while ($null -ne ($line = $Reader.ReadLine())) { if ($line.Length) { Invoke-Line $line } }
}
if ($State.Taint) { [Environment]::Exit(3) }      # a lost thread would keep the process alive
#HVEND
