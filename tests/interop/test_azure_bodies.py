"""Every body that is sent to Azure goes through azure-mgmt-compute's models unchanged, and no key in it is one that they do not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from reconciler.signatures import arm_catalogue
from reconciler.signatures.arm import BodyField, Operation
from tests.emulator.arm.calls import calls
from tests.engine.azurelab import IB, azure_lab
from tests.engine.lab import run, symbols

pytest.importorskip("azure.mgmt.compute", reason="azure-mgmt-compute is not installed; `make interop` installs it")

from azure.mgmt.compute import models

pytestmark = pytest.mark.interop
MODELS = {
    "VirtualMachineExtensions_CreateOrUpdate": models.VirtualMachineExtension,
    "VirtualMachineExtensions_Update": models.VirtualMachineExtensionUpdate,
    "VirtualMachineScaleSetExtensions_CreateOrUpdate": models.VirtualMachineScaleSetExtension,
    "VirtualMachineScaleSets_UpdateInstances": models.VirtualMachineScaleSetVMInstanceRequiredIDs,
}
VALUES: Mapping[str, Any] = {"string": "1.5", "boolean": True, "object": {"any": "thing"}, "map": {"a": "b"}, "list": ["x"]}
REFERENCE = {"secretUrl": "https://v.vault.azure.net/secrets/x", "sourceVault": {"id": "/subscriptions/s"}}
ANYTHING = ("settings", "protectedSettings", "tags")  # theirs, key by key


def whole(operation: Operation) -> dict[str, Any]:
    """A body with every field that we may send."""
    found: dict[str, Any] = {}
    for path, field in operation.body.items():
        at = found
        *outer, last = path.split(".")
        for name in outer:
            at = at.setdefault(name, {})
        at[last] = _value(last, field)
    return found


def _value(name: str, field: BodyField) -> Any:
    return REFERENCE if name == "protectedSettingsFromKeyVault" else VALUES[field.type]


def unknown(model: Any, under: str = "") -> Iterator[str]:
    """Keys of a model, and of models in it, that it has no field for."""
    fields = {one._rest_name: one for one in type(model)._attr_to_rest_field.values()}
    for key in model:
        if key not in fields:
            yield f"{under}{key}"
        elif key not in ANYTHING:
            inner = getattr(model, next(name for name, one in type(model)._attr_to_rest_field.items() if one is fields[key]))
            if hasattr(inner, "_attr_to_rest_field"):
                yield from unknown(inner, f"{under}{key}.")


def through(name: str, body: Mapping[str, Any]) -> None:
    model = MODELS[name](dict(body))
    assert list(unknown(model)) == []
    assert model.as_dict() == body


@pytest.mark.parametrize("name", [name for name, one in arm_catalogue().operations.items() if one.body])
def test_a_body_of_every_field_is_known_to_the_sdk(name: str) -> None:
    through(name, whole(arm_catalogue().operations[name]))


def test_a_key_that_the_sdk_does_not_know_is_found() -> None:
    model = models.VirtualMachineExtension({"location": "w", "bogus": 1, "properties": {"publisher": "p", "forceUpdatetag": "1"}})
    assert list(unknown(model)) == ["bogus", "properties.forceUpdatetag"]


RICH = (
    "AzureVmExtension/ib: {driver: InfiniBandDriverWindows, rerun: v1, settings: {a: [1, {b: c}]}, "
    "protectedSettingsFromKeyVault: {secretUrl: 'https://v.vault.azure.net/secrets/x', sourceVault: /subscriptions/s}}"
)


def test_what_the_engine_sent_is_known_to_the_sdk_and_differs_by_contract_alone() -> None:
    """By contract: the record's three tags in every body, `settings` always, our spelling of forceUpdateTag, and no request for a no-op."""

    async def story() -> None:
        lab = azure_lab(RICH)
        lab.script(240, 0)
        assert (await lab.apply()).exit_code == 0
        assert symbols(await lab.plan()) == []
        lab.redeclare("{}")
        assert (await lab.apply()).exit_code == 0
        assert lab.runs_of() == [240, 0]
        sent = [record for record in lab.estate.log() if record["what"] == "arm" and record["method"] != "GET"]
        assert [(one["method"], one["path"].rpartition("/")[2]) for one in sent] == [("PUT", "ib"), ("PUT", "ib"), ("DELETE", "ib")]
        for one in sent[:2]:
            through("VirtualMachineExtensions_CreateOrUpdate", one["body"])
            assert set(one["body"]["tags"]) == {"reconciler.id", "reconciler.spec", "reconciler.run"}
            assert one["body"]["tags"]["reconciler.id"] == f"edge/hpc-01/{IB}"
        assert [one["body"]["properties"]["forceUpdateTag"] for one in sent[:2]] == ["v1:0", "v1:1"]
        assert len([line for line in calls(lab.estate) if line.startswith("PUT")]) == 2

    run(story)
