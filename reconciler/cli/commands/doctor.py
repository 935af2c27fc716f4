"""`reconcile doctor`: can we reach a host, and if not, why; and what a run would meet there. It signs in, looks, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from reconciler.cli.clinic import clinic
from reconciler.cli.options import Selection
from reconciler.cli.running import run_async
from reconciler.cli.session import Session, chosen
from reconciler.cli.views.doctor_text import doctor_code, doctor_json, doctor_page
from reconciler.core.checkup import Checkup
from reconciler.core.resources import Host
from reconciler.engine.planning import hosts_in
from reconciler.hosts.doctor import Clinic, examine

AT_ONCE = 16


def command(session: Session, selection: Selection) -> int:
    """Can we reach it, and if not, why."""
    chosen(session, selection)
    hosts = [host for host in hosts_in(session.linked, selection.scope()) if host.name not in selection.exclude]
    with clinic(session) as clinic_of:
        checkups = run_async(_examined, hosts, clinic_of)
    code = doctor_code(checkups)
    if session.json:
        session.screen.json(doctor_json(checkups, code))
        return code
    page = session.screen.page()
    doctor_page(page, checkups, session.said(selection), quiet=session.common.quiet, verbose=session.common.verbose)
    session.screen.show(page)
    return code


async def _examined(hosts: Sequence[Host], clinic_of: Callable[[Host], Clinic]) -> list[Checkup]:
    """Several at a time, in the order of the hosts."""
    found: dict[str, Checkup] = {}
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(host: Host) -> None:
        async with limiter:
            found[host.name] = await examine(host, clinic_of(host))

    async with anyio.create_task_group() as group:
        for host in hosts:
            group.start_soon(one, host)
    return [found[host.name] for host in hosts]
