"""An emulated estate behind real sockets: every host on a loopback address of its own, WinRM on its HTTP and its HTTPS port.

    async with serve(estate) as endpoint:
        endpoint.address("kiosk-01").https, endpoint.ca, endpoint.credentials

Tests and `reconcile emulate serve` use it. It listens on loopback only, and ends with the block.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network
from pathlib import Path

from reconciler.emulator.estate import Estate, EstateError
from reconciler.emulator.sockets.certificates import Authority, Pair
from reconciler.emulator.winrm.host import EmulatedHost
from reconciler.emulator.winrm.listener import Listener, Tls
from reconciler.emulator.winrm.pace import WorkClock
from reconciler.emulator.winrm.programs import Launcher
from reconciler.emulator.winrm.psrp import Psrp
from reconciler.emulator.winrm.service import Resource, Service
from reconciler.emulator.winrm.settings import DEFAULTS, Account, Settings
from reconciler.emulator.winrm.signin import Accounts
from reconciler.emulator.winrm.troubles import Trouble, Troubles
from reconciler.emulator.winrm.wmi import Wmi

WATCH = 0.02  # real seconds between two looks at which hosts are up


@dataclass(frozen=True, slots=True)
class Address:
    """Where a host is reached."""

    ip: str
    http: int
    https: int

    @property
    def http_url(self) -> str:
        return f"http://{self.ip}:{self.http}/wsman"

    @property
    def https_url(self) -> str:
        return f"https://{self.ip}:{self.https}/wsman"


@dataclass
class Endpoint:
    """`ca` is the PEM file that clients verify hosts with; `client` signs in as the first account by certificate; `psrp` registers session configurations."""

    ca: Path
    client: Pair
    credentials: Account
    psrp: Psrp = field(default_factory=Psrp)
    _listeners: dict[str, Listener] = field(default_factory=dict)

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(self._listeners)

    def address(self, host: str) -> Address:
        found = self._listener(host)
        return Address(found.address, found.http, found.https)

    def trouble(self, host: str, *troubles: Trouble) -> None:
        """Puts troubles on a host; they meet the requests to come."""
        self._listener(host).host.troubles.items.extend(troubles)

    def heal(self, host: str) -> None:
        self._listener(host).host.troubles.items.clear()

    def counts(self, host: str | None = None) -> Mapping[str, int]:
        """Requests, connections, handshakes, processes, modules, executions and verbs so far, of one host or of all."""
        found = [self._listener(host)] if host is not None else list(self._listeners.values())
        total: Counter[str] = Counter()
        for listener in found:
            total.update(listener.host.counts)
        return total

    def service(self, host: str) -> Service:
        return self._listener(host).service

    def drop_connections(self, host: str) -> None:
        """Every connection to the host is reset now, as after a firewall forgot them."""
        self._listener(host).cut()

    def _listener(self, host: str) -> Listener:
        found = self._listeners.get(host)
        if found is None:
            raise EstateError(f"the endpoint serves no host {host}")
        return found

    async def watch(self) -> None:
        while True:
            for listener in self._listeners.values():
                await listener.watch()
            await asyncio.sleep(WATCH)


@asynccontextmanager
async def serve(
    estate: Estate,
    settings: Settings = DEFAULTS,
    *,
    network: str = "127.86.0.0/16",
    http: int = 0,
    https: int = 0,
    each: Mapping[str, Settings] | None = None,
    launchers: Sequence[Launcher] = (),
    resources: Sequence[Resource] = (),
    folder: Path | None = None,
) -> AsyncIterator[Endpoint]:
    """Serves every host of the estate, in the order of names. `each` has other settings for some; ports of 0 are free ones.

    Certificates and keys go to `folder`, or to one that is gone afterwards.
    """
    with _folder(folder) as keys:
        authority = Authority(keys)
        account = settings.accounts[0]
        client, shown = authority.client(account.user)
        endpoint = Endpoint(authority.file, client, account)
        clock = WorkClock(estate.clock, settings.pace)
        accounts: list[Accounts] = []
        beside = []
        try:
            for name, ip in zip(sorted(estate.machines), _addresses(network, len(estate.machines)), strict=True):
                own = (each or {}).get(name, settings)
                host = EmulatedHost(name, estate, clock, own, Troubles(f"{own.seed}/{name}"))
                accounts.append(Accounts(own.accounts, (name, host.machine.computer_name)))
                pair, binding = authority.host(name, ip)
                tls = Tls(authority.context(pair), binding, {shown: account.user})
                endpoint._listeners[name] = Listener(host, accounts[-1], ip, tls, http, https, launchers, (*resources, endpoint.psrp, Wmi()))
                await endpoint._listeners[name].watch()
            beside = [asyncio.create_task(endpoint.watch()), asyncio.create_task(clock.run())]
            yield endpoint
        finally:
            await _end(endpoint, beside, accounts)


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="emulated-winrm-") as folder:
        yield Path(folder)


async def _end(endpoint: Endpoint, beside: Sequence[asyncio.Task[None]], accounts: Sequence[Accounts]) -> None:
    for task in beside:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*beside, return_exceptions=True)
    try:
        for listener in endpoint._listeners.values():
            await listener.close()
    finally:
        for known in accounts:
            known.remove()


def _addresses(network: str, count: int) -> list[str]:
    """So many addresses of the network, which must be loopback: an emulated host is nobody else's business."""
    found = ip_network(network, strict=False)
    if not isinstance(found, IPv4Network) or not found.is_loopback or found.num_addresses - 2 < count:
        raise EstateError(f"{network} is no loopback network with room for {count} hosts")
    return [str(found[number]) for number in range(1, count + 1)]
