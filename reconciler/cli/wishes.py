"""Which bare machines an emulated estate needs so that the declared hosts can be tried on it.

Each host as its `sku` says, with a card for management and one for every adapter that a switch names; the installers that specs
name are put into the emulated web. Of three or more hosts the last speaks German, because somebody's always does.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.core.resources import Host, Resource
from reconciler.emulator.machine import WebFile
from reconciler.emulator.skus import AdapterWish, HostWish
from reconciler.engine.link import Linked

USUAL = "server-2022"  # where no sku is declared
MANAGEMENT = "Ethernet"
MSI_BYTES = 480 << 20
GERMAN = "de-DE"


def wishes(linked: Linked, languages: dict[str, str]) -> list[HostWish]:
    hosts = list(linked.hosts.values())
    spoken = ({hosts[-1].name: GERMAN} if len(hosts) > 2 else {}) | languages
    return [_wish(host, linked.resources.get(host.name, ()), spoken.get(host.name, "en-US")) for host in hosts]


def _wish(host: Host, resources: Iterable[Resource], language: str) -> HostWish:
    named = [str(name) for r in resources if isinstance(name := getattr(r.spec, "netAdapterName", None), str)]
    adapters = tuple(AdapterWish(name) for name in dict.fromkeys([MANAGEMENT, *named]))
    computer = host.computer_name or host.name[:15].upper()
    return HostWish(host.name, host.sku or USUAL, adapters, language=language, computer_name=computer, address=host.address or None)


def web(linked: Linked) -> dict[str, WebFile]:
    """The installers that the specs name, as the emulated web serves them."""
    found: dict[str, WebFile] = {}
    for resource in (r for each in linked.resources.values() for r in each):
        installer = getattr(resource.spec, "installer", None)
        if installer is not None:
            found[installer.url] = WebFile(MSI_BYTES, str(installer.sha256), str(getattr(resource.spec, "product", "")), str(installer.version))
    return found
