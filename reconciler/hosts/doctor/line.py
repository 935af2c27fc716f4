"""The way to a WinRM service, one step after the other: name, port, TLS, what it offers to strangers. It signs in nowhere.

`examine` awaits `walk`. Each step is bounded, in a thread that is left behind if it hangs, and the first that fails is the last.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
from cryptography import x509
from cryptography.x509.oid import NameOID

from reconciler.core.errors import TransportError, Unreachable
from reconciler.core.transport import Clock
from reconciler.hosts.doctor.seen import Certificate, Line, Offer
from reconciler.hosts.winrm.adapter import context_of
from reconciler.hosts.winrm.client import knock
from reconciler.hosts.winrm.errors import NobodyListens, OutOfTime, TlsRefused
from reconciler.hosts.winrm.translate import CONNECT, translate
from reconciler.hosts.winrm.way import ANY_CERTIFICATE, Way

T = TypeVar("T")
NAMES = 5  # addresses and names that are shown


async def walk(way: Way, clock: Clock, patience: float) -> Line:
    """As far as it goes. `patience`: seconds of each step."""
    line = Line(way)
    try:
        line.resolved = await _stepped(partial(_resolve, way), way, patience)
        line.back = await _back(line.resolved[0], patience)
        line.connected = await _stepped(partial(_connect, way, patience), way, patience)
        if way.scheme == "https":
            line.certificate = await _stepped(partial(_certificate, way, patience), way, patience)
            if line.certificate.trouble:
                return line
        status, ways, date = await _stepped(partial(knock, way, patience), way, patience)
        line.offer = Offer(status, ways, _moment(date), clock.now())
    except TransportError as failed:
        line.failed = failed
    return line


async def _stepped(act: Callable[[], T], way: Way, patience: float) -> T:
    def guarded() -> T | TransportError:
        try:
            return act()
        except Exception as problem:  # noqa: BLE001 - every foreign error becomes one of ours, as in a session
            return translate(way, CONNECT, problem, fresh=True)

    with anyio.move_on_after(patience + 0.5):
        done = await anyio.to_thread.run_sync(guarded, abandon_on_cancel=True, limiter=_limiter())
        if isinstance(done, TransportError):
            raise done
        return done
    raise OutOfTime(f"{way.host}: no answer on {way.where} within {patience:g} s")


def _limiter() -> anyio.CapacityLimiter:
    """A thread of its own: one that hangs on a name server must keep nobody waiting."""
    return anyio.CapacityLimiter(1)


def _resolve(way: Way) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(way.address, way.port, type=socket.SOCK_STREAM)
    except OSError:
        raise Unreachable(f"{way.host}: the name {way.address} does not resolve") from None
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))[:NAMES]


async def _back(address: str, patience: float) -> str:
    """The name that the address goes by; empty where nobody says one in time. It decides nothing."""
    with anyio.move_on_after(min(patience, 3)):
        return await anyio.to_thread.run_sync(partial(_named, address), abandon_on_cancel=True, limiter=_limiter())
    return ""


def _named(address: str) -> str:
    try:
        return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
    except OSError:
        return ""


def _open(way: Way, patience: float) -> socket.socket:
    try:
        return socket.create_connection((way.address, way.port), timeout=patience)
    except ConnectionRefusedError:
        raise NobodyListens(f"{way.host}: {way.where} refuses connections") from None
    except TimeoutError:
        raise OutOfTime(f"{way.host}: no answer on {way.where} within {patience:g} s") from None
    except OSError as failed:
        raise Unreachable(f"{way.host}: {way.where} cannot be reached: {failed.strerror}") from None


def _connect(way: Way, patience: float) -> float:
    begun = datetime.now(UTC)
    with _open(way, patience):
        return (datetime.now(UTC) - begun).total_seconds() * 1000


def _certificate(way: Way, patience: float) -> Certificate:
    """Whatever certificate is shown, and what the way's own context thinks of it."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with _open(way, patience) as raw, anyone.wrap_socket(raw, server_hostname=way.address) as shown:
        data = shown.getpeercert(binary_form=True)
    if not data:
        raise TlsRefused(f"{way.host}: {way.where} shows no certificate")
    trouble, words = (0, "") if ANY_CERTIFICATE in way.insecure else _verdict(way, patience)
    return _read(x509.load_der_x509_certificate(data), trouble, words)


def _verdict(way: Way, patience: float) -> tuple[int, str]:
    try:
        with _open(way, patience) as raw, context_of(way).wrap_socket(raw, server_hostname=way.address):
            return 0, ""
    except ssl.SSLCertVerificationError as refused:
        return refused.verify_code, refused.verify_message


def _read(found: x509.Certificate, trouble: int, words: str) -> Certificate:
    common = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    issuer = found.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    try:
        known = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [*known.get_values_for_type(x509.DNSName), *(str(ip) for ip in known.get_values_for_type(x509.IPAddress))]
    except (x509.ExtensionNotFound, ValueError):
        names = []
    shown = tuple(names or [str(name.value) for name in common])[:NAMES]
    by = str(issuer[0].value) if issuer else found.issuer.rfc4514_string()
    return Certificate(shown, by, found.not_valid_before_utc, found.not_valid_after_utc, datetime.now(UTC), trouble, words)


def _moment(date: str) -> datetime | None:
    try:
        return parsedate_to_datetime(date).astimezone(UTC)
    except (ValueError, TypeError):
        return None


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
