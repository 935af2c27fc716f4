"""Records tests/cases: hosts in situations, as snapshots, with what a plan has to say of them. Run once for a new situation, then read.

    python scripts/record_cases.py [Kind[/name]]

A situation is what was applied and typed on an emulated host before it was looked at; what an emulated host cannot be is edited into
the snapshot. What is written is data from then on: the tests never come here. Files that are there are left alone; where a kind asks
something else than before, remove them, record them again, and read the difference.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio

sys.path.insert(0, str(Path(__file__).parents[1]))

from reconciler.cli.wishes import web
from reconciler.core.canonical import canonical
from reconciler.core.kinds import Disruption
from reconciler.core.snapshot import Snapshot
from reconciler.emulator.arm import building
from reconciler.emulator.arm.model import RequestFault
from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.emulator.skus import AdapterWish, HostWish
from reconciler.engine.environment import Limits, Scope
from reconciler.engine.ledger import Records
from reconciler.engine.planning import observe
from reconciler.engine.view import questions
from reconciler.secrets import Vault
from reconciler.wire.answers import hello
from tests.cases.casefile import HERE, rendered
from tests.cases.expected import HOST, SECRETS, document, expected
from tests.engine.lab import REGISTRY, Lab, linked
from tests.laws.scenarios import DHCP, HYPERV, LAN, LEASED, NETWORK, PORTS, SERVER, SYMMETRIC, identity, kept, nat, scope, switch, vm

DENIED = (  # windows-outputs, traps 9 and 11; the last, for Hyper-V, roles and EFLOW, is unverified
    ("Dhcp", "WIN32 5"),
    ("Get-NetNat", "Windows System Error 5"),
    ("", "UnauthorizedAccess"),
)
Edit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Situation:
    kind: str
    name: str
    why: str
    declared: str
    applied: str = ""  # what was applied before, by us
    hand: tuple[str, ...] = ()  # what was typed afterwards
    fails: str = ""  # a cmdlet that failed while it was applied
    blind: str = ""  # a cmdlet that is refused while the host is looked at
    edit: Edit | None = None
    sku: str = "server-2022"
    adapters: tuple[AdapterWish, ...] = (AdapterWish(),)
    azure: Callable[[Lab], None] | None = None  # a VM of Azure alone, and what somebody did there before it was looked at
    exits: tuple[int, ...] = ()  # how handlers ended while it was applied


ROLE_BY_HAND = ("Install-WindowsFeature -Name Hyper-V -IncludeManagementTools", "Restart-Computer -Force", "wait 15")
ROLE_PENDING = ("Install-WindowsFeature -Name Hyper-V -IncludeManagementTools",)
SWITCH_BY_HAND = ("New-VMSwitch -Name eflow -SwitchType Internal", "wait 1")
ADDRESS_BY_HAND = ("New-NetIPAddress -InterfaceAlias 'vEthernet (eflow)' -IPAddress 172.20.10.1 -PrefixLength 24",)
DHCP_BY_HAND = ("Install-WindowsFeature -Name DHCP -IncludeManagementTools", "wait 1")
SCOPE_BY_HAND = ("Add-DhcpServerv4Scope -Name eflow -StartRange 172.20.10.100 -EndRange 172.20.10.200 -SubnetMask 255.255.255.0 -LeaseDuration 8.00:00:00",)
CONFIGURED_BY_HAND = (
    "Add-DhcpServerSecurityGroup",
    "Restart-Service -Name dhcpserver -Force",
    r"Set-ItemProperty -LiteralPath HKLM:\SOFTWARE\Microsoft\ServerManager\Roles\12 -Name ConfigurationState -Type DWord -Value 2",
)
HOSTILE = "O'Brien; $(calc) büro"
QUOTED = '"O\'Brien; $(calc) büro"'


def denied(cmdlet: str) -> str:
    """The id with which a cmdlet refuses."""
    return f"{next(id for part, id in DENIED if part in cmdlet)},{cmdlet}"


def answers(snapshot: dict[str, Any], cmdlet: str) -> list[dict[str, Any]]:
    """The recorded answers to a cmdlet, to be edited in place."""
    return [one for one in snapshot["asks"] if one["ask"].get("cmdlet") == cmdlet and "objects" in one]


def pending(name: str) -> Edit:
    """The feature waits for a restart, and what it brings does not answer yet."""

    def edit(snapshot: dict[str, Any]) -> None:
        for one in answers(snapshot, "Get-WindowsFeature"):
            for row in one["objects"]:
                if row.get("Name") == name:
                    row["InstallState"] = "InstallPending"
        for one in snapshot["asks"]:
            if "Dhcp" in one["ask"].get("cmdlet", "") and name == "DHCP":
                one.pop("objects", None)
                one["error"] = {"id": "CommandNotFoundException", "category": "ObjectNotFound", "message": "The term is not recognized"}

    return edit


def rows(cmdlet: str, **values: Any) -> Edit:
    """Every answered object of a cmdlet says so."""

    def edit(snapshot: dict[str, Any]) -> None:
        for one in answers(snapshot, cmdlet):
            for row in one["objects"]:
                row.update({name: value for name, value in values.items() if name in row})

    return edit


def text(cmdlet: str, before: str, after: str) -> Edit:
    """A text in what a cmdlet answered is another."""

    def edit(snapshot: dict[str, Any]) -> None:
        for one in answers(snapshot, cmdlet):
            one["objects"] = json.loads(json.dumps(one["objects"]).replace(before, after))

    return edit


def twin(snapshot: dict[str, Any]) -> None:
    """A second switch of the same name."""
    for one in answers(snapshot, "Get-VMSwitch"):
        one["objects"] += [{**row, "Id": "f" * 8 + row["Id"][8:]} if "Id" in row else row for row in one["objects"]]


def forgotten(snapshot: dict[str, Any]) -> None:
    """Nothing of it is on record: others made all this."""
    snapshot["hello"]["ledger"] = type(snapshot["hello"]["ledger"])()


def running(resource: str, action: str) -> Edit:
    """Detached work on it runs."""

    def edit(snapshot: dict[str, Any]) -> None:
        said = {"job": "j-0007", "resource": f"{HOST}/{resource}", "action": action, "phase": "running", "last": "- Deploying virtual machine", "bad": 0}
        snapshot["hello"]["jobs"] = [said]

    return edit


def hostile(body: str) -> str:
    """The same declaration on things that are called as nobody should call them."""
    return body.replace("/eflow:", f"/{HOSTILE}:").replace("switchName: eflow", f"switchName: {QUOTED}").replace("vswitchName: eflow", f"vswitchName: {QUOTED}")


def features() -> list[Situation]:
    kind = "WindowsFeature"
    return [
        Situation(kind, "absent", "a bare server", HYPERV),
        Situation(kind, "absent-on-a-client", "clients have optional features of another name", HYPERV, sku="client-11"),
        Situation(kind, "equal", "installed by us, restarted", HYPERV, HYPERV),
        Situation(kind, "drifted", "somebody removed the tools", HYPERV + DHCP, HYPERV + DHCP, ("Uninstall-WindowsFeature -Name RSAT-DHCP",)),
        Situation(kind, "foreign", "somebody installed it: it is taken on", HYPERV, hand=ROLE_BY_HAND),
        Situation(kind, "unseen", "the question is refused: that is no absence", HYPERV, blind="Get-WindowsFeature"),
        Situation(kind, "pending-reboot", "installed by hand, and the restart is owed", HYPERV, hand=ROLE_PENDING),
        Situation(kind, "half-removed", "a removal waits for its restart, and the role is wanted", HYPERV, HYPERV, ("Uninstall-WindowsFeature -Name Hyper-V",)),
        Situation(kind, "changed", "the tools are declared away", HYPERV + "WindowsFeature/DHCP: {includeManagementTools: false}\n", HYPERV + DHCP),
        Situation(kind, "a-client's-spelling", "both names of one feature are one key", "WindowsFeature/Microsoft-Hyper-V: {}\n", hand=ROLE_BY_HAND),
        Situation(kind, "hostile-name", "a name that looks like code stays text", HYPERV + f"WindowsFeature/{HOSTILE}: {{}}\n", HYPERV),
    ]


def switches() -> list[Situation]:
    kind, there = "VirtualSwitch", HYPERV + switch()
    private = HYPERV + "VirtualSwitch/eflow: {switchType: Private}\n"
    return [
        Situation(kind, "absent", "the role is there, the switch is not", there, HYPERV),
        Situation(kind, "equal", "made by us", there, there),
        Situation(kind, "drifted", "somebody removed the address", there, there, ("Remove-NetIPAddress -IPAddress 172.20.10.1 -Confirm:$false",)),
        Situation(kind, "removed", "somebody removed the switch: drift, and made again", there, there, ("Remove-VMSwitch -Name eflow -Force",)),
        Situation(kind, "foreign", "others made the same: it is taken on", there, hand=(*ROLE_BY_HAND, *SWITCH_BY_HAND, *ADDRESS_BY_HAND)),
        Situation(
            kind,
            "foreign-of-another-type",
            "others made a private one: not taken from them without leave",
            there,
            hand=(*ROLE_BY_HAND, "New-VMSwitch -Name eflow -SwitchType Private"),
        ),
        Situation(kind, "unseen", "Get-VMSwitch is refused", there, there, blind="Get-VMSwitch"),
        Situation(kind, "pending-reboot", "the role waits for its restart: the switch is absent, behind it", there, hand=ROLE_PENDING),
        Situation(kind, "immutable-change", "another type is another switch", private, there),
        Situation(kind, "hostile-name", "quotes, a sub-expression and an umlaut are a name", hostile(there), hostile(there)),
        Situation(kind, "hostile-name-absent", "in every call it is one quoted word", hostile(there), HYPERV),
        Situation(kind, "half-made", "a switch without its address", there, hand=(*ROLE_BY_HAND, *SWITCH_BY_HAND)),
        Situation(kind, "twins", "two switches of one name cannot be told apart", there.replace(".10.1", ".10.2"), there, edit=twin),
        Situation(kind, "type-as-a-number", "Hyper-V's enumeration may come as its number", there, there, edit=rows("Get-VMSwitch", SwitchType=1)),
    ]


def nats() -> list[Situation]:
    kind, there = "NatNetwork", HYPERV + switch() + nat(PORTS)
    drop = "Remove-NetNatStaticMapping -NatName eflow -StaticMappingID 0 -Confirm:$false"
    more = "Add-NetNatStaticMapping -NatName eflow -Protocol UDP -ExternalIPAddress 0.0.0.0 -ExternalPort 53 -InternalIPAddress 172.20.10.9 -InternalPort 53"
    made = "New-NetNat -Name eflow -InternalIPInterfaceAddressPrefix"
    return [
        Situation(kind, "absent", "a switch, and no NAT on it", there, HYPERV + switch()),
        Situation(kind, "equal", "made by us", there, there),
        Situation(kind, "drifted", "somebody unpublished a port", there, there, (drop,)),
        Situation(kind, "foreign-port", "a port that others published stays", there, there, (more,)),
        Situation(kind, "foreign", "others made the same NAT: it is taken on", HYPERV + switch() + nat(), HYPERV + switch(), (f"{made} 172.20.10.0/24",)),
        Situation(
            kind, "foreign-over-another-network", "not taken from others without leave", HYPERV + switch() + nat(), HYPERV + switch(), (f"{made} 10.9.0.0/24",)
        ),
        Situation(kind, "unseen", "WinNAT is there and refuses", there, there, blind="Get-NetNat"),
        Situation(kind, "pending-reboot", "WinNAT comes with the role's restart", there, hand=ROLE_PENDING),
        Situation(kind, "immutable-change", "no cmdlet changes a prefix, and published ports would be lost", there.replace(".10.", ".11."), there),
        Situation(kind, "hostile-name", "quotes, a sub-expression and an umlaut are a name", hostile(there), hostile(there)),
        Situation(kind, "hostile-name-absent", "in every call it is one quoted word", hostile(there), hostile(HYPERV + switch())),
        Situation(kind, "half-made", "the NAT is there, its port is not", there, HYPERV + switch() + nat()),
        Situation(kind, "protocol-as-a-number", "6 is TCP", there, there, edit=rows("Get-NetNatStaticMapping", Protocol=6)),
    ]


def servers() -> list[Situation]:
    kind = "DhcpServer"
    unflagged = r"Set-ItemProperty -LiteralPath HKLM:\SOFTWARE\Microsoft\ServerManager\Roles\12 -Name ConfigurationState -Type DWord -Value 1"
    return [
        Situation(kind, "absent", "nothing of it: the role is declared too", LEASED, HYPERV + switch()),
        Situation(kind, "not-configured", "the role is there, its post-installation is not", LEASED, HYPERV + switch() + DHCP),
        Situation(kind, "equal", "made by us", LEASED, LEASED),
        Situation(
            kind,
            "drifted",
            "it answers on the LAN",
            LEASED,
            LEASED,
            ("Set-DhcpServerv4Binding -InterfaceAlias LAN -BindingState $true",),
            adapters=(AdapterWish(), LAN),
        ),
        Situation(
            kind,
            "unbound",
            "it does not answer where it should",
            LEASED,
            LEASED,
            ("Set-DhcpServerv4Binding -InterfaceAlias 'vEthernet (eflow)' -BindingState $false",),
        ),
        Situation(kind, "foreign", "others made it usable: it is taken on", DHCP + SERVER, hand=(*DHCP_BY_HAND, *CONFIGURED_BY_HAND)),
        Situation(kind, "unseen", "its settings are refused", LEASED, LEASED, blind="Get-DhcpServerSetting"),
        Situation(kind, "pending-reboot", "the role waits for a restart", DHCP + SERVER, DHCP, edit=pending("DHCP")),
        Situation(kind, "half-made", "everything but the last flag: made again", LEASED, LEASED, (unflagged,)),
        Situation(kind, "no-domain", "authorized without a domain: refused", DHCP + "DhcpServer: {authorizedInDC: true}\n", DHCP + SERVER),
        Situation(kind, "hostile-name", "bound to a switch of a hostile name", hostile(LEASED), hostile(LEASED)),
        Situation(kind, "hostile-name-absent", "in every call it is one quoted word", hostile(LEASED), hostile(HYPERV + switch() + DHCP)),
    ]


def scopes() -> list[Situation]:
    kind = "DhcpScope"
    without = HYPERV + DHCP + switch() + SERVER
    exclusions = LEASED.replace("8.00:00:00", "8.00:00:00, exclusions: {gap: {startRange: 172.20.10.120, endRange: 172.20.10.129}}")
    masked = SCOPE_BY_HAND[0].replace("255.255.255.0", "255.255.255.128").replace(".200 ", ".120 ")
    asleep = "Set-DhcpServerv4Scope -ScopeId 172.20.10.0 -State InActive -LeaseDuration 1.00:00:00"
    return [
        Situation(kind, "absent", "a server without scopes", LEASED, without),
        Situation(kind, "absent-with-the-role", "not even the role is there", LEASED, HYPERV + switch()),
        Situation(kind, "equal", "made by us", exclusions, exclusions),
        Situation(kind, "drifted", "asleep, and with another lease", LEASED, LEASED, (asleep,)),
        Situation(kind, "foreign", "others made it, without options", LEASED, without, SCOPE_BY_HAND),
        Situation(kind, "foreign-of-another-mask", "not taken from others without leave", LEASED, without, (masked,)),
        Situation(kind, "unseen", "the scopes are refused", LEASED, LEASED, blind="Get-DhcpServerv4Scope"),
        Situation(kind, "options-unseen", "the options alone are refused", LEASED, LEASED, blind="Get-DhcpServerv4OptionValue"),
        Situation(
            kind, "pending-reboot", "the role waits for a restart", DHCP + SERVER + HYPERV + switch() + scope(), HYPERV + DHCP + switch(), edit=pending("DHCP")
        ),
        Situation(kind, "immutable-change", "another mask loses the leases", LEASED.replace("172.20.10.1/24", "172.20.10.1/23"), LEASED),
        Situation(kind, "hostile-name", "quotes, a sub-expression and an umlaut are a name", hostile(LEASED), hostile(LEASED)),
        Situation(kind, "hostile-name-absent", "in every call it is one quoted word", hostile(LEASED), hostile(without)),
        Situation(kind, "half-made", "the scope is there, its exclusion is not", exclusions, LEASED),
        Situation(
            kind,
            "state-as-it-comes",
            "InActive goes in, Inactive comes out",
            LEASED.replace("8.00:00:00", "8.00:00:00, state: InActive"),
            LEASED,
            (asleep.replace("1.00", "8.00"),),
        ),
    ]


def reservations() -> list[Situation]:
    kind = "DhcpReservation"
    add = "Add-DhcpServerv4Reservation -ScopeId 172.20.10.0 -IPAddress 172.20.10.110 -ClientId"
    other = "Set-DhcpServerv4Reservation -IPAddress 172.20.10.110 -ClientId 00-15-5D-09-09-09"
    odd = kept(f"clientId: 00-15-5D-01-02-03, ipAddress: 172.20.10.110, name: {QUOTED}, description: '$(calc) `n'")
    return [
        Situation(kind, "absent", "a scope without it", kept(), LEASED),
        Situation(kind, "absent-with-its-scope", "its scope is not there", kept(), HYPERV + DHCP + switch() + SERVER),
        Situation(kind, "equal", "made by us", kept(), kept()),
        Situation(kind, "another-spelling", "four spellings of a MAC are one client", kept("clientId: '0015.5d01.0203', ipAddress: 172.20.10.110"), kept()),
        Situation(kind, "drifted", "given to another client", kept(), kept(), (other,)),
        Situation(kind, "foreign", "others made the same", kept(), LEASED, (f"{add} 00-15-5D-01-02-03 -Name plc",)),
        Situation(kind, "foreign-of-another-client", "others keep the address for somebody else", kept(), LEASED, (f"{add} 00-15-5D-0A-0B-0C -Name cam",)),
        Situation(kind, "unseen", "the reservations are refused", kept(), kept(), blind="Get-DhcpServerv4Reservation"),
        Situation(kind, "pending-reboot", "the role waits for a restart", kept(), HYPERV + DHCP + switch(), edit=pending("DHCP")),
        Situation(kind, "immutable-change", "another address: the old one goes first", kept("clientId: 00-15-5D-01-02-03, ipAddress: 172.20.10.111"), kept()),
        Situation(kind, "hostile-name", "name and description that look like code", odd, odd),
        Situation(kind, "hostile-name-absent", "in every call they are quoted words", odd, LEASED),
        Situation(
            kind, "no-mac", "a client id that is no MAC stays text, and differs", kept(), kept(), edit=rows("Get-DhcpServerv4Reservation", ClientId="52-41-53")
        ),
    ]


def vms() -> list[Situation]:
    kind, there = "EflowVm", NETWORK + vm("cpuCount: 2\nmemoryInMB: 4096\n")
    resized = ("Set-EflowVM -cpuCount 1 -memoryInMB 2048 -headless",)
    litter = r"New-Item -Path 'C:\Program Files\Azure IoT Edge\AzureIoTEdgeForLinux-v1-EFLOW.vhdx' -ItemType File -Force"
    later = there.replace("1.5.3.12025", "1.5.5.07025").replace("ab" * 32, "cd" * 32)
    small = HYPERV + vm("memoryInMB: 2048\n", "Default Switch")
    return [
        Situation(kind, "absent", "the network is there, the product is not", there, NETWORK),
        Situation(kind, "equal", "made by us", there, there),
        Situation(kind, "drifted", "somebody resized it", there, there, resized),
        Situation(kind, "foreign", "others deployed it: it is taken on as it is", there, there, edit=forgotten),
        Situation(kind, "foreign-and-smaller", "others deployed it smaller: resized, and theirs no more", there, there, resized, edit=forgotten),
        Situation(kind, "off-and-resized", "stopped: its processors cannot be seen", there, there, (*resized, "Stop-EflowVm")),
        Situation(
            kind,
            "changed-while-off",
            "declared against recorded is a change, seen or not",
            there.replace("cpuCount: 2", "cpuCount: 1"),
            there,
            ("Stop-EflowVm",),
        ),
        Situation(kind, "unseen", "Verify-EflowVm is refused: that is no absence", there, there, blind="Verify-EflowVm"),
        Situation(kind, "mute", "its agent does not answer: fields are not verified, nothing is done", there, there, blind="Get-EflowVm"),
        Situation(
            kind, "pending-reboot", "Hyper-V waits for its restart", HYPERV + vm("", "eflow") + switch() + nat() + DHCP + SERVER + scope(), hand=ROLE_PENDING
        ),
        Situation(kind, "immutable-change", "another data disk takes the guest's with it", NETWORK + vm("vmDataSize: 20\n"), NETWORK + vm("vmDataSize: 12\n")),
        Situation(
            kind,
            "half-made",
            "left-overs of a deployment, and no product",
            there,
            NETWORK,
            (r"New-Item -Path 'C:\Program Files\Azure IoT Edge' -ItemType Directory -Force", litter),
        ),
        Situation(
            kind,
            "another-release",
            "an older release than is asked for is deployed",
            later,
            there,
        ),
        Situation(kind, "hostile-name", "on a switch of a hostile name", hostile(NETWORK) + vm("", QUOTED), hostile(NETWORK) + vm("", QUOTED)),
        Situation(kind, "hostile-name-absent", "in every call it is one quoted word", hostile(NETWORK) + vm("", QUOTED), hostile(NETWORK)),
        Situation(kind, "busy", "a deployment of ours is at work: it is waited for", there, NETWORK, edit=running(kind, "deploy")),
        Situation(kind, "tainted", "a deployment of ours failed half-way: what it left is ours to clear", there, there, fails="Deploy-Eflow"),
        Situation(
            kind,
            "a-product-alike",
            "another vendor's product of a like name is none of EFLOW",
            there,
            NETWORK,
            edit=text("Get-ItemProperty", "Microsoft Visual C++", "Visual Studio: Azure IoT Edge Tools"),
        ),
        Situation(kind, "equal-on-a-client", "a client hides the VM's memory", small, small, sku="client-11"),
        Situation(kind, "changed-on-a-client", "memory that cannot be seen, declared anew", small.replace("2048", "4096"), small, sku="client-11"),
    ]


def identities() -> list[Situation]:
    kind, there = "EflowProvisioning", NETWORK + vm(identity())
    again = "Provision-EflowVm -provisioningType DpsSymmetricKey -scopeId 0ne00A1B2C3 -registrationId other -symmKey c29tZWJvZHk= -headless"
    odd = NETWORK + vm(identity(SYMMETRIC.replace("registrationId: edge-01", "registrationId: 'edge_01.BUERO:1'")))
    evil = NETWORK + vm(identity(SYMMETRIC.replace("registrationId: edge-01", "registrationId: --headless-:_.x")))
    return [
        Situation(kind, "absent", "a VM that nobody provisioned", there, NETWORK + vm()),
        Situation(kind, "absent-with-its-vm", "there is no VM yet", there, NETWORK),
        Situation(kind, "equal", "provisioned by us", there, there),
        Situation(kind, "drifted", "somebody gave it another name", there, there, (again,)),
        Situation(kind, "another-key", "the secret differs from the record", NETWORK + vm(identity(SYMMETRIC.replace("KEY_ONE", "KEY_TWO"))), there),
        Situation(kind, "no-key", "the secret cannot be had, and nothing needs it", NETWORK + vm(identity(SYMMETRIC.replace("KEY_ONE", "KEY_NONE"))), there),
        Situation(kind, "foreign", "somebody provisioned it: taken on, its key not compared", there, NETWORK + vm(), (again.replace("other", "edge-01"),)),
        Situation(kind, "unseen", "the guest does not answer", there, there, blind="Invoke-EflowVmCommand"),
        Situation(kind, "off", "the VM is off: started, and its identity not seen", there, there, ("Stop-EflowVm",)),
        Situation(kind, "pending-reboot", "Hyper-V waits for its restart", there, hand=ROLE_PENDING),
        Situation(kind, "another-type", "by TPM instead", NETWORK + vm(identity("provisioningType: DpsTPM, scopeId: 0ne00A1B2C3") + "\ndpsTpm: true\n"), there),
        Situation(kind, "hostile-name", "a registration id with odd letters", odd, odd),
        Situation(kind, "hostile-name-absent", "in every call it is one quoted word", evil, NETWORK + vm()),
        Situation(kind, "half-read", "an answer without its last line proves nothing", there, there, edit=text("Invoke-EflowVmCommand", "ID=", "NAME=")),
        Situation(kind, "unknown-source", "a way of provisioning that is not known here", there, there, edit=text("Invoke-EflowVmCommand", "dps", "est")),
    ]


IB = "AzureVmExtension/ib: {driver: InfiniBandDriverWindows}"
BY_HAND = ("Microsoft.HpcCompute", "InfiniBandDriverWindows", "1.5")


def there(lab: Lab) -> Any:
    """The one VM of the emulated Azure."""
    return next(iter(lab.estate.azure.vms.values()))


def untouched(lab: Lab) -> None:
    assert there(lab)


def by_others(name: str, *handler: str, failed: str = "") -> Callable[[Lab], None]:
    def make(lab: Lab) -> None:
        building.extension(lab.estate, there(lab), name, *(handler or BY_HAND), failed=failed)

    return make


def rewritten(lab: Lab) -> None:
    there(lab).extensions["ib"].properties["autoUpgradeMinorVersion"] = False


def stopped(lab: Lab) -> None:
    building.power(lab.estate, there(lab), "deallocated")


def busy(lab: Lab) -> None:
    there(lab).extensions["ib"].state = "Updating"


def forbidden(lab: Lab) -> None:
    lab.estate.azure.faults.append(RequestFault("GET", "*/extensions", 403, "AuthorizationFailed", "The client does not have authorization", times=99))


def extensions() -> list[Situation]:
    """Of a VM that is reached through Azure alone."""

    def one(name: str, why: str, declared: str = IB, azure: Callable[[Lab], None] = untouched, **more: Any) -> Situation:
        return Situation("AzureVmExtension", name, why, declared, azure=azure, sku="server-2019", **more)

    hostile = "AzureVmExtension/script: {driver: CustomScriptExtension, settings: {commandToExecute: \"echo '$(calc)'; & calc\", timestamp: 1.10}}"
    again = "AzureVmExtension/ib: {driver: InfiniBandDriverWindows, restart: when-asked}"
    secret = "AzureVmExtension/s: {driver: CustomScriptExtension, protectedSettings: {storageAccountName: n, storageAccountKey: {env: %s}}}"
    return [
        one("absent", "A new VM: the list is empty, and that is a definite answer."),
        one("equal", "As declared and on record: three tags say so.", applied=IB),
        one("drifted", "Somebody changed a flag of ours: the digest is the declared one, so the world moved.", azure=rewritten, applied=IB),
        one("changed", "Another version is declared than was applied.", applied="AzureVmExtension/ib: {driver: InfiniBandDriverWindows, version: 1.2}"),
        one("foreign", "Others made the very same extension: a tag takes it on record, and nothing runs.", azure=by_others("ib")),
        one("foreign-of-another-version", "Others made it, in another version: an update, marked as not ours yet.", azure=by_others("ib", *BY_HAND[:2], "1.2")),
        one("another-name", "The handler is there under another name, and Windows takes one of each.", azure=by_others("InfiniBand")),
        one("unseen", "The list is forbidden: nothing is taken for absent.", azure=forbidden),
        one("pending-reboot", "The driver ended with 3010 and the spec says to restart then.", again, applied=again, exits=(3010, 3010)),
        one("restart-never", "The driver ended with 3010 and nobody said to restart: as declared, with a warning.", applied=IB, exits=(3010,)),
        one("immutable-change", "Another handler under the same name is a replace.", IB.replace("ib", "x"), applied=SCRIPTED),
        one("half-made", "The install failed with 100: another plan may try it again, under another tag.", applied=IB, exits=(100,), fails="100"),
        one(
            "failed-sibling",
            "An extension of others has failed, and Azure changes no other.",
            azure=by_others("mde", "Contoso", "Agent", "1.0", failed="no way out"),
        ),
        one("stopped", "The VM is deallocated: put off, and nobody starts it.", azure=stopped),
        one("busy", "Somebody is at work on it: waited for.", azure=busy, applied=IB),
        one("hostile-settings", "Settings that a shell would read: they travel as JSON. A bare number is one: 1.10 is 1.1.", hostile),
        one("secret-equal", "A secret that cannot be read back, as the tag has it.", secret % "KEY_ONE", applied=secret % "KEY_ONE"),
        one("secret-changed", "Another secret than the one that was applied.", secret % "KEY_TWO", applied=secret % "KEY_ONE"),
        one("gone-from-yaml", "Declared no more; the tags say that it is ours.", "{}", applied=IB),
    ]


SCRIPTED = "AzureVmExtension/x: {publisher: Microsoft.Compute, type: CustomScriptExtension, version: 1.10}"


def estate_of(situation: Situation) -> Estate:
    if situation.azure is None:
        return Estate.new(None, [HostWish(HOST, situation.sku, situation.adapters)])
    estate = Estate.new(None)
    building.vm(estate, HOST, group="rg-hpc", size="Standard_HB120rs_v3").os_name = "Windows Server 2019 Datacenter"
    building.script(estate, "*", "*", *situation.exits)
    return estate


def meanwhile(situation: Situation, here: Lab) -> None:
    """What others did before the look."""
    for line in situation.hand:
        if line.startswith("wait "):
            here.estate.clock.advance(timedelta(minutes=float(line.removeprefix("wait "))))
        else:
            outcome = here.estate.run(HOST, line)
            assert outcome.ok, (situation.kind, situation.name, line, outcome.errors)
    if situation.azure is not None:
        situation.azure(here)
    if situation.blind:
        here.estate.fault(HOST, Fault(situation.blind, error=denied(situation.blind)))


async def recorded(situation: Situation) -> dict[str, Any]:
    here = Lab(
        linked(document(situation.declared, situation.sku, azure=situation.azure is not None)),
        estate_of(situation),
        secrets=Vault(environ=SECRETS),
    )
    wanted = here.desired
    here.estate.site.web.update(web(wanted))
    if situation.applied:
        here.desired = linked(document(situation.applied, situation.sku, azure=situation.azure is not None))
        here.estate.site.web.update(web(here.desired))
        if situation.azure is not None and not situation.fails:
            here.limits = Limits(max_disruption=Disruption.VM_RESTART)  # a restart that is asked for is left to be seen
        if situation.fails and situation.azure is None:
            here.estate.fault(HOST, Fault(situation.fails, says=f"{situation.fails} failed", times=1))
        report = await here.apply()
        assert bool(report.exit_code) is bool(situation.fails) or situation.exits, (situation.kind, situation.name, report)
        here.desired = wanted
    meanwhile(situation, here)
    taken = (await observe(wanted, Scope(), here.environment()))[HOST]
    assert isinstance(taken, Snapshot), taken
    snapshot = taken.to_json()
    here_document = document(situation.declared, situation.sku, azure=situation.azure is not None)
    if situation.edit:
        situation.edit(snapshot)
    return await trimmed(situation.kind, {"why": situation.why, "manifest": here_document, "snapshot": snapshot})


async def trimmed(kind: str, case: dict[str, Any]) -> dict[str, Any]:
    """Without the questions that rules alone ask, unless a rule has its say in this case."""
    whole = await expected(kind, case)
    snapshot = Snapshot.of(case["snapshot"])
    found, greeted = linked(case["manifest"]), hello(snapshot.hello)
    needed = questions(REGISTRY, greeted.facts, found.resources[HOST], Records.read(HOST, greeted.ledger), set(REGISTRY)).calls()
    kept_asks = [ask for ask in case["snapshot"]["asks"] if canonical(ask["ask"]) in needed]
    less = {**case, "snapshot": {**case["snapshot"], "asks": kept_asks}}
    return {**(less if await expected(kind, less) == whole else case), "expect": whole}


def main(only: str = "") -> None:
    for situation in [*features(), *switches(), *nats(), *servers(), *scopes(), *reservations(), *vms(), *identities(), *extensions()]:
        if not f"{situation.kind}/{situation.name}".startswith(only):
            continue
        file = HERE / situation.kind / f"{situation.name}.yaml"
        if file.exists():
            continue
        case = anyio.run(recorded, situation)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(rendered(case), encoding="utf-8")
        print(f"{situation.kind}/{situation.name}: {situation.why}")
        for step in case["expect"]:
            print(f"    {json.dumps(step, ensure_ascii=False)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
