"""The emulated Azure Resource Manager as one function: `handle(request, estate)`. It does no I/O and asks no clock but the estate's.

Both transports call it. Everything that a request does, and everything that was due by then, is done in the estate before it returns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciler.emulator.arm import account, gate, identity, installers, quotas, settling
from reconciler.emulator.arm.messages import Answer, ArmError, Cut, Request, not_found
from reconciler.emulator.arm.model import ScaleSet, Vm
from reconciler.emulator.arm.routes import ROUTES, Route
from reconciler.emulator.arm.world import World

if TYPE_CHECKING:
    from reconciler.emulator.estate import Estate

MASKED = "***"
PLAIN = (("Cache-Control", "no-cache"), ("Pragma", "no-cache"), ("Expires", "-1"), ("X-Content-Type-Options", "nosniff"))  # [rec 1.4]


def handle(request: Request, estate: Estate) -> Answer:
    """The answer to one request. Raises `Cut` where a fault breaks the line."""
    world = World(estate, request)
    settling.settle(world)
    met = gate.fault(world)
    try:
        answer = gate.suffer(world, met) or _answered(world)
    except ArmError as refused:
        answer = refused.answer()
    except Cut:
        _record(world, None)
        raise
    answer = answer.also(*_usual(world, answer))
    if met is not None and met.drop == "after":
        _record(world, None, acted=answer.status)
        raise Cut("the connection was reset")
    _record(world, answer)
    return answer


def _answered(world: World) -> Answer:
    if (known := account.endpoints(world.request)) is not None:
        return known
    route, world.names = _route(world.request)
    world.api = gate.api_version(world, compute=route.compute)
    world.caller = identity.caller(world.cloud, world.request)
    left: quotas.Headers = ()
    if "subscription" in world.names:
        left = _admitted(world, route)
    owner = _owner(world)
    location = getattr(owner, "location", "") or world.names.get("location", "")
    if route.quota:
        target = _quota_owner(world, owner)
        left = (*quotas.take(world, route.quota, target, world.names["subscription"], location), *left)
    try:
        return route.answer(world, owner).also(*left) if "subscription" in world.names else route.answer(world, owner)
    except ArmError as refused:
        return refused.answer().also(*left)


def _admitted(world: World, route: Route) -> quotas.Headers:
    """Resource Manager's own checks, in its order."""
    scope = _scope(world, route)
    gate.subscription(world)
    if route.action:
        gate.rights(world, route.action, scope)
    left = quotas.door(world, world.names["subscription"])
    gate.group(world)
    world.body = _body(world.request)
    gate.locks(world, scope)
    gate.policies(world, scope)
    return left


def _route(request: Request) -> tuple[Route, Mapping[str, str]]:
    other = None
    for route in ROUTES:
        if (found := route.pattern.fullmatch(request.path)) is not None:
            if route.method == request.method:
                return route, found.groupdict()
            other = route
    if other is not None:
        raise ArmError(405, "HttpMethodNotAllowed", f"The requested resource does not support http method '{request.method}'.")
    raise ArmError(501, "NotEmulated", f"{request.method} {request.path} is not emulated.")


def _scope(world: World, route: Route) -> str:
    """The resource that is acted on: an action's name, and a view's, are no part of it; a status belongs to what is worked on [assume]."""
    path = world.request.path
    operation = world.cloud.operations.get(world.names.get("operation", "").lower())
    if operation is not None:
        return operation.target
    return path.rstrip("/").rpartition("/")[0] if route.action.endswith("/action") or path.lower().endswith("/instanceview") else path.rstrip("/")


def _body(request: Request) -> Any:
    if not request.body:
        return None
    try:
        return json.loads(request.body)
    except ValueError:
        raise ArmError(400, "InvalidRequestContent", "The request content was invalid and could not be deserialized.") from None


def _owner(world: World) -> Vm | ScaleSet | None:
    """The VM, set or instance that the path names, with its own past done."""
    head = f"/subscriptions/{world.names.get('subscription')}/resourceGroups/{world.names.get('group')}/providers/Microsoft.Compute"
    if "vm" in world.names:
        found = world.cloud.vms.get(f"{head}/virtualMachines/{world.names['vm']}".lower())
        if found is None:
            raise _missing(world, "virtualMachines", world.names["vm"], "extension" in world.names)
        return _seen(world, found)
    if "set" not in world.names:
        return None
    scale_set = world.cloud.sets.get(f"{head}/virtualMachineScaleSets/{world.names['set']}".lower())
    if scale_set is None:
        if world.request.method == "PUT" and "extension" not in world.names:
            return None  # it is made
        raise _missing(world, "virtualMachineScaleSets", world.names["set"], "extension" in world.names or "instance" in world.names)
    for vm in world.cloud.instances(scale_set):
        _seen(world, vm)
    if "instance" in world.names and not any(vm.instance.lower() == world.names["instance"].lower() for vm in world.cloud.instances(scale_set)):
        raise not_found(f"Microsoft.Compute/virtualMachineScaleSets/{scale_set.name}/virtualMachines", world.names["instance"], world.names["group"])
    return scale_set


def _seen(world: World, vm: Vm) -> Vm:
    for extension in vm.extensions.values():
        installers.resume(world, vm, extension)
    return vm


def _missing(world: World, kind: str, name: str, child: bool) -> ArmError:
    """1.6: the resource itself is ResourceNotFound, a child of it ParentResourceNotFound [doc]; lists of children as well [assume]."""
    last = world.request.path.rstrip("/").rpartition("/")[2].lower()
    if child or last in ("extensions", "virtualmachines"):
        return ArmError(404, "ParentResourceNotFound", f"Can not perform requested operation on nested resource. Parent resource '{name}' not found.")
    return not_found(f"Microsoft.Compute/{kind}", name, world.names["group"])


def _quota_owner(world: World, owner: Vm | ScaleSet | None) -> str:
    """Polls count for the resource that is worked on."""
    operation = world.cloud.operations.get(world.names.get("operation", "").lower())
    if operation is not None:
        return operation.target.partition("/extensions/")[0]
    return owner.id if owner is not None else world.request.path


def _usual(world: World, answer: Answer) -> tuple[tuple[str, str], ...]:
    """Headers that every answer has [rec 1.4]."""
    request, correlation = world.guid("request"), world.request.headers.get("x-ms-correlation-request-id") or world.guid("correlation")
    date = f"{world.now:%a, %d %b %Y %H:%M:%S} GMT"
    kind = (("Content-Type", "application/json; charset=utf-8"),) if answer.body is not None else ()
    own = (("x-ms-request-id", request), ("x-ms-correlation-request-id", correlation), ("Date", date))
    return (*kind, *PLAIN, ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"), *own)


def _record(world: World, answer: Answer | None, **more: Any) -> None:
    """The call log: what was asked and answered, without secrets and without the signed part of status URLs."""
    request, body = world.request, answer.body if answer is not None else None
    code = body["error"]["code"] if isinstance(body, dict) and isinstance(body.get("error"), dict) else None
    sent = _masked(world.body) if world.body is not None else None
    host = world.names.get("vm") or world.names.get("set") or "arm"
    status = answer.status if answer is not None else "lost"
    world.log(
        host,
        "arm",
        method=request.method,
        path=request.path,
        api=world.api,
        status=status,
        **({"code": code} if code else {}),
        **({"body": sent} if sent else {}),
        **more,
    )


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: MASKED if name == "protectedSettings" and part else _masked(part) for name, part in value.items()}
    return [_masked(part) for part in value] if isinstance(value, list) else value
