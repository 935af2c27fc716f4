"""Checks of what a session meets: quotas, PowerShell, identity, logging, what we and others left there. Pure.

Where there is no session they say why, and identity comes from WMI.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from reconciler.core.checkup import Finding, fail, left, ok, warn
from reconciler.core.errors import ReconcilerError
from reconciler.core.transport import Hello, Job
from reconciler.hosts.cim import number, one
from reconciler.hosts.doctor.ask import FLEETS, NO_KEY
from reconciler.hosts.doctor.on_line import code_of, said
from reconciler.hosts.doctor.on_software import modules, policy, reboot
from reconciler.hosts.doctor.seen import Seen
from reconciler.hosts.winrm.errors import BootFailed, Forbidden, NoPowerShell, Quota
from reconciler.wire.powershell import sha256

LOGS = {"ModuleLogging": "module logging", "ScriptBlockLogging": "script-block logging", "Transcription": "transcription"}
LEAST = {"Winrs/MaxShellsPerUser": (2, "shells a user"), "Winrs/MaxMemoryPerShellMB": (512, "MB a shell"), "MaxEnvelopeSizekb": (150, "KB an envelope")}
INVOKER = f"our script has the SHA-256 {sha256()}"


def limits(seen: Seen) -> Iterator[Finding]:
    """Of the WinRM service, as far as it tells them."""
    told = [(value, least, words) for name, (least, words) in LEAST.items() if (value := number(seen.settings.get(name))) is not None]
    if not told:
        return
    used = "" if seen.shells is None else f"{seen.shells} shells open, "
    text = used + ", ".join(f"{value:,} {words}" for value, _, words in told)
    low = [f"{value:,} {words}" for value, least, words in told if value < least]
    most = number(seen.settings.get("Winrs/MaxShellsPerUser"))
    if low:
        yield warn("limits", text, f"{', '.join(low)} is less than a session needs: winrm/config there, or the group policy that sets it")
    elif seen.shells is not None and most is not None and seen.shells >= most:
        yield warn("limits", text, "where they are this account's, no session can open: winrm enumerate shell there shows whose", "HST045")
    elif seen.settings.get("Service/AllowUnencrypted") == "true":
        yield warn(
            "limits", f"{text}; AllowUnencrypted is on", 'others may send passwords in clear there: winrm set winrm/config/service @{AllowUnencrypted="false"}'
        )
    else:
        yield ok("limits", text)


def shell(seen: Seen) -> Iterator[Finding]:
    match seen.session:
        case Hello(raw=raw):
            version, mode = raw.get("ps") or "of an unknown version", raw.get("language") or "of an unknown mode"
            yield ok("shell", f"Windows PowerShell {version}, {mode}")
        case ReconcilerError() as failed:
            yield _no_session(seen, failed)
            yield left("session", "policies, records, lease, jobs: only a session tells; what follows comes by WMI")
    if seen.unasked is not None:
        yield fail("answers", said(seen.unasked, seen.host.name), "the host is very slow, or hangs: its own event log tells more", code_of(seen.unasked))


def _no_session(seen: Seen, failed: ReconcilerError) -> Finding:
    text, code = said(failed, seen.host.name), code_of(failed)
    match failed:
        case BootFailed(explained=found) if found is not None:
            return fail("shell", f"{found.message}: {found.why}", f"{found.help}; {INVOKER}", code)
        case BootFailed() | NoPowerShell():
            help = "an application-control policy, or an antivirus, keeps powershell.exe or our script from running for this account"
            return fail("shell", text, f"{help}; {INVOKER}", code)
        case Forbidden():
            return fail("shell", text, "the account must be an administrator there, or reach a JEA endpoint: transport psrp with its configurationName", code)
        case Quota():
            return fail("shell", text, "close shells there (they end after their idle time), or restart WinRM", code)
    return fail("shell", text, code=code)


def who(seen: Seen) -> Iterator[Finding]:
    if seen.stranger is not None:
        yield fail("who", said(seen.stranger, seen.host.name), "mend DNS or spec.address; where the machine was renamed, say so: spec.computerName", "HST030")
    elif seen.hello is not None:
        yield ok("who", f"computer name {seen.hello.facts.computer_name}, {_record(seen.hello)}")
    else:
        yield from _who_by_wmi(seen)


def _record(hello: Hello) -> str:
    try:
        return f"our record there: {json.loads(hello.machine or '{}')['host']}"
    except (ValueError, LookupError, TypeError):
        return "no record of ours there yet"


def _who_by_wmi(seen: Seen) -> Iterator[Finding]:
    for row in seen.table("computer"):
        called = one(row["Name"])
        if called.casefold() == seen.host.expected_name:
            yield ok("who", f"computer name {called}, by WMI")
        else:
            yield fail("who", f"this machine is called {called}, and {seen.host.expected_name.upper()} was declared", "mend DNS or spec.address", "HST030")


def logging(seen: Seen) -> Iterator[Finding]:
    if seen.hello is None or seen.stranger is not None:
        return
    on = sorted({LOGS.get(name.rpartition("\\")[2], name) for name in seen.hello.logging})
    if on:
        help = "DpsX509 and DpsTPM put no key on a command; or have the policy lifted for this host"
        yield fail("logging", f"{', '.join(on)} is on: a secret would be written down, so calls with one are refused", help, "HST044")
    else:
        yield ok("logging", "no policy writes down what calls are given")


def lease(seen: Seen) -> Iterator[Finding]:
    if seen.hello is None or seen.stranger is not None:
        return
    held, hold = seen.hello.lease, seen.hello.hold
    if held.rebooting:
        yield warn("lease", f"kept for {held.rebooting} over a restart")
    elif held.holder and held.seconds > 0:
        yield warn("lease", f"held by {held.holder} for another {held.seconds:.0f} s", "another run is at work there: ours would wait for it", "HST050")
    else:
        yield ok("lease", "free")
    if hold is not None:
        until = f"until {hold.until:%Y-%m-%d %H:%M} UTC" if hold.until else "for ever"
        yield warn("hold", f"held by {hold.by} {until}: {hold.why}", "nothing is applied there meanwhile")


def records(seen: Seen) -> Iterator[Finding]:
    answer = seen.answer(FLEETS)
    if seen.hello is None or answer is None:
        return
    others = sorted(str(row.maybe("PSChildName")) for row in answer.objects if str(row.maybe("PSChildName")).casefold() != seen.fleet.casefold())
    own = f"{len(seen.hello.ledger)} of ours (fleet {seen.fleet})"
    if answer.error is not None and not answer.error.is_(NO_KEY):
        yield warn("records", f"{own}; whether other fleets are there cannot be read: {answer.error.message or answer.error.id}")
    elif others:
        yield warn("records", f"{own}; also of {', '.join(others)}", "each resource belongs to one fleet: two that declare the same undo each other")
    else:
        yield ok("records", own)


def jobs(seen: Seen) -> Iterator[Finding]:
    if seen.hello is None or seen.stranger is not None:
        return
    bad = [job for job in seen.hello.jobs if job.phase == "lost" or job.bad]
    text = "; ".join(_job(job) for job in seen.hello.jobs) or "none"
    yield warn("jobs", text, "the next apply looks what they left, and goes on from there") if bad else ok("jobs", text)


def _job(job: Job) -> str:
    return f"{job.action} of {job.resource} {'failed' if job.bad else job.phase}"


CHECKS: tuple[Callable[[Seen], Iterator[Finding]], ...] = (limits, shell, who, policy, logging, lease, records, jobs, modules, reboot)
