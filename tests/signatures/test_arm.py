"""Law 6 for requests to Azure Resource Manager, and the addresses that they go to."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.calls import Arm, ArmCall, Secret
from reconciler.core.errors import Defect
from reconciler.core.resources import Azure
from reconciler.signatures import address, arm_catalogue, check_call, check_word, resolved

VM = Azure("6f1c0c9e-0000-4000-8000-00000000e001", "rg-hpc", vm="hpc-01")
SET = Azure("6f1c0c9e-0000-4000-8000-00000000e001", "rg-hpc", scale_set="hpc")
BODY = {"location": "westeurope", "properties": {"publisher": "Microsoft.HpcCompute", "type": "InfiniBandDriverWindows", "typeHandlerVersion": "1.5"}}
NAME = {"vmExtensionName": "ib"}


def put(**properties: Any) -> ArmCall:
    return ArmCall("VirtualMachineExtensions_CreateOrUpdate", NAME, body={**BODY, "properties": {**BODY["properties"], **properties}})  # type: ignore[dict-item]


def test_an_address_is_made_of_the_host_and_the_call() -> None:
    listed = ArmCall("VirtualMachineExtensions_List", query={"$expand": "instanceView"})
    base = "/subscriptions/6f1c0c9e-0000-4000-8000-00000000e001"
    assert address(listed, VM, "westeurope") == (
        f"{base}/resourceGroups/rg-hpc/providers/Microsoft.Compute/virtualMachines/hpc-01/extensions?api-version=2024-11-01&$expand=instanceView"
    )
    assert address(put(), VM, "westeurope", "2022-03-01").endswith("/extensions/ib?api-version=2022-03-01")
    skus = address(ArmCall("ResourceSkus_List"), VM, "westeurope", "2022-03-01")
    assert skus == f"{base}/providers/Microsoft.Compute/skus?api-version=2021-07-01&$filter=location%20eq%20'westeurope'"
    versions = ArmCall("VirtualMachineExtensionImages_ListVersions", {"publisherName": "P", "type": "T"})
    assert address(versions, VM, "westeurope").startswith(f"{base}/providers/Microsoft.Compute/locations/westeurope/publishers/P/artifacttypes/")
    upgrade = ArmCall("VirtualMachineScaleSets_UpdateInstances", body={"instanceIds": ["0"]})
    assert "/virtualMachineScaleSets/hpc/manualupgrade?" in address(upgrade, SET, "westeurope")


def test_a_name_cannot_leave_its_place_in_the_address() -> None:
    hostile = ArmCall("VirtualMachineExtensions_Get", {"vmExtensionName": "../../virtualMachines/other?x=y#z"})
    assert address(hostile, VM, "westeurope").endswith("/extensions/..%2F..%2FvirtualMachines%2Fother%3Fx%3Dy%23z?api-version=2024-11-01")


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (put(), ""),
        (put(protectedSettings={"key": Secret("env", "X")}), ""),
        (put(protectedSettings=Secret("env", "X")), ""),
        (put(settings={"a": [{"b": None}]}), ""),
        (put(settings={"a": [Secret("env", "X")]}), "properties.settings would hold a secret, and anybody who may read the resource reads it"),
        (put(typeHandlerVersion=1.5), "properties.typeHandlerVersion wants a string, not float"),
        (put(typeHandlerVersion="1.5.0"), "properties.typeHandlerVersion cannot be '1.5.0'"),
        (put(enableAutomaticUpgrade="false"), "properties.enableAutomaticUpgrade wants a boolean, not str"),
        (put(instanceView={}), "has no field properties.instanceView"),
        (ArmCall("VirtualMachineExtensions_CreateOrUpdate", NAME, body={"properties": {}}), "lacks location"),
        (ArmCall("VirtualMachineExtensions_CreateOrUpdate", NAME), "wants a body"),
        (ArmCall("VirtualMachineExtensions_Delete", NAME, body={}), "takes no body"),
        (ArmCall("VirtualMachineExtensions_Delete"), "lacks the path parameter vmExtensionName"),
        (ArmCall("VirtualMachineExtensions_Delete", {"vmExtensionName": ""}), "vmExtensionName must not be empty"),
        (ArmCall("VirtualMachineExtensions_List", {"vmName": "other"}), "has no path parameter vmName"),
        (ArmCall("VirtualMachineExtensions_List", query={"$expand": "all"}), "takes no $expand=all"),
        (ArmCall("VirtualMachines_Get", where={"name": "x"}), "answers no list, so nothing can be picked of it"),
        (ArmCall("VirtualMachines_Deallocate"), "no such operation in the catalogue"),
    ],
)
def test_what_the_service_would_not_take_is_told_before(call: ArmCall, fault: str) -> None:
    assert check_call(call) == ([f"{call.operation}: {fault}"] if fault else [])


def test_a_field_younger_than_the_api_version_is_told() -> None:
    from reconciler.signatures.arm import check_arm

    told = check_arm(put(suppressFailures=True), "2020-06-01")
    assert told == ["VirtualMachineExtensions_CreateOrUpdate: properties.suppressFailures came with api-version 2021-07-01, and 2020-06-01 is used"]


def test_a_word_says_only_what_its_operation_has() -> None:
    assert check_word(Arm("VirtualMachineExtensions_Update", ("vmExtensionName",), ("tags",))) == []
    assert check_word(Arm("VirtualMachineExtensions_Update", ("name",), ("location",))) == [
        "VirtualMachineExtensions_Update: has no path parameter name",
        "VirtualMachineExtensions_Update: has no field location",
    ]
    assert check_word(Arm("VirtualMachines_Delete")) == ["VirtualMachines_Delete: no such operation in the catalogue"]


def test_a_word_refuses_what_it_was_declared_without() -> None:
    tag = Arm("VirtualMachineExtensions_Update", ("vmExtensionName",), ("tags",))
    assert tag({"tags": {"a": "b"}}, vmExtensionName="ib").body == {"tags": {"a": "b"}}
    with pytest.raises(Defect, match=r"without the field properties\.settings"):
        tag({"tags": {}, "properties": {"settings": {}}}, vmExtensionName="ib")
    with pytest.raises(Defect, match="without the path parameter vmName"):
        tag({"tags": {}}, vmName="other")


def test_a_secret_in_place_of_a_map_is_that_map_as_text() -> None:
    whole, leaf = Secret("env", "WHOLE"), Secret("env", "LEAF")
    values = {whole: '{"storageAccountKey": "k"}', leaf: '{"not": "opened"}'}
    sent = resolved({"properties": {"protectedSettings": whole, "forceUpdateTag": None}}, values)
    assert sent == {"properties": {"protectedSettings": {"storageAccountKey": "k"}}}
    assert resolved({"protectedSettings": {"key": leaf}}, values) == {"protectedSettings": {"key": '{"not": "opened"}'}}


def test_every_operation_names_its_section_its_rights_and_known_versions() -> None:
    known = arm_catalogue()
    assert known.api_version in known.versions
    for operation in known.operations.values():
        assert operation.section.startswith("1.1 ")
        assert operation.actions
        assert operation.writes == (operation.method != "GET")
        assert operation.long == operation.writes
        assert all(one.since in known.versions for one in operation.body.values())
