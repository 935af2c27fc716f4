"""`connection:` of a host → where and how to sign in, or BadConnection before anything is sent.

Called by `hosts.connect`. What is insecure must be asked for by name, and is logged; Basic never goes over plain HTTP.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.core.calls import Secret
from reconciler.core.resources import Host
from reconciler.hosts.winrm.errors import BadConnection

log = logging.getLogger(__name__)
PORTS = {"http": 5985, "https": 5986}
WAYS = ("kerberos", "certificate", "ntlm", "basic")
ANY_CERTIFICATE, PLAIN_HTTP = "anyCertificate", "plainHttp"
RISKS = {
    ANY_CERTIFICATE: "any certificate is taken, so whoever stands in between can read and change everything",
    PLAIN_HTTP: "NTLM over HTTP is sealed, and can be relayed by whoever stands in between",
}


@dataclass(frozen=True, slots=True)
class Way:
    """How one host is reached. `ca`, `certificate` and `key` are files; `password` is a reference."""

    host: str  # the name in the specs, for messages
    address: str
    port: int
    scheme: str
    authentication: str
    username: str = ""
    password: Secret | None = None
    certificate: str = ""
    key: str = ""
    ca: str = ""
    insecure: frozenset[str] = frozenset()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{_bracketed(self.address)}:{self.port}/wsman"

    @property
    def where(self) -> str:
        return f"{_bracketed(self.address)}:{self.port}"

    @property
    def sealed(self) -> bool:
        """Messages are encrypted by the sign-in's own keys, since nothing else does it."""
        return self.scheme == "http"

    @property
    def principal(self) -> str:
        return self.certificate if self.authentication == "certificate" else f"{self.authentication} {self.username.casefold()}".strip()


def way_to(host: Host, folder: Path = Path()) -> Way:
    """Relative files are looked for in `folder`, where the specs lie. Raises BadConnection."""
    options = host.connection.options
    scheme = _text(options, "scheme") or "https"
    way = Way(
        host.name,
        host.address or host.name,
        host.connection.port or PORTS[scheme],
        scheme,
        _authentication(options),
        _text(options, "username"),
        options.get("password"),
        _file(folder, _text(options, "certificate")),
        _file(folder, _text(options, "certificateKey")),
        _file(folder, _text(options, "ca")),
        frozenset(options.get("insecure") or ()),
    )
    if trouble := _trouble(way):
        raise BadConnection(f"{host.name}: {trouble}")
    return way


def warn(way: Way) -> None:
    """Whoever chose something insecure hears of it."""
    for choice in sorted(way.insecure):
        log.warning("%s: connection.insecure has %s: %s", way.host, choice, RISKS[choice])


def _authentication(options: Mapping[str, Any]) -> str:
    """As written; else by what is given, Kerberos before a certificate before NTLM. `negotiate` is Kerberos: it never falls back."""
    written = _text(options, "authentication")
    if written:
        return "kerberos" if written == "negotiate" else written
    if _text(options, "certificate"):
        return "certificate"
    return "ntlm" if options.get("password") is not None else "kerberos"


def _trouble(way: Way) -> str:
    if way.authentication not in WAYS:
        return f"connection.authentication is one of {', '.join(WAYS)}"
    if unknown := sorted(way.insecure - RISKS.keys()):
        return f"connection.insecure knows {' and '.join(sorted(RISKS))}, not {unknown[0]}"
    if way.ca and not Path(way.ca).exists():
        return f"connection.ca: there is no {way.ca}"
    return _signing_in(way) or (_over_http(way) if way.scheme == "http" else "")


def _signing_in(way: Way) -> str:
    match way.authentication:
        case "kerberos" if way.password is not None:
            return "Kerberos takes no password here: it uses the ticket cache or keytab of this process; leave out connection.password, or use ntlm"
        case "certificate":
            missing = next((name for name in (way.certificate, way.key) if not name or not Path(name).exists()), None)
            return "" if missing is None else f"a certificate needs connection.certificate and connection.certificateKey, files that are there: {missing}"
        case "ntlm" | "basic" if not way.username or way.password is None:
            return f"{way.authentication} needs connection.username and connection.password (a reference: env, file or command)"
    return ""


def _over_http(way: Way) -> str:
    match way.authentication:
        case "basic":
            return "Basic over plain HTTP would send the password in clear: it is refused; use scheme https"
        case "certificate":
            return "a certificate signs in over HTTPS only; use scheme https"
        case "ntlm" if PLAIN_HTTP not in way.insecure:
            return f"{RISKS[PLAIN_HTTP]}: use scheme https, or ask for it: insecure: [{PLAIN_HTTP}]"
    return ""


def _text(options: Mapping[str, Any], name: str) -> str:
    value = options.get(name)
    return value if isinstance(value, str) else ""


def _file(folder: Path, name: str) -> str:
    return str(folder / Path(name).expanduser()) if name else ""


def _bracketed(address: str) -> str:
    try:
        return f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    except ValueError:
        return address
