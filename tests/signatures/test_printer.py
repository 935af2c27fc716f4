"""What a person would type, in the style of the product's own samples."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.calls import AnyCall, Argv, Call, Good, Later, LedgerCall, Out, ProgramCall, Secret
from reconciler.core.errors import Defect
from reconciler.signatures import powershell, script
from tests.signatures.powershell_reader import read_text

MSIEXEC = "C:\\Windows\\System32\\msiexec.exe"
CACHED = "C:\\Program Files\\reconciler\\cache\\eflow.msi"


@pytest.mark.parametrize(
    ("call", "typed"),
    [
        (Call("Install-WindowsFeature", {"Name": "Hyper-V", "IncludeManagementTools": True}), "Install-WindowsFeature -Name 'Hyper-V' -IncludeManagementTools"),
        (Call("Restart-Computer", {"Force": True}), "Restart-Computer -Force"),
        (Call("Hyper-V\\New-VMSwitch", {"Name": "eflow", "SwitchType": "Internal"}), "New-VMSwitch -Name 'eflow' -SwitchType Internal"),
        (Call("Add-DhcpServerSecurityGroup"), "Add-DhcpServerSecurityGroup"),
        (
            Call("Set-DhcpServerv4Binding", {"InterfaceAlias": "vEthernet (eflow)", "BindingState": True}),
            "Set-DhcpServerv4Binding -InterfaceAlias 'vEthernet (eflow)' -BindingState $true",
        ),
        (
            Call("Add-DhcpServerv4Scope", {"Name": "eflow", "LeaseDuration": timedelta(days=8), "State": "Active"}),
            "Add-DhcpServerv4Scope -Name 'eflow' -LeaseDuration '8.00:00:00' -State Active",
        ),
        (
            Call("Set-DhcpServerv4OptionValue", {"ScopeId": "172.20.10.0", "DnsServer": ["168.63.129.16", "1.1.1.1"], "Force": False}),
            "Set-DhcpServerv4OptionValue -ScopeId '172.20.10.0' -DnsServer '168.63.129.16', '1.1.1.1' -Force:$false",
        ),
        (Call("Deploy-Eflow", {"acceptEula": "Yes", "cpuCount": 2}), "Deploy-Eflow -acceptEula Yes -cpuCount 2"),
        (Call("Invoke-EflowVmCommand", {"command": Argv(("cat", "a b"))}), "Invoke-EflowVmCommand -command 'cat ''a b'''"),
        (Call("Set-ItemProperty", {"Name": "v", "Value": ["one"]}), "Set-ItemProperty -Name 'v' -Value @('one')"),
        (Call("Set-ItemProperty", {"Name": "v", "Value": []}), "Set-ItemProperty -Name 'v' -Value @()"),
        (Call("Set-Thing", {"Enabled": True}), "Set-Thing -Enabled:$true"),
        (
            Call("Get-WinEvent", {"FilterHashtable": {"LogName": "System", "Id": [1, 2]}}),
            "Get-WinEvent -FilterHashtable @{ 'LogName' = 'System'; 'Id' = @(1, 2) }",
        ),
        (
            ProgramCall(MSIEXEC, ("/i", CACHED, "/qn", "/norestart"), Good(exit=(0, 3010))),
            f"Start-Process -FilePath 'msiexec.exe' -ArgumentList '/i \"{CACHED}\" /qn /norestart' -Wait -PassThru",
        ),
        (ProgramCall("C:\\tools\\hcsdiag.exe"), "Start-Process -FilePath 'C:\\tools\\hcsdiag.exe' -Wait -PassThru"),
        (LedgerCall("put", "lab", "x"), ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_call_reads_as_a_person_would_type_it(call: AnyCall, typed: str) -> None:
    assert powershell(call) == typed


def test_a_hash_that_is_checked_reads_as_a_remark() -> None:
    call = Call("Get-FileHash", {"LiteralPath": CACHED}, ("Hash",), Good(returns={"Hash": "9F2C4A7B00112233"}))
    assert powershell(call) == "# sha256 of it is compared with 9f2c4a7b…"


def test_a_secret_is_asked_for_and_never_printed() -> None:
    call = Call("Provision-EflowVm", {"provisioningType": "DpsSymmetricKey", "symmKey": Secret("env", "DPS_KEY"), "headless": True})
    assert powershell(call).splitlines() == [
        "$symmKey = Read-Host 'symmKey'                # env DPS_KEY: never printed",
        "Provision-EflowVm -provisioningType DpsSymmetricKey -symmKey $symmKey -headless",
    ]


def test_the_same_secret_is_asked_for_once_and_another_gets_its_own_variable() -> None:
    first, second = Secret("env", "A"), Secret("env", "B")
    calls = [Call("Provision-EflowVm", {"symmKey": secret}) for secret in (first, second, first)]
    assert [line for line in script(calls).splitlines() if not line.endswith("printed")] == [
        "Provision-EflowVm -symmKey $symmKey",
        "Provision-EflowVm -symmKey $symmKey2",
        "Provision-EflowVm -symmKey $symmKey",
    ]


def test_an_answer_that_a_later_call_reads_is_kept_in_a_variable() -> None:
    calls = [Call("Get-NetAdapter", {"Name": "a"}, ("ifIndex",)), Call("New-NetIPAddress", {"InterfaceIndex": Out(0, "ifIndex"), "IPAddress": "10.0.0.1"})]
    assert script(calls).splitlines() == ["$step1 = Get-NetAdapter -Name 'a'", "New-NetIPAddress -InterfaceIndex $step1.ifIndex -IPAddress '10.0.0.1'"]


def test_one_call_alone_names_the_earlier_answer_and_keeps_none() -> None:
    assert powershell(Call("Remove-VM", {"Name": Out(0, "Name")})) == "Remove-VM -Name $step1.Name"


def test_a_program_takes_an_earlier_answer_between_quotes() -> None:
    call = ProgramCall("C:\\a\\b.exe", ("-p", Out(0, "Path"), "x y"))
    assert powershell(call) == "Start-Process -FilePath 'C:\\a\\b.exe' -ArgumentList ('-p \"' + $step1.Path + '\" \"x y\"') -Wait -PassThru"


def test_what_is_known_after_apply_is_said_and_cannot_be_run() -> None:
    call = Call("New-NetIPAddress", {"IPAddress": Later("edge-01/EflowVm", "address #> ; calc")})
    assert powershell(call) == "New-NetIPAddress -IPAddress <# known after apply: address # > ; calc of edge-01/EflowVm #>"


def test_a_parameter_name_that_is_none_is_refused() -> None:
    with pytest.raises(Defect, match="parameter name"):
        powershell(Call("Get-VM", {"Name; calc": "x"}))


@given(st.text(alphabet=st.one_of(st.sampled_from("'‘’‚‛$`\";\n-"), st.characters(exclude_categories=()))))
def test_a_hostile_value_stays_one_argument(value: str) -> None:
    before, _, argument = powershell(Call("New-VMSwitch", {"Name": value})).partition(" -Name ")
    assert (before, read_text(argument)) == ("New-VMSwitch", value)


@given(st.text(min_size=1))
def test_only_an_accepted_word_stands_bare(value: str) -> None:
    typed = powershell(Call("New-VMSwitch", {"SwitchType": value})).removeprefix("New-VMSwitch -SwitchType ")
    assert typed == value if value.casefold() in {"internal", "private"} else read_text(typed) == value
