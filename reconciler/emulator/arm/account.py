"""What is not compute: subscriptions, resource groups, what a caller may do, and how az finds its way. Sections 1.1, 5.2."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.arm.gate import under
from reconciler.emulator.arm.messages import Answer, Request
from reconciler.emulator.arm.model import Subscription
from reconciler.emulator.arm.world import World

METADATA = "/metadata/endpoints"


def subscriptions(world: World, _: None = None) -> Answer:
    return Answer(200, {"value": [_shown(world, held) for held in world.cloud.subscriptions.values()]})


def subscription(world: World, _: None = None) -> Answer:
    return Answer(200, _shown(world, world.cloud.subscriptions[world.names["subscription"].lower()]))


def group(world: World, _: None = None) -> Answer:
    found = world.cloud.group(world.names["subscription"], world.names["group"])
    assert found is not None  # the gate has seen it
    identity = f"/subscriptions/{world.names['subscription']}/resourceGroups/{found[0]}"
    body = {
        "id": identity,
        "name": found[0],
        "type": "Microsoft.Resources/resourceGroups",
        "location": found[1],
        "properties": {"provisioningState": "Succeeded"},
    }
    return Answer(200, body)


def register(world: World, _: None = None) -> Answer:
    world.cloud.subscriptions[world.names["subscription"].lower()].registered = True
    return Answer(200, {"namespace": "Microsoft.Compute", "registrationState": "Registered"})


def permissions(world: World, _: object = None) -> Answer:
    """What the caller may do at the scope [doc: Microsoft.Authorization permissions]. Nothing: an empty list."""
    scope = world.request.path.lower().partition("/providers/microsoft.authorization/")[0]
    held = world.cloud.principals[world.caller]
    rows = [{"actions": held.actions, "notActions": held.not_actions, "dataActions": [], "notDataActions": []}] if under(scope, held.scope) else []
    return Answer(200, {"value": rows})


def endpoints(request: Request) -> Answer | None:
    """What `az cloud register` reads, without a token [meas 5.2]. None: some other address."""
    if request.path.lower().rstrip("/") != METADATA:
        return None
    base = request.base
    signin: dict[str, Any] = {"loginEndpoint": base, "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"]}
    body: dict[str, Any] = {"name": "emulated", "resourceManager": base, "authentication": signin | {"tenant": "common", "identityProvider": "AAD"}}
    return Answer(
        200, body | {"portal": base, "graph": base, "graphAudience": base, "suffixes": {"storage": "core.windows.net", "keyVaultDns": "vault.azure.net"}}
    )


def _shown(world: World, held: Subscription) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": f"/subscriptions/{held.id}", "subscriptionId": held.id, "tenantId": world.cloud.tenant, "displayName": held.name}
    return shown | {"state": "Enabled", "authorizationSource": "RoleBased"}
