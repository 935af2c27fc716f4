"""Parameter binding as PowerShell does it: names by prefix and alias, conversion, validation, parameter sets, mandatory ones.

`powershell.execute` binds every call here before a cmdlet function sees it, so a call that Windows would refuse is refused with
the same error id. Position and pipeline input are not modelled: the wire never uses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.emulator.catalogue import ALL, Parameter, ParameterSet, Signature
from reconciler.emulator.convert import NUMBERS, Unconvertible, bare_type, convert
from reconciler.emulator.errors import BINDING, TRANSFORMATION, VALIDATION, CmdletError, text


class BindingError(CmdletError):
    """A refused call; `parameter` is what PowerShell names as the culprit, or None."""

    def __init__(self, id: str, category: str, message: str, exception: str, parameter: str | None) -> None:
        super().__init__(id, category, message, exception)
        self.parameter = parameter


@dataclass(frozen=True, slots=True)
class Binding:
    """Bound values by the parameter's own name, and the set they were bound in."""

    set: str
    values: Mapping[str, Any]


def bind(signature: Signature, given: Mapping[str, Any], language: str = "en-US") -> Binding:
    """Binds `given` or raises BindingError. Values are converted in the order in which they were given."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        parameter = resolve(signature, name, language)
        if parameter.name in values:
            raise BindingError("ParameterAlreadyBound", "InvalidArgument", text(language, "ambiguous", parameter=name), BINDING, name)
        values[parameter.name] = _value(signature, parameter, value, language)
    chosen = _choose(signature, values, language)
    return Binding(chosen.name if chosen else ALL, values)


def resolve(signature: Signature, name: str, language: str = "en-US") -> Parameter:
    """The parameter that `name` means: exactly, by alias, or by an unambiguous beginning."""
    folded = name.casefold()
    exact = signature.names.get(folded)
    if exact is not None:
        return signature.parameters[exact]
    begun = {own for known, own in signature.names.items() if folded and known.startswith(folded)}
    if len(begun) == 1:
        return signature.parameters[begun.pop()]
    if begun:
        raise BindingError("AmbiguousParameter", "InvalidArgument", text(language, "ambiguous", parameter=name), BINDING, name)
    raise BindingError("NamedParameterNotFound", "InvalidArgument", text(language, "parameter", parameter=name), BINDING, name)


def _value(signature: Signature, parameter: Parameter, value: Any, language: str) -> Any:
    kind = bare_type(parameter.type)
    validated = parameter.values if kind in ("String", "String[]") else ()
    enumerated = bool(parameter.values) and not validated and kind.removesuffix("[]") not in (*NUMBERS, "Boolean")
    try:
        converted = convert(value, parameter.type, parameter.values)
    except Unconvertible:
        if enumerated and not signature.compiled and not isinstance(value, list | dict):
            raise _invalid(parameter, value, language) from None
        raise _unconvertible(signature, parameter, value, language) from None
    allowed = {v.casefold() for v in validated}
    for item in (converted if isinstance(converted, list) else [converted]) if validated else ():
        if str(item).casefold() not in allowed:
            raise _invalid(parameter, item, language)
    if not validated and not enumerated and any(parameter.name in s.mandatory for s in signature.sets):
        _refuse_empty(signature, parameter, value, converted, language)
    return converted


def _invalid(parameter: Parameter, value: Any, language: str) -> BindingError:
    message = text(language, "value", parameter=parameter.name, value=value, type=",".join(parameter.values))
    return BindingError("ParameterArgumentValidationError", "InvalidData", message, VALIDATION, parameter.name)


def _unconvertible(signature: Signature, parameter: Parameter, value: Any, language: str) -> BindingError:
    """powershell.md f: compiled cmdlets and functions give different ids."""
    message = text(language, "convert", parameter=parameter.name, value=value, type=parameter.type)
    if signature.compiled:
        return BindingError("CannotConvertArgumentNoMessage", "InvalidArgument", message, BINDING, parameter.name)
    return BindingError("ParameterArgumentTransformationError", "InvalidData", message, TRANSFORMATION, parameter.name)


def _refuse_empty(signature: Signature, parameter: Parameter, value: Any, converted: Any, language: str) -> None:
    """A mandatory parameter takes neither empty text, nor null, nor an empty array."""
    message = text(language, "empty", parameter=parameter.name)
    if value is None and (signature.compiled or bare_type(parameter.type) != "String"):
        raise BindingError("ParameterArgumentValidationErrorNullNotAllowed", "InvalidData", message, VALIDATION, parameter.name)
    items = converted if isinstance(converted, list) else [converted]
    if not items:
        raise BindingError("ParameterArgumentValidationErrorEmptyArrayNotAllowed", "InvalidData", message, VALIDATION, parameter.name)
    if any(item == "" for item in items):
        raise BindingError("ParameterArgumentValidationErrorEmptyStringNotAllowed", "InvalidData", message, VALIDATION, parameter.name)


def _choose(signature: Signature, values: Mapping[str, Any], language: str) -> ParameterSet | None:
    """The parameter set that the bound names leave: the default where it is among several, else the only complete one."""
    bound = {name for name in values if not signature.parameters[name].common}
    fitting = [s for s in signature.sets if bound <= s.members]
    if not signature.sets and not bound:
        return None
    if not fitting:
        raise _ambiguous(language)
    complete = [s for s in fitting if set(s.mandatory) <= bound]
    default = next((s for s in fitting if s.default), None)
    chosen = fitting[0] if len(fitting) == 1 else default
    if chosen is None:
        if len(complete) == 1:
            return complete[0]
        raise _ambiguous(language)
    missing = [name for name in chosen.mandatory if name not in bound]
    if missing:
        names = " ".join(missing)
        raise BindingError("MissingMandatoryParameter", "InvalidArgument", text(language, "mandatory", parameter=names), BINDING, names)
    return chosen


def _ambiguous(language: str) -> BindingError:
    return BindingError("AmbiguousParameterSet", "InvalidArgument", text(language, "set"), BINDING, None)
