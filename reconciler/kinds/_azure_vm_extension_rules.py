"""Rules of AzureVmExtension alone: what the VM is, what else is on it, what would fail there for certain. Read through its kind.

Sources: azure-extensions 0, 1.6, 2.1, 2.2, 6.3; arm-contract "Verbs", "Rules worth having".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.core.azure import AzureFacts
from reconciler.core.calls import Arm, Cmdlet, Later
from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import Declared, Finding, NotSeen, Rule, World
from reconciler.core.observations import Ask, Facts
from reconciler.kinds._azure_drivers import HPC, INFINIBAND, LINUX
from reconciler.kinds._azure_extension_spec import KIND_NAME

SKUS = Arm("ResourceSkus_List")
GET_RDMA = Cmdlet("Get-NetAdapterRdma")
RDMA_ADAPTERS = Ask(GET_RDMA(select=("Name", "Enabled")))
RDMA = re.compile(r"Standard_[A-Z]+\d+(?:-\d+)?[a-z]*r[a-z]*(?:_|$)")  # a hint only (2.1)
SECRET = re.compile(r"[?&]sig=|password|passwd|secret|accountkey|sastoken", re.IGNORECASE)
UNTRIED = ("2022", "2025")  # not in the driver's own list (2.1)
GONE = ("2012",)


def sku_ask(facts: Facts) -> tuple[Ask, ...]:
    """The facts of this VM's size. Where the list is forbidden the answer is an error, and what reads it waits."""
    if facts.azure is None:
        return ()
    return (Ask(SKUS(where={"resourceType": "virtualMachines", "name": facts.azure.size})),)


def capability(world: World, name: str) -> str | None:
    """What the SKU list says of this VM's size; None where it does not list the size or the fact."""
    (asked,) = sku_ask(world.facts)
    for row in world.answer(asked).objects:
        for one in row.maybe("capabilities") or ():
            if one["name"] == name:
                return str(one["value"])
    return None


def declared(world: World) -> Iterator[Declared[Any]]:
    """Extensions whose handler is known."""
    return (one for one in world.declared(KIND_NAME) if not isinstance(one.spec.publisher, Later) and not isinstance(one.spec.type, Later))


def infiniband(world: World) -> Iterator[Declared[Any]]:
    return (one for one in declared(world) if one.spec.type.casefold() in INFINIBAND and one.spec.publisher.casefold() == HPC.casefold())


def _azure(world: World) -> AzureFacts:
    """What Azure says; asked only where something is declared for it, so that no rule waits for an Azure that a host is not in."""
    if world.facts.azure is None:
        raise NotSeen
    return world.facts.azure


# -- put off


def _stopped(world: World) -> Iterable[Finding]:
    if world.azure is None:
        return  # also where nothing is declared: something on record may be about to be deleted
    azure = _azure(world)
    if azure.stopped:
        yield Finding(
            f"{world.host}/{KIND_NAME}",
            "",
            f"the VM is {azure.power}, and Azure changes no extension of a VM that does not run",
            help="start it; nothing here does",
        )


def _agent(world: World) -> Iterable[Finding]:
    for one in declared(world):
        azure = _azure(world)
        if azure.agent and azure.agent != "Ready":
            yield Finding(one.id, "", f"the VM's agent is {azure.agent}", why="extensions are run by it", help="see that it reaches 168.63.129.16")


# -- what else is on the VM


def _one_a_handler(world: World) -> Iterable[Finding]:
    """Linux may have several."""
    for one in declared(world):
        if _azure(world).os_type == "Linux":
            return
        for key, state in sorted(world.states(KIND_NAME).items()):
            if key != one.name.casefold() and state.handler == one.spec.handler:
                yield Finding(
                    one.id,
                    "type",
                    f"{state.name} is of the same handler ({one.spec.publisher}.{one.spec.type}), and Windows takes one of each",
                    help=f"declare it as {KIND_NAME}/{state.name}: it is then adopted",
                )


def _failed_sibling(world: World) -> Iterable[Finding]:
    """One that this plan mends is whole in the end state that it can reach, and so blocks nobody."""
    for one in declared(world):
        for key, state in sorted(world.states(KIND_NAME).items()):
            if not state.installed and key != one.name.casefold():
                yield Finding(
                    one.id, "", f"extension {state.name} has failed, and Azure changes no other until it is mended", help=f"mend or delete {state.name}"
                )


