"""Host and Fleet documents → the values of core. A field that fails costs the others nothing: a host whose sku is wrong is still a host."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from reconciler.core.resources import Connection, Fleet, Host
from reconciler.manifests.documents import Document
from reconciler.manifests.expressions import scope_of
from reconciler.manifests.nodes import Map
from reconciler.manifests.reading import Reading
from reconciler.manifests.report import Report
from reconciler.manifests.shapes import AddressSpec, ConnectionSpec, FleetMetadata, FleetSpec, HostMetadata, HostSpec
from reconciler.manifests.specs import Specs, missing, read_fields

RESOURCES = "resources"


def read_host(document: Document, specs: Specs, report: Report) -> Host | None:
    """The host, or None where it has no usable name."""
    reading = Reading(document.file, "Host", report)
    metadata = _metadata(reading, document, specs, HostMetadata)
    address = specs.shape(AddressSpec)
    values = read_fields(reading, document.spec, specs.shape(HostSpec), "spec", (*address, RESOURCES))
    if "name" not in metadata:
        return None
    host = Host(
        name=metadata["name"],
        labels=MappingProxyType(metadata.get("labels", {})),
        sku=values.get("sku", ""),
        time_zone=values.get("timeZone", ""),
        computer_name=values.get("computerName", ""),
        connection=_connection(values.get("connection")),
        position=reading.where["metadata.name"],
    )
    reading.scope = scope_of(host)
    written = Map(document.spec.line, document.spec.column)
    written.entries = {name: entry for name, entry in document.spec.entries.items() if name in address}
    return _with_address(host, read_fields(reading, written, address, "spec").get("address", ""))


def _with_address(host: Host, address: str) -> Host:
    return Host(host.name, address, host.labels, host.sku, host.time_zone, host.computer_name, host.connection, host.position)


def _metadata(reading: Reading, document: Document, specs: Specs, model: Any) -> dict[str, Any]:
    known = specs.shape(model)
    values = read_fields(reading, document.metadata, known, "metadata")
    missing(reading, document.metadata, document.kind_node, values, known, "metadata")
    return values


def _connection(written: ConnectionSpec | None) -> Connection:
    if written is None:
        return Connection()
    options = {name: value for name, value in written.__dict__.items() if value is not None and name not in ("transport", "port")}
    return Connection(written.transport, written.port, MappingProxyType(options))


def read_fleet(document: Document, specs: Specs, report: Report) -> Fleet | None:
    """The fleet, or None where it has no usable name."""
    reading = Reading(document.file, "Fleet", report)
    metadata = _metadata(reading, document, specs, FleetMetadata)
    values = read_fields(reading, document.spec, specs.shape(FleetSpec), "spec")
    if "name" not in metadata:
        return None
    return Fleet(metadata["name"], values.get("maxDeletes", FleetSpec().maxDeletes), True, reading.where["metadata.name"])
