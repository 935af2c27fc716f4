"""What Azure Resource Manager says of a machine or a scale set, as facts that kinds and rules may branch on. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RUNNING = "running"
AT_REST = ("succeeded", "failed", "canceled")  # provisioning states in which nobody is at work (azure-extensions 1.4)


@dataclass(frozen=True, slots=True)
class AzureFacts:
    """Of a VM; of a scale set what its model says (`instances` counts them, `upgrade` and `orchestration` are its modes).

    Words are Azure's own. Empty: not said (a stopped VM's instance view says little).
    """

    id: str  # the resource id, as answered
    vm_id: str  # the machine's own id; of a scale set its uniqueId
    location: str
    size: str
    os_type: str = ""  # Windows | Linux
    os_name: str = ""
    os_version: str = ""
    image: str = ""  # `offer/sku` of the image it was made of
    security_type: str = "Standard"  # Standard | TrustedLaunch | ConfidentialVM; absent is Standard before api-version 2025-11-01
    provisioning: str = "Succeeded"
    power: str = ""  # running, deallocated, stopped, starting, …: the tail of PowerState/…
    agent: str = ""  # Ready | Not Ready
    agent_version: str = ""
    scale_set: bool = False
    instances: int = 0
    upgrade: str = ""  # Manual | Automatic | Rolling
    orchestration: str = ""  # Uniform | Flexible
    single_placement_group: bool | None = None
    model_image: str = ""  # of a scale set: what new instances are made of, see `image_of`
    pending: tuple[str, ...] = ()  # of a scale set: instances that somebody else's change of the model waits for

    @property
    def busy(self) -> str:
        """What the service does with it now; empty where it is at rest."""
        return "" if self.provisioning.casefold() in AT_REST else self.provisioning

    @property
    def stopped(self) -> bool:
        """Surely not running: extensions of such a VM can be neither changed nor deleted (azure-extensions 1.6)."""
        return not self.scale_set and self.power not in ("", RUNNING)


def image_of(reference: Mapping[str, Any]) -> str:
    """An image in small letters, to be compared: an id, or publisher, offer, sku and version. `latest` names no version. Empty: not said."""
    said = {name: str(value).casefold() for name, value in reference.items() if value}
    own = next((said[name] for name in ("id", "sharedGalleryImageId", "communityGalleryImageId") if name in said), "")
    if own or "offer" not in said:
        return own
    return "/".join(said.get(name, "") for name in ("publisher", "offer", "sku", "version")).removesuffix("/latest").rstrip("/")


def same_image(one: str, other: str) -> bool | None:
    """None where it cannot be told: one of them is not said, or says no version."""
    if not one or not other:
        return None
    if one == other:
        return True
    return None if one.startswith(f"{other}/") or other.startswith(f"{one}/") else False
