"""Reads the text of one scalar as a type wants it: a `Leaf` per type, compiled once per annotation of a spec.

Text comes as typed; nothing is guessed. Types of our own kinds read themselves through pydantic; the common ones take a short
way that also says better what is wrong. Results are values that cannot change, so equal texts share one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator, PlainValidator, TypeAdapter, ValidationError, WrapValidator

from reconciler.core.fieldtypes import Folded, MacAddress, SeenName
from reconciler.core.model import From, Gather, Keyed, Mark, Part, Ref
from reconciler.manifests.report import listed, meant, shown

LONGEST = 1024  # characters of a scalar that is not free text
LONGEST_TEXT = 65536
KEPT = 4096  # texts whose value is remembered, per type

MARKS = (Mark, Keyed, Ref, From, Gather, Part)
INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})")
DECIMAL = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?")
TRUE = frozenset(("true", "yes", "on"))
FALSE = frozenset(("false", "no", "off"))

WANTS: dict[Any, str] = {
    timedelta: "a duration, for example 8.00:00:00 or 30m",
    IPv4Address: "an IPv4 address",
    IPv4Interface: "an IPv4 address with its prefix length, for example 172.20.10.1/24",
    Union[IPv4Interface, IPv4Address]: "an IPv4 address",  # noqa: UP007 - hashes like what `leaf` is handed
    IPv4Network: "a network, for example 172.20.10.0/24",
    MacAddress: "a MAC address",
    SeenName: "a name",
    Folded: "text",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


class Wrong(Exception):
    """This text is not what the type wants. `label` goes under the text, `help` says what to write.

    `refused`: it is of the right form, and the type's own check refuses it.
    """

    def __init__(self, label: str, help: str = "", refused: bool = False) -> None:
        super().__init__(label)
        self.label = label
        self.help = help
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Leaf:
    """`wants` completes the sentence "X wants …"; `read` raises Wrong."""

    wants: str
    read: Callable[[str], Any]


def leaf(annotation: Any, metadata: Sequence[Any] = ()) -> Leaf:
    """How a scalar of this type is read. `metadata` is what stands beside it in `Annotated`, marks left out."""
    validators = [item for item in metadata if not isinstance(item, MARKS)]
    before = any(isinstance(item, BeforeValidator | PlainValidator | WrapValidator) for item in validators)
    wants = _wants(annotation)
    direct = None if before else _direct(annotation)
    if direct is None:
        return Leaf(wants, _kept(partial(_adapted, TypeAdapter(Annotated[annotation, *validators] if validators else annotation))))
    if not validators:
        return Leaf(direct.wants, direct.read)
    then = TypeAdapter(Annotated[Any, *validators])
    return Leaf(direct.wants, _kept(lambda text: _adapted(then, direct.read(text))))


def choice(options: Sequence[tuple[str, Any]]) -> Leaf:
    """One of a closed set, compared without case."""
    by_text = {text.casefold(): value for text, value in options}
    names = [text for text, _ in options]

    def read(text: str) -> Any:
        try:
            return by_text[text.casefold()]
        except KeyError:
            raise Wrong(meant(text, names) or ("none of these" if len(names) > 1 else "")) from None

    return Leaf(listed(names), read)


def options(kind: type[Enum]) -> Sequence[tuple[str, Any]]:
    """The members of an enumeration by what people type: text values as they are, numbers by their member's name."""
    return [(member.value if isinstance(member.value, str) else member.name, member) for member in kind]


