"""What each kind is put through: declared, changed by hand, changed in YAML, replaced, taken away. Data for the laws and the mutations."""

from __future__ import annotations

from reconciler.emulator.faults import Fault
from reconciler.emulator.skus import AdapterWish
from tests.laws.stages import Scenario, Stage

HYPERV = "WindowsFeature/Hyper-V: {}\n"
DHCP = "WindowsFeature/DHCP: {}\n"
SERVER = "DhcpServer: {}\n"
LAN = AdapterWish("LAN", "10.20.7.5", 24, "10.20.7.1", ("10.20.0.53",))


def switch(name: str = "eflow", address: str = "172.20.10.1/24", more: str = "") -> str:
    return f"VirtualSwitch/{name}: {{switchType: Internal, ipAddress: {address}{more}}}\n"


def nat(more: str = "") -> str:
    return f"NatNetwork/eflow: {{switchName: eflow{more}}}\n"


def scope(
    more: str = "", start: str = "172.20.10.100", end: str = "172.20.10.200", dns: str = "[168.63.129.16]", lease: str = "8.00:00:00", name: str = "eflow"
) -> str:
    return f"DhcpScope/{name}: {{switchName: {name}, startRange: {start}, endRange: {end}, dnsServer: {dns}, leaseDuration: {lease}{more}}}\n"


def vm(more: str = "", on: str = "eflow", version: str = "1.5.3.12025") -> str:
    return f"""\
EflowVm:
  product: 1.5 LTS
  version: ">={version}"
  installer: {{url: "https://files.example.net/eflow-{version}.msi", sha256: {"ab" * 32}, version: {version}}}
  acceptEula: Yes
  vswitchName: {on}
{"".join(f"  {line}" + chr(10) for line in more.splitlines())}"""


SYMMETRIC = "provisioningType: DpsSymmetricKey, scopeId: 0ne00A1B2C3, registrationId: edge-01, symmKey: {env: KEY_ONE}"


def identity(fields: str = SYMMETRIC) -> str:
    return f"provisioning: {{{fields}}}"


NETWORK = HYPERV + DHCP + switch() + nat() + SERVER + scope()

ROLE, DHCP_ROLE, SWITCH, NAT = "WindowsFeature/Hyper-V", "WindowsFeature/DHCP", "VirtualSwitch/eflow", "NatNetwork/eflow"
SCOPE, VM, IDENTITY, KEPT = "DhcpScope/eflow", "EflowVm", "EflowProvisioning", "DhcpReservation/eflow.plc"
LEASING = (f"+ {ROLE}", f"+ {DHCP_ROLE}", f"+ {SWITCH}", f"+ {NAT}", "+ DhcpServer", f"+ {SCOPE}")


def driver(more: str = "", kind: str = "driver: InfiniBandDriverWindows") -> str:
    return f"AzureVmExtension/ib: {{{kind}{more}}}\n"


def script(key: str = "KEY_ONE", name: str = "script") -> str:
    return f"AzureVmExtension/{name}: {{driver: CustomScriptExtension, protectedSettings: {{storageAccountName: n, storageAccountKey: {{env: {key}}}}}}}\n"


