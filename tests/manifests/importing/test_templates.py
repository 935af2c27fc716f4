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
from reconciler.manifests.importing.templates import Imported, Machine, extensions

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
    (found,) = extensions(document, parameters)
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
    "compiled from Bicep": ({"languageVersion": "2.0", "resources": {"ext": extension("[format('{0}/{1}', 'hpc-01', 'ib')]")}}, Machine("hpc-01")),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form: str) -> None:
    document, machine = FORMS[form]
    found = one(document)
    assert (found.name, found.machine, found.fields, found.questions) == ("ib", machine, FIELDS, ())


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
        "[]",
        "['a]",
    ],
)
def test_what_has_no_value_is_unknown_and_nothing_worse(text: str) -> None:
    with pytest.raises(Unknown):
        Evaluator({"loop": "[parameters('loop')]"}).value(text)


def test_manifests_say_what_was_decided_and_validate_refuses_what_is_asked() -> None:
    drivers = {("microsoft.hpccompute", "infinibanddriverwindows"): "InfiniBandDriverWindows"}
    text = yaml_text([one(FORMS["an answer"][0]), one(PAGE_EXAMPLE)], "list.json", drivers, {})
    first, second = yaml.safe_load_all(text)
    assert first["metadata"] == {"name": "hpc-01"}
    assert first["spec"] == {
        "azure": {"subscription": "6f1c0c9e-0000-4000-8000-00000000e001", "resourceGroup": "rg-hpc", "vm": "hpc-01"},
        "connection": "none",
        "resources": {"AzureVmExtension/ib": {"driver": "InfiniBandDriverWindows", "version": "1.5", "autoUpgradeMinorVersion": True}},
    }
    assert second["spec"]["azure"] == {"subscription": "?", "resourceGroup": "?", "vm": "?"}
    assert "# myExtensionName: the machine is not named: myVM is no value\n" in text
    flat = yaml_text([one(FORMS["an answer"][0])], "list.json", drivers, {"hpc-01": "hpc"})
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
    with pytest.raises(Unreadable):
        read_json(file)
    assert parameters_of({"parameters": {"a": {"value": 1}, "b": {"reference": {}}}}) == {"a": 1}
    assert parameters_of(json.loads('{"a": 1}')) == {"a": 1}
