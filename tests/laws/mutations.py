"""Seeded mistakes in the kinds: each is one that somebody could make, and that a law or a scenario has to catch. Data for test_mutations.

A mutation patches a module of `reconciler.kinds` (functions look their helpers up when they are called), or gives a kind of its own.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType
from typing import Annotated, Any, Literal

import pytest

from reconciler.core.calls import AnyCall, Call, Unreadable
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Kind, Reboot
from reconciler.core.model import From
from reconciler.core.observations import Ask
from reconciler.kinds import (
    _azure_extension_look,
    _eflow_vm_look,
    azure_vm_extension,
    dhcp_reservation,
    dhcp_scope,
    dhcp_server,
    eflow_provisioning,
    eflow_vm,
    nat_network,
    virtual_switch,
    windows_feature,
)

Change = Callable[[Kind[Any, Any], pytest.MonkeyPatch], Kind[Any, Any]]


@dataclass(frozen=True)
class Mutation:
    """`make` gives the kind as somebody got it wrong."""

    kind: str
    name: str
    make: Change

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


# -- ways of getting it wrong


def patched(module: Any, **names: Any) -> Change:
    """A helper or constant of the kind's module is another."""

    def make(kind: Kind[Any, Any], monkeypatch: pytest.MonkeyPatch) -> Kind[Any, Any]:
        for name, value in names.items():
            monkeypatch.setattr(module, name, value)
        return kind

    return make


def converging(change: Callable[[list[Action]], Iterable[Action]]) -> Change:
    """The kind makes other actions, or in another order."""

    def make(kind: Kind[Any, Any], _: pytest.MonkeyPatch) -> Kind[Any, Any]:
        return replace(kind, converge=lambda *given: change(list(kind.converge(*given))))

    return make


def calling(change: Callable[[AnyCall], AnyCall | None]) -> Change:
    """The kind's actions make other calls; None leaves one out."""

    def one(action: Action) -> Action:
        return replace(action, calls=tuple(made for call in action.calls if (made := change(call)) is not None))

    return converging(lambda actions: map(one, actions))


def asking(change: Callable[[Ask], Ask]) -> Change:
    """The kind's questions are put in another way."""

    def make(kind: Kind[Any, Any], _: pytest.MonkeyPatch) -> Kind[Any, Any]:
        return replace(kind, ask=lambda keys, facts: [change(ask) for ask in kind.ask(keys, facts)])

    return make


def declaring(**annotations: Any) -> Change:
    """Fields of the spec carry other marks."""

    def make(kind: Kind[Any, Any], _: pytest.MonkeyPatch) -> Kind[Any, Any]:
        own = kind.spec
        body = {"__annotations__": annotations, "__module__": own.__module__, "__doc__": own.__doc__}
        defaults = {name: own.model_fields[name].get_default() for name in annotations if not own.model_fields[name].is_required()}
        made: Any = types.new_class(own.__name__, (own,), exec_body=lambda namespace: namespace.update(body | defaults))
        return replace(kind, spec=made)

    return make


def deleting(change: Callable[[list[Action]], Iterable[Action]]) -> Change:
    def make(kind: Kind[Any, Any], _: pytest.MonkeyPatch) -> Kind[Any, Any]:
        assert kind.delete is not None
        take = kind.delete
        return replace(kind, delete=lambda *given: change(list(take(*given))))

    return make


def without(*names: str) -> Callable[[AnyCall], AnyCall | None]:
    return lambda call: None if call.name in names else call


def less(name: str, *parameters: str) -> Callable[[AnyCall], AnyCall]:
    """A cmdlet is called without some parameters."""

    def change(call: AnyCall) -> AnyCall:
        if not isinstance(call, Call) or call.name != name:
            return call
        return replace(call, parameters=MappingProxyType({n: v for n, v in call.parameters.items() if n not in parameters}))

    return change


