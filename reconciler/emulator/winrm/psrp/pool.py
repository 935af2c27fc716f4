"""One runspace pool of an emulated host: its process, psrpcore's end of the protocol, and the pipelines in it.

`resource` feeds it what Create, Command and Send bring, and takes what it says out of the outboxes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from psrpcore import (
    CreatePipelineEvent,
    GetAvailableRunspacesEvent,
    GetCommandMetadataEvent,
    InvalidProtocolVersion,
    PSRPEvent,
    PSRPPayload,
    ResetRunspaceStateEvent,
    ServerPipeline,
    ServerRunspacePool,
    SetMaxRunspacesEvent,
    SetMinRunspacesEvent,
    StreamType,
)
from psrpcore.types import ErrorRecord as WireError
from psrpcore.types import HostMethodIdentifier, PipelineState, PSInvocationState

from reconciler.emulator.errors import ErrorRecord
from reconciler.emulator.invoker import Gone
from reconciler.emulator.machine import Machine
from reconciler.emulator.typed import NotTyped
from reconciler.emulator.winrm.console import INPUT_LIMIT, Console
from reconciler.emulator.winrm.programs import Place
from reconciler.emulator.winrm.psrp import objects
from reconciler.emulator.winrm.psrp.configuration import Configuration
from reconciler.emulator.winrm.psrp.outbox import Outbox
from reconciler.emulator.winrm.psrp.runspace import Runspace, Said, Step
from reconciler.emulator.winrm.shells import Command

FRAGMENT = 32_768  # bytes of one fragment, as Windows cuts them
PROCESS = "wsmprovhost.exe"
METADATA = ErrorRecord("NotEmulated", "NotImplemented", "not emulated: metadata of commands", "System.NotSupportedException")


class Unreadable(Exception):
    """What a client sent is no PSRP."""


class Pool:
    """A program of its shell, in which it stands as the command without an id. `ends`: its process is gone."""

    def __init__(self, place: Place, configuration: Configuration) -> None:
        self.pid = place.host.settled().start_process(PROCESS, configuration.name).pid
        self.host = place.host
        self.runspace = Runspace(place.host, place.cut, self.pid, configuration)
        self.turn = asyncio.Semaphore(1)
        self.psrp = ServerRunspacePool()
        self.outbox = Outbox()
        self._pipelines: dict[UUID, Pipeline] = {}
        self._fed = 0
        place.host.counts["processes"] += 1
        place.host.log("process", {"do": "start", "pid": self.pid})

    async def run(self, console: Console) -> int:
        await asyncio.Event().wait()
        return 0

    @property
    def alive(self) -> bool:
        return self.host.machine.process(self.pid) is not None

    def begin(self, id: UUID) -> Pipeline:
        """A pipeline, before its first fragment comes (winrm.md 4.3, 7)."""
        pipeline = self._pipelines[id] = Pipeline(self, id)
        return pipeline

    def forget(self, pipeline: Pipeline) -> None:
        self._pipelines.pop(pipeline.id, None)
        self.psrp.pipeline_table.pop(pipeline.id, None)

    def feed(self, data: bytes, pipeline: UUID | None = None) -> None:
        """Bytes from the client, of which only so many may wait to become a message; raises Unreadable."""
        self._fed += len(data)
        if self._fed > INPUT_LIMIT:
            raise Unreadable("more than a pool takes")
        try:
            self.psrp.receive_data(PSRPPayload(data, StreamType.default, pipeline))
            while (event := self.psrp.next_event()) is not None:
                self._fed = 0
                self._happened(event)
        except NotTyped as wrong:
            raise Unreadable(str(wrong)) from None
        except Exception as wrong:  # noqa: BLE001 - bytes come from anywhere, and psrpcore raises whatever it stumbles over
            raise Unreadable(type(wrong).__name__) from None
        self.flush()

    def flush(self) -> None:
        """What psrpcore has ready goes to whom it is for; what is for a forgotten pipeline goes nowhere."""
        while (payload := self.psrp.data_to_send(FRAGMENT)) is not None:
            if payload.pipeline_id is None:
                self.outbox.out(payload.data)
            elif (pipeline := self._pipelines.get(payload.pipeline_id)) is not None:
                pipeline.outbox.out(payload.data)

    def _happened(self, event: PSRPEvent[Any, Any]) -> None:
        match event:
            case CreatePipelineEvent():
                found = event.pipeline
                commands = [objects.step(command) for command in found.commands]
                self._pipelines[event.pipeline_id].begins(commands)
            case GetCommandMetadataEvent():
                self._pipelines[event.pipeline_id].begins(())
            case SetMaxRunspacesEvent() | SetMinRunspacesEvent() | ResetRunspaceStateEvent():
                self.psrp.runspace_availability_response(event.ci, True)
            case GetAvailableRunspacesEvent():
                self.psrp.runspace_availability_response(event.ci, 1)


class Pipeline:
    """A program of its shell that runs once it was sent whole, one after another: the pool has one runspace."""

    def __init__(self, pool: Pool, id: UUID) -> None:
        self.id = id
        self.pid = pool.pid
        self.outbox = Outbox()
        self._pool = pool
        self._server = ServerPipeline(pool.psrp, id)
        self._whole = asyncio.Event()
        self._commands: Sequence[Step] | None = None

    def begins(self, commands: Sequence[Step]) -> None:
        self._commands = commands
        self._whole.set()

    async def run(self, console: Console) -> int:
        await self._whole.wait()
        async with self._pool.turn:
            self._server.state = PSInvocationState.Running  # Windows says nothing of it
            try:
                said = await self._pool.runspace.run(self._commands) if self._commands else Said(failed=METADATA)
            except Gone:
                return 1  # the process is gone, and the pool with it: nobody hears of this pipeline any more
            self._say(said)
        return 0

    def stop(self) -> None:
        """Ctrl-C: the client hears that it was stopped."""
        if self._server.state in (PSInvocationState.NotStarted, PSInvocationState.Running):
            self._server.state = PSInvocationState.Running
            self._server.stop()
            self._pool.flush()

    def forget(self) -> None:
        self._pool.forget(self)

    def _say(self, said: Said) -> None:
        server = self._server
        for item in said.objects:
            server.write_output(objects.shown(item))
        for record in said.errors:
            server.write_error(objects.exception(record), objects.category(record), fully_qualified_error_id=record.id)
        for words in said.warnings:
            server.write_warning(words)
        if said.info:
            with suppress(InvalidProtocolVersion):  # clients before 5.0 know no such stream
                server.write_information(said.info, "Write-Host", tags=["PSHOST"], user="", computer=self._pool.host.name, process_id=self.pid)
        if said.exit is not None:
            server.host_call(HostMethodIdentifier.SetShouldExit, [said.exit])
        if said.failed is None:
            server.complete()
        else:
            self._fail(said.failed)
        self._pool.flush()

    def _fail(self, record: ErrorRecord) -> None:
        """psrpcore has no word for a pipeline that failed."""
        error = WireError(Exception=objects.exception(record), CategoryInfo=objects.category(record), FullyQualifiedErrorId=record.id)
        self._server.prepare_message(PipelineState(PipelineState=int(PSInvocationState.Failed), ExceptionAsErrorRecord=error))
        self._server.state = PSInvocationState.Failed


class PoolCommand(Command):
    """The pool as a command of its shell: ended with the shell."""

    def __init__(self, pool: Pool) -> None:
        super().__init__("", pool, pool.outbox)
        self.pool = pool


class PipelineCommand(Command):
    """A pipeline as a command of its shell: its end leaves the pool's process alone."""

    def __init__(self, id: str, pipeline: Pipeline) -> None:
        super().__init__(id, pipeline, pipeline.outbox)
        self.pipeline = pipeline

    def end(self, machine: Machine) -> None:
        self.kill()
        self.pipeline.forget()

    def stop(self) -> None:
        self.pipeline.stop()
        self.kill()
