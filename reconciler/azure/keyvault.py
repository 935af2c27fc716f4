"""`{keyVault: VAULT/SECRET}`: the value of a secret in Azure Key Vault, by the credentials that Azure's other hosts are signed in to with.

`secrets.Vault` is handed `KeyVaults.fetch` as the source of that name. One GET a secret; its token goes to that vault's own host and nowhere
else. Source of names, address and answer: Microsoft's REST reference of Key Vault, Get Secret, 7.4. No real vault has been asked.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import anyio

from reconciler.azure.clouds import Cloud
from reconciler.azure.errors import NoAzure, NoToken
from reconciler.azure.line import Line
from reconciler.azure.messages import Send
from reconciler.azure.pipeline import AzureCore
from reconciler.azure.tokens import Make, Tokens, library
from reconciler.core.calls import Secret
from reconciler.core.errors import ArmRefused, SecretUnavailable, Throttled, TransportError
from reconciler.core.resources import Azure
from reconciler.core.transport import Secrets

VERSION = "7.4"
REFERENCE = re.compile(
    r"(?P<vault>[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9])(?P<suffix>\.vault\.azure\.net|\.vault\.azure\.cn|\.vault\.usgovcloudapi\.net)?"
    r"/(?P<name>[A-Za-z0-9-]{1,127})(?:/(?P<version>[0-9a-f]{32}))?"
)
PUBLIC = ".vault.azure.net"
LOGINS = {
    PUBLIC: "https://login.microsoftonline.com",
    ".vault.azure.cn": "https://login.chinacloudapi.cn",
    ".vault.usgovcloudapi.net": "https://login.microsoftonline.us",
}
WORDS = {
    401: "refuses the sign-in",
    403: "lets this sign-in read no secret (Key Vault Secrets User), or a firewall is in front of it",
    404: "has no such secret",
}
ANYBODY = Azure("", "")  # whatever credential answers first


class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep_until(self, when: datetime) -> None:
        await anyio.sleep(max(0.0, (when - self.now()).total_seconds()))


class KeyVaults:
    """One sign-in for all vaults of a cloud. `make` and `send` are for tests."""

    def __init__(self, secrets: Secrets, make: Make = library, send: Send | None = None) -> None:
        self._secrets = secrets
        self._make = make
        self._send = send or AzureCore()
        self._tokens: dict[str, Tokens] = {}

    async def fetch(self, secret: Secret) -> str:
        """Raises SecretUnavailable; nothing of an answer is in its text."""
        found = REFERENCE.fullmatch(secret.argument if isinstance(secret.argument, str) else "")
        if found is None:
            raise SecretUnavailable(f"{secret}: a key vault's secret is written VAULT/SECRET or VAULT/SECRET/VERSION")
        suffix = found["suffix"] or PUBLIC
        cloud = Cloud(f"keyVault{suffix}", f"https://{found['vault'].lower()}{suffix}", f"https://{suffix[1:]}", LOGINS[suffix])
        tokens = self._tokens.setdefault(suffix, Tokens(ANYBODY, cloud, self._secrets, self._make))
        path = "/".join(filter(None, ("/secrets", found["name"], found["version"])))
        try:
            answer = await Line(ANYBODY, cloud, tokens, self._send, _Clock()).get(f"{path}?api-version={VERSION}")
            value = answer.json().get("value") if answer.status == 200 else None
        except NoAzure:
            raise SecretUnavailable(f"{secret}: it needs the extra azure of this product, which is not installed") from None
        except NoToken as why:
            raise SecretUnavailable(f"{secret}: {why}") from None
        except (TransportError, AttributeError) as why:
            raise SecretUnavailable(f"{secret}: {cloud.base} {_trouble(why)}") from None
        if answer.status != 200:
            raise SecretUnavailable(f"{secret}: {cloud.base} {WORDS.get(answer.status, f'answers HTTP {answer.status}')} ({answer.error[0]})")
        if not isinstance(value, str):
            raise SecretUnavailable(f"{secret}: {cloud.base} answers without a value")
        return value


def _trouble(why: Exception) -> str:
    match why:
        case Throttled():
            return "wants no more requests for now"
        case ArmRefused():
            return "refuses the sign-in"
        case TransportError():
            return f"gave no answer that can be used ({type(why).__name__})"
    return "answers with something else than a secret"
