"""The kinds, one module each, and their registry. Handed to manifests, engine and docs by whoever starts them.

Others add kinds through the entry points group `reconciler.kinds`: each entry names a `Kind`. Nothing is imported before
`registry` is called, and nothing is registered behind the caller's back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from reconciler.core.calls import Word
from reconciler.core.errors import Defect
from reconciler.core.kinds import Kind, Registry, Rule

GROUP = "reconciler.kinds"
MODULES = (
    "windows_feature",
    "virtual_switch",
    "nat_network",
    "dhcp_server",
    "dhcp_scope",
    "dhcp_reservation",
    "eflow_vm",
    "eflow_provisioning",
    "azure_vm_extension",
)


def registry(rules: Iterable[Rule[Any]] = (), words: Iterable[Word] = ()) -> Registry:
    """All kinds in the order in which a host is built, then those of other distributions; with the rules across kinds and their words."""
    return Registry((*_own(), *_others()), rules, words)


def _own() -> Iterator[Kind[Any, Any]]:
    for name in MODULES:
        yield import_module(f"{__name__}.{name}").KIND


def _others() -> Iterator[Kind[Any, Any]]:
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        kind = entry.load()
        if not isinstance(kind, Kind):
            raise Defect(f"entry point {entry.name} of {GROUP} is no Kind")
        yield kind
