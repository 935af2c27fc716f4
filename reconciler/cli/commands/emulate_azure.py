"""What `reconcile emulate` does to the estate's Azure: `installer` says what the next runs of an extension come to; `power` is used by `emulate`."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.session import Session
from reconciler.core.diagnostics import error
from reconciler.core.errors import Refused
from reconciler.emulator.arm import building
from reconciler.emulator.arm.model import Cloud, Run
from reconciler.emulator.estate import Estate

WAYS = ("message", "handler", "code", "timeout", "agent", "internal")
Exit = Annotated[list[int] | None, typer.Option("--exit", metavar="CODE", help="Exit codes of the runs to come, first to last: 0, 3010, 1, 100, 240, -1 …")]


def installer(
    session: Session,
    vm: Annotated[str, typer.Argument(metavar="VM", help="A virtual machine, SET/INSTANCE, or a pattern.")],
    extension: Annotated[str, typer.Argument(metavar="EXTENSION", help="Its name or type, or a pattern.")],
    exit_: Exit = None,
    via: Annotated[str, typer.Option("--via", metavar="|".join(WAYS), help="How Azure tells it; left out: as is usual for the code.")] = "",
    seconds: Annotated[float | None, typer.Option("--seconds", min=0, help="How long each of them takes; left out: as usual.")] = None,
    says: Annotated[str, typer.Option("--says", metavar="TEXT", help="What the handler reports instead of its usual words.")] = "",
) -> int:
    """What the next runs of an Azure extension's installer come to; after them, as usual again."""
    if via not in ("", *WAYS):
        raise typer.BadParameter(f"--via is one of {', '.join(WAYS)}")
    codes = exit_ or [0]
    with session.estate() as estate:
        if not matching(estate.azure, vm):
            there = ", ".join(sorted(v.label for v in estate.azure.vms.values())[:8]) or "none"
            raise Refused([error("CLI004", f"the estate's Azure has no virtual machine {vm}", help=f"there are: {there}")])
        building.script(estate, vm, extension, *(Run(code, seconds, via, says) for code in codes))
        estate.record(vm, "script", extension=extension, exits=codes)
    shown = ", ".join(map(str, codes))
    if session.json:
        session.screen.json({"format": "reconcile/emulate/1", "exitCode": 0, "vm": vm, "extension": extension, "exits": codes})
        return 0
    page = session.screen.page()
    page.say(f"{vm}: the next {'run' if len(codes) == 1 else 'runs'} of {extension} will come to {shown}, then as usual")
    session.screen.show(page)
    return 0


def power(estate: Estate, name: str, state: str) -> bool:
    """Puts a VM of that name into a state: on, off, deallocated. False: Azure has none, or another one is meant by a host of the estate."""
    found = next((vm for vm in estate.azure.vms.values() if name in (vm.machine, vm.name, vm.label)), None)
    if found is None or (found.machine and state != "deallocated"):
        return False
    building.power(estate, found, {"on": "running", "off": "stopped"}.get(state, state))
    return True


def matching(cloud: Cloud, pattern: str) -> list[str]:
    """The VMs and instances that are meant."""
    return [vm.label for vm in cloud.vms.values() if vm.meant(pattern)]
