"""Plans built by hand from core values, for the views' tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.core.calls import Cmdlet, Secret
from reconciler.core.changes import Cause, Change
from reconciler.core.diagnostics import Position
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Action, Disruption, Reboot, span
from reconciler.core.observations import Facts
from reconciler.core.plan import Barrier, Block, HostPlan, Plan, Sight, SpecsInfo, Step, Verb
from reconciler.core.resources import How, Source

NOON = datetime(2026, 12, 1, 8, 1, 48, tzinfo=UTC)
SERVER = Facts("EDGE-01", "u", "g", "Microsoft Windows Server 2022 Datacenter", "10.0.20348", 20348, 3)
INSTALL = Cmdlet("Install-WindowsFeature", ("Name", "IncludeManagementTools"))
NEW_SWITCH = Cmdlet("New-VMSwitch", ("Name", "SwitchType"))
NEW_ADDRESS = Cmdlet("New-NetIPAddress", ("InterfaceAlias", "IPAddress", "PrefixLength"))
NEW_NAT = Cmdlet("New-NetNat", ("Name", "InternalIPInterfaceAddressPrefix"))
DEPLOY = Cmdlet("Deploy-Eflow", ("acceptEula", "acceptOptionalTelemetry", "memoryInMB", "vswitchName"))
PROVISION = Cmdlet("Provision-EflowVm", ("provisioningType", "scopeId", "registrationId", "symmKey", "headless"))
SET_VM = Cmdlet("Set-EflowVM", ("memoryInMB",))


def made(path: str, after: Any, **more: Any) -> Change:
    return Change(path, None, after, Cause.NEW, **more)


def step(host: str, kind: str, name: str = "", verb: Verb = Verb.CREATE, n: int = 0, **more: Any) -> Step:
    return Step(ResourceId(host, kind, name), verb, n, **more)


def derived(origin: str) -> Source:
    return Source(How.DERIVED, origin, Position("specs/azure.yaml", 10, 60, 4))


def bare(host: str = "edge-01") -> HostPlan:
    """A bare server through role and reboot to a deployed, provisioned machine."""
    role = ResourceId(host, "WindowsFeature", "Hyper-V")
    steps = (
        step(
            host,
            "WindowsFeature",
            "Hyper-V",
            n=1,
            changes=(made("includeManagementTools", True),),
            actions=(Action("install", "install the feature", (INSTALL(Name="Hyper-V", IncludeManagementTools=True),), span(60, 180), reboot=Reboot.NEEDED),),
        ),
        step(
            host,
            "VirtualSwitch",
            "eflow",
            n=2,
            level=1,
            needs=(role,),
            changes=(made("switchType", "Internal"), made("ipAddress", "172.20.10.1/24")),
            actions=(
                Action("switch", "make the switch", (NEW_SWITCH(Name="eflow", SwitchType="Internal"),), span(5, 20), until={"adapter": True}),
                Action(
                    "address",
                    "give its adapter the address",
                    (NEW_ADDRESS(InterfaceAlias="vEthernet (eflow)", IPAddress="172.20.10.1", PrefixLength=24),),
                    span(1, 5),
                ),
            ),
        ),
        step(
            host,
            "NatNetwork",
            "eflow",
            n=3,
            level=1,
            needs=(ResourceId(host, "VirtualSwitch", "eflow"),),
            changes=(made("internalIPInterfaceAddressPrefix", "172.20.10.0/24"),),
            sources={"internalIPInterfaceAddressPrefix": derived("VirtualSwitch/eflow")},
            actions=(Action("make", "make the NAT", (NEW_NAT(Name="eflow", InternalIPInterfaceAddressPrefix="172.20.10.0/24"),), span(5, 5)),),
        ),
        step(
            host,
            "EflowVm",
            n=4,
            level=1,
            changes=(made("version", "1.5.3.12025"), made("memoryInMB", 4096), made("vswitchName", "eflow")),
            sources={"memoryInMB": Source(How.DEFAULT)},
            actions=(
                Action("download", "download the MSI", (), span(30, 120), long=True),
                Action(
                    "deploy",
                    "deploy the machine",
                    (DEPLOY(acceptEula="Yes", acceptOptionalTelemetry="No", memoryInMB=4096, vswitchName="eflow"),),
                    span(180, 900),
                    long=True,
                ),
            ),
        ),
        step(
            host,
            "EflowProvisioning",
            n=5,
            level=1,
            changes=(made("scopeId", "0ne00A1B2C3"), made("registrationId", host), made("symmKey", Secret("env", "EDGE_KEY"), secret=True)),
            actions=(
                Action(
                    "provision",
                    "provision the machine",
                    (
                        PROVISION(
                            provisioningType="DpsSymmetricKey", scopeId="0ne00A1B2C3", registrationId=host, symmKey=Secret("env", "EDGE_KEY"), headless=True
                        ),
                    ),
                    span(60, 120),
                ),
            ),
        ),
    )
    return HostPlan(host, seen=NOON, facts=SERVER, steps=steps, barriers=(Barrier(0, (role,)),), rules=38)


def resized(host: str, before: int = 4096, after: int = 6144, block: Block | None = None, n: int = 1) -> HostPlan:
    """One update that restarts the machine, perhaps blocked."""
    change = Change("memoryInMB", before, after, Cause.CHANGE)
    found = step(
        host,
        "EflowVm",
        verb=Verb.UPDATE,
        n=n,
        changes=(change,),
        blocked=block,
        sources={"memoryInMB": Source(How.WRITTEN, "", Position("specs/shops.yaml", 8, 42))},
        actions=(Action("resize", "stop, resize, start", (SET_VM(memoryInMB=after),), span(60, 180), Disruption.VM_RESTART),),
    )
    return HostPlan(host, seen=NOON, facts=SERVER, steps=(found,), rules=38)


def silent(host: str) -> HostPlan:
    return HostPlan(host, Sight.UNSEEN, f"no answer on {host}:5986 for 10 s", "HST010")


def replaced(host: str = "edge-01", leave: bool = False) -> HostPlan:
    """A field that is fixed at deploy: a replace that loses the guest."""
    block = None if leave else Block("PLN020", "a replace loses the guest's disk", f"--replace {host}/EflowVm")
    found = step(
        host,
        "EflowVm",
        verb=Verb.REPLACE,
        n=1,
        blocked=block,
        changes=(Change("vmDataSize", 20, 30, Cause.CHANGE, immutable=True),),
        actions=(
            Action(
                "remove",
                "remove the machine",
                (),
                span(60, 120),
                Disruption.VM_RESTART,
                loses=("the guest's disk and the state of its modules", "the guest's identity keys"),
            ),
            Action("deploy", "deploy", (), span(300, 1200)),
        ),
    )
    return HostPlan(host, seen=NOON, facts=SERVER, steps=(found,), rules=38)


def plan(*hosts: HostPlan, **more: Any) -> Plan:
    given: dict[str, Any] = {"specs": SpecsInfo("specs", "7c1e0aa44", "main", True), "seconds": 1.8} | more
    return Plan("r-8f3k", "edge", NOON, hosts=hosts, **given)


HOUR = timedelta(hours=1)