def other(name: str, **parameters: Any) -> Callable[[AnyCall], AnyCall]:
    """A cmdlet is called with other values, where it is called with them at all."""

    def change(call: AnyCall) -> AnyCall:
        if not isinstance(call, Call) or call.name != name or not parameters.keys() & call.parameters.keys():
            return call
        return replace(call, parameters=MappingProxyType({**call.parameters, **parameters}))

    return change


def hasty(name: str) -> Change:
    """The action waits for nothing."""
    return converging(lambda actions: [replace(a, until={}) if a.name == name else a for a in actions])


def reversed_(actions: list[Action]) -> list[Action]:
    return actions[::-1]


def tolerated(name: str) -> Change:
    """A failed question passes for an answer without objects: absence out of blindness."""
    return asking(lambda ask: replace(ask, absent=("UnauthorizedAccess",)) if ask.call.name == name else ask)


# -- the mistakes


def _exact_key(row: Mapping[str, Any], by_nat: Any) -> Any:
    return Key(str(row["Name"])), _nat_present(row, by_nat)[1]


def _of_ethernet(rows: Any, alias: str) -> Any:
    return _addresses(rows, "ethernet")


_addresses = virtual_switch._addresses
_nat_present = nat_network._present
_shell = _eflow_vm_look._shell


def _in_bytes(answer: Any, facts: Any) -> Any:
    shell = _shell(answer, facts)
    return None if shell is None else replace(shell, memory=shell.memory * 2)


def _another_version(actions: list[Action]) -> list[Action]:
    return [replace(one, until={"version": "9.9.9"}) if one.name == "install" else one for one in actions]


def _start_skipped(actions: list[Action]) -> list[Action]:
    return [action for action in actions if action.name != "start"]


_asks = eflow_vm.asks


def _eflow_asks(facts: Any) -> Mapping[str, Ask]:
    return {name: replace(ask, absent=("UnauthorizedAccess",)) if name == "deployed" else ask for name, ask in _asks(facts).items()}


_look = eflow_provisioning.parse


def _deaf(answers: Any, facts: Any) -> Any:
    try:
        return _look(answers, facts)
    except Unreadable:
        return {}


