"""The HTTP of a connection, held to our rules whatever library speaks through it: caps, no redirects, our TLS, sockets that can be shut.

`client` mounts it under pywinrm, `hosts.psrp.client` under pypsrp. Nothing of the environment is used, and nothing is tried twice.
"""

from __future__ import annotations

import re
import socket
import ssl
import weakref
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

from reconciler.hosts.winrm.errors import BadConnection, Hostile
from reconciler.hosts.winrm.way import ANY_CERTIFICATE, Way

BODY = 2 * 2**20  # bytes of one HTTP body
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


class CapsAdapter(HTTPAdapter):
    """Knows its sockets, so that they can be shut from another thread; brings the TLS context."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self.connections: list[Any] = []
        self.opening: list[socket.socket] = []  # of a connection that is being made: TLS takes the socket away from it meanwhile
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

    def reach(self, url: str, seconds: float) -> None:
        """The connection that the first request will use, TLS included."""
        request = requests.Request("POST", url).prepare()
        pool = self.get_connection_with_tls_context(request, verify=True)
        connection: Any = pool._get_conn()
        connection.timeout = seconds
        try:
            connection.connect()
        finally:
            pool._put_conn(connection)

    @property
    def connected(self) -> bool:
        return bool(self.connections) and bool(self.connections[-1].is_connected)

    def abort(self) -> None:
        """From any thread: whoever waits for this connection waits no longer, and no other one is opened."""
        self.dead = True
        for sock in [*self.opening, *(getattr(connection, "sock", None) for connection in self.connections)]:
            if sock is not None:
                try:
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
                except OSError:
                    continue  # it is closed already


def _noting(pool: type[Any], adapter: CapsAdapter) -> type[Any]:
    """The pool's class with connections that enter themselves at the adapter, and open no more once it was given up.

    They know the adapter weakly: urllib3 keeps the connections of every pool until the pool itself is gone, and the adapter has the pool.
    """
    noted = weakref.ref(adapter)

    def connect(self: Any) -> None:
        adapter = _alive(noted)
        adapter.connections.append(self)
        try:
            pool.ConnectionCls.connect(self)
            _alive(noted)
        except BaseException:
            self.close()
            raise
        finally:
            while adapter.opening:
                adapter.opening.pop().close()

    def opened(self: Any) -> socket.socket:
        made: socket.socket = pool.ConnectionCls._new_conn(self)
        try:
            _alive(noted).opening.append(made.dup())
            _alive(noted)  # whoever gave it up since may not have seen this socket
        except BaseException:
            made.close()
            raise
        return made

    return type(f"Noting{pool.__name__}", (pool,), {"ConnectionCls": type("Noting", (pool.ConnectionCls,), {"connect": connect, "_new_conn": opened})})


def _alive(noted: weakref.ref[CapsAdapter]) -> CapsAdapter:
    adapter = noted()
    if adapter is None or adapter.dead:
        raise ConnectionAbortedError("this connection was given up")
    return adapter


def plain_xml(text: bytes) -> bytes:
    declared = _ENCODING.match(text[:200].lstrip())
    if b"\0" in text or b"<!DOCTYPE" in text or b"<!ENTITY" in text or (declared and declared[1].lower() not in (b"utf-8", b"us-ascii")):
        raise Hostile("XML with a DOCTYPE, or in another encoding than UTF-8", sent=True)
    return text


def context_of(way: Way) -> ssl.SSLContext:
    """The TLS of a way: the system's authorities or the given ones. A certificate pins TLS 1.2, for Windows cannot ask for one later in TLS 1.3.

    Raises BadConnection where a file is none that can be used: nothing was sent, and it is no affair of the host.
    """
    try:
        if way.authentication == "certificate":
            context = _context(way.ca, 0, ANY_CERTIFICATE in way.insecure)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            _identify(context, way)
            return context
        return _shared(way.ca, Path(way.ca).stat().st_mtime_ns if way.ca else 0, ANY_CERTIFICATE in way.insecure)
    except ssl.SSLError:
        raise BadConnection(f"{way.host}: connection.ca: {way.ca or 'what the system trusts'} holds no certificate in PEM") from None
    except OSError as failed:
        raise BadConnection(f"{way.host}: connection.ca: {way.ca} cannot be read: {failed.strerror}") from None


def _identify(context: ssl.SSLContext, way: Way) -> None:
    try:
        context.load_cert_chain(way.certificate, way.key, password=lambda: "")  # without this OpenSSL would ask at the terminal, and wait for ever
    except ssl.SSLError as failed:
        if failed.reason == "KEY_VALUES_MISMATCH":
            raise BadConnection(f"{way.host}: connection.certificateKey {way.key} is not the key of {way.certificate}") from None
        needed = "two files in PEM, the key without a pass phrase"
        raise BadConnection(f"{way.host}: {way.certificate} and {way.key} cannot be used: connection.certificate and certificateKey are {needed}") from None
    except OSError as failed:
        raise BadConnection(f"{way.host}: {way.certificate} or {way.key} cannot be read: {failed.strerror}") from None


def _context(ca: str, _: int, anyone: bool) -> ssl.SSLContext:
    is_folder = bool(ca) and Path(ca).is_dir()
    context = ssl.create_default_context(cafile=ca if ca and not is_folder else None, capath=ca if is_folder else None)
    if anyone:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


_shared = lru_cache(maxsize=64)(_context)  # a context of its own costs a host about a megabyte
