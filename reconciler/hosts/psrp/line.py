"""The line of `hosts.winrm` with pypsrp's client: runspace pools and pipelines, each request in a worker thread with a deadline of its own.

`channel` and `looking` speak through it. The pool outlives connections: each request is sent over the client of the moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pypsrp.complex_objects import ObjectMeta, PSInvocationState
from pypsrp.messages import MessageType
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.shell import SignalCode
from pypsrp.wsman import SelectorSet, WSMan

from reconciler.hosts.credentials import SignIns
from reconciler.hosts.psrp.client import Client
from reconciler.hosts.psrp.fragments import StrictFragmenter
from reconciler.hosts.psrp.objects import category, tagged
from reconciler.hosts.psrp.translate import translate
from reconciler.hosts.winrm.client import OPERATION
from reconciler.hosts.winrm.errors import ShellGone
from reconciler.hosts.winrm.line import Line, Workers
from reconciler.hosts.winrm.way import Way

RESOURCE = "http://schemas.microsoft.com/powershell/"
IDLE = 3600  # seconds that a pool may be left alone
RUNNING = (PSInvocationState.NOT_STARTED, PSInvocationState.RUNNING)


@dataclass(frozen=True, slots=True)
class Secure:
    """A text that goes as a SecureString: encrypted with the key that the pool exchanged."""

    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """A command, or a script, of a pipeline."""

    text: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    script: bool = False
    arguments: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """The first error of a pipeline, in the host's words."""

    id: str
    category: str
    message: str
    exception: str


@dataclass(frozen=True, slots=True)
class Gave:
    """What a pipeline gave. `failure`: its first error, also where it went on."""

    objects: Sequence[Any]
    failure: Failure | None
    warnings: Sequence[str] = ()


class PsrpLine(Line):
    """One runspace pool of one configuration; `open` another after `remove`."""

    _made = Client
    _translate = staticmethod(translate)

    def __init__(self, way: Way, signins: SignIns, workers: Workers) -> None:
        super().__init__(way, signins, workers)
        self._pool: Any = None

    async def open(self, configuration: str, id: str, seconds: float) -> None:
        """Opens a pool of that id, with one runspace in it."""

        def opened(wire: WSMan) -> None:
            self._pool = _strict(RunspacePool(wire, configuration_name=configuration, min_runspaces=1, max_runspaces=1, idle_timeout=IDLE))
            self._pool.id = self._pool.shell.id = id
            self._pool.open()

        await self._call("Create", seconds, opened)

    async def remove(self, configuration: str, pool: str, seconds: float) -> None:
        """Ends a pool and whatever runs in it; that it is gone already is well."""

        def deleted(wire: WSMan) -> None:
            selectors = SelectorSet()
            selectors.add_option("ShellId", pool)
            wire.delete(RESOURCE + configuration, selector_set=selectors)

        try:
            await self._call("Delete", seconds, deleted)
        except ShellGone:
            return

    async def run(self, steps: Sequence[Step], seconds: float) -> Any:
        """Begins a pipeline. What was lost on the way may run all the same."""

        def began(wire: WSMan) -> Any:
            pool = self._over(wire)
            pool._fragmenter.begin()
            shell = PowerShell(pool)
            for step in steps:
                shell.add_script(step.text) if step.script else shell.add_cmdlet(step.text)
                for argument in step.arguments:
                    shell.add_argument(argument)
                for name, value in step.parameters.items():
                    shell.add_parameter(name, self._valued(value))
            shell.begin_invoke()
            return shell

        return await self._call("Send", seconds, began)

    async def poll(self, shell: Any, seconds: float, wait: float = OPERATION) -> Gave | None:
        """What the pipeline gave, once it is over; None while it goes on. Raises NoAnswerYet after `wait` seconds without output."""

        def polled(wire: WSMan) -> Gave | None:
            pool = self._over(wire)
            for kind, said in pool._receive(shell.id):
                if kind == MessageType.PIPELINE_OUTPUT:
                    shell.output.append(said.data.data)
            return None if shell.state in RUNNING else _gave(shell)

        return await self._call("Receive", seconds, polled, wait)

    async def forget(self, shell: Any, seconds: float) -> None:
        """Terminate: the host keeps a thousand pipelines that are over, and no more."""

        def closed(wire: WSMan) -> None:
            pool = self._over(wire)
            pool.shell.signal(SignalCode.TERMINATE, command_id=shell.id)
            pool.pipelines.pop(shell.id, None)

        try:
            await self._call("Signal", seconds, closed)
        except ShellGone:
            return

    async def keys(self, seconds: float) -> None:
        """The key for secure strings, once a pool."""
        if self._pool is not None and not self._pool._key_exchanged:
            await self._call("Send", seconds, lambda wire: self._over(wire).exchange_keys())

    def _over(self, wire: WSMan) -> Any:
        """The pool, over the connection of the moment; the host knows it by its session's id."""
        pool = self._pool
        if pool.connection is not wire:
            wire.session_id = pool.connection.session_id
            pool.connection = pool.shell.wsman = wire
        return pool

    def _valued(self, value: Any) -> Any:
        if isinstance(value, Secure):
            return self._pool.serialize(value.text, ObjectMeta("SS"))
        return [self._valued(item) for item in value] if isinstance(value, list) else value


def _strict(pool: Any) -> Any:
    """Held to caps; warnings of the pool itself are words that nobody asked for."""
    pool._fragmenter = StrictFragmenter(pool.connection.max_payload_size)
    pool._serializer = pool._fragmenter.serializer
    pool._process_runspacepool_warning = lambda message: None
    return pool


def _gave(shell: Any) -> Gave:
    errors = shell.streams.error
    return Gave(tuple(tagged(item) for item in shell.output), _failure(errors[0]) if errors else None, tuple(str(item) for item in shell.streams.warning))


def _failure(error: Any) -> Failure:
    types = getattr(error.exception, "types", None) or [""]
    return Failure(str(error.fq_error or ""), category(error.category), str(error), str(types[0]).removeprefix("Deserialized."))
