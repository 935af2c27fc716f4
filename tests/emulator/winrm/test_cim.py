"""CIM over WS-Management, asked by pywinrm and pypsrp: classes as WMI has them, WQL, batches, sizes, contexts, and Windows' own refusals."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import xmltodict
from winrm.exceptions import WSManFaultError
from winrm.protocol import Protocol

from reconciler.emulator.estate import Estate
from reconciler.emulator.parts import Nat, VirtualMachine, VmSwitch
from reconciler.emulator.winrm import Endpoint, Quotas, Settings
from reconciler.emulator.winrm.settings import DEFAULTS
from tests.emulator.winrm.clients import HOST, endpoint, protocol, threaded
from tests.emulator.winrm.test_refusals import number

WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
VM = "1b2c3d4e-0000-4000-8000-000000000001"


def furnish(estate: Estate) -> None:
    """Hyper-V with a VM, a switch and a NAT, by the machine's own state."""
    machine = estate.machines[HOST]
    feature = machine.feature("Hyper-V")
    assert feature is not None
    feature.state = "Installed"
    machine.vms.append(VirtualMachine(VM, 'till "A" & B', "Running"))
    machine.switches.append(VmSwitch("5d0c91aa-0000-4000-8000-000000000002", "edge", "Internal"))
    machine.nats.append(Nat("edge", "172.20.10.0/24"))


@asynccontextmanager
async def furnished(settings: Settings = DEFAULTS) -> AsyncIterator[tuple[Estate, Endpoint, Protocol]]:
    async with endpoint(settings) as (estate, served):
        furnish(estate)
        yield estate, served, await threaded(lambda: protocol(served, "ntlm"))


def ask(wire: Protocol, verb: str, place: str, body: dict[str, Any], selectors: dict[str, str] | None = None, room: int = 512_000) -> ET.Element:
    """One message as pywinrm lets its users build them; the body of the answer."""
    action = f"{TRANSFER if verb == 'Get' else ENUMERATION}/{verb}"
    message = {"env:Envelope": wire.build_wsman_header(action, f"{WMI}/{place}")}
    header = message["env:Envelope"]["env:Header"]
    header["w:MaxEnvelopeSize"]["#text"] = str(room)
    if selectors:
        header["w:SelectorSet"] = {"w:Selector": [{"@Name": name, "#text": value} for name, value in selectors.items()]}
    message["env:Envelope"]["env:Body"] = body
    found = ET.fromstring(wire.send_message(xmltodict.unparse(message))).find("{*}Body")
    assert found is not None
    return found


def query(text: str, most: int = 32_000, dialect: str = WQL, **more: Any) -> dict[str, Any]:
    return {"n:Enumerate": {"w:OptimizeEnumeration": None, "w:MaxElements": str(most), "w:Filter": {"@Dialect": dialect, "#text": text}} | more}


def everything(most: int = 32_000) -> dict[str, Any]:
    return {"n:Enumerate": {"w:OptimizeEnumeration": None, "w:MaxElements": str(most)}}


def items(body: ET.Element) -> list[dict[str, Any]]:
    found = body.find(".//{*}Items")
    return [properties(item) for item in found] if found is not None else []


def properties(item: ET.Element) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for element in item:
        text = element.findtext("*") if len(element) else element.text or ""
        values[element.tag.rpartition("}")[2]] = None if element.get(NIL) == "true" else text
    return values


def wql(wire: Protocol, namespace: str, text: str) -> list[dict[str, Any]]:
    return items(ask(wire, "Enumerate", f"{namespace}/*", query(text)))


async def test_virtual_machines_switches_and_nats_are_read_in_one_request_each() -> None:
    async with furnished() as (estate, served, wire):
        before = served.counts()["requests"]
        systems = await threaded(
            wql, wire, "root/virtualization/v2", "SELECT ElementName, EnabledState FROM Msvm_ComputerSystem WHERE Caption = 'Virtual Machine'"
        )
        switches = await threaded(wql, wire, "root/virtualization/v2", "select ElementName from Msvm_VirtualEthernetSwitch")
        nats = await threaded(wql, wire, "root/StandardCimv2", "select Name, InternalIPInterfaceAddressPrefix, Active from MSFT_NetNat")

        assert systems == [{"ElementName": 'till "A" & B', "EnabledState": "2"}]
        assert switches == [{"ElementName": "edge"}]
        assert nats == [{"Name": "edge", "InternalIPInterfaceAddressPrefix": "172.20.10.0/24", "Active": "1"}]
        assert served.counts()["requests"] - before == 3
        assert estate.log(HOST)[-1]["what"] == "cim"