def _wants(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return listed([str(value) for value in get_args(annotation)])
    if not isinstance(annotation, type):
        return WANTS.get(annotation, "one value")
    return next((WANTS[base] for base in annotation.__mro__ if base in WANTS), "one value")


def _direct(annotation: Any) -> Leaf | None:
    if get_origin(annotation) is Literal:
        return choice([(_typed(value), value) for value in get_args(annotation)])
    if annotation is str:
        return Leaf("text", _text)
    if annotation is Any:
        return Leaf("one value", _text)
    if annotation in _READERS:
        return Leaf(WANTS[annotation], _kept(_READERS[annotation]))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return choice(options(annotation))
    if annotation in (SeenName, Folded):
        return Leaf(WANTS[annotation], _kept(annotation))
    return None


def _typed(value: Any) -> str:
    """A value of a Literal as people type it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kept(read: Callable[[str], Any]) -> Callable[[str], Any]:
    remembered = lru_cache(KEPT)(read)

    def bounded(text: str) -> Any:
        if len(text) > LONGEST:
            raise Wrong(f"{len(text):,} characters are too many here", f"at most {LONGEST:,}")
        return remembered(text)

    return bounded


def _text(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise Wrong(f"{len(text):,} characters are too many", f"at most {LONGEST_TEXT:,}")
    return text


def _adapted(adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        return adapter.validator.validate_python(value)
    except ValidationError as problem:
        raise Wrong(_said(problem), refused=True) from None


def _said(problem: ValidationError) -> str:
    """pydantic's first message as one line in our words."""
    first = problem.errors(include_url=False, include_input=False)[0]
    context = first.get("ctx", {})
    match first["type"]:
        case "greater_than_equal":
            return f"at least {context['ge']}"
        case "less_than_equal":
            return f"at most {context['le']}"
        case "greater_than":
            return f"more than {context['gt']}"
        case "less_than":
            return f"less than {context['lt']}"
        case _:
            text = first["msg"].removeprefix("Value error, ").replace("Input should be", "should be").replace("Input is", "this is")
            return shown(text) if "\n" in text else text


def plain_message(problem: ValidationError) -> str:
    """The same for a whole model that refused its fields together."""
    return _said(problem)


def _boolean(text: str) -> bool:
    folded = text.casefold()
    if folded in TRUE:
        return True
    if folded in FALSE:
        return False
    raise Wrong("neither true nor false", "yes, no, on and off are read as well")


def _whole(text: str) -> int:
    if INTEGER.fullmatch(text):
        return int(text)
    raise Wrong(_why_no_number(text))


def _why_no_number(text: str) -> str:
    if re.fullmatch(r"[+-]?0[0-9]+", text):
        return "a number has no leading zero"
    if re.fullmatch(r"[+-]?[0-9][0-9_,']*[0-9]", text) and not text.strip("+-").isdigit():
        return "digits only, nothing between them"
    if re.fullmatch(r"[+-]?0[xXoObB][0-9a-fA-F_]+", text):
        return "a number is written in decimal"
    if re.fullmatch(r"[+-]?[0-9]+\.[0-9]*", text):
        return "no fraction"
    if re.fullmatch(r"[0-9.]+ ?[kKmMgGtT]i?[bB]?", text):
        return "the field's name says the unit; write the number alone"
    return "no number" if not re.fullmatch(r"[+-]?[0-9]+", text) else "this number is too large"


def _number(text: str) -> float:
    if DECIMAL.fullmatch(text):
        return float(text)
    raise Wrong(_why_no_number(text))


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise Wrong(_why_no_address(text)) from None


def _why_no_address(text: str) -> str:
    if "/" in text:
        return "the address alone, without a prefix length"
    if ":" in text:
        return "IPv4 only"
    parts = text.split(".")
    if all(part.isdigit() for part in parts):
        if len(parts) != 4:
            return f"an address has four numbers, not {len(parts)}"
        if any(int(part[:9]) > 255 for part in parts):
            return f"{shown(next(part for part in parts if int(part[:9]) > 255))} is more than 255"
        return "a number has no leading zero"
    return "no IPv4 address"


def _interface(text: str) -> IPv4Interface:
    if "/" not in text:
        raise Wrong("its prefix length is missing", f"for example {shown(text)}/24")
    try:
        return IPv4Interface(text)
    except ValueError:
        raise Wrong(_why_no_address(text.partition("/")[0]) if not _is_address(text.partition("/")[0]) else "the prefix length is 0 to 32") from None


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _network(text: str) -> IPv4Network:
    interface = _interface(text)
    if interface.ip != interface.network.network_address:
        raise Wrong("this is an address in a network, not the network", f"the network is {interface.network}")
    return interface.network


_READERS: dict[Any, Callable[[str], Any]] = {
    bool: _boolean,
    int: _whole,
    float: _number,
    IPv4Address: _address,
    IPv4Interface: _interface,
    IPv4Network: _network,
}
