"""`reconcile emulate serve`: the estate behind real sockets, for any client of WinRM or Azure, until it is told to stop or its time is over.

Handed on by `emulate`. What happens meanwhile is in the estate afterwards.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import anyio
import typer
from pydantic import TypeAdapter, ValidationError

from reconciler.cli.interrupt import interruptible
from reconciler.cli.session import Session
from reconciler.cli.views.page import At, Page
from reconciler.core.diagnostics import error
from reconciler.core.errors import Refused
from reconciler.core.fieldtypes import Duration
from reconciler.emulator.estate import Estate, EstateError

if TYPE_CHECKING:
    from reconciler.emulator.arm.endpoint import Endpoint as AzureEndpoint
    from reconciler.emulator.winrm import Endpoint, Settings
    from reconciler.emulator.winrm.programs import Launcher
    from reconciler.emulator.winrm.psrp import Configuration

Listen = Annotated[str, typer.Option("--listen", metavar="NETWORK", help="Loopback addresses; the first host by name gets the first.")]
Http = Annotated[int, typer.Option("--http", min=0, max=65535, help="Port of every host for HTTP; 0: a free one.")]
Https = Annotated[int, typer.Option("--https", min=0, max=65535, help="Port of every host for HTTPS; 0: a free one.")]
Arm = Annotated[int, typer.Option("--arm", min=0, max=65535, help="Port of the estate's Azure Resource Manager on 127.0.0.1; 0: a free one.")]
For = Annotated[str, typer.Option("--for", metavar="DURATION", help="It ends by itself after that.")]
Pace = Annotated[float, typer.Option("--pace", min=0, help="Seconds there a second here; 0: time moves only by the work that hosts do.")]
Keys = Annotated[Path | None, typer.Option("--keys", metavar="DIR", help="Where certificates are written; left out: a temporary folder.")]
Cost = Annotated[float, typer.Option("--process-cost", min=0, help="Seconds that the start of a PowerShell takes.")]
ModuleCost = Annotated[float, typer.Option("--module-cost", min=0, help="Seconds that the first use of a module in a process takes.")]
PowerShell = Annotated[
    str | None, typer.Option("--powershell", metavar="PATH", help="A PowerShell 7 that runs our sessions; left out: the emulated invoker answers.")
]
Registered = Annotated[
    list[Path] | None, typer.Option("--configuration", metavar="DIR", help="Register on every host what `reconcile jea` wrote there; again for more.")
]
Plain = Annotated[bool, typer.Option("--allow-unencrypted", help="Take plain text over HTTP, as a host with AllowUnencrypted does.")]


# Network and ports, the folder of certificates, a real PowerShell, session configurations.
Where: TypeAlias = "tuple[str, int, int, int, Path | None, str | None, tuple[Configuration, ...]]"


def serve(
    session: Session,
    listen: Listen = "127.86.0.0/16",
    http: Http = 5985,
    https: Https = 5986,
    arm: Arm = 0,
    for_: For = "8h",
    pace: Pace = 1.0,
    keys: Keys = None,
    process_cost: Cost = 0.0,
    module_cost: ModuleCost = 0.0,
    allow_unencrypted: Plain = False,
    powershell: PowerShell = None,
    configuration: Registered = None,
) -> int:
    """The hosts over real WinRM, each on a loopback address of its own, and their Azure over TLS."""
    from reconciler.emulator.winrm import Costs, Settings

    costs = Costs(process_cost, module_cost, real=pace == 0)
    settings = Settings(pace=pace or None, costs=costs, allow_unencrypted=allow_unencrypted)
    span = _span(for_)
    where = (listen, http, https, arm, keys, _program(powershell), _configurations(configuration or ()))
    with session.estate() as estate:
        try:
            ended = anyio.run(interruptible, lambda stop: _serve(session, estate, settings, stop, span, where), lambda: None)
        except (EstateError, OSError) as trouble:
            raise Refused([error("CLI044", f"the estate cannot be served: {trouble}", help="other ports: --http 0 --https 0")]) from None
    return 130 if ended.value is None else 0


async def _serve(session: Session, estate: Estate, settings: Settings, stop: anyio.Event, span: timedelta, where: Where) -> Mapping[str, int]:
    from reconciler.emulator.winrm import serve as endpoint

    listen, http, https, arm, keys, powershell, configurations = where
    async with (
        _launchers(powershell) as launchers,
        endpoint(estate, settings, network=listen, http=http, https=https, folder=keys, launchers=launchers) as served,
        _azure(estate, settings, arm, keys) as azure,
    ):
        for host in served.hosts:
            for configuration in configurations:
                served.psrp.register(host, configuration)
        _say(session, served, azure)
        with anyio.move_on_after(span.total_seconds()):
            await stop.wait()
        return dict(served.counts())


@asynccontextmanager
async def _azure(estate: Estate, settings: Settings, port: int, keys: Path | None) -> AsyncIterator[AzureEndpoint | None]:
    """The estate's Azure, where it has one. Without a pace, polls let time pass."""
    if not estate.azure.subscriptions:
        yield None
        return
    from reconciler.emulator.arm.endpoint import STEP
    from reconciler.emulator.arm.endpoint import serve as endpoint

    async with endpoint(estate, https=port, step=None if settings.pace else STEP, folder=keys / "azure" if keys else None) as served:
        yield served