async def test_a_whole_instance_is_typed_and_says_what_has_no_value() -> None:
    async with furnished() as (estate, _, wire):
        body = await threaded(ask, wire, "Enumerate", "root/cimv2/Win32_OperatingSystem", everything())
        found = body.find(".//{*}Items/*")
        assert found is not None
        assert found.tag == f"{{{WMI}/root/cimv2/Win32_OperatingSystem}}Win32_OperatingSystem"
        assert properties(found)["BuildNumber"] == str(estate.machines[HOST].build)
        assert properties(found)["LastBootUpTime"] == estate.machines[HOST].booted.isoformat().replace("+00:00", "Z")
        systems = items(await threaded(ask, wire, "Enumerate", "root/virtualization/v2/Msvm_ComputerSystem", everything()))
        assert systems[0]["InstallDate"] is None


CONDITIONS = [
    ("Name = 'WinRM'", ["WinRM"]),
    ("name='winrm' AND State='Running'", ["WinRM"]),
    ("Name LIKE 'win%' AND NOTHING = 1", None),
    ("Name LIKE 'wi_r[m-n]'", ["WinRM"]),
    ("Name LIKE 'wi_r[^m]'", []),
    ("Name = 'WinRM' AND Started = TRUE", ["WinRM"]),
    ("Name = 'WinRM' AND Started <> TRUE OR Name = 'vmms' AND State = 'none such'", []),
    ("(Name = 'WinRM')", None),
    ("Name = 'WinRM", None),
    ("Name IS NULL", None),
    ("Name = 'WinRM' AND", None),
    ("Name = 'a\\'b'", []),
]


async def test_conditions_choose_and_what_wql_is_not_here_is_refused() -> None:
    async with furnished() as (_, _, wire):
        for condition, expected in CONDITIONS:
            asked = f"SELECT Name FROM Win32_Service WHERE {condition}"
            if expected is None:
                assert await refusal(wql, wire, "root/cimv2", asked) == 2150858778, condition
            else:
                assert [row["Name"] for row in await threaded(wql, wire, "root/cimv2", asked)] == expected, condition


async def refusal(act: Callable[..., Any], *arguments: Any) -> int:
    with pytest.raises(WSManFaultError) as raised:
        await threaded(act, *arguments)
    return number(raised)


def pulled(wire: Protocol, place: str, body: dict[str, Any], room: int) -> Iterator[list[dict[str, Any]]]:
    """The batches of an enumeration, to its end."""
    answer = ask(wire, "Enumerate", place, body, room=room)
    while True:
        yield items(answer)
        context = answer.findtext(".//{*}EnumerationContext")
        if answer.find(".//{*}EndOfSequence") is not None:
            return
        answer = ask(wire, "Pull", place, {"n:Pull": {"n:EnumerationContext": context, "n:MaxElements": "7"}}, room=room)


@pytest.mark.parametrize(("body", "room"), [(everything(3), 512_000), ({"n:Enumerate": None}, 512_000), (everything(), 8_192)])
async def test_batches_together_are_the_whole_and_each_keeps_to_its_bounds(body: dict[str, Any], room: int) -> None:
    async with furnished() as (estate, _, wire):
        place = "root/cimv2/Win32_Service"
        batches = await threaded(lambda: list(pulled(wire, place, body, room)))
        assert [row["Name"] for batch in batches for row in batch] == sorted((s.name for s in estate.machines[HOST].services.values()), key=str.casefold)
        assert len(batches) > 1
        assert all(len(batch) <= 7 for batch in batches[1:])


async def test_an_instance_above_the_envelope_is_refused() -> None:
    async with furnished(Settings(quotas=Quotas(envelope=16 * 1024))) as (estate, _, wire):
        estate.machines[HOST].vms[0].name = "x" * 20_000
        asked = "select ElementName from Msvm_ComputerSystem where Caption like 'Virtual%'"
        assert await refusal(wql, wire, "root/virtualization/v2", asked) == 2150858824


