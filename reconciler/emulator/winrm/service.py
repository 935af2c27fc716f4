"""The WinRM service of one emulated host: WS-Management verbs on text shells, each answered or refused as Windows does.

`connection` hands it envelopes of a signed-in user. Other resources (PSRP, CIM) are served by `Resource`s that `serve` is given.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from reconciler.emulator.winrm import wsfaults
from reconciler.emulator.winrm.console import Overflow
from reconciler.emulator.winrm.host import EmulatedHost
from reconciler.emulator.winrm.programs import Launcher, command_line
from reconciler.emulator.winrm.shells import Command, Shell, Shells
from reconciler.emulator.winrm.troubles import Trouble, What
from reconciler.emulator.winrm.wsman import SHELL, Envelope, WsFault, fault_reply, reply, seconds

CMD = f"{SHELL}/cmd"
CONFIG = "http://schemas.microsoft.com/wbem/wsman/1/config"
STATE = f"{SHELL}/CommandState"
TERMINATE = ("terminate", "ctrl_c", "ctrl_break")
HEADROOM = 4096  # bytes of an answer that are not stream
LEAST_ENVELOPE = 8192

Verb: TypeAlias = Callable[["Caller", Envelope], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, from where, and what troubles meet this request."""

    user: str
    address: str
    troubles: Sequence[Trouble] = ()

    def meets(self, what: What) -> Trouble | None:
        return next((trouble for trouble in self.troubles if trouble.what is what), None)


class Resource(Protocol):
    """Another kind of resource: it serves the URIs that begin with `prefix` and gives the body of the answer, or raises WsFault."""

    prefix: str

    async def handle(self, service: Service, caller: Caller, request: Envelope) -> str: ...


