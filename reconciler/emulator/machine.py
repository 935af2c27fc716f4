"""One emulated Windows host: its state, and look-ups on it. What happens in time is in `timeline`.

Built by `skus.build`, asked and changed by the cmdlet functions, saved by `estate`. It holds no rights, no wire and no locks.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.emulator.codec import decode, encode
from reconciler.emulator.dhcp import DhcpServer
from reconciler.emulator.eflow import Eflow
from reconciler.emulator.errors import text
from reconciler.emulator.faults import Fault
from reconciler.emulator.parts import Adapter, Address, Due, Feature, Nat, Process, Route, Service, VirtualMachine, VmSwitch
from reconciler.emulator.stores import FileSystem, Registry

EPOCH = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
NAMESPACE = uuid.UUID("5d1f6d0e-6f3b-4a57-9c1e-0f9a4f6b7a10")


@dataclass(slots=True)
class WebFile:
    """A file that can be downloaded in the emulated web. An MSI names its `product` and `version`; `kind` is eflow or msi."""

    size: int = 0
    sha256: str = ""
    product: str = ""
    version: str = ""
    status: int = 200
    kind: str = "eflow"


@dataclass(slots=True)
class Site:
    """What surrounds the machines and is shared by them: the web, and the directory's list of authorised DHCP servers."""

    web: dict[str, WebFile] = field(default_factory=dict)
    authorised: dict[str, str] = field(default_factory=dict)  # address of a DHCP server -> its DNS name


