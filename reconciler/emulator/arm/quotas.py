"""Throttling: token buckets for each VM or scale set, for each subscription and region, and of Resource Manager's front door.

Refill and cap: 1.7 [doc]. Names UpdateVM…, LowCostGet… and GetOperation… [rec 1.4 and the same recordings]; those of scale sets [assume].
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from reconciler.emulator.arm.messages import ArmError
from reconciler.emulator.arm.model import Bucket, Cloud
from reconciler.emulator.arm.world import World, stamp

Headers = tuple[tuple[str, str], ...]
REMAINING = "x-ms-ratelimit-remaining-resource"


@dataclass(frozen=True, slots=True)
class Quota:
    name: str
    per_minute: float
    cap: int
    shared: bool  # by the whole subscription in a region, or the resource's own


GROUPS: dict[str, tuple[Quota, ...]] = {
    "update": (Quota("UpdateVMSubscriptionMaximum", 500, 1500, True), Quota("UpdateVMResource", 4, 12, False)),
    "get": (Quota("LowCostGetSubscriptionMaximum", 8000, 24000, True), Quota("LowCostGetResource", 12, 36, False)),
    "operation": (Quota("GetOperationResource", 15, 45, False), Quota("GetOperationSubscriptionMaximum", 5000, 15000, True)),
    "set-update": (Quota("UpdateVMScaleSetSubscriptionMaximum", 500, 1500, True), Quota("UpdateVMScaleSetResource", 4, 12, False)),
    "set-get": (Quota("GetVMScaleSetSubscriptionMaximum", 8000, 24000, True), Quota("GetVMScaleSetResource", 12, 36, False)),
    "set-list": (Quota("ListVMScaleSetVMsSubscriptionMaximum", 5000, 15000, True), Quota("ListVMScaleSetVMsResource", 10, 30, False)),
}
DOOR = {
    "GET": Quota("subscription-global-reads", 375 * 60, 3750, True),
    "DELETE": Quota("subscription-deletes", 600, 200, True),
    "": Quota("subscription-writes", 600, 200, True),
}


def take(world: World, group: str, resource: str, subscription: str, location: str) -> Headers:
    """Takes one of each bucket of the group; what is left, as headers. Raises the 429 of 1.6, and then nothing is taken."""
    keyed = [(quota, f"{quota.name}/{_owner(quota, resource, subscription, location)}") for quota in GROUPS.get(group, ())]
    left = {quota: _filled(world.cloud, key, quota, world.now) for quota, key in keyed}
    for quota, bucket in left.items():
        if bucket.left < 1:
            raise too_many(world.now, quota.name, _wait(quota, bucket.left), quota.cap, {q.name: b.left for q, b in left.items()})
    for bucket in left.values():
        bucket.left -= 1
    return _remaining({quota.name: bucket.left for quota, bucket in left.items()})


def door(world: World, subscription: str) -> Headers:
    """What Resource Manager itself allows a caller in a subscription. Header values of the first call: [rec 1.4]; the 429 [assume]."""
    quota = DOOR.get(world.request.method, DOOR[""])
    bucket = _filled(world.cloud, f"{quota.name}/{world.caller}/{subscription.lower()}", quota, world.now)
    if bucket.left < 1:
        wait = _wait(quota, bucket.left)
        said = f"Number of requests for subscription '{subscription}' exceeded the limit. Please try again after '{wait}' seconds."
        raise ArmError(429, "SubscriptionRequestsThrottled", said, headers=(("Retry-After", str(wait)),))
    bucket.left -= 1
    return ((f"x-ms-ratelimit-remaining-{quota.name}", str(int(bucket.left))),)


def drain(cloud: Cloud, group: str, now: datetime, *, resource: str = "", subscription: str = "", location: str = "", debt: float = 0) -> None:
    """Empties the resource's bucket of a group, or with `subscription` and `location` the shared one. `debt`: so many more are owed."""
    for quota in GROUPS[group]:
        if quota.shared is bool(subscription):
            cloud.buckets[f"{quota.name}/{_owner(quota, resource, subscription, location)}"] = Bucket(-debt, now)


def _owner(quota: Quota, resource: str, subscription: str, location: str) -> str:
    return f"{subscription.lower()}/{location.lower()}" if quota.shared else resource.lower()


def _filled(cloud: Cloud, key: str, quota: Quota, now: datetime) -> Bucket:
    bucket = cloud.buckets.setdefault(key, Bucket(quota.cap, now))
    passed = (now - bucket.at) / timedelta(minutes=1)
    bucket.left = min(float(quota.cap), bucket.left + passed * quota.per_minute)
    bucket.at = now
    return bucket


def _wait(quota: Quota, left: float) -> int:
    return max(1, math.ceil((1 - left) / quota.per_minute * 60 - 1e-6))


def too_many(now: datetime, name: str, wait: int, cap: int, left: Mapping[str, float]) -> ArmError:
    """1.6: 429 OperationNotAllowed with details TooManyRequests; what is at 0 in the header is the cause [doc]. When the bucket holds one: [assume]."""
    measured: dict[str, Any] = {"operationGroup": name, "startTime": stamp(now), "endTime": stamp(now + timedelta(seconds=wait))}
    measured |= {"allowedRequestCount": cap, "measuredRequestCount": cap + 1}
    details = [{"code": "TooManyRequests", "target": name, "message": json.dumps(measured)}]
    said = "The server rejected the request because too many requests have been received for this subscription."
    return ArmError(429, "OperationNotAllowed", said, details=details, headers=(("Retry-After", str(wait)), *_remaining(left)))


def _remaining(left: Mapping[str, float]) -> Headers:
    said = ",".join(f"Microsoft.Compute/{name};{max(0, int(count))}" for name, count in left.items())
    return ((REMAINING, said),) if said else ()
