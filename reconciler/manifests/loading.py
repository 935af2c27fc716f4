"""Files in, `Manifest` out: finds and reads the files, frames the documents, then hosts, then resources on their hosts.

This is the front of the package, called through `load`. Nothing here raises for bad input; all that is wrong, in all files,
comes back as diagnostics, sorted by place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from reconciler.core.collecting import uncollected
from reconciler.core.diagnostics import Diagnostic, Label, Position, Severity, error
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Registry
from reconciler.core.resources import Fleet, Host, Manifest, Written
from reconciler.manifests.documents import Document, frame
from reconciler.manifests.files import find, read
from reconciler.manifests.hosts import RESOURCES, read_fleet, read_host
from reconciler.manifests.reading import Reading
from reconciler.manifests.report import Enough, Report
from reconciler.manifests.resources import Entry, ResourceReader, entries
from reconciler.manifests.selectors import flat_entry, hosts_of
from reconciler.manifests.specs import Specs
from reconciler.manifests.syntax import documents

NOBODY = Host("HOST")  # a resource whose host is not known is read all the same, for its own errors


def load(paths: Sequence[Path], registry: Registry) -> Manifest:
    """All documents under `paths`, typed by the kinds of `registry`."""
    loading = _Loading(registry)
    with uncollected():
        for path in find(paths, loading.report):
            loading.read_file(path)
        loading.read_hosts()
        loading.read_resources()
    return loading.manifest()


class _Loading:
    """One load. `documents` are those whose frame is sound, in order."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.report = Report()
        self.specs = Specs(registry)
        self.files: list[str] = []
        self.count = 0
        self.documents: list[Document] = []
        self.fleet: Fleet | None = None
        self.hosts: dict[str, Host] = {}
        self.host_of: dict[int, Host] = {}  # by the index of its document
        self.written: list[Written] = []
        self._spelled: dict[str, Host] = {}
        self._seen: dict[tuple[str, str, str], Position] = {}
        self._twice: set[Position] = set()

    def read_file(self, path: Path) -> None:
        file = path.as_posix()
        self.files.append(file)
        with suppress(Enough):
            text = read(path, self.report)
            for node in documents(text, file, self.report) if text is not None else ():
                self.count += 1
                document = frame(node, file, self.registry, self.report)
                if document is not None:
                    self.documents.append(document)

    def read_hosts(self) -> None:
        for index, document in enumerate(self.documents):
            with suppress(Enough):
                if document.kind == "Host":
                    self._add_host(index, read_host(document, self.specs, self.report))
                elif document.kind == "Fleet":
                    self._add_fleet(document, read_fleet(document, self.specs, self.report))

    def _add_host(self, index: int, host: Host | None) -> None:
        if host is None:
            return
        first = self._spelled.setdefault(host.name.casefold(), host)
        if first is host:
            self.host_of[index] = self.hosts[host.name] = host
            return
        assert first.position is not None
        message = f"Host {host.name} is declared twice"
        self.report.add(
            error(
                "MAN009",
                message,
                host.position,
                label="again here",
                labels=(Label(first.position, "first here"),),
                help="keep one of the two, with all resources in it",
            )
        )

    def _add_fleet(self, document: Document, fleet: Fleet | None) -> None:
        if fleet is None:
            return
        if self.fleet is None:
            self.fleet = fleet
            return
        assert self.fleet.position is not None
        help = "keep one: every host keeps its record under the fleet's name"
        self.report.add(
            error(
                "MAN010",
                "there are two Fleets",
                fleet.position or document.at,
                label="again here",
                labels=(Label(self.fleet.position, "first here"),),
                help=help,
            )
        )

    def read_resources(self) -> None:
        """Every resource of every host, in the order of documents. A fleet that was not read whole is not searched for missing hosts."""
        whole = not self.report.errors
        reader = ResourceReader(self.specs, self.report)
        for index, document in enumerate(self.documents):
            with suppress(Enough):
                match document.kind:
                    case "Host":
                        self._of_host(index, document, reader)
                    case "Fleet":
                        continue
                    case _:
                        self._flat(document, reader, whole)

    def _of_host(self, index: int, document: Document, reader: ResourceReader) -> None:
        host = self.host_of.get(index)
        _, node = document.spec.entries.get(RESOURCES, (None, None))
        for entry in entries(node, Reading(document.file, "Host", self.report), self.registry):
            written = reader.read(entry, [host or NOBODY])
            self._add(entry, written if host else ())

    def _flat(self, document: Document, reader: ResourceReader, whole: bool) -> None:
        entry = flat_entry(document, self.specs, self.report)
        hosts = hosts_of(document, self.hosts, self.specs, self.report, whole)
        if entry is not None:
            self._add(entry, reader.read(entry, hosts or [NOBODY])[: len(hosts)])

    def _add(self, entry: Entry, written: Iterable[Written]) -> None:
        for one in written:
            key = (one.id.host, one.id.kind, one.id.name.casefold())
            first = self._seen.setdefault(key, entry.at)
            if first is entry.at or first == entry.at:
                self.written.append(one)
            elif entry.at not in self._twice:
                self._twice.add(entry.at)
                self.report.add(_declared_twice(one.id, entry.at, first))

    def manifest(self) -> Manifest:
        diagnostics = self.report.sorted()
        return Manifest(
            fleet=self.fleet or Fleet(),
            hosts=self.hosts,
            written=tuple(self.written),
            diagnostics=diagnostics,
            files=tuple(self.files),
            documents=self.count,
            complete=not any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics),
        )


def _declared_twice(id: ResourceId, again: Position, first: Position) -> Diagnostic:
    return error(
        "MAN008", f"{id.local} is declared twice on {id.host}", again, label="again here", labels=(Label(first, "first here"),), help="keep one of the two"
    )