IB, SCRIPT = "AzureVmExtension/ib", "AzureVmExtension/script"
EXTENSIONS = (
    Scenario(
        "AzureVmExtension",
        "a driver of a VM that is reached by both planes",
        (
            Stage("made", driver(), (f"+ {IB}",), ("azure exits 0",), crash=True),
            Stage("an older version", driver(", version: 1.2"), (f"~ {IB}",), ("azure exits 0",)),
            Stage("run again", driver(", version: 1.2, rerun: v2"), (f"> {IB}",), ("azure exits 0",)),
            Stage("an install that goes wrong", driver(", version: 1.2, rerun: v3"), (f"> {IB}",), ("azure exits 100",), fails=True),
            Stage("mended by hand, and run again", driver(", version: 1.2, rerun: v3"), (f"> {IB}",), ("azure exits 0",)),
            Stage("kept from destruction", driver(", version: 1.2, rerun: v3, lifecycle: {preventDestroy: true}"), (f"= {IB}",)),
            Stage("kept from it no more", driver(", version: 1.2, rerun: v3"), (f"= {IB}",)),
            Stage("another handler", driver(kind="publisher: Microsoft.Compute, type: CustomScriptExtension, version: 1.10"), (f"-/+ {IB}",), crash=True),
            Stage("no longer declared", "", (f"- {IB}",)),
        ),
        sku="server-2019",
        azure="Standard_HB120rs_v3",
    ),
    Scenario(
        "AzureVmExtension",
        "a secret that Azure keeps to itself",
        (
            Stage("made", script(), (f"+ {SCRIPT}",)),
            Stage("another key", script("KEY_TWO"), (f"~ {SCRIPT}",)),
            Stage("left where it is", script("KEY_TWO").replace("}}}\n", "}}, lifecycle: {deletionPolicy: orphan}}\n"), (f"= {SCRIPT}",)),
            Stage("no longer declared, and left", "", (f". {SCRIPT}",)),
            Stage("taken over", script("KEY_TWO"), (f"= {SCRIPT}",)),
        ),
        azure="Standard_D4s_v5",
    ),
)

FEATURES = (
    Scenario(
        "WindowsFeature",
        "roles of a server",
        (
            Stage("made, through a restart", HYPERV + DHCP, (f"+ {ROLE}", f"+ {DHCP_ROLE}"), crash=True),
            Stage("its tools removed by hand", HYPERV + DHCP, (f"~ {DHCP_ROLE}",), ("Uninstall-WindowsFeature -Name RSAT-DHCP",)),
            Stage("its tools declared away", HYPERV + "WindowsFeature/DHCP: {includeManagementTools: false}\n", (f"~ {DHCP_ROLE}",)),
            Stage("its tools wanted again", HYPERV + DHCP, (f"~ {DHCP_ROLE}",)),
            Stage("installed by hand", HYPERV + DHCP + "WindowsFeature/Web-Server: {}\n", ("+ WindowsFeature/Web-Server",)),
            Stage("kept when it is no longer declared", HYPERV, (f". {DHCP_ROLE}", ". WindowsFeature/Web-Server")),
            Stage("adopted", HYPERV + "WindowsFeature/DHCP: {lifecycle: {deletionPolicy: delete}}\n", (f"= {DHCP_ROLE}",)),
            Stage("taken away as was asked for", HYPERV, (f"- {DHCP_ROLE}",)),
        ),
    ),
    Scenario(
        "WindowsFeature",
        "an optional feature of a client",
        (
            Stage("made, through a restart", HYPERV, (f"+ {ROLE}",), crash=True),
            Stage(
                "disabled by hand",
                HYPERV,
                (f"+ {ROLE}",),
                ("Disable-WindowsOptionalFeature -Online -FeatureName Microsoft-Hyper-V -NoRestart", "Restart-Computer -Force", "wait 10"),
            ),
            Stage("to be taken away one day", "WindowsFeature/Hyper-V: {lifecycle: {deletionPolicy: delete}}\n", (f"= {ROLE}",)),
            Stage("no longer declared", "", (f"- {ROLE}",), crash=True),
        ),
        sku="client-11",
    ),
)

