"""Checks of what is installed and what Windows waits for: script policy and EFLOW's publisher, modules and versions, restarts. Pure.

Part of `on_session`'s checks. Sources: eflow-domain 1.1 (trains), 1.2 (AllSigned and TrustedPublisher: an inference there), 1.3 (the uninstall entry
tells no trains apart, its version does), 8 (PendingFileRenameOperations is noisy: reported, no reason to wait).
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.calls import Answer, AnyCall
from reconciler.core.checkup import Finding, ok, warn
from reconciler.core.observations import CapabilityState
from reconciler.hosts.doctor.ask import CAPABILITIES, FILES_WAIT, NAMES, NO_KEY, POLICY, PRODUCTS, REBOOTS, ROLES_WAIT, SIGNED, TRUSTED
from reconciler.hosts.doctor.seen import Seen

MODULES = {"hyper-v": "Hyper-V", "winnat": "NetNat", "dhcp-server": "DhcpServer", "azure-eflow": "AzureEFLOW"}
TRAINS = {"1.1": "1.1 LTS", "1.2": "CR", "1.3": "CR", "1.4": "1.4 LTS", "1.5": "1.5 LTS"}
EFLOW = "azure iot edge"
NOT = ("", "no", "0", "false")


def policy(seen: Seen) -> Iterator[Finding]:
    """Sessions start with RemoteSigned; a group policy overrules it for what cmdlets load."""
    answer = seen.answer(POLICY)
    if answer is None:
        return
    if answer.error is not None and not answer.error.is_(NO_KEY):
        yield warn("policy", f"the execution policy cannot be read: {answer.error.message or answer.error.id}")
        return
    found = next(iter(answer.objects), None)
    value = str(found.maybe("ExecutionPolicy") or "") if found is not None else ""
    if found is not None and found.maybe("EnableScripts") == 0:
        value = "Restricted"
    text = f"execution policy {value} by group policy" if value else "no group policy on scripts"
    match value.casefold():
        case "restricted":
            yield warn("policy", text, "modules that are scripts, as EFLOW's, do not load: ask for a change")
        case "allsigned":
            yield _all_signed(seen, text)
        case _:
            yield ok("policy", text)


def _all_signed(seen: Seen, text: str) -> Finding:
    """Only what a store or a signature says for certain is said: an empty store trusts nobody, whoever the publisher is."""
    trusted = {name for answer in _read(seen, TRUSTED) for row in answer.objects if (name := str(row.maybe("PSChildName") or "").casefold())}
    unread = [answer for answer in _read(seen, TRUSTED) if answer.error is not None and not answer.error.is_(NO_KEY)]
    signer = _signer(seen)
    help = "Deploy-Eflow may stop at a prompt: import the publisher, or ask for a change"
    if signer and signer in trusted:
        return ok("policy", f"{text}, EFLOW's publisher in TrustedPublisher")
    if unread:
        return warn("policy", f"{text}; TrustedPublisher cannot be read: {unread[0].error and unread[0].error.id}", help)
    if signer or not trusted:
        return warn("policy", f"{text}, publisher not in TrustedPublisher", help)
    return warn("policy", f"{text}; whether EFLOW's publisher is in TrustedPublisher shows once it is installed", help)


def _signer(seen: Seen) -> str:
    """The thumbprint of who signed EFLOW's module, empty where that is not there, not signed, or not told."""
    answer = seen.answer(SIGNED)
    for row in answer.objects if answer is not None and answer.ok else ():
        signer = row.maybe("SignerCertificate")
        if signer is not None:
            return str(signer.maybe("Thumbprint") or "").casefold()
    return ""


def _read(seen: Seen, calls: tuple[AnyCall, ...]) -> list[Answer]:
    return [answer for call in calls if (answer := seen.answer(call)) is not None]


