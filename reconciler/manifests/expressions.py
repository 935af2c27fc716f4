"""`${host.name}` and its few siblings inside a scalar: names are replaced by text, and that is all. No code, no functions.

Total: every name has a value or is an error with the names that exist. The result is read by the field's type like any text.
`$${` stands for `${` itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reconciler.core.resources import Host
from reconciler.manifests.report import listed, meant, shown

TOKEN = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
NAMES = ("host.name", "host.sku", "host.timeZone")


@dataclass(frozen=True, slots=True)
class Scope:
    """What expressions may name for one host: name → text. A name whose text is None exists, and this host does not say it."""

    host: str
    names: Mapping[str, str | None]


class Unknown(Exception):
    """An expression that gives no text; `offset` and `length` say where in the scalar."""

    def __init__(self, code: str, message: str, offset: int, length: int, label: str = "", help: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset
        self.length = length
        self.label = label
        self.help = help


def scope_of(host: Host) -> Scope:
    """What `${…}` may name in the resources of `host`."""
    names: dict[str, str | None] = {"host.name": host.name, "host.sku": host.sku or None, "host.timeZone": host.time_zone or None}
    names |= {f"host.labels.{key}": value for key, value in host.labels.items()}
    return Scope(host.name, MappingProxyType(names))


def expand(text: str, scope: Scope | None) -> str:
    """`text` with every expression replaced. Raises Unknown; without a scope every expression is refused."""

    def value(found: re.Match[str]) -> str:
        if found.group() == "$${":
            return "${"
        if scope is None:
            raise Unknown(
                "MAN036",
                "an expression cannot stand here",
                found.start(),
                len(found.group()),
                help="expressions are read in resources and in the address of a host; $${ writes ${ itself",
            )
        if found.group(1) is None:
            raise Unknown("MAN036", "this expression is not closed", found.start(), 2, help="write ${host.name}; $${ writes ${ itself")
        return _named(found.group(1), found, scope)

    return TOKEN.sub(value, text)


def _named(written: str, found: re.Match[str], scope: Scope) -> str:
    name = written.strip()
    value = scope.names.get(name)
    if value is not None:
        return value
    where = (found.start(), len(found.group()))
    if name in scope.names:
        raise Unknown(
            "MAN035",
            f"{scope.host} does not say its {name.removeprefix('host.')}",
            *where,
            help=f"write {name.removeprefix('host.')} in the spec of Host {scope.host}",
        )
    if name.startswith("host.labels."):
        labels = [known.removeprefix("host.labels.") for known in scope.names if known.startswith("host.labels.")]
        known = f"its labels: {listed(labels, 'and')}" if labels else "it has no labels"
        raise Unknown("MAN035", f"{scope.host} has no label {shown(name.removeprefix('host.labels.'))}", *where, help=known)
    known = listed([*NAMES, "host.labels.NAME"])
    raise Unknown("MAN035", f"there is no ${{{shown(name)}}}", *where, label=meant(name, list(scope.names)), help=f"an expression is one of {known}")
