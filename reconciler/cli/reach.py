"""The ways to hosts and to Azure, put together: real ones, or those of an emulated estate. `session` asks for one of the two.

What only some fleets need is imported when it is first asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from reconciler.core.calls import Secret
from reconciler.core.transport import Clock, Connect, Secrets, by_plane
from reconciler.emulator.controller import Controller, Cut, Tap
from reconciler.emulator.estate import Estate
from reconciler.hosts.emulated import reach
from reconciler.secrets import Vault

if TYPE_CHECKING:
    from reconciler.azure.keyvault import KeyVaults


def emulated(estate: Estate, secrets: Secrets, *, taps: Sequence[Tap] = (), cut: Cut | None = None) -> Connect:
    """One controller's way to the machines and the Azure of an estate."""
    controller = Controller(estate, estate.clock, secrets, taps, cut)

    def arm() -> Connect:
        from reconciler.azure.emulated import reach as azure

        return azure(controller)

    return by_plane(reach(controller), arm)


@contextmanager
def real(secrets: Secrets, clock: Clock) -> Iterator[Connect]:
    """Hosts by their connection, Azure by its own; what was kept of sessions is ended afterwards."""
    from reconciler.hosts.connect import Connections, Options, by_transport  # with it comes pywinrm: a fifth of a second
    from reconciler.hosts.local import Local

    reach = Connections(secrets, clock, Options(journal=state_folder() / "shells"))
    with ExitStack() as opened:
        opened.callback(lambda: anyio.run(reach.aclose))

        def arm() -> Connect:
            from reconciler.azure.connect import AzureConnections
            from reconciler.azure.connect import Options as AzureOptions

            azure = AzureConnections(secrets, clock, AzureOptions(cache=cache_folder() / "azure"))
            opened.callback(azure.close)
            return azure

        yield by_plane(by_transport({"winrm": reach, "psrp": reach, "local": Local(secrets, clock)}), arm)


def vault() -> Vault:
    """Where values of secrets come from, Azure Key Vault included."""
    made = Vault()

    @cache
    def key_vaults() -> KeyVaults:
        from reconciler.azure.keyvault import KeyVaults

        return KeyVaults(made)

    async def key_vault(secret: Secret) -> str:
        return await key_vaults().fetch(secret)

    made.sources["keyVault"] = key_vault
    return made


def state_folder() -> Path:
    """Where this product keeps what is of this machine only."""
    return Path(os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".local" / "state") / "edge-reconciler"


def cache_folder() -> Path:
    """Where what can be asked for again is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache") / "edge-reconciler"