SWITCHES = (
    Scenario(
        "VirtualSwitch",
        "an internal one",
        (
            Stage("made", HYPERV + switch(), (f"+ {ROLE}", f"+ {SWITCH}"), crash=True),
            Stage("its address removed by hand", HYPERV + switch(), (f"~ {SWITCH}",), ("Remove-NetIPAddress -IPAddress 172.20.10.1 -Confirm:$false",)),
            Stage(
                "another address added by hand",
                HYPERV + switch(),
                (f"~ {SWITCH}",),
                ("New-NetIPAddress -InterfaceAlias 'vEthernet (eflow)' -IPAddress 10.9.9.1 -PrefixLength 24",),
            ),
            Stage("another address declared", HYPERV + switch(address="172.20.11.1/24"), (f"~ {SWITCH}",), crash=True),
            Stage("removed by hand", HYPERV + switch(address="172.20.11.1/24"), (f"+ {SWITCH}",), ("Remove-VMSwitch -Name eflow -Force",)),
            Stage("private instead", HYPERV + "VirtualSwitch/eflow: {switchType: Private}\n", (f"-/+ {SWITCH}",), crash=True),
            Stage("no longer declared", HYPERV, (f"- {SWITCH}",)),
        ),
    ),
    Scenario(
        "VirtualSwitch",
        "an external one",
        (
            Stage("made", HYPERV + "VirtualSwitch/ot: {switchType: External, netAdapterName: LAN}\n", (f"+ {ROLE}", "+ VirtualSwitch/ot")),
            Stage(
                "the host taken off it",
                HYPERV + "VirtualSwitch/ot: {switchType: External, netAdapterName: LAN, allowManagementOS: false}\n",
                ("~ VirtualSwitch/ot",),
            ),
            Stage(
                "bound to another adapter",
                HYPERV + "VirtualSwitch/ot: {switchType: External, netAdapterName: Spare, allowManagementOS: false}\n",
                ("~ VirtualSwitch/ot",),
            ),
            Stage("no longer declared", HYPERV, ("- VirtualSwitch/ot",)),
            Stage(
                "made by others on the adapter that carries the session",
                HYPERV + "VirtualSwitch/lan: {switchType: External, netAdapterName: Spare}\n",
                ("! VirtualSwitch/lan",),
                ("New-VMSwitch -Name lan -NetAdapterName Ethernet -AllowManagementOS $true", "wait 2"),
                held=True,
            ),
        ),
        adapters=(LAN, AdapterWish("Spare", "10.20.8.5")),
    ),
)

PORTS = ", staticMappings: {opcua: {protocol: TCP, externalPort: 4840, internalPort: 4840, internalIPAddress: 172.20.10.2}}"
MOVED = ", staticMappings: {opcua: {protocol: TCP, externalPort: 4841, internalPort: 4840, internalIPAddress: 172.20.10.2}}"
ADD_MAPPING = "Add-NetNatStaticMapping -NatName eflow -Protocol TCP -ExternalIPAddress 0.0.0.0"
NATS = (
    Scenario(
        "NatNetwork",
        "with published ports",
        (
            Stage("made", HYPERV + switch() + nat(PORTS), (f"+ {ROLE}", f"+ {SWITCH}", f"+ {NAT}"), crash=True),
            Stage(
                "a port unpublished by hand",
                HYPERV + switch() + nat(PORTS),
                (f"~ {NAT}",),
                ("Remove-NetNatStaticMapping -NatName eflow -StaticMappingID 0 -Confirm:$false",),
            ),
            Stage(
                "a port re-pointed by hand",
                HYPERV + switch() + nat(PORTS),
                (f"~ {NAT}",),
                (
                    "Remove-NetNatStaticMapping -NatName eflow -StaticMappingID 1 -Confirm:$false",
                    f"{ADD_MAPPING} -ExternalPort 4840 -InternalIPAddress 172.20.10.9 -InternalPort 80",
                ),
            ),
            Stage("another port declared", HYPERV + switch() + nat(MOVED), (f"~ {NAT}",), crash=True),
            Stage("removed by hand", HYPERV + switch() + nat(MOVED), (f"+ {NAT}",), ("Remove-NetNat -Name eflow -Confirm:$false",)),
            Stage("another network", HYPERV + switch(address="172.20.12.1/24") + nat(), (f"~ {SWITCH}", f"-/+ {NAT}"), crash=True),
            Stage("no longer declared", HYPERV + switch(address="172.20.12.1/24"), (f"- {NAT}",)),
            Stage(
                "adopted where others made it",
                HYPERV + switch(address="172.20.12.1/24") + nat(),
                (f"= {NAT}",),
                ("New-NetNat -Name EFLOW -InternalIPInterfaceAddressPrefix 172.20.12.0/24",),
            ),
        ),
    ),
)

