"""Every body that the kind sends, and every field that arm.json knows, through the models of azure-mgmt-compute: no key is unknown to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from reconciler.core.azure import AzureFacts
from reconciler.core.calls import ArmCall
from reconciler.core.changes import Cause, Change, Changes
from reconciler.core.observations import Facts
from reconciler.kinds._azure_extension_look import thawed
from reconciler.kinds._azure_extension_spec import AzureVmExtension, Reached
from reconciler.kinds.azure_vm_extension import KIND
from reconciler.signatures import arm_catalogue

models = pytest.importorskip("azure.mgmt.compute.models", reason="azure-mgmt-compute is not installed; `make interop` installs it")
pytestmark = pytest.mark.interop

MODELS = {
    "VirtualMachineExtensions_CreateOrUpdate": "VirtualMachineExtension",
    "VirtualMachineExtensions_Update": "VirtualMachineExtensionUpdate",
    "VirtualMachineScaleSetExtensions_CreateOrUpdate": "VirtualMachineScaleSetExtension",
    "VirtualMachineScaleSets_UpdateInstances": "VirtualMachineScaleSetVMInstanceRequiredIDs",
}
WHOLE = {
    "name": "s",
    "publisher": "Microsoft.Compute",
    "type": "CustomScriptExtension",
    "version": "1.10",
    "settings": {"commandToExecute": "hostname", "n": [1, {"a": True}]},
    "protectedSettings": {"key": "k"},
    "protectedSettingsFromKeyVault": {"secretUrl": "https://kv/secrets/s", "sourceVault": "/subscriptions/s/vaults/kv"},
    "suppressFailures": True,
    "rerun": "v2",
    "after": ["other"],
}


def sent() -> Iterator[ArmCall]:
    """Everything that the kind can send: of a VM and of a scale set, made, changed, tagged."""
    want = AzureVmExtension.model_validate(WHOLE)
    for scale_set in (False, True):
        azure = AzureFacts("/s", "0", "westeurope", "Standard_D4s_v5", scale_set=scale_set, upgrade="Manual")
        facts = Facts("HPC-01", "u", None, "", "", 0, 3, azure=azure)
        changes: Changes[Any] = Changes((Change("instances", None, "all", Cause.CHANGE),))
        there: dict[str, Any] = {"instances": Reached.of(("0",), ("1",), {}, ()), "tags": {"a": "b"}, "forceUpdateTag": None, "attempts": 0}
        known: dict[str, Any] = {**WHOLE, **there}
        now = KIND.state.model_construct(None, **known)
        actions = [*KIND.converge(want, None, Changes(), facts), *KIND.converge(want, now, changes, facts)]
        yield from (call for action in actions for call in action.calls if isinstance(call, ArmCall))
        assert KIND.tag is not None
        tag = KIND.tag(now, {"reconciler.run": "r-1"})
        assert isinstance(tag, ArmCall)
        yield tag


def unknown(body: Mapping[str, Any], model: Any, under: str = "") -> list[str]:
    """Keys of a body that the model has no field for; a map of free form is as deep as it goes."""
    fields = {one._rest_name: name for name, one in model._attr_to_rest_field.items()}
    found = [under + name for name in body if name not in fields]
    for name, value in body.items():
        inner = getattr(model, fields.get(name, ""), None)
        if isinstance(value, Mapping) and hasattr(inner, "_attr_to_rest_field"):
            found += unknown(value, inner, f"{under}{name}.")
    return found


def test_every_body_is_one_that_the_sdk_could_have_made() -> None:
    said = set()
    for call in sent():
        if call.body is None:
            continue
        body = thawed(call.body)
        model = getattr(models, MODELS[call.operation])(body)
        assert unknown(body, model) == [], call.operation
        assert thawed(model.as_dict()) == body, call.operation
        said.add(call.operation)
    assert said == set(MODELS)


def test_every_field_that_is_known_here_is_known_there() -> None:
    for name, operation in arm_catalogue().operations.items():
        body: dict[str, Any] = {}
        for path, field in operation.body.items():
            *above, last = path.split(".")
            where = body
            for part in above:
                where = where.setdefault(part, {})
            where[last] = {"string": "1.0", "boolean": True, "list": ["x"]}.get(field.type, {})
        if body:
            assert unknown(body, getattr(models, MODELS[name])(body)) == [], name
