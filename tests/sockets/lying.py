"""Hosts whose process answers something else than our invoker would: what a test says of the sound answer.

serve(estate, launchers=[lying({"edge-02": lie})])
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from reconciler.core.transport import Target
from reconciler.emulator.winrm import Endpoint, Settings, serve
from reconciler.emulator.winrm.console import CommandLine, Console, Program
from reconciler.emulator.winrm.programs import Launcher, Place, bootstrap
from reconciler.emulator.winrm.session import Session
from reconciler.emulator.winrm.settings import DEFAULTS
from reconciler.hosts.connect import connections
from reconciler.secrets import Vault
from reconciler.wire.frames import FrameReader, frame
from reconciler.wire.strict import write
from tests.engine.lab import Lab
from tests.hosts.winrm.serving import Served, options

Lie = Callable[[Mapping[str, Any], str], str | bytes | None]  # of the request and its sound answer; None: nothing is said


def edited(request: Mapping[str, Any], sound: str, edit: Callable[[str], str]) -> str:
    """The answer with each frame's JSON edited, well framed again."""
    reader = FrameReader(request["nonce"])
    reader.feed(sound)
    return "".join(frame(request["nonce"], edit(write(body))) for body in reader.frames)


def lying(lies: Mapping[str, Lie], stderr: Mapping[str, bytes] = {}) -> Launcher:
    """Our bootstrap starts a liar on these hosts. `stderr`: what it says there besides."""

    def launch(line: CommandLine, place: Place) -> Program | None:
        found = bootstrap(line, place)
        name = place.host.name
        if not isinstance(found, Session) or (name not in lies and name not in stderr):
            return found
        found._answer = _answering(found, lies.get(name, lambda _, sound: sound), stderr.get(name, b""))  # type: ignore[method-assign,assignment]
        return found

    return launch


def _answering(session: Session, lie: Lie, stderr: bytes) -> Callable[[str, Console], Coroutine[Any, Any, bool]]:
    async def answer(text: str, console: Console) -> bool:
        said = lie(json.loads(text), await session._invoker.line(text))
        console.err(stderr)
        if said is not None:
            console.out(said)
        return True

    return answer


@asynccontextmanager
async def over_sockets(here: Lab, *launchers: Launcher, how: str = "ntlm", settings: Settings = DEFAULTS, **given: Any) -> AsyncIterator[Endpoint]:
    """The lab's hosts behind sockets, and its controller's way to them."""
    async with serve(here.estate, settings, launchers=launchers) as endpoint:
        here.secrets = Vault({"WINRM_PASSWORD": endpoint.credentials.password})
        async with connections(here.secrets, here.estate.clock, options(here.estate, **given)) as reach:
            served = Served(here.estate, endpoint, reach)

            def to(target: Target) -> Any:
                name = target.host.name
                return reach(replace(target, host=replace(target.host, address=endpoint.address(name).ip, connection=served.connection(how, name))))

            here.connect = lambda: to  # type: ignore[method-assign]
            yield endpoint
