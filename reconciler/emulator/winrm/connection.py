"""One client's connection to one emulated host: HTTP, sign-in, seals, troubles, and the service behind them.

`listener` opens it. It decides what is answered with a bare HTTP status; what gets as far as an envelope is `service`'s.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from reconciler.emulator.sockets.httplines import Broken, Line, Request, Response
from reconciler.emulator.winrm import sealing, wsfaults
from reconciler.emulator.winrm.afflictions import Reset, line_fault, strike
from reconciler.emulator.winrm.service import Caller, Service
from reconciler.emulator.winrm.signin import Asked, SignIn
from reconciler.emulator.winrm.troubles import HANDSHAKE, Trouble, What
from reconciler.emulator.winrm.wsman import Envelope, NotReadable, parse

DRIP = 0.1


@dataclass
class Connection:
    service: Service
    line: Line
    sign_in: SignIn
    tls: bool
    address: str

    async def run(self) -> None:
        """Requests one after another, until either end has enough."""
        host = self.service.host
        try:
            while (request := await self.line.read(host.settings.quotas.connection_idle)) is not None:
                if not host.up:
                    raise Reset
                if not await self._one(request):
                    break
            self.line.close()
        except (Reset, Broken):
            self.line.reset()

    async def _one(self, request: Request) -> bool:
        """Answers one request; False when the connection ends after it."""
        host = self.service.host
        host.counts["requests"] += 1
        host.counts["bytes received"] += request.size
        before = self.sign_in.handshakes
        response, troubles = await self._respond(request)
        host.counts["handshakes"] += self.sign_in.handshakes - before
        data = response.body if response.status == 0 else response.encode(host.machine.local_now)
        host.counts["bytes sent"] += len(data)
        slow = next((trouble for trouble in troubles if trouble.what is What.SLOW), None)
        step = max(1, slow.amount) if slow else len(data)
        for at in range(0, len(data), step):
            self.line.write(data[at : at + step])
            if slow:
                await asyncio.sleep(DRIP)
        if response.status == 0 or any(trouble.what is What.IDLE_DROP for trouble in troubles):
            return False
        return request.headers.get("connection", "").lower() != "close"

    async def _respond(self, request: Request) -> tuple[Response, list[Trouble]]:
        if not request.path.startswith("/wsman"):
            return Response(404), []
        if request.method != "POST":
            return Response(405), []
        granted = self.sign_in.ask(request.headers)
        if isinstance(granted, Asked):
            return await self._question(granted)
        if not request.body:
            return Response(200, headers=granted.headers), []
        response, troubles = await self._envelope(request, granted.user)
        return Response(response.status, response.body, response.content_type, granted.headers + response.headers), troubles

    async def _question(self, asked: Asked) -> tuple[Response, list[Trouble]]:
        """A 401, where no trouble of the handshake itself comes first."""
        if not asked.token:
            self.service.host.counts["refused"] += 1
        troubles = self.service.host.troubles.take(HANDSHAKE)
        for trouble in troubles:
            early = await strike(self.service, trouble)
            if early is not None:
                return early, troubles
        return Response(401, headers=asked.headers), troubles

    async def _envelope(self, request: Request, user: str) -> tuple[Response, list[Trouble]]:
        """The body, unsealed; an unreadable one was not executed and gets an empty 400."""
        sealed = sealing.is_sealed(request.headers.get("content-type", ""))
        body = request.body
        if sealed:
            try:
                body = sealing.unseal(self.sign_in.context, body)
            except sealing.NotSealed:
                return Response(400), []
        elif not self.tls and not self.service.host.settings.allow_unencrypted:
            return Response(500), []
        if len(body) > self.service.host.settings.quotas.envelope:
            return self._sealed(Response(500, self.service.refuse(wsfaults.envelope_too_large())), sealed), []
        try:
            envelope = parse(body)
        except NotReadable:
            return Response(400), []
        self.service.host.counts[envelope.verb] += 1
        troubles = self.service.host.troubles.take(envelope.verb)
        return await self._served(envelope, user, sealed, troubles), troubles

    async def _served(self, envelope: Envelope, user: str, sealed: bool, troubles: list[Trouble]) -> Response:
        asked = [*troubles, *(line_fault(self.service.host.machine) if envelope.verb == "Send" else ())]
        for trouble in asked:
            early = await strike(self.service, trouble)
            if early is not None:
                return self._sealed(early, sealed) if trouble.what is What.BODY else early
        status, body = await self.service.answer(Caller(user, self.address, troubles), envelope)
        if any(trouble.what is What.DROP_AFTER for trouble in asked):
            raise Reset
        if not self.service.host.up:
            raise Reset
        plain = any(trouble.what is What.PLAINTEXT for trouble in troubles)
        return self._sealed(Response(status, body), sealed and not plain)

    def _sealed(self, response: Response, sealed: bool) -> Response:
        if not sealed:
            return response
        content_type, body = sealing.seal(self.sign_in.context, response.body)
        return Response(response.status, body, content_type, response.headers)
