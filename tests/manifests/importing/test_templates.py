"""Every form in which Azure's JSON holds an extension, what is kept of it, and what is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.manifests.importing.documents import questions, yaml_text
from reconciler.manifests.importing.evaluation import Evaluator, Unknown
from reconciler.manifests.importing.reading import Unreadable, parameters_of, read_json
from reconciler.manifests.importing.templates import Found, Imported, extensions
from reconciler.manifests.importing.walking import Machine

PROPERTIES = {"publisher": "Microsoft.HpcCompute", "type": "InfiniBandDriverWindows", "typeHandlerVersion": "1.5", "autoUpgradeMinorVersion": True}
FIELDS = {"publisher": "Microsoft.HpcCompute", "type": "InfiniBandDriverWindows", "version": "1.5", "autoUpgradeMinorVersion": True}
VM_TYPE, SET_TYPE = "Microsoft.Compute/virtualMachines", "Microsoft.Compute/virtualMachineScaleSets"
HERE = "[resourceGroup().location]"
ID = "/subscriptions/6f1c0c9e-0000-4000-8000-00000000e001/resourceGroups/rg-hpc/providers/Microsoft.Compute"
# As on the public page of the driver: the schema with its placeholders, and the example.
PAGE_SCHEMA = {
    "name": "<myExtensionName>",
    "type": "extensions",
    "apiVersion": "2015-06-15",
    "location": "<location>",
    "dependsOn": ["[concat('Microsoft.Compute/virtualMachines/', <myVM>)]"],
    "properties": {**PROPERTIES, "typeHandlerVersion": "1.2", "settings": {}},
}
PAGE_EXAMPLE = PAGE_SCHEMA | {"name": "myExtensionName", "location": HERE, "dependsOn": ["[concat('Microsoft.Compute/virtualMachines/', myVM)]"]}


def template(*resources: Any, **more: Any) -> dict[str, Any]:
    return {"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "resources": list(resources), **more}


def extension(name: str = "ib", kind: str = f"{VM_TYPE}/extensions", **more: Any) -> dict[str, Any]:
    return {"type": kind, "name": name, "location": HERE, "properties": PROPERTIES, **more}


def one(document: Any, parameters: dict[str, Any] | None = None) -> Imported:
    (found,) = extensions(document, parameters).extensions
    return found


FORMS = {
    "nested in its VM": (template({"type": VM_TYPE, "name": "hpc-01", "resources": [extension(kind="extensions")]}), Machine("hpc-01")),
    "top level": (template(extension("hpc-01/ib")), Machine("hpc-01")),
    "a computed name": (
        template(extension("[concat(parameters('vm'),'/ib')]"), parameters={"vm": {"type": "string", "defaultValue": "hpc-01"}}),
        Machine("hpc-01"),
    ),
    "named by what it depends on": (template(extension(dependsOn=["[resourceId('Microsoft.Compute/virtualMachines', 'hpc-01')]"])), Machine("hpc-01")),
    "a scale set's child": (template(extension("nodes/ib", f"{SET_TYPE}/extensions")), Machine("nodes", True)),
    "nested in its scale set": (template({"type": SET_TYPE, "name": "nodes", "resources": [extension(kind="extensions")]}), Machine("nodes", True)),
    "by its full type and name in its VM": (template({"type": VM_TYPE, "name": "hpc-01", "resources": [extension("hpc-01/ib")]}), Machine("hpc-01")),
    "a VM's answer": (
        {
            "id": f"{ID}/virtualMachines/hpc-01",
            "name": "hpc-01",
            "type": VM_TYPE,
            "properties": {"vmId": "x"},
            "resources": [{"id": f"{ID}/virtualMachines/hpc-01/extensions/ib", "name": "ib", "type": f"{VM_TYPE}/extensions", "properties": PROPERTIES}],
        },
        Machine("hpc-01", False, "6f1c0c9e-0000-4000-8000-00000000e001", "rg-hpc"),
    ),
    "a scale set's model": (
        template(
            {
                "type": SET_TYPE,
                "name": "[toLower('NODES')]",
                "properties": {"virtualMachineProfile": {"extensionProfile": {"extensions": [{"name": "ib", "properties": PROPERTIES}]}}},
            }
        ),
        Machine("nodes", True),
    ),
    "an answer": (
        {"id": f"{ID}/virtualMachines/hpc-01/extensions/ib", "name": "ib", "type": f"{VM_TYPE}/extensions", "location": "westeurope", "properties": PROPERTIES},
        Machine("hpc-01", False, "6f1c0c9e-0000-4000-8000-00000000e001", "rg-hpc"),
    ),
    "a list": (
        {"value": [{"id": f"{ID}/virtualMachineScaleSets/nodes/extensions/ib", "name": "ib", "properties": PROPERTIES}]},
        Machine("nodes", True, "6f1c0c9e-0000-4000-8000-00000000e001", "rg-hpc"),
    ),
    "what az prints": (
        [
            {
                "id": f"{ID}/virtualMachines/hpc-01/extensions/ib",
                "name": "ib",
                "type": f"{VM_TYPE}/extensions",
                "settings": None,
                "tags": None,
                "resourceGroup": "rg",
            }
            | {name: value for name, value in PROPERTIES.items() if name != "type"}
            | {"typePropertiesType": "InfiniBandDriverWindows", "protectedSettings": None}
        ],
        Machine("hpc-01", False, "6f1c0c9e-0000-4000-8000-00000000e001", "rg-hpc"),
    ),
    "a scale set as az prints it": (
        {
            "type": SET_TYPE,
            "name": "nodes",
            "virtualMachineProfile": {
                "extensionProfile": {
                    "extensions": [
                        {"name": "ib", "typePropertiesType": "InfiniBandDriverWindows", "type": None}
                        | {name: value for name, value in PROPERTIES.items() if name != "type"}
                    ]
                }
            },
        },
        Machine("nodes", True),
    ),
    "an exported group": ({"template": template(extension("hpc-01/ib"))}, Machine("hpc-01")),
    "a parameter of another case, and Azure's index": (
        template(extension("[concat(parameters('VMs')[1].Name, '/ib')]"), parameters={"vms": {"type": "array", "defaultValue": [{}, {"name": "hpc-01"}]}}),
        Machine("hpc-01"),
    ),
    "compiled from Bicep, its VM by its symbol": (
        {
            "languageVersion": "2.0",
            "resources": {
                "vm": {"existing": True, "type": VM_TYPE, "name": "hpc-01"},
                "ext": extension("ib", dependsOn=["vm"]),
            },
        },
        Machine("hpc-01"),
    ),
    "compiled from Bicep": ({"languageVersion": "2.0", "resources": {"ext": extension("[format('{0}/{1}', 'hpc-01', 'ib')]")}}, Machine("hpc-01")),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form: str) -> None:
    document, machine = FORMS[form]
    found = one(document)
    assert (found.name, found.machine, found.fields, found.questions) == ("ib", machine, FIELDS, ())


NIC = {"type": "Microsoft.Network/networkInterfaces", "name": "[concat(parameters('vm'), '-nic')]"}
WHOLE_VM = {"type": VM_TYPE, "name": "hpc-01", "properties": {"hardwareProfile": {}}, "resources": [extension(kind="extensions")]}


def deployment(inside: dict[str, Any], scope: str = "", **more: Any) -> dict[str, Any]:
    options = {"expressionEvaluationOptions": {"scope": scope}} if scope else {}
    given = more.pop("parameters", {})
    return {
        "type": "Microsoft.Resources/deployments",
        "name": "drivers",
        "properties": {"mode": "Incremental", "template": inside, "parameters": given, **options},
        **more,
    }


INSIDE = template(
    extension("[concat(parameters('vm'), '/', variables('name'))]"),
    parameters={"vm": {"type": "string", "defaultValue": "inner-default"}},
    variables={"name": "ib-inner"},
)


@pytest.mark.parametrize(
    ("scope", "given", "name", "machine"),
    [
        ("", {}, "ib-outer", "outer"),  # the default: what is around it counts, even where the nested template has its own
        ("Outer", {"vm": {"value": "x"}}, "ib-outer", "outer"),
        ("inner", {}, "ib-inner", "inner-default"),
        ("inner", {"VM": {"value": "[concat(parameters('vm'), '-7')]"}}, "ib-inner", "outer-7"),
    ],
)
def test_a_nested_deployment_counts_in_the_scope_that_it_says(scope: str, given: dict[str, Any], name: str, machine: str) -> None:
    around = {"parameters": {"vm": {"type": "string", "defaultValue": "outer"}}, "variables": {"name": "ib-outer"}}
    found = one(template(deployment(INSIDE, scope, parameters=given), **around))
    assert (found.name, found.machine) == (name, Machine(machine))


def test_a_deployment_says_where_it_goes_and_one_in_another_is_followed() -> None:
    place = {"resourceGroup": "[parameters('group')]", "subscriptionId": "6f1c0c9e-0000-4000-8000-00000000e001"}
    inner = deployment(template(extension("hpc-01/ib")))
    found = one(template(deployment(template(inner), **place), parameters={"group": {"type": "string", "defaultValue": "rg-hpc"}}))
    assert found.machine == Machine("hpc-01", False, "6f1c0c9e-0000-4000-8000-00000000e001", "rg-hpc")
    unsaid = one(template(deployment(template(inner), resourceGroup="[parameters('group')]")))
    assert unsaid.machine == Machine("hpc-01")
    body = one({"properties": {"mode": "Incremental", "template": INSIDE, "parameters": {"vm": {"value": "hpc-02"}}}})
    assert (body.name, body.machine.name) == ("ib-inner", "hpc-02")


def test_what_is_linked_is_said_without_its_signature() -> None:
    link = {"type": "Microsoft.Resources/deployments", "name": "linked"}
    signed = "https://user:word@example.com/drivers.json?sv=1&sig=canary"
    found = extensions(
        template(
            link | {"properties": {"templateLink": {"uri": signed}, "parametersLink": {"uri": "https://example.com/values.json"}}},
            link | {"name": "near", "properties": {"templateLink": {"relativePath": "nested/drivers.json"}}},
            link | {"name": "computed", "properties": {"templateLink": {"uri": "[uri(deployment().properties.templateLink.uri, 'x.json')]"}}},
            link | {"name": "empty"},
        )
    )
    assert found == Found(
        (),
        (
            "deployment linked: its parameters are at https://example.com/values.json, which is not fetched",
            "deployment linked: its template is at https://example.com/drivers.json, which is not fetched: import that file too",
            "deployment near: its template is at nested/drivers.json, which is not fetched: import that file too",
            "deployment computed: its template is at an address that is worked out, which is not fetched: import that file too",
            "deployment empty: it holds no template",
        ),
    )


def test_of_all_that_is_no_extension_there_is_a_note() -> None:
    arc = {"type": "Microsoft.HybridCompute/machines/extensions", "name": "arc-01/ib", "properties": PROPERTIES}
    instance = {"type": f"{SET_TYPE}/virtualMachines/extensions", "name": "nodes/0/ib", "properties": PROPERTIES}
    lock = {"type": "providers/locks", "name": "Microsoft.Authorization/keep"}
    vm = WHOLE_VM | {"resources": [extension(kind="extensions"), lock]}
    found = extensions(template(NIC, vm, NIC | {"name": "b"}, arc, instance, deployment(template(NIC), "inner"), outputs={"x": {}}))
    assert [(each.name, each.machine, each.notes) for each in found.extensions] == [("ib", Machine("hpc-01"), ())]
    assert found.notes == (
        "left out: Microsoft.Network/networkInterfaces [concat(parameters('vm'), '-nic')], b",
        "left out: Microsoft.Compute/virtualMachines hpc-01 (their extensions alone are kept)",
        "left out: Microsoft.Compute/virtualMachines/providers/locks Microsoft.Authorization/keep",
        "left out: Microsoft.HybridCompute/machines/extensions arc-01/ib",
        "left out: Microsoft.Compute/virtualMachineScaleSets/virtualMachines/extensions nodes/0/ib",
        "outputs of a template say nothing of an extension: left out",
    )


def test_a_resource_says_more_than_a_spec_can_hold() -> None:
    found = one(template(extension("hpc-01/ib", tags={"team": "hpc", "reconciler.id": "edge/x"}, comments="why", zones=[])))
    assert found.notes == (
        "tags are left out: team; those that are on the extension in Azure stay there",
        "comments is left out: a spec has no word for it",
    )


LOOPS = {
    "by hand": ({"name": "each", "count": 2}, "[concat('hpc-', copyIndex(1), '/ib')]"),
    "by name": ({"name": "each", "count": "[parameters('count')]"}, "[format('hpc-{0}/ib', copyIndex('EACH', 1))]"),
    "from Bicep": ({"name": "each", "count": "[length(range(1, 2))]"}, "[format('{0}/{1}', format('hpc-{0}', range(1, 2)[copyIndex()]), 'ib')]"),
    "over a list": ({"name": "each", "count": "[length(parameters('names'))]"}, "[concat(parameters('names')[copyIndex()], '/ib')]"),
}


@pytest.mark.parametrize("form", LOOPS)
def test_a_loop_is_worked_out(form: str) -> None:
    copy, name = LOOPS[form]
    parameters = {"count": {"type": "int", "defaultValue": 2}, "names": {"type": "array", "defaultValue": ["hpc-1", "hpc-2"]}}
    found = extensions(template(extension(name, copy=copy), parameters=parameters)).extensions
    assert [(each.name, each.machine.name, each.notes) for each in found] == [("ib", "hpc-1", ()), ("ib", "hpc-2", ())]


def test_a_loop_around_a_machine_and_around_a_deployment() -> None:
    machines = WHOLE_VM | {"name": "[concat('hpc-', copyIndex())]", "copy": {"name": "vms", "count": 2}}
    nested = deployment(INSIDE, "inner", parameters={"vm": {"value": "[concat('hpc-', copyIndex(8))]"}}, copy={"name": "d", "count": 2})
    assert [each.machine.name for each in extensions(template(machines, nested)).extensions] == ["hpc-0", "hpc-1", "hpc-8", "hpc-9"]
    enclosed = one(template(deployment(template(extension("[concat('hpc-', copyIndex())]", dependsOn=[])), "inner", copy={"name": "d", "count": 1})))
    assert enclosed.notes == ("name: copyIndex() is in no loop that is worked out",)


def test_a_loop_of_unknown_length_and_a_condition_are_said() -> None:
    vm = WHOLE_VM | {"name": "vm", "copy": {"name": "vms", "count": "[parameters('count')]"}}
    looped = one(template(vm))
    assert looped.notes == (
        "Microsoft.Compute/virtualMachines vm around it: copy is not worked out (the parameter count has no value): one is made, not a number of them",
    )
    found = extensions(
        template(extension("a/on", condition="[parameters('on')]"), extension("a/off", condition="[parameters('off')]")), {"on": True, "off": False}
    )
    assert ([each.name for each in found.extensions], found.notes) == (
        ["on"],
        (f"{VM_TYPE}/extensions a/off is left out: its condition is false",),
    )


def test_loops_in_loops_come_to_an_end() -> None:
    document = template(NIC)
    for _ in range(30):
        document = template(deployment(document, copy={"name": "d", "count": 800}))
    assert any("more than 5000 resources" in note for note in extensions(document).notes)


def test_resources_in_resources_come_to_an_end() -> None:
    document: dict[str, Any] = WHOLE_VM
    for _ in range(30):
        document = deployment(template(document))
    found = extensions(template(document))
    assert (found.extensions, found.notes) == ((), ("resources are more than 24 levels deep: what is below is left out",))


def test_what_it_depends_on_is_kept_or_said() -> None:
    first = "[resourceId('Microsoft.Compute/virtualMachines/extensions', 'hpc-01', 'first')]"
    other = "[resourceId('Microsoft.Compute/virtualMachines/extensions', 'hpc-02', 'second')]"
    vm = "[resourceId('Microsoft.Compute/virtualMachines', 'hpc-01')]"
    found = one(template(extension("hpc-01/ib", dependsOn=[vm, "HPC-01", first, other, "[reference('x')]", "Microsoft.Storage/storageAccounts/scripts"])))
    assert found.fields["after"] == ["first"]
    assert found.notes == (
        "dependsOn Microsoft.Compute/virtualMachines/hpc-02/extensions/second is left out: after names extensions of the same machine alone",
        "dependsOn [reference('x')] is left out: reference() is not worked out here",
        "dependsOn Microsoft.Storage/storageAccounts/scripts is left out: after names extensions of the same machine alone",
    )
    symbols = {"languageVersion": "2.0", "resources": {"one": extension("hpc-01/first"), "two": extension("hpc-01/ib", dependsOn=["one"])}}
    assert [each.fields.get("after") for each in extensions(symbols).extensions] == [None, ["first"]]


def test_the_value_of_a_secret_parameter_goes_nowhere() -> None:
    secret = "canary-of-a-value"
    said = PROPERTIES | {"settings": {"plain": 1, "commandToExecute": "[concat('run ', parameters('Command'))]"}}
    document = template(extension("hpc-01/ib", properties=said), parameters={"command": {"type": "secureString", "defaultValue": secret}})
    found = one(document, {"COMMAND": secret})
    assert (found.fields["settings"], found.questions) == ("?", ("what is settings?",))
    assert found.notes == ("settings.commandToExecute: the parameter command is a secret, whose value is not copied",)
    inner = deployment(template(extension("hpc-01/ib", properties=said), parameters={"command": {"type": "string"}}), "inner")
    inner["properties"]["parameters"] = {"command": {"value": "[parameters('command')]"}}
    document["resources"] = [inner]
    assert secret not in repr(extensions(document, {"command": secret}))


def test_the_two_fragments_of_the_public_page() -> None:
    schema, example = one(PAGE_SCHEMA), one(PAGE_EXAMPLE)
    assert schema.fields == example.fields == FIELDS | {"version": "1.2"}
    assert schema.notes == (
        "name: <myExtensionName> is a placeholder",
        "the machine is not named: <myVM> is a placeholder",
        "location is left to the VM: <location> is a placeholder",
    )
    assert (example.name, example.notes) == ("myExtensionName", ("the machine is not named: myVM is no value",))
    assert "myExtensionName: which VM or scale set has it?" in questions([example])


def test_what_is_kept_and_what_is_said_of_the_rest() -> None:
    secret = "canary-of-a-value"
    said = {
        "publisher": "Micro soft. HpcCompute",
        "type": "[parameters('kind')]",
        "typeHandlerVersion": 1.1,
        "enableAutomaticUpgrade": "true",
        "settings": {"a": "[[literal]", "b": "[variables('b')]"},
        "protectedSettings": {"storageAccountKey": secret},
        "forceUpdateTag": "not a tag",
        "provisionAfterExtensions": ["first"],
        "suppressFailures": True,
        "newest": 1,
    }
    found = one(template(extension("hpc-01/ib", properties=said, condition="[parameters('x')]"), variables={"b": ["[toLower('ÜB')]"]}), {"kind": "T"})
    assert found.fields == {
        "publisher": "Microsoft.HpcCompute",
        "type": "T",
        "version": "1.1",
        "autoUpgradeMinorVersion": False,
        "enableAutomaticUpgrade": True,
        "suppressFailures": True,
        "settings": {"a": "[literal]", "b": ["üb"]},
        "protectedSettings": {"storageAccountKey": {"env": "STORAGE_ACCOUNT_KEY"}},
        "after": ["first"],
    }
    assert [note.split()[0].rstrip(":") for note in found.notes] == [
        "no",
        "typeHandlerVersion",
        "autoUpgradeMinorVersion",
        "protectedSettings",
        "forceUpdateTag",
        "newest",
        "condition",
    ]
    assert secret not in repr(found)


def test_a_version_with_a_build_is_cut_and_an_unknown_one_is_asked() -> None:
    assert one(template(extension("a/b", properties=PROPERTIES | {"typeHandlerVersion": "1.5.0.1"}))).fields["version"] == "1.5"
    found = one(template(extension("a/b", properties=PROPERTIES | {"typeHandlerVersion": "[parameters('v')]"})))
    assert (found.fields["version"], found.questions) == ("", ("which version, as text: major.minor?",))


@pytest.mark.parametrize(
    "text",
    [
        "[reference('x').y]",
        "[concat('a']",
        "[concat('a') 'b']",
        "[parameters('gone')]",
        "[parameters('loop')]",
        "[listKeys()]",
        "[format('{3}', 'a')]",
        "[format('{0:D2}', 1)]",
        "[copyIndex()]",
        "[resourceGroup().location]",
        "[createArray('a')[1]]",
        "[range(0, 801)]",
        "[" + "concat(" * 2_000 + "'a'" + ")" * 2_000 + "]",
        "[concat('" + "a" * 30_000 + "')]",
        "[]",
        "['a]",
    ],
)
def test_what_has_no_value_is_unknown_and_nothing_worse(text: str) -> None:
    with pytest.raises(Unknown):
        Evaluator({"loop": "[parameters('loop')]"}).value(text)


def test_manifests_say_what_was_decided_and_validate_refuses_what_is_asked() -> None:
    drivers = {("microsoft.hpccompute", "infinibanddriverwindows"): "InfiniBandDriverWindows"}
    text = yaml_text(Found((one(FORMS["an answer"][0]), one(PAGE_EXAMPLE)), ("outputs",)), "list.json", drivers, {})
    first, second = yaml.safe_load_all(text)
    assert first["metadata"] == {"name": "hpc-01"}
    assert first["spec"] == {
        "azure": {"subscription": "6f1c0c9e-0000-4000-8000-00000000e001", "resourceGroup": "rg-hpc", "vm": "hpc-01"},
        "connection": "none",
        "resources": {"AzureVmExtension/ib": {"driver": "InfiniBandDriverWindows", "version": "1.5", "autoUpgradeMinorVersion": True}},
    }
    assert second["spec"]["azure"] == {"subscription": "?", "resourceGroup": "?", "vm": "?"}
    assert "# myExtensionName: the machine is not named: myVM is no value\n" in text
    flat = yaml_text(Found((one(FORMS["an answer"][0]),)), "list.json", drivers, {"hpc-01": "hpc"})
    assert yaml.safe_load(flat)["spec"] == {"host": "hpc", "driver": "InfiniBandDriverWindows", "version": "1.5", "autoUpgradeMinorVersion": True}


def test_json_as_azures_tools_write_it(tmp_path: Path) -> None:
    file = tmp_path / "template.json"
    file.write_text('\ufeff{ // a "comment"\n "url": "https://x", /* two\nlines */ "a": 1 }', encoding="utf-8")
    assert read_json(file) == {"url": "https://x", "a": 1}
    file.write_text('{"a": 1,\n "b" 2}', encoding="utf-8")
    with pytest.raises(Unreadable) as caught:
        read_json(file)
    assert (caught.value.line, caught.value.column) == (2, 6)
    file.write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(Unreadable, match="too deeply") as caught:
        read_json(file)
    assert (caught.value.line, caught.value.column) == (1, 101)
    file.write_text('{"a": "one\ntwo"}', encoding="utf-16")
    assert read_json(file) == {"a": "one\ntwo"}
    assert parameters_of({"parameters": {"a": {"value": 1}, "b": {"reference": {}}}}) == {"a": 1}
    assert parameters_of(json.loads('{"a": 1}')) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "place"),
    [('{"a": [1, 2,]}', (1, 12)), ('{\n "a": 1, // the last\n}', (2, 8)), ('{"a": {"b": 1,\n\n } }', (1, 14))],
)
def test_a_comma_too_many_is_told_where_it_is(text: str, place: tuple[int, int], tmp_path: Path) -> None:
    file = tmp_path / "template.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Unreadable, match="nothing follows this comma before the closing") as caught:
        read_json(file)
    assert (caught.value.line, caught.value.column) == place
