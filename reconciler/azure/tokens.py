"""Tokens for Azure Resource Manager, by `credential:` of a host: one sign-in for all hosts that name the same.

Without a name the first that answers is used, and says which it was. A token is never written anywhere: it lives in this process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import anyio

from reconciler.azure.clouds import Cloud
from reconciler.azure.errors import NoAzure, NoToken
from reconciler.core.resources import Azure
from reconciler.core.transport import Secrets

ENOUGH = 300.0  # seconds that a token must still be good for
CREDENTIALS = ("environment", "workloadIdentity", "managedIdentity", "cli")  # in the order they are tried
QUIET = ("azure", "msal", "msal_extensions")  # libraries that log headers and bodies


class Token(Protocol):
    @property
    def token(self) -> str: ...
    @property
    def expires_on(self) -> int: ...


Source = Callable[[str], Token]  # scope → token; raises whatever its library raises
Make = Callable[[str, Azure, Cloud], Source]


def library(word: str, azure: Azure, cloud: Cloud) -> Source:
    """A credential of azure-identity. Raises NoAzure; ValueError where its variables are not set."""
    try:
        import azure.identity as identity
    except ImportError:
        raise NoAzure from None
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)  # of a credential that does not answer we tell ourselves
    tenant: dict[str, Any] = {"tenant_id": azure.tenant} if azure.tenant else {}
    authority: dict[str, Any] = {"authority": cloud.authority} if cloud.authority else {}
    made: Mapping[str, Callable[[], Any]] = {
        "environment": partial(identity.EnvironmentCredential, **authority),
        "workloadIdentity": partial(identity.WorkloadIdentityCredential, **tenant, **authority),
        "managedIdentity": partial(identity.ManagedIdentityCredential, connection_timeout=3, retry_total=1),
        "cli": partial(identity.AzureCliCredential, **tenant),
    }
    source: Source = made[word]().get_token
    return source


@dataclass
class Tokens:
    """Of one (cloud, tenant, credential). `used`: the word of the credential that answered, for who asks which it was."""

    azure: Azure
    cloud: Cloud
    secrets: Secrets
    make: Make = library
    used: str = ""
    _source: Source | None = None
    _token: Token | None = None
    _one: anyio.Lock = field(default_factory=anyio.Lock)

    async def bearer(self, *, instead_of: str = "") -> str:
        """A token; another than `instead_of`, which Azure refused. Raises NoToken, NoAzure."""
        async with self._one:
            if self._token is not None and (self._token.token == instead_of or self._token.expires_on - time.time() < ENOUGH):
                self._source = self._source if self._token.token != instead_of else None  # a credential keeps what it has: a new one asks again
                self._token = None
            if self._token is None:
                self._token = await anyio.to_thread.run_sync(self._signed_in, abandon_on_cancel=True)
            return self._token.token

    def _signed_in(self) -> Token:
        if self._source is not None:
            return self._source(self.cloud.scope)
        failed = []
        for word in (self.azure.credential,) if self.azure.credential else CREDENTIALS:
            try:
                source = self.make(word, self.azure, self.cloud)
                token = source(self.cloud.scope)
            except NoAzure:
                raise
            except Exception as why:  # noqa: BLE001  # each library of a credential has errors of its own
                failed.append(f"{word}: {self._said(why)}")
                continue
            self._source, self.used = source, word
            return token
        raise NoToken(f"no token for {self.cloud.base}: {'; '.join(failed)}")

    def _said(self, why: Exception) -> str:
        """The first sentence: what follows is advice about the library."""
        lines = str(why).strip().splitlines()
        return self.secrets.scrub(lines[0].partition(". ")[0].rstrip(".") if lines else type(why).__name__)[:300]
