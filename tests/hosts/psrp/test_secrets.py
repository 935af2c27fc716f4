"""Secrets over PSRP: beside the line in mode function, nowhere in logs or errors, and not at all where a host logs."""

from __future__ import annotations

import logging
import traceback
from datetime import timedelta

import pytest

from reconciler.core.calls import Cmdlet, Secret
from reconciler.core.errors import TransportError
from reconciler.core.transport import Target
from reconciler.emulator.winrm.troubles import Trouble, What
from reconciler.hosts.psrp.channel import PsrpChannel
from reconciler.hosts.session import LoggedSecret
from reconciler.hosts.winrm.line import LOUD
from tests.hosts.psrp.serving import psrp
from tests.hosts.winrm.serving import HOST, Served, served

MINUTE = timedelta(minutes=1)
CANARY = "canary-4711-of-the-guest"
PROVISION = Cmdlet("Provision-EflowVm", ("provisioningType", "scopeId", "registrationId", "symmKey"))
CALL = PROVISION(provisioningType="DpsSymmetricKey", scopeId="0ne", registrationId="r", symmKey=Secret("env", "CANARY"))
MODULES = ("HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\PowerShell\\ModuleLogging", "EnableModuleLogging", 1)


def target(there: Served, mode: str, how: str) -> Target:
    there.environ["CANARY"] = CANARY
    found = psrp(there, mode, how)
    return Target(found.host, "default", (PROVISION.name,))


async def provoke(there: Served, mode: str, how: str, what: What | None) -> str:
    """One write with a secret in it, and whatever it ends with, written out."""
    try:
        async with there.reach(target(there, mode, how)) as session:
            lease = await session.take("tests", 60)
            if what is not None:
                there.endpoint.trouble(HOST, Trouble(what, "Command", times=None, amount=418))
            return repr(await session.run([CALL], key="k", epoch=lease.epoch, deadline=MINUTE))
    except TransportError as failed:
        return "".join(traceback.format_exception(failed)) + repr(failed.__dict__) + repr(failed.__context__)
    finally:
        there.endpoint.heal(HOST)


@pytest.mark.parametrize(
    ("mode", "how", "what"),
    [("script", "ntlm", What.KILL_SHELL), ("script", "basic-tls", None), ("function", "ntlm", What.PLAINTEXT), ("function", "basic-tls", What.STATUS)],
)
async def test_no_secret_is_logged_or_told_in_an_error(mode: str, how: str, what: What | None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with served() as there:
        said = await provoke(there, mode, how, what)
        for secret in (CANARY, there.endpoint.credentials.password):
            assert secret not in said
            assert secret not in caplog.text
        assert not {record.name.partition(".")[0] for record in caplog.records if record.levelno < logging.WARNING} & set(LOUD)


async def test_in_mode_function_the_line_has_the_number_and_the_function_gets_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    original = PsrpChannel.answer

    async def tapped(channel: PsrpChannel, request: object, texts: list[str], *rest: object) -> str:
        lines.extend(texts)
        return await original(channel, request, texts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(PsrpChannel, "answer", tapped)
    async with served() as there, there.reach(target(there, "function", "ntlm")) as session:
        lease = await session.take("tests", 60)
        await session.run([CALL], key="k", epoch=lease.epoch, deadline=MINUTE)
        assert '"symmKey":{"$secure":0}' in lines[-1].replace(" ", "")
        assert CANARY not in "".join(lines)
        ran = [record for record in there.estate.log(HOST) if record["what"] == "cmdlet"]
        assert [record["parameters"]["symmKey"] for record in ran] == ["***"]


async def test_a_host_that_logs_is_sent_no_secret() -> None:
    async with served() as there:
        there.estate.machines[HOST].registry.put(*MODULES)
        async with there.reach(target(there, "function", "ntlm")) as session:
            lease = await session.take("tests", 60)
            with pytest.raises(LoggedSecret):
                await session.run([CALL], key="k", epoch=lease.epoch, deadline=MINUTE)
