"""The record of what lives in Azure: three tags on the resource itself, written in the very request that makes or changes it.

`reconciler.id` fleet/id · `reconciler.spec` a digest of what was applied, with what a tag can hold of lifecycle and secrets ·
`reconciler.run` the plan. A digest is no spec: whether the world or the declaration moved is told of the resource as a whole.
Pure. Called by `view` (reading), `decide` and `azuresteps` (writing). Source: azure-extensions 1.1 (tags), arm-contract "Absence, Busy, record".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.core.calls import ArmCall, Printed
from reconciler.core.canonical import digest, plain
from reconciler.core.ids import Key, ResourceId
from reconciler.core.observations import Tagged
from reconciler.core.resources import Lifecycle, Resource
from reconciler.core.tags import ID, OURS, RESTARTED, RUN, SPEC
from reconciler.engine.ledger import APPLIED, INTENT, Record, recorded_spec
from reconciler.engine.shapes import shape

PREVENT, ORPHAN, DELETE = "prevent", "orphan", "delete"
DIGITS = 32  # of the digest
CUT = 16  # hex digits of a secret's scrypt: 64 bits
WORD = re.compile(r"(?:(\w+)=)?([0-9A-Za-z]+)")


def digest_of(resource: Resource) -> str:
    """What is compared with the record: neither secrets nor what only says how, nor defaults: a later version may have more fields."""
    marks = shape(type(resource.spec)).marks
    spec = recorded_spec(resource, {})
    said = {name: value for name, value in spec.items() if not (marks[name].how or marks[name].write_only or value == plain(marks[name].default))}
    return digest(said)[:DIGITS]


def cut(hashed: str) -> str:
    """As much of a salted scrypt as a tag is given."""
    return hashed.rpartition(":")[2][:CUT]


def spelled(resource: Resource, hashes: Mapping[str, str]) -> str:
    """The text of `reconciler.spec`."""
    life = resource.common.lifecycle
    flags = [PREVENT] * life.prevent_destroy + [life.deletion_policy] * bool(life.deletion_policy)
    return " ".join([digest_of(resource), *(flag for flag in flags if flag), *(f"{name}={cut(hashed)}" for name, hashed in sorted(hashes.items()))])


def record_of_tags(fleet: str, key: Key, tagged: Tagged) -> Record | None:
    """The record that lies on a resource; None where it is another fleet's, or says nothing that can be read."""
    whose, _, id = tagged.id.partition("/")
    found = [(match[1], match[2]) for word in tagged.spec.split() if (match := WORD.fullmatch(word))]
    if whose != fleet or not found:
        return None
    try:
        named = ResourceId.parse(id)
    except ValueError:
        return None
    words = {value for name, value in found[1:] if not name}
    secrets = {name: {"$scrypt": value} for name, value in found[1:] if name}
    policy = next((word for word in (ORPHAN, DELETE) if word in words), None)
    return Record(
        named,
        key,
        secrets,
        APPLIED if tagged.applied else INTENT,
        tagged.run,
        applied=True,
        lifecycle=Lifecycle(prevent_destroy=PREVENT in words, deletion_policy=policy),
        digest=found[0][1],
    )


def stamped(call: ArmCall, fleet: str, resource: Resource, hashes: Mapping[str, str], run: str) -> ArmCall:
    """The request with our record in it, where it carries tags; those of others stay, and so does what we noted of a restart."""
    if call.body is None or "tags" not in call.body:
        return call
    tags = {**call.body["tags"], ID: f"{fleet}/{resource.id}", SPEC: spelled(resource, hashes), RUN: run}
    return ArmCall(call.operation, call.path, call.query, {**call.body, "tags": tags}, call.where, call.seconds)


def printed(call: ArmCall, hashes: Mapping[str, str]) -> ArmCall:
    """The request with the prints of its secrets put in."""
    return ArmCall(call.operation, call.path, call.query, _printed(call.body, hashes), call.where, call.seconds)


def _printed(value: Any, hashes: Mapping[str, str]) -> Any:
    if isinstance(value, Printed):
        return value.text + cut(hashes.get(value.field, ""))
    return {name: _printed(item, hashes) for name, item in value.items()} if isinstance(value, Mapping) else value


def forgotten(tags: Mapping[str, str]) -> dict[str, str]:
    """What is left once our record is taken away."""
    return {name: value for name, value in tags.items() if name not in OURS}


def restarted(tags: Mapping[str, str], awaits: str) -> dict[str, str]:
    """The tags, with a note that a restart was made for the status that asked for it."""
    return {**tags, RESTARTED: awaits}


def matches(before: Any, made: str) -> bool:
    """Whether a hash is the recorded one, whole or as a tag has it."""
    return before in (made, cut(made))
