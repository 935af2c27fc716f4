"""WS-Management envelopes: requests read, answers and faults written. Knows SOAP and no shells.

`connection` reads with it, `service` answers with it. Forms follow what Windows sends (winrm.md 1 and 4.2); nobody's text is run.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
MICROSOFT = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
FAULT_NS = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
ANONYMOUS = f"{ADDRESSING}/role/anonymous"
FAULT_ACTION = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
DEFAULT_TIMEOUT = 60.0


class NotReadable(ValueError):
    """The body is no envelope: answered with an empty 400."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A request. `verb` is the last part of its action: Create, Command, Send, Receive, Signal, Delete, Get …"""

    action: str
    resource: str
    message: str
    selectors: Mapping[str, str]
    options: Mapping[str, str]
    timeout: float
    room: int | None  # what the client takes as an answer, in bytes
    body: ET.Element = field(compare=False)

    @property
    def verb(self) -> str:
        return self.action.rpartition("/")[2]

    def part(self, name: str, namespace: str = SHELL) -> ET.Element | None:
        """The first element of that name anywhere in the body."""
        return self.body.find(f".//{{{namespace}}}{name}")

    def text(self, name: str, namespace: str = SHELL) -> str:
        found = self.part(name, namespace)
        return (found.text or "") if found is not None else ""


class WsFault(Exception):
    """What a request is refused with. Numbers are Windows' own."""

    def __init__(self, code: int, subcode: str, reason: str, *, sender: bool = False, detail: str = "", wmi: bool = False) -> None:
        super().__init__(f"{code} {subcode}: {reason}")
        self.code, self.subcode, self.reason, self.sender, self.detail, self.wmi = code, subcode, reason, sender, detail, wmi


def parse(data: bytes) -> Envelope:
    """The envelope in `data`, in UTF-8 or UTF-16. A DOCTYPE is never read."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise NotReadable("DOCTYPE")
    try:
        root = ET.fromstring(data)
    except (ET.ParseError, ValueError, LookupError) as error:
        raise NotReadable(str(error)) from None
    header, body = root.find(f"{{{SOAP}}}Header"), root.find(f"{{{SOAP}}}Body")
    if root.tag != f"{{{SOAP}}}Envelope" or header is None or body is None:
        raise NotReadable("no SOAP envelope")

    def said(namespace: str, name: str) -> str:
        return (header.findtext(f"{{{namespace}}}{name}") or "").strip()

    size = said(WSMAN, "MaxEnvelopeSize")
    return Envelope(
        said(ADDRESSING, "Action"),
        said(WSMAN, "ResourceURI"),
        said(ADDRESSING, "MessageID"),
        _named(header, "Selector"),
        _named(header, "Option"),
        seconds(said(WSMAN, "OperationTimeout"), DEFAULT_TIMEOUT),
        int(size) if size.isdecimal() else None,
        body,
    )


def _named(header: ET.Element, name: str) -> dict[str, str]:
    return {item.get("Name", ""): (item.text or "") for item in header.iterfind(f"{{{WSMAN}}}{name}Set/{{{WSMAN}}}{name}")}


def seconds(text: str, default: float | None = None) -> float:
    """An ISO 8601 duration in seconds. Raises ValueError where there is neither one nor a default."""
    found = DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        if default is None:
            raise ValueError(f"{text!r} is no duration")
        return default
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + rest


def _envelope(action: str, number: str, relates: str, body: str) -> bytes:
    names = f'xmlns:s="{SOAP}" xmlns:a="{ADDRESSING}" xmlns:x="{TRANSFER}" xmlns:w="{WSMAN}" xmlns:rsp="{SHELL}" xmlns:p="{MICROSOFT}"'
    related = f"<a:RelatesTo>{escape(relates)}</a:RelatesTo>" if relates else ""
    header = f"<a:Action>{action}</a:Action><a:MessageID>uuid:{number}</a:MessageID><p:ActivityId>{number}</p:ActivityId><a:To>{ANONYMOUS}</a:To>{related}"
    return f'<s:Envelope xml:lang="en-US" {names}><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>'.encode()


def reply(request: Envelope, number: str, body: str) -> bytes:
    """The answer to `request`; `number` identifies this message, `body` is XML."""
    return _envelope(f"{request.action}Response", number, request.message, body)


def fault_reply(fault: WsFault, number: str, relates: str, machine: str) -> bytes:
    """The fault as Windows words it: WSManFault, or MSFT_WmiError without one where `wmi` (pywinrm's issue 124)."""
    code = f"<s:Code><s:Value>s:{'Sender' if fault.sender else 'Receiver'}</s:Value><s:Subcode><s:Value>{fault.subcode}</s:Value></s:Subcode></s:Code>"
    reason = f'<s:Reason><s:Text xml:lang="en-US">{escape(fault.reason)}</s:Text></s:Reason>'
    named = f"<w:FaultDetail>{WSMAN.replace('.xsd', '')}/faultDetail/{fault.detail}</w:FaultDetail>" if fault.detail else ""
    about = _wmi_error(fault) if fault.wmi else named + _wsman_fault(fault, machine)
    return _envelope(FAULT_ACTION, number, relates, f"<s:Fault>{code}{reason}<s:Detail>{about}</s:Detail></s:Fault>")


def _wsman_fault(fault: WsFault, machine: str) -> str:
    message = f"<f:Message>{escape(fault.reason)}</f:Message>"
    return f'<f:WSManFault xmlns:f="{FAULT_NS}" Code="{fault.code}" Machine="{escape(machine)}">{message}</f:WSManFault>'


def _wmi_error(fault: WsFault) -> str:
    namespace = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError"
    fields = f"<e:CIMStatusCode>27</e:CIMStatusCode><e:Message>{escape(fault.reason)}</e:Message><e:MessageID>HRESULT 0x{fault.code:08x}</e:MessageID>"
    return f'<e:MSFT_WmiError xmlns:e="{namespace}">{fields}<e:error_Category>30</e:error_Category><e:error_Code>{fault.code}</e:error_Code></e:MSFT_WmiError>'
