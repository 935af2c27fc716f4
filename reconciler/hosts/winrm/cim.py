"""`hosts.cim.Cim` over WS-Management: Enumerate, Pull and Get through the same line, sign-in and caps as a session's.

`connect` makes one. Queries are WQL of our own constants; answers are read by local names, for Windows has chosen properties in no namespace.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import xmltodict

from reconciler.hosts.cim import Instance, NotThere, Value
from reconciler.hosts.winrm.errors import Faulted, Hostile
from reconciler.hosts.winrm.line import Line

WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi"
CONFIG = "http://schemas.microsoft.com/wbem/wsman/1/config"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
DIALECT = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
ABSENT = (2150858752, 2150858778)  # no such resource; a filter that cannot be processed: our queries are right, so its class is missing
ENVELOPE = "512000"
MOST = "1000"  # instances of one answer
PULLS, INSTANCES = 100, 10_000
SECONDS = 30.0  # of one request
DEPTH = 5  # elements of the WinRM service's settings


class WinrmCim:
    def __init__(self, line: Line) -> None:
        self._line = line

    async def query(self, namespace: str, name: str, properties: Sequence[str], where: str = "") -> tuple[Instance, ...]:
        place = f"{WMI}/{namespace}/*"
        text = f"SELECT {', '.join(properties)} FROM {name}{f' WHERE {where}' if where else ''}"
        asked = {"n:Enumerate": {"w:OptimizeEnumeration": None, "w:MaxElements": MOST, "w:Filter": {"@Dialect": DIALECT, "#text": text}}}
        body = await self._ask(ENUMERATION, "Enumerate", place, asked, name)
        found = list(_instances(body, properties))
        for _ in range(PULLS):
            context = _context(body)
            if not context:
                return tuple(found)
            body = await self._ask(ENUMERATION, "Pull", place, {"n:Pull": {"n:EnumerationContext": context, "n:MaxElements": MOST}}, name)
            found += _instances(body, properties)
            if len(found) > INSTANCES:
                break
        raise Hostile(f"{self._line.way.host}: {name} has no end ({len(found)} instances)", sent=True)

    async def shells(self) -> int | None:
        body = await self._ask(ENUMERATION, "Enumerate", SHELL, {"n:Enumerate": {"w:OptimizeEnumeration": None, "w:MaxElements": MOST}}, "list of shells")
        return len(body.findall("*/{*}Items/*"))

    async def settings(self) -> Mapping[str, str]:
        body = await self._ask(TRANSFER, "Get", CONFIG, {}, "its settings")
        return dict(_leaves(body, (), DEPTH))

    async def _ask(self, action: str, verb: str, place: str, body: dict[str, Any], what: str) -> ET.Element:
        """One message; the body of its answer."""

        def act(wire: Any) -> bytes:
            message = wire.build_wsman_header(f"{action}/{verb}", place)
            message["env:Header"]["w:MaxEnvelopeSize"]["#text"] = ENVELOPE
            message["env:Body"] = body
            answer: bytes = wire.send_message(xmltodict.unparse({"env:Envelope": message}))
            return answer

        try:
            answer = await self._line.other(verb, SECONDS, act)
        except Faulted as fault:
            if fault.number in ABSENT:
                raise NotThere(f"{self._line.way.host}: there is no {what}") from None
            raise
        return self._body(answer, "Config" if verb == "Get" else f"{verb}Response")

    def _body(self, answer: bytes, wanted: str) -> ET.Element:
        """The line has refused a DOCTYPE, another encoding and more than its cap before. Without the wanted element nothing is an answer."""
        try:
            found = ET.fromstring(answer).find("{*}Body")
        except (ET.ParseError, ValueError, RecursionError):
            found = None
        if found is None or len(found) != 1 or _local(found[0].tag) != wanted:
            raise Hostile(f"{self._line.way.host}: an answer that is no {wanted}", sent=True)
        return found


def _context(body: ET.Element) -> str:
    """What to pull the rest with; empty at the end."""
    return "" if body.find("*/{*}EndOfSequence") is not None else (body.findtext("*/{*}EnumerationContext") or "").strip()


def _instances(body: ET.Element, properties: Sequence[str]) -> Iterator[Instance]:
    for item in body.iterfind("*/{*}Items/*"):
        values: dict[str, Value] = dict.fromkeys(properties)
        for element in item:
            name = _local(element.tag)
            if name in values and element.get(NIL) not in ("true", "1"):
                text = (element[0].text if len(element) else element.text) or ""
                before = values[name]
                values[name] = text if before is None else (*((before,) if isinstance(before, str) else before), text)
        yield values


def _leaves(element: ET.Element, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, str]]:
    """`Winrs/MaxShellsPerUser` → its text; the outermost element is left out of names."""
    for child in element:
        own = (*path, _local(child.tag))
        if len(child) and depth:
            yield from _leaves(child, own, depth - 1)
        elif child.text:
            yield "/".join(own[1:]), child.text.strip()


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
