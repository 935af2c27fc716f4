"""Canaries in the credential and in every value that is given and never read back: on the line only inside what is sealed, elsewhere nowhere of ours.

Searched: every byte on the socket, logs however loud, events, reports, plans, snapshots, errors with their causes, the ledger, lease and job folders
that a killed controller leaves on the host. `test_tapping` shows that the search finds what is there.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.core.calls import Cmdlet, Secret
from reconciler.core.errors import TransportError
from reconciler.core.model import fields
from reconciler.core.snapshot import Snapshot
from reconciler.core.transport import Target
from reconciler.emulator.controller import Killed, Point
from reconciler.emulator.eflow import Eflow
from reconciler.emulator.faults import Fault
from reconciler.emulator.winrm import Settings, sealing, serve
from reconciler.emulator.winrm.settings import Account
from reconciler.emulator.winrm.troubles import Trouble, What
from reconciler.engine.environment import Scope
from reconciler.engine.planfile import save
from reconciler.engine.planning import observe
from reconciler.hosts.session import LoggedSecret
from reconciler.hosts.winrm.line import LOUD
from reconciler.secrets.scrubber import Scrubber
from tests.engine.lab import REGISTRY, Lab
from tests.hosts.winrm.serving import HOST, Served, served
from tests.sockets.dying import Cuts, controller, copied
from tests.sockets.tapping import found_in, tapped
from tests.sockets.test_crash_over_sockets import bare

MINUTE = timedelta(minutes=1)
PASSWORD, KEY, OTHER = "Canary-of-the-Passw0rd", "Y2FuYXJ5LW9mLXRoZS1kZXZpY2U=", "canary-of-the-connection-string"
CANARIES = (PASSWORD, KEY, OTHER)
STORE = "hklm\\software\\reconciler"
FOLDER = "c:\\program files\\reconciler"


def test_every_value_that_is_never_read_back_on_a_host_is_known_here() -> None:
    """A new one belongs among those that `test_given_values_are_nowhere` gives."""
    specs: list[Any] = [kind.spec for name, kind in REGISTRY.items() if not name.startswith("Azure")]
    assert {name for spec in specs for name, marks in fields(spec).items() if marks.write_only} == {name for name, _ in CALLS}


def ours_on(here: Lab) -> str:
    """All that we left on the host: records, lease, job folders; and the host's log of what we asked."""
    machine = here.estate.machines["edge-01"].to_json()
    registry = {name: key for name, key in machine["registry"]["keys"].items() if name.startswith(STORE)}
    files = {name: file for name, file in machine["files"]["entries"].items() if name.startswith(FOLDER)}
    assert registry
    assert files
    return json.dumps([registry, files, here.estate.records], ensure_ascii=False, default=str)


@dataclass
class Unsealed:
    """The plain text of what was sealed, as the host reads it."""

    bodies: list[bytes] = field(default_factory=list)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        unseal = sealing.unseal

        def noting(context: Any, body: bytes) -> bytes:
            plain: bytes = unseal(context, body)
            self.bodies.append(plain)
            return plain

        patch.setattr(sealing, "unseal", noting)


