"""pypsrp's WSMan and its transport, held to our rules: the caps, the TLS and the seals of `hosts.winrm.client`, nothing of the environment.

One client a sign-in, used by one thread at a time; only `abort` comes from outside. It tries nothing again: `channel` decides that.
Failures are translated elsewhere.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import requests
from pypsrp.exceptions import AuthenticationError, WinRMTransportError
from pypsrp.wsman import WSMan, _TransportHTTP

from reconciler.hosts.winrm.adapter import CapsAdapter, context_of, plain_xml
from reconciler.hosts.winrm.client import CONNECT, GRACE, OPERATION
from reconciler.hosts.winrm.errors import Hostile
from reconciler.hosts.winrm.way import Way

ENVELOPE = 500 * 1024  # what Windows takes since 2012
SERVED = (200, 500)  # statuses of answers that come from WinRM itself
BOUNDARY = re.compile(r'boundary="?([^";]+)')
logging.getLogger("pypsrp").setLevel(logging.CRITICAL)  # it logs tracebacks of what it raises, and a host's words as they come


class _Transport(_TransportHTTP):
    """pypsrp's transport with our session. Names of its own methods are pypsrp's."""

    def __init__(self, way: Way) -> None:
        given: dict[str, Any] = {"cert_validation": True, "encryption": "always" if way.sealed else "never", "no_proxy": True}
        if way.authentication == "certificate":
            given |= {"certificate_pem": way.certificate, "certificate_key_pem": way.key}
        user = way.username or None
        super().__init__(way.address, way.port, user, None, way.scheme == "https", "wsman", way.authentication, connection_timeout=int(CONNECT), **given)
        self.adapter = CapsAdapter(None if way.scheme == "http" else context_of(way))
        self.waits = (CONNECT, float(OPERATION + GRACE))

    def _build_session(self) -> requests.Session:
        session = super()._build_session()
        session.trust_env = False
        session.proxies = {}
        session.adapters.clear()
        session.mount("http://", self.adapter)
        session.mount("https://", self.adapter)
        return session

    def send(self, message: bytes, *, retries_on_read_timeout: int = 0, timeout: Any = None) -> bytes:
        """Once: pypsrp would send a Receive six times over two minutes (winrm.md 2)."""
        return super().send(message, retries_on_read_timeout=0, timeout=self.waits)

    def _send_request(self, request: requests.PreparedRequest, timeout: Any = None) -> bytes:
        """pypsrp's own takes plain text in a sealed session."""
        if self.session is None:
            raise Hostile("there is no session")
        response = self.session.send(request, timeout=self.waits)
        body: bytes = response.content
        if response.status_code == 401:
            raise AuthenticationError("401")
        if body and response.status_code in SERVED:
            body = plain_xml(self._opened(response.headers.get("Content-Type", ""), body))
        if response.status_code >= 400:
            raise WinRMTransportError("http", response.status_code, body.decode("utf-8", "replace"))
        return body

    def _opened(self, how: str, body: bytes) -> bytes:
        """The body without its seal; a sealed session takes nothing else."""
        if not self.wrap_required:
            return body
        found = BOUNDARY.search(how)
        if self.encryption is None or found is None or not how.startswith("multipart/encrypted") or self.encryption.protocol not in how:
            raise Hostile("an answer that is not sealed as the session is", sent=True)
        opened: bytes = self.encryption.unwrap_message(body, found[1])
        return opened


class Client:
    """What `hosts.winrm.line` asks of a client, with pypsrp's WSMan as its protocol."""

    def __init__(self, way: Way) -> None:
        self._transport = _Transport(way)
        self.protocol: Any = _Wsman(self._transport)

    def waits(self, seconds: float) -> None:
        """How long the next requests may wait on the host."""
        self.protocol.operation_timeout = f"{seconds:.3f}"
        self._transport.waits = (CONNECT, seconds + GRACE)

    def reach(self) -> None:
        """Connects, TLS included, and sends nothing."""
        self._transport.adapter.reach(self._transport.endpoint, CONNECT)

    def knows(self, password: str) -> None:
        self._transport.password = password
        if self._transport.auth == "kerberos":
            self._transport.password = None

    def abort(self) -> None:
        self._transport.adapter.abort()

    @property
    def connected(self) -> bool:
        return self._transport.adapter.connected

    def close(self) -> None:
        self._transport.close()
        self._transport.adapter.close()


class _Wsman(WSMan):
    """WSMan over a transport that is there already."""

    def __init__(self, transport: _Transport) -> None:
        super().__init__(transport.server, ENVELOPE, auth="basic", username="", password="")
        self.transport = transport
