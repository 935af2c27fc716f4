"""`examine` against an emulated estate over sockets, with what goes wrong in the field put on it: each is named, with what to do."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.calls import Secret
from reconciler.core.checkup import Checkup, Finding, State
from reconciler.core.resources import Connection, Host
from reconciler.emulator import eflowmsi
from reconciler.emulator.eflow import PUBLISHER
from reconciler.emulator.faults import Fault
from reconciler.emulator.parts import Nat, Service, VirtualMachine, VmSwitch
from reconciler.emulator.sockets import certificates as made
from reconciler.emulator.timeline import FILES_WAIT, restart
from reconciler.emulator.winrm import Quotas, Settings
from reconciler.emulator.winrm.troubles import Trouble, What
from reconciler.engine.identity import verify
from reconciler.hosts.doctor import CHECKS, WORDS, Clinic, examine
from reconciler.hosts.doctor.ask import CAPABILITIES
from reconciler.hosts.winrm.way import way_to
from reconciler.signatures import check_call
from reconciler.wire.powershell import sha256
from tests.hosts.winrm.serving import HOST, PASSWORD, Served, served

LOCKDOWN = ("HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment", "__PSLockdownPolicy", "4")
ALLOW = (*(word.name for word in WORDS), "Get-VMHost", "Get-WindowsFeature", "Get-NetNat", "Get-DhcpServerSetting", "Verify-EflowVm")


def clinic(there: Served, **more: Any) -> Clinic:
    given: dict[str, Any] = {"connect": there.reach, "way": lambda host: way_to(host, Path()), "cim": there.reach.cim, "patience": 2.0} | more
    return Clinic("edge", ALLOW, clock=there.estate.clock, verify=verify, **given)


@dataclass(frozen=True, slots=True)
class Told:
    """A checkup by the names of its findings."""

    whole: Checkup

    def __getitem__(self, name: str) -> Finding:
        return next(finding for finding in self.whole.findings if finding.name == name)

    def __contains__(self, name: str) -> bool:
        return any(finding.name == name for finding in self.whole.findings)

    def failed(self) -> list[str]:
        return [finding.name for finding in self.whole.findings if finding.state is State.FAIL]


async def doctor(there: Served, host: Host | None = None, **more: Any) -> Told:
    return Told(await examine(host or there.host("ntlm-tls"), clinic(there, **more)))


@asynccontextmanager
async def furnished(**given: Any) -> AsyncIterator[Served]:
    async with served(**given) as there:
        machine = there.estate.machines[HOST]
        feature = machine.feature("Hyper-V")
        assert feature is not None
        feature.state = "Installed"
        machine.vms.append(VirtualMachine("1b2c3d4e-0000-4000-8000-000000000001", "till", "Running"))
        machine.switches.append(VmSwitch("5d0c91aa-0000-4000-8000-000000000002", "edge", "Internal"))
        machine.nats.append(Nat("edge", "172.20.10.0/24"))
        yield there


async def test_a_host_that_is_well_is_looked_at_whole_and_left_as_it_was() -> None:
    async with furnished() as there:
        before = there.estate.machines[HOST].to_json()
        told = await doctor(there)

        assert told.failed() == []
        assert told["name"].text.startswith("127.")
        assert "ntlm as Administrator; the host offers Negotiate, Basic" in told["sign-in"].text
        assert told["clock"].text in ("0 s apart", "1 s apart")  # HTTP tells whole seconds
        assert told["who"].text == "computer name KIOSK-01, no record of ours there yet"
        assert told["machines"].text == "till running"
        assert (told["switches"].text, told["nats"].text) == ("edge", "edge 172.20.10.0/24")
        assert "FullLanguage" in told["shell"].text
        assert "rest" not in told
        after = there.estate.machines[HOST].to_json()
        assert {name for name in after if after[name] != before.get(name)} <= {"next_pid", "processes", "now", "files"}
        files = {name for name in after["files"]["entries"] if name not in before["files"]["entries"]}
        assert files == {"c:\\program files\\reconciler"}  # which every session makes: its lock lies there
        assert there.counts["processes"] == 1


async def test_where_powershell_is_blocked_wmi_still_tells() -> None:
    async with furnished() as there:
        there.estate.machines[HOST].registry.put(*LOCKDOWN)
        told = await doctor(there)

        assert told.failed() == ["shell"]
        assert "ConstrainedLanguage" in told["shell"].text
        assert "reconcile jea" in told["shell"].help
        assert told["shell"].code == "HST042"
        assert told["who"].text == "computer name KIOSK-01, by WMI"
        assert told["machines"].text == "till running"
        assert "Microsoft-Hyper-V" in told["features"].text
        assert told["session"].state is State.LEFT


async def test_a_host_over_psrp_is_looked_at_alike() -> None:
    pytest.importorskip("pypsrp", reason="the extra psrp is not installed")
    async with furnished() as there:
        host = there.host("ntlm-tls")
        told = await doctor(there, replace(host, connection=Connection("psrp", host.connection.port, host.connection.options)))
        assert told.failed() == []
        assert "FullLanguage" in told["shell"].text
        assert told["machines"].text == "till running"


async def test_nobody_listens() -> None:
    async with served() as there:
        address = there.endpoint.address(HOST)
        host = replace(there.host(), connection=Connection("winrm", 1, {**there.connection().options}))
        told = await doctor(there, host)
        assert told.failed() == ["port"]
        assert "refuses connections" in told["port"].text
        assert told["port"].code == "HST018"
        assert "reconcile bootstrap kiosk-01" in told["port"].help
        assert told["rest"].state is State.LEFT
        assert address.ip in told.whole.where


async def test_a_black_hole_costs_no_more_than_its_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as there:
        host = replace(there.host(), address="192.0.2.1")  # RFC 5737: nobody's

        def silent(*_: Any, **__: Any) -> Any:
            raise TimeoutError("timed out")

        monkeypatch.setattr(socket, "create_connection", silent)
        told = await doctor(there, host)
        assert told.failed() == ["port"]
        assert "no answer on 192.0.2.1" in told["port"].text
        assert "power or line" in told["port"].help


async def test_a_service_that_hangs_costs_no_more_than_its_patience_either() -> None:
    async with served() as there:
        there.endpoint.trouble(HOST, Trouble(What.HANG, "handshake", times=None))
        told = await doctor(there, there.host(), patience=0.3)
        assert told.failed() == ["sign-in"]
        assert told["sign-in"].code in ("HST010", "HST013")


async def test_a_name_that_does_not_resolve() -> None:
    async with served() as there:
        told = await doctor(there, replace(there.host(), address="no-such-host.invalid"))
        assert told.failed() == ["name"]
        assert told["name"].help == "mend DNS, or write spec.address"


async def test_a_wrong_password_is_tried_once_and_never_shown() -> None:
    async with served() as there:
        there.environ["WINRM_PASSWORD"] = "hunter2 hunter2"
        told = await doctor(there, there.host())
        assert told.failed() == ["sign-in"]
        assert told["sign-in"].code == "HST021"
        assert "hunter2" not in repr(told.whole)
        assert there.counts["processes"] == there.counts["Create"] == 0
        assert there.counts["refused"] <= 3  # the knock, and one handshake


async def test_a_way_that_the_host_does_not_offer() -> None:
    async with served(settings=Settings(basic=False)) as there:
        told = await doctor(there, there.host("basic-tls"))
        assert told.failed() == ["sign-in"]
        assert told["sign-in"].help.startswith("the host offers Negotiate, a certificate alone")


async def test_a_password_that_is_not_there() -> None:
    async with served() as there:
        host = there.host()
        options = {**host.connection.options, "password": Secret("env", "NOT_SET")}
        told = await doctor(there, replace(host, connection=Connection("winrm", host.connection.port, options)))
        assert told.failed() == ["sign-in"]
        assert "env NOT_SET" in told["sign-in"].text


async def test_a_connection_that_cannot_be_used_is_said_before_anything_is_sent() -> None:
    async with served() as there:
        told = await doctor(there, Host(HOST, "127.0.0.1", connection=Connection("winrm", None, {"scheme": "http", "password": PASSWORD, "username": "a"})))
        assert told.failed() == ["connection"]
        assert told["connection"].code == "HST022"
        assert there.counts["requests"] == 0


async def test_the_certificate_of_an_unknown_authority_of_another_name_and_one_that_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with served() as there:
        unknown = await doctor(there, there.host("ntlm-tls", ca=""))
        assert unknown.failed() == ["tls"]
        assert "who signed" in unknown["tls"].text
        assert unknown["tls"].help.startswith("connection.ca")
        named = await doctor(there, replace(there.host("ntlm-tls"), address="localhost", connection=there.connection("ntlm-tls")))
        assert named.failed() in (["tls"], ["port"])  # localhost is 127.0.0.1, where nothing listens

        other = there.endpoint._listeners[HOST]  # what it shows from now on
        authority = made.Authority(tmp_path)
        pair, _ = authority.host("other.example.net", "192.0.2.7")
        _show(other.tls.context, pair)
        told = await doctor(there, there.host("ntlm-tls", ca=str(authority.file)))
        assert told.failed() == ["tls"]
        assert "is for other.example.net, 192.0.2.7, and 127." in told["tls"].text

        monkeypatch.setattr(made, "LIFE", timedelta(minutes=-30))
        (tmp_path / "old").mkdir()
        authority = made.Authority(tmp_path / "old")
        monkeypatch.setattr(made, "LIFE", timedelta(days=1))
        pair = _ended(authority, there.endpoint.address(HOST).ip, monkeypatch)
        _show(other.tls.context, pair)
        told = await doctor(there, there.host("ntlm-tls", ca=str(authority.file)))
        assert told.failed() == ["tls"]
        assert "ended on" in told["tls"].text
        assert "--rebind" in told["tls"].help


def _show(context: ssl.SSLContext, pair: made.Pair) -> None:
    context.load_cert_chain(pair.certificate, pair.key)


def _ended(authority: made.Authority, address: str, monkeypatch: pytest.MonkeyPatch) -> made.Pair:
    monkeypatch.setattr(made, "LIFE", timedelta(minutes=-30))
    pair, _ = authority.host(HOST, address)
    monkeypatch.setattr(made, "LIFE", timedelta(days=1))
    return pair


async def test_a_certificate_that_ends_soon_is_a_warning() -> None:
    async with served() as there:
        told = await doctor(there)
        assert told["tls"].state is State.WARN
        assert "certificate ends in 2" in told["tls"].text
        assert "Emulated hosts" in told["tls"].text


async def test_any_certificate_and_plain_http_are_remarked() -> None:
    async with served() as there:
        anybody = await doctor(there, there.host("ntlm-tls", ca="", insecure=("anyCertificate",)))
        assert anybody["tls"].state is State.WARN
        assert "any certificate is taken" in anybody["tls"].text
        plain = await doctor(there, there.host())
        assert plain["tls"].state is State.WARN
        assert "relayed" in plain["tls"].text


async def test_another_machine_is_asked_nothing_more() -> None:
    async with served() as there:
        there.estate.machines[HOST].computer_name = "SOMEBODY"
        told = await doctor(there)
        assert told.failed() == ["who"]
        assert told["who"].code == "HST030"
        assert "SOMEBODY" in told["who"].text
        assert "logging" not in told
        assert there.effects() == []


async def test_a_clock_that_is_wrong_is_seen_in_the_date_header() -> None:
    async with served() as there:
        there.estate.machines[HOST].skew = timedelta(minutes=-6, seconds=-40)
        told = await doctor(there)
        assert told["clock"].state is State.WARN
        assert "6 min 40 s behind" in told["clock"].text


async def test_what_a_run_would_meet_is_said_before() -> None:
    async with furnished() as there:
        machine = there.estate.machines[HOST]
        machine.registry.put("HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\PowerShell\\ScriptBlockLogging", "EnableScriptBlockLogging", 1)
        machine.registry.put("HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\PowerShell", "ExecutionPolicy", "AllSigned")
        machine.registry.create("HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\RebootPending")
        machine.registry.create("HKLM\\SOFTWARE\\reconciler\\fleets\\other")
        machine.free_gb = 3
        told = await doctor(there)

        assert told.failed() == ["logging"]
        assert told["logging"].text.startswith("script-block logging is on")
        assert told["logging"].code == "HST044"
        assert "AllSigned" in told["policy"].text
        assert "Component Based Servicing" in told["reboot"].text
        assert "also of other" in told["records"].text
        assert told["disk"].state is State.WARN
        assert [told[name].state for name in ("policy", "reboot", "records")] == [State.WARN] * 3


PUBLISHERS = "HKLM\\SOFTWARE\\Microsoft\\SystemCertificates\\TrustedPublisher\\Certificates"


def with_eflow(there: Served, version: str) -> Any:
    """EFLOW's package is laid down as msiexec does it."""
    machine = there.estate.machines[HOST]
    eflowmsi._lay_down(machine, version, {})
    return machine


