"""Bare machines: what a freshly installed Windows of a given kind looks like, with the adapters somebody wished for.

`estate` and tests build machines here. Client kinds have optional features only; server kinds have roles as well.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from reconciler.emulator.machine import NAMESPACE, Machine, Site
from reconciler.emulator.parts import Adapter, Address, Feature, Service
from reconciler.emulator.stores import FileSystem

# Of Windows itself, roles or not, since 2016: eflow-domain 6; that the second one lies there is unverified.
LIBRARIES = ("virtdisk.dll", "vmsavedstatedumpprovider.dll")


@dataclass(frozen=True, slots=True)
class Sku:
    caption: str
    german: str
    version: str
    build: int
    revision: int
    product_type: int
    release: str
    edition: int


SKUS: dict[str, Sku] = {
    "server-2016": Sku("Microsoft Windows Server 2016 Standard", "Microsoft Windows Server 2016 Standard", "10.0.14393", 14393, 7428, 3, "2016", 7),
    "server-2019": Sku("Microsoft Windows Server 2019 Standard", "Microsoft Windows Server 2019 Standard", "10.0.17763", 17763, 6414, 3, "2019", 7),
    "server-2022": Sku("Microsoft Windows Server 2022 Standard", "Microsoft Windows Server 2022 Standard", "10.0.20348", 20348, 2762, 3, "2022", 7),
    "server-2025": Sku("Microsoft Windows Server 2025 Standard", "Microsoft Windows Server 2025 Standard", "10.0.26100", 26100, 2033, 3, "2025", 7),
    "client-10": Sku("Microsoft Windows 10 IoT Enterprise LTSC", "Microsoft Windows 10 IoT Enterprise LTSC", "10.0.19045", 19045, 5011, 1, "10", 188),
    "client-11": Sku("Microsoft Windows 11 Enterprise", "Microsoft Windows 11 Enterprise", "10.0.22631", 22631, 4317, 1, "11", 4),
}


@dataclass(frozen=True, slots=True)
class AdapterWish:
    """A physical adapter. Without an address it takes one from the site's DHCP; the first one carries the management traffic."""

    name: str = "Ethernet"
    address: str | None = None
    prefix: int = 24
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    status: str = "Up"
    description: str = ""


@dataclass(frozen=True, slots=True)
class HostWish:
    """What a bare machine shall be like."""

    name: str
    sku: str = "server-2022"
    adapters: tuple[AdapterWish, ...] = field(default_factory=lambda: (AdapterWish(),))
    language: str = "en-US"
    computer_name: str | None = None
    address: str | None = None
    domain: str | None = None
    platform: str = "physical"
    nested: bool = True
    memory_mb: int = 16384
    processors: int = 4
    disk_gb: int = 240


def build(wish: HostWish, site: Site | None = None) -> Machine:
    """The machine for `wish`; the same wish always gives the same machine."""
    sku = SKUS[wish.sku]
    seed = hashlib.sha256(wish.name.encode()).digest()
    german = wish.language.startswith("de")
    machine = Machine(
        name=wish.name,
        sku=wish.sku,
        caption=sku.german if german else sku.caption,
        version=sku.version,
        build=sku.build,
        revision=sku.revision,
        product_type=sku.product_type,
        release=sku.release,
        computer_name=(wish.computer_name or wish.name)[:15].upper(),
        uuid=str(uuid.uuid5(NAMESPACE, f"{wish.name}/bios")).upper(),
        machine_guid=str(uuid.uuid5(NAMESPACE, f"{wish.name}/machine")),
        boot_id=str(uuid.uuid5(NAMESPACE, f"{wish.name}/boot/1")),
        language=wish.language,
        domain=wish.domain,
        platform=wish.platform,
        nested=wish.nested,
        memory_mb=wish.memory_mb,
        processors=wish.processors,
        disk_gb=wish.disk_gb,
        free_gb=max(1, wish.disk_gb - 60),
    )
    if site is not None:
        machine.site = site
    machine.features = {name: feature for feature in _features(machine) if (name := (feature.role or feature.optional or "").casefold())}
    _services(machine)
    for number, adapter in enumerate(wish.adapters):
        machine.adapters.append(_adapter(machine, adapter, number, seed))
    held = [a.address for _, a in machine.addresses()]
    machine.uplink = wish.address if wish.address in held else next(iter(held), "")
    machine.address = wish.address or machine.uplink
    _registry(machine, sku)
    _folders(machine.files)
    return machine


