"""Host and Fleet documents → the values of core. A field that fails costs the others nothing: a host whose sku is wrong is still a host."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

from reconciler.core.resources import Azure, Connection, Fleet, Host
from reconciler.manifests.documents import Document
from reconciler.manifests.expressions import scope_of
from reconciler.manifests.nodes import Map
from reconciler.manifests.reading import FAILED, Reading
from reconciler.manifests.report import Report
from reconciler.manifests.shapes import AddressSpec, AzureSpec, ConnectionSpec, FleetMetadata, FleetSpec, HostMetadata, HostSpec
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
    _restricted(reading, document, values.get("connection"))
    host = _with_azure(reading, document, host, values)
    reading.scope = scope_of(host)
    written = Map(document.spec.line, document.spec.column)
    written.entries = {name: entry for name, entry in document.spec.entries.items() if name in address}
    return _with_address(host, read_fields(reading, written, address, "spec").get("address", ""))


def _with_address(host: Host, address: str) -> Host:
    return replace(host, address=address)


def _with_azure(reading: Reading, document: Document, host: Host, values: dict[str, Any]) -> Host:
    """A scale set is reached through Azure Resource Manager alone; without `azure:`, `connection: none` leaves nobody to ask."""
    written: AzureSpec | None = values.get("azure")
    if written is None:
        if not host.connected and not _failed(document, values, "azure"):
            node = document.spec.entries["connection"][1]
            reading.fail("MAN005", "connection: none is for hosts with azure:", node, help="add azure: {subscription: …, resourceGroup: …, vm: …}")
        return host
    node = document.spec.entries["azure"][1]
    if (written.vm is None) == (written.scaleSet is None):
        both = "both" if written.vm else "neither"
        reading.fail("MAN005", f"Host.spec.azure names exactly one of vm and scaleSet, here {both}", node)
        return host
    if written.scaleSet and "connection" in values and host.connected:
        told = "a scale set is managed through Azure Resource Manager alone"
        reading.fail("MAN005", told, document.spec.entries["connection"][1], help="write connection: none, or leave it out")
    connection = Connection("none") if written.scaleSet else host.connection
    azure = Azure(
        subscription=written.subscription.casefold(),
        resource_group=written.resourceGroup,
        vm=written.vm or "",
        scale_set=written.scaleSet or "",
        cloud=written.cloud or "public",
        tenant=written.tenant or "",
        credential=written.credential or "",
        nested=written.nestedVirtualization is not None,
    )
    return replace(host, azure=azure, connection=connection)


def _failed(document: Document, values: dict[str, Any], name: str) -> bool:
    """Whether a field was written and could not be read: that has been reported."""
    return name in document.spec.entries and values.get(name, FAILED) is FAILED


def _metadata(reading: Reading, document: Document, specs: Specs, model: Any) -> dict[str, Any]:
    known = specs.shape(model)
    values = read_fields(reading, document.metadata, known, "metadata")
    missing(reading, document.metadata, document.kind_node, values, known, "metadata")
    return values


def _connection(written: ConnectionSpec | Literal["none"] | None) -> Connection:
    if written is None:
        return Connection()
    if not isinstance(written, ConnectionSpec):
        return Connection(written)
    options = {name: value for name, value in written.__dict__.items() if value is not None and name not in ("transport", "port")}
    return Connection(written.transport, written.port, MappingProxyType(options))


def _restricted(reading: Reading, document: Document, written: ConnectionSpec | Literal["none"] | None) -> None:
    """A session configuration is of PSRP, and its mode says what it was made for."""
    if not isinstance(written, ConnectionSpec) or (written.configurationName is None and written.mode is None):
        return
    node = document.spec.entries["connection"][1]
    if written.transport != "psrp":
        told = "configurationName and mode are of transport: psrp"
        reading.fail("MAN005", f"Host.spec.connection names a session configuration, and its transport is {written.transport}", node, help=told)
    elif written.configurationName is None or written.mode is None:
        missing, other = ("mode", "configurationName") if written.mode is None else ("configurationName", "mode")
        reading.fail("MAN005", f"Host.spec.connection has {other} and no {missing}", node, help="mode is function, or cmdlet where nothing may be changed")


def read_fleet(document: Document, specs: Specs, report: Report) -> Fleet | None:
    """The fleet, or None where it has no usable name."""
    reading = Reading(document.file, "Fleet", report)
    metadata = _metadata(reading, document, specs, FleetMetadata)
    values = read_fields(reading, document.spec, specs.shape(FleetSpec), "spec")
    if "name" not in metadata:
        return None
    return Fleet(metadata["name"], values.get("maxDeletes", FleetSpec().maxDeletes), True, reading.where["metadata.name"])
