"""Failures that pypsrp raises → ours: kind, code, whether again, whether something may have acted, and no words of the library."""

from __future__ import annotations

import pytest
from pypsrp.exceptions import AuthenticationError, FragmentError, InvalidPSRPOperation, WinRMTransportError, WSManFaultError
from requests.exceptions import ReadTimeout

from reconciler.core.errors import TransportError
from reconciler.hosts.psrp.errors import NoConfiguration
from reconciler.hosts.psrp.translate import translate
from reconciler.hosts.winrm import errors
from reconciler.hosts.winrm.way import Way

WAY = Way("kiosk-01", "kiosk-01.example.net", 5985, "http", "kerberos")


def fault(code: int | str) -> WSManFaultError:
    return WSManFaultError(code, "M", "says \x1b[2J", None, None, None)


@pytest.mark.parametrize(
    ("verb", "problem", "kind", "sent"),
    [
        ("Create", AuthenticationError("hunter2"), errors.SignInRefused, False),
        ("Create", fault(2150858752), NoConfiguration, False),
        ("Create", fault(2150859173), errors.Quota, False),
        ("Create", fault(5), errors.Forbidden, False),
        ("Create", fault(2150858793), errors.Unavailable, True),
        ("Receive", fault(2150858793), errors.NoAnswerYet, False),
        ("Send", fault(2150858793), errors.Unsure, True),
        ("Receive", fault(2150858843), errors.ShellGone, True),
        ("Send", fault("w:InternalError"), errors.Faulted, False),
        ("Send", WinRMTransportError("http", 400, ""), errors.StaleSeal, False),
        ("Send", WinRMTransportError("http", 503, "<html>"), errors.Unavailable, False),
        ("Receive", FragmentError("x"), errors.Hostile, True),
        ("Create", InvalidPSRPOperation("broken"), errors.Hostile, True),
        ("Receive", ReadTimeout("x"), errors.OutOfTime, True),
        ("Create", ImportError("gssapi"), errors.BadConnection, False),
        ("Receive", RecursionError("x"), errors.Hostile, True),
    ],
)
def test_a_failure_has_one_meaning(verb: str, problem: Exception, kind: type[TransportError], sent: bool) -> None:
    found = translate(WAY, verb, problem, fresh=False)
    assert type(found) is kind
    assert found.sent is sent
    assert str(found).startswith("kiosk-01: ")
    assert "hunter2" not in str(found)
    assert "\x1b" not in str(found)
