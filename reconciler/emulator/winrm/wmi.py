"""WMI over WS-Management: Enumerate, Pull, Release and Get on `…/wsman/1/wmi/NAMESPACE/CLASS`, with WQL as the filter.

A `service.Resource`; `endpoint` serves it on every host. Forms follow recordings of real services: whole instances are typed elements of the
class's own namespace, chosen properties come as bare XmlFragments, absent values as xsi:nil, lists as repeated elements.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from reconciler.emulator.cim import repository, wql
from reconciler.emulator.cim.repository import CimError, Row
from reconciler.emulator.cim.written import written
from reconciler.emulator.machine import Machine
from reconciler.emulator.winrm import cimfaults, wsfaults
from reconciler.emulator.winrm.service import Caller, Service
from reconciler.emulator.winrm.wsman import WSMAN, Envelope

PREFIX = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
DIALECT = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
COMMON = "http://schemas.dmtf.org/wbem/wscim/1/common"
HEADROOM = 2048  # bytes of an answer that are not items
BATCH = 32_000  # MaxBatchItems
CONTEXTS = 100  # enumerations of one host that are not read to their end; the oldest goes


@dataclass(slots=True)
class Enumeration:
    """What a client has still to pull. It ends with the boot, and belongs to its user."""

    items: list[str]
    boot: str
    user: str


class Wmi:
    prefix = PREFIX

    def __init__(self) -> None:
        self._open: dict[str, OrderedDict[str, Enumeration]] = {}

    async def handle(self, service: Service, caller: Caller, request: Envelope) -> str:
        machine = service.host.settled()
        service.host.log("cim", {"verb": request.verb, "resource": request.resource.removeprefix(PREFIX)})
        match request.verb:
            case "Enumerate":
                return self._enumerate(service, caller, request, machine)
            case "Pull":
                return self._pull(service, caller, request, machine)
            case "Release":
                self._contexts(service).pop(_context(request), None)
                return ""
            case "Get":
                return _got(machine, request)
        raise wsfaults.no_action()

    def _contexts(self, service: Service) -> OrderedDict[str, Enumeration]:
        return self._open.setdefault(service.host.name, OrderedDict())

    def _enumerate(self, service: Service, caller: Caller, request: Envelope, machine: Machine) -> str:
        asked = request.body.find(f"{{{ENUMERATION}}}Enumerate")
        if asked is None:
            raise wsfaults.bad_schema("the request is missing the element titled 'Enumerate'")
        if (asked.findtext(f"{{{WSMAN}}}EnumerationMode") or "EnumerateObject") != "EnumerateObject":
            raise cimfaults.no_mode()
        left = Enumeration(list(_items(machine, request, asked)), machine.boot_id, caller.user)
        if asked.find(f"{{{WSMAN}}}OptimizeEnumeration") is None:
            return f"<n:EnumerateResponse xmlns:n={quoteattr(ENUMERATION)}>{self._kept(service, left)}</n:EnumerateResponse>"
        items = _taken(service, request, left, _number(asked, WSMAN))
        more, end = (self._kept(service, left), "") if left.items else ("<n:EnumerationContext/>", "<w:EndOfSequence/>")
        return f"<n:EnumerateResponse xmlns:n={quoteattr(ENUMERATION)}>{more}<w:Items>{items}</w:Items>{end}</n:EnumerateResponse>"

    def _pull(self, service: Service, caller: Caller, request: Envelope, machine: Machine) -> str:
        asked = request.body.find(f"{{{ENUMERATION}}}Pull")
        if asked is None:
            raise wsfaults.bad_schema("the request is missing the element titled 'Pull'")
        open_ones, name = self._contexts(service), _context(request)
        left = open_ones.get(name)
        if left is None or left.boot != machine.boot_id or left.user != caller.user:
            raise cimfaults.no_context()
        items = _taken(service, request, left, _number(asked, ENUMERATION))
        del open_ones[name]
        more, end = (self._kept(service, left), "") if left.items else ("", "<n:EndOfSequence/>")
        return f"<n:PullResponse xmlns:n={quoteattr(ENUMERATION)}>{more}<n:Items>{items}</n:Items>{end}</n:PullResponse>"

    def _kept(self, service: Service, left: Enumeration) -> str:
        """The context to pull the rest with. Each answer has a new one."""
        name, open_ones = f"uuid:{service.shells.new_id('enumeration')}", self._contexts(service)
        open_ones[name] = left
        while len(open_ones) > CONTEXTS:
            open_ones.popitem(last=False)
        return f"<n:EnumerationContext>{name}</n:EnumerationContext>"


def _context(request: Envelope) -> str:
    return request.text("EnumerationContext", ENUMERATION).strip()


def _number(asked: ET.Element, namespace: str) -> int:
    """MaxElements; left out it is one, as WS-Enumeration has it."""
    said = (asked.findtext(f"{{{namespace}}}MaxElements") or "1").strip()
    if not said.isdecimal() or int(said) < 1:
        raise wsfaults.bad_schema("MaxElements")
    return min(int(said), BATCH)


def _taken(service: Service, request: Envelope, left: Enumeration, most: int) -> str:
    """So many of the items as were asked for and fit into the envelope; they are gone from the enumeration then."""
    quota = service.host.settings.quotas.envelope
    room = min(request.room or quota, quota) - HEADROOM
    taken: list[str] = []
    while left.items and len(taken) < most:
        room -= len(left.items[0].encode())
        if room < 0:
            break
        taken.append(left.items.pop(0))
    if left.items and not taken:
        raise cimfaults.too_large()
    return "".join(taken)


def _place(request: Envelope) -> tuple[str, str]:
    namespace, _, name = request.resource.removeprefix(PREFIX).rpartition("/")
    return namespace, name


def _items(machine: Machine, request: Envelope, asked: ET.Element) -> Iterable[str]:
    namespace, name = _place(request)
    condition = asked.find(f"{{{WSMAN}}}Filter")
    try:
        if condition is None:
            found = repository.find(machine, namespace, name)
            return [_instance(namespace, found.name, row) for row in found.instances(machine)]
        if condition.get("Dialect") != DIALECT:
            raise cimfaults.no_dialect()
        if name != "*":
            raise cimfaults.query_on_a_class()
        query = wql.parse(condition.text or "")
        found = repository.find(machine, namespace, query.class_name)
        rows = wql.run(machine, found, query)
    except CimError as error:
        raise cimfaults.refused(error, queried=condition is not None) from None
    return [_fragment(row) if query.names else _instance(namespace, found.name, row) for row in rows]


def _got(machine: Machine, request: Envelope) -> str:
    namespace, name = _place(request)
    try:
        found = repository.find(machine, namespace, name)
        if found.singleton and not request.selectors:
            return _instance(namespace, found.name, found.instances(machine)[0])
        if not request.selectors:
            raise cimfaults.no_keys()
        return _instance(namespace, found.name, repository.get(machine, found, request.selectors))
    except CimError as error:
        raise cimfaults.refused(error, queried=False) from None


def _instance(namespace: str, name: str, row: Row) -> str:
    head = f'xmlns:p={quoteattr(f"{PREFIX}{namespace}/{name}")} xmlns:xsi="{XSI}" xmlns:cim="{COMMON}" xsi:type="p:{name}_Type"'
    return f"<p:{name} {head}>{''.join(_property(key, row[key], 'p:', 'cim:') for key in row)}</p:{name}>"


def _fragment(row: Row) -> str:
    return f'<w:XmlFragment xmlns:xsi="{XSI}">{"".join(_property(key, row[key], "", "") for key in row)}</w:XmlFragment>'


def _property(name: str, value: Any, prefix: str, common: str) -> str:
    if value is None or value == []:
        return f'<{prefix}{name} xsi:nil="true"/>'
    values = value if isinstance(value, list) else [value]
    return "".join(f"<{prefix}{name}>{_text(one, common)}</{prefix}{name}>" for one in values)


def _text(value: Any, common: str) -> str:
    """CIM binding (DSP0230): times are elements of their own."""
    inside = escape(_printable(written(value)))
    match value:
        case datetime():
            return f"<{common}Datetime>{inside}</{common}Datetime>"
        case timedelta():
            return f"<{common}Interval>{inside}</{common}Interval>"
    return inside


def _printable(text: str) -> str:
    """XML has no place for other controls; what Windows does with them is unverified."""
    return "".join(c if c >= " " or c in "\t\n\r" else "?" for c in text)
