"""Frames of documents, hosts and the fleet; all errors of all files in one run."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.calls import Secret
from reconciler.core.resources import Fleet


def codes(manifest: Any) -> list[str]:
    return [f"{d.code} {d.position}" for d in manifest.diagnostics]


def test_nothing_at_all_is_a_warning_and_a_whole_fleet(load_text: Any) -> None:
    manifest = load_text(empty="", comments="# only\n---\n---\n# this\n", quiet="--- ~\n")
    assert manifest.diagnostics == ()
    assert (manifest.complete, manifest.documents, len(manifest.files)) == (True, 0, 3)
    assert manifest.fleet == Fleet()


def test_the_fleet_is_declared_once(load_text: Any) -> None:
    one = "apiVersion: reconciler/v1\nkind: Fleet\nmetadata: {name: edge}\nspec: {maxDeletes: 9}\n"
    assert load_text(one).fleet.max_deletes == 9
    twice = load_text(f"{one}---\n{one}")
    assert codes(twice) == ["MAN010 a.yaml:8:18"]
    assert str(twice.diagnostics[0].labels[0].position) == "a.yaml:3:18"


def test_a_host_says_who_it_is_and_how_it_is_reached(load_text: Any) -> None:
    manifest = load_text(
        "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: edge-01, labels: {tier: cloud}}\nspec:\n"
        "  address: 10.0.0.1\n  sku: Server-2022\n  timeZone: Europe/Amsterdam\n  computerName: EDGE01\n"
        "  connection: {transport: winrm, port: 5986, authentication: kerberos, username: svc, password: {env: PW}}\n"
    )
    host = manifest.hosts["edge-01"]
    assert manifest.complete
    assert (host.address, host.sku, host.time_zone, host.computer_name, dict(host.labels)) == (
        "10.0.0.1",
        "server-2022",
        "Europe/Amsterdam",
        "EDGE01",
        {"tier": "cloud"},
    )
    assert (host.connection.transport, host.connection.port) == ("winrm", 5986)
    assert dict(host.connection.options) == {"authentication": "kerberos", "username": "svc", "password": Secret("env", "PW")}


def test_a_host_with_a_wrong_field_is_still_a_host(load_text: Any) -> None:
    manifest = load_text("apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: h, labels: [x]}\nspec: {sku: server-2011, resources: {Switch/a: {}}}\n")
    assert codes(manifest) == ["MAN005 a.yaml:3:29", "MAN005 a.yaml:4:13"]
    assert list(manifest.hosts) == ["h"]
    assert [str(written.id) for written in manifest.written] == ["h/Switch/a"]


def test_a_host_twice_is_an_error_with_both_places_and_counts_once(load_text: Any) -> None:
    one = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: h}\nspec: {resources: {Switch/a: {}}}\n"
    manifest = load_text(a=one, b=one.replace("name: h", "name: H"))
    assert codes(manifest) == ["MAN009 b.yaml:3:18"]
    assert str(manifest.diagnostics[0].labels[0].position) == "a.yaml:3:18"
    assert len(manifest.written) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[1, 2]\n", ["MAN002 a.yaml:1:1"]),
        ("just text\n", ["MAN002 a.yaml:1:1"]),
        ("kind: Host\nmetadata: {name: h}\n", ["MAN002 a.yaml:1:1"]),
        ("apiVersion: v2\nkind: Host\nmetadata: {name: h}\n", ["MAN011 a.yaml:1:13"]),
        ("apiVersion: reconciler/v1\nmetadata: {name: h}\n", ["MAN002 a.yaml:1:1"]),
        ("apiVersion: reconciler/v1\nkind: Hots\n", ["MAN003 a.yaml:2:7"]),
        ("apiVersion: reconciler/v1\nkind: Overlay\n", ["MAN012 a.yaml:2:7"]),
        ("apiVersion: reconciler/v1\nkind: {a: b}\n", ["MAN002 a.yaml:2:1"]),
        ("apiVersion: reconciler/v1\nkind: Host\nmetadata: h\n", ["MAN002 a.yaml:3:1"]),
        ("apiVersion: reconciler/v1\nkind: Host\n", ["MAN006 a.yaml:2:7"]),
        ("apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: a b}\n", ["MAN005 a.yaml:3:18"]),
        ("apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: h}\nspec: {sku: server-2022}\nstatus: {}\n", ["MAN004 a.yaml:5:1"]),
        ("apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: h}\nspec: {resources: [a]}\n", ["MAN002 a.yaml:4:19"]),
        ("apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: h}\nspec: {resources: {Switch/a: x}}\n", ["MAN002 a.yaml:4:30"]),
        ("apiVersion: reconciler/v1\nkind: Switch\nspec: {hosts: all}\n", ["MAN006 a.yaml:2:7"]),
        ("apiVersion: reconciler/v1\nkind: Fleet\nmetadata: {name: edge}\nspec: {maxDeletes: -1}\n", ["MAN005 a.yaml:4:20"]),
    ],
)
def test_a_document_out_of_shape_is_said_at_its_place(load_text: Any, text: str, found: list[str]) -> None:
    assert codes(load_text(text)) == found


def test_one_broken_document_hides_no_other(load_text: Any) -> None:
    manifest = load_text(
        a=(
            "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: a\n---\napiVersion: reconciler/v1\nkind: Hots\n"
            "---\n\tx: 1\n---\napiVersion: reconciler/v1\nkind: Host\nmetadata: {name: b}\n"
        ),
        b="apiVersion: reconciler/v1\nkind: Hast\n",
    )
    assert codes(manifest) == ["MAN001 a.yaml:4:1", "MAN003 a.yaml:6:7", "MAN025 a.yaml:8:1", "MAN003 b.yaml:2:7"]
    assert list(manifest.hosts) == ["b"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1\na: 2\n", "MAN007 a.yaml:2:1"),
        ("a: !!python/object/apply:os.system [x]\n", "MAN029 a.yaml:1:4"),
        ("a: !env X\n", "MAN029 a.yaml:1:4"),
        ("a: !!str x\n", "MAN029 a.yaml:1:4"),
        ("a: !x!y z\n", "MAN029 a.yaml:1:4"),
        ("x: &x {b: 1}\na: {<<: *x}\n", "MAN030 a.yaml:2:5"),
        ("? [a]\n: 1\n", "MAN031 a.yaml:1:3"),
        ("{a: 1}: 2\n", "MAN031 a.yaml:1:1"),
        ("?\n: 1\n", "MAN031 a.yaml:1:2"),
        ("{: 1}\n", "MAN001 a.yaml:1:2"),
        ("a: *x\n", "MAN028 a.yaml:1:4"),
        ("a: &x [*x]\n", "MAN028 a.yaml:1:8"),
        ("a:\n\tb: 1\n", "MAN025 a.yaml:2:1"),
        ("a: 'x\n---\nb: 1\n", "MAN001 a.yaml:1:4"),
        ("a: b: c\n", "MAN001 a.yaml:1:5"),
        ("- a\nb: 1\n", "MAN001 a.yaml:2:1"),
        ('a: "\\q"\n', "MAN001 a.yaml:1:5"),
        ("%YAML 3.0\n---\na: 1\n", "MAN001 a.yaml:1:1"),
        ("a: @x\n", "MAN001 a.yaml:1:4"),
    ],
)
def test_what_a_manifest_does_not_use_of_yaml_is_refused(load_text: Any, text: str, found: str) -> None:
    assert found in codes(load_text(text))
    assert not load_text(text).complete


def test_an_alias_is_what_it_names(load_text: Any) -> None:
    manifest = load_text("apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: h}\nspec: {resources: {Switch/a: &a {count: 1}, Switch/b: *a}}\n")
    assert [(written.id.name, written.values["count"]) for written in manifest.written] == [("a", 1), ("b", 1)]


def test_diagnostics_come_in_the_order_of_their_places(load_text: Any) -> None:
    manifest = load_text(b="kind: X\n", a="apiVersion: 2\nkind: Y\nfoo: 1\n")
    places = [d.position for d in manifest.diagnostics]
    assert places == sorted(places)


def test_the_same_files_give_the_same_manifest(load_text: Any) -> None:
    text = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: h}\nspec: {resources: {Switch/a: {dns: [1.1.1.1], x: 1}}}\n"
    assert load_text(text) == load_text(text)
