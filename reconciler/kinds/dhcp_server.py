"""DhcpServer: what makes the DHCP role usable, and where it answers.

The role alone is not enough: the security groups must be made, the service restarted, and ServerManager told that its
post-installation tasks are done. Until then the role says `PostConfigurationNeeded`, and this resource counts as absent: the
flag is written last, so that a half-made server is made again. By default the service answers on every adapter with a fixed
address, the corporate LAN too: `bindings` names the switches where it may, gathered from the scopes; every other interface is
unbound. In a domain it leases nothing before it is authorized in the directory, which is declared, never assumed, and needs
rights there and a second hop from the session.

Sources: eflow-domain 3 (rows 8 and 13), windows-outputs Get-DhcpServerv4Binding, Get-DhcpServerSetting, Get-WindowsFeature.
Unverified: that adapters with a leased address are not listed as interfaces; that Remove-DhcpServerInDC without a name means this server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from reconciler.core.calls import Answer, Call, Cmdlet
from reconciler.core.capabilities import DHCP_SERVER
from reconciler.core.changes import Changes
from reconciler.core.diagnostics import Severity
from reconciler.core.fieldtypes import SeenName, WindowsName
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Disruption, Finding, Kind, Rule, World, span
from reconciler.core.model import FIXED, Gather, Model, Ref
from reconciler.core.observations import Ask, Facts, Present
from reconciler.kinds._host_network import host_adapter, is_host_adapter

GET_FEATURE = Cmdlet("Get-WindowsFeature", ("Name",))
GET_SETTING = Cmdlet("Get-DhcpServerSetting")
GET_BINDING = Cmdlet("Get-DhcpServerv4Binding")
SET_BINDING = Cmdlet("Set-DhcpServerv4Binding", ("InterfaceAlias", "BindingState"))
ADD_GROUPS = Cmdlet("Add-DhcpServerSecurityGroup")
RESTART = Cmdlet("Restart-Service", ("Name", "Force"))
SET_VALUE = Cmdlet("Set-ItemProperty", ("LiteralPath", "Name", "Type", "Value"))
AUTHORIZE = Cmdlet("Add-DhcpServerInDC")
WITHDRAW = Cmdlet("Remove-DhcpServerInDC")

ROLE = r"HKLM:\SOFTWARE\Microsoft\ServerManager\Roles\12"  # DHCP among ServerManager's roles
CONFIGURED = 2
KEY = Key("dhcpserver")
SETTING = Ask(GET_SETTING(select=("IsDomainJoined", "IsAuthorized")), requires=DHCP_SERVER, tolerate=True)


class Switches(tuple[SeenName, ...]):
    """Names of switches without an order: equal to any tuple of the same names."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple) and self._folded() == Switches(other)._folded()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._folded())

    def _folded(self) -> frozenset[str]:
        return frozenset(one.casefold() for one in self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls)


class DhcpServer(Model):
    """The DHCP role, made usable and kept to its networks."""

    configured: Annotated[bool, FIXED] = True
    bindings: Annotated[tuple[WindowsName, ...] | None, Gather("DhcpScope.switchName"), Ref("VirtualSwitch")] = None
    authorizedInDC: bool | None = None


class DhcpServerState(Model):
    """The server as it is. `bindings`: the switches where it answers; an adapter that is no switch is written `adapter NAME`."""

    configured: bool
    bindings: Switches
    authorizedInDC: bool
    interfaces: tuple[str, ...]  # as Windows calls what is bound


ASKS = (
    Ask(GET_FEATURE(Name="DHCP", select=("Name", "PostConfigurationNeeded")), requires=DHCP_SERVER),
    Ask(GET_SETTING(select=("IsDomainJoined", "IsAuthorized")), requires=DHCP_SERVER),
    Ask(GET_BINDING(select=("InterfaceAlias", "BindingState")), requires=DHCP_SERVER),
)


def ask(keys: Collection[Key], facts: Facts) -> Iterable[Ask]:
    return ASKS


def parse(answers: Sequence[Answer], facts: Facts) -> Mapping[Key, Present[DhcpServerState]]:
    feature, setting, binding = answers
    if not setting.objects or any(row["PostConfigurationNeeded"] for row in feature.objects):
        return {}
    bound = sorted((str(row["InterfaceAlias"]) for row in binding.objects if row["BindingState"]), key=str.casefold)
    server = setting.objects[0]
    state = DhcpServerState(
        configured=True,
        bindings=Switches(SeenName(_switch(alias)) for alias in bound),
        authorizedInDC=bool(server["IsDomainJoined"] and server["IsAuthorized"]),
        interfaces=tuple(bound),
    )
    return {KEY: Present(state)}


