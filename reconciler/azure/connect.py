"""The engine's `Connect` for Azure's plane: one line to Azure Resource Manager a host, one sign-in and one cache for all.

async with azure(vault, clock) as reach:
    environment = Environment(..., connect=by_plane({Plane.HOST: hosts, Plane.ARM: reach}))
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.azure.cache import Cache
from reconciler.azure.clouds import cloud_of
from reconciler.azure.line import Line
from reconciler.azure.messages import Send
from reconciler.azure.pipeline import AzureCore
from reconciler.azure.session import ArmSession
from reconciler.azure.tokens import Make, Tokens, library
from reconciler.core.errors import Defect
from reconciler.core.resources import Azure
from reconciler.core.transport import Clock, Secrets, Target, Writer


@dataclass(frozen=True, slots=True)
class Options:
    """`send` and `credentials` are for emulated estates and tests. `cache`: the folder for what holds a day; None: only in memory."""

    send: Send | None = None
    credentials: Make = library
    cache: Path | None = None
    api_version: str = ""


@dataclass
class AzureConnections:
    """Call it with a target of the ARM plane."""

    secrets: Secrets
    clock: Clock
    options: Options = Options()
    _tokens: dict[tuple[str, str, str], Tokens] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._core = AzureCore()
        self._cache = Cache(self.clock, self.options.cache)

    def __call__(self, target: Target) -> AbstractAsyncContextManager[Writer]:
        return self._opened(target)

    @asynccontextmanager
    async def _opened(self, target: Target) -> AsyncIterator[Writer]:
        azure = target.host.azure
        if azure is None:
            raise Defect(f"{target.host.name} is not on Azure")
        yield await ArmSession.open(self.line(azure), self._cache, self.secrets, self.clock, self.options.api_version, cloud_of(azure).base)

    def line(self, azure: Azure) -> Line:
        """Signed requests to the cloud of this host. Nothing is sent yet."""
        return Line(azure, cloud_of(azure), self.tokens(azure), self.options.send or self._core, self.clock)

    def tokens(self, azure: Azure) -> Tokens:
        """The sign-in that this host shares with all that name the same."""
        found = (azure.cloud, azure.tenant, azure.credential)
        if found not in self._tokens:
            self._tokens[found] = Tokens(azure, cloud_of(azure), self.secrets, self.options.credentials)
        return self._tokens[found]

    def close(self) -> None:
        self._core.close()