# -- what would fail


def _handlers_twice(world: World) -> Iterable[Finding]:
    first: dict[str, Declared[Any]] = {}
    for one in declared(world):
        other = first.setdefault(one.spec.handler, one)
        if other is not one:
            told = f"{one.spec.publisher}.{one.spec.type} is declared twice, and Windows takes one extension of a handler"
            yield Finding(one.id, "type", told, also=((other.id, "type", "the first one"),), help="keep one of them")


def _two_secrets(world: World) -> Iterable[Finding]:
    for one in world.declared(KIND_NAME):
        if one.spec.protectedSettings is not None and one.spec.protectedSettingsFromKeyVault is not None:
            yield Finding(one.id, "protectedSettings", "protectedSettings and protectedSettingsFromKeyVault exclude each other", help="keep one of them")


def _no_automatic_upgrade(world: World) -> Iterable[Finding]:
    for one in declared(world):
        if one.spec.enableAutomaticUpgrade and one.spec.publisher.casefold() == HPC.casefold():
            yield Finding(one.id, "enableAutomaticUpgrade", f"{one.spec.publisher} supports no automatic upgrade", help="set enableAutomaticUpgrade: false")


def _another_system(world: World) -> Iterable[Finding]:
    for one in declared(world):
        system = _azure(world).os_type
        linux = one.spec.type.casefold() in LINUX
        windows = one.spec.publisher.casefold() == HPC.casefold() and one.spec.type.casefold().endswith("windows")
        if (linux and system == "Windows") or (windows and system == "Linux"):
            yield Finding(one.id, "type", f"{one.spec.type} is not for {system}, which this VM runs", help="take the driver of its system")


def _no_rdma(world: World) -> Iterable[Finding]:
    for one in infiniband(world):
        if (capability(world, "RdmaEnabled") or "").casefold() == "false":
            yield Finding(
                one.id, "type", f"{_azure(world).size} has no InfiniBand: the driver would end with exit code 100", help="take a size with RdmaEnabled"
            )


def _rdma_unknown(world: World) -> Iterable[Finding]:
    for one in infiniband(world):
        if capability(world, "RdmaEnabled") is None:
            size = _azure(world).size
            hint = "its name says that it has" if RDMA.match(size) else "nor does its name say so"
            yield Finding(one.id, "type", f"Azure does not tell whether {size} has InfiniBand", why=hint)


def _release(world: World) -> str:
    """The year of the server, from what the VM says of itself, or from the image it was made of."""
    azure = _azure(world)
    found = re.search(r"20\d\d", azure.os_name) or re.search(r"20\d\d", azure.image)
    return found[0] if found else ""


def _untried(world: World) -> Iterable[Finding]:
    for one in infiniband(world):
        if one.spec.type.casefold() not in LINUX and _release(world) in UNTRIED:
            yield Finding(
                one.id, "type", f"Windows Server {_release(world)} is not in the driver's own list of systems", why="whether it installs is not documented"
            )


def _too_old(world: World) -> Iterable[Finding]:
    for one in infiniband(world):
        if one.spec.type.casefold() not in LINUX and _release(world) in GONE:
            yield Finding(one.id, "type", f"Windows Server {_release(world)} is not supported by the driver any more", help="take 2016 or 2019")


def _placement(world: World) -> Iterable[Finding]:
    for one in infiniband(world):
        azure = _azure(world)
        if azure.scale_set and azure.single_placement_group is False:
            yield Finding(one.id, "", "the scale set spans placement groups: its instances have no InfiniBand in common", help="singlePlacementGroup: true")


def _not_a_set(world: World) -> Iterable[Finding]:
    for one in world.declared(KIND_NAME):
        for name, default in (("instances", "all"), ("batchSize", None)):
            if getattr(one.spec, name) != default and world.azure is not None and world.azure.vm:
                yield Finding(one.id, name, f"{name} is for scale sets, and {world.host} is one VM", help=f"leave {name} out")


def _rolls_by_itself(world: World) -> Iterable[Finding]:
    for one in world.declared(KIND_NAME):
        chosen = [name for name, default in (("instances", "all"), ("batchSize", None)) if getattr(one.spec, name) != default]
        if chosen and _azure(world).scale_set and _azure(world).upgrade != "Manual":
            told = f"the scale set is in mode {_azure(world).upgrade}: Azure brings its instances along by its own rule"
            yield Finding(one.id, chosen[0], told, help=f"leave {' and '.join(chosen)} out")


