"""What the tests of both EFLOW kinds stand on: facts, answers as EFLOW gives them, specs, changes, and a world for rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from reconciler.core.calls import Answer, Call, CallError, Row
from reconciler.core.changes import Cause, Change, Changes
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Declared, Finding, NotSeen, Rule, World
from reconciler.core.observations import Ask, Facts
from reconciler.kinds import eflow_vm
from reconciler.kinds._eflow_vm_spec import EflowVm
from reconciler.signatures.check import check_call

T = TypeVar("T")
SERVER = Facts("EDGE-01", "u", "m", "Microsoft Windows Server 2022 Standard", "10.0.20348", 20348, 3)
CLIENT = Facts("KIOSK-04", "u", "m", "Microsoft Windows 11 Pro", "10.0.22631", 22631, 1)

CODE = "{1B0C9F1E-0000-4000-8000-0123456789AB}"
SHA = "9F2C4A7BE01D5C6688A3F0F2B7C9D1E45A60718293A4B5C6D7E8F9012345ABCD"
VHDX = r"C:\Program Files\Azure IoT Edge\AzureIoTEdgeForLinux-v1-EFLOW.vhdx"
INSTALLER = {"url": "https://files.example.net/eflow/AzureIoTEdge_LTS_1.5.3.12025_X64.msi", "sha256": SHA, "version": "1.5.3.12025"}
MINIMAL = {"product": "1.5 LTS", "version": ">=1.5.3.12025", "installer": INSTALLER, "acceptEula": "Yes", "vswitchName": "eflow"}
STATIC = {"ip4Address": "172.20.10.2", "ip4PrefixLength": 24, "ip4GatewayAddress": "172.20.10.1", "dnsServers": ["10.30.0.53"]}

FAILED = Answer(error=CallError("Unverified,Get-EflowVm", "NotSpecified", "x509: certificate has expired or is not yet valid"))


def spec(**more: Any) -> EflowVm:
    return EflowVm.model_validate({"vswitchType": "Internal", **MINIMAL, **more})


def rows(*values: Mapping[str, Any]) -> Answer:
    return Answer(tuple(Row(value) for value in values))


def plain(*values: Any) -> Answer:
    return Answer(values)


def product(version: str = "1.5.3.12025", code: str = CODE, name: str = "Azure IoT Edge LTS") -> dict[str, Any]:
    return {"PSChildName": code, "DisplayName": name, "DisplayVersion": version}


def running(**more: Any) -> Answer:
    return rows({"VmPowerState": "Running", "SystemStatistics": Row({"CpuCount": 2, "TotalStorageMb": 20480, "UsedStorageMb": 7270}), **more})


OFF = rows({"VmPowerState": "Off", "SystemStatistics": None})
MACHINE = {"Name": "EDGE-01-EFLOW", "State": "Running", "MemoryStartup": 4096 * 2**20}


def endpoint(**more: Any) -> Answer:
    config = {"Address": "172.20.10.2", "PrefixLength": 24, "Gateway": "172.20.10.1", "AllocationMethod": "Static", "SubNet": "eflow", **more}
    return rows({"Name": "EDGE-01-EFLOWInterface", "MacAddress": "00:15:5d:01:02:03", "GuestInterfaceName": "eth0", "IpConfiguration": Row(config)})


def bare_host() -> dict[str, Answer]:
    """A host without EFLOW: the module is not there, so what needs it was not asked."""
    names = ("disks", "switches", "deployed", "shells", "vm", "endpoints", "telemetry", "dpsTpm", "defender", "dns")
    return {"products": rows({"PSChildName": "7-Zip", "DisplayName": "7-Zip 23.01", "DisplayVersion": "23.01"}), **dict.fromkeys(names, Answer())}


def msi_only() -> dict[str, Answer]:
    return bare_host() | {"products": rows(product()), "deployed": plain(False), "vm": FAILED, "endpoints": FAILED, "dns": FAILED}


def deployed(**more: Answer) -> dict[str, Answer]:
    return {
        "products": rows(product()),
        "disks": rows({"FullName": VHDX}),
        "switches": rows({"Name": "eflow", "SwitchType": "Internal"}),
        "deployed": plain("[11/24/2026] banner", True),
        "shells": rows({"Name": "other", "State": "Off", "MemoryStartup": 2**30}, MACHINE),
        "vm": running(),
        "endpoints": endpoint(),
        "telemetry": plain("Required"),
        "dpsTpm": plain(False),
        "defender": FAILED,
        "dns": plain("Link 2 (eth0): 10.30.0.53 10.30.0.54"),
        **more,
    }


def answers(named: Mapping[str, Answer], facts: Facts = SERVER) -> list[Answer]:
    """In the order of the questions."""
    return [named[name] for name in eflow_vm.asks(facts)]


def changed(cause: Cause = Cause.CHANGE, **after: Any) -> Changes[Any]:
    return Changes(tuple(Change(name, None, value, cause) for name, value in after.items()))


def called(actions: Iterable[Action]) -> list[tuple[str, list[str]]]:
    """Action names with the names of their calls; every call is held against the official signatures on the way."""
    out = []
    for action in actions:
        for call in (*action.calls, *action.undo):
            assert check_call(call) == []
        out.append((action.name, [call.name.rpartition("\\")[2] for call in action.calls]))
    return out


def parameters(action: Action, call: int = 0) -> dict[str, Any]:
    said = action.calls[call]
    assert isinstance(said, Call)
    return dict(said.parameters)


@dataclass
class One:
    id: str
    name: str
    spec: Any


@dataclass
class FakeWorld:
    """A host as rules see it. What is None was not looked at."""

    resources: Mapping[str, Sequence[One]]
    sku_: str | None = None
    facts_: Facts | None = None
    states_: Mapping[str, Mapping[Key, Any]] | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)  # by class name

    azure: None = None

    @property
    def host(self) -> str:
        return "edge-01"

    @property
    def sku(self) -> str:
        if self.sku_ is None:
            raise NotSeen
        return self.sku_

    @property
    def facts(self) -> Facts:
        if self.facts_ is None:
            raise NotSeen
        return self.facts_

    def declared(self, kind: str) -> Sequence[One]:
        return self.resources.get(kind, ())

    def states(self, kind: str) -> Mapping[Key, Any]:
        return self.seen(kind)

    def seen(self, kind: str) -> Mapping[Key, Any]:
        if self.states_ is None:
            raise NotSeen
        return self.states_.get(kind, {})

    def seen_as(self, one: Declared[Any]) -> Any:
        raise NotSeen

    def ends_as(self, one: Declared[Any]) -> Any:
        raise NotSeen

    def answer(self, ask: Ask) -> Answer:
        assert isinstance(ask.call, Call)
        try:
            return self.answers[ask.call.parameters["ClassName"]]
        except KeyError:
            raise NotSeen from None

    def once(self, read: Callable[[World], T]) -> T:
        return read(self)


def findings(rule: Rule[Any], world: FakeWorld) -> list[Finding]:
    return list(rule.check(world))
