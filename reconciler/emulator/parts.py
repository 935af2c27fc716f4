"""What an emulated machine is made of: features, services, processes, adapters, switches, NATs, virtual machines.

Plain values that `codec` saves; the rules about them live in `timeline`, `network` and the cmdlet modules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Feature:
    """A Windows component, seen by Server Manager as `role` and by DISM as `optional` (either may be absent).

    `state`: Available, Removed (no payload), Installed, InstallPending, UninstallPending. `restart`: needs one to take effect.
    """

    role: str | None
    optional: str | None
    display: str
    state: str = "Available"
    restart: bool = False
    parent: str | None = None
    kind: str = "Feature"
    tools: tuple[str, ...] = ()

    @property
    def installed(self) -> bool:
        return self.state in ("Installed", "UninstallPending")


@dataclass(slots=True)
class Service:
    """`state` is Running, Stopped, StartPending; `late` is how long after WinRM answers it starts at a boot."""

    name: str
    display: str
    state: str = "Running"
    start: str = "Automatic"
    needs: tuple[str, ...] = ()
    late: int = 0
    delayed: bool = False


@dataclass(slots=True)
class Process:
    """A process; `what` says which program or job it is. `data` belongs to whoever started it."""

    pid: int
    name: str
    started: datetime
    what: str = ""
    parent: int = 0
    path: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Address:
    """An IPv4 address of an adapter. `origin` is PrefixOrigin, `suffix` SuffixOrigin, `state` AddressState."""

    address: str
    prefix: int
    origin: str = "Manual"
    suffix: str = "Manual"
    state: str = "Preferred"
    skip_as_source: bool = False


@dataclass(slots=True)
class Adapter:
    """A network adapter of the host. `switch` is the id of the virtual switch that a vEthernet adapter, or a bound NIC, belongs to."""

    name: str
    index: int
    mac: str
    description: str
    guid: str
    physical: bool = True
    status: str = "Up"
    speed: int = 1_000_000_000
    dhcp: bool = False
    addresses: list[Address] = field(default_factory=list)
    gateway: str | None = None
    dns: list[str] = field(default_factory=list)
    switch: str | None = None
    metric: int = 25
    parked: list[Address] = field(default_factory=list)  # what it had before a switch without a host adapter took it
    parked_gateway: str | None = None
    rdma: bool = False  # what Get-NetAdapterRdma shows

    @property
    def virtual(self) -> bool:
        return not self.physical


@dataclass(slots=True)
class Route:
    """A route somebody added; on-link and default routes follow from the adapters."""

    destination: str
    next_hop: str
    index: int
    metric: int = 256


@dataclass(slots=True)
class VmSwitch:
    id: str
    name: str
    type: str
    notes: str = ""
    adapter_description: str = ""
    management_os: bool = True
    protected: bool = False
    bandwidth: str = "Absolute"


@dataclass(slots=True)
class StaticMapping:
    id: int
    protocol: str
    external_address: str
    external_port: int
    internal_address: str
    internal_port: int
    remote_prefix: str = "0.0.0.0/0"


@dataclass(slots=True)
class Nat:
    """`kind`: winnat (New-NetNat, persists) or hns (made by containers, gone after a restart from 2019 on)."""

    name: str
    prefix: str
    kind: str = "winnat"
    external_prefix: str = ""
    mappings: list[StaticMapping] = field(default_factory=list)
    next_mapping: int = 0
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class VirtualMachine:
    """A virtual machine managed by vmms. `switches` are the ids its adapters are connected to."""

    id: str
    name: str
    state: str = "Off"
    processors: int = 1
    memory: int = 1 << 30
    switches: list[str] = field(default_factory=list)
    macs: list[str] = field(default_factory=list)
    notes: str = ""
    generation: int = 2
    version: str = "9.0"
    nested: bool = False
    spoofing: bool = False
    created: datetime | None = None


@dataclass(slots=True)
class Due:
    """Something that will happen at `at`: adapter, preferred, service. `subject` names what, `data` the rest."""

    at: datetime
    what: str
    subject: str
    data: dict[str, Any] = field(default_factory=dict)
