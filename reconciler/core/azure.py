"""What Azure Resource Manager says of a machine or a scale set, as facts that kinds and rules may branch on. Values only."""

from __future__ import annotations

from dataclasses import dataclass

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

    @property
    def busy(self) -> str:
        """What the service does with it now; empty where it is at rest."""
        return "" if self.provisioning.casefold() in AT_REST else self.provisioning

    @property
    def stopped(self) -> bool:
        """Surely not running: extensions of such a VM can be neither changed nor deleted (azure-extensions 1.6)."""
        return not self.scale_set and self.power not in ("", RUNNING)
