"""What an emulated runspace runs: our invoker, one pipeline of known cmdlets, and nothing else. It knows no protocol.

`pool` hands it the commands of one pipeline and sends on what it says. Everything else is refused in words (docs/emulated-endpoint.md).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.emulator import catalogue
from reconciler.emulator.errors import VALIDATION, CmdletError, ErrorRecord, text
from reconciler.emulator.powershell import Outcome, execute
from reconciler.emulator.runner import BROKE
from reconciler.emulator.typed import NotTyped, Typed
from reconciler.emulator.winrm.host import EmulatedHost
from reconciler.emulator.winrm.pipeline import checked, reduced, steps
from reconciler.emulator.winrm.programs import SHELL_MARKS
from reconciler.emulator.winrm.psrp.configuration import BATCH, Configuration
from reconciler.emulator.winrm.session import END, LOCKDOWN, SocketInvoker, unpacked

EXIT = re.compile(r"\s*\bexit \$LASTEXITCODE\s*\Z", re.IGNORECASE)  # what Ansible's psrp puts after a raw command
PROXIES = ("select-object",)  # visible in every restricted session
SCRIPTS = ErrorRecord(
    "ScriptsNotAllowed",
    "ParserError",
    "The syntax is not supported by this runspace. This can occur if the runspace is in no-language mode.",
    "System.Management.Automation.ParseException",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a pipeline; a parameter without a name is an argument."""

    text: str
    script: bool = False
    parameters: Sequence[tuple[str | None, Any]] = ()

    @property
    def bare(self) -> str:
        return self.text.casefold().rpartition("\\")[2]


@dataclass(frozen=True, slots=True)
class Said:
    """What a pipeline gave. `failed`: it ended with that error. `exit`: the exit code that the client's host is told."""

    objects: Sequence[Any] = ()
    errors: Sequence[ErrorRecord] = ()
    warnings: Sequence[str] = ()
    info: str = ""
    failed: ErrorRecord | None = None
    exit: int | None = None


