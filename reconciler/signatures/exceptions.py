"""Where the catalogue alone cannot judge a call, and why: every entry carries its reason.

Read by `check` only. An entry widens what is known (objects of .NET, of providers and script modules) or says which object a cmdlet
answers; it never excuses a property that the reference knows to be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.calls import Call


@dataclass(frozen=True, slots=True)
class Known:
    """Properties that stand besides the catalogue's; `any` where names are the host's own data."""

    because: str
    properties: frozenset[str] = frozenset()
    any: bool = False


_PROVIDER = frozenset({"PSChildName", "PSDrive", "PSIsContainer", "PSParentPath", "PSPath", "PSProvider"})
_FILE = _PROVIDER | {
    "Attributes", "CreationTime", "CreationTimeUtc", "Directory", "DirectoryName", "Exists", "Extension", "FullName", "IsReadOnly",
    "LastAccessTime", "LastAccessTimeUtc", "LastWriteTime", "LastWriteTimeUtc", "Length", "Name", "Parent", "Root", "VersionInfo",
}  # fmt: skip
_KEY = _PROVIDER | {"Name", "Property", "SubKeyCount", "ValueCount", "View"}

# What a cmdlet answers besides, or instead of, what the catalogue has.
PROPERTIES: Mapping[str, Known] = {
    "Get-ChildItem": Known("FileInfo, DirectoryInfo or RegistryKey of .NET Framework with the provider's notes", _FILE | _KEY),
    "Get-NetAdapterRdma": Known("MSFT_NetAdapterRdmaSettingData, unverified", frozenset({"Name", "InterfaceDescription", "Enabled"})),
    "Get-Item": Known("FileInfo, DirectoryInfo or RegistryKey of .NET Framework with the provider's notes", _FILE | _KEY),
    "New-Item": Known("FileInfo, DirectoryInfo or RegistryKey of .NET Framework with the provider's notes", _FILE | _KEY),
    "Get-ItemProperty": Known("one property per registry value, named as the value (windows-outputs Get-ItemProperty)", any=True),
    "Start-Process": Known("Process of .NET Framework, with -PassThru", frozenset({"ExitCode", "HasExited", "Id"})),
}

# A cmdlet whose object is that of another one, with the reason.
_CIM = "New-, Set- and Add- of a CIM module hand out an instance of the class that Get- reads"
_PASS = "with -PassThru it hands on the object that Get- reads"
SAME_OBJECT: Mapping[str, tuple[str, str]] = {
    "Add-DhcpServerv4Reservation": ("Get-DhcpServerv4Reservation", _PASS),
    "Add-DhcpServerv4Scope": ("Get-DhcpServerv4Scope", _PASS),
    "Add-NetNatStaticMapping": ("Get-NetNatStaticMapping", _CIM),
    "Add-VMNetworkAdapter": ("Get-VMNetworkAdapter", _PASS),
    "New-NetIPAddress": ("Get-NetIPAddress", _CIM),
    "Rename-NetAdapter": ("Get-NetAdapter", _PASS),
    "Restart-Service": ("Get-Service", _PASS),
    "Set-DhcpServerv4Scope": ("Get-DhcpServerv4Scope", _PASS),
    "Set-NetIPAddress": ("Get-NetIPAddress", _PASS),
    "Set-NetNat": ("Get-NetNat", _CIM),
    "Set-Service": ("Get-Service", _PASS),
    "Set-VMSwitch": ("Get-VMSwitch", _PASS),
    "Start-Service": ("Get-Service", _PASS),
    "Start-VM": ("Get-VM", _PASS),
    "Stop-Service": ("Get-Service", _PASS),
    "Stop-VM": ("Get-VM", _PASS),
}

# Objects inside objects whose declared type says nothing: (cmdlet, property) → the cmdlet whose objects they are.
_CONFIGURATION = "windows-outputs Get-NetIPConfiguration: the instances that the named Get- cmdlet reads"
NESTED_OBJECT: Mapping[tuple[str, str], tuple[str, str]] = {
    ("Get-NetIPConfiguration", "AllIPAddresses"): ("Get-NetIPAddress", _CONFIGURATION),
    ("Get-NetIPConfiguration", "DNSServer"): ("Get-DnsClientServerAddress", _CONFIGURATION),
    ("Get-NetIPConfiguration", "IPv4Address"): ("Get-NetIPAddress", _CONFIGURATION),
    ("Get-NetIPConfiguration", "IPv4DefaultGateway"): ("Get-NetRoute", _CONFIGURATION),
    ("Get-NetIPConfiguration", "IPv6Address"): ("Get-NetIPAddress", _CONFIGURATION),
    ("Get-NetIPConfiguration", "IPv6DefaultGateway"): ("Get-NetRoute", _CONFIGURATION),
    ("Get-NetIPConfiguration", "NetAdapter"): ("Get-NetAdapter", _CONFIGURATION),
    ("Get-NetIPConfiguration", "NetIPv4Interface"): ("Get-NetIPInterface", _CONFIGURATION),
}

# The same, where the names are known from a note of the reference and no cmdlet reads such objects alone.
_EFLOW = "a script module's object, names from issue dumps (windows-outputs Get-EflowVm, Get-EflowVmEndpoint)"
NESTED_PROPERTIES: Mapping[tuple[str, str], Known] = {
    ("Get-EflowVm", "VmConfiguration"): Known(_EFLOW, frozenset({"ID", "name", "properties", "tags"})),
    ("Get-EflowVm", "EdgeRuntimeVersion"): Known(_EFLOW, frozenset({"IotEdgeVersion", "MobyEngineVersion", "MobyCliVersion"})),
    ("Get-EflowVm", "EdgeRuntimeStatus"): Known(_EFLOW, frozenset({"SystemCtlStatus", "ModuleList"})),
    ("Get-EflowVm", "SystemStatistics"): Known(
        _EFLOW,
        frozenset(
            {"TotalMemMb", "UsedMemMb", "AvailableMemMb", "TotalStorageMb", "UsedStorageMb", "AvailableStorageMb", "CpuCount", "KernelVersion"},
        ),
    ),
    ("Get-EflowVmEndpoint", "IpConfiguration"): Known(_EFLOW, frozenset({"Address", "PrefixLength", "Gateway", "AllocationMethod", "SubNet"})),
}

# Properties without evidence that may be selected all the same, with the reason. Kinds read these through `Row.maybe`.
UNVERIFIED: Mapping[tuple[str, str], str] = {}

# Cmdlets whose sets the binder keeps apart by something that the catalogue's sets leave out.
KEPT_APART: Mapping[str, str] = {
    "Get-CimInstance": "its Computer and Session sets differ by ComputerName and CimSession, which the sets leave out",
    "Get-Process": "IncludeUserName is mandatory in its WithUserName sets",
}

# Types that a call cannot carry: they are live objects of the host. (`Feature` is not among them: it converts from the feature's name.)
LIVE_OBJECTS = frozenset(
    {
        "CimInstance", "Diagnostics.Process", "IO.Stream", "Microsoft.Management.Infrastructure.CimInstance", "ScriptBlock",
        "Security.Cryptography.X509Certificates.X509Certificate", "ServiceProcess.ServiceController", "VMHostAssignableDevice",
        "VMHostCluster", "VMHostPartitionableGpu", "VMMemory", "VMNetworkAdapter", "VMNetworkAdapterAclSetting", "VMNetworkAdapterBase",
        "VMNetworkAdapterExtendedAclSetting", "VMNetworkAdapterRoutingDomainSetting", "VMProcessor", "VMSnapshot", "VMSwitch",
        "VMSwitchExtension", "VMSwitchExtensionPortFeature", "VMSwitchExtensionSwitchFeature", "VirtualMachine", "Xml.XmlDocument",
    }
)  # fmt: skip


def object_type(call: Call) -> str | None:
    """The class or type of what a call answers, where its parameters decide that."""
    if call.name.endswith("Get-CimInstance"):
        return str(call.parameters.get("ClassName", ""))
    if call.name.endswith("Get-VMNetworkAdapter") and call.parameters.get("ManagementOS"):
        return "Microsoft.HyperV.PowerShell.VMInternalNetworkAdapter"
    return None
