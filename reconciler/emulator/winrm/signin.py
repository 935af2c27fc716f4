"""Who is at the other end of one connection: Basic, NTLM or SPNEGO inside Negotiate, or a client certificate.

One `SignIn` a TCP connection, as NTLM has it (winrm.md 4.3). Passwords are compared and never written anywhere.
"""

from __future__ import annotations

import base64
import hmac
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spnego
from spnego.channel_bindings import GssChannelBindings

from reconciler.emulator.winrm.settings import Account, Settings

MUTUAL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
RAW_NTLM = b"NTLMSSP\x00"


@dataclass(frozen=True, slots=True)
class Granted:
    user: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A 401: who are you? `token` is the next step of a handshake; without one this is a refusal or a first question."""

    headers: tuple[tuple[str, str], ...]
    token: bool = False


class Accounts:
    """The users of a service, also in the file that pyspnego's acceptor wants; the environment names it only while it is read."""

    def __init__(self, accounts: tuple[Account, ...], names: tuple[str, ...]) -> None:
        self._accounts = accounts
        handle, path = tempfile.mkstemp(prefix="accounts-")
        self._path = Path(path)
        domains = dict.fromkeys(("", ".", *names))
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            for account in accounts:
                for domain in [account.domain] if account.domain else domains:
                    file.write(f"{domain}:{account.user}:{account.password}\n")

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    @contextmanager
    def known(self) -> Iterator[None]:
        before = os.environ.get("NTLM_USER_FILE")
        os.environ["NTLM_USER_FILE"] = str(self._path)
        try:
            yield
        finally:
            if before is None:
                del os.environ["NTLM_USER_FILE"]
            else:
                os.environ["NTLM_USER_FILE"] = before

    def basic(self, user: str, password: str) -> str | None:
        bare = user.rpartition("\\")[2].casefold()
        for account in self._accounts:
            if account.user.casefold() == bare and hmac.compare_digest(account.password.encode(), password.encode()):
                return account.user
        return None


class SignIn:
    """`tls`: the connection is one. `binding`: what names our end of the channel. `mapped`: the user of the client's certificate."""

    def __init__(self, settings: Settings, accounts: Accounts, *, tls: bool, binding: bytes | None, mapped: str | None) -> None:
        self._settings = settings
        self._accounts = accounts
        self._tls = tls
        self._binding = binding if settings.binding else None
        self._mapped = mapped
        self._handshake: Any = None
        self.context: Any = None  # once signed in with Negotiate: what seals
        self.user: str | None = None
        self.handshakes = 0

    def ask(self, headers: Mapping[str, str]) -> Granted | Asked:
        """What the Authorization header, or the connection as it stands, says."""
        scheme, _, value = headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "":
                return Granted(self.user) if self.user is not None and self.context is not None else self._question()
            case "basic" if self._settings.basic:
                return self._basic(value)
            case "negotiate" | "ntlm" if self._settings.negotiate:
                return self._negotiate(scheme, value)
            case _ if scheme == MUTUAL and self._settings.certificate and self._mapped:
                return Granted(self._mapped)
        return self._question()

    def _question(self) -> Asked:
        offers = [("WWW-Authenticate", "Negotiate")] if self._settings.negotiate else []
        if self._settings.basic:
            offers.append(("WWW-Authenticate", 'Basic realm="WSMAN"'))
        if self._settings.certificate and self._tls:
            offers.append(("WWW-Authenticate", MUTUAL))
        return Asked(tuple(offers))

    def _basic(self, value: str) -> Granted | Asked:
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:
            return self._question()
        found = self._accounts.basic(user, password)
        return Granted(found) if found else self._question()

    def _negotiate(self, scheme: str, value: str) -> Granted | Asked:
        try:
            token = base64.b64decode(value, validate=True)
        except ValueError:
            return self._question()
        try:
            with self._accounts.known():
                if self._handshake is None:
                    self._handshake = self._start(token)
                    self.handshakes += 1
                answer = self._handshake.step(token)
        except Exception:  # noqa: BLE001 - tokens come from anywhere, and their readers raise whatever they stumble over
            self._handshake = None
            return self._question()
        header = (("WWW-Authenticate", f"{scheme} {base64.b64encode(answer).decode()}"),) if answer else ()
        if not self._handshake.complete:
            return Asked(header, token=True)
        self.context, self._handshake = self._handshake, None
        self.user = str(self.context.client_principal or "").rpartition("\\")[2]
        return Granted(self.user, header)

    def _start(self, token: bytes) -> Any:
        """Raw NTLM inside Negotiate, as the Python clients send it, or SPNEGO: told apart by the token itself."""
        raw = token.startswith(RAW_NTLM)
        bindings = GssChannelBindings(application_data=self._binding) if self._binding else None
        options = spnego.NegotiateOptions.use_ntlm if raw else spnego.NegotiateOptions.use_negotiate
        return spnego.server("host", "http", channel_bindings=bindings, protocol="ntlm" if raw else "negotiate", options=options)
