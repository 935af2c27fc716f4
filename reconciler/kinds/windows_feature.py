"""WindowsFeature: a role or feature of Windows Server, an optional feature of Windows client.

Two families of cmdlets do one thing: ServerManager on servers, DISM on clients. A name is written as a server knows it
and translated for clients. Inconvenient: a feature can be installed and yet wait for a restart (`InstallPending` counts as
installed, with the restart owed; `UninstallPending` counts as gone); `RestartNeeded` is a text on servers; a failure may be
an object with `Success` False; management tools are features of their own. Windows is never let restart by itself.

Sources: eflow-domain 3 and 8, windows-outputs Get-WindowsFeature, Get-WindowsOptionalFeature, Install-WindowsFeature.
Unverified: what re-installing does while a removal is pending; which features are the tools of others than Hyper-V and DHCP.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any

from reconciler.core.calls import Answer, Call, Cmdlet, Good
from reconciler.core.capabilities import DHCP_SERVER, HYPER_V, WINNAT, feature_ask, feature_state
from reconciler.core.changes import Changes
from reconciler.core.diagnostics import Severity
from reconciler.core.fieldtypes import SeenName, WindowsName
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Disruption, Finding, Kind, Reboot, Rule, World, span
from reconciler.core.model import FIXED, HOW, From, Model
from reconciler.core.observations import Ask, Capability, Facts, Present

GET = Cmdlet("Get-WindowsFeature", ("Name",))
INSTALL = Cmdlet("Install-WindowsFeature", ("Name", "IncludeManagementTools", "IncludeAllSubFeature", "Source"))
UNINSTALL = Cmdlet("Uninstall-WindowsFeature", ("Name", "IncludeManagementTools"))
GET_OPTIONAL = Cmdlet("Get-WindowsOptionalFeature", ("Online", "FeatureName"))
ENABLE = Cmdlet("Enable-WindowsOptionalFeature", ("Online", "FeatureName", "All", "NoRestart", "Source"))
DISABLE = Cmdlet("Disable-WindowsOptionalFeature", ("Online", "FeatureName", "NoRestart"))

SERVICING = 1800  # seconds a servicing call may take; Windows Update may have to give the payload
NAMES = MappingProxyType({"hyper-v": "Hyper-V", "dhcp": "DHCP"})  # casefolded → as ServerManager spells it
OPTIONAL = MappingProxyType({"hyper-v": "Microsoft-Hyper-V"})  # casefolded server name → a client's feature
TOOLS = MappingProxyType({"hyper-v": ("Hyper-V-Tools", "Hyper-V-PowerShell"), "dhcp": ("RSAT-DHCP",)})
SERVER_ONLY = frozenset({"dhcp"})
PROVIDES: Mapping[str, tuple[Capability, ...]] = MappingProxyType({"hyper-v": (HYPER_V, WINNAT), "dhcp": (DHCP_SERVER,)})
LOSES = MappingProxyType(
    {"hyper-v": "virtual switches of this host and what is attached to them", "dhcp": "scopes, reservations and leases of this DHCP server"}
)

HERE = frozenset({"Installed", "Enabled", "PartiallyInstalled"})
COMING = frozenset({"InstallPending", "EnablePending"})
GOING = frozenset({"UninstallPending", "DisablePending"})


class WindowsFeature(Model):
    """A role or feature that is to be there."""

    name: Annotated[WindowsName, From("metadata.name"), HOW]
    installed: Annotated[bool, FIXED] = True
    includeManagementTools: bool = True
    includeAllSubFeature: Annotated[bool, HOW] = False
    source: Annotated[tuple[str, ...] | None, HOW] = None


class WindowsFeatureState(Model):
    """A feature as the host has it; `name` as this host calls it."""

    name: SeenName
    installed: bool
    includeManagementTools: bool | None


@lru_cache(maxsize=1024)
def plain_name(name: str) -> str:
    """The casefolded name as a server has it: both spellings of one feature are one key."""
    folded = name.casefold()
    return next((server for server, client in OPTIONAL.items() if client.casefold() == folded), folded)


def key(spec: WindowsFeature) -> Key:
    return Key(plain_name(spec.name))


def ask(keys: Collection[Key], facts: Facts) -> Iterable[Ask]:
    return _asks(tuple(sorted(keys)), facts.is_client)


@lru_cache(maxsize=256)
def _asks(keys: tuple[Key, ...], is_client: bool) -> tuple[Ask, ...]:
    """The hosts of a fleet have few sets of features: each is asked for in words that are made once."""
    if is_client:
        select = ("FeatureName", "State")
        names: list[str | None] = [OPTIONAL.get(one, one) for one in keys] or [None]
        return tuple(Ask(GET_OPTIONAL(Online=True, FeatureName=name, select=select)) for name in names)
    installed = Ask(GET(Name=[NAMES.get(one, one) for one in keys] or None, select=("Name", "InstallState")))
    tools = [tool for one in keys or sorted(TOOLS) for tool in TOOLS.get(one, ())]
    return (installed, Ask(GET(Name=tools, select=("Name", "InstallState")))) if tools else (installed,)


def parse(answers: Sequence[Answer], facts: Facts) -> Mapping[Key, Present[WindowsFeatureState]]:
    if facts.is_client:
        rows = [(str(row["FeatureName"]), str(row["State"])) for answer in answers for row in answer.objects]
        return dict(_present(name, state, {}, facts) for name, state in rows if state in HERE | COMING | GOING)
    tools = {str(row["Name"]).casefold(): str(row["InstallState"]) for answer in answers[1:] for row in answer.objects}
    rows = [(str(row["Name"]), str(row["InstallState"])) for row in answers[0].objects]
    return dict(_present(name, state, tools, facts) for name, state in rows if state in HERE | COMING | GOING)


def _present(name: str, state: str, tools: Mapping[str, str], facts: Facts) -> tuple[Key, Present[WindowsFeatureState]]:
    one = Key(plain_name(name))
    with_tools = True if facts.is_client else _tools(one, tools)
    unseen = {} if with_tools is not None else {"includeManagementTools": f"which features are the tools of {name} is not known"}
    waits = f"{name} is {state}: it takes a restart" if state in COMING | GOING else None
    seen = WindowsFeatureState(name=SeenName(name), installed=state not in GOING, includeManagementTools=with_tools)
    return one, Present(seen, unseen=unseen, reboot=waits)


def _tools(one: str, states: Mapping[str, str]) -> bool | None:
    """Whether all tools of a feature are there; None where this host or this product knows none of them."""
    seen = [states[tool.casefold()] for tool in TOOLS.get(one, ()) if tool.casefold() in states]
    return all(state in HERE | COMING for state in seen) if seen else None


def converge(want: WindowsFeature, now: WindowsFeatureState | None, changes: Changes[WindowsFeatureState], facts: Facts) -> Iterable[Action]:
    one = key(want)
    if now is None or not now.installed:
        yield Action(
            "install",
            f"install {_name(one, want.name, facts)}",
            (_install(one, want, facts),),
            usual=span(60, 180) if one == "hyper-v" else span(60, 120),
            reboot=_restart(one),
            until={"installed": True},
            within=timedelta(seconds=SERVICING),
            long=True,
        )
    elif "includeManagementTools" in changes and facts.is_server:
        yield _tooling(one, want, now, facts)


def _tooling(one: str, want: WindowsFeature, now: WindowsFeatureState, facts: Facts) -> Action:
    """Install or remove the tools alone; the feature itself is there."""
    success = Good(returns={"Success": True})
    gone = UNINSTALL(Name=list(TOOLS.get(one, ())), select=("Success",), good=success, seconds=SERVICING)
    call = _install(one, want, facts) if want.includeManagementTools else gone
    verb = "install" if want.includeManagementTools else "remove"
    summary = f"{verb} the management tools of {now.name}"
    return Action(f"{verb} tools", summary, (call,), usual=span(20, 90), reboot=Reboot.POSSIBLE, within=timedelta(seconds=SERVICING), long=True)


def _install(one: str, want: WindowsFeature, facts: Facts) -> Call:
    source = list(want.source) if want.source else None
    name = _name(one, want.name, facts)
    if facts.is_client:
        return ENABLE(Online=True, FeatureName=name, All=True, NoRestart=True, Source=source, select=("RestartNeeded",), seconds=SERVICING)
    return INSTALL(
        Name=name,
        IncludeManagementTools=want.includeManagementTools or None,
        IncludeAllSubFeature=want.includeAllSubFeature or None,
        Source=source,
        select=("Success", "RestartNeeded", "ExitCode"),
        good=Good(returns={"Success": True}),
        seconds=SERVICING,
    )


def _name(one: str, written: str, facts: Facts) -> str:
    """What this host calls the feature; the real name stands in every call and summary."""
    return OPTIONAL.get(one, str(written)) if facts.is_client else NAMES.get(one, str(written))


def _restart(one: str) -> Reboot:
    return Reboot.NEEDED if one == "hyper-v" else Reboot.POSSIBLE


def delete(now: WindowsFeatureState, facts: Facts) -> Iterable[Action]:
    one = plain_name(now.name)
    if not now.installed:
        return
    if facts.is_client:
        call = DISABLE(Online=True, FeatureName=str(now.name), NoRestart=True, select=("RestartNeeded",), seconds=SERVICING)
    else:
        select, good = ("Success", "RestartNeeded", "ExitCode"), Good(returns={"Success": True})
        call = UNINSTALL(Name=str(now.name), IncludeManagementTools=now.includeManagementTools or None, select=select, good=good, seconds=SERVICING)
    lost = LOSES.get(one, f"what {now.name} keeps in its configuration")
    yield Action(
        "uninstall",
        f"uninstall {now.name}",
        (call,),
        usual=span(60, 240),
        disruption=Disruption.SERVICE,
        reboot=_restart(one),
        within=timedelta(seconds=SERVICING),
        long=True,
        loses=(lost,),
    )


def evidence(want: WindowsFeature, facts: Facts) -> Iterable[Ask]:
    one = key(want)
    yield feature_ask(NAMES.get(one, str(want.name)), OPTIONAL.get(one, str(want.name)), facts)


def _server_only(world: World) -> Iterable[Finding]:
    for declared in world.declared("WindowsFeature"):
        if key(declared.spec) in SERVER_ONLY and world.sku.startswith("client"):
            yield Finding(
                declared.id, "", f"{declared.name} is a role of Windows Server, and {world.host} is a client", help="take it away here, or correct sku"
            )


def _needs_tools(world: World) -> Iterable[Finding]:
    for declared in world.declared("WindowsFeature"):
        if key(declared.spec) == "hyper-v" and not declared.spec.includeManagementTools:
            yield Finding(
                declared.id,
                "includeManagementTools",
                "Hyper-V without its management tools cannot be looked at",
                why="switches, VMs and the role's own health are read through its PowerShell module",
                help="leave includeManagementTools out",
            )


def _no_tools_apart(world: World) -> Iterable[Finding]:
    for declared in world.declared("WindowsFeature"):
        if not declared.spec.includeManagementTools and key(declared.spec) != "hyper-v" and world.sku.startswith("client"):
            yield Finding(declared.id, "includeManagementTools", "a client's feature has no management tools apart", help="leave includeManagementTools out")


def _not_known(world: World) -> Iterable[Finding]:
    """An unknown name answers nothing, without an error; a known one answers whatever its state (windows-outputs of both cmdlets).

    Read from the answers that the look itself rests on: where others were asked for along (on record, declared no more), nothing is said.
    """
    declared = world.declared("WindowsFeature")
    there = world.seen("WindowsFeature") if declared else {}
    known: set[str] = set()
    for asked in _states_of([key(one.spec) for one in declared], world) if declared else ():
        known |= {plain_name(str(row["FeatureName" if world.facts.is_client else "Name"])) for row in world.answer(asked).objects}
    for one in declared:
        if key(one.spec) not in known and key(one.spec) not in there:
            lists = "Get-WindowsOptionalFeature -Online" if world.facts.is_client else "Get-WindowsFeature"
            yield Finding(
                one.id,
                "",
                f"{world.host} knows no feature {one.spec.name}",
                why="Windows answers nothing when it is asked for one of that name, and would refuse to install it",
                help=f"{lists} on the host lists the names that this Windows knows",
            )


def _states_of(keys: Sequence[Key], world: World) -> Sequence[Ask]:
    asks = _asks(tuple(sorted(set(keys))), world.facts.is_client)
    return asks if world.facts.is_client else asks[:1]


def _payload_asks(facts: Facts) -> Iterable[Ask]:
    yield feature_ask("Hyper-V", "Microsoft-Hyper-V", facts)
    yield feature_ask("DHCP", "DHCP", facts)


def _payload_gone(world: World) -> Iterable[Finding]:
    for declared in world.declared("WindowsFeature"):
        one: Any = key(declared.spec)
        if one not in NAMES or declared.spec.source or one in world.seen("WindowsFeature"):
            continue
        asked = feature_ask(NAMES[one], OPTIONAL.get(one, NAMES[one]), world.facts)
        if feature_state(world.answer(asked), world.facts) in ("Removed", "DisabledWithPayloadRemoved"):
            yield Finding(
                declared.id,
                "source",
                f"the files of {declared.name} were taken off this host",
                why="Windows then looks at a policy's source and at Windows Update; without either the installation fails (0x800f0906)",
                help="name where they are: source: [D:\\sources\\sxs]",
            )


KIND = Kind(
    WindowsFeature,
    WindowsFeatureState,
    key=key,
    ask=ask,
    parse=parse,
    converge=converge,
    delete=delete,
    provides=lambda spec: PROVIDES.get(key(spec), ()),
    evidence=evidence,
    rules=(
        Rule("HYP001", Severity.ERROR, "a server role declared on a client", _server_only),
        Rule("HYP002", Severity.ERROR, "Hyper-V without its management tools", _needs_tools),
        Rule("HYP003", Severity.WARNING, "the files of a feature were removed and no source is named", _payload_gone, asks=_payload_asks),
        Rule("HYP004", Severity.ERROR, "management tools left out on a client", _no_tools_apart),
        Rule("HYP005", Severity.ERROR, "a feature that this Windows does not know", _not_known),
    ),
    words=(GET, INSTALL, UNINSTALL, GET_OPTIONAL, ENABLE, DISABLE),
    title="a role or feature of Windows, with the restart it may need",
    keep=True,
)
