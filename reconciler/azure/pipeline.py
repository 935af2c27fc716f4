"""Sends requests by azure-core: its transport and its errors, none of its retries, pollers or provider registration.

A dropped line is told apart by whether the request can have arrived: that decides whether the engine may send it again.
"""

from __future__ import annotations

import logging
from functools import cached_property
from importlib.metadata import version
from typing import Any

import anyio

from reconciler.azure.errors import NoAzure, Untrusted
from reconciler.azure.messages import Request, Response
from reconciler.core.errors import Unreachable, WireError

AT_ONCE = 32  # requests under way, of all hosts
CONNECT, READ = 10.0, 60.0  # seconds
LOUD = ("urllib3", "azure.core")  # they log whole addresses, and those of operations are signed: nobody is to let them
LARGEST = 64 * 2**20  # bytes: the sizes of a region are several MiB


class AzureCore:
    """One pool of connections for all hosts. Call it with a request."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(AT_ONCE)

    async def __call__(self, request: Request) -> Response:
        return await anyio.to_thread.run_sync(self._send, request, limiter=self._limiter, abandon_on_cancel=True)

    def close(self) -> None:
        if "_pipeline" in self.__dict__:
            self._pipeline.__exit__()

    @cached_property
    def _pipeline(self) -> Any:
        try:
            from azure.core.pipeline import Pipeline
            from azure.core.pipeline.policies import UserAgentPolicy
            from azure.core.pipeline.transport import RequestsTransport
        except ImportError:
            raise NoAzure from None
        for name in LOUD:
            logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger(name).level))
        agent = UserAgentPolicy(base_user_agent=f"edge-reconciler/{version('edge-reconciler')}")
        transport = RequestsTransport(connection_timeout=CONNECT, read_timeout=READ)
        return Pipeline(transport, policies=[agent])

    def _send(self, request: Request) -> Response:
        pipeline = self._pipeline
        from azure.core.exceptions import AzureError, ServiceRequestError
        from azure.core.rest import HttpRequest

        sent = HttpRequest(request.method, request.url, headers=dict(request.headers), content=request.body)
        try:
            answer = pipeline.run(sent, stream=True).http_response
            return Response(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, _body(answer))
        except ServiceRequestError as why:
            if "CERTIFICATE_VERIFY_FAILED" in str(why):
                whose = "/".join(request.url.split("/")[:3])
                raise Untrusted(f"the certificate of {whose} is not trusted here: {_said(why)}; a CA of your own: REQUESTS_CA_BUNDLE") from None
            raise Unreachable(f"Azure Resource Manager cannot be reached: {_said(why)}") from None
        except AzureError as why:
            raise Unreachable(f"the line to Azure Resource Manager broke: {_said(why)}", sent=request.method != "GET") from None


def _body(answer: Any) -> bytes:
    found = bytearray()
    for piece in answer.iter_bytes():
        found += piece
        if len(found) > LARGEST:
            answer.close()
            raise WireError(f"an answer of Azure's is larger than {LARGEST >> 20} MiB")
    return bytes(found)


def _said(why: Exception) -> str:
    """The library's words without addresses in memory; no request or answer is in them."""
    lines = str(why).splitlines()
    return (lines[0] if lines else type(why).__name__)[:300]
