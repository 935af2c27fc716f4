"""The frame of a document: apiVersion, kind, metadata and spec, each where it belongs. Says nothing about what stands inside."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.core.diagnostics import Position
from reconciler.core.kinds import Registry
from reconciler.manifests.nodes import Map, Node, Scalar, describe
from reconciler.manifests.reading import Reading
from reconciler.manifests.report import Report, closest, listed, meant, shown
from reconciler.manifests.shapes import API_VERSION, LATER_KINDS
from reconciler.manifests.specs import as_map

PARTS = ("apiVersion", "kind", "metadata", "spec")
BELONGS = "does this file belong here? Every .yaml and .yml under the folder is read"
AUTHORING = ("Host", "Fleet")


@dataclass(frozen=True, slots=True)
class Document:
    """One document whose frame is sound. `at` is where its kind stands, for errors about the whole of it."""

    file: str
    kind: str
    kind_node: Scalar
    metadata: Map
    spec: Map
    damaged: bool = False

    @property
    def at(self) -> Position:
        return Position(self.file, self.kind_node.line, self.kind_node.column, self.kind_node.length)


def frame(node: Node, file: str, registry: Registry, report: Report) -> Document | None:
    """The document at `node`, or None with what is wrong with its frame in `report`."""
    reading = Reading(file, "a document", report)
    if not isinstance(node, Map):
        message = f"a document is a map of {listed(list(PARTS), 'and')}, and here stands {describe(node)}"
        reading.fail("MAN002", message, node, help=BELONGS)
        return None
    if "kind" not in node.entries and "apiVersion" not in node.entries and not node.damaged:
        reading.fail("MAN002", "this is no manifest: it has neither apiVersion nor kind", node, help=BELONGS)
        return None
    _check_parts(reading, node)
    _check_version(reading, node)
    kind = _kind(reading, node, registry)
    metadata, spec = _map_of(reading, node, "metadata"), _map_of(reading, node, "spec")
    if kind is None or metadata is None or spec is None:
        return None
    return Document(file, kind.text, kind, metadata, spec, node.damaged or reading.broken)


def _check_parts(reading: Reading, node: Map) -> None:
    for name, (key, _) in node.entries.items():
        if name not in PARTS:
            help = "" if closest(name, list(PARTS)) else "fields of the resource itself stand under spec"
            reading.fail("MAN004", f"a document has no field {shown(name)}", key, label=meant(name, list(PARTS)), help=help)


def _word(reading: Reading, node: Map, name: str, help: str) -> Scalar | None:
    """The scalar under a key of the frame."""
    entry = node.entries.get(name)
    if entry is None:
        if not node.damaged:
            reading.fail("MAN002", f"this document has no {name}", node, help=help)
        return None
    key, value = entry
    if isinstance(value, Scalar) and not value.empty:
        return value
    reading.fail("MAN002", f"{name} wants one word, and here stands {describe(value)}", key, help=help)
    return None


def _check_version(reading: Reading, node: Map) -> None:
    version = _word(reading, node, "apiVersion", f"write apiVersion: {API_VERSION}")
    if version is not None and version.text != API_VERSION:
        reading.fail("MAN011", f"apiVersion {shown(version.text)} is not read here", version, help=f"write apiVersion: {API_VERSION}")


def _kind(reading: Reading, node: Map, registry: Registry) -> Scalar | None:
    known = [*AUTHORING, *registry]
    kind = _word(reading, node, "kind", f"write kind: {listed(known)}")
    if kind is None or kind.text in known:
        return kind
    if kind.text in LATER_KINDS:
        reading.fail(
            "MAN012",
            f"this version does not read {kind.text} yet",
            kind,
            help=f"write each {'Host' if kind.text != 'Policy' else 'resource'} out; kinds here are {listed(known, 'and')}",
        )
        return None
    near = meant(kind.text, known)
    reading.fail("MAN003", f"there is no kind {shown(kind.text)}", kind, label=near, help="" if near else f"kinds are {listed(known, 'and')}")
    return None


def _map_of(reading: Reading, node: Map, name: str) -> Map | None:
    entry = node.entries.get(name)
    if entry is None:
        empty = Map(node.line, node.column)
        empty.size = 1
        return empty
    key, value = entry
    if isinstance(value, Map) or (isinstance(value, Scalar) and value.empty):
        return as_map(reading, value, name, key)
    reading.fail("MAN002", f"{name} wants a map, and here stands {describe(value)}", key)
    return None
