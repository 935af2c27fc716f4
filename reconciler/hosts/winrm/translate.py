"""Every failure that pywinrm and what lies under it can raise → one of `errors`, in one place (winrm.md 5).

Called by `line`, in the thread where it happened. Requests, responses and foreign tracebacks stay behind: they hold credentials.
"""

from __future__ import annotations

import re
import ssl
from typing import Any

from requests import exceptions as http
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import SSLError as PoolSslError
from winrm.exceptions import (
    InvalidCredentialsError,
    WinRMError,
    WinRMOperationTimeoutError,
    WinRMTransportError,
    WSManFaultError,
)

from reconciler.core.errors import TransportError, Unreachable
from reconciler.hosts.winrm.errors import (
    BadConnection,
    Broken,
    Faulted,
    Forbidden,
    Hostile,
    NoAnswerYet,
    NobodyListens,
    NoPowerShell,
    OutOfTime,
    ProcessEnded,
    Quota,
    ShellGone,
    SignInRefused,
    StaleSeal,
    TlsRefused,
    Unavailable,
    Unencrypted,
    Unsure,
)
from reconciler.hosts.winrm.way import Way
from reconciler.wire.text import visible

SAID = 300  # characters of the host's words
CONNECT, SEND, RECEIVE = "Connect", "Send", "Receive"
GONE = {2150858843: "the shell is gone", 2150858880: "the shell is gone", 995: "the shell was closed"}
ENDED = (232, 109)
BUSY = 170
DENIED = (5, 2147942405, 2147749891)  # the last is WMI's own, 0x80041003
QUOTAS = {
    2150859173: "this user has as many shells there as are allowed",
    2150859174: "this user has begun as many operations there as are allowed until WinRM restarts",
    2147944216: "the shell has as many processes as are allowed",
}
NO_FILE = 2147942402
_ALERT = re.compile(r"alert ([a-z ]{3,40}) \(_ssl")
DOWN = (404, 408, 429, 503)
GATEWAY = (502, 504)  # not WinRM's own: what stands in between got no answer, and nobody knows whether the host got the message


def translate(way: Way, verb: str, problem: Exception, *, fresh: bool) -> TransportError:
    """`fresh`: nothing was answered on this connection yet, so what fails is still the sign-in."""
    match problem:
        case TransportError():
            return problem if str(problem).startswith(way.host) else type(problem)(f"{way.host}: {problem}", sent=problem.sent)
        case WinRMOperationTimeoutError():
            return _timed_out(way, verb)
        case InvalidCredentialsError() | PermissionError():
            return SignInRefused(f"{way.host}: {way.principal} was refused by {way.where} (HTTP 401)")
        case WSManFaultError():
            return fault(way, verb, problem)
        case WinRMTransportError():
            return status(way, verb, problem)
        case http.RequestException() | HTTPError() | OSError():
            return _line(way, verb, problem, fresh)
    return _other(way, verb, problem, fresh)


def _timed_out(way: Way, verb: str) -> TransportError:
    match verb:
        case "Receive":
            return NoAnswerYet(f"{way.host}: no answer yet")
        case "Send":
            return Unsure(f"{way.host}: the host did not say in time whether it took what was sent", sent=True)
    return Unavailable(f"{way.host}: {verb} took the host too long")


def fault(way: Way, verb: str, fault: Any) -> TransportError:
    """A WS-Man fault: the connection is sound, and the host says what it thinks."""
    code = fault.wsman_fault_code if fault.wsman_fault_code is not None else fault.wmierror_code
    said = visible(str(fault.reason))[:SAID]
    if code in GONE:
        return ShellGone(f"{way.host}: {GONE[code]}", sent=verb == RECEIVE)
    if code in ENDED:
        return ProcessEnded(f"{way.host}: the powershell process has ended", sent=verb == RECEIVE)
    if code == BUSY:
        return Unsure(f"{way.host}: the process has not read what was sent before", sent=True)
    if code in QUOTAS:
        return Quota(f"{way.host}: {QUOTAS[code]}")
    if code in DENIED:
        return Forbidden(f"{way.host}: {way.principal} may not use WinRM there: {said}")
    if code == NO_FILE:
        return NoPowerShell(f"{way.host}: powershell.exe cannot be started: {said}")
    faulted = Faulted(f"{way.host}: {verb} was refused: {said} (code {code})")
    faulted.number = code
    return faulted


