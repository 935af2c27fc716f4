"""AzureVmExtension: an extension of an Azure VM or scale set, above all the drivers that HPC and GPU sizes need.

Inconvenient: a write is the whole body, so what is not managed is carried over from what is there; the same body again runs
nothing, so a run that failed is repeated with another forceUpdateTag; the installer's exit code stands in texts alone; protected
settings cannot be read back. The record is three tags that the engine puts into the body. Publisher and type are immutable.

Sources: azure-extensions 1.1 to 1.6, 2, 6; arm-contract. Unverified: how 3010 appears (2.3), 200 or 201 of an update, and that a
version asked for moves with enableAutomaticUpgrade. An extension's write is code that runs as SYSTEM in the VM (1.9).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from reconciler.core.calls import Answer, AnyCall, Arm, Cmdlet, Plane
from reconciler.core.changes import Changes
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Disruption, Kind, Reboot, span
from reconciler.core.observations import Ask, Facts, Present
from reconciler.kinds import _azure_scale_set
from reconciler.kinds._azure_drivers import is_driver, log_folder, within
from reconciler.kinds._azure_errors import explain
from reconciler.kinds._azure_extension_look import extension
from reconciler.kinds._azure_extension_spec import SENT, AzureVmExtension, AzureVmExtensionState, spell_tag
from reconciler.kinds._azure_vm_extension_rules import GET_RDMA, RULES, SKUS

NAME = ("vmExtensionName",)
BODY = ("location", "tags", *SENT)
LIST = Arm("VirtualMachineExtensions_List")
PUT = Arm("VirtualMachineExtensions_CreateOrUpdate", NAME, BODY)
PATCH = Arm("VirtualMachineExtensions_Update", NAME, ("tags",))
DELETE = Arm("VirtualMachineExtensions_Delete", NAME)
LOG = Cmdlet("Get-Content", ("Path", "Tail"))
LINES = 10  # of the log's end

LISTED = Ask(LIST(query={"$expand": "instanceView"}))
DRIVER, OTHER = span(135, 900), span(135, 600)  # a handler that does nothing took 2 min 15 s (1.4); a driver's time is a guess
GONE = span(30, 120)


def key(spec: AzureVmExtension) -> Key:
    return Key(spec.name.casefold())


def ask(keys: Collection[Key], facts: Facts) -> Iterable[Ask]:
    return _azure_scale_set.ASKS if _is_set(facts) else (LISTED,)


def _is_set(facts: Facts) -> bool:
    return facts.azure is not None and facts.azure.scale_set


def parse(answers: Sequence[Answer], facts: Facts) -> Mapping[Key, Present[AzureVmExtensionState]]:
    return _azure_scale_set.parse(answers, facts) if _is_set(facts) else dict(extension(row, facts) for row in answers[0].objects)


def _tells(answers: Sequence[Answer], facts: Facts) -> Facts:
    return _azure_scale_set.tells(answers, facts) if _is_set(facts) else facts


def converge(want: AzureVmExtension, now: AzureVmExtensionState | None, changes: Changes[AzureVmExtensionState], facts: Facts) -> Iterable[Action]:
    """One request does all: the name is the same whatever it is for, so that a run that is repeated is a part of what was planned."""
    if _is_set(facts):
        yield from _azure_scale_set.converge(want, now, changes, facts, _properties(want, now, _tag(want, now, changes)))
        return
    driver = is_driver(want.publisher, want.type)
    again = now is not None and all(change.again for change in changes.items)
    word = "install" if now is None else "run again" if again else "update"
    yield Action(
        "put",
        f"{word} {want.name}: {want.publisher}.{want.type} {want.version}",
        (PUT(_body(want, now, changes, facts), vmExtensionName=str(want.name)),),
        usual=DRIVER if driver else OTHER,
        disruption=Disruption.SERVICE,
        reboot=Reboot.POSSIBLE if driver else Reboot.NEVER,
        within=within(want.type),
        long=True,
    )


def _body(want: AzureVmExtension, now: AzureVmExtensionState | None, changes: Changes[AzureVmExtensionState], facts: Facts) -> dict[str, Any]:
    """The whole body. What the spec leaves alone stays as it is there."""
    said = _properties(want, now, _tag(want, now, changes))
    return {"location": facts.azure.location if facts.azure else "", "tags": dict(now.tags) if now else {}, "properties": said}


def declared_properties(want: AzureVmExtension) -> Mapping[str, Any]:
    """What a template says of it: as in the first request, `rerun` as it was written."""
    return _properties(want, None, want.rerun)


def _properties(want: AzureVmExtension, now: AzureVmExtensionState | None, again: str | None) -> dict[str, Any]:
    """Both booleans are always said (azure-extensions 0)."""
    vault = want.protectedSettingsFromKeyVault
    silent = want.suppressFailures if want.suppressFailures is not None else now is not None and now.suppressFailures
    properties = {
        "publisher": str(want.publisher),
        "type": str(want.type),
        "typeHandlerVersion": _version(want, now),
        "autoUpgradeMinorVersion": want.autoUpgradeMinorVersion,
        "enableAutomaticUpgrade": want.enableAutomaticUpgrade,
        "settings": want.settings if want.settings is not None else dict(now.settings) if now else {},
        "protectedSettings": want.protectedSettings,
        "protectedSettingsFromKeyVault": {"secretUrl": str(vault.secretUrl), "sourceVault": {"id": str(vault.sourceVault)}} if vault else None,
        "forceUpdateTag": again,
        "suppressFailures": True if silent else None,
    }
    return {name: value for name, value in properties.items() if value is not None}


def _version(want: AzureVmExtension, now: AzureVmExtensionState | None) -> str:
    """What is there, where it has moved on by itself and is more than was asked for."""
    return str(now.version if now is not None and now.version == want.version else want.version)


def _tag(want: AzureVmExtension, now: AzureVmExtensionState | None, changes: Changes[AzureVmExtensionState]) -> str | None:
    """Another one where a run is to be repeated; the count begins anew with another `rerun`."""
    if now is None or "rerun" in changes:
        return spell_tag(want.rerun, 0)
    if "installed" in changes:
        return spell_tag(now.rerun, now.attempts + 1)
    return now.forceUpdateTag


def delete(now: AzureVmExtensionState, facts: Facts) -> Iterable[Action]:
    if _is_set(facts):
        yield from _azure_scale_set.delete(now, facts)
        return
    yield Action(
        "delete",
        f"delete extension {now.name}",
        (DELETE(vmExtensionName=str(now.name)),),
        usual=GONE,
        disruption=Disruption.SERVICE,
        within=within(now.type),
        long=True,
    )


def tag(now: AzureVmExtensionState, tags: Mapping[str, str]) -> AnyCall:
    return PATCH({"tags": dict(tags)}, vmExtensionName=str(now.name))


def evidence(spec: AzureVmExtension, facts: Facts) -> Iterable[Ask]:
    """What the driver wrote on the VM, where there is a line to it."""
    if is_driver(spec.publisher, spec.type):
        yield Ask(LOG(Path=log_folder(spec.publisher, spec.type) + r"\*\*.log", Tail=LINES), tolerate=True)


KIND = Kind(
    AzureVmExtension,
    AzureVmExtensionState,
    key=key,
    ask=ask,
    parse=parse,
    converge=converge,
    delete=delete,
    evidence=evidence,
    rules=RULES,
    words=(LIST, PUT, PATCH, DELETE, LOG, SKUS, GET_RDMA, *_azure_scale_set.WORDS),
    title="an extension of an Azure VM: drivers, scripts, agents",
    plane=Plane.ARM,
    tag=tag,
    restart=lambda spec: spec.restart == "when-asked",
    explain=explain,
    tells=_tells,
)
