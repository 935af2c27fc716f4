"""Every failure that pypsrp can raise → one of `errors`, here or in `hosts.winrm`. Called by `line`, in the thread where it happened."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from types import SimpleNamespace

from pypsrp.exceptions import AuthenticationError, FragmentError, InvalidPSRPOperation, SerializationError, WinRMTransportError, WSManFaultError

from reconciler.core.errors import TransportError
from reconciler.hosts.psrp.errors import NoConfiguration
from reconciler.hosts.winrm import translate as shared
from reconciler.hosts.winrm.errors import BadConnection, Hostile, NoAnswerYet, SignInRefused, Unavailable, Unsure
from reconciler.hosts.winrm.way import Way

TIMED_OUT = 2150858793
NO_RESOURCE = 2150858752


def translate(way: Way, verb: str, problem: Exception, *, fresh: bool) -> TransportError:
    """`fresh`: nothing was answered on this connection yet, so what fails is still the sign-in."""
    match problem:
        case AuthenticationError():
            return SignInRefused(f"{way.host}: {way.principal} was refused by {way.where} (HTTP 401)")
        case WSManFaultError():
            return _fault(way, verb, problem)
        case WinRMTransportError():
            return shared.status(way, verb, problem)
        case ImportError() if way.authentication == "kerberos":
            return BadConnection(f"{way.host}: Kerberos over PSRP needs gssapi and krb5, which pypsrp[kerberos] brings: not installed")
        case InvalidPSRPOperation() | FragmentError() | SerializationError() | ET.ParseError():
            return Hostile(f"{way.host}: an answer to {verb} that is no PowerShell remoting ({type(problem).__name__})", sent=True)
    return shared.translate(way, verb, problem, fresh=fresh)


def _fault(way: Way, verb: str, fault: WSManFaultError) -> TransportError:
    code = fault.code if isinstance(fault.code, int) else None
    if code == NO_RESOURCE and verb == "Create":
        return NoConfiguration(f"{way.host}: there is no session configuration of that name; register what `reconcile jea` wrote")
    if code == TIMED_OUT:
        return _late(way, verb)
    return shared.fault(way, verb, SimpleNamespace(wsman_fault_code=code, wmierror_code=None, reason=fault.reason))


def _late(way: Way, verb: str) -> TransportError:
    match verb:
        case "Receive":
            return NoAnswerYet(f"{way.host}: no answer yet")
        case "Send":
            return Unsure(f"{way.host}: the host did not say in time whether it took what was sent", sent=True)
    return Unavailable(f"{way.host}: {verb} took the host too long", sent=verb == "Create")  # the pool may be there: its id is ours, and it is closed