async def test_from_a_bare_host_to_a_provisioned_vm_through_a_crash_no_canary_leaves_the_seal(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    here, unsealed, environ = Lab(bare().desired, copied(bare().estate)), Unsealed(), {"DPS_KEY_EDGE_01": KEY}
    unsealed.install(monkeypatch)

    def at(_: int, point: Point, what: str) -> None:
        if point is Point.EXECUTED and "Provision-EflowVm" in what:
            raise Killed

    async with serve(here.estate, Settings(accounts=(Account(password=PASSWORD),))) as endpoint:
        address, told = endpoint.address("edge-01"), list[str]()
        async with tapped(address.ip, address.http) as tap:
            async with controller(here, endpoint, environ, tap.port):
                plan = await here.plan()
                told.append(save(plan, here.desired))
                with monkeypatch.context() as dying:
                    Cuts(endpoint, at).install(dying)
                    with pytest.raises(BaseExceptionGroup) as killed:
                        await here.apply(plan)
                told += ["".join(traceback.format_exception(killed.value)), ours_on(here)]
            here.estate.clock.advance(timedelta(minutes=5))
            async with controller(here, endpoint, environ, tap.port):
                report = await here.apply()
                assert report.exit_code == 0
                shot = (await observe(here.desired, Scope(), here.environment()))["edge-01"]
                assert isinstance(shot, Snapshot)
                told += [repr(report), repr(here.events), json.dumps(shot.to_json()), ours_on(here), caplog.text]
    assert found_in([KEY], *unsealed.bodies), "the canary was given, inside the seal"
    assert not found_in([KEY, PASSWORD], *told)
    assert not found_in([KEY, PASSWORD], tap.all)
    assert b"Provision-EflowVm" not in tap.all
    assert b"\r\nAccept-Encoding: identity\r\n" in tap.sent
    assert b"gzip" not in tap.sent


# -- one call with each of them, and whatever it ends with


PROVISION = Cmdlet("Provision-EflowVm", ("provisioningType", "scopeId", "registrationId", "symmKey"))
CONNECT = Cmdlet(PROVISION.name, ("provisioningType", "devConnString"))
CALLS = (
    ("symmKey", PROVISION(provisioningType="DpsSymmetricKey", scopeId="0ne", registrationId="r", symmKey=Secret("env", "CANARY"))),
    ("devConnString", CONNECT(provisioningType="ManualConnectionString", devConnString=Secret("env", "CANARY"))),
)
ENDS = (None, What.KILL_PROCESS, What.KILL_SHELL, What.DROP_BEFORE, What.PLAINTEXT, What.REDIRECT, What.STATUS, What.BODY)


async def given(there: Served, call: Any, how: str, what: What | None, port: int) -> str:
    """One write with a secret in it over the tapped line, and whatever it ends with, written out."""
    host = there.host(how)
    target = Target(replace(host, connection=replace(host.connection, port=port)), "default", (PROVISION.name,))
    try:
        async with there.reach(target) as session:
            lease = await session.take("tests", 60)
            if what is not None:
                there.endpoint.trouble(HOST, Trouble(what, "Send", times=None, amount=418, text="<a/>"))
            return repr(await session.run([call], key="k", epoch=lease.epoch, deadline=MINUTE))
    except TransportError as failed:
        return "".join(traceback.format_exception(failed)) + repr(failed.__dict__) + repr(failed.__context__)
    finally:
        there.endpoint.heal(HOST)


async def everything(how: str, call: Any, caplog: pytest.LogCaptureFixture, ends: Sequence[What | None] = ENDS) -> list[str | bytes]:
    """All that is said and sent while that call meets one end after another. The host repeats what it was given, where it answers."""
    caplog.set_level(logging.DEBUG)
    said: list[str | bytes] = []
    async with served(settings=Settings(accounts=(Account(password=PASSWORD),))) as there:
        address = there.endpoint.address(HOST)
        there.environ["CANARY"] = OTHER
        there.estate.machines[HOST].eflow = Eflow(version="1.4.2.12122", product_code="{1}")
        there.estate.fault(HOST, Fault("Provision-EflowVm", error="Bad", says=f"no such key: {OTHER}; as {PASSWORD}"))
        async with tapped(address.ip, address.http if how == "ntlm" else address.https) as tap:
            said += [await given(there, call, how, what, tap.port) for what in ends]
        said += [caplog.text, tap.all]
        assert not {record.name.partition(".")[0] for record in caplog.records if record.levelno < logging.WARNING} & set(LOUD)
    return said


@pytest.mark.parametrize("how", ["ntlm", "basic-tls"])
@pytest.mark.parametrize(("name", "call"), CALLS)
async def test_given_values_are_nowhere_whatever_the_call_ends_with(how: str, name: str, call: Any, caplog: pytest.LogCaptureFixture) -> None:
    said = await everything(how, call, caplog)
    assert "no such key: ***" in str(said[0]), name
    assert not found_in(CANARIES, *said)


async def test_with_the_scrubber_off_a_canary_is_found(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(Scrubber, "scrub", lambda _, text: text)
    said = await everything("ntlm", CALLS[0][1], caplog, ends=(None,))
    assert found_in([OTHER], *said)
    assert found_in([PASSWORD], *said)


@pytest.mark.parametrize("policy", ["ModuleLogging\\EnableModuleLogging", "ScriptBlockLogging\\EnableScriptBlockLogging", "Transcription\\EnableTranscripting"])
async def test_a_host_that_logs_what_calls_are_given_is_sent_no_secret_and_all_else(policy: str) -> None:
    key, _, value = policy.partition("\\")
    async with served() as there:
        there.environ["CANARY"] = OTHER
        there.estate.machines[HOST].registry.put(f"HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\PowerShell\\{key}", value, 1)
        async with there.reach(Target(there.host(), "default", (PROVISION.name,))) as session:
            lease = await session.take("tests", 60)
            before = there.counts["Send"]
            with pytest.raises(LoggedSecret) as refused:
                await session.run([CALLS[0][1]], key="k", epoch=lease.epoch, deadline=MINUTE)
            assert refused.value.code == "HST044"
            assert there.counts["Send"] == before
            plain = await session.run([PROVISION(provisioningType="DpsTPM", scopeId="0ne")], key="k", epoch=lease.epoch, deadline=MINUTE)
            assert len(plain) == 1
