"""The questions of a doctor: tables of WMI, and what a session is asked in one batch. Nothing here writes, nothing carries a secret.

Sources: eflow-domain 1.3 (module, disk, uninstall entry), 6 (services and libraries of the interfaces), 8 (restarts that wait); windows-outputs
Get-AuthenticodeSignature. Stores of certificates lie in the registry as Microsoft's "System Store Locations" says; that each certificate is
a key named by its thumbprint, and where the library for saved states lies, is unverified.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from reconciler.core.calls import AnyCall, Cmdlet
from reconciler.core.capabilities import AZURE_EFLOW, DHCP_SERVER, HYPER_V, WINNAT
from reconciler.core.errors import TransportError, Unreachable
from reconciler.core.observations import Facts
from reconciler.core.snapshot import call_key
from reconciler.core.transport import Reader
from reconciler.hosts.cim import CIMV2, STANDARD, VIRTUALIZATION, Cim
from reconciler.hosts.doctor.seen import Seen
from reconciler.hosts.winrm.errors import Faulted, Forbidden

SERVICES = ("vmms", "hvhost", "vmcompute", "hns", "DHCPServer", "wssdagent")
FEATURES = ("Microsoft-Hyper-V", "HypervisorPlatform", "DHCPServer", "Containers")
TABLES: tuple[tuple[str, str, str, tuple[str, ...], str], ...] = (
    ("computer", CIMV2, "Win32_ComputerSystem", ("Name", "DNSHostName", "Domain", "PartOfDomain", "Manufacturer", "Model", "HypervisorPresent"), ""),
    ("system", CIMV2, "Win32_OperatingSystem", ("Caption", "BuildNumber", "LastBootUpTime", "LocalDateTime", "FreePhysicalMemory"), ""),
    ("disks", CIMV2, "Win32_LogicalDisk", ("DeviceID", "FreeSpace", "Size"), "DriveType = 3"),
    ("services", CIMV2, "Win32_Service", ("Name", "State", "StartMode"), " OR ".join(f"Name = '{name}'" for name in SERVICES)),
    ("features", CIMV2, "Win32_OptionalFeature", ("Name", "InstallState"), " OR ".join(f"Name = '{name}'" for name in FEATURES)),
    ("machines", VIRTUALIZATION, "Msvm_ComputerSystem", ("Name", "ElementName", "EnabledState"), ""),
    ("switches", VIRTUALIZATION, "Msvm_VirtualEthernetSwitch", ("Name", "ElementName"), ""),
    ("nats", STANDARD, "MSFT_NetNat", ("Name", "InternalIPInterfaceAddressPrefix"), ""),
)

TEST_PATH = Cmdlet("Test-Path", ("LiteralPath",))
GET_PROPERTY = Cmdlet("Get-ItemProperty", ("LiteralPath", "Path", "Name"))
GET_CHILDREN = Cmdlet("Get-ChildItem", ("LiteralPath", "Path"))
GET_SIGNATURE = Cmdlet("Get-AuthenticodeSignature", ("LiteralPath",))
WORDS = (TEST_PATH, GET_PROPERTY, GET_CHILDREN, GET_SIGNATURE)
NO_KEY = "PathNotFound"

CURRENT = "HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion"
CONTROL = "HKLM:\\SYSTEM\\CurrentControlSet\\Control"
REBOOTS = {
    "Component Based Servicing": TEST_PATH(LiteralPath=f"{CURRENT}\\Component Based Servicing\\RebootPending"),
    "Windows Update": TEST_PATH(LiteralPath=f"{CURRENT}\\WindowsUpdate\\Auto Update\\RebootRequired"),
}
ROLES_WAIT = GET_PROPERTY(LiteralPath="HKLM:\\SOFTWARE\\Microsoft\\ServerManager\\ServicingStorage\\ServerComponentCache", select=("RestartRequired",))
FILES_WAIT = GET_PROPERTY(LiteralPath=f"{CONTROL}\\Session Manager", select=("PendingFileRenameOperations",))
NAMES = tuple(GET_PROPERTY(LiteralPath=f"{CONTROL}\\ComputerName\\{which}", select=("ComputerName",)) for which in ("ActiveComputerName", "ComputerName"))
POLICY = GET_PROPERTY(LiteralPath="HKLM:\\SOFTWARE\\Policies\\Microsoft\\Windows\\PowerShell", select=("ExecutionPolicy", "EnableScripts"))
TRUSTED = tuple(
    GET_CHILDREN(LiteralPath=f"HKLM:\\SOFTWARE\\{of}Microsoft\\SystemCertificates\\TrustedPublisher\\Certificates", select=("PSChildName",))
    for of in ("", "Policies\\")
)
SIGNED = GET_SIGNATURE(
    LiteralPath=("C:\\Program Files\\WindowsPowerShell\\Modules\\AzureEFLOW\\AzureEFLOW.psm1",),
    select=("Status", ("SignerCertificate", ("Thumbprint", "Subject"))),
)
# By name, and by pattern: one malformed value of a foreign product fails a read of all.
PRODUCTS = GET_PROPERTY(Path=f"{CURRENT}\\Uninstall\\*", Name=("DisplayName*", "DisplayVersion*"), select=("DisplayName", "DisplayVersion"))
EFLOW_DISKS = GET_CHILDREN(Path="C:\\Program Files\\Azure IoT Edge\\*EFLOW.vhdx", select=("FullName", "Length"))
LIBRARIES = {
    "VHD": TEST_PATH(LiteralPath="C:\\Windows\\System32\\virtdisk.dll"),
    "saved state": TEST_PATH(LiteralPath="C:\\Windows\\System32\\vmsavedstatedumpprovider.dll"),
}
FLEETS = GET_CHILDREN(LiteralPath="HKLM:\\SOFTWARE\\reconciler\\fleets", select=("PSChildName",))
CAPABILITIES = (HYPER_V, WINNAT, DHCP_SERVER, AZURE_EFLOW)
DEADLINE = timedelta(seconds=90)


async def ask_wmi(cim: Cim, seen: Seen) -> None:
    """The settings, then every table. A host that does not let us in is asked once (`signed`); one that lets us in and not into WMI (JEA) too (`wmi`)."""
    try:
        seen.settings = await cim.settings()
        seen.shells = await cim.shells()
    except (Forbidden, Faulted):
        seen.shells = None  # the service's own affairs are for administrators; WMI may be for others
    except TransportError as failed:
        seen.signed = failed
        return
    for name, namespace, class_name, properties, where in TABLES:
        try:
            seen.tables[name] = await cim.query(namespace, class_name, properties, where)
        except (Forbidden, Unreachable) as failed:
            seen.wmi = failed
            return
        except TransportError as failed:
            seen.tables[name] = failed


async def ask_session(reader: Reader, seen: Seen) -> None:
    calls = {call_key(call): call for call in questions(reader.hello.facts)}
    answers = await reader.ask(tuple(calls.values()), DEADLINE)
    seen.answers = dict(zip(calls, answers, strict=True))


def questions(facts: Facts) -> Sequence[AnyCall]:
    proofs = [ask.call for capability in CAPABILITIES for ask in capability.ask(facts)]
    restarts = (*REBOOTS.values(), ROLES_WAIT, FILES_WAIT, *NAMES)
    return [*proofs, *restarts, POLICY, *TRUSTED, SIGNED, PRODUCTS, EFLOW_DISKS, *LIBRARIES.values(), FLEETS]
