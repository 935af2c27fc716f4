"""The emulated Azure in this process: what `connect` does over TLS, done by a function call, in virtual time.

Called where an emulated estate is worked on. The controller's cuts are asked round every request, as they are for hosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from reconciler.azure.clouds import Cloud
from reconciler.azure.connect import AzureConnections, Options
from reconciler.azure.messages import Request, Response
from reconciler.azure.tokens import Source
from reconciler.core.errors import Unreachable
from reconciler.core.resources import Azure
from reconciler.emulator.arm.transport import Transport
from reconciler.emulator.controller import Controller, Point


@dataclass(frozen=True, slots=True)
class Minted:
    token: str
    expires_on: int = 2**40  # it expires when the emulated Azure says so


def reach(controller: Controller, round_trip: float = 0.0) -> AzureConnections:
    """The way of one controller to the estate's Azure. `round_trip`: real seconds of every request."""
    transport = Transport(controller.estate, round_trip)

    async def send(request: Request) -> Response:
        path = urlsplit(request.url).path
        exchange = controller.begin(path.rpartition("/")[2], f"{request.method} {path}")
        controller.at(exchange, Point.BEFORE)
        try:
            status, headers, body = transport.send(request.method, request.url, request.headers, request.body)
        except ConnectionError as why:
            controller.at(exchange, Point.EXECUTED)
            raise Unreachable(f"the line to Azure Resource Manager broke: {why}", sent=request.method != "GET") from None
        controller.at(exchange, Point.EXECUTED)
        response = Response(status, {name.lower(): value for name, value in headers.items()}, body)
        controller.tapped(exchange, [_text(request)], f"{status} {body.decode()}")
        controller.at(exchange, Point.ANSWERED)
        return response

    def credentials(word: str, azure: Azure, cloud: Cloud) -> Source:
        return lambda scope: Minted(transport.token(word, cloud.audience))

    return AzureConnections(controller.secrets, controller.clock, Options(send, credentials))


def _text(request: Request) -> str:
    return f"{request.method} {request.url} {(request.body or b'').decode()}"
