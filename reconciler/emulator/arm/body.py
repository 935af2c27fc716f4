"""What may stand in the body of an extension's PUT or PATCH. Sections 1.2, 1.3 and 1.6; texts of refusals [assume] but where marked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.emulator.arm.messages import ArmError
from reconciler.emulator.arm.versions import known

TOP = {"id", "name", "type", "location", "tags", "properties"}
READ_ONLY = ("provisioningState", "instanceView")
KINDS: Mapping[str, type | tuple[type, ...]] = {
    "publisher": str,
    "type": str,
    "typeHandlerVersion": str,
    "forceUpdateTag": str,
    "autoUpgradeMinorVersion": bool,
    "enableAutomaticUpgrade": bool,
    "suppressFailures": bool,
    "settings": dict,
    "protectedSettings": dict,
    "protectedSettingsFromKeyVault": dict,
    "provisionAfterExtensions": list,
}
VERSION = re.compile(r"\d+\.\d+")
TAG_LIMIT = 256  # characters of a tag's value [arm-contract]


@dataclass(frozen=True, slots=True)
class Written:
    """A body, read. `secrets`: protectedSettings as sent; they go no further than their digest."""

    properties: dict[str, Any]
    secrets: dict[str, Any] | None
    location: str | None
    tags: dict[str, str] | None


def read(body: Any, api: str, *, on_set: bool, patch: bool = False) -> Written:
    """Raises the 400s of 1.6 for what ARM would not take."""
    if not isinstance(body, dict):
        raise _content("The request content was invalid and could not be deserialized.")
    allowed = {"tags", "properties"} if patch else TOP - {"location", "tags"} if on_set else TOP
    if odd := sorted(set(body) - allowed - ({"name", "type", "id"} if patch else set())):
        raise _content(f"Could not find member '{odd[0]}' on object of type 'ResourceDefinition'. Path '{odd[0]}'.")
    properties = part(body, "properties")
    said = {name: value for name, value in properties.items() if value is not None and name not in READ_ONLY}
    _check(said, api, on_set=on_set)
    secrets = said.pop("protectedSettings", None)
    if secrets and "protectedSettingsFromKeyVault" in said:
        raise _parameter("protectedSettings", "protectedSettings and protectedSettingsFromKeyVault cannot be given together.")
    location = body.get("location")
    if location is not None and not isinstance(location, str):
        raise _content("The request content was invalid: 'location' is no text.")
    return Written(said, secrets, location, _tags(body.get("tags")))


def require(written: Written, *, on_set: bool) -> None:
    """What a whole body must have."""
    for name in ("publisher", "type", "typeHandlerVersion"):
        if not written.properties.get(name):
            raise _parameter(name, f"Required parameter '{name}' is missing (null).")
    if not on_set and not written.location:
        raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
    if not on_set and written.properties.get("provisionAfterExtensions"):
        said = "The property 'provisionAfterExtensions' is supported for extensions of virtual machine scale sets only."  # terraform 25423 [doc 1.3]
        raise ArmError(400, "BadRequest", said, "provisionAfterExtensions")


def digest(owner: str, secrets: Mapping[str, Any] | None) -> str:
    """What is kept of protected settings: whether they are the same as before."""
    return hashlib.sha256((owner.lower() + json.dumps(secrets, sort_keys=True)).encode()).hexdigest() if secrets else ""


def _check(said: Mapping[str, Any], api: str, *, on_set: bool) -> None:
    for name, value in said.items():
        if name not in KINDS or not known(name, api, on_set=on_set):
            raise _parameter(name, f"Could not find member '{name}' on object of type 'VirtualMachineExtensionProperties' in api-version '{api}'.")
        if not isinstance(value, KINDS[name]):
            raise _parameter(name, f"The value of parameter {name} is invalid.")
    if (version := said.get("typeHandlerVersion")) is not None and not VERSION.fullmatch(version):
        raise _parameter("typeHandlerVersion", "The value of parameter typeHandlerVersion is invalid. It must be of the form major.minor.")


def _tags(tags: Any) -> dict[str, str] | None:
    if tags is None:
        return None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise _content("The request content was invalid: 'tags' is no map of strings.")
    for name, value in tags.items():
        if len(value) > TAG_LIMIT:
            raise ArmError(400, "InvalidTagValue", f"The tag value for '{name}' exceeds {TAG_LIMIT} characters.")
    return dict(tags)


def part(owner: dict[str, Any], name: str) -> dict[str, Any]:
    """An object within the body; absent is empty. Raises InvalidRequestContent for anything else."""
    value = owner.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _content(f"The request content was invalid: '{name}' is no object.")
    return value


def tags(owner: dict[str, Any]) -> dict[str, str]:
    return _tags(owner.get("tags")) or {}


def _content(said: str) -> ArmError:
    return ArmError(400, "InvalidRequestContent", said)


def _parameter(target: str, said: str) -> ArmError:
    return ArmError(400, "InvalidParameter", said, target)