async def test_whether_eflows_publisher_is_trusted_is_said_where_only_signed_scripts_run() -> None:
    async with served() as there:
        machine = there.estate.machines[HOST]
        machine.registry.put("HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\PowerShell", "ExecutionPolicy", "AllSigned")
        nobody = (await doctor(there))["policy"]
        assert nobody.text == "execution policy AllSigned by group policy, publisher not in TrustedPublisher"
        assert nobody.help == "Deploy-Eflow may stop at a prompt: import the publisher, or ask for a change"

        machine.registry.create(f"{PUBLISHERS}\\{'0' * 40}")
        assert "shows once it is installed" in (await doctor(there))["policy"].text
        with_eflow(there, "1.5.3.12025")
        assert (await doctor(there))["policy"].text == nobody.text

        machine.registry.create(f"{PUBLISHERS}\\{PUBLISHER}")
        told = await doctor(there)
        assert (told["policy"].state, told["policy"].text) == (State.OK, "execution policy AllSigned by group policy, EFLOW's publisher in TrustedPublisher")
        machine.registry.put("HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\PowerShell", "EnableScripts", 0)
        assert "ask for a change" in (await doctor(there))["policy"].help


@pytest.mark.parametrize(("version", "named"), [("1.5.3.12025", "AzureEFLOW 1.5.3.12025 (1.5 LTS)"), ("1.6.0.1", "AzureEFLOW 1.6.0.1 (train 1.6)")])
async def test_eflow_is_named_with_its_version_and_train_as_windows_lists_it(version: str, named: str) -> None:
    async with served() as there:
        machine = with_eflow(there, version)
        machine.files.place(f"{machine.eflow.install_dir}\\AzureIoTEdgeForLinux-v1-EFLOW.vhdx", 3 << 30, "A" * 64)
        told = await doctor(there)
        assert told["modules"].text == f"{named}; not there: Hyper-V, NetNat, DhcpServer"
        assert told["disk"].text.endswith("; EFLOW's disk takes 3.0 GB by now")