@dataclass(slots=True)
class Machine:
    """All state of a host. `now` is the virtual time up to which it has been brought by `timeline.settle`."""

    name: str
    sku: str
    caption: str
    version: str
    build: int
    revision: int
    product_type: int  # 1 client, 2 domain controller, 3 server
    release: str  # 2016, 2019, 2022, 2025, 10, 11
    computer_name: str = ""
    uuid: str = ""
    machine_guid: str = ""
    language: str = "en-US"
    domain: str | None = None
    platform: str = "physical"  # physical, hyper-v, azure, vmware
    nested: bool = True  # virtualisation extensions are visible
    address: str = ""  # where controllers reach it: a name or an address
    uplink: str = ""  # the address of its own that carries their traffic
    now: datetime = EPOCH
    booted: datetime = EPOCH
    boot_id: str = ""
    boots: int = 1
    power: str = "on"
    down_until: datetime | None = None
    skew: timedelta = timedelta(0)  # its own clock minus true time
    memory_mb: int = 16384
    used_mb: int = 2600
    processors: int = 4
    disk_gb: int = 240
    free_gb: int = 180
    pending_rename: str | None = None
    servicing_pending: bool = False
    counter: int = 0
    next_pid: int = 4000
    next_index: int = 4
    features: dict[str, Feature] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    adapters: list[Adapter] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    switches: list[VmSwitch] = field(default_factory=list)
    nats: list[Nat] = field(default_factory=list)
    vms: list[VirtualMachine] = field(default_factory=list)
    dhcp: DhcpServer = field(default_factory=DhcpServer)
    eflow: Eflow = field(default_factory=Eflow)
    registry: Registry = field(default_factory=Registry)
    files: FileSystem = field(default_factory=FileSystem)
    processes: dict[str, Process] = field(default_factory=dict)
    due: list[Due] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    site: Site = field(default_factory=Site, metadata={"transient": True})
    above: Callable[[], None] | None = field(default=None, compare=False, repr=False, metadata={"transient": True})  # what works on it from outside, until now

    # --- identity and time

    @property
    def server(self) -> bool:
        return self.product_type != 1

    @property
    def local_now(self) -> datetime:
        """The time that the machine's own clock shows, in UTC."""
        return self.now + self.skew

    @property
    def uptime(self) -> timedelta:
        return self.now - self.booted

    def answers(self, at: datetime | None = None) -> bool:
        """Whether WinRM would take a connection at `at` (default: now)."""
        at = at or self.now
        return self.power == "on" and self.linked and (self.down_until is None or at >= self.down_until)

    @property
    def linked(self) -> bool:
        """Whether the address that carries the controllers' traffic is on an adapter that is up."""
        return not self.uplink or any(adapter.status == "Up" and held.address == self.uplink for adapter, held in self.addresses())

    @property
    def restarting(self) -> bool:
        """Between going down and the new boot: nothing runs on it."""
        return self.booted > self.now

    def text(self, name: str, /, **values: object) -> str:
        return text(self.language, name, **values)

    def new_guid(self, what: str) -> str:
        """A guid that is the same in every run."""
        self.counter += 1
        return str(uuid.uuid5(NAMESPACE, f"{self.name}/{what}/{self.counter}"))

    def new_index(self) -> int:
        """The next interface index; they are never reused and have gaps."""
        self.next_index += 3 + len(self.name) % 4
        return self.next_index

    def new_mac(self) -> str:
        """A MAC address out of Hyper-V's own range."""
        self.counter += 1
        tail = uuid.uuid5(NAMESPACE, f"{self.name}/mac/{self.counter}").hex[:6].upper()
        return f"00-15-5D-{tail[0:2]}-{tail[2:4]}-{tail[4:6]}"

    # --- features, services, processes

    def feature(self, name: str) -> Feature | None:
        """By role or optional name, without regard to case."""
        wanted = name.casefold()
        for feature in self.features.values():
            if (feature.role or "").casefold() == wanted or (feature.optional or "").casefold() == wanted:
                return feature
        return None

    def has(self, name: str) -> bool:
        """Whether the feature is there and in effect (not merely pending)."""
        feature = self.feature(name)
        return feature is not None and feature.installed

    @property
    def hyperv(self) -> bool:
        return self.has("Hyper-V") if self.server else self.has("Microsoft-Hyper-V")

    def service(self, name: str) -> Service | None:
        return self.services.get(name.casefold())

    def running(self, name: str) -> bool:
        service = self.service(name)
        return service is not None and service.state == "Running"

    def add_service(self, service: Service) -> None:
        self.services.setdefault(service.name.casefold(), service)

    def start_process(self, name: str, what: str = "", parent: int = 0, path: str = "", data: Mapping[str, Any] | None = None) -> Process:
        self.next_pid += 4 * (1 + len(what) % 5)
        process = Process(self.next_pid, name, self.now, what, parent, path, dict(data or {}))
        self.processes[str(process.pid)] = process
        return process

    def process(self, pid: int) -> Process | None:
        return self.processes.get(str(pid))

    def kill_tree(self, pid: int) -> list[int]:
        """Ends a process and all below it; the pids that ended."""
        if self.processes.pop(str(pid), None) is None:
            return []
        children = [process.pid for process in self.processes.values() if process.parent == pid]
        return [pid, *(dead for child in children for dead in self.kill_tree(child))]

    # --- network

    def adapter(self, name: str) -> Adapter | None:
        return next((a for a in self.adapters if a.name.casefold() == name.casefold()), None)

    def adapter_at(self, index: int) -> Adapter | None:
        return next((a for a in self.adapters if a.index == index), None)

    def addresses(self) -> Iterator[tuple[Adapter, Address]]:
        for adapter in self.adapters:
            for address in adapter.addresses:
                yield adapter, address

    def holder(self, address: str) -> Adapter | None:
        """The adapter that has this address."""
        return next((adapter for adapter, held in self.addresses() if held.address == address), None)

    def switches_named(self, name: str) -> list[VmSwitch]:
        return [s for s in self.switches if s.name.casefold() == name.casefold()]

    def switch_by_id(self, identity: str) -> VmSwitch | None:
        return next((s for s in self.switches if s.id.casefold() == identity.casefold()), None)

    def nat(self, name: str) -> Nat | None:
        return next((n for n in self.nats if n.name.casefold() == name.casefold()), None)

    # --- memory

    @property
    def free_mb(self) -> int:
        """Free memory: what is not used by Windows or by running virtual machines."""
        guests = sum(vm.memory >> 20 for vm in self.vms if vm.state == "Running")
        if self.eflow.deployed and self.eflow.power == "Running" and not self.server:
            guests += self.eflow.memory
        return max(0, self.memory_mb - self.used_mb - guests)

    # --- saving

    def to_json(self) -> dict[str, Any]:
        value: dict[str, Any] = encode(self)
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Machine:
        return decode(cls, dict(value))
