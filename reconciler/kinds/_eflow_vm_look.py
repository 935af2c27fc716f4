"""Answers of a host → what it has of EFLOW: nothing, an MSI, left-overs of a failed deployment, or a VM with what can be read of it.

Called by `eflow_vm.parse` with answers by name. What cannot be read is None and has its reason; nothing is ever taken for absent
because it was silent. Reads tolerantly: EFLOW's objects come from a script module and are known from issue dumps only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from reconciler.core.calls import Answer, Cmdlet, Row, Unreadable
from reconciler.core.capabilities import AZURE_EFLOW
from reconciler.core.fieldtypes import MacAddress
from reconciler.core.observations import Ask, Facts, Present
from reconciler.kinds._eflow_vm_spec import OFF, RUNNING, EflowVmState, GuestAddress, SwitchSeen
from reconciler.kinds.eflow_trains import VersionConstraint, numbers

GET_EFLOW = Cmdlet("Get-EflowVm")
# Asked by both kinds of EFLOW in the same words, so once a look.
VM_NOW = Ask(GET_EFLOW(select=("VmPowerState", ("SystemStatistics", ("CpuCount", "TotalStorageMb", "UsedStorageMb")))), tolerate=True, requires=AZURE_EFLOW)

GUEST_INTERFACE = "eth0"
DISPLAY_NAME = "azure iot edge"
MEGABYTE = 2**20

_BRACED = re.compile(r"\{[0-9A-Fa-f-]{36}\}")
_DOTTED = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_LINK = re.compile(rf"\({GUEST_INTERFACE}\):(.*)")
_SIZES = dict.fromkeys(("vmDiskSize", "vmDataSize", "vmLogSize"), "no cmdlet tells it")

Answers = Mapping[str, Answer]


@dataclass(frozen=True, slots=True)
class Product:
    """An installed EFLOW product, from its Uninstall entry."""

    code: str
    name: str
    version: VersionConstraint | None


@dataclass(frozen=True, slots=True)
class Shell:
    """The Hyper-V machine that EFLOW makes on a server."""

    name: str
    state: str
    memory: int


def look(answers: Answers, facts: Facts) -> Present[EflowVmState] | None:
    products = sorted(_products(answers["products"]), key=lambda one: (one.version is None or numbers(str(one.version)), one.code))
    deployed = is_deployed(answers["deployed"])
    disks = tuple(str(row["FullName"]) for row in answers["disks"].objects)
    shell = _shell(answers.get("shells"), facts)
    if not (products or deployed or disks or shell):
        return None
    state: dict[str, Any] = {"deployed": deployed, "products": tuple(one.code for one in products), "version": products[-1].version if products else None}
    if not deployed:
        left = EflowVmState(**state, disks=disks, shell=shell.name if shell else None, shellRuns=bool(shell and shell.state == RUNNING.casefold()))
        return Present(left, unseen=_version_unseen(products), tainted=_taint(products, left))
    state |= _running(answers, shell) | _network(answers) | _options(answers)
    unseen = {**_SIZES, **_version_unseen(products, deployed=True), **dict(_reasons(answers, state, facts))}
    return Present(EflowVmState(**state), unseen=unseen, tainted=_taint(products, None))


def _taint(products: list[Product], left: EflowVmState | None) -> str | None:
    if len(products) > 1:
        return f"{len(products)} EFLOW products are installed: {', '.join(f'{one.name} {one.version or one.code}' for one in products)}"
    if left and (left.disks or left.shell):
        return f"left-overs of a failed deployment: {', '.join((*left.disks, *([f'VM {left.shell}'] if left.shell else [])))}"
    return None


def _products(answer: Answer) -> Iterator[Product]:
    for row in answer.objects:
        name, code = str(row.maybe("DisplayName") or ""), str(row["PSChildName"])
        if name.casefold().startswith(DISPLAY_NAME) and _BRACED.fullmatch(code):
            yield Product(code, name, _version(row.maybe("DisplayVersion")))


def _version(value: Any) -> VersionConstraint | None:
    try:
        version = VersionConstraint.read(str(value))
    except ValueError:
        return None
    return version if version.exact else None


def _version_unseen(products: list[Product], *, deployed: bool = False) -> dict[str, str]:
    if deployed and not products:
        return {"version": "a VM is deployed, and no installed product is called Azure IoT Edge"}
    if products and products[-1].version is None:
        return {"version": f"the Uninstall entry {products[-1].code} has no version that can be read"}
    return {}


def said(answer: Answer) -> Any:
    """What a cmdlet of EFLOW answered in the end (banners and pipeline mix): True, False, or text."""
    if not answer.objects:
        return None
    text = str(answer.objects[-1]).strip()
    return {"true": True, "false": False}.get(text.casefold(), text)


def last_row(answer: Answer) -> Row:
    """The object at the end of what was answered; one without properties where there is none."""
    last = answer.objects[-1] if answer.objects else None
    return last if isinstance(last, Row) else Row({})


def is_off(answer: Answer) -> bool:
    """Whether Get-EflowVm says that the VM is off."""
    return str(last_row(answer).maybe("VmPowerState")).casefold() == OFF.casefold()


def is_deployed(answer: Answer) -> bool:
    """Verify-EflowVm's word on whether the VM was created. No word at all: the module is surely not there (its capability lacks)."""
    verdict = said(answer)
    if verdict is None or isinstance(verdict, bool):
        return verdict is True
    raise Unreadable("Verify-EflowVm", f"answers neither True nor False: {verdict}")


