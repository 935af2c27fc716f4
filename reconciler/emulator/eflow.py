"""The EFLOW product on an emulated machine: the MSI, the deployed VM, what the guest holds, and what a failure leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

DEFAULT_INSTALL = "C:\\Program Files\\Azure IoT Edge"
MODULE = "C:\\Program Files\\WindowsPowerShell\\Modules\\AzureEFLOW\\AzureEFLOW.psm1"
UNINSTALL = "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
AGENT_KEY = "HKLM\\SOFTWARE\\Microsoft\\WssdAgent\\v0.10.8-alpha.10"
DISK = "AzureIoTEdgeForLinux-v1-EFLOW.vhdx"
PUBLISHER = "8F1B0C5A2D7E49361A5C3F0E7B92D4865C0A1E37"  # made up
PUBLISHER_NAME = "CN=Microsoft Corporation, O=Microsoft Corporation, L=Redmond, S=Washington, C=US"


@dataclass(slots=True)
class Endpoint:
    """A network adapter of the guest. What was configured; `address` is what the guest really has ('' if none)."""

    name: str
    switch: str
    mac: str
    guest: str
    address: str = ""
    prefix: int = 0
    gateway: str = ""
    method: str = "Dynamic"
    dns: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Eflow:
    """`version` '' means no MSI. `attempted`: Deploy-Eflow ran on this installation (a second one is refused)."""

    version: str = ""
    product_code: str = ""
    display_name: str = ""
    install_dir: str = DEFAULT_INSTALL
    vhdx_dir: str = DEFAULT_INSTALL
    attempted: bool = False
    deployed: bool = False
    name: str = ""
    vm_id: str = ""
    power: str = "Off"
    cpus: int = 1
    memory: int = 1024
    disk_gb: int = 29
    data_gb: int = 10
    log_size: str = "Small"
    switch: str = ""
    switch_type: str = ""
    endpoints: list[Endpoint] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    optional_telemetry: bool = False
    features: dict[str, bool] = field(default_factory=dict)
    provisioning: dict[str, str] = field(default_factory=dict)  # as the guest's configuration has it, key included
    shared_folders: list[dict[str, Any]] = field(default_factory=list)
    certificate_expires: datetime | None = None
    deploy_fails: str = ""  # a text that the next Deploy-Eflow ends with

    @property
    def installed(self) -> bool:
        return bool(self.version)

    @property
    def train(self) -> str:
        """1.1, 1.4 or 1.5: which parameters and in-guest files this version has."""
        return ".".join(self.version.split(".")[:2])