LEASED = HYPERV + DHCP + switch() + SERVER + scope()
SERVERS = (
    Scenario(
        "DhcpServer",
        "bound to its networks",
        (
            Stage("the roles and a switch first", HYPERV + DHCP + switch(), (f"+ {ROLE}", f"+ {DHCP_ROLE}", f"+ {SWITCH}")),
            Stage("made beside a LAN", LEASED, ("+ DhcpServer", f"+ {SCOPE}"), crash=True),
            Stage(
                "unbound by hand",
                LEASED,
                ("~ DhcpServer",),
                ("Set-DhcpServerv4Binding -InterfaceAlias 'vEthernet (eflow)' -BindingState $false",),
            ),
            Stage("bound to the LAN by hand", LEASED, ("~ DhcpServer",), ("Set-DhcpServerv4Binding -InterfaceAlias LAN -BindingState $true",)),
            Stage(
                "a second network",
                LEASED + switch("ot", "172.20.20.1/24") + scope(start="172.20.20.100", end="172.20.20.200", name="ot"),
                ("+ VirtualSwitch/ot", "~ DhcpServer", "+ DhcpScope/ot"),
            ),
            Stage(
                "kept when it is no longer declared", HYPERV + DHCP + switch(), ("- DhcpScope/eflow", "- DhcpScope/ot", ". DhcpServer", "- VirtualSwitch/ot")
            ),
        ),
        adapters=(LAN,),
    ),
    Scenario(
        "DhcpServer",
        "in a domain",
        (
            Stage("authorized", DHCP + "DhcpServer: {authorizedInDC: true}\n", (f"+ {DHCP_ROLE}", "+ DhcpServer")),
            Stage("withdrawn by hand", DHCP + "DhcpServer: {authorizedInDC: true}\n", ("~ DhcpServer",), ("Remove-DhcpServerInDC -Confirm:$false",)),
            Stage("withdrawn as declared", DHCP + "DhcpServer: {authorizedInDC: false}\n", ("~ DhcpServer",)),
        ),
        domain="corp.example.net",
    ),
)

LESS = ", exclusions: {printers: {startRange: 172.20.10.120, endRange: 172.20.10.129}}"
OTHER = LESS.replace("172.20.10.129", "172.20.10.139")
SCOPES = (
    Scenario(
        "DhcpScope",
        "with options and exclusions",
        (
            Stage("the roles and a switch first", HYPERV + DHCP + switch(), (f"+ {ROLE}", f"+ {DHCP_ROLE}", f"+ {SWITCH}")),
            Stage("made", LEASED.replace("8.00:00:00", "8.00:00:00" + LESS), ("+ DhcpServer", f"+ {SCOPE}"), crash=True),
            Stage(
                "changed by hand",
                LEASED.replace("8.00:00:00", "8.00:00:00" + LESS),
                (f"~ {SCOPE}",),
                (
                    "Set-DhcpServerv4Scope -ScopeId 172.20.10.0 -State InActive -LeaseDuration 1.00:00:00",
                    "Remove-DhcpServerv4ExclusionRange -ScopeId 172.20.10.0 -StartRange 172.20.10.120 -EndRange 172.20.10.129",
                    "Remove-DhcpServerv4OptionValue -ScopeId 172.20.10.0 -OptionId 3",
                ),
                crash=True,
            ),
            Stage(
                "another range, other exclusions",
                LEASED.replace("172.20.10.100", "172.20.10.90").replace("8.00:00:00", "8.00:00:00" + OTHER),
                (f"~ {SCOPE}",),
                crash=True,
            ),
            Stage("two DNS servers", LEASED.replace("[168.63.129.16]", "[10.0.0.2, 10.0.0.1]"), (f"~ {SCOPE}",)),
            Stage("no DNS servers", LEASED.replace("[168.63.129.16]", "[]"), (f"~ {SCOPE}",)),
            Stage("asleep", LEASED.replace("8.00:00:00", "8.00:00:00, state: InActive"), (f"~ {SCOPE}",)),
            Stage("removed by hand", LEASED, (f"+ {SCOPE}",), ("Remove-DhcpServerv4Scope -ScopeId 172.20.10.0 -Force",)),
            Stage("another mask", LEASED.replace("172.20.10.1/24", "172.20.10.1/23"), (f"~ {SWITCH}", f"-/+ {SCOPE}"), crash=True),
            Stage("no longer declared", HYPERV + DHCP + switch(address="172.20.10.1/23") + SERVER, (f"- {SCOPE}", "= DhcpServer")),
        ),
    ),
)


