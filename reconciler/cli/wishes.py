"""Which bare machines an emulated estate needs so that the declared hosts can be tried on it.

Each host as its `sku` says, with a card for management and one for every adapter that a switch names; the installers that specs
name are put into the emulated web. Of three or more hosts the last speaks German, because somebody's always does. An estate grows
with the specs: what is missing is added, and no machine that is there is changed otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.cli.azurewishes import NESTING, populate, size
from reconciler.core.resources import Host, Resource
from reconciler.emulator.estate import Estate
from reconciler.emulator.machine import WebFile
from reconciler.emulator.skus import AdapterWish, HostWish, plug
from reconciler.engine.link import Linked

USUAL = "server-2022"  # where no sku is declared
MANAGEMENT = "Ethernet"
MSI_BYTES = 480 << 20
GERMAN = "de-DE"


def wishes(linked: Linked, languages: dict[str, str]) -> list[HostWish]:
    hosts = [host for host in linked.hosts.values() if host.connected]
    spoken = ({hosts[-1].name: GERMAN} if len(hosts) > 2 else {}) | languages
    return [_wish(host, linked.resources.get(host.name, ()), spoken.get(host.name, "en-US")) for host in hosts]


def _wish(host: Host, resources: Iterable[Resource], language: str) -> HostWish:
    resources = tuple(resources)
    named = [str(name) for r in resources if isinstance(name := getattr(r.spec, "netAdapterName", None), str)]
    adapters = tuple(AdapterWish(name) for name in dict.fromkeys([MANAGEMENT, *named]))
    computer = host.computer_name or host.name[:15].upper()
    wish = HostWish(host.name, host.sku or USUAL, adapters, language=language, computer_name=computer, address=host.address or None)
    if host.azure is None:
        return wish
    return replace(wish, platform="azure", nested=size(r.spec for r in resources) in NESTING)


def web(linked: Linked) -> dict[str, WebFile]:
    """The installers that the specs name, as the emulated web serves them."""
    found: dict[str, WebFile] = {}
    for resource in (r for each in linked.resources.values() for r in each):
        installer = getattr(resource.spec, "installer", None)
        if installer is not None:
            found[installer.url] = WebFile(MSI_BYTES, str(installer.sha256), str(getattr(resource.spec, "product", "")), str(installer.version))
    return found


@dataclass(frozen=True, slots=True)
class Growth:
    """What an estate lacked, one sentence each; `other`: machines that are of another kind than the specs say now."""

    machines: tuple[str, ...]
    adapters: tuple[str, ...]
    installers: tuple[str, ...]
    other: tuple[str, ...]
    azure: tuple[str, ...] = ()

    @property
    def added(self) -> tuple[str, ...]:
        return (*self.machines, *self.adapters, *self.installers, *self.azure)


def grow(estate: Estate, wanted: Iterable[HostWish], linked: Linked) -> Growth:
    """Adds hosts, network cards, installers, and what is in Azure, where the estate lacks it."""
    files = web(linked)
    machines, adapters, other = [], [], []
    for wish in wanted:
        machine = estate.machines.get(wish.name)
        if machine is None:
            estate.add(wish)
            machines.append(f"{wish.name}, a bare machine ({wish.sku})")
            continue
        adapters += [f"{wish.name}, the network card {name}" for name in plug(machine, wish.adapters)]
        if machine.sku != wish.sku:
            other.append(f"{wish.name} stays {machine.sku}; the specs say {wish.sku}")
    new = {url: file for url, file in files.items() if estate.site.web.get(url) != file}
    estate.site.web.update(new)
    installers = tuple(f"the installer at {url}" for url in sorted(new))
    return Growth(tuple(machines), tuple(adapters), installers, tuple(other), populate(estate, linked))
