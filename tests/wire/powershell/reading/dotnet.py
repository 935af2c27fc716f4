"""The .NET that the invoker reaches for, as far as its reading needs it: members of values, statics, constructors.

Files, clocks and processes are those of `world`. Anything else asked for is an error of the reading, not null.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import math
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from tests.wire.powershell.reading.values import (
    NOTHING,
    Char,
    EnumName,
    Map,
    NetList,
    NetSet,
    Ref,
    Thrown,
    each,
    number,
    plain,
    text,
    to_float,
    to_int,
)

INVALID = "System.InvalidOperationException"


class Simple:
    """An object with settable fields and no more."""

    def __init__(self, kind: str, /, **fields: Any) -> None:
        self.kind = kind
        self.fields = fields


class Record(Simple):
    """An ErrorRecord."""

    def __init__(self, thrown: Thrown) -> None:
        cause = Simple("Exception", Message=thrown.text, HResult=-2146233079, InnerException=None, type=thrown.kind)
        about = Simple("ErrorCategoryInfo", Category=EnumName(thrown.category), Reason=thrown.kind.rpartition(".")[2], TargetName="")
        super().__init__("ErrorRecord", Exception=cause, FullyQualifiedErrorId=thrown.id, TargetObject=thrown.target, CategoryInfo=about)
        self.thrown = thrown
        cause.fields["ErrorRecord"] = self


class Row:
    """A PSCustomObject, or what passes for one: properties by name, without regard to case."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values


class Properties(NetList):
    """What PSObject.Properties gives: of a row its own, of other values none that is read here."""

    def __init__(self, of: Any) -> None:
        super().__init__(Simple("Property", Name=name, Value=held) for name, held in of.values.items()) if isinstance(of, Row) else super().__init__()


class Secure:
    def __init__(self) -> None:
        self.text = ""


class Builder:
    """StringBuilder, StringWriter and MemoryStream alike: something that is written to."""

    def __init__(self) -> None:
        self.text = ""
        self.data = b""


class Match:
    def __init__(self, found: re.Match[str] | None, pattern: re.Pattern[str], source: str) -> None:
        self.found, self.pattern, self.source = found, pattern, source


def record(thrown: Thrown) -> Record:
    return Record(thrown)


@cache
def compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """A .NET pattern as Python has it."""
    return re.compile(pattern.replace("(?<", "(?P<").replace("\\z", "\\Z").removeprefix("\\G"), flags)


# --- constructors


def new(kind: str, given: list[Any], reader: Any) -> Any:
    name = kind.partition("[")[0].rpartition(".")[2]
    match name:
        case "Dictionary":
            return Map(cased=not given)
        case "List" | "Queue" | "PSDataCollection":
            return NetList()
        case "HashSet":
            return NetSet()
        case "StringBuilder" | "MemoryStream":
            return Builder()
        case "StringWriter":
            return Simple(name, builder=Builder())
        case "GZipStream":
            return Simple("GZipStream", into=given[0], data=b"")
        case "UTF8Encoding":
            return "utf-8"
        case "Regex":
            return Simple("Regex", pattern=compiled(given[0]))
        case "InvalidOperationException":
            return Simple("Exception", Message=given[0], HResult=-2146233079, InnerException=None, type=INVALID)
        case "ErrorRecord" if len(given) == 2:
            return given[0]
        case "NetworkCredential":
            return Simple(name, Password=given[1].text)
        case "ErrorRecord":
            return Record(Thrown(given[1], given[0].fields["Message"], given[3] if len(given) > 3 else None, given[0].fields["type"]))
        case "byte" | "object":
            return bytearray(given[0]) if name == "byte" else [None] * given[0]
        case "SecureString":
            return Secure()
        case "ProcessStartInfo":
            return Simple(name)
    raise AssertionError(f"New-Object {kind} is not read; {reader!r:.20}")


# --- members


def _count(value: Any) -> int:
    match value:
        case None:
            return 0
        case Map():
            return len(value.entries)
        case NetList() | NetSet():
            return len(value.items)
        case list() | bytes() | bytearray():
            return len(value)
    return 1