def kept(fields: str = "clientId: 00-15-5D-01-02-03, ipAddress: 172.20.10.110") -> str:
    return LEASED.replace("8.00:00:00", f"8.00:00:00, reservations: {{plc: {{{fields}}}}}")


RESERVATIONS = (
    Scenario(
        "DhcpReservation",
        "of one client",
        (
            Stage("the network first", LEASED, (f"+ {ROLE}", f"+ {DHCP_ROLE}", f"+ {SWITCH}", "+ DhcpServer", f"+ {SCOPE}")),
            Stage("made", kept(), (f"+ {KEPT}",), crash=True),
            Stage(
                "given to another client by hand", kept(), (f"~ {KEPT}",), ("Set-DhcpServerv4Reservation -IPAddress 172.20.10.110 -ClientId 00-15-5D-09-09-09",)
            ),
            Stage("described", kept("clientId: '00:15:5d:01:02:03', ipAddress: 172.20.10.110, description: the PLC"), (f"~ {KEPT}",)),
            Stage("removed by hand", kept(), (f"+ {KEPT}",), ("Remove-DhcpServerv4Reservation -IPAddress 172.20.10.110",)),
            Stage("its scope removed by hand", kept(), (f"+ {SCOPE}", f"+ {KEPT}"), ("Remove-DhcpServerv4Scope -ScopeId 172.20.10.0 -Force",)),
            Stage("another address", kept("clientId: 00-15-5D-01-02-03, ipAddress: 172.20.10.111"), (f"-/+ {KEPT}",), crash=True),
            Stage("no longer declared", LEASED, (f"- {KEPT}",)),
        ),
    ),
)

SIZED = "cpuCount: 2\nmemoryInMB: 4096\n"
VMS = (
    Scenario(
        "EflowVm",
        "on a server, leasing its address",
        (
            Stage("the network first", NETWORK, LEASING),
            Stage("made", NETWORK + vm(SIZED), (f"+ {VM}",), crash=True),
            Stage("stopped by hand", NETWORK + vm(SIZED), (f"~ {VM}",), ("Stop-EflowVm",)),
            Stage("resized and stopped by hand", NETWORK + vm(SIZED), (f"~ {VM}",), ("Set-EflowVM -cpuCount 1 -memoryInMB 2048 -headless", "Stop-EflowVm")),
            Stage(
                "larger, with DNS, telemetry and TPM",
                NETWORK + vm("cpuCount: 1\nmemoryInMB: 2048\ndnsServers: [10.0.0.1]\nacceptOptionalTelemetry: Yes\ndpsTpm: true\n"),
                (f"~ {VM}",),
                crash=True,
            ),
            Stage("off", NETWORK + vm("powerState: Off\n"), (f"~ {VM}",)),
            Stage("resized while off", NETWORK + vm("powerState: Off\ncpuCount: 2\n"), (f"~ {VM}",)),
            Stage(
                "on another switch",
                NETWORK + switch("ot", "172.20.20.1/24") + scope(start="172.20.20.100", end="172.20.20.200", name="ot") + vm(on="ot"),
                ("+ VirtualSwitch/ot", "~ DhcpServer", "+ DhcpScope/ot", f"-/+ {VM}"),
                crash=True,
            ),
            Stage("no longer declared", NETWORK, (f"- {VM}", "- DhcpScope/ot", "~ DhcpServer", "- VirtualSwitch/ot")),
        ),
    ),
    Scenario(
        "EflowVm",
        "whose deployment fails",
        (
            Stage("the network first", NETWORK, LEASING),
            Stage("failed", NETWORK + vm(), (f"+ {VM}",), fault=Fault("Deploy-Eflow", says="The deployment failed", times=1), fails=True),
            Stage("repaired", NETWORK + vm(), (f"-/+ {VM}",), leave=False),
        ),
    ),
    Scenario(
        "EflowVm",
        "at a static address in a plant",
        (
            Stage(
                "made",
                HYPERV
                + "VirtualSwitch/ot: {switchType: External, netAdapterName: LAN}\n"
                + vm("ip4Address: 10.20.7.41/24\nip4GatewayAddress: 10.20.7.1\ndnsServers: [10.20.0.53]\n", "ot"),
                (f"+ {ROLE}", "+ VirtualSwitch/ot", f"+ {VM}"),
            ),
            Stage(
                "another address",
                HYPERV
                + "VirtualSwitch/ot: {switchType: External, netAdapterName: LAN}\n"
                + vm("ip4Address: 10.20.7.42/24\nip4GatewayAddress: 10.20.7.1\ndnsServers: [10.20.0.53]\n", "ot"),
                (f"-/+ {VM}",),
            ),
        ),
        sku="server-2019",
        adapters=(LAN,),
    ),
    Scenario(
        "EflowVm",
        "on a client's Default Switch",
        (
            Stage("made", HYPERV + vm("memoryInMB: 2048\n", "Default Switch"), (f"+ {ROLE}", f"+ {VM}")),
            Stage("resized", HYPERV + vm("memoryInMB: 4096\ncpuCount: 2\n", "Default Switch"), (f"~ {VM}",)),
        ),
        sku="client-11",
        language="de-DE",
    ),
)