async def test_what_waits_for_a_restart_is_told_from_what_only_uses_the_next_one() -> None:
    async with served() as there:
        machine = there.estate.machines[HOST]
        key, value = FILES_WAIT
        machine.registry.put(key, value, ["\\??\\C:\\a.dll", "!\\??\\C:\\b.dll", "\\??\\C:\\c.tmp", ""])
        files = (await doctor(there))["reboot"]
        assert files.state is State.OK
        assert files.text == "none pending; 2 files to be replaced at the next one (PendingFileRenameOperations), which updaters leave"

        machine.registry.put("HKLM\\SYSTEM\\CurrentControlSet\\Control\\ComputerName\\ComputerName", "ComputerName", "KIOSK-02")
        machine.registry.put("HKLM\\SOFTWARE\\Microsoft\\ServerManager\\ServicingStorage\\ServerComponentCache", "RestartRequired", 1)
        both = (await doctor(there))["reboot"]
        assert both.state is State.WARN
        assert both.text.startswith("pending already (Server Manager, the computer becomes KIOSK-02): our next one takes it along; 2 files")
        restart(machine)
        assert machine.registry.get(key, value) is None


async def test_interfaces_are_told_by_what_runs_and_lies_there() -> None:
    async with served() as there:
        bare = await doctor(there)
        assert bare["interfaces"].text == "WMI v2, HCS, HCN no · VHD yes · Windows Hypervisor Platform off · saved state yes"
        assert bare["nesting"].text == "physical (Contoso Edge 200), no hypervisor runs"

    async with furnished() as there:
        machine = there.estate.machines[HOST]
        for name in ("vmms", "hvhost", "vmcompute", "hns"):
            machine.add_service(Service(name, name))
        machine.platform = "hyper-v"
        told = await doctor(there)
        assert told["interfaces"].text == "WMI v2, HCS, HCN, VHD yes · Windows Hypervisor Platform off · saved state yes"
        assert told["nesting"].text == "a virtual machine (Microsoft Corporation Virtual Machine); hns, hvhost, vmcompute, vmms run"
        machine.services["vmcompute"].state = "Stopped"
        assert "HCS stopped" in (await doctor(there))["interfaces"].text