def member(value: Any, name: str, reader: Any) -> Any:
    if isinstance(value, Map):
        return value.get(name) if value.has(name) or name != "Count" else _count(value)
    if value is None:
        return 0 if name == "Count" else None
    if name in ("Count", "Length") and not isinstance(value, Builder | Simple):
        return len(value) if isinstance(value, str) else len(value.text) if isinstance(value, Secure) else _count(value)
    if name == "PSObject":
        return Simple("PSObject", Properties=Properties(value), BaseObject=value)
    if isinstance(value, Match):
        return {"Success": value.found is not None, "Groups": value, "Value": value.found[0] if value.found else ""}[name]
    if isinstance(value, Builder):
        return {"Length": len(value.text) or len(value.data), "Capacity": len(value.text)}[name]
    if isinstance(value, Simple):
        if value.kind == "Stopwatch":
            return int((reader.world.seconds - value.fields["at"]) * 1000)
        found = value.fields[name]
        return found() if callable(found) else found
    if isinstance(value, tuple):
        return value[("Key", "Value").index(name)]
    if isinstance(value, timedelta) and name == "TotalSeconds":
        return value.total_seconds()
    if isinstance(value, datetime) and name == "Kind":
        return EnumName("Utc" if value.tzinfo else "Unspecified")
    if isinstance(value, str) and name == "FullName":
        return str(value)
    raise AssertionError(f"member {name} of {type(value).__name__} is not read")


def set_member(value: Any, name: str, to: Any) -> None:
    if isinstance(value, Map):
        value.put(name, to)
    elif isinstance(value, Builder):
        if name == "Length":
            value.text = value.text[:to]
    else:
        assert isinstance(value, Simple), type(value)
        value.fields[name] = to


def item(value: Any, key: Any) -> Any:
    match value:
        case Map():
            return value.get(key)
        case Match():
            held = value.found.group(key) if value.found else None
            return Simple("Group", Success=held is not None, Value=held or "")
        case Properties():
            return next((entry for entry in value.items if entry.fields["Name"].casefold() == key.casefold()), None)
        case list():
            return value[key] if -len(value) <= key < len(value) else None
        case NetList():
            return value.items[key]
        case None:
            raise Thrown("NullArray", "Cannot index into a null array.")
    raise AssertionError(f"an element of {type(value).__name__} is not read")


def set_item(value: Any, key: Any, to: Any) -> None:
    if isinstance(value, list):
        value[key] = to
    else:
        assert isinstance(value, Map), type(value)
        value.put(key, to)


# --- methods


def method(value: Any, name: str, given: list[Any], reader: Any, scope: Any) -> Any:
    if value is None:
        raise Thrown("InvokeMethodOnNull", "You cannot call a method on a null-valued expression.")
    found = _object(value, name, given, reader, scope)
    return found if found is not None else None


def _object(value: Any, name: str, given: list[Any], reader: Any, scope: Any) -> Any:
    match value:
        case Map():
            return _map(value, name, given)
        case NetList() | NetSet():
            return _list(value, name, given)
        case Builder():
            return _builder(value, name, given)
        case Match():
            assert name == "NextMatch"
            return Match(value.pattern.match(value.source, value.found.end()) if value.found else None, value.pattern, value.source)
        case Secure():
            value.text += given[0] if name == "AppendChar" else ""
            return NOTHING
        case Simple():
            return _simple(value, name, given, reader, scope)
        case str():
            return _text(value, name, given)
        case bool() | int() | float():
            assert name in ("ToString", "GetType")
            return number(float(value)) if isinstance(value, float) else text(value)
        case datetime():
            return _moment(value, name, given)
    raise AssertionError(f"{type(value).__name__}.{name} is not read")


def _map(value: Map, name: str, given: list[Any]) -> Any:
    match name:
        case "ContainsKey" | "Contains":
            return value.has(given[0])
        case "get_Keys":
            return value.keys()
        case "get_Values":
            return [held for _, held in value.pairs()]
        case "get_Count":
            return len(value.entries)
        case "Add":
            assert not value.has(given[0])
            value.put(given[0], given[1])
            return NOTHING
        case "Remove":
            there = value.drop(given[0])
            return there if value.cased else NOTHING
        case "Clear":
            value.entries.clear()
            return NOTHING
        case "GetEnumerator":
            return value.pairs()
    raise AssertionError(f"Map.{name} is not read")


def _list(value: NetList | NetSet, name: str, given: list[Any]) -> Any:
    if isinstance(value, NetSet):
        key = text(given[0]).casefold()
        if name == "Contains":
            return key in value.items
        assert name == "Add"
        new_one = key not in value.items
        value.items.setdefault(key, text(given[0]))
        return new_one
    match name:
        case "Add" | "Enqueue":
            value.items.append(given[0])
            return NOTHING
        case "Dequeue":
            return value.items.pop(0)
        case "ToArray" | "ReadAll":
            return list(value.items)
        case "Contains":
            return any(entry is given[0] for entry in value.items)
        case "Complete":
            return NOTHING
    raise AssertionError(f"List.{name} is not read")


