"""An emulated estate over sockets, and our own sessions with it: what the tests here begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from reconciler.core.calls import Cmdlet, Secret
from reconciler.core.resources import Connection, Host
from reconciler.core.transport import Target
from reconciler.emulator.estate import Estate
from reconciler.emulator.skus import HostWish
from reconciler.emulator.winrm import Endpoint, Settings, serve
from reconciler.emulator.winrm.programs import Launcher
from reconciler.emulator.winrm.settings import DEFAULTS
from reconciler.hosts.connect import Connections, Options, connections
from reconciler.hosts.winrm.channel import Setup
from reconciler.hosts.winrm.line import Workers
from reconciler.secrets import Vault

HOST = "kiosk-01"
PASSWORD = Secret("env", "WINRM_PASSWORD")
ADAPTERS = Cmdlet("Get-NetAdapter", ("Name",))
FEATURE = Cmdlet("Get-WindowsFeature", ("Name",))
ADDRESS = Cmdlet("New-NetIPAddress", ("InterfaceIndex", "InterfaceAlias", "IPAddress", "PrefixLength"))
ALLOW = tuple(word.name for word in (ADAPTERS, FEATURE, ADDRESS))


@dataclass
class Served:
    """`reach` is the way of one controller; `environ` is where its password comes from."""

    estate: Estate
    endpoint: Endpoint
    reach: Connections
    environ: dict[str, str] = field(default_factory=dict)

    def host(self, how: str = "ntlm", name: str = HOST, **more: Any) -> Host:
        return Host(name, address=self.endpoint.address(name).ip, connection=self.connection(how, name, **more))

    def connection(self, how: str = "ntlm", name: str = HOST, **more: Any) -> Connection:
        """`how`: ntlm (sealed, over HTTP), ntlm-tls, basic-tls, certificate."""
        authentication, _, tls = how.partition("-")
        address = self.endpoint.address(name)
        secure = bool(tls) or authentication == "certificate"
        options: dict[str, Any] = {"authentication": authentication, "scheme": "https" if secure else "http"}
        if secure:
            options["ca"] = str(self.endpoint.ca)
        else:
            options["insecure"] = ("plainHttp",)
        if authentication == "certificate":
            options |= {"certificate": str(self.endpoint.client.certificate), "certificateKey": str(self.endpoint.client.key)}
        else:
            options |= {"username": self.endpoint.credentials.user, "password": PASSWORD}
        return Connection("winrm", address.https if secure else address.http, options | more)

    def target(self, how: str = "ntlm", name: str = HOST, **more: Any) -> Target:
        return Target(self.host(how, name, **more), "default", ALLOW)

    @property
    def counts(self) -> Mapping[str, int]:
        return self.endpoint.counts()

    def effects(self, name: str = HOST) -> list[str]:
        return [str(record["name"]) for record in self.estate.log(name) if record["what"] == "cmdlet"]


def options(estate: Estate, **given: Any) -> Options:
    """Threads of our own limiter hold the estate's time while they wait for a socket."""
    given.setdefault("setup", Setup(probe=0.02, grace=1.0, pauses=(0.05,)))
    given.setdefault("workers", Workers(anyio.CapacityLimiter(16), estate.clock.held))
    return Options(**given)


@asynccontextmanager
async def served(
    *hosts: str, settings: Settings = DEFAULTS, journal: Path | None = None, launchers: Sequence[Launcher] = (), **given: Any
) -> AsyncIterator[Served]:
    estate = Estate.new(hosts=[HostWish(name, "server-2022") for name in hosts or (HOST,)])
    async with serve(estate, settings, launchers=launchers) as endpoint:
        environ = {"WINRM_PASSWORD": endpoint.credentials.password}
        async with connections(Vault(environ), estate.clock, options(estate, journal=journal, **given)) as reach:
            yield Served(estate, endpoint, reach, environ)
