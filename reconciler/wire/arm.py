"""Azure's answer to "GET VM with instance view" (or GET scale set) as a Hello: facts, and nothing of a record, a lease or jobs.

Called with what a session or a snapshot holds under `hello.arm`: the answer's body as it came, without its embedded `resources`.
Believes nothing: another shape is a `WireError`. Sources: azure-extensions 1.1, 1.5, 1.8, 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core.azure import AzureFacts, image_of
from reconciler.core.errors import WireError
from reconciler.core.observations import Facts
from reconciler.core.transport import Hello

CLIENT, SERVER = 1, 3


def arm_facts(body: Mapping[str, Any]) -> AzureFacts:
    """Of a VM with its instance view, or of a scale set."""
    try:
        return _scale_set(body) if "virtualMachineScaleSets".casefold() in str(body["type"]).casefold() else _vm(body)
    except (KeyError, TypeError, AttributeError) as bad:
        raise WireError(f"Azure's answer about the machine is none: {type(bad).__name__}: {bad}") from bad


def arm_hello(body: Mapping[str, Any]) -> Hello:
    """The hello of a machine that is seen through Azure Resource Manager alone. It has no ledger, no lease and no hold."""
    azure = arm_facts(body)
    version = azure.os_version.split(".")
    client = azure.os_name.casefold().startswith(("windows 10", "windows 11")) or azure.image.casefold().startswith(("windows-10", "windows-11"))
    facts = Facts(
        computer_name=_computer_name(body),
        uuid=azure.vm_id or None,
        machine_guid=None,
        caption=azure.os_name or azure.image,
        version=azure.os_version,
        build=int(version[2]) if len(version) > 2 and version[2].isdigit() else 0,
        product_type=CLIENT if client else SERVER,
        azure=azure,
    )
    return Hello(facts, raw={"arm": body})


def with_arm(hello: Hello, body: Mapping[str, Any]) -> Hello:
    """A host's own hello, with what Azure says of it."""
    return replace(hello, facts=replace(hello.facts, azure=arm_facts(body)), raw={**hello.raw, "arm": body})


def _vm(body: Mapping[str, Any]) -> AzureFacts:
    properties = body["properties"]
    view = properties.get("instanceView") or {}
    agent = view.get("vmAgent") or {}
    return AzureFacts(
        id=str(body["id"]),
        vm_id=str(properties["vmId"]).casefold(),
        location=str(body["location"]),
        size=str(properties["hardwareProfile"]["vmSize"]),
        os_name=str(view.get("osName") or ""),
        os_version=str(view.get("osVersion") or ""),
        provisioning=str(properties.get("provisioningState") or ""),
        power=next((code.partition("/")[2] for code in _codes(view) if code.startswith("PowerState/")), ""),
        agent=next((str(status.get("displayStatus") or "") for status in agent.get("statuses") or ()), ""),
        agent_version=str(agent.get("vmAgentVersion") or ""),
        **_common(properties),
    )


def _scale_set(body: Mapping[str, Any]) -> AzureFacts:
    properties = body["properties"]
    profile = properties.get("virtualMachineProfile") or {}
    return AzureFacts(
        id=str(body["id"]),
        vm_id=str(properties.get("uniqueId") or "").casefold(),
        location=str(body["location"]),
        size=str(body["sku"]["name"]),
        provisioning=str(properties.get("provisioningState") or ""),
        scale_set=True,
        instances=int(body["sku"].get("capacity") or 0),
        upgrade=str((properties.get("upgradePolicy") or {}).get("mode") or ""),
        orchestration=str(properties.get("orchestrationMode") or "Uniform"),
        single_placement_group=properties.get("singlePlacementGroup"),
        model_image=image_of((profile.get("storageProfile") or {}).get("imageReference") or {}),
        **_common(profile),
    )


def _common(profile: Mapping[str, Any]) -> dict[str, Any]:
    """What a VM and the profile of a scale set's VMs have in common."""
    storage = profile.get("storageProfile") or {}
    image = storage.get("imageReference") or {}
    return {
        "os_type": str((storage.get("osDisk") or {}).get("osType") or ""),
        "image": "/".join(str(image[name]) for name in ("offer", "sku") if image.get(name)),
        "security_type": str((profile.get("securityProfile") or {}).get("securityType") or "Standard"),
    }


def _codes(view: Mapping[str, Any]) -> Sequence[str]:
    return [str(status.get("code") or "") for status in view.get("statuses") or ()]


def _computer_name(body: Mapping[str, Any]) -> str:
    properties = body["properties"]
    said = (properties.get("instanceView") or {}).get("computerName") or (properties.get("osProfile") or {}).get("computerName")
    return str(said or body.get("name") or "")
