& {
    param([string]$Name, [int]$Port, [string[]]$From, [bool]$Keep)
    $ErrorActionPreference = 'Stop'
    $place = @{ Address = '*'; Transport = 'HTTPS' }
    Set-Service -Name 'WinRM' -StartupType 'Automatic'
    Start-Service -Name 'WinRM'
    $certificate = $null
    if ($Keep) {
        $mine = Get-ChildItem -Path 'Cert:\LocalMachine\My' | Where-Object -FilterScript { $_.HasPrivateKey -and $_.DnsNameList.Unicode -contains $Name }
        $certificate = $mine | Sort-Object -Property 'NotAfter' -Descending | Select-Object -First 1
        if (-not $certificate) { throw 'there is no certificate for this name in the store LocalMachine\My' }
    } else {
        $until = [datetime]::Now.AddYears(2)
        $certificate = New-SelfSignedCertificate -DnsName $Name, $env:COMPUTERNAME -CertStoreLocation 'Cert:\LocalMachine\My' -NotAfter $until
    }
    $listeners = @(Get-WSManInstance -ResourceURI 'winrm/config/Listener' -Enumerate)
    if (@($listeners | Where-Object -FilterScript { $_.Transport -eq 'HTTPS' -and $_.Address -eq '*' }).Count) {
        Remove-WSManInstance -ResourceURI 'winrm/config/Listener' -SelectorSet $place
    }
    $values = @{ Hostname = $Name; Port = [string]$Port; CertificateThumbprint = $certificate.Thumbprint }
    [void](New-WSManInstance -ResourceURI 'winrm/config/Listener' -SelectorSet $place -ValueSet $values)
    Get-NetFirewallRule -Name 'reconcile-winrm-https' -ErrorAction 'SilentlyContinue' | Remove-NetFirewallRule
    $rule = @{
        Name = 'reconcile-winrm-https'; DisplayName = 'reconcile (WinRM over HTTPS)'; Direction = 'Inbound'; Action = 'Allow'
        Protocol = 'TCP'; LocalPort = $Port; RemoteAddress = $From
    }
    [void](New-NetFirewallRule @rule)
    'WinRM listens on port ' + $Port + '. Hand this certificate to reconcile as connection.ca:'
    '-----BEGIN CERTIFICATE-----'
    [Convert]::ToBase64String($certificate.RawData, 'InsertLineBreaks')
    '-----END CERTIFICATE-----'
}
