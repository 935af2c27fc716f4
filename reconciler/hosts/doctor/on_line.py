"""Checks of the way to a host: name, port, certificate, signing in, clocks. Pure; each says what it saw and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from reconciler.core.checkup import Finding, fail, left, ok, warn
from reconciler.core.errors import ReconcilerError, SecretUnavailable, TransportError, Unreachable
from reconciler.hosts.doctor.line import is_address
from reconciler.hosts.doctor.seen import Certificate, Line, Seen
from reconciler.hosts.winrm.errors import BadConnection, NobodyListens, OutOfTime, SignInRefused, SignInStopped
from reconciler.hosts.winrm.way import ANY_CERTIFICATE, RISKS, Way

SOON = timedelta(days=30)
APART, KERBEROS = 60.0, 300.0  # seconds between clocks: what is remarked, what Kerberos takes
ENDED, NOT_YET, OTHER_NAME, UNKNOWN = (10,), (9,), (62, 64), (2, 18, 19, 20, 21)  # X509_V_ERR_… of OpenSSL
NOT_EMULATED = "HST011"
PROFILES = "http://schemas.dmtf.org/"  # WS-Management offers certificates as a profile of this kind
ACCEPTS = {"ntlm": ("negotiate", "ntlm"), "kerberos": ("negotiate", "kerberos"), "basic": ("basic",)}


def said(failed: ReconcilerError, host: str) -> str:
    """The error's words, without the name that heads the page already."""
    return str(failed).removeprefix(f"{host}: ")


def code_of(failed: ReconcilerError) -> str:
    return failed.code if isinstance(failed, TransportError) else ""


def name(seen: Seen) -> Iterator[Finding]:
    line = seen.line
    if line is None:
        return
    if not line.resolved:
        yield fail("name", said(line.failed, seen.host.name) if line.failed else "it does not resolve", "mend DNS, or write spec.address", "HST010")
    elif is_address(line.way.address):
        yield ok("name", f"{line.way.address} is an address{f', called {line.back}' if line.back else ''}")
    elif line.back and _short(line.back) != _short(line.way.address):
        yield warn("name", f"{', '.join(line.resolved)}, and back it is {line.back}", "Kerberos and certificates go by names: mend DNS where this is not meant")
    else:
        yield ok("name", f"{', '.join(line.resolved)}{', and back' if line.back else ''}")


def _short(text: str) -> str:
    return text.partition(".")[0].casefold()


def port(seen: Seen) -> Iterator[Finding]:
    line = seen.line
    if line is None or not line.resolved:
        return
    if line.connected is not None:
        yield ok("port", f"{line.way.port} answers in {line.connected:.0f} ms")
        return
    help = (
        "power or line, or a firewall in between"
        if isinstance(line.failed, OutOfTime)
        else f"where nothing listens yet, `reconcile bootstrap {seen.host.name}` prints what to paste"
    )
    code = NobodyListens.code if isinstance(line.failed, NobodyListens) else "HST010"
    yield fail("port", said(line.failed, seen.host.name) if line.failed else "it does not answer", help, code)


def tls(seen: Seen) -> Iterator[Finding]:
    line = seen.line
    if line is None or line.connected is None:
        return
    if line.way.scheme == "http":
        yield warn("tls", "none: messages are sealed by the sign-in, which can be relayed", f"a listener with TLS: reconcile bootstrap {seen.host.name}")
    elif line.certificate is None:
        yield fail("tls", said(line.failed, seen.host.name) if line.failed else "no certificate", "does this port speak TLS?", "HST020")
    elif line.certificate.trouble:
        yield _refused(line.certificate, line.way, seen.host.name)
    elif ANY_CERTIFICATE in line.way.insecure:
        yield warn("tls", f"{RISKS[ANY_CERTIFICATE]} (shown: {_about(line.certificate)})", "name its authority instead: connection.ca")
    elif line.certificate.ends - line.certificate.at < SOON:
        left_ = _days(line.certificate.ends - line.certificate.at)
        yield warn("tls", f"certificate ends in {left_} (name ok, {line.certificate.issuer})", f"renew it, then: reconcile bootstrap {seen.host.name} --rebind")
    else:
        yield ok("tls", f"certificate until {_day(line.certificate.ends)} (name ok, {line.certificate.issuer})")


def _refused(shown: Certificate, way: Way, host: str) -> Finding:
    again = f"reconcile bootstrap {host}"
    if shown.trouble in ENDED or shown.ends < shown.at:
        return fail("tls", f"the certificate ended on {_day(shown.ends)} ({_about(shown)})", f"renew it, then: {again} --rebind", "HST020")
    if shown.trouble in NOT_YET:
        return fail("tls", f"the certificate begins on {_day(shown.begins)}", "is a clock wrong, here or there?", "HST020")
    if shown.trouble in OTHER_NAME:
        text = f"the certificate is for {', '.join(shown.names) or 'nobody'}, and {way.address} is asked for"
        return fail("tls", text, f"reach it by a name that is on it (spec.address), or make one for this name: {again}", "HST020")
    if shown.trouble in UNKNOWN:
        known = f"{way.ca} does not know" if way.ca else "this machine does not know"
        return fail(
            "tls", f"{known} who signed the certificate ({_about(shown)})", "connection.ca: a PEM file with that authority, had from the host itself", "HST020"
        )
    return fail("tls", f"the certificate is refused: {shown.words} ({_about(shown)})", code="HST020")