def plug(machine: Machine, wishes: Iterable[AdapterWish]) -> list[str]:
    """Puts in the network cards that the machine has none of by that name; their names. What it has stays as it is."""
    seed = hashlib.sha256(machine.name.encode()).digest()
    there = {adapter.name.casefold() for adapter in machine.adapters}
    missing = [wish for wish in wishes if wish.name.casefold() not in there]
    for wish in missing:
        machine.adapters.append(_adapter(machine, wish, sum(adapter.physical for adapter in machine.adapters), seed))
    return [wish.name for wish in missing]


def _adapter(machine: Machine, wish: AdapterWish, number: int, seed: bytes) -> Adapter:
    description = wish.description or ("Intel(R) Ethernet Connection I219-LM" if number == 0 else f"Intel(R) I210 Gigabit Network Connection #{number + 1}")
    mac = f"{0x3C:02X}-EC-EF-{seed[0]:02X}-{seed[1]:02X}-{number:02X}"
    adapter = Adapter(wish.name, machine.new_index(), mac, description, "{" + machine.new_guid("adapter").upper() + "}", status=wish.status)
    if wish.status == "Up":
        static = wish.address is not None
        address = wish.address or f"10.{20 + number}.{seed[2]}.{10 + seed[3] % 200}"
        adapter.addresses.append(Address(address, wish.prefix, "Manual" if static else "Dhcp", "Manual" if static else "Dhcp"))
        adapter.dhcp = not static
        adapter.gateway = wish.gateway or (None if number else ".".join(address.split(".")[:3]) + ".1")
        adapter.dns = list(wish.dns) or ([] if number else [adapter.gateway or "10.0.0.53"])
    return adapter


def _features(machine: Machine) -> list[Feature]:
    newer = machine.build >= 20348
    if machine.server:
        rows = [
            Feature("Hyper-V", "Microsoft-Hyper-V", "Hyper-V", restart=True, kind="Role", tools=("Hyper-V-Tools", "Hyper-V-PowerShell")),
            Feature("DHCP", "DHCPServer", "DHCP-Server" if machine.language.startswith("de") else "DHCP Server", kind="Role", tools=("RSAT-DHCP",)),
            Feature("DNS", "DNS-Server-Full-Role", "DNS Server", kind="Role", tools=("RSAT-DNS-Server",)),
            Feature("Web-Server", "IIS-WebServerRole", "Web Server (IIS)", kind="Role"),
            Feature("RSAT", None, "Remote Server Administration Tools"),
            Feature("RSAT-Role-Tools", None, "Role Administration Tools", parent="RSAT"),
            Feature("RSAT-Hyper-V-Tools", "RSAT-Hyper-V-Tools-Feature", "Hyper-V Management Tools", parent="RSAT-Role-Tools"),
            Feature("Hyper-V-Tools", "Microsoft-Hyper-V-Management-Clients", "Hyper-V GUI Management Tools", parent="RSAT-Hyper-V-Tools"),
            Feature("Hyper-V-PowerShell", "Microsoft-Hyper-V-Management-PowerShell", "Hyper-V Module for Windows PowerShell", parent="RSAT-Hyper-V-Tools"),
            Feature("RSAT-DHCP", "DHCPServer-Tools", "DHCP Server Tools", parent="RSAT-Role-Tools"),
            Feature("RSAT-DNS-Server", "DNS-Server-Tools", "DNS Server Tools", parent="RSAT-Role-Tools"),
            Feature("Containers", "Containers", "Containers", restart=True),
            Feature("Failover-Clustering", "FailoverCluster-FullServer", "Failover Clustering", restart=True),
            Feature("NET-Framework-45-Core", "NetFx4", ".NET Framework 4.8", state="Installed"),
            Feature("NET-Framework-Core", "NetFx3", ".NET Framework 3.5 (includes .NET 2.0 and 3.0)", state="Removed"),
            Feature("Telnet-Client", "TelnetClient", "Telnet Client"),
            Feature("Windows-Defender", "Windows-Defender", "Microsoft Defender Antivirus", state="Installed", restart=True),
            Feature("PowerShell", "MicrosoftWindowsPowerShell", "Windows PowerShell 5.1", state="Installed"),
            Feature(None, "VirtualMachinePlatform", "Virtual Machine Platform", restart=True),
            Feature(None, "HypervisorPlatform", "Windows Hypervisor Platform", restart=True),
        ]
        return rows + ([Feature(None, "Microsoft-Hyper-V-Hypervisor", "Hyper-V Hypervisor", restart=True, parent="Microsoft-Hyper-V")] if newer else [])
    return [
        Feature(None, "Microsoft-Hyper-V-All", "Hyper-V", restart=True),
        Feature(None, "Microsoft-Hyper-V", "Hyper-V Platform", restart=True, parent="Microsoft-Hyper-V-All"),
        Feature(None, "Microsoft-Hyper-V-Hypervisor", "Hyper-V Hypervisor", restart=True, parent="Microsoft-Hyper-V"),
        Feature(None, "Microsoft-Hyper-V-Services", "Hyper-V Services", restart=True, parent="Microsoft-Hyper-V"),
        Feature(None, "Microsoft-Hyper-V-Tools-All", "Hyper-V Management Tools", parent="Microsoft-Hyper-V-All"),
        Feature(None, "Microsoft-Hyper-V-Management-Clients", "Hyper-V GUI Management Tools", parent="Microsoft-Hyper-V-Tools-All"),
        Feature(None, "Microsoft-Hyper-V-Management-PowerShell", "Hyper-V Module for Windows PowerShell", parent="Microsoft-Hyper-V-Tools-All"),
        Feature(None, "VirtualMachinePlatform", "Virtual Machine Platform", restart=True),
        Feature(None, "HypervisorPlatform", "Windows Hypervisor Platform", restart=True),
        Feature(None, "Containers", "Containers", restart=True),
        Feature(None, "TelnetClient", "Telnet Client"),
        Feature(None, "NetFx3", ".NET Framework 3.5 (includes .NET 2.0 and 3.0)", state="Removed"),
    ]