CERTIFICATES = (
    r"New-Item -Path C:\certs -ItemType Directory -Force",
    r"New-Item -Path C:\certs\d.pem -ItemType File -Force",
    r"New-Item -Path C:\certs\d.key -ItemType File -Force",
)
FILES = r", identityCertPath: 'C:\certs\d.pem', identityPrivKeyPath: 'C:\certs\d.key'"
CONNECTED = "provisioningType: ManualConnectionString, devConnString: {env: CONNECTION}"
IDENTITIES = (
    Scenario(
        "EflowProvisioning",
        "through its types",
        (
            Stage("the network first", NETWORK, LEASING),
            Stage("by a symmetric key", NETWORK + vm(identity()), (f"+ {VM}", f"+ {IDENTITY}")),
            Stage("another key", NETWORK + vm(identity(SYMMETRIC.replace("KEY_ONE", "KEY_TWO"))), (f"~ {IDENTITY}",), crash=True),
            Stage("another name", NETWORK + vm(identity(SYMMETRIC.replace("edge-01", "edge-01-b"))), (f"~ {IDENTITY}",)),
            Stage("by TPM", NETWORK + vm(identity("provisioningType: DpsTPM, scopeId: 0ne00A1B2C3") + "\ndpsTpm: true\n"), (f"~ {VM}", f"~ {IDENTITY}")),
            Stage(
                "by X.509 and the service",
                NETWORK + vm(identity("provisioningType: DpsX509, scopeId: 0ne00A1B2C3" + FILES)),
                (f"= {VM}", f"~ {IDENTITY}"),
                CERTIFICATES,
            ),
            Stage(
                "by X.509 by hand",
                NETWORK + vm(identity("provisioningType: ManualX509, iotHubHostname: hub.example.net, deviceId: d1" + FILES)),
                (f"~ {IDENTITY}",),
            ),
            Stage("by a connection string", NETWORK + vm(identity(CONNECTED)), (f"~ {IDENTITY}",)),
            Stage(
                "refused, echoing the secret",
                NETWORK + vm(identity()),
                (f"~ {IDENTITY}",),
                fault=Fault("Provision-EflowVm", says="cannot use Y2FuYXJ5LW9uZS1zeW1rZXk=", times=1),
                fails=True,
            ),
            Stage("tried again", NETWORK + vm(identity()), (f"~ {IDENTITY}",)),
        ),
    ),
)

SCENARIOS: tuple[Scenario, ...] = (*FEATURES, *SWITCHES, *NATS, *SERVERS, *SCOPES, *RESERVATIONS, *VMS, *IDENTITIES, *EXTENSIONS)