class Runspace:
    """`pid`: the process that it is in. `cut` breaks the connections of the host's clients. Raises `invoker.Gone` where the process ends."""

    def __init__(self, host: EmulatedHost, cut: Callable[[], None], pid: int, configuration: Configuration) -> None:
        self._host = host
        self._cut = cut
        self._pid = pid
        self._configuration = configuration
        self._modules: set[str] = set()
        self._invoker: SocketInvoker | None = None
        if configuration.sha256:
            self._take(configuration.sha256, configuration.only)

    async def run(self, commands: Sequence[Step]) -> Said:
        """One pipeline."""
        if any(step.script for step in commands):
            return await self._script(commands)
        hidden = next((step for step in commands if not self._sees(step)), None)
        narrow = None if self._configuration.language else next((step for step in commands if step.bare in PROXIES and _given(step) - {"property"}), None)
        if narrow is not None:
            return Said(failed=self._no_parameter(narrow.text, min(_given(narrow) - {"property"})).errors[0])
        if hidden is not None or not commands:
            return Said(failed=self._unknown(hidden.text if hidden else ""))
        try:
            if commands[0].bare == BATCH and self._invoker is not None:
                return await self._batch(self._invoker, commands)
            said = checked([_typed(step) for step in commands])
        except NotTyped as wrong:
            return self._refused(str(wrong))
        outcome = self._kept_out(said[0]) or await self._execute(said[0])
        found = _said(outcome, reduced(list(outcome.objects), said[1:]))
        ends = next((record for record in outcome.errors if record.terminating), None)
        return Said(found.objects, [record for record in found.errors if record is not ends], found.warnings, found.info, ends)

    # --- scripts

    async def _script(self, commands: Sequence[Step]) -> Said:
        if not self._configuration.language:
            return Said(failed=SCRIPTS)
        if len(commands) != 1:
            return self._refused("a script stands alone")
        script = commands[0].text
        if all(mark in script for mark in SHELL_MARKS):
            return self._prepared(commands[0])
        try:
            first, *rest = steps(EXIT.sub("", script))
        except NotTyped as wrong:
            return self._refused(str(wrong))
        outcome = await self._execute(first)
        found = _said(outcome, reduced(list(outcome.objects), rest))
        return Said(found.objects, found.errors, found.warnings, found.info, exit=0 if EXIT.search(script) else None)

    def _prepared(self, step: Step) -> Said:
        """What our own script does with the invoker that it is given: a module of this runspace."""
        if str(self._host.machine.registry.get(*LOCKDOWN)) == "4":
            return Said(["#HVBOOT mode ConstrainedLanguage"])
        given = [value for _, value in step.parameters]
        invoker = unpacked(str(given[0]).encode("utf-8", "replace")) if len(given) == 1 else ""
        if not invoker.rstrip().endswith(END):
            return Said(["#HVBOOT fail torn"])
        self._take(invoker_print(invoker), None)
        return Said()

    def _take(self, sha256: str, only: frozenset[str] | None) -> None:
        self._invoker = SocketInvoker(self._host, self._cut, self._pid)
        self._invoker.sha256, self._invoker.mode, self._invoker.only = sha256, "function", only

    # --- commands

    def _sees(self, step: Step) -> bool:
        return self._configuration.sees(step.text.rpartition("\\")[2]) or step.bare in PROXIES or (step.bare == BATCH and self._invoker is not None)

    async def _batch(self, invoker: SocketInvoker, commands: Sequence[Step]) -> Said:
        """A line for the invoker, the secrets beside it."""
        given = {str(name).casefold(): value for name, value in commands[0].parameters}
        if len(commands) != 1 or given.keys() - {"json", "secret"} or not isinstance(given.get("json"), str):
            raise NotTyped("Invoke-Batch takes -Json and -Secret, and nothing follows it")
        secret = given.get("secret")
        self._host.log("request", {"pid": self._pid, "characters": len(given["json"])})
        invoker.secrets = [] if secret is None else secret if isinstance(secret, list) else [secret]
        try:
            return Said([await invoker.line(given["json"])])
        finally:
            invoker.secrets = ()

    def _kept_out(self, said: Typed) -> Outcome | None:
        """The error of a parameter that the role capability does not let through: those of the proxy that Windows makes."""
        bare = said.name.casefold().rpartition("\\")[2]
        if not self._configuration.language and (hidden := _provider(bare, said.parameters) - self._configuration.providers):
            words = f"Cannot find a provider with the name '{min(hidden)}'."
            return _error("ProviderNotFound", "ObjectNotFound", words, "System.Management.Automation.ProviderNotFoundException", said.name)
        fence = self._configuration.cmdlets.get(bare)
        if fence is None:
            return None
        language = self._host.machine.language
        for name, value in said.parameters.items():
            if name.casefold() not in fence and name not in catalogue.COMMON:
                return self._no_parameter(said.name, name)
            allowed = fence.get(name.casefold())
            other = [item for item in (value if isinstance(value, list) else [value]) if allowed is not None and str(item).casefold() not in allowed]
            if other:
                words = text(language, "value", parameter=name, value=other[0], type=",".join(sorted(allowed or ())))
                return _error("ParameterArgumentValidationError", "InvalidData", words, VALIDATION, said.name)
        return None

    def _no_parameter(self, command: str, name: str) -> Outcome:
        exception = "System.Management.Automation.ParameterBindingException"
        return _error("NamedParameterNotFound", "InvalidArgument", text(self._host.machine.language, "parameter", parameter=name), exception, command)

    async def _execute(self, said: Typed) -> Outcome:
        found = catalogue.find(said.name.rpartition("\\")[2])
        if found is not None and found.module not in self._modules:
            self._modules.add(found.module)
            self._host.counts["modules"] += 1
            await self._host.cost(self._host.settings.costs.module)
        outcome = execute(self._host.settled(), said.name, _present(said, found), at=self._host.clock.now())
        self._host.log("cmdlet", {"name": said.name, "parameters": said.parameters, "ok": outcome.ok, "by": "runspace"})
        if outcome.drop:
            self._host.log("lost", {"why": BROKE})
            self._cut()
        if outcome.hang:
            await asyncio.Event().wait()
        await self._host.cost(outcome.seconds)
        return outcome

    def _refused(self, why: str) -> Said:
        self._host.log("refused", {"says": why})
        words = f"not emulated: {why}. This host runs the product's own session and one pipeline of known cmdlets."
        return Said(failed=ErrorRecord("NotEmulated", "NotImplemented", words, "System.NotSupportedException"))

    def _unknown(self, name: str) -> ErrorRecord:
        words = text(self._host.machine.language, "command", name=name)
        return ErrorRecord("CommandNotFoundException", "ObjectNotFound", words, "System.Management.Automation.CommandNotFoundException")


def invoker_print(script: str) -> str:
    return hashlib.sha256(script.encode()).hexdigest()


def _given(step: Step) -> set[str]:
    return {str(name).casefold() for name, _ in step.parameters}


def _provider(name: str, parameters: Mapping[str, Any]) -> frozenset[str]:
    """The provider that a cmdlet on paths needs."""
    if name not in ("get-childitem", "get-itemproperty", "get-item"):
        return frozenset()
    paths = next((value for given, value in parameters.items() if given.casefold() == "path"), "")
    return frozenset({"registry"} if str(paths[0] if isinstance(paths, list) and paths else paths).upper().startswith("HK") else {"filesystem"})


def _said(outcome: Outcome, left: list[Any] | str) -> Said:
    objects = [left] if isinstance(left, str) and left else left
    return Said(list(objects), outcome.errors, outcome.warnings, outcome.info_text)


def _error(id: str, category: str, words: str, exception: str, name: str) -> Outcome:
    error = CmdletError(id, category, words, exception)
    return Outcome(errors=(ErrorRecord(f"{error.id},{name}", error.category, error.message, error.exception),))


def _typed(step: Step) -> Typed:
    parameters: dict[str, Any] = {}
    for name, value in step.parameters:
        if name is None or name in parameters:
            raise NotTyped(f"{step.text}: every parameter goes by its name, and once")
        parameters[name] = value
    return Typed(step.text, parameters)


def _present(said: Typed, signature: catalogue.Signature | None) -> Mapping[str, Any]:
    """A switch that is sent without a value is on."""
    if signature is None:
        return said.parameters
    switches = {name.casefold() for name, parameter in signature.parameters.items() if parameter.type == "SwitchParameter"}
    return {name: True if value is None and name.casefold() in switches else value for name, value in said.parameters.items()}
