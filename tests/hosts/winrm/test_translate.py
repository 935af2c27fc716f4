"""Every row of the failures of a WinRM client as an error of ours: its kind, whether it may pass, whether something was sent."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest
from requests import exceptions as http
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError
from winrm.exceptions import InvalidCredentialsError, WinRMError, WinRMOperationTimeoutError, WinRMTransportError, WSManFaultError

from reconciler.core.errors import TransportError, Unreachable
from reconciler.hosts.winrm import errors
from reconciler.hosts.winrm.translate import translate
from reconciler.hosts.winrm.way import Way

HTTPS = Way("edge-01", "10.0.0.5", 5986, "https", "ntlm", "svc")
HTTP = Way("edge-01", "10.0.0.5", 5985, "http", "ntlm", "svc")
POOL: Any = None


def fault(code: int | None = None, wmi: int | None = None, reason: str = "said \x1b[31m so") -> WSManFaultError:
    return WSManFaultError(500, "m", "<r/>", reason, wsman_fault_code=code, wmierror_code=wmi)


def refused() -> http.ConnectionError:
    reason = NewConnectionError(POOL, "[Errno 111] Connection refused")
    return http.ConnectionError(MaxRetryError(POOL, "/wsman", reason))


class GSSError(Exception):
    __module__ = "kerberos"


class BadMic(Exception):
    __module__ = "spnego.exceptions"


TABLE: list[tuple[str, Exception, type[TransportError], bool, bool]] = [  # verb, what is raised, ours, may pass, may have been sent
    ("Create", refused(), errors.NobodyListens, True, False),
    ("Connect", NewConnectionError(POOL, "refused"), errors.NobodyListens, True, False),
    ("Connect", ConnectTimeoutError(POOL, "slow"), Unreachable, True, False),
    ("Connect", socket.gaierror(-2, "unknown"), Unreachable, True, False),
    ("Create", http.ConnectTimeout(), Unreachable, True, False),
    ("Send", http.ReadTimeout(), errors.OutOfTime, True, True),
    ("Send", InvalidCredentialsError("no"), errors.SignInRefused, False, False),
    ("Send", PermissionError("no challenge"), errors.SignInRefused, False, False),
    ("Connect", ssl.SSLCertVerificationError("certificate verify failed"), errors.TlsRefused, False, False),
    ("Create", http.SSLError("certificate verify failed: self-signed"), errors.TlsRefused, False, False),
    ("Send", WinRMTransportError("http", 400, ""), errors.StaleSeal, True, False),
    ("Send", GSSError(), errors.StaleSeal, True, False),
    ("Send", WinRMTransportError("http", 403, ""), errors.Forbidden, False, False),
    ("Send", WinRMTransportError("http", 500, ""), errors.Unencrypted, False, False),
    ("Send", WinRMTransportError("http", 503, ""), errors.Unavailable, True, False),
    ("Send", WinRMTransportError("http", 502, ""), errors.Broken, True, True),
    ("Send", WinRMTransportError("http", 504, "<html>"), errors.Broken, True, True),
    ("Send", WinRMTransportError("http", 404, "gone"), errors.Unavailable, True, False),
    ("Send", WinRMTransportError("http", 500, "<html>"), errors.Hostile, False, True),
    ("Receive", WinRMOperationTimeoutError(), errors.NoAnswerYet, True, False),
    ("Send", WinRMOperationTimeoutError(), errors.Unsure, True, True),
    ("Send", fault(170), errors.Unsure, True, True),
    ("Create", WinRMOperationTimeoutError(), errors.Unavailable, True, False),
    ("Create", fault(2150859173), errors.Quota, True, False),
    ("Command", fault(wmi=2150859174), errors.Quota, True, False),
    ("Command", fault(2147944216), errors.Quota, True, False),
    ("Command", fault(2147942402), errors.NoPowerShell, False, False),
    ("Create", fault(5), errors.Forbidden, False, False),
    ("Receive", fault(2150858843), errors.ShellGone, True, True),
    ("Send", fault(2150858843), errors.ShellGone, True, False),
    ("Receive", fault(995), errors.ShellGone, True, True),
    ("Send", fault(232), errors.ProcessEnded, True, False),
    ("Create", fault(2150858817), errors.Faulted, False, False),
    ("Send", http.ConnectionError("RemoteDisconnected"), errors.Broken, True, True),
    ("Receive", http.ChunkedEncodingError(), errors.Broken, True, True),
    ("Receive", ConnectionResetError(), errors.Broken, True, True),
    ("Receive", BadMic(), errors.Hostile, False, True),
    ("Receive", ValueError("no XML"), errors.Hostile, False, True),
    ("Create", WinRMError("requested auth method is kerberos, but pykerberos is not installed"), errors.BadConnection, False, False),
    ("Create", errors.Hostile("ours"), errors.Hostile, False, False),
]


@pytest.mark.parametrize(("verb", "raised", "ours", "transient", "sent"), TABLE)
def test_every_failure_has_an_error_of_ours(verb: str, raised: Exception, ours: type[TransportError], transient: bool, sent: bool) -> None:
    found = translate(HTTPS, verb, raised, fresh=False)
    assert type(found) is ours
    assert (found.transient, found.sent) == (transient, sent)


def test_a_handshake_that_fails_says_what_is_known_of_it() -> None:
    alert = ssl.SSLError(1, "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca (_ssl.c:1006)")
    assert str(translate(HTTPS, "Connect", alert, fresh=True)).endswith("failed: the host broke it off: unknown ca")
    curt = ssl.SSLEOFError(8, "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1006)")
    assert "broke it off without a word" in str(translate(HTTPS, "Connect", curt, fresh=True))
    silent = TimeoutError("_ssl.c:990: The handshake operation timed out")
    assert str(translate(HTTPS, "Connect", silent, fresh=True)).endswith("no TLS came about in time: is it the port of HTTP?")


def test_a_failure_of_the_sign_in_is_no_stale_seal() -> None:
    assert type(translate(HTTPS, "Create", GSSError(), fresh=True)) is errors.SignInRefused
    assert type(translate(HTTPS, "Create", BadMic(), fresh=True)) is errors.SignInRefused


def test_an_empty_500_in_a_sealed_session_is_not_about_sealing() -> None:
    assert type(translate(HTTP, "Send", WinRMTransportError("http", 500, ""), fresh=False)) is errors.Hostile


def test_words_of_a_host_are_made_visible_and_cut_short() -> None:
    found = str(translate(HTTPS, "Create", fault(1, reason="\x1b[2J" + "x" * 9000), fresh=False))
    assert "‹U+001B›" in found
    assert len(found) < 500


def test_codes_are_of_one_error_each() -> None:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TransportError) and kind.__module__ == errors.__name__]
    codes = [kind.code for kind in found if kind is not errors.NoAnswerYet]
    assert len(codes) == len(set(codes)) > 15
