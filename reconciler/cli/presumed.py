"""What specs presume on a host and no snapshot tells: a domain that it is in, files that lie there. For the twins of a rehearsal."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.emulator.estate import Estate
from reconciler.engine.link import Linked

ON_HOST = re.compile(r"[A-Za-z]:\\.+")


def joined(linked: Linked) -> frozenset[str]:
    """Hosts that specs want to do something in their domain."""
    return frozenset(host for host, found in linked.resources.items() if any(getattr(r.spec, "authorizedInDC", None) for r in found))


def place_files(linked: Linked, estate: Estate) -> list[str]:
    """Puts the files that specs name on a host (certificates, keys) on its twin; a sentence each."""
    said = []
    for host, path in _files(linked):
        machine = estate.machines.get(host)
        if machine is not None and machine.files.find(path) is None:
            machine.files.place(path, 0, "", machine.now)
            said.append(f"{host}: {path} is there, and holds what it should")
    return said


def _files(linked: Linked) -> Iterator[tuple[str, str]]:
    """Every field of a spec that is called a path and is one of Windows'."""
    for host, resources in linked.resources.items():
        for spec in (resource.spec for resource in resources):
            for name in type(spec).model_fields:
                value = getattr(spec, name)
                if name.endswith("Path") and isinstance(value, str) and ON_HOST.fullmatch(value):
                    yield host, value