def _builder(value: Builder, name: str, given: list[Any]) -> Any:
    match name:
        case "Append":
            value.text += text(given[0])
            return value
        case "ToString":
            return value.text
        case "ToArray":
            return value.data
        case "Write":
            value.data += bytes(given[0])[given[1] : given[1] + given[2]]
            return NOTHING
        case "Flush":
            return NOTHING
    raise AssertionError(f"{name} is not read")


def _simple(value: Simple, name: str, given: list[Any], reader: Any, scope: Any) -> Any:
    match value.kind, name:
        case "Regex", "Match":
            return Match(value.fields["pattern"].match(given[0]), value.fields["pattern"], given[0])
        case "Regex", "IsMatch":
            return value.fields["pattern"].search(given[0]) is not None
        case "Regex", "Replace":
            return value.fields["pattern"].sub(lambda found: text(reader.block(given[1], [found[0]], scope)[0]), given[0])
        case "Stopwatch", "Restart":
            value.fields["at"] = reader.world.seconds
            return NOTHING
        case "SHA256", "ComputeHash":
            return hashlib.sha256(given[0]).digest()
        case "StringWriter", "GetStringBuilder":
            return value.fields["builder"]
        case "GZipStream", "Write":
            value.fields["data"] += bytes(given[0])
            return NOTHING
        case "GZipStream", "Close":
            value.fields["into"].data = gzip.compress(value.fields["data"], mtime=0)
            return NOTHING
        case "File", "Dispose":
            reader.world.locked = False
            return NOTHING
        case "PowerShell", _:
            return reader.world.shell(value, name, given)
        case "WaitHandle", "WaitOne":
            return reader.world.waited(value, given[0])
        case "Runspace", "Open":
            return NOTHING
        case "Proxy", "SetVariable":
            value.fields[given[0]] = given[1]
            return NOTHING
        case "Stream", "ReadAsync":
            return value.fields["read"](given[0])
        case "Process", "WaitForExit":
            return reader.world.exited(value, given[0])
        case "Writer", "Close":
            return NOTHING
        case "Property", "get_Value":
            return value.fields["Value"]
        case "Exception", "GetType":
            return Simple("Type", FullName=value.fields["type"])
        case "Exception", "GetBaseException":
            return value
        case _, "Dispose":
            return NOTHING
    raise AssertionError(f"{value.kind}.{name} is not read")


def _text(value: str, name: str, given: list[Any]) -> Any:
    match name:
        case "Replace":
            return value.replace(given[0], given[1])
        case "StartsWith":
            return value.startswith(given[0])
        case "IndexOf":
            return value.find(given[0])
        case "IndexOfAny":
            return min((at for at in (value.find(letter) for letter in given[0]) if at >= 0), default=-1)
        case "LastIndexOf":
            return value.rfind(given[0])
        case "Substring":
            return value[given[0] : given[0] + given[1]] if len(given) > 1 else value[given[0] :]
        case "ToCharArray":
            return [Char(letter) for letter in value]
        case "ToLowerInvariant":
            return value.lower()
        case "ToUpperInvariant":
            return value.upper()
        case "TrimEnd":
            return value.rstrip("".join(given)) if given else value.rstrip()
        case "ToString":
            return str(value)
        case "GetString":
            return bytes(given[0]).decode("utf-8")
        case "GetBytes":
            return given[0].encode("utf-16-le" if value == "unicode" else value)
    raise AssertionError(f"String.{name} is not read")


def _moment(value: datetime, name: str, given: list[Any]) -> Any:
    match name:
        case "AddSeconds":
            return value + timedelta(seconds=given[0])
        case "ToUniversalTime":
            return value.astimezone(UTC)
        case "ToString":
            return value.replace(tzinfo=None).isoformat(timespec="microseconds") + ("0Z" if value.tzinfo else "0")
    raise AssertionError(f"DateTime.{name} is not read")


# --- statics