async def test_a_lease_a_hold_and_quotas() -> None:
    async with served(settings=Settings(quotas=Quotas(shells_per_user=1))) as there:
        there.estate.machines[HOST].registry.put("HKLM\\SOFTWARE\\reconciler", "hold", '{"by":"op","why":"fiscal printer"}')
        told = await doctor(there)
        assert told["limits"].state is State.WARN
        assert "1 shells a user" in told["limits"].text
        assert "fiscal printer" in told["hold"].text
        async with there.reach(there.target()) as other:
            await other.take("somebody@elsewhere", 90)
            there.endpoint.trouble(HOST, Trouble(What.SHELLS, "Create", times=None))
            told = await doctor(there)
        assert "1 shells open, 1 shells a user" in told["limits"].text
        assert told.failed() == ["shell"]
        assert told["shell"].code == "HST045"


async def test_something_else_on_the_port_is_no_winrm() -> None:
    async with served() as there:
        there.endpoint.trouble(HOST, Trouble(What.RAW, "handshake", times=None, text="SSH-2.0-OpenSSH_9.6\r\n"))
        told = await doctor(there, there.host())
        assert told.failed() == ["sign-in"]
        assert told["sign-in"].help == "what answers there is no WinRM service"


DENIED = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Reason><s:Text>Access is denied.</s:Text></s:Reason><s:Detail>'
    '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="5"/></s:Detail></s:Fault></s:Body></s:Envelope>'
)
REFUSAL = f"HTTP/1.1 500 \r\nContent-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {len(DENIED)}\r\n\r\n{DENIED}"