class Service:
    """`cut` breaks all connections of the host."""

    def __init__(self, host: EmulatedHost, cut: Callable[[], None], launchers: Sequence[Launcher] = (), resources: Sequence[Resource] = ()) -> None:
        self.host = host
        self.shells = Shells(host, cut, launchers)
        self._resources = tuple(resources)
        self._verbs: dict[str, Verb] = {
            "Create": self._create,
            "Command": self._command,
            "Send": self._send,
            "Receive": self._receive,
            "Signal": self._signal,
            "Delete": self._delete,
        }

    async def answer(self, caller: Caller, request: Envelope) -> tuple[int, bytes]:
        """The status and the envelope of the answer."""
        number = self.shells.new_id("message")
        try:
            if request.room is not None and request.room < LEAST_ENVELOPE:
                raise wsfaults.envelope_too_small()
            return 200, reply(request, number, await self._handle(caller, request))
        except WsFault as fault:
            self.host.log("fault", {"verb": request.verb, "code": fault.code})
            return 500, fault_reply(fault, number, request.message, self.host.machine.computer_name or self.host.name)
        finally:
            self.shells.sweep()

    def refuse(self, fault: WsFault, message: str = "") -> bytes:
        """A fault for what was not even read as a request."""
        return fault_reply(fault, self.shells.new_id("message"), message, self.host.name)

    async def _handle(self, caller: Caller, request: Envelope) -> str:
        for resource in self._resources:
            if request.resource.startswith(resource.prefix):
                return await resource.handle(self, caller, request)
        if request.resource == CONFIG and request.verb == "Get":
            return self._config()
        if request.resource == SHELL and request.verb == "Enumerate":
            return self._listed()
        if request.resource != CMD:
            raise wsfaults.no_resource()
        verb = self._verbs.get(request.verb)
        if verb is None:
            raise wsfaults.no_action()
        return await verb(caller, request)

    # --- verbs on shells

    async def _create(self, caller: Caller, request: Envelope) -> str:
        if caller.meets(What.SHELLS):
            raise wsfaults.too_many_shells(self.host.settings.quotas.shells_per_user)
        asked = request.part("Shell")
        if asked is None:
            raise wsfaults.bad_schema("Shell")
        said = request.text("IdleTimeOut") or request.text("IdleTimeout")
        try:
            idle = seconds(said) if said else None
        except ValueError:
            raise wsfaults.bad_schema("IdleTimeOut") from None
        shell = self.shells.create(caller.user, request.resource, idle)
        shell.inputs = request.text("InputStreams") or shell.inputs
        shell.outputs = request.text("OutputStreams") or shell.outputs
        return self.created(shell, caller)

    def created(self, shell: Shell, caller: Caller) -> str:
        """The answer to Create."""
        selector = f'<w:SelectorSet><w:Selector Name="ShellId">{shell.id}</w:Selector></w:SelectorSet>'
        reference = f"<a:ReferenceParameters><w:ResourceURI>{escape(shell.resource)}</w:ResourceURI>{selector}</a:ReferenceParameters>"
        created = f"<x:ResourceCreated><a:Address>http://{escape(self.host.name)}:5985/wsman</a:Address>{reference}</x:ResourceCreated>"
        return created + self._shell_fields(shell, {"ClientIP": caller.address})

    def _shell_fields(self, shell: Shell, more: Mapping[str, str]) -> str:
        fields = {"ShellId": shell.id, "ResourceUri": shell.resource, "Owner": shell.user, **more}
        fields |= {"IdleTimeOut": f"PT{shell.idle:.3f}S", "InputStreams": shell.inputs, "OutputStreams": shell.outputs}
        fields |= {"ShellRunTime": "P0DT0H0M0S", "ShellInactivity": "P0DT0H0M0S"}
        return "<rsp:Shell>" + "".join(f"<rsp:{name}>{escape(value)}</rsp:{name}>" for name, value in fields.items()) + "</rsp:Shell>"

    def _listed(self) -> str:
        """Every shell in one answer, runspace pools included, as pypsrp's get_runspace_pools reads it; batches are not emulated here."""
        items = "".join(self._shell_fields(shell, {}) for shell in self.shells.all())
        space = quoteattr("http://schemas.xmlsoap.org/ws/2004/09/enumeration")
        return f"<n:EnumerateResponse xmlns:n={space}><n:EnumerationContext/><w:Items>{items}</w:Items><w:EndOfSequence/></n:EnumerateResponse>"

    async def _command(self, caller: Caller, request: Envelope) -> str:
        shell = self.shell(caller, request)
        if caller.meets(What.OPERATIONS):
            raise wsfaults.too_many_operations(self.host.settings.quotas.operations_per_user)
        asked = request.part("CommandLine")
        if asked is None:
            raise wsfaults.bad_schema("CommandLine")
        arguments = [item.text or "" for item in asked.iterfind(f"{{{SHELL}}}Arguments")]
        line = command_line(request.text("Command"), arguments)
        skips = request.options.get("WINRS_SKIP_CMD_SHELL", "").upper() == "TRUE"
        if skips and line.words and "\\" not in line.words[0]:
            raise wsfaults.no_file()
        command = self.shells.start(shell, line, asked.get("CommandId", ""))
        return f"<rsp:CommandResponse><rsp:CommandId>{command.id}</rsp:CommandId></rsp:CommandResponse>"

    async def _send(self, caller: Caller, request: Envelope) -> str:
        shell = self.shell(caller, request)
        for stream in request.body.iter(f"{{{SHELL}}}Stream"):
            command = self.shells.command(shell, stream.get("CommandId", ""))
            if not command.running or command.console.input_ended:
                raise wsfaults.pipe_closing()
            try:
                data = base64.b64decode(stream.text or "", validate=True)
                command.console.feed(data, stream.get("End", "").casefold() == "true")
            except ValueError:
                raise wsfaults.bad_schema("Stream") from None
            except Overflow:
                raise wsfaults.timed_out() from None
        return "<rsp:SendResponse/>"

    async def _receive(self, caller: Caller, request: Envelope) -> str:
        shell = self.shell(caller, request)
        desired = request.part("DesiredStream")
        if desired is None:
            raise wsfaults.bad_schema("DesiredStream")
        command = self.shells.command(shell, desired.get("CommandId", ""))
        await self.output(command, min(request.timeout, self.host.settings.quotas.timeout))
        shell.used = self.host.clock.now()
        if shell not in self.shells.all():
            raise wsfaults.aborted()
        chop = caller.meets(What.CHOP)
        limit = min(request.room or self.host.settings.quotas.envelope, self.host.settings.quotas.envelope)
        room = (limit - HEADROOM) * 3 // 4
        return self._received(command, command.console.take(room, self.host.troubles.random if chop else None, chop.amount if chop else 0))

    async def output(self, command: Command, timeout: float) -> None:
        """Waits for output of the command in real time; a later Receive takes the place of one that still waits."""
        earlier, command.receiver = command.receiver, asyncio.current_task()
        if earlier is not None:
            earlier.cancel()
        try:
            async with asyncio.timeout(timeout):
                await command.console.wait()
        except TimeoutError:
            raise wsfaults.timed_out() from None
        finally:
            if command.receiver is asyncio.current_task():
                command.receiver = None

    def _received(self, command: Command, taken: Sequence[tuple[str, bytes]]) -> str:
        streams = [f'<rsp:Stream Name="{name}" CommandId="{command.id}">{base64.b64encode(data).decode()}</rsp:Stream>' for name, data in taken]
        if not command.console.drained:
            state = f'<rsp:CommandState CommandId="{command.id}" State="{STATE}/Running"></rsp:CommandState>'
            return f"<rsp:ReceiveResponse>{''.join(streams)}{state}</rsp:ReceiveResponse>"
        streams += [f'<rsp:Stream Name="{name}" CommandId="{command.id}" End="true"></rsp:Stream>' for name in ("stdout", "stderr")]
        code = f"<rsp:ExitCode>{command.console.exit}</rsp:ExitCode>"
        state = f'<rsp:CommandState CommandId="{command.id}" State="{STATE}/Done">{code}</rsp:CommandState>'
        return f"<rsp:ReceiveResponse>{''.join(streams)}{state}</rsp:ReceiveResponse>"

    async def _signal(self, caller: Caller, request: Envelope) -> str:
        shell = self.shell(caller, request)
        asked = request.part("Signal")
        if asked is None:
            raise wsfaults.bad_schema("Signal")
        code = request.text("Code").strip().rpartition("/")[2].casefold()
        command = shell.commands.get(asked.get("CommandId", "").upper())
        if command is not None and code in TERMINATE:
            self.shells.end(shell, command)
        return "<rsp:SignalResponse/>"

    async def _delete(self, caller: Caller, request: Envelope) -> str:
        self.shells.delete(self.shell(caller, request))
        return ""

    def shell(self, caller: Caller, request: Envelope) -> Shell:
        return self.shells.shell(request.selectors.get("ShellId", ""), caller.user)

    def _config(self) -> str:
        """What clients ask for before they choose the size of their messages."""
        quotas = self.host.settings.quotas
        shells = f"<c:MaxProcessesPerShell>{quotas.processes_per_shell}</c:MaxProcessesPerShell>"
        shells += f"<c:MaxShellsPerUser>{quotas.shells_per_user}</c:MaxShellsPerUser>"
        service = f"<c:MaxConcurrentOperationsPerUser>{quotas.operations_per_user}</c:MaxConcurrentOperationsPerUser>"
        sizes = f"<c:MaxEnvelopeSizekb>{quotas.envelope // 1024}</c:MaxEnvelopeSizekb><c:MaxTimeoutms>{quotas.timeout * 1000:.0f}</c:MaxTimeoutms>"
        return f"<c:Config xmlns:c={quoteattr(CONFIG)}>{sizes}<c:Service>{service}</c:Service><c:Winrs>{shells}</c:Winrs></c:Config>"