def _services(machine: Machine) -> None:
    rows = [
        Service("WinRM", "Windows Remote Management (WS-Management)"),
        Service("Winmgmt", "Windows Management Instrumentation"),
        Service("EventLog", "Windows Event Log"),
        Service("Dnscache", "DNS Client"),
        Service("Dhcp", "DHCP Client"),
        Service("LanmanServer", "Server"),
        Service("LanmanWorkstation", "Workstation"),
        Service("Spooler", "Print Spooler"),
        Service("W32Time", "Windows Time", start="Manual"),
        Service("wuauserv", "Windows Update", state="Stopped", start="Manual"),
        Service("TrustedInstaller", "Windows Modules Installer", state="Stopped", start="Manual"),
        Service("WinDefend", "Microsoft Defender Antivirus Service"),
        Service("SharedAccess", "Internet Connection Sharing (ICS)", state="Stopped", start="Manual"),
        Service("sshd", "OpenSSH SSH Server", state="Stopped", start="Manual"),
    ]
    if machine.platform == "azure":
        rows.append(Service("WindowsAzureGuestAgent", "Windows Azure Guest Agent"))
    for row in rows:
        machine.add_service(row)


def _registry(machine: Machine, sku: Sku) -> None:
    registry = machine.registry
    current = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion"
    registry.put(current, "CurrentBuild", str(sku.build))
    registry.put(current, "CurrentBuildNumber", str(sku.build))
    registry.put(current, "UBR", sku.revision)
    registry.put(current, "ProductName", sku.caption.replace("Microsoft ", "").replace("Windows 11", "Windows 10"))
    registry.put("HKLM\\SOFTWARE\\Microsoft\\Cryptography", "MachineGuid", machine.machine_guid)
    control = "HKLM\\SYSTEM\\CurrentControlSet\\Control"
    for which in ("ComputerName", "ActiveComputerName"):
        registry.put(f"{control}\\ComputerName\\{which}", "ComputerName", machine.computer_name)
    registry.create(f"{control}\\Session Manager")
    registry.create("HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing")
    registry.create("HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WindowsUpdate")
    registry.create("HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows")
    registry.create("HKCU\\Software")
    uninstall = "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
    code = "{" + str(uuid.uuid5(NAMESPACE, "vcredist")).upper() + "}"
    registry.put(f"{uninstall}\\{code}", "DisplayName", "Microsoft Visual C++ 2022 X64 Minimum Runtime - 14.38.33135")
    registry.put(f"{uninstall}\\{code}", "DisplayVersion", "14.38.33135")
    registry.create(f"{uninstall}\\AddressBook")
    if machine.server:
        registry.create("HKLM\\SOFTWARE\\Microsoft\\ServerManager\\Roles")


def _folders(files: FileSystem) -> None:
    for path in (
        "C:\\Program Files\\WindowsPowerShell\\Modules",
        "C:\\Program Files (x86)",
        "C:\\ProgramData",
        "C:\\Users\\Administrator",
        "C:\\Windows\\System32",
        "C:\\Windows\\Temp",
    ):
        files.folder(path)
    for name in LIBRARIES:
        files.place(f"C:\\Windows\\System32\\{name}", 200 << 10, hashlib.sha256(name.encode()).hexdigest())
