"""Law 6 in both directions: a call that Windows would bind passes, and each kind of fault is named."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.core.calls import Argv, Call, Cmdlet, LedgerCall, Out, ProgramCall, Secret
from reconciler.signatures import check_call, check_word, exceptions
from reconciler.signatures.catalogue import catalogue

GOOD = [
    Call("New-VMSwitch", {"Name": "eflow", "SwitchType": "Internal"}, ("Id", "Name")),
    Call("Hyper-V\\Get-VMSwitch", {}, ("Id", "Name", "SwitchType")),
    Call("New-NetIPAddress", {"InterfaceIndex": Out(0, "ifIndex"), "IPAddress": "10.0.0.1", "PrefixLength": 24}, ("InterfaceIndex",)),
    Call(
        "Add-DhcpServerv4Scope",
        {"Name": "a", "StartRange": "10.0.0.1", "EndRange": "10.0.0.9", "SubnetMask": "255.255.255.0", "LeaseDuration": timedelta(days=8)},
    ),
    Call("Set-DhcpServerv4Binding", {"InterfaceAlias": "a", "BindingState": True, "Confirm": False}),
    Call("Provision-EflowVm", {"provisioningType": "dpssymmetrickey", "symmKey": Secret("env", "A"), "headless": True}),
    Call("Invoke-EflowVmCommand", {"command": Argv(("true",))}),
    Call("Get-CimInstance", {"ClassName": "Win32_OperatingSystem"}, ("LastBootUpTime",)),
    Call("Get-VMNetworkAdapter", {"ManagementOS": True}, ("Name", "SwitchName", "MacAddress")),
    Call("Get-NetIPConfiguration", {}, ("InterfaceAlias", ("IPv4Address", ("IPAddress", "PrefixLength")))),
    Call("Install-WindowsFeature", {"Name": "Hyper-V"}, ("Success", ("FeatureResult", ("DisplayName", "Success")))),
    Call("Get-EflowVm", {}, ("VmPowerState", ("SystemStatistics", ("TotalMemMb",)))),
    Call("Get-ItemProperty", {"Path": "HKLM:\\SOFTWARE\\x"}, ("DisplayVersion",)),
    Call("Get-ChildItem", {"Path": "C:\\x"}, ("FullName",)),
    Call("Get-Item", {"LiteralPath": "C:\\x"}, ("FullName",)),
    Call("Set-ItemProperty", {"LiteralPath": "HKLM:\\x", "Name": "a", "Value": 1, "Type": "DWord"}),
    Call("Get-Process", {"Id": 4}, ("StartTime",)),
    Call("Verify-EflowVm"),
]

BAD = [
    (Call("Get-Nothing"), "no such cmdlet"),
    (Call("NetNat\\Get-VMSwitch"), "no such cmdlet"),
    (Call("new-vmswitch", {"Name": "a", "SwitchType": "Internal"}), "is spelled so, not new-vmswitch"),
    (Call("New-VMSwitch", {"Name": "a", "SwitchType": "Internal", "Prefix": 1}), "has no parameter Prefix"),
    (Call("New-VMSwitch", {"SwitchName": "a", "SwitchType": "Internal"}), "has no parameter SwitchName; it is Name"),
    (Call("New-VMSwitch", {"Name": "a", "SwitchType": "Internal", "NetAdapterName": "b"}), "no parameter set takes Name, NetAdapterName, SwitchType together"),
    (Call("New-VMSwitch", {"SwitchType": "Internal"}), "lacks Name, which SwitchType needs"),
    (Call("New-VMSwitch", {"Name": "", "SwitchType": "Internal"}), "Name: is mandatory and must not be empty"),
    (Call("New-VMSwitch", {"Name": "a", "SwitchType": "External"}), "SwitchType: 'External' is none of Internal, Private"),
    (Call("New-VMSwitch", {"Name": ["a"], "SwitchType": "Internal"}), "Name: takes one String, not a list"),
    (Call("Remove-VMSwitch", {"Name": "a", "Force": "yes"}), "Force: 'yes' is no SwitchParameter"),
    (Call("Set-DhcpServerv4Binding", {"InterfaceAlias": "a", "BindingState": 1}), "BindingState: 1 is no Boolean"),
    (Call("New-NetIPAddress", {"InterfaceAlias": "a", "IPAddress": "10.0.0.1", "PrefixLength": 256}), "PrefixLength: 256 is no Byte"),
    (Call("Get-DhcpServerv4Scope", {"ScopeId": "10.0.0"}), "ScopeId: '10.0.0' is no IPAddress"),
    (Call("Set-DhcpServerv4Scope", {"ScopeId": "10.0.0.0", "LeaseDuration": "8 days"}), "LeaseDuration: '8 days' is no TimeSpan"),
    (Call("Get-VMSwitch", {"Id": "x"}), "Id: 'x' is no Guid"),
    (Call("Stop-VM", {"VM": "a"}), "VM: takes a live VirtualMachine"),
    (Call("Remove-DhcpServerv4Lease", {"ScopeId": "10.0.0.0"}), "does not tell BadLeases, ScopeId apart by ScopeId"),
    (Call("Get-NetNat", {}, ("Prefix",)), "Get-NetNat has no property Prefix"),
    (Call("Get-NetNat", {}, ("name",)), "Get-NetNat has no property name; it is Name"),
    (Call("Get-VMNetworkAdapter", {"ManagementOS": True}, ("Connected",)), "has no property Connected"),
    (Call("Get-CimInstance", {"ClassName": "Win32_Nothing"}, ("Name",)), "what Get-CimInstance answers is not known"),
    (Call("Get-ComputeProcess", {}, ("State",)), "the property State of Get-ComputeProcess is unverified"),
    (Call("Get-NetIPConfiguration", {}, (("IPv4Address", ("Prefix",)),)), "has no property Prefix"),
    (Call("Install-WindowsFeature", {"Name": "a"}, (("FeatureResult", ("Nothing",)),)), "has no property Nothing"),
    (Call("Get-EflowVm", {}, (("SystemStatistics", ("Memory",)),)), "has no property SystemStatistics.Memory"),
]


@pytest.mark.parametrize("call", GOOD, ids=lambda call: call.name)
def test_a_call_that_windows_would_bind_passes(call: Call) -> None:
    assert check_call(call) == []


@pytest.mark.parametrize(("call", "fault"), BAD, ids=[fault for _, fault in BAD])
def test_each_fault_of_a_call_is_named(call: Call, fault: str) -> None:
    faults = check_call(call)
    assert len(faults) == 1
    assert fault in faults[0]


def test_programs_and_the_record_have_no_signature_to_break() -> None:
    assert check_call(ProgramCall("C:\\a\\b.exe", ("x",))) == []
    assert check_call(LedgerCall("get", None, "machine")) == []


def test_a_word_of_a_vocabulary_is_judged_without_a_call() -> None:
    assert check_word(Cmdlet("New-NetNat", ("Name", "InternalIPInterfaceAddressPrefix"))) == []
    assert check_word(Cmdlet("New-NetNat", ("Prefix",))) == ["New-NetNat: has no parameter Prefix"]
    assert check_word(Cmdlet("New-Nat")) == ["New-Nat: no such cmdlet in the catalogue"]


def test_every_exception_is_about_something_that_is_shipped_and_says_why() -> None:
    known = catalogue()
    named = {
        *exceptions.PROPERTIES,
        *exceptions.SAME_OBJECT,
        *(cmdlet for cmdlet, _ in (*exceptions.NESTED_OBJECT, *exceptions.NESTED_PROPERTIES, *exceptions.UNVERIFIED)),
    }
    assert {name for name in named if known.cmdlet(name) is None} == set()
    answered = {source for source, _ in (*exceptions.SAME_OBJECT.values(), *exceptions.NESTED_OBJECT.values())}
    assert {name for name in answered if known.outputs(name) is None} == set()
    reasons = [
        *(known.because for known in (*exceptions.PROPERTIES.values(), *exceptions.NESTED_PROPERTIES.values())),
        *exceptions.UNVERIFIED.values(),
        *exceptions.KEPT_APART.values(),
    ]
    assert all(len(reason) > 20 for reason in reasons)


def test_an_exception_never_repeats_what_the_catalogue_has() -> None:
    for name, besides in exceptions.PROPERTIES.items():
        stated = catalogue().outputs(name)
        assert not stated or not besides.properties & set(stated.properties), name