def modules(seen: Seen) -> Iterator[Finding]:
    """Each proved by a question that fails where the role or module is not usable."""
    states = dict(_capabilities(seen))
    if not states:
        return
    version = eflow_version(seen)
    named = {state: [_named(name, version) for name, is_ in states.items() if is_ is state] for state in CapabilityState}
    text = ", ".join(named[CapabilityState.HAS]) or "none"
    for state, words in ((CapabilityState.LACKS, "not there"), (CapabilityState.PENDING_RESTART, "after a restart"), (CapabilityState.SILENT, "no answer")):
        text += f"; {words}: {', '.join(named[state])}" if named[state] else ""
    if named[CapabilityState.SILENT]:
        yield warn("modules", text, "what gives no answer is installed and not running, or refuses this account: what needs it is not seen")
    elif named[CapabilityState.PENDING_RESTART]:
        yield warn("modules", text, "apply restarts the host where something declared needs it")
    else:
        yield ok("modules", text)


def _named(capability: str, version: str) -> str:
    module = MODULES.get(capability, capability)
    if capability != "azure-eflow" or not version:
        return module
    numbers = ".".join(version.split(".")[:2])
    return f"{module} {version} ({TRAINS.get(numbers, f'train {numbers}')})"


def eflow_version(seen: Seen) -> str:
    """As Windows lists what is installed; empty where EFLOW is not among it."""
    answer = seen.answer(PRODUCTS)
    rows = answer.objects if answer is not None else ()
    found = (row.maybe("DisplayVersion") for row in rows if str(row.maybe("DisplayName") or "").casefold().startswith(EFLOW))
    return next((str(version) for version in found if version), "")


def _capabilities(seen: Seen) -> Iterator[tuple[str, CapabilityState]]:
    if seen.hello is None:
        return
    facts = seen.hello.facts
    for capability in CAPABILITIES:
        answers = [seen.answer(ask.call) for ask in capability.ask(facts)]
        if all(answer is not None for answer in answers):
            yield capability.name, capability.read([answer for answer in answers if answer is not None], facts)


def reboot(seen: Seen) -> Iterator[Finding]:
    answers = {source: seen.answer(call) for source, call in REBOOTS.items()}
    if any(answer is None for answer in answers.values()):
        return
    pending = [source for source, answer in answers.items() if answer is not None and True in answer.objects]
    pending += [*_roles(seen), *_renamed(seen)]
    unread = [source for source, answer in answers.items() if answer is not None and answer.error is not None]
    files = _files(seen)
    if pending:
        yield warn("reboot", f"pending already ({', '.join(pending)}): our next one takes it along{files}")
    elif unread:
        yield warn("reboot", f"whether one is pending cannot be read ({', '.join(unread)}){files}")
    else:
        yield ok("reboot", f"none pending{files}")


def _value(seen: Seen, call: AnyCall, name: str) -> object:
    answer = seen.answer(call)
    return next((row.maybe(name) for row in answer.objects), None) if answer is not None and answer.ok else None


def _roles(seen: Seen) -> Iterator[str]:
    if str(_value(seen, ROLES_WAIT, "RestartRequired") or "").casefold() not in NOT:
        yield "Server Manager"


def _renamed(seen: Seen) -> Iterator[str]:
    """EFLOW names its VM after the computer once and for all: a name that waits is worth its word."""
    active, next_ = (str(_value(seen, call, "ComputerName") or "") for call in NAMES)
    if active and next_ and active.casefold() != next_.casefold():
        yield f"the computer becomes {next_}"


def _files(seen: Seen) -> str:
    """Pairs of names, the second empty where a file is only removed; a list of one name is no pair."""
    listed = _value(seen, FILES_WAIT, "PendingFileRenameOperations")
    files = (len(listed) + 1) // 2 if isinstance(listed, list | tuple) else 1 if listed else 0
    return f"; {files:,} file{'s' if files != 1 else ''} to be replaced at the next one (PendingFileRenameOperations), which updaters leave" if files else ""
