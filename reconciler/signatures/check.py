"""Law 6: whether a call is one that Windows would bind, and asks for properties that exist.

Read by the laws, by `doctor` before any host is touched, and by the emulator's own checks. It judges shape alone: whether the named
thing exists on a host is not its business, and a value that is only known later (`Out`, `Later`, `Secret`) passes as any type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any
from uuid import UUID

from reconciler.core.calls import AnyCall, Argv, Arm, ArmCall, Call, Cmdlet, Later, Out, Secret, Select
from reconciler.signatures import exceptions
from reconciler.signatures.arm import check_arm, check_arm_word
from reconciler.signatures.catalogue import Catalogue, CmdletSignature, OutputSignature, ParameterSignature, PropertySignature, catalogue

TIME_SPAN = re.compile(r"-?(?:\d+|(?:\d+\.)?\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,7})?)?)")


def check_call(call: AnyCall, known: Catalogue | None = None) -> list[str]:
    """What is wrong with the call, each fault in one line; programs and the ledger have no signature to break."""
    if isinstance(call, ArmCall):
        return check_arm(call)
    if not isinstance(call, Call):
        return []
    known = known or catalogue()
    signature = known.cmdlet(call.name)
    if signature is None:
        return [f"{call.name}: no such cmdlet in the catalogue"]
    named = [*_spelling(call.name, signature), *_names(signature, call.parameters)]
    bound = named or [*_fit(signature, call.parameters), *_values(signature, call.parameters)]
    return [f"{signature.name}: {fault}" for fault in (*bound, *_selected(signature.name, call, known))]


def check_word(word: Cmdlet | Arm, known: Catalogue | None = None) -> list[str]:
    """What is wrong with a word of a vocabulary: the cmdlet or operation, or a parameter or field that it accepts, does not exist."""
    if isinstance(word, Arm):
        return check_arm_word(word)
    signature = (known or catalogue()).cmdlet(word.name)
    if signature is None:
        return [f"{word.name}: no such cmdlet in the catalogue"]
    return [f"{signature.name}: {fault}" for fault in (*_spelling(word.name, signature), *_names(signature, word.accepts))]


def _spelling(name: str, signature: CmdletSignature) -> Iterator[str]:
    if name.rpartition("\\")[2] != signature.name:
        yield f"is spelled so, not {name}"


def _names(signature: CmdletSignature, given: Collection[str]) -> Iterator[str]:
    for name in given:
        if name in signature.parameters or name in signature.supports:
            continue
        found = signature.find(name)
        yield f"has no parameter {name}" + (f"; it is {found.name}" if found else "")


def _fit(signature: CmdletSignature, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Whether one parameter set takes what is given, as the binder chooses: the default set wherever it may, else the only complete one."""
    given = {name for name, value in parameters.items() if name in signature.parameters and value is not None}
    possible = [one for one in signature.sets.values() if given <= one.takes]
    possible = [one for one in possible if one.default] or possible
    complete = [one for one in possible if one.mandatory <= given]
    if not possible:
        yield f"no parameter set takes {_and(given)} together"
    elif not complete:
        lacking = min((sorted(one.mandatory - given) for one in possible), key=lambda names: (len(names), names))
        yield f"lacks {_and(lacking)}" + (f", which {_and(given)} needs" if given else "")
    elif len({one.bound for one in complete}) > 1 and signature.name not in exceptions.KEPT_APART:
        yield f"does not tell {_and({one.bound for one in complete})} apart by {_and(given) or 'nothing'}"
    else:
        yield from (f"{name}: is mandatory and must not be empty" for name in sorted(complete[0].mandatory) if parameters[name] == "")


def _and(names: Collection[str]) -> str:
    return ", ".join(sorted(names))


def _values(signature: CmdletSignature, parameters: Mapping[str, Any]) -> Iterator[str]:
    for name, value in parameters.items():
        parameter = signature.parameters.get(name)
        if parameter is not None:
            yield from (f"{name}: {fault}" for fault in _value(parameter, value))


def _value(parameter: ParameterSignature, value: Any) -> Iterator[str]:
    if isinstance(value, (list, tuple)) and parameter.type not in {"Object", "PSObject"}:
        if not parameter.array:
            yield f"takes one {parameter.element}, not a list"
        for entry in value if parameter.array else ():
            yield from _scalar(parameter, entry)
    else:
        yield from _scalar(parameter, value)


