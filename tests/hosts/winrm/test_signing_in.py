"""Signing in: one at a time until a principal is proven, never blindly again, and nothing of the environment."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import anyio
import pytest

from reconciler.core.errors import TransportError
from reconciler.emulator.winrm.troubles import Trouble, What
from reconciler.hosts import credentials
from reconciler.hosts.credentials import SignIns
from reconciler.hosts.session import NoSecrets
from reconciler.hosts.winrm.errors import BadConnection, SignInRefused, SignInStopped, TlsRefused
from reconciler.secrets import Vault
from tests.hosts.winrm.serving import ADAPTERS, HOST, PASSWORD, Served, served

MINUTE = timedelta(minutes=1)
HOSTS = tuple(f"kiosk-{number:02d}" for number in range(1, 7))


async def attempt(there: Served, name: str = HOST, how: str = "ntlm", **more: object) -> str:
    """The code that a host was not reached with; empty where it was."""
    try:
        async with there.reach(there.target(how, name, **more)) as session:
            await session.ask([ADAPTERS(select=("Name",))], MINUTE)
    except TransportError as failed:
        return failed.code
    return ""


@pytest.mark.parametrize("how", ["ntlm", "ntlm-tls", "basic-tls"])
async def test_a_wrong_password_is_tried_on_two_hosts_and_then_on_none(how: str) -> None:
    async with served(*HOSTS) as there:
        there.environ["WINRM_PASSWORD"] = "not the password"
        codes: list[str] = []

        async def one(name: str) -> None:
            codes.append(await attempt(there, name, how))

        async with anyio.create_task_group() as group:
            for name in HOSTS:
                group.start_soon(one, name)
        assert sorted(codes) == [SignInRefused.code] * 2 + [SignInStopped.code] * 4
        assert there.counts["Create"] == 0
        there.environ["WINRM_PASSWORD"] = there.endpoint.credentials.password
        there.reach.signins.reset()
        assert await attempt(there, HOSTS[5], how) == ""


async def test_a_password_that_was_changed_is_fetched_once_more() -> None:
    async with served() as there:
        there.environ["WINRM_PASSWORD"] = "the old password"
        await there.reach.secrets.resolve(PASSWORD)
        there.environ["WINRM_PASSWORD"] = there.endpoint.credentials.password
        assert await attempt(there) == ""


async def test_hosts_of_a_proven_principal_do_not_wait_for_each_other() -> None:
    signins, running, most = SignIns(NoSecrets()), 0, 0

    async def act(_: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(0.01)
        running -= 1

    async def all_at_once() -> int:
        nonlocal most
        most = 0
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(signins.through, "kerberos", None, act)
        return most

    assert await all_at_once() == 7  # all but the first
    assert await all_at_once() == 8


async def test_the_first_attempt_of_a_principal_goes_alone_and_a_refusal_stops_the_rest() -> None:
    signins, tried = SignIns(NoSecrets()), 0

    async def act(_: str) -> None:
        nonlocal tried
        tried += 1
        await anyio.sleep(0.005)
        raise SignInRefused("no")

    async def one() -> None:
        with pytest.raises((SignInRefused, SignInStopped)):
            await signins.through("kerberos", None, act)

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(one)
    assert tried == 2
    signins.reset()
    await one()
    assert tried == 3


@pytest.mark.parametrize(("source", "tried"), [("old", ["old"] * 2), ("new", ["old"] + ["new"] * 8)])
async def test_a_password_that_was_changed_between_two_looks_is_not_tried_by_the_whole_fleet(
    source: str, tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`watch` lives for weeks: what was right an hour ago goes alone again, or one round of a fleet locks the account."""
    environ = {"WINRM_PASSWORD": "the old password"}
    signins, right, attempts = SignIns(Vault(environ)), "the old password", list[str]()

    async def act(value: str) -> None:
        attempts.append(value.split(" ")[1])
        await anyio.sleep(0.005)
        if value != right:
            raise SignInRefused("no")

    async def one() -> None:
        with contextlib.suppress(SignInRefused, SignInStopped):
            await signins.through("ntlm svc-edge", PASSWORD, act)

    await one()
    monkeypatch.setattr(credentials, "SPEAKS", 0.0)  # an hour later
    attempts.clear()
    right, environ["WINRM_PASSWORD"] = "the new password", f"the {source} password"
    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(one)
    assert attempts == tried


async def test_many_that_sign_in_at_once_are_refused_once_each() -> None:
    signins, right, tried = SignIns(NoSecrets()), True, 0

    async def act(_: str) -> None:
        nonlocal tried
        tried += 1
        await anyio.sleep(0.005)
        if not right:
            raise SignInRefused("no")

    await signins.through("kerberos", None, act)
    right, tried = False, 0

    async def one() -> None:
        with pytest.raises((SignInRefused, SignInStopped)):
            await signins.through("kerberos", None, act)

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(one)
    assert tried == 8
    await one()
    assert tried == 8


async def test_a_host_that_hangs_in_its_sign_in_does_not_keep_the_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "PATIENCE", 0.2)
    async with served(*HOSTS, opening=2.0) as there:
        there.endpoint.trouble(HOSTS[0], Trouble(What.HANG, "Create"))
        took: dict[str, float] = {}
        begun = anyio.current_time()

        async def one(name: str) -> None:
            code = await attempt(there, name, "basic-tls")
            took[code or name] = anyio.current_time() - begun

        async with anyio.create_task_group() as group:
            for name in HOSTS:
                group.start_soon(one, name)
        assert sorted(took) == ["HST013", *HOSTS[1:]]
        assert max(took[name] for name in HOSTS[1:]) < 1.8


async def test_a_password_that_cannot_be_had_is_no_attempt() -> None:
    async with served() as there:
        del there.environ["WINRM_PASSWORD"]
        assert await attempt(there) == BadConnection.code  # of this host alone: the others are looked at
        assert there.counts["handshakes"] == 0


async def test_a_host_with_another_certificate_is_refused_unless_any_is_taken() -> None:
    async with served() as there:
        assert await attempt(there, how="ntlm-tls", ca="") == TlsRefused.code
        assert there.counts["requests"] == 0
        assert await attempt(there, how="ntlm-tls", ca="", insecure=("anyCertificate",)) == ""