def _shell(answer: Answer | None, facts: Facts) -> Shell | None:
    """The machine by the name that EFLOW gives it. Hyper-V allows two of one name: then neither is taken for it."""
    wanted = f"{facts.computer_name}-EFLOW".casefold()
    rows = [row for row in (answer.objects if answer else ()) if str(row["Name"]).casefold() == wanted]
    if len(rows) > 1:
        raise Unreadable("Name", f"{len(rows)} virtual machines are called {rows[0]['Name']}")
    return next((Shell(str(row["Name"]), str(row["State"]).casefold(), int(row["MemoryStartup"])) for row in rows), None)


def _running(answers: Answers, shell: Shell | None) -> dict[str, Any]:
    """Power and size. EFLOW's own word on power goes first; Hyper-V's helps where EFLOW is mute (an expired certificate)."""
    row = last_row(answers["vm"])
    statistics = row.maybe("SystemStatistics")
    numbers_ = statistics if isinstance(statistics, Row) else Row({})
    power = str(row.maybe("VmPowerState") or (shell.state if shell else "")).casefold()
    return {
        "powerState": {RUNNING.casefold(): RUNNING, OFF.casefold(): OFF}.get(power),
        "cpuCount": _whole(numbers_.maybe("CpuCount")),
        "memoryInMB": shell.memory // MEGABYTE if shell else None,
        "usedStorageMb": _whole(numbers_.maybe("UsedStorageMb")),
        "totalStorageMb": _whole(numbers_.maybe("TotalStorageMb")),
    }


def _network(answers: Answers) -> dict[str, Any]:
    """Of the first endpoint. It echoes what was configured, which is what is compared. A leased address proves no prefix and no gateway."""
    endpoint = _endpoint(answers["endpoints"].objects)
    ip = endpoint.maybe("IpConfiguration")
    config = ip if isinstance(ip, Row) else Row({})
    types = _switch_types(answers["switches"].objects)
    name = SwitchSeen(config.maybe("SubNet") or "")
    static = str(config.maybe("AllocationMethod")).casefold() == "static"
    return {
        "vswitchName": name if name in types else None,
        "vswitchType": types.get(name),
        "ip4Address": _read(GuestAddress, config.maybe("Address")),
        "ip4PrefixLength": _whole(config.maybe("PrefixLength")) if static else None,
        "ip4GatewayAddress": _read(IPv4Address, config.maybe("Gateway")) if static else None,
        "macAddress": _read(MacAddress.read, endpoint.maybe("MacAddress")),
    }


def _endpoint(rows: Iterable[Any]) -> Row:
    found = [row for row in rows if isinstance(row, Row)]
    first = [row for row in found if str(row.maybe("GuestInterfaceName")).casefold() == GUEST_INTERFACE]
    return next(iter(first or found), Row({}))


def _switch_types(rows: Iterable[Any]) -> dict[SwitchSeen, str | None]:
    """Type by name; None where two switches share the name."""
    types: dict[SwitchSeen, str | None] = {}
    for row in rows:
        name = SwitchSeen(row["Name"])
        types[name] = None if name in types else str(row["SwitchType"]).capitalize()
    return types


def _options(answers: Answers) -> dict[str, Any]:
    telemetry = str(said(answers["telemetry"])).casefold()
    flags = {name: value if isinstance(value := said(answers[name]), bool) else None for name in ("dpsTpm", "defender")}
    return {"acceptOptionalTelemetry": {"optional": "Yes", "required": "No"}.get(telemetry), "dnsServers": _name_servers(answers["dns"]), **flags}


def _name_servers(answer: Answer) -> tuple[IPv4Address, ...] | None:
    line = _LINK.search("\n".join(str(one) for one in answer.objects))
    if line is None:
        return None
    servers = (_read(IPv4Address, text) for text in _DOTTED.findall(line[1]))
    return tuple(server for server in servers if server is not None)


def _whole(value: Any) -> int | None:
    whole: int | None = _read(lambda text: int(float(text)), value)
    return whole


def _read(reader: Any, value: Any) -> Any:
    """`value` through `reader`; None where it is nothing that the reader knows."""
    try:
        return reader(str(value)) if value not in (None, "") else None
    except ValueError:
        return None


# Field → the answer that tells it.
_TOLD_BY = {
    "powerState": "vm",
    "cpuCount": "vm",
    "vswitchName": "endpoints",
    "vswitchType": "endpoints",
    "ip4Address": "endpoints",
    "ip4PrefixLength": "endpoints",
    "ip4GatewayAddress": "endpoints",
    "acceptOptionalTelemetry": "telemetry",
    "dpsTpm": "dpsTpm",
    "defender": "defender",
    "dnsServers": "dns",
}
_ASLEEP = frozenset({"cpuCount", "dnsServers", "dpsTpm", "defender"})


def _reasons(answers: Answers, state: Mapping[str, Any], facts: Facts) -> Iterator[tuple[str, str]]:
    """Why each field that has no value has none."""
    for name, source in _TOLD_BY.items():
        if state[name] is not None:
            continue
        error = answers[source].error
        if state["powerState"] == OFF and name in _ASLEEP:
            yield name, "the VM is off"
        elif error is not None:
            yield name, f"EFLOW does not answer: {error.message or error.id}"
        else:
            yield name, "the guest leases its address" if name.startswith("ip4") else "EFLOW's answer does not tell it"
    if state["memoryInMB"] is None:
        yield (
            "memoryInMB",
            "no virtual machine of EFLOW's is in Hyper-V"
            if facts.is_server
            else "a client hides the VM's memory, and EFLOW tells only what the guest makes of it",
        )
