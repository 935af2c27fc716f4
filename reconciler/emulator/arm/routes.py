"""Which addresses there are, what right each needs, which quota it draws on, and who answers. Section 1.1 [spec]."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reconciler.emulator.arm import account, catalogue, extensions, operations, scalesets, setextensions, vms
from reconciler.emulator.arm.messages import Answer

Function = Callable[[Any, Any], Answer]
SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = SUBSCRIPTION + "/resourceGroups/{group}"
COMPUTE = GROUP + "/providers/Microsoft.Compute"
VM = COMPUTE + "/virtualMachines/{vm}"
SET = COMPUTE + "/virtualMachineScaleSets/{set}"
ONE = SET + "/virtualMachines/{instance}"
REGION = SUBSCRIPTION + "/providers/Microsoft.Compute/locations/{location}"


@dataclass(frozen=True, slots=True)
class Route:
    """`action` is the right; `quota` a group of `quotas`. `{set}`, `{vm}` and `{instance}` must be there before the function is asked."""

    method: str
    template: str
    action: str
    quota: str
    answer: Function
    compute: bool = True
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        named = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.template))
        object.__setattr__(self, "pattern", re.compile(named + "/?", re.IGNORECASE))


def _vm(what: str) -> str:
    return f"Microsoft.Compute/virtualMachines/{what}"


def _set(what: str) -> str:
    return f"Microsoft.Compute/virtualMachineScaleSets/{what}"


ROUTES: tuple[Route, ...] = (
    Route("GET", VM, _vm("read"), "get", vms.get),
    Route("GET", VM + "/instanceView", _vm("instanceView/read"), "get", vms.instance_view),
    Route("POST", VM + "/restart", _vm("restart/action"), "update", vms.restart),
    Route("POST", VM + "/start", _vm("start/action"), "update", vms.start),
    Route("POST", VM + "/powerOff", _vm("powerOff/action"), "update", vms.power_off),
    Route("POST", VM + "/deallocate", _vm("deallocate/action"), "update", vms.deallocate),
    Route("GET", VM + "/extensions", _vm("extensions/read"), "get", extensions.list_),
    Route("GET", VM + "/extensions/{extension}", _vm("extensions/read"), "get", extensions.get),
    Route("PUT", VM + "/extensions/{extension}", _vm("extensions/write"), "update", extensions.put),
    Route("PATCH", VM + "/extensions/{extension}", _vm("extensions/write"), "update", extensions.patch),
    Route("DELETE", VM + "/extensions/{extension}", _vm("extensions/delete"), "update", extensions.delete),
    Route("GET", SET, _set("read"), "set-get", scalesets.get),
    Route("PUT", SET, _set("write"), "set-update", scalesets.put),
    Route("GET", SET + "/instanceView", _set("instanceView/read"), "set-list", scalesets.instance_view),
    Route("POST", SET + "/manualupgrade", _set("manualupgrade/action"), "set-update", scalesets.manual_upgrade),
    Route("POST", SET + "/extensionRollingUpgrade", _set("extensionRollingUpgrade/action"), "set-update", scalesets.rolling_upgrade),
    Route("GET", SET + "/virtualMachines", _set("virtualMachines/read"), "set-list", scalesets.instances),
    Route("GET", ONE, _set("virtualMachines/read"), "set-get", scalesets.instance),
    Route("GET", ONE + "/instanceView", _set("virtualMachines/instanceView/read"), "set-list", scalesets.one_view),
    Route("GET", ONE + "/extensions", _set("virtualMachines/extensions/read"), "set-get", scalesets.one_extensions),
    Route("GET", SET + "/extensions", _set("extensions/read"), "set-get", setextensions.list_),
    Route("GET", SET + "/extensions/{extension}", _set("extensions/read"), "set-get", setextensions.get),
    Route("PUT", SET + "/extensions/{extension}", _set("extensions/write"), "set-update", setextensions.put),
    Route("PATCH", SET + "/extensions/{extension}", _set("extensions/write"), "set-update", setextensions.patch),
    Route("DELETE", SET + "/extensions/{extension}", _set("extensions/delete"), "set-update", setextensions.delete),
    Route("GET", REGION + "/operations/{operation}", "Microsoft.Compute/locations/operations/read", "operation", operations.status),
    Route(
        "GET",
        REGION + "/publishers/{publisher}/artifacttypes/vmextension/types/{type}/versions",
        "Microsoft.Compute/locations/publishers/artifacttypes/types/versions/read",
        "",
        catalogue.versions,
    ),
    Route("GET", SUBSCRIPTION + "/providers/Microsoft.Compute/skus", "Microsoft.Compute/skus/read", "", catalogue.skus),
    Route("GET", "/subscriptions", "", "", account.subscriptions, compute=False),
    Route("GET", SUBSCRIPTION, "Microsoft.Resources/subscriptions/read", "", account.subscription, compute=False),
    Route("GET", GROUP, "Microsoft.Resources/subscriptions/resourceGroups/read", "", account.group, compute=False),
    Route("POST", SUBSCRIPTION + "/providers/Microsoft.Compute/register", "Microsoft.Compute/register/action", "", account.register, compute=False),
    Route("GET", VM + "/providers/Microsoft.Authorization/permissions", "", "", account.permissions, compute=False),
    Route("GET", SET + "/providers/Microsoft.Authorization/permissions", "", "", account.permissions, compute=False),
    Route("GET", GROUP + "/providers/Microsoft.Authorization/permissions", "", "", account.permissions, compute=False),
)
