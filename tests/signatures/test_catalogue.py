"""The shipped catalogue reads back whole and answers by the names that Windows uses."""

from __future__ import annotations

import pytest

from reconciler.signatures import catalogue


@pytest.mark.parametrize("name", ["New-VMSwitch", "new-vmswitch", "Hyper-V\\New-VMSwitch", "hyper-v\\NEW-VMSWITCH"])
def test_a_cmdlet_is_found_in_any_case_and_with_its_module(name: str) -> None:
    found = catalogue().cmdlet(name)
    assert found is not None
    assert (found.name, found.module) == ("New-VMSwitch", "Hyper-V")


def test_a_cmdlet_is_not_found_under_another_module() -> None:
    assert catalogue().cmdlet("NetNat\\New-VMSwitch") is None


def test_a_parameter_knows_its_type_aliases_and_values() -> None:
    cmdlet = catalogue().cmdlet("New-VMSwitch")
    assert cmdlet is not None
    parameter = cmdlet.find("switchname")
    assert parameter is cmdlet.parameters["Name"]
    assert cmdlet.parameters["NetAdapterName"].array
    assert cmdlet.parameters["NetAdapterName"].element == "String"
    assert cmdlet.parameters["SwitchType"].values == ("Internal", "Private")
    assert cmdlet.sets["SwitchType"].mandatory == {"Name", "SwitchType"}


@pytest.mark.parametrize(
    ("name", "compiled"),
    [("Get-VM", True), ("Get-Service", True), ("Get-NetNat", False), ("Get-DhcpServerv4Scope", False), ("Deploy-Eflow", False), ("Get-FileHash", False)],
)
def test_functions_are_told_from_compiled_cmdlets(name: str, compiled: bool) -> None:
    cmdlet = catalogue().cmdlet(name)
    assert cmdlet is not None
    assert cmdlet.compiled is compiled


def test_outputs_are_found_by_cmdlet_by_cim_class_and_by_type() -> None:
    known = catalogue()
    by_class = known.outputs("Get-CimInstance", "Win32_BIOS")
    adapter = known.outputs("Get-VMNetworkAdapter", "Microsoft.HyperV.PowerShell.VMInternalNetworkAdapter")
    assert by_class is not None
    assert "SerialNumber" in by_class.properties
    assert adapter is known.objects("VMInternalNetworkAdapter")
    assert known.outputs("Get-CimInstance") is None


def test_what_is_not_proved_says_so() -> None:
    known = catalogue()
    processes, switches = known.outputs("Get-ComputeProcess"), known.outputs("Get-VMSwitch")
    assert processes is not None
    assert switches is not None
    assert not processes.properties["State"].verified
    assert processes.properties["Id"].verified
    assert switches.missing is not None
    assert switches.missing.id == "InvalidParameter,Microsoft.HyperV.PowerShell.Commands.GetVMSwitch"


def test_every_enum_that_a_property_names_is_shipped() -> None:
    known = catalogue()
    named = {fact.enum for answer in (*known.answers.values(), *known.classes.values()) for fact in answer.properties.values() if fact.enum}
    assert named == set(known.enums)


def test_every_parameter_set_names_parameters_that_exist() -> None:
    strange = [(cmdlet.name, one.name) for cmdlet in catalogue().cmdlets.values() for one in cmdlet.sets.values() if not one.takes <= set(cmdlet.parameters)]
    assert strange == []
