"""The two messages of a warm request, Send and Receive, as text: pywinrm's own, which it spells out of dictionaries at four times the cost.

`client` sends them; tests hold them to what pywinrm builds. Every other verb stays pywinrm's.
"""

from __future__ import annotations

import base64
import uuid
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
STREAM, STATE, EXIT = f"{{{SHELL}}}Stream", f"{{{SHELL}}}CommandState", f"{{{SHELL}}}ExitCode"
NAMESPACES = {
    "env": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "p": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
    "rsp": SHELL,
}
ROLE = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
OPENING = (
    '<?xml version="1.0" encoding="utf-8"?>\n<env:Envelope '
    + " ".join(f'xmlns:{name}="{uri}"' for name, uri in NAMESPACES.items())
    + "><env:Header><a:To>http://windows-host:5985/wsman</a:To>"
    + f'<a:ReplyTo><a:Address mustUnderstand="true">{ROLE}</a:Address></a:ReplyTo><w:MaxEnvelopeSize mustUnderstand="true">153600</w:MaxEnvelopeSize>'
    + '<w:Locale mustUnderstand="false" xml:lang="en-US"/><p:DataLocale mustUnderstand="false" xml:lang="en-US"/>'
    + f'<w:ResourceURI mustUnderstand="true">{SHELL}/cmd</w:ResourceURI>'
)
CLOSING = "</env:Body></env:Envelope>"


def send(shell: str, command: str, data: bytes, wait: float, *, end: bool = False) -> str:
    """Standard input for a command."""
    stream = f'<rsp:Stream Name="stdin" End="{"true" if end else "false"}" CommandId={quoteattr(command)}>{base64.b64encode(data).decode()}</rsp:Stream>'
    return f"{_head('Send', shell, wait)}<rsp:Send>{stream}</rsp:Send>{CLOSING}"


def receive(shell: str, command: str, wait: float) -> str:
    """Asks for output, which the host waits for as long as `wait` seconds."""
    stream = f"<rsp:DesiredStream CommandId={quoteattr(command)}>stdout stderr</rsp:DesiredStream>"
    return f"{_head('Receive', shell, wait)}<rsp:Receive>{stream}</rsp:Receive>{CLOSING}"


def _head(verb: str, shell: str, wait: float) -> str:
    header = f'<a:Action mustUnderstand="true">{SHELL}/{verb}</a:Action><a:MessageID>uuid:{uuid.uuid4()}</a:MessageID>'
    header += f"<w:OperationTimeout>PT{wait:.3f}S</w:OperationTimeout>"
    selector = f'<w:SelectorSet><w:Selector Name="ShellId">{escape(shell)}</w:Selector></w:SelectorSet>'
    return f"{OPENING}{header}{selector}</env:Header><env:Body>"


def received(text: bytes) -> tuple[bytes, bytes, int, bool]:
    """Output, errors, exit code and whether the command is done: as `Protocol.get_command_output_raw` gives them."""
    found: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
    code, done = -1, False
    for node in ElementTree.fromstring(text).iter():
        if node.tag == STREAM and node.text:
            found[node.attrib["Name"]].append(base64.b64decode(node.text))
        elif node.tag == STATE:
            done = node.get("State", "").endswith("/Done")
        elif node.tag == EXIT:
            code = int(node.text or -1)
    return b"".join(found["stdout"]), b"".join(found["stderr"]), code if done else -1, done
