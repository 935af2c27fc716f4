"""pywinrm's Protocol and Transport, held to our rules. One client a host, used by one thread at a time; only `abort` comes from outside.

Nothing of the environment is used (proxies, CA bundles, netrc). Bodies are read with a cap and never unpacked, redirects are errors, a sealed
session takes sealed answers only, and XML with a DOCTYPE or in another encoding than UTF-8 is not parsed. Failures are translated elsewhere.
"""

from __future__ import annotations

from typing import Any

import requests
from winrm.protocol import Protocol
from winrm.transport import Transport

from reconciler.hosts.winrm import envelopes
from reconciler.hosts.winrm.adapter import CapsAdapter, context_of, plain_xml
from reconciler.hosts.winrm.errors import Hostile
from reconciler.hosts.winrm.way import ANY_CERTIFICATE, Way

CONNECT = 10.0  # seconds until an address counts as silent
OPERATION = 20  # seconds that a Receive waits on the host
GRACE = 10  # seconds that an HTTP answer may take longer than that


class _Transport(Transport):
    """pywinrm's transport with our sessions."""

    def __init__(self, way: Way, **given: Any) -> None:
        super().__init__(**given)
        self._sealed = way.sealed
        self.adapter = CapsAdapter(None if way.scheme == "http" else context_of(way))

    def build_session(self) -> requests.Session:
        session = super().build_session()
        self._harden(session)
        return session

    def setup_encryption(self, session: requests.Session) -> None:
        """Already sends: the session is hardened before."""
        self._harden(session)
        super().setup_encryption(session)

    def _harden(self, session: requests.Session) -> None:
        if session.trust_env:
            session.trust_env = False
            session.proxies = {}
            session.headers["Accept-Encoding"] = "identity"
            session.adapters.clear()
            session.mount("http://", self.adapter)
            session.mount("https://", self.adapter)

    def send_message(self, message: str | bytes) -> bytes:
        self.build_session()
        if self._sealed and self.encryption is None:
            raise Hostile("the session is not sealed, so nothing is sent")
        return super().send_message(message)

    def _get_message_response_text(self, response: requests.Response) -> bytes:
        if self._sealed and "multipart/encrypted" not in response.headers.get("Content-Type", ""):
            raise Hostile("an answer that is not sealed, in a sealed session", sent=True)
        if self._sealed and self.encryption is not None and self.encryption.protocol_string.decode() not in response.headers["Content-Type"]:
            raise Hostile("an answer that is sealed in another way than the session", sent=True)
        text: bytes = super()._get_message_response_text(response)
        return plain_xml(text)


class _Protocol(Protocol):
    """Waits on the host for parts of a second too, which pywinrm would round; spells the messages of a warm request as text."""

    wait = float(OPERATION)

    def build_wsman_header(self, *given: Any, **named: Any) -> dict[str, Any]:
        header: dict[str, Any] = super().build_wsman_header(*given, **named)
        header["env:Header"]["w:OperationTimeout"] = f"PT{self.wait:.3f}S"
        return header

    def send_command_input(self, shell_id: str, command_id: str, stdin_input: str | bytes, end: bool = False) -> None:
        data = stdin_input.encode() if isinstance(stdin_input, str) else stdin_input
        self.send_message(envelopes.send(shell_id, command_id, data, self.wait, end=end))

    def get_command_output_raw(self, shell_id: str, command_id: str) -> tuple[bytes, bytes, int, bool]:
        return envelopes.received(self.send_message(envelopes.receive(shell_id, command_id, self.wait)))


class Client:
    """One sign-in: its Protocol, its connection. Thrown away after every failure that is not a WS-Man fault."""

    def __init__(self, way: Way) -> None:
        given: dict[str, Any] = {"ca_trust_path": way.ca or None, "proxy": None}
        if way.authentication == "certificate":
            given |= {"cert_pem": way.certificate, "cert_key_pem": way.key}
        else:
            given |= {"username": way.username or None, "password": ""}
        given["server_cert_validation"] = "ignore" if ANY_CERTIFICATE in way.insecure else "validate"
        given["message_encryption"] = "always" if way.sealed else "never"
        how: Any = way.authentication
        self.protocol = _Protocol(way.url, transport=how, read_timeout_sec=OPERATION + GRACE, operation_timeout_sec=OPERATION, **given)
        self.protocol.transport = self._transport = _Transport(way, endpoint=way.url, auth_method=way.authentication, service="HTTP", **given)
        self.waits(OPERATION)

    def waits(self, seconds: float) -> None:
        """How long the next requests may wait on the host."""
        self.protocol.wait = seconds
        timeouts: Any = (CONNECT, seconds + GRACE)  # requests takes a pair, pywinrm hands it on
        self._transport.read_timeout_sec = timeouts

    def reach(self) -> None:
        """Connects, TLS included, and sends nothing."""
        self._transport.adapter.reach(self._transport.endpoint, CONNECT)

    def knows(self, password: str) -> None:
        self._transport.password = password

    def abort(self) -> None:
        self._transport.adapter.abort()

    @property
    def connected(self) -> bool:
        """Whether the connection that was signed in on is still there; on another one its seals would be worth nothing."""
        return self._transport.adapter.connected

    def close(self) -> None:
        self._transport.close_session()


def knock(way: Way, seconds: float) -> tuple[int, tuple[str, ...], str]:
    """What the service answers to somebody who signs in with nothing: status, the ways that it offers, its Date. One request, held to our caps."""
    session = requests.Session()
    session.trust_env = False
    adapter = CapsAdapter(None if way.scheme == "http" else context_of(way))
    session.mount(f"{way.scheme}://", adapter)
    try:
        answer = session.post(way.url, data=b"", headers={"Accept-Encoding": "identity"}, timeout=(seconds, seconds), allow_redirects=False, proxies={})
        offered = tuple(value.strip() for value in answer.raw.headers.getlist("WWW-Authenticate"))
        return answer.status_code, tuple(dict.fromkeys(each.split(" ")[0].rstrip(",") for each in offered if each)), answer.headers.get("Date", "")
    finally:
        session.close()
