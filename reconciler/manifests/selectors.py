"""Where a flat document is meant: `host: NAME`, `hosts: all`, or `hosts: {matchLabels: {…}}`; and what it is called."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.diagnostics import Diagnostic, Label, Severity
from reconciler.core.resources import Host
from reconciler.manifests.documents import Document
from reconciler.manifests.nodes import Map, Node, Scalar, describe
from reconciler.manifests.reading import Reading
from reconciler.manifests.report import Report, listed, meant, shown
from reconciler.manifests.resources import Entry, usable
from reconciler.manifests.shapes import ResourceMetadata, SelectorSpec
from reconciler.manifests.specs import Specs, read_fields

ALL = "all"
HELP = "write host: NAME, hosts: all, or hosts: {matchLabels: {LABEL: VALUE}}"


def flat_entry(document: Document, specs: Specs, report: Report) -> Entry | None:
    """The resource that a flat document declares, or None where it has no usable name."""
    reading = Reading(document.file, document.kind, report)
    metadata = read_fields(reading, document.metadata, specs.shape(ResourceMetadata), "metadata")
    if specs.registry[document.kind].singleton:
        return Entry(document.file, document.kind, "", document.kind_node, document.spec, flat=True, broken=document.damaged)
    name = metadata.get("name")
    if name is None:
        if not reading.broken and not document.metadata.damaged:
            reading.fail("MAN006", f"this {document.kind} has no name", document.kind_node, help="write metadata: {name: NAME}")
        return None
    node = document.metadata.entries["name"][1]
    if not isinstance(node, Scalar) or not usable(reading, node, document.kind, name):
        return None
    return Entry(document.file, document.kind, name, node, document.spec, flat=True, broken=document.damaged)


def hosts_of(document: Document, hosts: Mapping[str, Host], specs: Specs, report: Report, whole: bool) -> list[Host]:
    """The hosts that the document is meant for; `whole`: all hosts are known, so that one that is not found does not exist."""
    reading = Reading(document.file, f"{document.kind}.spec", report)
    host, group = document.spec.entries.get("host"), document.spec.entries.get("hosts")
    if host is not None and group is not None:
        labels = (Label(reading.at(host[0]), "one host here"),)
        reading.fail("MAN032", f"this {document.kind} says twice where it is meant", group[0], label="several here", labels=labels, help="keep one of the two")
        return []
    if host is not None:
        return _one(reading, document, host[1], hosts, whole)
    if group is not None:
        return _several(reading, document, group[1], hosts, specs, whole)
    if not document.spec.damaged:
        reading.fail("MAN032", f"this {document.kind} does not say on which host it is meant", document.kind_node, help=HELP)
    return []


def _one(reading: Reading, document: Document, node: Node, hosts: Mapping[str, Host], whole: bool) -> list[Host]:
    if not isinstance(node, Scalar) or node.empty:
        reading.fail("MAN032", f"host wants one name, and here stands {describe(node)}", node, help=HELP)
        return []
    if node.text in hosts:
        return [hosts[node.text]]
    if whole:
        near = meant(node.text, list(hosts))
        help = "declare it: kind: Host, metadata: {name: " + shown(node.text) + "}" if not near else ""
        reading.fail("LNK010", f"{document.kind} names the host {shown(node.text)}, which is not declared", node, label=near, help=help)
    return []


def _several(reading: Reading, document: Document, node: Node, hosts: Mapping[str, Host], specs: Specs, whole: bool) -> list[Host]:
    if isinstance(node, Scalar) and node.text == ALL:
        return list(hosts.values())
    if not isinstance(node, Map):
        reading.fail("MAN032", f"hosts wants the word all or a map with matchLabels, and here stands {describe(node)}", node, help=HELP)
        return []
    selector = read_fields(reading, node, specs.shape(SelectorSpec), "hosts")
    wanted = selector.get("matchLabels")
    if not wanted:
        if not reading.broken:
            reading.fail("MAN032", "an empty selector is not read as every host", node, help="every host is the word: hosts: all")
        return []
    found = [host for host in hosts.values() if all(host.labels.get(name) == value for name, value in wanted.items())]
    if not found and whole:
        reading.report.add(_finds_nothing(reading, node, wanted, hosts))
    return found


def _finds_nothing(reading: Reading, node: Map, wanted: Mapping[str, str], hosts: Mapping[str, Host]) -> Diagnostic:
    asked = ", ".join(f"{shown(name)}={shown(value)}" for name, value in wanted.items())
    return Diagnostic(
        "MAN033", Severity.WARNING, f"no host has {asked}", reading.at(node), label=_instead(wanted, hosts), help="declared here, it is on no host"
    )


def _instead(wanted: Mapping[str, str], hosts: Mapping[str, Host]) -> str:
    """What the first label without a host could have meant."""
    for name, value in wanted.items():
        values = sorted({host.labels[name] for host in hosts.values() if name in host.labels})
        if not values:
            return meant(name, sorted({label for host in hosts.values() for label in host.labels})) or f"no host has a label {shown(name)}"
        if value not in values:
            return meant(value, values) or f"{shown(name)} is {listed(values[:8])}"
    return "no host has all of these at once"
