"""WS-Management verbs on runspace pools. `service` hands over every request whose resource URI is a session configuration's.

Verbs are those of text shells with other contents: PSRP fragments in creationXml, arguments and streams (MS-PSRP 3.1.5).
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from reconciler.emulator.winrm import wsfaults
from reconciler.emulator.winrm.psrp.configuration import DEFAULT, FULL, Configuration
from reconciler.emulator.winrm.service import HEADROOM, STATE, Caller, Service
from reconciler.emulator.winrm.shells import Shell
from reconciler.emulator.winrm.troubles import What
from reconciler.emulator.winrm.wsman import SHELL, Envelope, seconds

PREFIX = "http://schemas.microsoft.com/powershell/"
CONTENT = "http://schemas.microsoft.com/powershell"
STOPS = ("ctrl_c", "crtl_c")  # the second is how Windows PowerShell writes it
Verb: TypeAlias = Callable[[Service, Caller, Envelope], Awaitable[str]]


class Psrp:
    """A `service.Resource`. `register` is what Register-PSSessionConfiguration does."""

    prefix = PREFIX

    def __init__(self) -> None:
        self._registered: dict[tuple[str, str], Configuration] = {}
        self._verbs: Mapping[str, Verb] = {
            "Create": self._create,
            "Command": self._command,
            "Send": self._send,
            "Receive": self._receive,
            "Signal": self._signal,
            "Delete": self._delete,
            "Disconnect": self._disconnect,
            "Reconnect": self._reconnect,
        }

    def register(self, host: str, configuration: Configuration) -> None:
        self._registered[host, configuration.name.casefold()] = configuration

    def unregister(self, host: str, name: str) -> None:
        del self._registered[host, name.casefold()]

    async def handle(self, service: Service, caller: Caller, request: Envelope) -> str:
        verb = self._verbs.get(request.verb)
        if verb is None:
            raise wsfaults.no_action()
        return await verb(service, caller, request)

    # --- verbs

    async def _create(self, service: Service, caller: Caller, request: Envelope) -> str:
        quotas = service.host.settings.quotas
        if caller.meets(What.SHELLS):
            raise wsfaults.too_many_shells(quotas.shells_per_user)
        asked, content = request.part("Shell"), request.part("creationXml", CONTENT)
        if asked is None or content is None:
            raise wsfaults.bad_schema("Shell")
        configuration = self._configuration(service.host.name, request.resource)
        said = request.text("IdleTimeOut")
        idle = seconds(said, quotas.shell_idle) if said else None
        shell = service.shells.create(caller.user, request.resource, idle, _chosen(service, asked.get("ShellId", "")))
        shell.inputs, shell.outputs = "stdin pr", "stdout"
        try:
            self._open(service, shell, configuration, _bytes(content.text))
        except BaseException:
            service.shells.delete(shell)
            raise
        await service.host.cost(service.host.settings.costs.process)
        return service.created(shell, caller)

    def _open(self, service: Service, shell: Shell, configuration: Configuration, content: bytes) -> None:
        try:
            from reconciler.emulator.winrm.psrp.pool import Pool, PoolCommand
        except ModuleNotFoundError as missing:  # the extra psrp is not installed
            service.host.log("refused", {"says": f"PSRP needs {missing.name}"})
            raise wsfaults.no_resource() from None
        pool = Pool(service.shells.place, configuration)
        shell.commands[""] = PoolCommand(pool)
        _feed(pool, content)

    async def _command(self, service: Service, caller: Caller, request: Envelope) -> str:
        from reconciler.emulator.winrm.psrp.pool import PipelineCommand

        shell, pool = self._pool(service, caller, request)
        asked, arguments = request.part("CommandLine"), request.part("Arguments")
        if asked is None or arguments is None:
            raise wsfaults.bad_schema("CommandLine")
        try:
            number = uuid.UUID(asked.get("CommandId", ""))
        except ValueError:
            raise wsfaults.bad_schema("CommandId") from None
        id = str(number).upper()
        if id in shell.commands:
            raise wsfaults.bad_schema("CommandId")
        command = PipelineCommand(id, pool.begin(number))
        shell.commands[id] = command
        _feed(pool, _bytes(arguments.text), number)
        return f"<rsp:CommandResponse><rsp:CommandId>{id}</rsp:CommandId></rsp:CommandResponse>"

    async def _send(self, service: Service, caller: Caller, request: Envelope) -> str:
        shell, pool = self._pool(service, caller, request)
        for stream in request.body.iter(f"{{{SHELL}}}Stream"):
            id = stream.get("CommandId", "")
            service.shells.command(shell, id)
            _feed(pool, _bytes(stream.text), uuid.UUID(id) if id else None)
        return "<rsp:SendResponse/>"

    async def _receive(self, service: Service, caller: Caller, request: Envelope) -> str:
        shell, pool = self._pool(service, caller, request)
        desired = request.part("DesiredStream")
        if desired is None:
            raise wsfaults.bad_schema("DesiredStream")
        quotas = service.host.settings.quotas
        command = service.shells.command(shell, desired.get("CommandId", ""))
        await service.output(command, min(request.timeout, quotas.timeout))
        shell.used = service.host.clock.now()
        if shell not in service.shells.all() or not pool.alive:
            raise wsfaults.aborted()
        room = (min(request.room or quotas.envelope, quotas.envelope) - HEADROOM) * 3 // 4
        taken = command.console.take(room, service.host.troubles.random if caller.meets(What.CHOP) else None)
        named = f' CommandId="{command.id}"' if command.id else ""
        streams = [f'<rsp:Stream Name="{name}"{named}>{base64.b64encode(data).decode()}</rsp:Stream>' for name, data in taken]
        return f"<rsp:ReceiveResponse>{''.join(streams)}{_state(command.id, ended=command.console.drained)}</rsp:ReceiveResponse>"

    async def _signal(self, service: Service, caller: Caller, request: Envelope) -> str:
        shell, _ = self._pool(service, caller, request)
        asked = request.part("Signal")
        if asked is None or not asked.get("CommandId"):
            raise wsfaults.bad_schema("Signal")
        command: Any = shell.commands.get(asked.get("CommandId", "").upper())
        code = request.text("Code").strip().rpartition("/")[2].casefold()
        if command is not None and code in STOPS:
            command.stop()
        elif command is not None and code == "terminate":
            service.shells.end(shell, command)
        return "<rsp:SignalResponse/>"

    async def _delete(self, service: Service, caller: Caller, request: Envelope) -> str:
        service.shells.delete(service.shell(caller, request))
        return ""

    async def _disconnect(self, service: Service, caller: Caller, request: Envelope) -> str:
        """The pool lives on for its idle time; the same client may come back to it."""
        self._pool(service, caller, request)
        return "<rsp:DisconnectResponse/>"

    async def _reconnect(self, service: Service, caller: Caller, request: Envelope) -> str:
        self._pool(service, caller, request)
        return "<rsp:ReconnectResponse/>"

    # --- what they act upon

    def _configuration(self, host: str, resource: str) -> Configuration:
        name = resource[len(PREFIX) :].partition("?")[0].casefold()
        found = FULL if name == DEFAULT else self._registered.get((host, name))
        if found is None:
            raise wsfaults.no_resource()
        return found

    def _pool(self, service: Service, caller: Caller, request: Envelope) -> tuple[Shell, Any]:
        """The shell and its pool. A pool whose process was killed is gone with its shell."""
        shell = service.shell(caller, request)
        pool = getattr(shell.commands.get(""), "pool", None)
        if pool is None or not pool.alive:
            service.shells.delete(shell)
            raise wsfaults.no_shell()
        return shell, pool


def _chosen(service: Service, id: str) -> str:
    """The id that the client wants, if any: one that is no id, or in use, is refused."""
    try:
        wanted = str(uuid.UUID(id)).upper() if id else ""
    except ValueError:
        raise wsfaults.bad_schema("ShellId") from None
    if any(shell.id == wanted for shell in service.shells.all()):
        raise wsfaults.bad_schema("ShellId")
    return wanted


def _bytes(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "", validate=True)
    except ValueError:
        raise wsfaults.bad_schema("Stream") from None


def _feed(pool: Any, data: bytes, pipeline: uuid.UUID | None = None) -> None:
    from reconciler.emulator.winrm.psrp.pool import Unreadable

    try:
        pool.feed(data, pipeline)
    except Unreadable as wrong:
        pool.host.log("refused", {"says": f"no PSRP: {wrong}"})
        raise wsfaults.bad_schema("PSRP") from None


def _state(command: str, *, ended: bool) -> str:
    """A pipeline's state; a pool has none."""
    if not command:
        return ""
    end = f'<rsp:Stream Name="stdout" CommandId="{command}" End="true"></rsp:Stream>' if ended else ""
    return f'{end}<rsp:CommandState CommandId="{command}" State="{STATE}/{"Done" if ended else "Running"}"></rsp:CommandState>'
