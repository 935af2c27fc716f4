"""Clients as other people use them: pywinrm's own Session, pypsrp's WinRS. What they are told is what Windows would tell them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import winrm
from pypsrp.exceptions import AuthenticationError, WSManFaultError
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan

from reconciler.emulator.winrm import Endpoint, Quotas, Settings, clixml
from tests.emulator.winrm.clients import HOST, bootstrap, endpoint, threaded
from tests.emulator.winrm.test_programs import JSON

READ = "Get-NetAdapter -Name nothing"
SAYS = "No MSFT_NetAdapter objects found with property 'Name' equal to 'nothing'."
ID = "FullyQualifiedErrorId : CmdletizationQuery_NotFound_Name,Get-NetAdapter"
WAYS = ["ntlm", "ntlm-tls", "negotiate", "negotiate-tls", "basic-tls", "certificate-tls"]


def wsman(served: Endpoint, how: str, **more: Any) -> WSMan:
    """pypsrp's connection, its proxy and CA bundle from nowhere but here. `how`: a sign-in, over HTTP unless it says tls."""
    auth, _, tls = how.partition("-")
    at = served.address(HOST)
    given: dict[str, Any] = {"username": served.credentials.user, "password": served.credentials.password}
    if auth == "certificate":
        given = {"certificate_pem": str(served.client.certificate), "certificate_key_pem": str(served.client.key)}
    given |= {"port": at.https if tls else at.http, "ssl": bool(tls), "cert_validation": str(served.ca), "operation_timeout": 5, "no_proxy": True}
    return WSMan(at.ip, auth=auth, **given | more)


def ran(wire: WSMan, executable: str, *arguments: str) -> tuple[str, str, int | None]:
    with wire, WinRS(wire) as shell:
        process = Process(shell, executable, list(arguments))
        process.invoke()
        process.signal(SignalCode.CTRL_C)
        return process.stdout.decode(), process.stderr.decode(), process.rc


@pytest.mark.parametrize("how", WAYS)
async def test_pypsrp_runs_a_process_in_a_shell(how: str) -> None:
    async with endpoint() as (estate, served):
        out, err, code = await threaded(ran, wsman(served, how), "powershell.exe", "-NoProfile", "-Command", JSON)
        assert (json.loads(out), err, code) == ({"Name": "Ethernet", "Status": "Up"}, "", 0)
        assert served.counts(HOST)["handshakes"] == (0 if how.startswith(("basic", "certificate")) else 1)
        assert not [process for process in estate.machines[HOST].processes.values() if process.name == "powershell.exe"]


async def test_pypsrp_is_told_the_exit_code_and_the_errors() -> None:
    async with endpoint() as (_, served):
        out, err, code = await threaded(ran, wsman(served, "ntlm"), "powershell.exe", "-NoProfile", "-Command", READ)
        assert (out, code) == ("", 1)
        assert SAYS in err
        assert ID in err
        assert (await threaded(ran, wsman(served, "ntlm"), "whoami"))[1].startswith("not emulated: whoami")


async def test_pypsrp_writes_to_the_standard_input_of_a_process() -> None:
    def talk(wire: WSMan) -> tuple[bytes, int | None]:
        with wire, WinRS(wire) as shell:
            process = Process(shell, bootstrap())
            process.begin_invoke()
            process.send(b"not an invoker\n", end=True)
            process.end_invoke()
            return process.stdout, process.rc

    async with endpoint() as (_, served):
        assert await threaded(talk, wsman(served, "ntlm")) == (b"#HVBOOT fail torn\n", 42)


async def test_pypsrp_is_refused_with_a_wrong_password() -> None:
    async with endpoint() as (_, served):
        for how in ("ntlm", "basic-tls"):
            with pytest.raises(AuthenticationError):
                await threaded(ran, wsman(served, how, password="wrong"), "powershell.exe")
        assert served.counts(HOST)["Create"] == 0


async def test_pypsrp_reads_a_fault_of_the_service() -> None:
    async with endpoint(Settings(quotas=Quotas(shells_per_user=0))) as (_, served):
        with pytest.raises(WSManFaultError) as refused:
            await threaded(ran, wsman(served, "ntlm"), "powershell.exe")
        assert refused.value.code == 2150859173


def session(served: Endpoint, how: str, **more: Any) -> winrm.Session:
    auth, _, tls = how.partition("-")
    at = served.address(HOST)
    return winrm.Session(
        at.https_url if tls else at.http_url,
        (more.pop("user", served.credentials.user), more.pop("password", served.credentials.password)),
        transport=auth,
        ca_trust_path=str(served.ca),
        proxy=None,
        **more,
    )


@pytest.mark.parametrize("how", ["ntlm", "ntlm-tls", "basic-tls"])
async def test_pywinrm_runs_powershell_and_cleans_its_errors(how: str) -> None:
    async with endpoint() as (_, served):
        there = await threaded(session, served, how)
        found = await threaded(there.run_ps, JSON)
        assert (json.loads(found.std_out), found.std_err, found.status_code) == ({"Name": "Ethernet", "Status": "Up"}, b"", 0)
        failed = await threaded(there.run_ps, READ)
        assert (failed.std_out, failed.status_code) == (b"", 1)
        assert failed.std_err.decode().splitlines() == [f"Get-NetAdapter : {SAYS}  Verify the value of the property and retry.", f"    + {ID}"]
        assert b"CLIXML" not in failed.std_err
        assert (await threaded(there.run_cmd, "whoami", ("/all",))).std_err.startswith(b"not emulated: whoami /all")


async def test_pywinrm_signs_in_by_certificate() -> None:
    async with endpoint() as (_, served):
        keys = {"cert_pem": str(served.client.certificate), "cert_key_pem": str(served.client.key)}
        there = await threaded(lambda: session(served, "certificate-tls", user=None, password=None, **keys))
        assert (await threaded(there.run_ps, JSON)).status_code == 0
        assert served.counts(HOST)["handshakes"] == 0


def test_errors_of_an_encoded_script_survive_their_packing() -> None:
    text = clixml.errors("a<b & _x000D_\r\n\u20ac\U0001f600\x1b\r\n")
    assert text.startswith("#< CLIXML\r\n<Objs ")
    strings = ['<S S="Error">a&lt;b &amp; _x005F_x000D__x000D__x000A_</S>', '<S S="Error">\u20ac_xD83D__xDE00__x001B__x000D__x000A_</S>']
    assert text.endswith("".join(strings) + "</Objs>")