def _about(shown: Certificate) -> str:
    return f"{', '.join(shown.names) or 'no name'}, by {shown.issuer}"


def _day(when: datetime) -> str:
    return f"{when.day} {when:%b %Y}"


def _days(left_: timedelta) -> str:
    hours = left_.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} h"


def sign_in(seen: Seen) -> Iterator[Finding]:
    line = seen.line
    if line is not None and line.offer is None and seen.signed is None:
        if line.failed is not None and (line.way.scheme == "http" or line.certificate is not None) and line.connected is not None:
            yield fail("sign-in", said(line.failed, seen.host.name), "what answers there is no WinRM service", code_of(line.failed))
        return
    if seen.signed is not None:
        yield _unsigned(seen, seen.signed)
    elif line is not None and line.offer is not None:
        yield ok("sign-in", f"{_how(line)}; the host offers {_offered(line)}")


def _unsigned(seen: Seen, failed: ReconcilerError) -> Finding:
    text, code = said(failed, seen.host.name), code_of(failed)
    match failed:
        case SignInRefused() | SignInStopped():
            return fail("sign-in", f"{text}, tried once", _why_refused(seen), code)
        case BadConnection():
            return fail("connection", text, "docs/connections.md has the fields", code)
        case SecretUnavailable():
            return fail("sign-in", f"there is no password to sign in with: {text}", "provide it where this command runs")
    help = (
        "add what the specs name and the estate lacks: reconcile emulate new" if code == NOT_EMULATED else "power or line, or it restarts; then the same again"
    )
    return fail("sign-in" if seen.line else "host", text, help if isinstance(failed, Unreachable) else "", code)


def _why_refused(seen: Seen) -> str:
    """What is most likely, of what is known: the way is not offered, the clock, the password."""
    line = seen.line
    if line is None or line.offer is None:
        return "put the credential right"
    offered = [way.casefold() for way in line.offer.ways]
    wanted = ACCEPTS.get(line.way.authentication)
    if wanted and offered and not set(wanted) & set(offered):
        return f"the host offers {_offered(line)} alone: another connection.authentication, or turn it on there"
    apart = _apart(line)
    if line.way.authentication == "kerberos" and apart is not None and abs(apart) > KERBEROS:
        return f"likely: the host's clock is {_span(apart)} (its Date header); Kerberos allows 5 min. Else the SPN: setspn -Q HTTP/{line.way.address}"
    if line.way.authentication == "kerberos":
        return f"no ticket here (klist), or the SPN is missing or there twice: setspn -Q HTTP/{line.way.address}"
    return "put the credential right; no host is tried again with this one, so that the account is not locked"


def _how(line: Line) -> str:
    return f"{line.way.authentication}{f' as {line.way.username}' if line.way.username else ''}"


def _offered(line: Line) -> str:
    ways = line.offer.ways if line.offer else ()
    return ", ".join("a certificate" if way.startswith(PROFILES) else way for way in ways) or "nothing"


def clocks(seen: Seen) -> Iterator[Finding]:
    kerberos = seen.line is not None and seen.line.way.authentication == "kerberos"
    apart = _apart(seen.line) if seen.line else None
    if apart is None and seen.hello and seen.hello.facts.utc:
        apart = (seen.hello.facts.utc - seen.at).total_seconds()
    if apart is None:
        return
    if abs(apart) <= APART:
        yield ok("clock", f"{abs(apart):.0f} s apart")
    elif kerberos and abs(apart) > KERBEROS:
        yield fail("clock", f"the host's is {_span(apart)}; Kerberos allows 5 min", "w32tm /resync there, or its time source", "HST021")
    else:
        yield warn("clock", f"the host's is {_span(apart)}", "w32tm /resync there: certificates and Kerberos go by it")


def _apart(line: Line) -> float | None:
    """Seconds that the host is ahead; HTTP tells whole ones."""
    if line.offer is None or line.offer.date is None or line.offer.at is None:
        return None
    return (line.offer.date - line.offer.at).total_seconds()


def _span(apart: float) -> str:
    seconds = round(abs(apart))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    shown = [f"{count} {unit}" for count, unit in parts if count][:2]
    return f"{' '.join(shown) or '0 s'} {'ahead' if apart > 0 else 'behind'}"


def rest(seen: Seen) -> Iterator[Finding]:
    """Said once, instead of a line for each thing that could not be looked at."""
    line = seen.line
    if line is None and seen.session is None and not (seen.signed or seen.stranger or seen.unasked or seen.tables):
        yield left("host", "nothing says how it is reached: spec.connection (docs/connections.md)")
    elif (line is not None and line.offer is None) or seen.signed is not None:
        yield left("rest", "PowerShell, identity, roles, machines: not looked at, since nobody is let in")


CHECKS: tuple[Callable[[Seen], Iterator[Finding]], ...] = (name, port, tls, sign_in, clocks, rest)