def _scalar(parameter: ParameterSignature, value: Any) -> Iterator[str]:
    if value is None or isinstance(value, (Out, Later, Secret)):
        return
    if parameter.element in exceptions.LIVE_OBJECTS:
        yield f"takes a live {parameter.element}, which a call cannot carry"
    elif parameter.values and parameter.element != "Boolean":
        yield from _enumerated(parameter, value)
    elif not CHECKS.get(parameter.element, _anything)(value):
        yield f"{value!r} is no {parameter.element}"


def _enumerated(parameter: ParameterSignature, value: Any) -> Iterator[str]:
    """Flags may be joined by commas, as the engine converts them; case never counts."""
    accepted = {text.casefold() for text in parameter.values}
    words = [word.strip().casefold() for word in str(value).split(",")] if isinstance(value, str) else [str(value).casefold()]
    if not set(words) <= accepted:
        yield f"{value!r} is none of {', '.join(parameter.values)}"


def _selected(name: str, call: Call, known: Catalogue) -> Iterator[str]:
    if not call.select:
        return
    type_ = exceptions.object_type(call)
    source, _ = exceptions.SAME_OBJECT.get(name, (name, ""))
    yield from _properties(source, known.outputs(source, type_), call.select, known)


def _properties(source: str, answer: OutputSignature | None, select: Select, known: Catalogue) -> Iterator[str]:
    """Each selected property must be known of the object; a pair goes one object deeper, where that object is known."""
    besides = exceptions.PROPERTIES.get(source)
    if answer is None and besides is None:
        yield f"what {source} answers is not known, so nothing can be selected of it"
        return
    stated: Mapping[str, PropertySignature] = answer.properties if answer else MappingProxyType({})
    for wanted in select:
        name = wanted if isinstance(wanted, str) else wanted[0]
        if not _known(source, name, stated, besides):
            yield _unknown(source, name, stated)
        elif not isinstance(wanted, str):
            yield from _deeper(source, stated.get(name), wanted, known)


def _known(source: str, name: str, stated: Mapping[str, PropertySignature], besides: exceptions.Known | None) -> bool:
    if besides and (besides.any or name in besides.properties):
        return True
    return name in stated and (stated[name].verified or (source, name) in exceptions.UNVERIFIED)


def _unknown(source: str, name: str, stated: Mapping[str, PropertySignature]) -> str:
    if name in stated:
        return f"the property {name} of {source} is unverified: it must not be selected without a stated reason"
    near = next((other for other in stated if other.casefold() == name.casefold()), None)
    return f"{source} has no property {name}" + (f"; it is {near}" if near else "")


def _deeper(source: str, stated: PropertySignature | None, wanted: tuple[str, Select], known: Catalogue) -> Iterator[str]:
    name, select = wanted
    besides = exceptions.NESTED_PROPERTIES.get((source, name))
    if besides:
        yield from (f"{source} has no property {name}.{inner}" for inner in select if isinstance(inner, str) and inner not in besides.properties)
        return
    other, _ = exceptions.NESTED_OBJECT.get((source, name), ("", ""))
    answer = known.outputs(other) if other else (known.objects(stated.element) if stated else None)
    if answer:
        yield from _properties(answer.name, answer, select, known)


def _anything(value: object) -> bool:
    return True


def _boolean(value: object) -> bool:
    return isinstance(value, bool)


def _text(value: object) -> bool:
    return isinstance(value, (str, Argv))


def _integer(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _reads(parse: Callable[[str], object]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        try:
            parse(str(value))
        except ValueError:
            return False
        return True

    return check


def _time_span(value: object) -> bool:
    return isinstance(value, timedelta) or (isinstance(value, str) and TIME_SPAN.fullmatch(value) is not None)


CHECKS: Mapping[str, Callable[[object], bool]] = MappingProxyType(
    {
        "SwitchParameter": _boolean,
        "Boolean": _boolean,
        "Byte": _integer(0, 2**8 - 1),
        "Int16": _integer(-(2**15), 2**15 - 1),
        "Int32": _integer(-(2**31), 2**31 - 1),
        "Int64": _integer(-(2**63), 2**63 - 1),
        "UInt16": _integer(0, 2**16 - 1),
        "UInt32": _integer(0, 2**32 - 1),
        "UInt64": _integer(0, 2**64 - 1),
        "String": _text,
        "Uri": _text,
        "IPAddress": _reads(ip_address),
        "Guid": _reads(UUID),
        "TimeSpan": _time_span,
        "DateTime": lambda value: isinstance(value, (str, datetime)),
    }
)
