"""pywinrm as it is, in worker threads, against the endpoint: what every test here speaks through."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio.to_thread
from winrm.exceptions import WinRMOperationTimeoutError
from winrm.protocol import Protocol

from reconciler.core.calls import Call
from reconciler.core.transport import Hello
from reconciler.emulator.estate import Estate
from reconciler.emulator.skus import HostWish
from reconciler.emulator.winrm import Endpoint, Settings, serve
from reconciler.emulator.winrm.session import packed
from reconciler.emulator.winrm.settings import DEFAULTS
from reconciler.wire import answers
from reconciler.wire.answers import Reply
from reconciler.wire.frames import FrameReader
from reconciler.wire.requests import HelloAsk, LeaseAsk, Request, lines

T = TypeVar("T")
HOST = "kiosk-01"
SCRIPT = 'if(!$t.EndsWith("#HVEND")){"#HVBOOT fail"}'
POWERSHELL = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
STAND_IN = "# stands in for the invoker\n#HVEND\n"
INVOKER = packed(STAND_IN)
ALLOW = ("Get-NetAdapter", "New-Item", "Set-ItemProperty", "Get-Service", "Restart-Computer")


def bootstrap(script: str = SCRIPT, switches: str = "-NoProfile -NonInteractive -InputFormat None") -> str:
    return f"{POWERSHELL} {switches} -EncodedCommand {base64.b64encode(script.encode('utf-16-le')).decode()}"


@asynccontextmanager
async def endpoint(settings: Settings = DEFAULTS, *hosts: str) -> AsyncIterator[tuple[Estate, Endpoint]]:
    estate = Estate.new(hosts=[HostWish(name, "server-2022") for name in hosts or (HOST,)])
    async with serve(estate, settings) as served:
        yield estate, served


async def threaded(act: Callable[..., T], *arguments: Any) -> T:
    return await anyio.to_thread.run_sync(lambda: act(*arguments))


def protocol(served: Endpoint, how: str, host: str = HOST, **more: Any) -> Protocol:
    """`how`: ntlm (sealed, over HTTP), ntlm-tls, basic-tls, certificate, or another transport of pywinrm's over HTTP."""
    name, _, tls = how.partition("-")
    secure = bool(tls) or name == "certificate"
    given: dict[str, Any] = {"username": served.credentials.user, "password": served.credentials.password}
    if name == "certificate":
        given = {"cert_pem": str(served.client.certificate), "cert_key_pem": str(served.client.key)}
    given |= {"transport": name, "ca_trust_path": str(served.ca), "operation_timeout_sec": 5, "read_timeout_sec": 15, "proxy": None} | more
    address = served.address(host)
    found = Protocol(address.https_url if secure else address.http_url, **given)
    found.transport.build_session().trust_env = False
    return found


class Process:
    """A shell with our bootstrap in it. Blocking: use it from a thread."""

    def __init__(self, wire: Protocol, invoker: bytes = INVOKER) -> None:
        self.wire = wire
        self.shell = wire.open_shell(codepage=65001, noprofile=True, idle_timeout="PT3600S")
        self.command = wire.run_command(self.shell, bootstrap(), console_mode_stdin=False)
        self._first = invoker
        self._number = 0

    def ask(self, request: Request) -> Reply:
        self._number += 1
        request = Request(**{name: getattr(request, name) for name in request.__slots__} | {"id": self._number, "nonce": f"{self._number:032x}"})
        self.send("".join(f"\n{text}\n" for text in lines(request)).encode())
        return self.receive(request)

    def send(self, data: bytes) -> None:
        self.wire.send_command_input(self.shell, self.command, self._first + data)
        self._first = b""

    def receive(self, request: Request) -> Reply:
        reader = FrameReader(request.nonce)
        while not reader.ended:
            try:
                out, err, code, done = self.wire.get_command_output_raw(self.shell, self.command)
            except WinRMOperationTimeoutError:
                continue
            reader.feed(out.decode("ascii"))
            if done and not reader.ended:
                raise AssertionError(f"ended with {code}: {err!r}")
        return answers.reply(tuple(reader.frames), request.id, "")

    def close(self) -> None:
        self.wire.cleanup_command(self.shell, self.command)
        self.wire.close_shell(self.shell)


def hello_request() -> Request:
    return Request(0, "", hello=HelloAsk(ALLOW, "default", {"name": HOST}))


def lease_request(holder: str = "tests") -> Request:
    return Request(0, "", lease=LeaseAsk("take", holder, None, 60))


def look_request(*calls: Call) -> Request:
    return Request(0, "", calls=calls)


def greeted(reply: Reply) -> Hello:
    assert reply.hello is not None
    return answers.hello(reply.hello)
