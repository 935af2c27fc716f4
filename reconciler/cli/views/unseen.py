"""Hosts that did not answer, refused us, or are another machine: what is known, and that nothing is planned for them."""

from __future__ import annotations

import re

from reconciler.cli.hints import Said
from reconciler.cli.views.page import At, Page
from reconciler.cli.views.words import count, moment, one_line
from reconciler.core.plan import HostPlan, Sight

AZURES = re.compile(r"AZR4\d\d|[A-Z][A-Za-z]+[a-z]")  # no way to Azure, or a code of its own: ResourceNotFound
NOT_EMULATED, NOBODY_LISTENS = "HST011", "HST018"
NEXT = {
    NOT_EMULATED: "add what the specs name and the estate lacks",
    "HST022": "put it right, then",
    "HST030": "mend the name or the address; then",
    "HST050": "wait for the other run, then",
    "AZR429": "once Azure takes requests again",
}


def sign(host: HostPlan) -> tuple[str, str]:
    return ("!", "bold magenta") if host.sight is Sight.REFUSED else ("?", "cyan")


def unseen_row(page: Page, host: HostPlan) -> None:
    """One line, where many hosts are told of."""
    symbol, style = sign(host)
    page.row(At(1, host.name), At(12, symbol, style), At(14, one_line(f"{host.code}: {host.why}" if host.code else host.why)))


def unseen_frame(page: Page, host: HostPlan, said: Said, declared: int = 0) -> None:
    symbol, style = sign(host)
    code = f"[{host.code}]" if host.code else ""
    page.row(At(0, f"{symbol} {host.name}{code}: {one_line(host.why)}", style))
    if host.seen:
        page.term("last seen", moment(host.seen))
    whose = f"its {count(declared, 'resource')} are" if declared > 1 else "what is declared on it is"
    page.term("so", f"{whose} unknown: nothing is planned for it, nothing on it is taken for absent")
    page.term("next", f"{advice(host.code, host.name, said)}: {next_look(host, said)}")


def advice(code: str, host: str, said: Said) -> str:
    """What to do before the next look. The doctor looks at the whole way, and knows more than one failure tells."""
    if code in NEXT or not (code.startswith("HST") or AZURES.fullmatch(code)):
        return NEXT.get(code, "see to it, then")
    if code == NOBODY_LISTENS:
        return f"where nothing listens yet, {said.command('bootstrap', host)} prints what to paste there; then"
    doctor = said.command("doctor", host)
    return f"power or line: {doctor} tells; then" if code == "HST010" else f"{doctor} says what is in the way; then"


def next_look(host: HostPlan, said: Said) -> str:
    """The command that sees the host, once what is in the way is out of it."""
    return said.command("emulate new") if host.code == NOT_EMULATED else said.about(host.name).again("plan")
