"""`reconcile emulate …`: the emulated Windows estate in a folder. One function a verb; `main` calls the one that was asked for.

The only command that may do to a host what no kind does: it plays the people, the power cut and the broken cmdlet.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from reconciler.cli.commands import emulate_azure
from reconciler.cli.commands.emulate_azure import installer as installer
from reconciler.cli.commands.emulate_azure import refuse as refuse
from reconciler.cli.commands.emulate_serve import serve as serve  # a verb of its own module
from reconciler.cli.hints import Said
from reconciler.cli.session import Session
from reconciler.cli.timewords import moment_from
from reconciler.cli.views import emulate_text as text
from reconciler.cli.views import log_text
from reconciler.cli.wishes import grow, wishes
from reconciler.core.diagnostics import Diagnostic, error
from reconciler.core.errors import Refused
from reconciler.core.fieldtypes import Duration
from reconciler.emulator.cmdlets import load
from reconciler.emulator.estate import Estate, EstateError
from reconciler.emulator.faults import Fault
from reconciler.emulator.machine import Machine
from reconciler.emulator.skus import SKUS
from reconciler.emulator.typed import NotTyped

HostName = Annotated[str, typer.Argument(metavar="HOST")]


def new(
    session: Session,
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Where it lies; left out: what --estate says.")] = None,
    from_: Annotated[Path | None, typer.Option("--from", metavar="SPECS", help="Manifests whose hosts are built; left out: --specs.")] = None,
    language: Annotated[list[str] | None, typer.Option("--language", metavar="HOST=TAG", help="Windows' language on a host, for example de-DE.")] = None,
) -> int:
    """Bare machines for the hosts that the specs name; an estate that is there already gets those that it lacks."""
    where = folder or session.common.estate
    if where is None:
        raise typer.BadParameter("say where the estate shall lie: reconcile emulate new lab")
    source = session.reading(from_) if from_ else session
    linked = source.linked
    wanted = wishes(linked, dict(_pair(word) for word in language or ()))
    if wrong := [error("CLI041", f"no machine of sku {w.sku} can be emulated, wanted for {w.name}", help=", ".join(SKUS)) for w in wanted if w.sku not in SKUS]:
        raise Refused(wrong)
    there = (where / "clock.json").exists()
    estate: Estate = _tried(lambda: Estate.open(where) if there else Estate.new(where))
    with estate.session():
        growth = grow(estate, wanted, linked)
        said = session.said() if session.common.estate else Said(("--estate", str(where)))
        shown = partial(text.grown_page, growth=growth) if there else text.new_page
        data = text.estate_json(estate) | {"added": list(growth.added)}
        _answer(session, data, lambda page: shown(page, estate, where, said, brief=session.common.quiet))
    return 0


def run(session: Session, host: HostName, line: Annotated[str, typer.Argument(metavar="LINE", help="One cmdlet with literal values.")]) -> int:
    """One cmdlet, as a person on the host would type it."""
    with session.estate() as estate:
        _host(estate, host)
        outcome = _tried(lambda: estate.run(host, line))
        _answer(session, text.outcome_json(outcome), lambda page: text.outcome_page(page, outcome))
    return 0 if outcome.ok else 1


def fault(
    session: Session,
    host: HostName,
    cmdlet: Annotated[str, typer.Option("--cmdlet", help="Which cmdlet (or pattern) meets it; left out: any call.")] = "",
    says: Annotated[str | None, typer.Option("--says", help="It does nothing and answers this text, without failing.")] = None,
    error_id: Annotated[str | None, typer.Option("--error", metavar="ID", help="It does nothing and fails with this id.")] = None,
    hang: Annotated[bool, typer.Option("--hang", help="It never answers.")] = False,
    drop: Annotated[str | None, typer.Option("--drop", metavar="before|after", help="The line breaks before or after it acted.")] = None,
    reboot: Annotated[bool, typer.Option("--reboot", help="The host restarts under it.")] = False,
    times: Annotated[int | None, typer.Option("--times", min=1, help="How often; left out: until healed.")] = None,
) -> int:
    """Let a cmdlet of a host fail, hang, lose the line, or restart the host."""
    if sum((says is not None, error_id is not None, hang, drop is not None, reboot)) != 1:
        raise typer.BadParameter("say one of --says, --error, --hang, --drop, --reboot")
    if drop not in (None, "before", "after"):
        raise typer.BadParameter("--drop is before or after")
    put = Fault(cmdlet, says, error_id, hang, drop, reboot, times)
    with session.estate() as estate:
        _host(estate, host)
        _known(cmdlet)
        _tried(lambda: estate.fault(host, put))
        _answer(session, {"host": host, "faults": len(estate.machine(host).faults)}, lambda page: text.fault_page(page, host, put, session.said()))
    return 0


def heal(session: Session, host: HostName, cmdlet: Annotated[str, typer.Option("--cmdlet", help="Only the faults on this one.")] = "") -> int:
    """Take faults away."""
    with session.estate() as estate:
        healed = 0 if cmdlet else emulate_azure.heal(estate.azure, host)
        if not cmdlet and (healed or (host not in estate.machines and emulate_azure.names_one(estate.azure, host))):
            _answer(session, {"host": host, "healed": healed}, lambda page: page.say(f"{host}: {healed} taken away"))
            return 0
        _host(estate, host)
        gone = _tried(lambda: estate.heal(host, cmdlet))
        _answer(session, {"host": host, "healed": len(gone)}, lambda page: page.say(f"{host}: {len(gone)} taken away"))
    return 0


def power(session: Session, state: Annotated[str, typer.Argument(metavar="on|off|deallocated")], host: HostName) -> int:
    """Pull the plug, or put it in; deallocate a virtual machine of the estate's Azure."""
    if state not in ("on", "off", "deallocated"):
        raise typer.BadParameter("power is on, off or deallocated")
    with session.estate() as estate:
        if emulate_azure.power(estate, host, state):
            _answer(session, {"host": host, "power": state}, lambda page: page.say(f"{host} is {state}"))
            return 0
        machine = _host(estate, host)
        if state == "deallocated":
            raise Refused([error("CLI004", f"{host} is no virtual machine of the estate's Azure", help="reconcile emulate power off")])
        _tried(lambda: estate.power(host, state == "on"))
        now = estate.clock.now()
        up_at = (machine.down_until or now) if state == "on" else None
        _answer(session, {"host": host, "power": state}, lambda page: text.power_page(page, host, up_at, now, session.said()))
    return 0


