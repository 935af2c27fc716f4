"""Secrets on a real line: nowhere in logs, however loud, nor in errors; on the socket only inside what is sealed."""

from __future__ import annotations

import logging
import traceback
from datetime import timedelta

import pytest

from reconciler.core.calls import Cmdlet, Secret
from reconciler.core.errors import TransportError
from reconciler.core.transport import Target
from reconciler.emulator.winrm.troubles import Trouble, What
from reconciler.hosts.winrm.line import LOUD
from tests.hosts.winrm.serving import HOST, Served, served

MINUTE = timedelta(minutes=1)
CANARY = "canary-4711-of-the-guest"
PROVISION = Cmdlet("Provision-EflowVm", ("provisioningType", "scopeId", "registrationId", "symmKey"))


async def provoke(there: Served, how: str, what: What | None) -> str:
    """One write with a secret in it, and whatever it ends with, written out."""
    try:
        async with there.reach(Target(there.host(how), "default", (PROVISION.name,))) as session:
            lease = await session.take("tests", 60)
            if what is not None:
                there.endpoint.trouble(HOST, Trouble(what, "Send", times=None, amount=418))
            call = PROVISION(provisioningType="DpsSymmetricKey", scopeId="0ne", registrationId="r", symmKey=Secret("env", "CANARY"))
            answers = await session.run([call], key="k", epoch=lease.epoch, deadline=MINUTE)
            return repr(answers)
    except TransportError as failed:
        return "".join(traceback.format_exception(failed)) + repr(failed.__dict__) + repr(failed.__context__)
    finally:
        there.endpoint.heal(HOST)


@pytest.mark.parametrize("how", ["ntlm", "basic-tls"])
@pytest.mark.parametrize("what", [None, What.KILL_SHELL, What.PLAINTEXT, What.REDIRECT, What.STATUS])
async def test_no_secret_is_logged_or_told_in_an_error(how: str, what: What | None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with served() as there:
        there.environ["CANARY"] = CANARY
        said = await provoke(there, how, what)
        for secret in (CANARY, there.endpoint.credentials.password):
            assert secret not in said
            assert secret not in caplog.text
        assert not {record.name.partition(".")[0] for record in caplog.records if record.levelno < logging.WARNING} & set(LOUD)
