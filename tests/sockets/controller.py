"""One controller in a process of its own, for tests that stop it with a signal: `python -m tests.sockets.controller JSON`.

It takes the lease as soon as it can, then for every JSON list of numbers on its standard input writes one batch, and says how it ended.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from typing import Any

import anyio

from reconciler.cli.wallclock import WallClock
from reconciler.core.calls import AnyCall, Cmdlet, LedgerCall, Secret
from reconciler.core.errors import LeaseHeld, TransportError
from reconciler.core.resources import Connection, Host
from reconciler.core.transport import Lease, Target, Writer
from reconciler.hosts.connect import connections
from reconciler.secrets import Vault

FEATURE = Cmdlet("Install-WindowsFeature", ("Name",))


def target(given: dict[str, Any]) -> Target:
    secret = Secret("env", "WINRM_PASSWORD")
    options = {"authentication": "ntlm", "scheme": "http", "insecure": ("plainHttp",), "username": given["user"], "password": secret}
    return Target(Host(given["host"], address=given["ip"], connection=Connection("winrm", given["port"], options)), "default", (FEATURE.name,))


def entry(number: int, size: int) -> LedgerCall:
    return LedgerCall("put", "default", f"{number:032x}", json.dumps({"n": number, "x": "y" * size}, separators=(",", ":")))


async def taken(session: Writer, holder: str) -> Lease:
    while True:
        try:
            return await session.take(holder, 2)
        except LeaseHeld:
            await anyio.sleep(0.1)


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


async def main(given: dict[str, Any]) -> None:
    async with connections(Vault(dict(os.environ)), WallClock()) as reach, reach(target(given)) as session:
        lease = await taken(session, given["holder"])
        say(f"epoch {lease.epoch}")
        while line := await anyio.to_thread.run_sync(sys.stdin.readline):
            batch = json.loads(line)
            first: list[AnyCall] = [FEATURE(Name=("Hyper-V",))] if batch.get("long") else []
            calls = [*first, *(entry(number, batch.get("size", 1)) for number in batch["numbers"])]
            answers = await session.run(calls, key="k", epoch=lease.epoch, deadline=timedelta(seconds=20))
            say("done " + json.dumps([answer.error is None for answer in answers]))


if __name__ == "__main__":
    try:
        anyio.run(main, json.loads(sys.argv[1]))
    except* TransportError as lost:
        say(f"lost {type(lost.exceptions[0]).__name__}")
