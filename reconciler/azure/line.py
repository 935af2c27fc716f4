"""One host's line to Azure Resource Manager: signed requests to that cloud's own host, and what each answer means for whoever sent it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.azure.clouds import Cloud
from reconciler.azure.messages import Request, Response, Send
from reconciler.azure.tokens import Tokens
from reconciler.core.errors import ArmRefused, Throttled, Unreachable, WireError
from reconciler.core.resources import Azure
from reconciler.core.transport import Clock


class Line:
    def __init__(self, azure: Azure, cloud: Cloud, tokens: Tokens, send: Send, clock: Clock) -> None:
        self.azure = azure
        self._cloud = cloud
        self._tokens = tokens
        self._send = send
        self._clock = clock

    async def get(self, address: str) -> Response:
        """`address`: a path of this cloud, or a whole URL that it gave us."""
        return await self.request("GET", address)

    async def request(self, method: str, address: str, body: Mapping[str, Any] | None = None) -> Response:
        """Any answer but 401 after a new token, 429 and 5xx. Raises ArmRefused, Throttled, Unreachable, WireError, NoToken."""
        url = self._url(address)
        answer = await self._signed(method, url, body)
        if answer.status == 429:
            seconds, scope = answer.wait(self._clock.now())
            raise Throttled(f"Azure wants no more requests for {seconds:.0f} s ({scope})", seconds=seconds, scope=scope)
        if answer.status >= 500:
            code, said = answer.error
            raise Unreachable(f"Azure Resource Manager answers {answer.status} {code}: {said}", sent=method != "GET")
        if 300 <= answer.status < 400:
            raise WireError(f"Azure Resource Manager answers {answer.status}: redirects are not followed", sent=method != "GET")
        return answer

    async def _signed(self, method: str, url: str, body: Mapping[str, Any] | None) -> Response:
        token = await self._tokens.bearer()
        answer = await self._once(method, url, body, token)
        if answer.status == 401:
            answer = await self._once(method, url, body, await self._tokens.bearer(instead_of=token))
        if answer.status == 401:
            code, said = answer.error
            raise ArmRefused(code, f"Azure refuses the token of the credential {self._tokens.used} twice ({code}): {said}")
        return answer

    async def _once(self, method: str, url: str, body: Mapping[str, Any] | None, token: str) -> Response:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        content = None
        if body is not None:
            content = json.dumps(body, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode("ascii")
            headers["Content-Type"] = "application/json"
        return await self._send(Request(method, url, headers, content))

    def _url(self, address: str) -> str:
        """The token goes to the cloud's own host and nowhere else, whatever an answer says."""
        url = self._cloud.base + address if address.startswith("/") else address
        try:
            own = self._cloud.owns(url)
        except ValueError:
            own = False
        if not own:
            raise WireError(f"an answer of Azure's names an address outside {self._cloud.base}: nothing is sent there")
        return url