def clock(session: Session, time: Annotated[str, typer.Argument(metavar="[TIME]", help='2026-12-01T09:00, "Tue 14:31" or 14:31, UTC.')] = "") -> int:
    """What time it is there, or set it forward."""
    with session.estate() as estate:
        if time:
            estate.clock.set(_forward(estate, time))
        _show_time(session, estate)
    return 0


def advance(session: Session, by: Annotated[str, typer.Argument(metavar="DURATION", help="2h, 30m, 8d, 00:30:00")]) -> int:
    """Let time pass."""
    try:
        duration: timedelta = TypeAdapter(Duration).validate_python(by)
    except ValidationError:
        raise typer.BadParameter(f"{by!r} is no duration: 2h, 30m, 8d, 00:30:00") from None
    with session.estate() as estate:
        estate.clock.advance(duration)
        _show_time(session, estate)
    return 0


def log(
    session: Session,
    host: Annotated[str, typer.Argument(metavar="[HOST]")] = "",
    since_last: Annotated[bool, typer.Option("--since-last", help="Only what came after the last time this was asked.")] = False,
    writes: Annotated[bool, typer.Option("--writes", help="Only what changed a host, or was to.")] = False,
) -> int:
    """Requests, batches, cmdlets, writes, restarts: everything that happened."""
    with session.estate() as estate:
        if host and not emulate_azure.knows(estate.azure, host):
            _host(estate, host)
        mark = estate.path / "log.seen" if estate.path else None
        since = int(mark.read_text()) if since_last and mark and mark.exists() else 0
        found = [entry for entry in estate.log(host or None, since) if not writes or log_text.writes(entry)]
        if mark:
            mark.write_text(str(len(estate.records)))
        _answer(session, text.log_json(found), lambda page: log_text.log_page(page, found, whole=session.common.verbose))
    return 0


def _show_time(session: Session, estate: Estate) -> None:
    now = estate.clock.now()
    _answer(session, {"now": now.isoformat()}, lambda page: page.say(f"{now:%a %Y-%m-%d %H:%M:%S} UTC"))


def _forward(estate: Estate, time: str) -> datetime:
    now = estate.clock.now()
    try:
        when = moment_from(time, now)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None
    if when < now:
        raise Refused([error("CLI042", f"the estate's clock only goes forward; there it is {now:%Y-%m-%d %H:%M} UTC already")])
    return when


def _pair(text: str) -> tuple[str, str]:
    host, sign, tag = text.partition("=")
    if not sign:
        raise typer.BadParameter(f"{text!r}: write HOST=TAG, for example kiosk-04=de-DE")
    return host, tag


def _host(estate: Estate, name: str) -> Machine:
    """The machine of that name, brought up to the estate's time. Raises Refused with the names that there are."""
    if name not in estate.machines:
        near = difflib.get_close_matches(name, estate.machines, 1, 0.6)
        shown = f"{', '.join(list(estate.machines)[:8])}{' …' if len(estate.machines) > 8 else ''}"
        there = "; ".join(filter(None, (shown and f"hosts: {shown}", emulate_azure.listed(estate.azure)))) or "it has none: reconcile emulate new"
        raise Refused([error("CLI004", f"the estate has no host {name}", help=f"did you mean {near[0]}? {there}" if near else there)])
    return estate.machine(name)


def _known(cmdlet: str) -> None:
    """A fault on a cmdlet that nobody can call would never be met. Raises Refused with the one that was meant, perhaps."""
    if not cmdlet:
        return
    known = load()
    if not any(Fault(cmdlet).meets(name) for name in known):
        near = difflib.get_close_matches(cmdlet.casefold(), known, 1, 0.5)
        hint = f"did you mean {known[near[0]].name}?" if near else "a pattern does as well, for example *-NetNat"
        raise Refused([error("CLI045", f"no emulated cmdlet is called {cmdlet}", help=hint)])


def _tried(act: Callable[[], Any]) -> Any:
    """What the estate refuses becomes an error of this command."""
    try:
        return act()
    except (EstateError, NotTyped) as trouble:
        raise Refused([_refusal(trouble)]) from None


def _refusal(trouble: Exception) -> Diagnostic:
    code = "CLI043" if isinstance(trouble, NotTyped) else "CLI004"
    return error(code, str(trouble))


def _answer(session: Session, data: dict[str, Any], write: Callable[[Any], None]) -> None:
    if session.json:
        session.screen.json({"format": "reconcile/emulate/1", "exitCode": 0, **data})
        return
    page = session.screen.page()
    write(page)
    session.screen.show(page)