def status(way: Way, verb: str, problem: Any) -> TransportError:
    status, body = int(problem.code), str(problem.response_text or "")
    if status == 400 and not body:
        return StaleSeal(f"{way.host}: the connection was replaced by another")
    if status == 403:
        return Forbidden(f"{way.host}: {way.principal} may not use WinRM there (HTTP 403)")
    if status in DOWN:
        return Unavailable(f"{way.host}: WinRM does not answer on {way.where} (HTTP {status})")
    if status in GATEWAY:
        return Broken(f"{way.host}: what stands before {way.where} got no answer from it (HTTP {status})", sent=True)
    if status == 500 and not body and not way.sealed:
        return Unencrypted(f"{way.host}: the service refuses this message (HTTP 500 without a reason), as it does those that are not encrypted")
    return Hostile(f"{way.host}: an answer to {verb} that is none (HTTP {status})", sent=True)


def _line(way: Way, verb: str, problem: Exception, fresh: bool) -> TransportError:
    """Failures of the connection: before it was there nothing was sent, afterwards nobody knows."""
    causes = _causes(problem)
    if any(isinstance(cause, NameResolutionError) for cause in causes):
        return Unreachable(f"{way.host}: the name {way.address} does not resolve")
    if isinstance(problem, http.SSLError | PoolSslError | ssl.SSLError) and (fresh or verb == CONNECT or "verify" in str(problem).casefold()):
        return TlsRefused(f"{way.host}: TLS with {way.where} failed: {_tls(problem)}")
    if isinstance(problem, FileNotFoundError):
        return BadConnection(f"{way.host}: a file that the connection names cannot be used: {visible(str(problem))[:SAID]}")
    if any(isinstance(cause, NewConnectionError) for cause in causes):
        refused = any(isinstance(cause, ConnectionRefusedError) for cause in causes) or "refused" in str(problem)
        return NobodyListens(f"{way.host}: {way.where} refuses connections") if refused else Unreachable(f"{way.host}: {way.where} cannot be reached")
    if any(isinstance(cause, ConnectTimeoutError | http.ConnectTimeout) for cause in causes):
        return Unreachable(f"{way.host}: no answer on {way.where}")
    if verb == CONNECT:
        silent = "handshake" in str(problem)
        told = f"{way.where} takes connections, and no TLS came about in time: is it the port of HTTP?" if silent else f"no connection to {way.where}"
        return Unreachable(f"{way.host}: {told}")
    if isinstance(problem, http.ReadTimeout):
        return OutOfTime(f"{way.host}: {way.where} has not answered {verb} in time", sent=True)
    return Broken(f"{way.host}: the connection to {way.where} broke", sent=True)


def _causes(problem: BaseException) -> list[Any]:
    """The problem, and what its arguments and reasons hold: urllib3 wraps causes in both ways."""
    found: list[Any] = []
    waiting: list[Any] = [problem]
    while waiting and len(found) < 20:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return found


def _tls(problem: Exception) -> str:
    """OpenSSL's own words out of their wrappings."""
    text = str(problem)
    for word in ("certificate verify failed", "WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL"):
        if word.casefold() in text.casefold():
            tail = text[text.casefold().find(word.casefold()) :]
            return visible(tail.split(" (_ssl")[0])[:SAID]
    if alert := _ALERT.search(text):  # what the host thinks of our certificate, as a rule
        return f"the host broke it off: {alert[1]}"
    if "EOF" in text:
        return "the host broke it off without a word, as one does that takes no certificate like ours"
    return "no agreement was reached"


def _other(way: Way, verb: str, problem: Exception, fresh: bool) -> TransportError:
    """What is left: libraries that keep no promise about errors. Their kind decides, and their words are not shown."""
    module = type(problem).__module__.partition(".")[0]
    if module in ("kerberos", "krb5", "gssapi", "winkerberos"):
        if fresh:
            return SignInRefused(f"{way.host}: Kerberos gave no ticket for {way.address}; see the ticket cache or keytab of this process")
        return StaleSeal(f"{way.host}: the connection was replaced by another")
    if module == "spnego":
        if fresh:
            return SignInRefused(f"{way.host}: the sign-in with {way.where} did not come about")
        return Hostile(f"{way.host}: an answer whose seal does not fit", sent=True)
    if isinstance(problem, WinRMError) and "pykerberos" in str(problem):
        return BadConnection(f"{way.host}: Kerberos needs the extra kerberos of this product: it is not installed")
    return Hostile(f"{way.host}: an answer to {verb} that cannot be read ({type(problem).__name__})", sent=True)
