"""WMI read over a session's own line: the same rows as in this process, in pieces, and never believed further than its caps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from reconciler.core.errors import TransportError
from reconciler.emulator.parts import VirtualMachine
from reconciler.emulator.winrm import Quotas, Settings
from reconciler.emulator.winrm.troubles import Trouble, What
from reconciler.hosts.cim import CIMV2, STANDARD, VIRTUALIZATION, NotThere
from reconciler.hosts.doctor.ask import TABLES
from reconciler.hosts.emulated_cim import EmulatedCim
from reconciler.hosts.winrm import cim as over_winrm
from reconciler.hosts.winrm.cim import WinrmCim
from reconciler.hosts.winrm.errors import Faulted, Forbidden, Hostile, SignInRefused
from tests.hosts.winrm.serving import HOST, Served, served

FAULT = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason>'
    "<s:Text>no</s:Text></s:Reason><s:Detail>"
    '<e:MSFT_WmiError xmlns:e="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError"><e:error_Code>{}</e:error_Code></e:MSFT_WmiError>'
    "</s:Detail></s:Fault></s:Body></s:Envelope>"
)
ENDLESS = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><{0}Response><EnumerationContext>again</EnumerationContext>'
    "<Items><XmlFragment><Name>a</Name></XmlFragment></Items></{0}Response></s:Body></s:Envelope>"
)
QUESTIONS: list[tuple[str, str, tuple[str, ...], str]] = [
    *(table[1:] for table in TABLES),
    (CIMV2, "Win32_OperatingSystem", ("Caption", "LastBootUpTime", "MUILanguages", "FreePhysicalMemory"), ""),
    (CIMV2, "Win32_Service", ("Name", "State", "Started"), "StartMode = 'Auto' AND Name LIKE 'w%'"),
    (CIMV2, "Win32_OptionalFeature", ("Name", "InstallState"), "Name = 'Microsoft-Hyper-V'"),
    (STANDARD, "MSFT_NetIPAddress", ("IPAddress", "PrefixLength", "ValidLifetime", "SkipAsSource"), ""),
    (STANDARD, "MSFT_NetNat", ("Name",), ""),
    (VIRTUALIZATION, "Msvm_ComputerSystem", ("ElementName", "EnabledState", "InstallDate", "OperationalStatus"), ""),
]


@asynccontextmanager
async def reading(how: str = "ntlm", settings: Settings | None = None) -> AsyncIterator[tuple[Served, WinrmCim]]:
    async with served(settings=settings or Settings()) as there:
        machine = there.estate.machines[HOST]
        feature = machine.feature("Hyper-V")
        assert feature is not None
        feature.state = "Installed"
        machine.vms.append(VirtualMachine("1b2c3d4e-0000-4000-8000-000000000001", "<till> & ‹box›"))
        async with there.reach.cim(there.host(how)) as cim:
            yield there, cim


@pytest.mark.parametrize("how", ["ntlm", "ntlm-tls", "certificate"])
async def test_rows_over_winrm_are_those_of_the_machine_and_start_no_process(how: str) -> None:
    async with reading(how) as (there, cim):
        here = EmulatedCim(there.estate.machines[HOST])
        for namespace, name, properties, where in QUESTIONS:
            assert await cim.query(namespace, name, properties, where) == await here.query(namespace, name, properties, where), name
        assert there.counts["processes"] == 0


async def test_what_does_not_fit_one_answer_is_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_winrm, "MOST", "3")
    async with reading(settings=Settings(quotas=Quotas(envelope=16 * 1024))) as (there, cim):
        rows = await cim.query(CIMV2, "Win32_Service", ("Name",))
        assert [row["Name"] for row in rows] == sorted((s.name for s in there.estate.machines[HOST].services.values()), key=str.casefold)
        assert there.counts["Pull"] == (len(rows) - 1) // 3


async def test_a_class_that_is_not_there_is_told_from_a_refusal() -> None:
    async with reading("basic-tls") as (there, cim):
        for namespace, name in ((CIMV2, "Win32_Nothing"), ("root/none", "Win32_Service")):
            with pytest.raises(NotThere, match=name):
                await cim.query(namespace, name, ("Name",))
        denied = FAULT.format(2147749891)
        raw = f"HTTP/1.1 500 \r\nContent-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {len(denied)}\r\n\r\n{denied}"
        there.endpoint.trouble(HOST, Trouble(What.RAW, "Enumerate", text=raw))
        with pytest.raises(Forbidden):
            await cim.query(CIMV2, "Win32_Service", ("Name",))


async def test_the_services_own_settings_and_shells_are_read() -> None:
    async with reading() as (there, cim):
        assert await cim.shells() == 0
        async with there.reach(there.target()):
            assert await cim.shells() == 1
        found = await cim.settings()
        assert found["MaxEnvelopeSizekb"] == "500"
        assert found["Winrs/MaxShellsPerUser"] == "30"
        assert found["Service/MaxConcurrentOperationsPerUser"] == "1500"


@pytest.mark.parametrize("body", ["<a>", "nothing", '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha">]><a>&b;</a>', "<a/>", FAULT.format(1)])
async def test_an_answer_that_is_none_is_not_believed(body: str) -> None:
    async with reading() as (there, cim):
        there.endpoint.trouble(HOST, Trouble(What.BODY, "Enumerate", text=body))
        with pytest.raises(Hostile):
            await cim.query(CIMV2, "Win32_Service", ("Name",))


async def test_an_enumeration_without_an_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_winrm, "PULLS", 5)
    async with reading("basic-tls") as (there, cim):
        there.endpoint.trouble(HOST, *(Trouble(What.BODY, verb, times=None, text=ENDLESS.format(verb)) for verb in ("Enumerate", "Pull")))
        with pytest.raises(Hostile, match="no end"):
            await cim.query(CIMV2, "Win32_Service", ("Name",))


async def test_a_flood_is_cut_off_and_the_next_question_is_answered() -> None:
    async with reading("basic-tls") as (there, cim):
        there.endpoint.trouble(HOST, Trouble(What.FLOOD, "Enumerate", amount=20_000_000))
        with pytest.raises(TransportError) as failed:
            await cim.query(CIMV2, "Win32_Service", ("Name",))
        assert not isinstance(failed.value, Faulted)
        assert await cim.query(CIMV2, "Win32_ComputerSystem", ("Name",))


async def test_a_refused_password_is_tried_once() -> None:
    async with reading() as (there, cim):
        there.environ["WINRM_PASSWORD"] = "not it at all"
        before = there.counts["refused"]
        with pytest.raises(SignInRefused):
            await cim.query(CIMV2, "Win32_Service", ("Name",))
        assert there.counts["refused"] - before <= 3  # one NTLM handshake
