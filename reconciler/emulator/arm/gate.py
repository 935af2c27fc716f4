"""What Resource Manager checks before any resource provider hears of a request: api-version, token, rights, locks, policies. Section 1.6."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from reconciler.emulator.arm.messages import Answer, ArmError, Cut
from reconciler.emulator.arm.model import COMPUTE, Lock, Policy, Principal, RequestFault
from reconciler.emulator.arm.quotas import too_many
from reconciler.emulator.arm.versions import DATE, VERSIONS
from reconciler.emulator.arm.world import World

WRITES = ("PUT", "PATCH", "POST")
USUAL = {  # the code of a fault that names none (1.6); any other status: InternalServerError
    400: "BadRequest",
    401: "InvalidAuthenticationToken",
    403: "AuthorizationFailed",
    404: "ResourceNotFound",
    409: "Conflict",
    503: "ServiceUnavailable",
}


def fault(world: World) -> RequestFault | None:
    """The first fault that meets the request; its use is counted."""
    faults, request = world.cloud.faults, world.request
    for held in faults:
        if (held.method and held.method.upper() != request.method) or (held.path and not fnmatchcase(request.path.lower(), held.path.lower())):
            continue
        if held.skip > 0:
            held.skip -= 1
            continue
        if held.times is not None:
            held.times -= 1
            if held.times <= 0:
                faults.remove(held)
        return held
    return None


def suffer(world: World, held: RequestFault | None) -> Answer | None:
    """What a fault does before the request is acted on."""
    if held is None:
        return None
    if held.drop == "before":
        raise Cut("the connection was reset")
    if not held.status:
        return None
    headers = (("Retry-After", str(held.retry_after)),) if held.retry_after is not None else ()
    if held.status == 429 and not held.code:
        return too_many(world.now, held.quota, held.retry_after or 60, 12, {held.quota: 0}).answer()
    code = held.code or USUAL.get(held.status, "InternalServerError")
    said = held.message or ("An internal error occurred." if code == "InternalServerError" else "The estate was told to refuse this request.")
    return ArmError(held.status, code, said, headers=headers).answer()


def api_version(world: World, *, compute: bool) -> str:
    """1.6: MissingApiVersionParameter, InvalidApiVersionParameter [doc]."""
    given = world.request.parameters.get("api-version")
    if not given:
        raise ArmError(400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
    if given not in VERSIONS if compute else not DATE.fullmatch(given):
        raise ArmError(400, "InvalidApiVersionParameter", f"The api-version '{given}' is invalid. The supported versions are '{','.join(sorted(VERSIONS))}'.")
    return given


def subscription(world: World) -> None:
    """SubscriptionNotFound [mem: arm-contract]; MissingSubscriptionRegistration, 409 [doc 1.6]."""
    name = world.names["subscription"]
    held = world.cloud.subscriptions.get(name.lower())
    if held is None:
        raise ArmError(404, "SubscriptionNotFound", f"The subscription '{name}' could not be found.")
    path = world.request.path.lower()
    if not held.registered and f"/providers/{COMPUTE}/".lower() in path and not path.endswith("/register"):
        said = f"The subscription is not registered to use namespace '{COMPUTE}'. See https://aka.ms/rps-not-found for how to register subscriptions."
        detail = {"code": "MissingSubscriptionRegistration", "target": COMPUTE, "message": said}
        raise ArmError(409, "MissingSubscriptionRegistration", said, COMPUTE, [detail])


def rights(world: World, action: str, scope: str) -> None:
    """1.6: 403 AuthorizationFailed names action and scope [doc]. Rights come before existence."""
    held = world.cloud.principals[world.caller]
    if not may(held, action, scope):
        said = f"The client '{held.object_id}' with object id '{held.object_id}' does not have authorization to perform action '{action}' over scope '{scope}'"
        raise ArmError(403, "AuthorizationFailed", f"{said} or the scope is invalid. If access was recently granted, please refresh your credentials.")


def may(held: Principal, action: str, scope: str) -> bool:
    if not under(scope, held.scope):
        return False
    return _any(action, held.actions) and not _any(action, held.not_actions)


def group(world: World) -> None:
    """1.6: ResourceGroupNotFound [doc]."""
    name = world.names.get("group")
    if name is not None and world.cloud.group(world.names["subscription"], name) is None:
        raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def locks(world: World, scope: str) -> None:
    """ScopeLocked, 409 [mem: arm-contract]. CanNotDelete stops deletes, ReadOnly writes and actions as well."""
    method = world.request.method
    if method == "GET":
        return
    for lock in world.cloud.locks:
        if under(scope, lock.scope) and (lock.level == "ReadOnly" or method == "DELETE"):
            raise _locked(scope, lock, "delete" if method == "DELETE" else "write")


def _locked(scope: str, lock: Lock, what: str) -> ArmError:
    said = f"The scope '{scope}' cannot perform {what} operation because following scope(s) are locked: '{lock.scope}'. Please remove the lock and try again."
    return ArmError(409, "ScopeLocked", said)


def policies(world: World, scope: str) -> None:
    """RequestDisallowedByPolicy, 403 [mem: arm-contract]."""
    if world.request.method not in ("PUT", "PATCH") or not isinstance(world.body, dict):
        return
    for policy in world.cloud.policies:
        if under(scope, policy.scope) and _denies(policy, world.body):
            name = scope.rpartition("/")[2]
            identifier = f"/subscriptions/{world.names['subscription']}/providers/Microsoft.Authorization/policyAssignments/{policy.name}"
            listed = json.dumps([{"policyAssignment": {"name": policy.name, "id": identifier}}])
            said = f"Resource '{name}' was disallowed by policy. Policy identifiers: '{listed}'."
            refused = ArmError(403, "RequestDisallowedByPolicy", said, name)
            refused.more = {"additionalInfo": [{"type": "PolicyViolation", "info": {"policyAssignmentName": policy.name, "policyAssignmentId": identifier}}]}
            raise refused


def _denies(policy: Policy, body: Mapping[str, Any]) -> bool:
    properties = body.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    handler = f"{properties.get('publisher', '')}.{properties.get('type', '')}".lower()
    lacks = bool(policy.tag) and "location" in body and policy.tag not in (body.get("tags") or ())
    return lacks or _any(handler, policy.denied)


def _any(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def under(scope: str, above: str) -> bool:
    return f"{scope.lower()}/".startswith(above.lower().rstrip("/") + "/")
