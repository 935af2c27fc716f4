"""Send and Receive as text say what pywinrm's own say, and an answer is read as pywinrm reads it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from winrm.protocol import Protocol

from reconciler.hosts.winrm import envelopes

SHELL, COMMAND = "SHELL-1<&>", 'COMMAND-"1"'
DATA = b"#\xff<\n" * 5


class Sent(Exception):
    """What would have gone out."""


class Caught(Protocol):
    """pywinrm, with the line cut."""

    answer = b""

    def send_message(self, message: str) -> Any:
        if self.answer:
            return self.answer
        raise Sent(message)


def pywinrm(act: Callable[[Protocol], Any]) -> str:
    with pytest.raises(Sent) as sent:
        act(Caught("http://host:5985/wsman", "plaintext", "u", "p", proxy=None))
    return str(sent.value)


def told(text: str) -> dict[str, tuple[Any, ...]]:
    """Every element by its name: attributes, text, parent. Their order is free; the message's id and time are not compared."""
    root = ElementTree.fromstring(text.encode())
    parents = {child: parent.tag for parent in root.iter() for child in parent}
    skipped = ("}MessageID", "}OperationTimeout")
    return {node.tag: (dict(node.attrib), node.text, parents.get(node)) for node in root.iter() if not node.tag.endswith(skipped)}


@pytest.mark.parametrize("end", [False, True])
def test_send_is_pywinrms_own(end: bool) -> None:
    ours = envelopes.send(SHELL, COMMAND, DATA, 20, end=end)
    assert told(ours) == told(pywinrm(lambda wire: wire.send_command_input(SHELL, COMMAND, DATA, end=end)))
    assert "<w:OperationTimeout>PT20.000S</w:OperationTimeout>" in ours


def test_receive_is_pywinrms_own_and_no_two_have_one_id() -> None:
    ours = envelopes.receive(SHELL, COMMAND, 0.25)
    assert told(ours) == told(pywinrm(lambda wire: wire.get_command_output_raw(SHELL, COMMAND)))
    assert "PT0.250S" in ours
    assert ours.count("uuid:") == 1
    assert ours != envelopes.receive(SHELL, COMMAND, 0.25)


def answer(*streams: tuple[str, bytes], state: str, code: str = "") -> bytes:
    inside = "".join(f'<rsp:Stream Name="{name}" CommandId="C">{base64.b64encode(data).decode()}</rsp:Stream>' for name, data in streams)
    inside += f'<rsp:Stream Name="stdout" End="true"/><rsp:CommandState CommandId="C" State="{envelopes.SHELL}/CommandState/{state}">{code}</rsp:CommandState>'
    namespaces = f'xmlns:rsp="{envelopes.SHELL}" xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    return f"<s:Envelope {namespaces}><s:Body><rsp:ReceiveResponse>{inside}</rsp:ReceiveResponse></s:Body></s:Envelope>".encode()


@pytest.mark.parametrize(
    "text",
    [
        answer(state="Running"),
        answer(("stdout", b"a\x00b"), ("stderr", b"x"), ("stdout", b"c"), state="Running"),
        answer(("stdout", b"end"), state="Done", code="<rsp:ExitCode>7</rsp:ExitCode>"),
        answer(state="Done", code="<rsp:ExitCode>-1073741510</rsp:ExitCode>"),
    ],
)
def test_an_answer_is_read_as_pywinrm_reads_it(text: bytes) -> None:
    wire = Caught("http://host:5985/wsman", "plaintext", "u", "p", proxy=None)
    wire.answer = text
    assert envelopes.received(text) == wire.get_command_output_raw(SHELL, COMMAND)