def _switch(alias: str) -> str:
    return alias[len("vEthernet (") : -1] if is_host_adapter(alias) and alias.endswith(")") else f"adapter {alias}"


def converge(want: DhcpServer, now: DhcpServerState | None, changes: Changes[DhcpServerState], facts: Facts) -> Iterable[Action]:
    if now is None:
        yield _configure(want.bindings or ())
    elif "bindings" in changes:
        yield from _bind(want.bindings or (), now)
    if want.authorizedInDC and (now is None or "authorizedInDC" in changes):
        yield Action("authorize", "authorize this DHCP server in the domain", (AUTHORIZE(),), usual=span(2, 20), until={"authorizedInDC": True})
    if want.authorizedInDC is False and now is not None and "authorizedInDC" in changes:
        yield Action("withdraw", "withdraw this DHCP server's authorization", (WITHDRAW(),), usual=span(2, 20), disruption=Disruption.SERVICE)


def _configure(bindings: Sequence[str]) -> Action:
    """The flag last: whoever is cut off before it starts over, and every call may be repeated."""
    calls: list[Call] = [ADD_GROUPS()]
    if bindings:
        calls.append(SET_BINDING(InterfaceAlias=[host_adapter(one) for one in bindings], BindingState=True))
    calls += [RESTART(Name="dhcpserver", Force=True), SET_VALUE(LiteralPath=ROLE, Name="ConfigurationState", Type="DWord", Value=CONFIGURED)]
    told = f", answer on {', '.join(bindings)}" if bindings else ""
    return Action(
        "configure",
        f"make the DHCP server's security groups{told}, restart it",
        tuple(calls),
        usual=span(10, 30),
        until={"configured": True},
        within=timedelta(seconds=60),
    )


def _bind(bindings: Sequence[str], now: DhcpServerState) -> Iterable[Action]:
    wanted = [host_adapter(one) for one in bindings]
    held = {one.casefold() for one in now.interfaces}
    missing = [one for one in wanted if one.casefold() not in held]
    extra = [one for one in now.interfaces if one.casefold() not in {name.casefold() for name in wanted}]
    if missing:
        yield Action("bind", f"answer on {', '.join(missing)}", (SET_BINDING(InterfaceAlias=missing, BindingState=True),), usual=span(2, 5))
    if extra:
        call = SET_BINDING(InterfaceAlias=extra, BindingState=False)
        yield Action("unbind", f"answer no more on {', '.join(extra)}", (call,), usual=span(2, 5), disruption=Disruption.SERVICE)


def _domain_says_nothing(world: World) -> Iterable[Finding]:
    for declared in world.declared("DhcpServer"):
        if declared.spec.authorizedInDC is None and any(row["IsDomainJoined"] and not row["IsAuthorized"] for row in world.answer(SETTING).objects):
            yield Finding(
                declared.id,
                "authorizedInDC",
                f"{world.host} is in a domain, and its DHCP server is not authorized there",
                why="such a server leases no address until it is",
                help="authorizedInDC: true (needs rights in the directory), or false if somebody else sees to it",
            )


def _no_domain(world: World) -> Iterable[Finding]:
    for declared in world.declared("DhcpServer"):
        if declared.spec.authorizedInDC and any(not row["IsDomainJoined"] for row in world.answer(SETTING).objects):
            yield Finding(declared.id, "authorizedInDC", f"{world.host} is in no domain that could authorize its DHCP server", help="take authorizedInDC away")


KIND = Kind(
    DhcpServer,
    DhcpServerState,
    key=lambda spec: KEY,
    ask=ask,
    parse=parse,
    converge=converge,
    requires=lambda spec: (DHCP_SERVER,),
    rules=(
        Rule("DHC010", Severity.WARNING, "DHCP server of a domain that is not authorized", _domain_says_nothing, asks=lambda facts: (SETTING,)),
        Rule("DHC011", Severity.ERROR, "authorization without a domain", _no_domain, asks=lambda facts: (SETTING,)),
    ),
    words=(GET_FEATURE, GET_SETTING, GET_BINDING, SET_BINDING, ADD_GROUPS, RESTART, SET_VALUE, AUTHORIZE, WITHDRAW),
    title="the DHCP server: security groups, the networks it answers on, its authorization",
    singleton=True,
    keep=True,
    half_made="the role is there, and its post-installation tasks are not done, or not all of them",
)
