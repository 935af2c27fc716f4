"""The emulated ARM over TLS and its identity endpoint over HTTP, for a client that has only their addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio.to_thread
import pytest
import pytest_asyncio
import requests

from reconciler.emulator.arm import building
from reconciler.emulator.arm.endpoint import HEADER, Endpoint, serve
from reconciler.emulator.arm.model import RequestFault, Vm
from reconciler.emulator.estate import Estate
from tests.emulator.arm.azure import body

RESOURCE = {"resource": "https://management.azure.com/"}


@pytest.fixture
def vm() -> tuple[Estate, Vm]:
    estate = Estate.new()
    return estate, building.vm(estate, "hpc-01", size="Standard_HB120rs_v3")


@pytest_asyncio.fixture
async def served(vm: tuple[Estate, Vm]) -> AsyncIterator[Endpoint]:
    async with serve(vm[0]) as endpoint:
        yield endpoint


async def away(act: Callable[[requests.Session], Any], ca: str | bool = True) -> Any:
    """In a worker thread, with a session of its own that no proxy is asked for."""

    def run() -> Any:
        with requests.Session() as session:
            session.trust_env = False
            session.verify = ca
            return act(session)

    return await anyio.to_thread.run_sync(run)


async def test_a_token_from_the_identity_endpoint_opens_resource_manager(served: Endpoint, vm: tuple[Estate, Vm]) -> None:
    url = f"{served.url}{vm[1].id}/extensions/ib?api-version=2024-11-01"

    def story(session: requests.Session) -> list[Any]:
        token = session.get(served.identity, params=RESOURCE, headers={"X-IDENTITY-HEADER": HEADER}, timeout=5).json()
        session.headers["Authorization"] = f"Bearer {token['access_token']}"
        made = session.put(url, json=body(), timeout=5)
        polls: list[str] = []
        while not polls or polls[-1] == "InProgress":
            polls.append(session.get(made.headers["Azure-AsyncOperation"], timeout=5).json()["status"])
        return [
            made.status_code,
            made.headers["Azure-AsyncOperation"].startswith(served.url),
            polls,
            session.get(url, timeout=5).json()["properties"]["provisioningState"],
        ]

    found = await away(story, str(served.ca))
    assert found == [201, True, ["InProgress"] * 7 + ["Succeeded"], "Succeeded"]  # 240 s at 30 s a poll


async def test_who_does_not_know_the_authority_is_not_served(served: Endpoint) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        await away(lambda session: session.get(served.url, timeout=5))


async def test_the_identity_endpoint_wants_its_headers(served: Endpoint) -> None:
    imds = f"{served.metadata}/metadata/identity/oauth2/token"

    def ask(session: requests.Session) -> list[int]:
        wrong = [session.get(imds, params=RESOURCE, timeout=5), session.get(served.identity, params=RESOURCE, headers={"X-IDENTITY-HEADER": "x"}, timeout=5)]
        right = session.get(imds, params=RESOURCE, headers={"Metadata": "true"}, timeout=5)
        return [answer.status_code for answer in (*wrong, right, session.get(f"{served.metadata}/x", timeout=5))]

    assert await away(ask) == [400, 401, 200, 404]


@pytest.mark.parametrize(("drop", "there"), [("before", False), ("after", True)])
async def test_a_line_that_breaks_around_the_act(served: Endpoint, vm: tuple[Estate, Vm], drop: str, there: bool) -> None:
    vm[0].azure.faults.append(RequestFault("PUT", drop=drop))
    token = {
        "Authorization": "Bearer "
        + (await away(lambda s: s.get(served.identity, params=RESOURCE, headers={"X-IDENTITY-HEADER": HEADER}, timeout=5).json()))["access_token"]
    }
    url = f"{served.url}{vm[1].id}/extensions/ib?api-version=2024-11-01"
    with pytest.raises(requests.exceptions.ConnectionError):
        await away(lambda session: session.put(url, json=body(), headers=token, timeout=5), str(served.ca))
    assert bool(vm[1].extensions) is there


async def test_az_finds_its_way_without_a_token(served: Endpoint) -> None:
    found = await away(lambda s: s.get(f"{served.url}/metadata/endpoints?api-version=2022-09-01", timeout=5).json(), str(served.ca))
    assert found["resourceManager"] == found["authentication"]["loginEndpoint"] == served.url
