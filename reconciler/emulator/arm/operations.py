"""Long-running operations: how they begin, what their URL answers, and who is in whose way. Section 1.4.

What happens when their time has come is in `settling`.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from reconciler.emulator.arm.messages import Answer, ArmError
from reconciler.emulator.arm.model import COMPUTE, Operation, Run, Vm
from reconciler.emulator.arm.world import World, stamp
from reconciler.emulator.machine import NAMESPACE

CERTIFICATE = 2900  # characters, so that the URL has the about 4 KB of the real one [rec 1.4]
TICKS = 621355968000000000  # between year 1 and 1970, in 100 ns


def begin(
    world: World,
    kind: str,
    owner: str,
    subscription: str,
    location: str,
    seconds: float | None,
    *,
    runs: dict[str, Run] | None = None,
    before: str = "",
    parent: str = "",
    waiting: list[str] | None = None,
    width: int = 1,
) -> Operation:
    """An operation that ends in so many seconds; None: when the operations below it have ended."""
    identity = world.guid("operation")
    ends = None if seconds is None else world.now + timedelta(seconds=seconds)
    operation = Operation(
        identity,
        kind,
        subscription,
        location,
        owner.lower(),
        world.now,
        ends,
        world.api,
        dict(runs or {}),
        before=before,
        parent=parent,
        waiting=waiting or [],
        width=width,
    )
    world.cloud.operations[identity] = operation
    return operation


def accepted(world: World, operation: Operation, answer: Answer, *, location: bool = False) -> Answer:
    """The answer to the write that began it: no Retry-After; Location with a DELETE or POST only [rec 1.4]."""
    url = f"{world.request.base}/subscriptions/{operation.subscription}/providers/{COMPUTE}/locations/{operation.location}/operations/{operation.id}"
    headers = [("Azure-AsyncOperation", f"{url}?{query(operation)}"), ("Azure-AsyncNotification", "Enabled")]
    wait = world.cloud.retry_after
    if wait is not None:
        headers.append(("Retry-After", str(wait)))
    if location or wait is not None:
        headers.append(("Location", f"{url}?{query(operation).replace('&api-version', '&monitor=true&api-version', 1)}"))
    return answer.also(*headers)


def status(world: World, _: None = None) -> Answer:
    """GET of the URL. Without its signature, byte for byte, it is refused [assume: code]; with monitor=true it is empty, 202 while it runs [rec]."""
    operation = world.cloud.operations.get(world.names["operation"].lower())
    if operation is None:
        raise ArmError(404, "NotFound", f"The operation '{world.names['operation']}' could not be found.")
    sent = world.request.query.replace("&monitor=true", "", 1)
    if sent != query(operation):
        raise ArmError(403, "InvalidAsyncOperationSignature", "The signature of the operation URL is not valid.")
    if "monitor" in world.request.parameters:
        return Answer(202) if operation.status == "InProgress" else Answer(200)
    body: dict[str, Any] = {"startTime": stamp(operation.started)}
    if operation.finished is not None:
        body["endTime"] = stamp(operation.finished)
    body["status"] = operation.status
    if operation.error:
        body["error"] = operation.error
    answer = Answer(200, body | {"name": operation.id})
    wait = world.cloud.retry_after
    return answer if wait is None or operation.finished else answer.also(("Retry-After", str(wait)))


def close(world: World, operation: Operation, error: dict[str, Any] | None) -> None:
    operation.error = error
    operation.status = "Failed" if error else "Succeeded"
    operation.finished = world.now


def preempt(world: World, operation: Operation) -> None:
    """A later write won [doc 1.6]. What the handler does meanwhile goes on in the later operation."""
    said = "Operation execution has been preempted by a more recent operation."
    close(world, operation, {"code": "OperationPreempted", "message": said})


def busy(world: World, vm: Vm, besides: str = "") -> Operation | None:
    """What is under way on the VM, or on anything of it but `besides`."""
    return next((o for o in world.cloud.running(vm.id) if o.target != besides.lower()), None)


def conflict(operation: Operation) -> ArmError:
    """1.6: a concurrent writer [doc]."""
    said = f"The request failed due to conflict with a concurrent request: another operation is in progress on '{operation.target}'."
    return ArmError(409, "Conflict", f"{said} To resolve it, please refer to https://aka.ms/activitylog to get more details.")


def query(operation: Operation) -> str:
    """p, api-version, t, c, s, h [rec 1.4]; the certificate and signature are made up of the operation's own id."""
    filler = "".join(hashlib.sha256(f"{operation.id}/{n}".encode()).hexdigest() for n in range(60))
    ticks = TICKS + int(operation.started.timestamp() * 10_000_000)
    partition = uuid.uuid5(NAMESPACE, operation.id)
    return f"p={partition}&api-version={operation.api}&t={ticks}&c=MII{filler[:CERTIFICATE]}&s={filler[-342:]}&h={filler[:43]}"