# -- what should be known


def _open_secret(world: World) -> Iterable[Finding]:
    for one in world.declared(KIND_NAME):
        for path in _suspicious(one.spec.settings, "settings"):
            yield Finding(
                one.id, "settings", f"{path} looks like a secret, and anybody who may read the VM reads settings", help="write it in protectedSettings"
            )


def _suspicious(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if SECRET.search(name) and isinstance(item, str):
                yield f"{path}.{name}"
            else:
                yield from _suspicious(item, f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for n, item in enumerate(value):
            yield from _suspicious(item, f"{path}.{n}")
    elif isinstance(value, str) and SECRET.search(value):
        yield path


def _waits(world: World) -> Iterable[Finding]:
    for one in declared(world):
        state = world.seen_as(one)
        if state is not None and state.awaitsRestart and one.spec.restart == "never":
            yield Finding(
                one.id, "restart", f"{one.name} asks for a restart (exit code {state.exit})", help="restart the VM when it suits, or set restart: when-asked"
            )


def _unwell(world: World) -> Iterable[Finding]:
    for one in declared(world):
        state = world.seen_as(one)
        if state is not None and state.installed and not state.healthy:
            yield Finding(one.id, "", f"{one.name} is as declared and not well", why=state.said or "its handler reports an error")


def rdma_ask(facts: Facts) -> tuple[Ask, ...]:
    """Of a host in Azure that is reached itself: through Azure alone there is no boot to know it by."""
    return (RDMA_ADAPTERS,) if facts.azure is not None and facts.boot else ()


def _no_adapter(world: World) -> Iterable[Finding]:
    for one in infiniband(world):
        state = world.seen_as(one)
        if not rdma_ask(world.facts) or state is None or not state.installed or state.awaitsRestart:
            continue
        if not any(row["Enabled"] is True for row in world.answer(RDMA_ADAPTERS).objects):
            told = "the driver is installed, and Windows has no enabled adapter with RDMA"
            yield Finding(one.id, "", told, help="see Get-NetAdapterRdma on the VM, and the driver's log")


RULES: tuple[Rule[Any], ...] = (
    Rule("AZR010", Severity.DEFER, "the VM does not run", _stopped),
    Rule("AZR011", Severity.WARNING, "the VM's agent is not ready", _agent),
    Rule("AZR012", Severity.ERROR, "another extension of the same handler", _one_a_handler),
    Rule("AZR013", Severity.ERROR, "a failed extension stands in the way", _failed_sibling),
    Rule("AZR014", Severity.ERROR, "one handler declared twice", _handlers_twice),
    Rule("AZR015", Severity.ERROR, "protected settings from two places", _two_secrets),
    Rule("AZR016", Severity.ERROR, "automatic upgrade of a driver", _no_automatic_upgrade),
    Rule("AZR017", Severity.ERROR, "a driver of another system", _another_system),
    Rule("AZR018", Severity.ERROR, "InfiniBand on a size without it", _no_rdma, asks=sku_ask),
    Rule("AZR019", Severity.WARNING, "InfiniBand on a size that nobody knows", _rdma_unknown, asks=sku_ask),
    Rule("AZR020", Severity.WARNING, "InfiniBand on a system that is not listed", _untried),
    Rule("AZR021", Severity.ERROR, "InfiniBand on a system that is not supported", _too_old),
    Rule("AZR022", Severity.WARNING, "InfiniBand without a placement group of its own", _placement),
    Rule("AZR023", Severity.ERROR, "instances of what is no scale set", _not_a_set),
    Rule("AZR025", Severity.ERROR, "instances of a set that Azure brings along itself", _rolls_by_itself),
    Rule("AZR024", Severity.WARNING, "what looks like a secret in settings", _open_secret),
    Rule("AZR301", Severity.WARNING, "a driver waits for a restart", _waits),
    Rule("AZR302", Severity.WARNING, "an extension that is not well", _unwell),
    Rule("AZR303", Severity.WARNING, "InfiniBand without an enabled adapter", _no_adapter, asks=rdma_ask),
)
