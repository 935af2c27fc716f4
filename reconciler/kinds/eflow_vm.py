"""EflowVm: the EFLOW product on a host and its one virtual machine: MSI, Deploy-Eflow, size, DNS, telemetry, features, power.

Inconvenient, and how it is met: Deploy-Eflow fails without throwing (a good answer is `OK`); it may run once per installed MSI, so
left-overs of a failed one taint and only a replace helps; the guest's total memory is not what was assigned (servers read Hyper-V's
MemoryStartup, clients leave it unseen); nothing tells the disk sizes; little can be read, and nothing set, while the VM is off (it is
started first); a static guest has no DNS until it is set, and only the guest itself tells which (one `resolvectl` call). The guest is
never rebooted from inside. A client's VM is hidden from Get-VM.

Sources: eflow-domain 1, 2, 8, 9; windows-outputs Get-EflowVm, Get-EflowVmEndpoint, Verify-EflowVm, Get-VM, Get-ItemProperty.
Rules are in `_eflow_vm_rules`, trains in `eflow_trains`. Unverified: see docs/kinds/EflowVm.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from types import MappingProxyType
from typing import Any

from reconciler.core.calls import Answer, Argv, Cmdlet, Good, Out, Program
from reconciler.core.capabilities import AZURE_EFLOW, HYPER_V, VERIFY_EFLOW
from reconciler.core.changes import Changes
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Disruption, Kind, Loss, Reboot, span
from reconciler.core.observations import Ask, Facts, Present
from reconciler.kinds._eflow_vm_look import GET_EFLOW, GUEST_INTERFACE, VM_NOW, look
from reconciler.kinds._eflow_vm_rules import FREE_MEMORY, GET_CIM, RULES
from reconciler.kinds._eflow_vm_spec import OFF, RUNNING, EflowVm, EflowVmState, on_default_switch, switch_name
from reconciler.kinds._later import text

GET_ITEMS = Cmdlet("Get-ItemProperty", ("Path", "Name"))
GET_FILES = Cmdlet("Get-ChildItem", ("Path",))
GET_VM = Cmdlet("Get-VM")
GET_SWITCH = Cmdlet("Get-VMSwitch")
GET_SERVICE = Cmdlet("Get-Service", ("Name",))
GET_ENDPOINT = Cmdlet("Get-EflowVmEndpoint", ("vswitchName",))
GET_TELEMETRY = Cmdlet("Get-EflowVmTelemetryOption")
GET_FEATURE = Cmdlet("Get-EflowVmFeature", ("feature",))
IN_GUEST = Cmdlet("Invoke-EflowVmCommand", ("command",))
NEW_FOLDER = Cmdlet("New-Item", ("Path", "ItemType", "Force"))
FETCH = Cmdlet("Invoke-WebRequest", ("Uri", "OutFile", "UseBasicParsing"))
HASH = Cmdlet("Get-FileHash", ("LiteralPath", "Algorithm"))
DEPLOY_SIZES = ("cpuCount", "memoryInMB", "vmDiskSize", "vmDataSize", "vmLogSize")
DEPLOY_NETWORK = ("vswitchName", "vswitchType", "ip4Address", "ip4PrefixLength", "ip4GatewayAddress")
DEPLOY = Cmdlet("Deploy-Eflow", ("acceptEula", "acceptOptionalTelemetry", *DEPLOY_SIZES, *DEPLOY_NETWORK))
SET = Cmdlet("Set-EflowVM", ("cpuCount", "memoryInMB", "headless"))
SET_DNS = Cmdlet("Set-EflowVmDNSServers", ("vendpointName", "dnsServers"))
SET_TELEMETRY = Cmdlet("Set-EflowVmTelemetryOption", ("optionalTelemetry",))
SET_FEATURE = Cmdlet("Set-EflowVmFeature", ("feature", "enable"))
START = Cmdlet("Start-EflowVm")
STOP = Cmdlet("Stop-EflowVm")
STOP_SHELL = Cmdlet("Stop-VM", ("Name", "TurnOff", "Force"))
REMOVE_SHELL = Cmdlet("Remove-VM", ("Name", "Force"))
REMOVE_FILE = Cmdlet("Remove-Item", ("LiteralPath", "Force"))
MSIEXEC = Program(r"C:\Windows\System32\msiexec.exe")

READS = (GET_ITEMS, GET_FILES, GET_VM, GET_SWITCH, GET_SERVICE, GET_CIM, VERIFY_EFLOW, GET_EFLOW, GET_ENDPOINT, GET_TELEMETRY, GET_FEATURE, IN_GUEST)
INSTALLS = (NEW_FOLDER, FETCH, HASH, MSIEXEC)
CHANGES = (DEPLOY, SET, SET_DNS, SET_TELEMETRY, SET_FEATURE, START, STOP, STOP_SHELL, REMOVE_SHELL, REMOVE_FILE)

UNINSTALL = r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\*"
DISKS = r"C:\Program Files\Azure IoT Edge\*EFLOW.vhdx"
CACHE = r"C:\Program Files\reconciler\cache"
FEATURES = {"dpsTpm": "DpsTpm", "defender": "Defender"}
SERVICES = ("vmms*", "vmcompute*", "hvhost*", "hns*", "wssdagent*", "EFLOWProxy*")  # as patterns: an absent one is no error then
SIZES = ("cpuCount", "memoryInMB")
INSTALLED = Good(exit=(0, 3010))
MINUTE = timedelta(minutes=1)
EFLOW = Key("eflow")


def asks(facts: Facts) -> Mapping[str, Ask]:
    """The questions by name, guest last: after a call that hung, the rest of its module is not asked."""
    return _asks(facts.is_server)


@cache
def _asks(is_server: bool) -> Mapping[str, Ask]:
    address = ("Address", "PrefixLength", "Gateway", "AllocationMethod", "SubNet")
    named: dict[str, Ask] = {
        # By name, and by pattern: one malformed value of a foreign product fails a read of all, an absent one a read by its full name.
        "products": Ask(GET_ITEMS(Path=UNINSTALL, Name=("DisplayName*", "DisplayVersion*"), select=("PSChildName", "DisplayName", "DisplayVersion"))),
        "disks": Ask(GET_FILES(Path=DISKS, select=("FullName",)), absent=("PathNotFound",)),
        "switches": Ask(GET_SWITCH(select=("Name", "SwitchType")), requires=HYPER_V),
        "deployed": Ask(VERIFY_EFLOW(), requires=AZURE_EFLOW),
    }
    if is_server:
        named["shells"] = Ask(GET_VM(select=("Name", "State", "MemoryStartup")), requires=HYPER_V)
    of_eflow = {
        "endpoints": GET_ENDPOINT(select=("Name", "MacAddress", "GuestInterfaceName", ("IpConfiguration", address))),
        "telemetry": GET_TELEMETRY(),
        "dpsTpm": GET_FEATURE(feature=FEATURES["dpsTpm"]),
        "defender": GET_FEATURE(feature=FEATURES["defender"]),
        "dns": IN_GUEST(command=Argv(("resolvectl", "dns", GUEST_INTERFACE)), seconds=60),
    }
    return MappingProxyType(named | {"vm": VM_NOW} | {name: Ask(call, tolerate=True, requires=AZURE_EFLOW) for name, call in of_eflow.items()})


def ask(keys: Collection[Key], facts: Facts) -> Iterable[Ask]:
    return asks(facts).values()


def parse(answers: Sequence[Answer], facts: Facts) -> Mapping[Key, Present[EflowVmState]]:
    found = look(dict(zip(asks(facts), answers, strict=True)), facts)
    return {} if found is None else {EFLOW: found}


def converge(want: EflowVm, now: EflowVmState | None, changes: Changes[EflowVmState], facts: Facts) -> Iterable[Action]:
    if now is None or not (now.products or now.deployed):
        yield from _install(want)
    fresh = now is None or not now.deployed
    touched = [name for name in (*SIZES, "dnsServers", *FEATURES) if name in changes]
    if fresh:
        yield _deploy(want)
    elif now is not None and now.powerState == OFF and (touched or want.powerState == RUNNING):
        yield Action("start", "start the EFLOW VM", (START(seconds=600),), span(30, 180), Disruption.SERVICE, until={"powerState": RUNNING}, within=10 * MINUTE)
    if not fresh and changes.any(*SIZES):
        yield _resize(changes.after(*SIZES), facts)
    if want.dnsServers and "dnsServers" in changes:
        yield _name_servers(want)
    yield from _options(want, changes, fresh)
    if want.powerState == OFF and (fresh or touched or "powerState" in changes):
        yield _stop()


def _install(want: EflowVm) -> Iterator[Action]:
    """One job: fetched under the name of its hash, compared, run. Apart, a download that ended would be done again after a crash."""
    installer = want.installer
    sha256 = installer.sha256.lower()
    msi = rf"{CACHE}\{sha256}.msi"
    folders = [f"{name}={folder}" for name, folder in (("INSTALLDIR", installer.installDir), ("VHDXDIR", installer.vhdxDir)) if folder]
    fetch = (
        NEW_FOLDER(Path=CACHE, ItemType="Directory", Force=True),
        FETCH(Uri=installer.url, OutFile=msi, UseBasicParsing=True, seconds=3600),
        HASH(LiteralPath=msi, Algorithm="SHA256", select=("Hash",), good=Good(returns={"Hash": sha256}), seconds=600),
    )
    yield Action(
        "install",
        f"download EFLOW {installer.version} ({want.product}), compare its SHA-256, install it",
        (
            *fetch,
            MSIEXEC("/i", msi, "/qn", "/norestart", *folders, good=INSTALLED, seconds=1800),
        ),
        span(60, 120),
        reboot=Reboot.POSSIBLE,
        until={"version": installer.version},
        within=5 * MINUTE,
        long=True,
    )


def _deploy(want: EflowVm) -> Action:
    sizes = {name: getattr(want, name) for name in DEPLOY_SIZES}
    call = DEPLOY(
        acceptEula=want.acceptEula,
        acceptOptionalTelemetry=want.acceptOptionalTelemetry or "No",
        **sizes,
        **_network(want),
        good=Good(returns="OK"),
        seconds=2700,
    )
    where = f"{switch_name(want.vswitchName)}, {want.ip4Address.ip if want.ip4Address else 'address by DHCP'}"
    return Action("deploy", f"deploy the EFLOW VM on {where}", (call,), span(180, 900), until={"deployed": True}, within=5 * MINUTE, long=True)


def _network(want: EflowVm) -> dict[str, Any]:
    """Nothing of the Default Switch but the address that 1.1 takes there; the three of a static address, or none of them."""
    given: dict[str, Any] = {}
    if not on_default_switch(want):
        given = {"vswitchName": switch_name(want.vswitchName), "vswitchType": text(want.vswitchType)}
    if want.ip4Address is not None:
        length = want.ip4Address.prefixlen if want.ip4PrefixLength is None else want.ip4PrefixLength
        given |= {"ip4Address": want.ip4Address.ip, "ip4PrefixLength": length, "ip4GatewayAddress": text(want.ip4GatewayAddress)}
    return given


def _resize(sizes: Mapping[str, Any], facts: Facts) -> Action:
    """Memory is waited for only where it can be read."""
    seen = {name: value for name, value in sizes.items() if name == "cpuCount" or facts.is_server}
    what = ", ".join(f"{name} {value}" for name, value in sizes.items())
    call = SET(**sizes, headless=True, seconds=900)
    return Action(
        "resize", f"resize the EFLOW VM: {what}", (call,), span(60, 180), Disruption.VM_RESTART, until={"powerState": RUNNING, **seen}, within=10 * MINUTE
    )


def _name_servers(want: EflowVm) -> Action:
    """The endpoint's name is asked for at that moment: it is the host's name at the time of the deployment."""
    servers = [str(server) for server in want.dnsServers or ()]
    endpoint = GET_ENDPOINT(vswitchName=None if on_default_switch(want) else switch_name(want.vswitchName), select=("Name",))
    return Action(
        "set DNS servers",
        f"give the guest the DNS servers {', '.join(servers)}",
        (endpoint, SET_DNS(vendpointName=Out(0, "Name"), dnsServers=servers)),
        span(5, 30),
    )


def _options(want: EflowVm, changes: Changes[EflowVmState], fresh: bool) -> Iterator[Action]:
    """Deploy-Eflow took the telemetry option, and leaves every feature off."""
    for field, feature in FEATURES.items():
        on = getattr(want, field)
        if field in changes and (on or not fresh):
            verb = "switch on" if on else "switch off"
            yield Action(
                f"{verb} {feature}",
                f"{verb} {feature}",
                (SET_FEATURE(feature=feature, enable=True if on else None, seconds=300),),
                span(10, 60),
                Disruption.SERVICE,
            )
    if "acceptOptionalTelemetry" in changes and not fresh:
        optional = want.acceptOptionalTelemetry == "Yes"
        yield Action("set telemetry", f"set telemetry to {'Optional' if optional else 'Required'}", (SET_TELEMETRY(optionalTelemetry=optional),), span(2, 15))


def _stop() -> Action:
    return Action("stop", "stop the EFLOW VM", (STOP(seconds=300),), span(10, 60), Disruption.SERVICE, until={"powerState": OFF}, within=5 * MINUTE)


def delete(now: EflowVmState, facts: Facts) -> Iterable[Action]:
    """EFLOW's own way is to remove the MSI; without one what was left behind is removed by the very names that were seen."""
    if not now.products:
        if not now.deployed:
            yield _clear(now)
        return
    if now.deployed and now.powerState == RUNNING:
        yield _stop()
    used = f" ({now.usedStorageMb} of {now.totalStorageMb} MB used)" if now.usedStorageMb and now.totalStorageMb else ""
    disk = Loss(f"guest disk{used}", ("guest disk",))  # fuller by the minute, and the same disk
    yield Action(
        "uninstall",
        "uninstall EFLOW" + (" with its VM" if now.deployed else ""),
        tuple(MSIEXEC("/x", code, "/qn", "/norestart", good=INSTALLED, seconds=1800) for code in now.products),
        span(120, 300),
        Disruption.SERVICE if now.deployed else Disruption.NONE,
        reboot=Reboot.POSSIBLE,
        within=5 * MINUTE,
        long=True,
        loses=(disk, "state of the modules", "the guest's identity keys") if now.deployed else (),
    )