MUTATIONS: tuple[Mutation, ...] = (
    Mutation("WindowsFeature", "dropped restart", patched(windows_feature, _restart=lambda one: Reboot.NEVER)),
    Mutation("WindowsFeature", "a pending installation counts as none", patched(windows_feature, COMING=frozenset())),
    Mutation("WindowsFeature", "no management tools", calling(less("Install-WindowsFeature", "IncludeManagementTools"))),
    Mutation("WindowsFeature", "refused is absent", asking(lambda ask: replace(ask, absent=("UnauthorizedAccess",)))),
    Mutation("VirtualSwitch", "the address before the switch", converging(reversed_)),
    Mutation("VirtualSwitch", "the late adapter not waited for", hasty("create")),
    Mutation("VirtualSwitch", "switchType not IMMUTABLE", declaring(switchType=Literal["Internal", "Private", "External"])),
    Mutation("VirtualSwitch", "the addresses of another adapter taken for its own", patched(virtual_switch, _addresses=_of_ethernet)),
    Mutation("VirtualSwitch", "wrong addresses stay", calling(without("Remove-NetIPAddress"))),
    Mutation("VirtualSwitch", "refused is absent", tolerated("Get-VMSwitch")),
    Mutation("VirtualSwitch", "another prefix length", calling(other("New-NetIPAddress", PrefixLength=16))),
    Mutation("NatNetwork", "ports that could not be seen are none", tolerated("Get-NetNatStaticMapping")),
    Mutation("NatNetwork", "names compared with case", patched(nat_network, _present=_exact_key)),
    Mutation("NatNetwork", "prefix not IMMUTABLE", declaring(internalIPInterfaceAddressPrefix=Annotated[IPv4Network, From("switchName.ipAddress.network")])),
    Mutation("NatNetwork", "ports published before the old ones go", converging(lambda a: sorted(a, key=lambda one: one.name.startswith("unpublish")))),
    Mutation("NatNetwork", "a mapping removed by a wrong number", calling(other("Remove-NetNatStaticMapping", StaticMappingID=99))),
    Mutation("NatNetwork", "a port that is not the declared one", calling(other("Add-NetNatStaticMapping", ExternalPort=4000))),
    Mutation("DhcpServer", "post-installation flag not set", calling(without("Set-ItemProperty"))),
    Mutation("DhcpServer", "security groups not made", calling(without("Add-DhcpServerSecurityGroup"))),
    Mutation("DhcpServer", "networks of others stay bound", converging(lambda a: [one for one in a if one.name != "unbind"])),
    Mutation("DhcpServer", "bound to the switch's own name", patched(dhcp_server, host_adapter=str)),
    Mutation("DhcpScope", "the absent scope's error not read as absence", patched(dhcp_scope, NO_SCOPE=())),
    Mutation("DhcpScope", "router and DNS swapped", patched(dhcp_scope, ROUTER=6, DNS=3)),
    Mutation("DhcpScope", "options before the scope", converging(reversed_)),
    Mutation("DhcpScope", "mask not IMMUTABLE", declaring(subnetMask=Annotated[IPv4Address, From("switchName.ipAddress.network.netmask")])),
    Mutation("DhcpScope", "DNS servers not cleared", calling(without("Remove-DhcpServerv4OptionValue"))),
    Mutation("DhcpScope", "an exclusion that ends early", calling(other("Add-DhcpServerv4ExclusionRange", EndRange="172.20.10.125"))),
    Mutation("DhcpReservation", "a client that is not given over", calling(less("Set-DhcpServerv4Reservation", "ClientId"))),
    Mutation("DhcpReservation", "the scope's other addresses are not its business", patched(dhcp_reservation, NO_SCOPE=())),
    Mutation("DhcpReservation", "nothing is removed", deleting(lambda actions: ())),
    Mutation("DhcpReservation", "address not in its key", lambda kind, _: replace(kind, key=lambda spec: Key(str(spec.scopeId)))),
    Mutation("EflowVm", "resized while off", converging(_start_skipped)),
    Mutation(
        "EflowVm",
        "waits for a version that never comes",
        converging(lambda a: [replace(x, until={"version": "9.9.9"}) if x.name == "install" else x for x in a]),
    ),
    Mutation("EflowVm", "memory in another unit", patched(_eflow_vm_look, _shell=_in_bytes)),
    Mutation("EflowVm", "deployed without its switch", calling(less("Deploy-Eflow", "vswitchName", "vswitchType"))),
    Mutation("EflowVm", "refused is not deployed", patched(eflow_vm, asks=_eflow_asks)),
    Mutation("EflowProvisioning", "a secret in a detached job", converging(lambda a: [replace(one, long=True) for one in a])),
    Mutation("EflowProvisioning", "asks the person at the console", calling(less("Provision-EflowVm", "headless"))),
    Mutation("EflowProvisioning", "another identity", calling(other("Provision-EflowVm", registrationId="somebody-else"))),
    Mutation("EflowProvisioning", "silence of the guest is absence", lambda kind, _: replace(kind, parse=_deaf)),
    Mutation("AzureVmExtension", "the tag stays when a run is repeated", patched(azure_vm_extension, _tag=lambda want, now, changes: None)),
    Mutation("AzureVmExtension", "a failure passes for done", patched(_azure_extension_look, ENDED_BADLY=("canceled",), DONE=("succeeded", "failed"))),
    Mutation("AzureVmExtension", "forbidden is absent", asking(lambda ask: replace(ask, absent=("AuthorizationFailed",)))),
    Mutation("AzureVmExtension", "the plan's record is left out", lambda kind, _: replace(kind, tag=lambda now, tags: azure_vm_extension.tag(now, now.tags))),
)