@asynccontextmanager
async def _launchers(powershell: str | None) -> AsyncIterator[Sequence[Launcher]]:
    """What runs our sessions before the emulator's own is asked."""
    if powershell is None:
        yield ()
        return
    from reconciler.emulator.realshell import RealShells

    async with RealShells(powershell) as shells:
        yield [shells.launch]


def _configurations(folders: Sequence[Path]) -> tuple[Configuration, ...]:
    from reconciler.emulator.typed import NotTyped
    from reconciler.emulator.winrm.psrp.configuration import load

    try:
        return tuple(load(folder) for folder in folders)
    except (EstateError, NotTyped, OSError, UnicodeDecodeError) as trouble:
        raise Refused([error("CLI044", f"no session configuration: {trouble}", help="a folder that `reconcile jea` wrote")]) from None


def _program(name: str | None) -> str | None:
    """Its full path: sessions start elsewhere."""
    if name is None:
        return None
    found = shutil.which(name)
    if found is None:
        raise Refused([error("CLI044", f"{name} is no program", help="the path of a pwsh; without --powershell the emulated invoker answers")])
    return str(Path(found).absolute())


def _say(session: Session, served: Endpoint, azure: AzureEndpoint | None) -> None:
    if session.json:
        more = {"azure": azure_json(azure)} if azure else {}
        session.screen.json({"format": "reconcile/emulate/1", "exitCode": 0, **served_json(served), **more})
        return
    page = session.screen.page()
    _page(page, served, azure)
    session.screen.show(page)


def served_json(served: Endpoint) -> dict[str, Any]:
    hosts = [{"name": name, "address": at.ip, "http": at.http, "https": at.https} for name in served.hosts for at in [served.address(name)]]
    client = {"certificate": str(served.client.certificate), "key": str(served.client.key)}
    return {"hosts": hosts, "ca": str(served.ca), "client": client, "user": served.credentials.user, "password": served.credentials.password}


def azure_json(azure: AzureEndpoint) -> dict[str, Any]:
    return {"url": azure.url, "ca": str(azure.ca), "identity": azure.identity, "metadata": azure.metadata, "environment": azure.environment}


def _page(page: Page, served: Endpoint, azure: AzureEndpoint | None) -> None:
    wide = max((len(name) for name in served.hosts), default=0) + 2
    for name in served.hosts:
        at = served.address(name)
        page.row(At(0, name, "bold"), At(wide, f"{at.ip}"), At(wide + 18, f"http {at.http}   https {at.https}"))
    page.blank()
    page.say(f"user {served.credentials.user}, password {served.credentials.password}: a made-up one, for these hosts alone")
    page.exact((f"authority    {served.ca}", ""))
    page.exact((f"certificate  {served.client.certificate}, key {served.client.key}", ""))
    if azure is not None:
        page.blank()
        page.exact((f"azure        {azure.url}", "bold"), (f"   authority {azure.ca}", ""))
        for name, value in azure.environment.items():
            page.exact((f"export {name}={value}", ""))
    page.say("Ctrl-C ends it", "dim")


def _span(text: str) -> timedelta:
    try:
        span: timedelta = TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is no duration: 30m, 8h, 90s") from None
    return span
