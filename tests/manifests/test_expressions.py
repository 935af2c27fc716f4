"""`${…}` stands for what a host says of itself, is read by the field's type, and is total."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.core.resources import Host
from reconciler.manifests.expressions import Unknown, expand, scope_of

Errors = Callable[[str], list[str]]
SCOPE = scope_of(Host("edge-01", labels={"tier": "cloud", "cpus": "4"}, sku="server-2022"))


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("${host.name}.example.net", "edge-01.example.net"),
        ("${ host.sku }", "server-2022"),
        ("${host.labels.tier}-${host.labels.cpus}", "cloud-4"),
        ("$${host.name}", "${host.name}"),
        ("costs $5 {or so}", "costs $5 {or so}"),
    ],
)
def test_a_name_is_replaced_by_its_text(typed: str, read: str) -> None:
    assert expand(typed, SCOPE) == read


@pytest.mark.parametrize(
    ("typed", "code", "offset"),
    [
        ("x${host.nme}", "MAN035", 1),
        ("${host.timeZone}", "MAN035", 0),
        ("${host.labels.site}", "MAN035", 0),
        ("${host.name", "MAN036", 0),
        ("${}", "MAN035", 0),
        ("${host.name + 1}", "MAN035", 0),
        ("${__import__('os')}", "MAN035", 0),
    ],
)
def test_what_names_nothing_is_an_error_at_its_place(typed: str, code: str, offset: int) -> None:
    with pytest.raises(Unknown) as caught:
        expand(typed, SCOPE)
    assert (caught.value.code, caught.value.offset) == (code, offset)


def test_the_result_is_read_by_the_fields_type_for_each_host(load_text: Any) -> None:
    found = load_text(
        "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: a, labels: {n: '1'}}\n---\n"
        "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: b, labels: {n: two}}\n---\n"
        "apiVersion: reconciler/v1\nkind: Switch\nmetadata: {name: s}\nspec:\n  hosts: all\n  count: ${host.labels.n}\n  note: on ${host.name}\n"
    )
    one, two = found.written
    assert (one.values["count"], one.values["note"], one.broken) == (1, "on a", False)
    assert ("count" in two.values, two.values["note"], two.broken) == (False, "on b", True)
    (wrong,) = found.diagnostics
    assert (str(wrong.position), wrong.message, wrong.details) == ("a.yaml:14:10", "Switch.count wants a whole number", (("read as", "two"),))


def test_text_that_came_from_a_host_is_text_even_where_it_reads_like_nothing(load_text: Any) -> None:
    found = load_text(
        "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: a, labels: {n: 'null'}}\nspec: {resources: {Switch/s: {note: '${host.labels.n}'}}}\n"
    )
    assert found.written[0].values["note"] == "null"


def test_an_address_may_be_made_of_the_hosts_own_name(load_text: Any) -> None:
    found = load_text("apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: a}\nspec: {address: '${host.name}.example.net'}\n")
    assert found.hosts["a"].address == "a.example.net"


def test_an_expression_is_marked_where_it_stands(errors: Errors) -> None:
    assert errors("Switch/a:\n  note: before ${host.nmae} after") == ["MAN035 2:16 there is no ${host.nmae}"]


def test_no_expression_stands_where_nothing_is_known_yet(load_text: Any) -> None:
    found = load_text("apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: a, labels: {x: '${host.name}'}}\nspec: {computerName: '${host.name}'}\n")
    assert [(d.code, str(d.position)) for d in found.diagnostics] == [("MAN036", "a.yaml:3:33"), ("MAN036", "a.yaml:4:22")]


def test_no_expression_stands_in_a_name(errors: Errors) -> None:
    assert errors('"Switch/${host.name}": {}') == ["MAN036 1:1 an expression cannot stand in a name"]
