"""Both ways of writing a resource give the same; marks say what may be written; parts stay inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.core.calls import Secret
from reconciler.core.ids import ResourceId
from reconciler.core.resources import Acceptance, DriftPolicy, Lifecycle, Written

One = Callable[[str], Written]
Errors = Callable[[str], list[str]]
HOSTS = """\
apiVersion: reconciler/v1
kind: Host
metadata: {name: edge-01, labels: {tier: cloud}}
---
apiVersion: reconciler/v1
kind: Host
metadata: {name: edge-02, labels: {tier: cloud}}
---
apiVersion: reconciler/v1
kind: Host
metadata: {name: plant-01, labels: {tier: plant}}
---
apiVersion: reconciler/v1
"""


def test_inside_a_host_and_flat_give_the_same_resource(load_text: Any, resource: One) -> None:
    inside = resource("Switch/eflow: {mode: Internal, count: 3, dependsOn: [Switch/b]}")
    (flat,) = load_text(HOSTS + "kind: Switch\nmetadata: {name: eflow}\nspec: {host: edge-01, mode: Internal, count: 3, dependsOn: [Switch/b]}\n").written
    assert (inside.id, dict(inside.values), inside.common) == (flat.id, dict(flat.values), flat.common)
    assert inside.where.keys() == flat.where.keys()


def test_a_selector_puts_a_resource_on_every_host_it_finds(load_text: Any) -> None:
    found = load_text(HOSTS + "kind: Machine\nspec: {hosts: {matchLabels: {tier: cloud}}, version: '1'}\n")
    assert [str(written.id) for written in found.written] == ["edge-01/Machine", "edge-02/Machine"]
    assert found.complete


def test_the_word_all_is_every_host(load_text: Any) -> None:
    found = load_text(HOSTS + "kind: Machine\nspec: {hosts: all, version: '1'}\n")
    assert [written.id.host for written in found.written] == ["edge-01", "edge-02", "plant-01"]


def test_a_selector_without_a_host_is_a_warning_that_says_what_there_is(load_text: Any) -> None:
    found = load_text(HOSTS + "kind: Machine\nspec: {hosts: {matchLabels: {tier: plnt}}, version: '1'}\n")
    (warning,) = found.diagnostics
    assert (warning.code, warning.severity, warning.label) == ("MAN033", "warning", "did you mean plant?")
    assert found.complete
    assert found.written == ()


def test_a_kind_of_which_there_is_one_has_no_name(resource: One, errors: Errors) -> None:
    assert resource("Machine: {version: '1'}").id == ResourceId("edge-01", "Machine")
    assert errors("Machine/x: {version: '1'}") == ["MAN013 1:1 a host can have only one Machine, so it has no name"]
    assert errors("Switch: {}") == ["MAN013 1:1 this Switch has no name"]
    assert errors("Switch/: {}") == ["MAN013 1:1 this Switch has no name"]


def test_a_name_may_hold_a_slash_and_spaces(resource: One) -> None:
    assert resource("Switch/Plant Bus/2: {}").id.name == "Plant Bus/2"


def test_a_resource_without_fields_is_a_resource(resource: One) -> None:
    written = resource("Switch/a:")
    assert dict(written.values) == {"name": "a"}
    assert not written.broken


def test_a_name_that_its_kind_refuses_is_an_error_at_the_key(errors: Errors) -> None:
    assert errors("Switch/a*: {}") == ["MAN005 1:1 Switch.name cannot be a*"]


def test_a_field_that_always_holds_is_never_written(errors: Errors) -> None:
    assert errors("Switch/a: {there: true}") == ["MAN015 1:12 Switch.there is never written"]


def test_an_unknown_field_suggests_what_was_meant(load_text: Any) -> None:
    found = load_text(HOSTS + "kind: Switch\nmetadata: {name: a}\nspec: {host: edge-01, Count: 1, dependOn: [], zzz: 1}\n")
    assert [(d.code, d.message, d.label) for d in found.diagnostics] == [
        ("MAN004", "Switch has no field Count", "did you mean count?"),
        ("MAN004", "Switch has no field dependOn", "did you mean dependsOn?"),
        ("MAN004", "Switch has no field zzz", ""),
    ]
    assert "ipAddress" in found.diagnostics[2].help


def test_a_required_field_that_is_missing_is_said_at_the_resource(errors: Errors) -> None:
    assert errors("Machine: {login: {password: {env: P}}, disks: {os: {}}}") == [
        "MAN006 1:1 Machine lacks version",
        "MAN006 1:18 Machine.login lacks user",
        "MAN006 1:52 Machine.disks.os lacks size",
    ]


def test_what_is_missing_is_shown_as_it_is_written(load_text: Any) -> None:
    found = load_text(HOSTS + "kind: Machine\nmetadata: {name: a}\nspec: {host: edge-01, login: {user: x}, disks: {os: {}}}\n")
    helps = [d.help for d in found.diagnostics if d.code == "MAN006"]

    assert "write password: {env: NAME}" in helps
    assert "write size: NUMBER" in helps


def test_parts_stay_inside_as_typed_fields(resource: One) -> None:
    written = resource("Machine: {version: '1', login: {user: u, password: {command: [pass, show, x]}}, disks: {os: {size: 20}, data: {size: 30}}}")
    assert written.values["login"] == {"user": "u", "password": Secret("command", ("pass", "show", "x"))}
    assert written.values["disks"] == {"os": {"name": "os", "size": 20}, "data": {"name": "data", "size": 30}}


def test_the_field_that_a_parent_fills_in_is_not_a_parts_to_write(errors: Errors) -> None:
    assert errors("Machine: {version: '1', disks: {os: {size: 1, machine: x}}}") == ["MAN004 1:47 Machine.disks.os has no field machine"]


def test_every_resource_has_the_common_fields(resource: One) -> None:
    common = resource(
        "Switch/a:\n"
        "  dependsOn: [Machine, Switch/b]\n"
        "  driftPolicy: Detect\n"
        "  lifecycle: {preventDestroy: yes, observeOnly: no, ignoreChanges: [note, windows.web], deletionPolicy: orphan}\n"
        "  accept: [{rule: EFL090, until: 2027-06-30, reason: budget}]\n"
        "  exclusive: true"
    ).common
    assert common.depends_on == ("Machine", "Switch/b")
    assert common.drift_policy is DriftPolicy.DETECT
    assert common.lifecycle == Lifecycle(True, False, ("note", "windows.web"), "orphan")
    assert common.accept == (Acceptance("EFL090", "2027-06-30", "budget"),)
    assert common.exclusive


def test_common_fields_are_judged_like_all_others(errors: Errors) -> None:
    text = "Switch/a:\n  dependsOn: [Swich/b, Switch]\n  driftPolicy: fix\n  lifecycle: {ignoreChanges: [nope]}\n  accept: [{rule: x, reason: ' '}]"
    assert errors(text) == [
        "MAN003 2:15 there is no kind Swich for a host",
        "MAN013 2:24 this Switch has no name",
        "MAN005 3:16 Switch.driftPolicy wants correct, detect or ignore",
        "MAN004 4:31 Switch has no field nope",
        "MAN005 5:19 Switch.accept.0.rule cannot be x",
        "MAN005 5:30 Switch.accept.0.reason cannot be empty",
    ]


def test_the_same_resource_twice_is_an_error_with_both_places(load_text: Any) -> None:
    found = load_text(
        HOSTS
        + "kind: Switch\nmetadata: {name: a}\nspec: {hosts: all}\n---\napiVersion: reconciler/v1\nkind: Switch\nmetadata: {name: A}\nspec: {host: edge-02}\n"
    )
    (twice,) = found.diagnostics
    assert (twice.code, twice.message) == ("MAN008", "Switch/A is declared twice on edge-02")
    assert str(twice.position) == "a.yaml:20:18"
    assert str(twice.labels[0].position) == "a.yaml:15:18"


def test_a_host_that_is_not_declared_is_said_with_what_was_meant(load_text: Any) -> None:
    (found,) = load_text(HOSTS + "kind: Machine\nspec: {host: egde-01, version: '1'}\n").diagnostics
    assert (found.code, found.label) == ("LNK010", "did you mean edge-01?")


def test_no_host_is_missed_while_a_file_could_not_be_read(load_text: Any) -> None:
    found = load_text(a=HOSTS + "kind: Machine\nspec: {host: lab-01, version: '1'}\n", b="apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lab-01\n")
    assert [d.code for d in found.diagnostics] == ["MAN001"]


def test_every_document_says_once_where_it_is_meant(load_text: Any) -> None:
    for spec in (
        "{version: '1'}",
        "{host: edge-01, hosts: all, version: '1'}",
        "{hosts: {matchLabels: {}}, version: '1'}",
        "{hosts: everything, version: '1'}",
    ):
        assert [d.code for d in load_text(HOSTS + f"kind: Machine\nspec: {spec}\n").diagnostics] == ["MAN032"]