REFUSED = [
    ("Enumerate", "root/cimv2/*", query("select Name from Win32_Nothing"), 2150858778),
    ("Enumerate", "root/none/*", query("select Name from Win32_Service"), 2150858778),
    ("Enumerate", "root/cimv2/*", query("select Nothing from Win32_Service"), 2150858778),
    ("Enumerate", "root/cimv2/*", query("associators of {Win32_Service.Name='x'}"), 2150858778),
    ("Enumerate", "root/cimv2/*", query("select Name from Win32_Service", dialect="http://schemas.dmtf.org/wbem/cql/1/dsp0202.pdf"), 2150858777),
    ("Enumerate", "root/cimv2/Win32_Service", query("select Name from Win32_Service"), 2150859003),
    ("Enumerate", "root/cimv2/Win32_Nothing", everything(), 2150858752),
    ("Enumerate", "root/cimv2/Win32_Service", {}, 2150858817),
    ("Enumerate", "root/cimv2/Win32_Service", everything(0), 2150858817),
    ("Pull", "root/cimv2/Win32_Service", {"n:Pull": {"n:EnumerationContext": "uuid:0"}}, 2150858779),
    ("Get", "root/cimv2/Win32_Service", {}, 2150859002),
    ("Put", "root/cimv2/Win32_Service", {}, 2150858753),
]


async def test_what_cannot_be_answered_is_refused_under_windows_numbers() -> None:
    async with furnished() as (_, _, wire):
        for verb, place, body, code in REFUSED:
            assert await refusal(ask, wire, verb, place, body) == code, (verb, place)


async def test_a_context_is_used_once_and_ends_with_the_boot() -> None:
    async with furnished() as (estate, _, wire):
        place = "root/cimv2/Win32_Service"
        answer = await threaded(ask, wire, "Enumerate", place, everything(1))
        pull = {"n:Pull": {"n:EnumerationContext": answer.findtext(".//{*}EnumerationContext"), "n:MaxElements": "1"}}
        again = await threaded(ask, wire, "Pull", place, pull)
        assert await refusal(ask, wire, "Pull", place, pull) == 2150858779
        pull["n:Pull"]["n:EnumerationContext"] = again.findtext(".//{*}EnumerationContext")
        estate.machines[HOST].boot_id += "-2"
        assert await refusal(ask, wire, "Pull", place, pull) == 2150858779


async def test_without_hyper_v_its_namespace_and_the_nat_class_are_not_there() -> None:
    async with endpoint() as (_, served):
        wire = await threaded(lambda: protocol(served, "ntlm"))
        for namespace, name in (("root/virtualization/v2", "Msvm_ComputerSystem"), ("root/StandardCimv2", "MSFT_NetNat")):
            assert await refusal(wql, wire, namespace, f"select Name from {name}") == 2150858778


async def test_pypsrp_enumerates_pulls_and_gets() -> None:
    wsman = pytest.importorskip("pypsrp.wsman")

    def all_of_it(served: Endpoint) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any], ET.Element]:
        address = served.address(HOST)
        account = {"username": served.credentials.user, "password": served.credentials.password, "auth": "ntlm", "no_proxy": True}
        with wsman.WSMan(address.ip, ssl=False, port=address.http, encryption="always", **account) as wire:
            place = f"{WMI}/root/cimv2/Win32_Service"
            asked = ET.Element(f"{{{ENUMERATION}}}Enumerate")
            first = wire.enumerate(place, asked)
            pull = ET.Element(f"{{{ENUMERATION}}}Pull")
            ET.SubElement(pull, f"{{{ENUMERATION}}}EnumerationContext").text = first.findtext(".//{*}EnumerationContext")
            ET.SubElement(pull, f"{{{ENUMERATION}}}MaxElements").text = "2"
            second = wire.pull(place, pull)
            one = wsman.SelectorSet()
            one.add_option("Name", "winrm")
            return items(first), items(second), properties(wire.get(place, selector_set=one)[0]), wire.get(f"{WMI}/root/cimv2/Win32_OperatingSystem")

    async with furnished() as (_, served, _):
        nothing_yet, two, winrm, system = await threaded(all_of_it, served)
        assert nothing_yet == []
        assert len(two) == 2
        assert (winrm["Name"], winrm["State"]) == ("WinRM", "Running")
        assert system[0].tag.endswith("}Win32_OperatingSystem")