async def test_who_may_not_read_wmi_is_no_failure_where_a_session_stands() -> None:
    async with served() as there:
        there.endpoint.trouble(HOST, *(Trouble(What.RAW, verb, times=None, text=REFUSAL) for verb in ("Get", "Enumerate")))
        told = await doctor(there, there.host("basic-tls"))
        assert told.failed() == []
        assert told["wmi"].state is State.WARN
        assert told["who"].text.startswith("computer name KIOSK-01")
        assert "machines" not in told


async def test_who_may_use_nothing_there_is_told_what_it_takes() -> None:
    async with served() as there:
        there.endpoint.trouble(HOST, *(Trouble(What.RAW, verb, times=None, text=REFUSAL) for verb in ("Get", "Enumerate", "Create")))
        told = await doctor(there, there.host("basic-tls"))
        assert told.failed() == ["shell"]
        assert told["shell"].code == "HST023"
        assert "JEA" in told["shell"].help


async def test_a_host_that_hangs_after_the_sign_in_is_left_after_its_time() -> None:
    async with served() as there:
        there.endpoint.trouble(HOST, Trouble(What.HANG, "Enumerate", times=None))
        told = await doctor(there, limit=1.0)
        assert told.failed() == ["answers"]
        assert told["sign-in"].state is State.OK


async def test_powershell_that_may_not_start_is_told_from_a_script_that_may_not_run() -> None:
    async with furnished() as there:
        there.estate.fault(HOST, Fault("powershell", error="1260"))
        told = await doctor(there)
        assert told.failed() == ["shell"]
        assert sha256() in told["shell"].help
        assert told["machines"].text == "till running"


async def test_what_others_find_about_a_host_comes_after_what_was_found_there() -> None:
    async def agent(host: Host) -> list[Finding]:
        return [Finding("agent", State.FAIL, f"{host.name} has none")]

    async with served() as there:
        checkup = await examine(there.host("ntlm-tls"), clinic(there, beside=(agent,), connect=None, cim=None, way=None))
        assert [finding.name for finding in checkup.findings] == ["host", "agent"]
        assert Told(checkup)["host"].state is State.LEFT
        assert there.counts["requests"] == 0


async def test_a_host_that_is_off_is_not_reached() -> None:
    async with served() as there:
        there.estate.power(HOST, on=False)
        await there.endpoint._listeners[HOST].watch()
        assert (await doctor(there)).failed() == ["port"]


async def test_more_checks_can_be_added() -> None:
    async with served() as there:
        extra = Finding("agent", State.OK, "answers")
        checkup = await examine(there.host("ntlm-tls"), clinic(there), (*CHECKS, lambda seen: [extra]))
        assert checkup.findings[-1] == extra


async def test_every_question_is_one_that_windows_understands() -> None:
    from reconciler.core.observations import Facts
    from reconciler.hosts.doctor.ask import questions

    for product in (1, 3):
        facts = Facts("A", None, None, "Windows", "10.0", 20348, product, utc=datetime.now(UTC))
        for call in questions(facts):
            assert list(check_call(call)) == []
    assert len(CAPABILITIES) == 4
