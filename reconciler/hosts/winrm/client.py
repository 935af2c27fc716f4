"""pywinrm's Protocol and Transport, held to our rules. One client a host, used by one thread at a time; only `abort` comes from outside.

Nothing of the environment is used (proxies, CA bundles, netrc). Bodies are read with a cap and never unpacked, redirects are errors, a sealed
session takes sealed answers only, and XML with a DOCTYPE or in another encoding than UTF-8 is not parsed. Failures are translated elsewhere.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from winrm.protocol import Protocol
from winrm.transport import Transport

from reconciler.hosts.winrm.errors import Hostile
from reconciler.hosts.winrm.way import ANY_CERTIFICATE, Way

BODY = 2 * 2**20  # bytes of one HTTP body
CONNECT = 10.0  # seconds until an address counts as silent
OPERATION = 20  # seconds that a Receive waits on the host
GRACE = 10  # seconds that an HTTP answer may take longer than that
_ENCODING = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']*)[\"']")


class _Capped(requests.Response):
    """A response whose body is read up to a cap."""

    def iter_content(self, chunk_size: int | None = 1, decode_unicode: Any = False) -> Iterator[Any]:
        size = 0
        for piece in super().iter_content(chunk_size, decode_unicode):
            size += len(piece)
            if size > BODY:
                self.raw.close()
                raise Hostile(f"an answer of more than {BODY} bytes", sent=True)
            yield piece


class _Adapter(HTTPAdapter):
    """Knows its sockets, so that they can be shut from another thread; brings the TLS context."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self.connections: list[Any] = []
        self.dead = False
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **more)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _noting(HTTPConnectionPool, self),
            "https": _noting(HTTPSConnectionPool, self),
        }

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {} if self._context is None else {"ssl_context": self._context}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Our context says all of it."""

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        response = super().build_response(req, resp)
        if 300 <= response.status_code < 400:
            resp.close()
            raise Hostile(f"the host redirects (HTTP {response.status_code}): that is not followed", sent=True)
        if response.headers.get("Content-Encoding", "identity").casefold() != "identity":
            resp.close()
            raise Hostile("a packed answer, although none was asked for", sent=True)
        response.__class__ = _Capped
        return response


def _noting(pool: type[Any], adapter: _Adapter) -> type[Any]:
    """The pool's class with connections that enter themselves at the adapter, and open no more once it was given up."""

    def connect(self: Any) -> None:
        if adapter.dead:
            raise ConnectionAbortedError("this connection was given up")
        adapter.connections.append(self)
        pool.ConnectionCls.connect(self)

    return type(f"Noting{pool.__name__}", (pool,), {"ConnectionCls": type("Noting", (pool.ConnectionCls,), {"connect": connect})})


class _Transport(Transport):
    """pywinrm's transport with our sessions."""

    def __init__(self, way: Way, **given: Any) -> None:
        super().__init__(**given)
        self._sealed = way.sealed
        self._adapter = _Adapter(None if way.scheme == "http" else context_of(way))

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
            session.mount("http://", self._adapter)
            session.mount("https://", self._adapter)

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
        return _plain_xml(text)

    def reach(self) -> None:
        """The connection that the first request will use."""
        request = requests.Request("POST", self.endpoint).prepare()
        pool = self._adapter.get_connection_with_tls_context(request, verify=True)
        connection: Any = pool._get_conn()
        connection.timeout = CONNECT
        try:
            connection.connect()
        finally:
            pool._put_conn(connection)

    @property
    def connected(self) -> bool:
        made = self._adapter.connections
        return bool(made) and bool(made[-1].is_connected)

    def abort(self) -> None:
        """From any thread: whoever waits for this connection waits no longer, and no other one is opened."""
        self._adapter.dead = True
        for connection in list(self._adapter.connections):
            sock = getattr(connection, "sock", None)
            if sock is not None:
                try:
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
                except OSError:
                    continue  # it is closed already


def _plain_xml(text: bytes) -> bytes:
    declared = _ENCODING.match(text[:200].lstrip())
    if b"\0" in text or b"<!DOCTYPE" in text or b"<!ENTITY" in text or (declared and declared[1].lower() not in (b"utf-8", b"us-ascii")):
        raise Hostile("XML with a DOCTYPE, or in another encoding than UTF-8", sent=True)
    return text


class _Protocol(Protocol):
    """Waits on the host for parts of a second too, which pywinrm would round."""

    wait = float(OPERATION)

    def build_wsman_header(self, *given: Any, **named: Any) -> dict[str, Any]:
        header: dict[str, Any] = super().build_wsman_header(*given, **named)
        header["env:Header"]["w:OperationTimeout"] = f"PT{self.wait:.3f}S"
        return header


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
        self._transport.reach()

    def knows(self, password: str) -> None:
        self._transport.password = password

    def abort(self) -> None:
        self._transport.abort()

    @property
    def connected(self) -> bool:
        """Whether the connection that was signed in on is still there; on another one its seals would be worth nothing."""
        return self._transport.connected

    def close(self) -> None:
        self._transport.close_session()


def knock(way: Way, seconds: float) -> tuple[int, tuple[str, ...], str]:
    """What the service answers to somebody who signs in with nothing: status, the ways that it offers, its Date. One request, held to our caps."""
    session = requests.Session()
    session.trust_env = False
    adapter = _Adapter(None if way.scheme == "http" else context_of(way))
    session.mount(f"{way.scheme}://", adapter)
    try:
        answer = session.post(way.url, data=b"", headers={"Accept-Encoding": "identity"}, timeout=(seconds, seconds), allow_redirects=False, proxies={})
        offered = tuple(value.strip() for value in answer.raw.headers.getlist("WWW-Authenticate"))
        return answer.status_code, tuple(dict.fromkeys(each.split(" ")[0].rstrip(",") for each in offered if each)), answer.headers.get("Date", "")
    finally:
        session.close()


def context_of(way: Way) -> ssl.SSLContext:
    """The TLS of a way: the system's authorities or the given ones. A certificate pins TLS 1.2, for Windows cannot ask for one later in TLS 1.3."""
    if way.authentication == "certificate":
        context = _context(way.ca, 0, ANY_CERTIFICATE in way.insecure)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(way.certificate, way.key)
        return context
    return _shared(way.ca, Path(way.ca).stat().st_mtime_ns if way.ca else 0, ANY_CERTIFICATE in way.insecure)


def _context(ca: str, _: int, anyone: bool) -> ssl.SSLContext:
    is_folder = bool(ca) and Path(ca).is_dir()
    context = ssl.create_default_context(cafile=ca if ca and not is_folder else None, capath=ca if is_folder else None)
    if anyone:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


_shared = lru_cache(maxsize=64)(_context)  # a context of its own costs a host about a megabyte
