"""What `reconcile emulate` does to the estate's Azure: `installer` says what runs of an extension come to, `refuse` what requests meet.

`power` and `heal` are used by the verbs of these names.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from reconciler.cli.session import Session
from reconciler.core.diagnostics import Diagnostic, error
from reconciler.core.errors import Refused
from reconciler.emulator.arm import building
from reconciler.emulator.arm.model import Cloud, RequestFault, Run
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
        if not any(held.meant(vm) for held in estate.azure.vms.values()):
            raise Refused([_unknown(estate.azure, vm)])
        building.script(estate, vm, extension, *(Run(code, seconds, via, says) for code in codes))
        estate.record(vm, "script", extension=extension, exits=codes)
    shown = ", ".join(map(str, codes))
    runs = "run" if len(codes) == 1 else "runs"
    _say(session, {"vm": vm, "extension": extension, "exits": codes}, f"{vm}: the next {runs} of {extension} will come to {shown}, then as usual")
    return 0


def refuse(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A virtual machine or scale set; all: whatever is asked.")],
    status: Annotated[int | None, typer.Option("--status", min=400, max=599, help="With this HTTP status: 429, 503, 409 …")] = None,
    code: Annotated[str, typer.Option("--code", metavar="CODE", help="The error's code; a 429 has its own.")] = "",
    drop: Annotated[str | None, typer.Option("--drop", metavar="before|after", help="The line breaks before or after Azure acted.")] = None,
    method: Annotated[str, typer.Option("--method", metavar="GET|PUT|…", help="Such requests alone.")] = "",
    retry_after: Annotated[int | None, typer.Option("--retry-after", metavar="SECONDS", min=0, help="What the answer tells to wait.")] = None,
    times: Annotated[int | None, typer.Option("--times", min=1, help="How often; left out: until healed.")] = None,
) -> int:
    """Let Azure refuse requests about a machine, or lose their line."""
    if (status is None) == (drop is None) or drop not in (None, "before", "after"):
        raise typer.BadParameter("say one of --status, --drop before, --drop after")
    with session.estate() as estate:
        if name != "all" and name.lower() not in _names(estate.azure):
            raise Refused([_unknown(estate.azure, name)])
        path = "*" if name == "all" else f"*/virtualmachine*/{name}*"
        put = RequestFault(method.upper(), path, status or 0, code, "", retry_after, drop=drop or "", times=times)
        estate.azure.faults.append(put)
        estate.record(name, "fault", method=method.upper(), status=status, drop=drop, times=times)
    _say(
        session,
        {"name": name, "status": status, "drop": drop},
        f"{name}: requests to Azure meet it; away again: {session.said().command('emulate heal', name)}",
    )
    return 0


def heal(cloud: Cloud, name: str) -> int:
    """Takes faults of requests about a machine away; how many there were."""
    gone = [fault for fault in cloud.faults if (fault.path == "*" and name == "all") or fault.path == f"*/virtualmachine*/{name}*"]
    cloud.faults = [fault for fault in cloud.faults if fault not in gone]
    return len(gone)


def power(estate: Estate, name: str, state: str) -> bool:
    """Puts a VM of that name into a state: on, off, deallocated. False: Azure has none, or another one is meant by a host of the estate."""
    found = next((vm for vm in estate.azure.vms.values() if name in (vm.machine, vm.name, vm.label)), None)
    if found is None or (found.machine and state != "deallocated"):
        return False
    building.power(estate, found, {"on": "running", "off": "stopped"}.get(state, state))
    return True


def knows(cloud: Cloud, name: str) -> bool:
    """Whether the log may have entries of that name."""
    return name.lower() in (*_names(cloud), *(vm.label.lower() for vm in cloud.vms.values()))


def _names(cloud: Cloud) -> set[str]:
    return {vm.name.lower() for vm in cloud.vms.values() if not vm.scale_set} | {held.name.lower() for held in cloud.sets.values()}


def names_one(cloud: Cloud, name: str) -> bool:
    """Whether faults can be put on that name: a VM, a scale set, or all."""
    return name == "all" or name.lower() in _names(cloud)


def listed(cloud: Cloud) -> str:
    """The machines of the estate's Azure, for who named none of them; empty where there are none."""
    there = sorted({vm.label for vm in cloud.vms.values()} | {held.name for held in cloud.sets.values()})
    return f"in Azure: {', '.join(there[:8])}{' …' if len(there) > 8 else ''}" if there else ""


def _unknown(cloud: Cloud, name: str) -> Diagnostic:
    return error("CLI004", f"the estate's Azure has no machine {name}", help=listed(cloud) or "it has none")


def _say(session: Session, data: dict[str, Any], sentence: str) -> None:
    if session.json:
        session.screen.json({"format": "reconcile/emulate/1", "exitCode": 0, **data})
        return
    page = session.screen.page()
    page.say(sentence)
    session.screen.show(page)