def _clear(now: EflowVmState) -> Action:
    """Without an MSI nobody can tell a failed deployment's disk from that of a VM whose MSI was taken away."""
    shell = []
    if now.shell:
        shell = [STOP_SHELL(Name=now.shell, TurnOff=True, Force=True)] if now.shellRuns else []
        shell.append(REMOVE_SHELL(Name=now.shell, Force=True))
    files = [REMOVE_FILE(LiteralPath=path, Force=True) for path in now.disks]
    loses = tuple(f"what a former VM may have kept on {path}" for path in now.disks)
    return Action("clear left-overs", "remove what a former deployment left behind", (*shell, *files), span(5, 30), loses=loses)


def evidence(want: EflowVm, facts: Facts) -> Iterable[Ask]:
    yield Ask(FREE_MEMORY.call, tolerate=True)
    yield Ask(GET_SERVICE(Name=SERVICES, select=("Name", "Status")), tolerate=True)
    yield Ask(GET_SWITCH(select=("Name", "SwitchType")), tolerate=True, requires=HYPER_V)


KIND = Kind(
    EflowVm,
    EflowVmState,
    key=lambda spec: EFLOW,
    ask=ask,
    parse=parse,
    converge=converge,
    delete=delete,
    requires=lambda spec: (HYPER_V,),
    provides=lambda spec: (AZURE_EFLOW,),
    evidence=evidence,
    rules=RULES,
    words=(*READS, *INSTALLS, *CHANGES),
    title="the EFLOW product and its virtual machine",
    singleton=True,
)
