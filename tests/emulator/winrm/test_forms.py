"""The form of answers, element by element as real services were recorded to give them, and SPNEGO under a client of our own."""

from __future__ import annotations

import base64
import http.client
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
import spnego
import xmltodict

from reconciler.emulator.winrm import sealing
from reconciler.emulator.winrm.wsman import SHELL, NotReadable, parse, seconds
from tests.emulator.winrm.clients import HOST, Process, bootstrap, endpoint, protocol, threaded

SHELL_FIELDS = "ClientIP IdleTimeOut InputStreams OutputStreams Owner ResourceUri ShellId ShellInactivity ShellRunTime"
STREAMS = {"ReceiveResponse/Stream@CommandId@End@Name", "ReceiveResponse/Stream@CommandId@Name"}
STATE = {"ReceiveResponse/CommandState@CommandId@State", "ReceiveResponse/CommandState/ExitCode"}
FAULT = {"Code", "Code/Value", "Code/Subcode", "Code/Subcode/Value", "Reason", "Reason/Text@lang", "Detail", "Detail/WSManFault@Code@Machine"}
CREATED = {"Address", "ReferenceParameters", "ReferenceParameters/ResourceURI", "ReferenceParameters/SelectorSet"}
FORMS: dict[str, set[str]] = {
    "CreateResponse": {f"Shell/{name}" for name in SHELL_FIELDS.split()}
    | {"Shell", "ResourceCreated", "ResourceCreated/ReferenceParameters/SelectorSet/Selector@Name"}
    | {f"ResourceCreated/{name}" for name in CREATED},
    "CommandResponse": {"CommandResponse", "CommandResponse/CommandId"},
    "SendResponse": {"SendResponse"},
    "ReceiveResponse": {"ReceiveResponse"} | STREAMS | STATE,
    "SignalResponse": {"SignalResponse"},
    "DeleteResponse": set(),
    "fault": {"Fault"} | {f"Fault/{name}" for name in FAULT | {"Detail/WSManFault/Message"}},
}


def bare(name: str) -> str:
    return name.rpartition("}")[2]


def paths(element: ET.Element, before: str = "") -> set[str]:
    found: set[str] = set()
    for child in element:
        here = f"{before}{bare(child.tag)}"
        found |= {here + "".join(f"@{bare(name)}" for name in sorted(child.attrib))} | paths(child, f"{here}/")
    return found


def form(answer: bytes) -> tuple[str, set[str]]:
    root = ET.fromstring(answer)
    action, body = root.findtext(".//{*}Action"), root.find("{*}Body")
    assert action is not None
    assert body is not None
    return action.rpartition("/")[2], paths(body)


async def test_answers_have_the_form_of_recorded_ones() -> None:
    async with endpoint() as (_, served):
        kept: list[bytes] = []

        def talk() -> None:
            wire = protocol(served, "basic-tls", operation_timeout_sec=1)
            wire.transport.build_session().hooks["response"].append(lambda answer, **_: kept.append(answer.content))
            process = Process(wire)
            with pytest.raises(Exception, match=r"^$"):
                wire.get_command_output_raw(process.shell, process.command)
            wire.send_command_input(process.shell, process.command, b"not an invoker\n")
            wire.get_command_output(process.shell, process.command)
            process.close()

        await threaded(talk)
        found = dict(form(answer) for answer in kept)
        assert found == FORMS


class Spnego:
    """A client of our own: SPNEGO tokens, and seals made without pywinrm. One connection."""

    def __init__(self, address: Any, user: str, password: str) -> None:
        self._line = http.client.HTTPConnection(address.ip, address.http, timeout=10)
        options = spnego.NegotiateOptions.use_negotiate
        self.context: Any = spnego.client(user, password, hostname=address.ip, service="http", protocol="negotiate", options=options)
        self.steps: list[int] = []
        token = self.context.step()
        while token:
            headers = {"Authorization": f"Negotiate {base64.b64encode(token).decode()}"}
            answer, _ = self._post(b"", headers)
            said = answer.getheader("WWW-Authenticate")
            token = self.context.step(base64.b64decode(said.partition(" ")[2])) if said else None

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
        self._line.request("POST", "/wsman", body, headers)
        answer = self._line.getresponse()
        self.steps.append(answer.status)
        return answer, answer.read()

    def sealed(self, message: bytes) -> tuple[int, bytes]:
        kind, body = sealing.seal(self.context, message)
        answer, data = self._post(body, {"Content-Type": kind})
        return answer.status, sealing.unseal(self.context, data) if sealing.is_sealed(answer.getheader("Content-Type", "")) else data

    def close(self) -> None:
        self._line.close()


def envelope(served: Any, verb: str, shell: str = "") -> bytes:
    wire = protocol(served, "basic-tls")
    header = wire.build_wsman_header(f"http://schemas.xmlsoap.org/ws/2004/09/transfer/{verb}", f"{SHELL}/cmd", shell or None)
    body = {"rsp:Shell": {"rsp:InputStreams": "stdin"}} if verb == "Create" else {}
    text: str = xmltodict.unparse({"env:Envelope": header | {"env:Body": body}})
    return text.encode()


async def test_spnego_signs_in_on_one_connection_and_seals_answers_and_faults() -> None:
    async with endpoint() as (_, served):
        create, delete = envelope(served, "Create"), envelope(served, "Delete", "NONE")

        def talk() -> tuple[list[int], int, bytes, int, bytes]:
            client = Spnego(served.address(HOST), served.credentials.user, served.credentials.password)
            first, created = client.sealed(create)
            second, fault = client.sealed(delete)
            client.close()
            return client.steps, first, created, second, fault

        steps, first, created, second, fault = await threaded(talk)
        assert steps[-1] == 500
        assert set(steps[:-2]) == {401, 200}
        assert (first, form(created)[0]) == (200, "CreateResponse")
        assert (second, form(fault)[0]) == (500, "fault")
        assert b"2150858843" in fault
        assert served.counts()["connections"] == 1


async def test_a_seal_that_was_changed_on_the_way_is_an_empty_400() -> None:
    async with endpoint() as (_, served):
        create = envelope(served, "Create")

        def talk() -> tuple[int, bytes]:
            client = Spnego(served.address(HOST), served.credentials.user, served.credentials.password)
            kind, body = sealing.seal(client.context, create)
            answer, data = client._post(body[:300] + bytes([body[300] ^ 1]) + body[301:], {"Content-Type": kind})
            client.close()
            return answer.status, data

        assert await threaded(talk) == (400, b"")
        assert served.counts()["Create"] == 0


def test_durations_and_what_is_none() -> None:
    assert [seconds(text) for text in ("PT20S", "PT7200.000S", "PT1H2M", "P1DT1S")] == [20, 7200, 3720, 86401]
    assert seconds("", 5) == 5
    for text in ("3600", "P", "20S"):
        with pytest.raises(ValueError, match=re.escape(repr(text))):
            seconds(text)


@pytest.mark.parametrize("data", [b"", b"<a>", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_what_is_no_envelope_is_not_read(data: bytes) -> None:
    with pytest.raises(NotReadable):
        parse(data)


def test_the_bootstrap_of_tests_fits_a_command_line() -> None:
    assert len(bootstrap()) < 8191
