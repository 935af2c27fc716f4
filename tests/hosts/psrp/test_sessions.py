"""Sessions over PSRP: every way to sign in and every mode, what a session costs, what is refused before and after it is opened."""

from __future__ import annotations

import builtins
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.core.calls import Cmdlet, LedgerCall
from reconciler.core.errors import TransportError, Unreachable, WrongMachine
from reconciler.emulator.winrm.psrp import Configuration
from reconciler.emulator.winrm.session import LOCKDOWN
from reconciler.emulator.winrm.troubles import Trouble, What
from reconciler.hosts.psrp.errors import NoConfiguration, ObservesOnly, OtherInvoker
from reconciler.hosts.winrm.errors import BadConnection, BootFailed, Hostile, SignInRefused, TlsRefused
from reconciler.wire.powershell import sha256
from tests.hosts.psrp.serving import BATCH, psrp
from tests.hosts.winrm.serving import ADAPTERS, HOST, Served, served

MINUTE = timedelta(minutes=1)
LOOK = ADAPTERS(select=("Name", "ifIndex"))
ENTRY = LedgerCall("put", "default", "0" * 32, "{}")


@pytest.mark.parametrize("how", ["ntlm", "ntlm-tls", "basic-tls", "certificate"])
async def test_a_host_says_hello_and_answers_a_batch_whatever_the_sign_in(how: str) -> None:
    async with served() as there:
        async with there.reach(psrp(there, how=how)) as session:
            assert session.hello.facts.computer_name == HOST.upper()
            assert (session.hello.raw["sha256"], session.hello.raw["mode"]) == (sha256(), "function")
            answers = await session.ask([LOOK, LOOK], MINUTE)
            assert [answer.objects[0]["Name"] for answer in answers] == ["Ethernet", "Ethernet"]
        assert [process for process in there.estate.machines[HOST].processes.values() if process.name == "wsmprovhost.exe"] == []


@pytest.mark.parametrize("mode", ["script", "function"])
async def test_both_ways_to_the_invoker_can_write(mode: str) -> None:
    async with served() as there, there.reach(psrp(there, mode)) as session:
        lease = await session.take("tests", 60)
        answers = await session.run([ENTRY], key="k", epoch=lease.epoch, deadline=MINUTE)
        assert answers[0].error is None
        assert (await session.greet()).ledger == {"0" * 32: "{}"}


async def test_what_a_session_costs() -> None:
    """Sign-in 3, pool 2; then 3 a pipeline: our script, hello, a batch of any size."""
    async with served() as there, there.reach(psrp(there)) as session:
        assert there.counts["requests"] == 3 + 2 + 3 + 3
        await session.ask([LOOK] * 20, MINUTE)
        assert there.counts["requests"] == 3 + 2 + 3 + 3 + 3
        assert there.counts["processes"] == 1


async def test_mode_cmdlet_looks_and_changes_nothing() -> None:
    async with served() as there, there.reach(psrp(there, "cmdlet")) as session:
        facts = session.hello.facts
        assert (facts.computer_name, facts.build, facts.uptime > 0) == (HOST.upper(), 20348, True)
        found = await session.ask([LOOK, Cmdlet("Get-Service")(), ADAPTERS(Name="nothing")], MINUTE)
        assert found[0].objects[0] == {"Name": "Ethernet", "ifIndex": found[0].objects[0]["ifIndex"]}
        assert [answer.error and answer.error.id for answer in found] == [None, "CommandNotFoundException", "CmdletizationQuery_NotFound_Name,Get-NetAdapter"]
        for write in (session.take("tests", 60), session.run([ENTRY], key="k", epoch=1, deadline=MINUTE), session.poll("j")):
            with pytest.raises(ObservesOnly, match="mode is cmdlet, which only looks"):
                await write
        assert (await session.ask([LOOK], MINUTE))[0].error is None


async def test_in_mode_cmdlet_what_is_hard_to_say_is_not_said() -> None:
    async with served() as there, there.reach(psrp(there, "cmdlet")) as session:
        get = Cmdlet("Get-NetAdapter", ("Name",))
        found = await session.ask([get(Name={"$x": 1}), get(Name=MINUTE)], MINUTE)
        assert [answer.error and answer.error.id for answer in found] == ["NotAllowed", "NotAllowed"]


async def refused(there: Served, mode: str, how: str = "ntlm", **more: Any) -> TransportError:
    with pytest.raises(TransportError) as failed:
        async with there.reach(psrp(there, mode, how, **more)):
            pass
    return failed.value


async def test_another_invoker_than_ours_is_not_used() -> None:
    async with served() as there:
        target = psrp(there, "function")
        there.endpoint.psrp.register(HOST, replace(BATCH, sha256="0" * 64))
        with pytest.raises(OtherInvoker, match="run `reconcile jea` again"):
            async with there.reach(target):
                pass


async def test_what_a_configuration_does_not_have_is_said() -> None:
    async with served() as there:
        target = psrp(there, "function")
        there.endpoint.psrp.register(HOST, Configuration(BATCH.name, False))
        for said in ("has no Invoke-Batch", "no session configuration of that name"):
            with pytest.raises(NoConfiguration, match=said):
                async with there.reach(target):
                    pass
            there.endpoint.psrp.unregister(HOST, BATCH.name) if said.startswith("has") else None


async def test_a_host_with_restricted_language_says_so() -> None:
    async with served() as there:
        there.estate.machines[HOST].registry.put(*LOCKDOWN, "4")
        failed = await refused(there, "script")
        assert isinstance(failed, BootFailed)
        assert "ConstrainedLanguage" in str(failed)


async def test_errors_are_those_of_winrm() -> None:
    async with served() as there:
        there.environ["WINRM_PASSWORD"] = "wrong"
        assert isinstance(await refused(there, "script"), SignInRefused)
        assert (there.counts["handshakes"], there.counts["Delete"]) == (1, 0)  # a refused password is not tried again to close what is not there
        there.environ["WINRM_PASSWORD"] = there.endpoint.credentials.password
        there.reach.signins.reset()
        assert isinstance(await refused(there, "script", "basic-tls", ca=""), TlsRefused)
        for what, said in ((What.PLAINTEXT, "not sealed"), (What.REDIRECT, "redirects"), (What.BODY, "DOCTYPE")):
            there.endpoint.trouble(HOST, Trouble(what, "Create", text="<!DOCTYPE x>"))
            failed = await refused(there, "script")
            assert isinstance(failed, Hostile)
            assert said in str(failed)
        there.endpoint.trouble(HOST, Trouble(What.POWER))
        assert isinstance(await refused(there, "script"), Unreachable)


async def test_another_machine_is_noticed_in_every_mode() -> None:
    async with served() as there:
        there.estate.machines[HOST].computer_name = "OTHER"
        for mode in ("script", "function", "cmdlet"):
            assert isinstance(await refused(there, mode), WrongMachine)


async def test_fields_that_do_not_fit_are_refused_before_anything_is_sent() -> None:
    async with served() as there:
        target = psrp(there, "function")
        options = {name: value for name, value in target.host.connection.options.items() if name != "mode"}
        wrong = replace(target, host=replace(target.host, connection=replace(target.host.connection, options=options)))
        with pytest.raises(BadConnection, match="go together"):
            async with there.reach(wrong):
                pass
        assert there.counts["requests"] == 0


async def test_without_pypsrp_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("pypsrp"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return original(name, *rest)

    async with served() as there:
        target = psrp(there)
        for name in [name for name in sys.modules if name.startswith("reconciler.hosts.psrp")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(BadConnection, match="needs the extra psrp"):
            async with there.reach(target):
                pass
