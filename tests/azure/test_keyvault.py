"""Secrets out of a key vault, over a transport that answers as Microsoft documents Key Vault to: values, refusals, and where the token goes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from reconciler.azure.clouds import Cloud
from reconciler.azure.errors import NoAzure
from reconciler.azure.keyvault import KeyVaults
from reconciler.azure.messages import Request, Response
from reconciler.azure.tokens import Source
from reconciler.cli.reach import vault
from reconciler.core.calls import Secret
from reconciler.core.errors import SecretUnavailable, Unreachable
from reconciler.core.resources import Azure
from reconciler.secrets import Vault

VALUE = "hunter2 of the vault"
OLD = "0" * 32


@dataclass
class Minted:
    token: str
    expires_on: int


@dataclass
class KeyVault:
    """What Azure would be: vaults with secrets, and the tokens that they take."""

    held: dict[str, str] = field(default_factory=lambda: {"/secrets/edge": VALUE, f"/secrets/edge/{OLD}": "the older value"})
    answers: Callable[[Request], Response] | None = None
    asked: list[Request] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        self.asked.append(request)
        if self.answers is not None:
            return self.answers(request)
        if request.headers.get("Authorization") != "Bearer t1":
            return error(401, "Unauthorized")
        found = self.held.get(urlsplit(request.url).path)
        if found is None:
            return error(404, "SecretNotFound")
        return Response(200, {}, json.dumps({"value": found, "id": request.url, "attributes": {"enabled": True}}).encode())

    def make(self, word: str, azure: Azure, cloud: Cloud) -> Source:
        def minted(scope: str) -> Minted:
            self.scopes.append(scope)
            if word != "managedIdentity":
                raise ValueError(f"{word} is not set up here")
            return Minted("t1", int(time.time()) + 3600)

        return minted


def error(status: int, code: str) -> Response:
    return Response(status, {}, json.dumps({"error": {"code": code, "message": f"words about {VALUE}"}}).encode())


def wired(there: KeyVault) -> Vault:
    made = Vault({})
    made.sources["keyVault"] = KeyVaults(made, there.make, there.send).fetch
    return made


async def refused(there: KeyVault, reference: str = "corp-edge/edge") -> str:
    with pytest.raises(SecretUnavailable) as caught:
        await wired(there).resolve(Secret("keyVault", reference))
    assert VALUE not in str(caught.value)
    return str(caught.value)


async def test_a_value_is_fetched_once_and_scrubbed_from_then_on() -> None:
    there = KeyVault()
    made = wired(there)
    assert [await made.resolve(Secret("keyVault", "Corp-Edge/edge")) for _ in range(2)] == [VALUE] * 2
    assert [request.url for request in there.asked] == ["https://corp-edge.vault.azure.net/secrets/edge?api-version=7.4"]
    assert VALUE not in made.scrub(f"it says {VALUE}")
    assert there.scopes[-1] == "https://vault.azure.net/.default"


async def test_a_version_and_another_cloud_are_named_in_the_reference() -> None:
    there = KeyVault()
    assert await wired(there).resolve(Secret("keyVault", f"corp-edge/edge/{OLD}")) == "the older value"
    assert await wired(there).resolve(Secret("keyVault", "corp-edge.vault.usgovcloudapi.net/edge")) == VALUE
    assert there.asked[-1].url.startswith("https://corp-edge.vault.usgovcloudapi.net/")
    assert there.scopes[-1] == "https://vault.usgovcloudapi.net/.default"


@pytest.mark.parametrize(
    "reference", ["edge", "evil.example.net/edge", "corp-edge/../x", "corp-edge/edge/new", "corp-edge@evil.net/edge", "corp-edge.vault.azure.net.evil.net/edge"]
)
async def test_a_token_goes_to_key_vaults_alone(reference: str) -> None:
    there = KeyVault()
    assert "VAULT/SECRET" in await refused(there, reference)
    assert (there.asked, there.scopes) == ([], [])


async def test_a_redirect_is_not_followed() -> None:
    there = KeyVault(answers=lambda request: Response(302, {"location": "https://evil.example.net/"}))
    await refused(there)
    assert len(there.asked) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (error(404, "SecretNotFound"), "has no such secret (SecretNotFound)"),
        (error(403, "Forbidden"), "Key Vault Secrets User"),
        (error(500, "Oops"), "no answer that can be used"),
        (error(429, "Throttled"), "no more requests"),
        (Response(200, {}, b"no json"), "no answer that can be used"),
        (Response(200, {}, b"[]"), "something else than a secret"),
        (Response(200, {}, b'{"value": null}'), "without a value"),
    ],
)
async def test_what_keeps_a_secret_is_said_without_the_answers_words(answer: Response, words: str) -> None:
    assert words in await refused(KeyVault(answers=lambda request: answer))


async def test_a_refused_token_is_asked_for_anew_once() -> None:
    there = KeyVault(answers=lambda request: error(401, "Unauthorized"))
    assert "corp-edge.vault.azure.net refuses the sign-in" in await refused(there)
    assert len(there.asked) == 2


async def test_without_a_sign_in_every_way_is_named() -> None:
    there = KeyVault()

    def nobody(word: str, azure: Azure, cloud: Cloud) -> Source:
        raise ValueError("not here")

    made = Vault({})
    made.sources["keyVault"] = KeyVaults(made, nobody, there.send).fetch
    with pytest.raises(SecretUnavailable, match="environment: not here; workloadIdentity: not here"):
        await made.resolve(Secret("keyVault", "corp-edge/edge"))
    assert there.asked == []


async def test_a_vault_that_cannot_be_reached_and_a_missing_extra_are_said() -> None:
    def broken(request: Request) -> Response:
        raise Unreachable("no line")

    def missing(request: Request) -> Response:
        raise NoAzure

    assert "no answer that can be used (Unreachable)" in await refused(KeyVault(answers=broken))
    assert "it needs the extra azure" in await refused(KeyVault(answers=missing))


async def test_the_command_line_knows_key_vaults_and_loads_nothing_of_azure_before(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = vault()
    assert "keyVault" in made.sources
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(SecretUnavailable, match="needs the extra azure"):
        await made.resolve(Secret("keyVault", "corp-edge/edge"))
