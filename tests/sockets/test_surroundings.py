"""Proxies, bundles and netrc of the environment: a client that heeds them goes astray here, and ours does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
import pytest
import requests

from tests.hosts.winrm.serving import ADAPTERS, served
from tests.operator.fleet import MINUTE

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@asynccontextmanager
async def trap() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A proxy that answers nothing, and what came to it."""
    came: list[bytes] = []

    async def caught(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readline())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(caught, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", came


async def test_proxies_bundles_and_netrc_of_the_environment_lead_others_astray_and_not_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("default login somebody password else\n")
    (tmp_path / "nothing.pem").write_text("")
    async with served() as there, trap() as (proxy, came):
        for name in PROXIES:
            monkeypatch.setenv(name, proxy)
            monkeypatch.setenv(name.lower(), proxy)
        for name in BUNDLES:
            monkeypatch.setenv(name, str(tmp_path / "nothing.pem"))
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        url = there.endpoint.address(there.endpoint.hosts[0]).http_url
        with pytest.raises(requests.ConnectionError):
            await anyio.to_thread.run_sync(lambda: requests.post(url, timeout=5))
        assert len(came) == 1
        for how in ("ntlm", "ntlm-tls", "basic-tls", "certificate"):
            async with there.reach(there.target(how)) as session:
                assert (await session.ask([ADAPTERS(select=("Name",))], MINUTE))[0].error is None
        assert len(came) == 1