def static(kind: str, name: str, given: list[Any] | None, reader: Any) -> Any:
    world, low = reader.world, kind.casefold()
    if given is None:
        return _constant(low, name, world)
    match low, name:
        case "regex", "IsMatch":
            return compiled(given[1]).search(given[0]) is not None
        case "regex", "Replace":
            return compiled(given[1]).sub(re.sub(r"\$(\d)", r"\\g<\1>", given[2].replace("\\", "\\\\")), given[0])
        case "regex", "Match":
            return _Captured(compiled(given[1]).search(given[0]))
        case "regex", "Unescape":
            return _unescaped(given[0])
        case "string", "Join":
            return given[0].join(text(entry) for entry in each(given[1]))
        case "string", "Format":
            return text(given[2])
        case "string", "Equals":
            return given[0].casefold() == given[1].casefold()
        case "bitconverter", "ToString":
            return "-".join(f"{byte:02X}" for byte in given[0])
        case "buffer", "BlockCopy":
            given[2][:] = "".join(given[0]).encode("utf-16-le", "surrogatepass")
            return NOTHING
        case "security.cryptography.sha256", "Create":
            return Simple("SHA256")
        case "convert", "ToBase64String":
            return base64.b64encode(given[0]).decode()
        case "convert", "FromBase64String":
            return _decoded(given[0])
        case "console", "SetOut":
            return NOTHING
        case "powershell", "Create":
            return world.new_shell()
        case "diagnostics.process", "Start":
            return world.program(given[0])
        case "threading.tasks.task", "WaitAny":
            world.seconds += given[1] / 1000
            return -1
        case "runspacefactory", "CreateRunspace":
            return Simple("Runspace", SessionStateProxy=Simple("Proxy"))
        case "management.automation.runspaces.initialsessionstate", "CreateDefault2":
            return Simple("InitialSessionState")
    if low.startswith("io."):
        return world.file(low, name, given)
    return _number_or_time(low, name, given, world)


def _decoded(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, TypeError):
        raise Thrown("FormatException", "The input is not a valid Base-64 string") from None


class _Captured(Simple):
    def __init__(self, found: re.Match[str] | None) -> None:
        groups = [Simple("Group", Value=entry or "") for entry in (found[0], *found.groups())] if found else []
        super().__init__("Match", Success=found is not None, Groups=groups)


def _unescaped(value: str) -> str:
    letters = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
    return re.sub(r"\\(u([0-9A-Fa-f]{4})|.)", lambda found: chr(int(found[2], 16)) if found[2] else letters.get(found[1], found[1]), value)


def _constant(low: str, name: str, world: Any) -> Any:
    match low, name:
        case "diagnostics.stopwatch", "Frequency":
            return 10_000_000
        case "datetime", "UtcNow" | "Now":
            return world.now()
        case "intptr", "Size":
            return 8
        case "globalization.cultureinfo", "CurrentUICulture":
            return Simple("CultureInfo", Name="en-US")
        case "text.encoding", _:
            return name.lower()
        case "console", "OutputEncoding":
            return "utf-8"
        case "nullstring", "Value":
            return None
    return EnumName(name)


def _number_or_time(low: str, name: str, given: list[Any], world: Any) -> Any:
    match low, name:
        case "math", "Min" | "Max":
            return (min if name == "Min" else max)(plain(given[0]), plain(given[1]))
        case "math", "Round":
            return round(float(given[0]), given[1] if len(given) > 1 else 0)
        case "math", "Abs":
            return abs(given[0])
        case (("long" | "uint64"), "TryParse"):
            return _parsed(low, given[0], given[3])
        case "double", "Parse":
            return float(given[0])
        case "double", "IsNaN":
            return math.isnan(to_float(given[0]))
        case "double", "IsInfinity":
            return math.isinf(to_float(given[0]))
        case "timespan", "FromTicks":
            return timedelta(microseconds=to_int(given[0]) // 10)
        case "datetime", "Parse":
            return _dated(given[0])
        case "diagnostics.stopwatch", "StartNew":
            return Simple("Stopwatch", at=world.seconds)
        case "diagnostics.stopwatch", "GetTimestamp":
            return int(world.seconds * 10_000_000)
        case "diagnostics.process", "GetCurrentProcess":
            return Simple("Process", WorkingSet64=132 << 20, StartTime=world.now())
        case "threading.thread", "Sleep":
            world.seconds += given[0] / 1000
            return NOTHING
        case "security.cryptography.sha256", "Create":
            return Simple("SHA256")
    raise AssertionError(f"[{low}]::{name} is not read")


def _dated(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text(value)))
    except ValueError:
        raise Thrown("FormatException", "String was not recognized as a valid DateTime.") from None


def _parsed(low: str, value: str, into: Ref) -> bool:
    if not re.fullmatch(r"-?\d+" if low == "long" else r"\d+", value):
        return False
    found = int(value)
    good = -(2**63) <= found < 2**63 if low == "long" else found < 2**64
    if good:
        into.scope.write(into.name, found)
    return good
