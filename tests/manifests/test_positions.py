"""Every value remembers where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.core.resources import Written

One = Callable[[str], Written]


def places(written: Written) -> dict[str, tuple[int, int, int]]:
    return {path: (at.line - 6, at.column - 4, at.length) for path, at in written.where.items()}


def test_a_value_stands_where_its_text_stands_and_a_map_where_its_key_stands(resource: One) -> None:
    written = resource('Switch/eflow: {mode: Internal, note: "quoted", dns: [10.0.0.1]}')
    assert places(written) == {
        "": (1, 1, 12),
        "name": (1, 1, 12),
        "mode": (1, 22, 8),
        "note": (1, 38, 8),
        "dns": (1, 48, 3),
        "dns.0": (1, 54, 8),
    }


def test_entries_and_parts_have_places_of_their_own(resource: One) -> None:
    written = resource("Machine:\n  version: '1'\n  login: {user: u, password: {env: P}}\n  disks:\n    os: {size: 20}")
    at = places(written)
    assert at["login"] == (3, 3, 5)
    assert at["login.user"] == (3, 17, 1)
    assert at["login.password"] == (3, 20, 8)
    assert at["disks.os"] == (5, 5, 2)
    assert at["disks.os.size"] == (5, 16, 2)
    assert at["disks.os.name"] == (5, 5, 2)


def test_columns_count_characters_and_not_bytes(resource: One) -> None:
    written = resource("Switch/a: {note: grüße 𝄞, count: 1}")
    assert places(written)["note"] == (1, 18, 7)
    assert places(written)["count"] == (1, 34, 1)


def test_a_byte_order_mark_and_windows_line_ends_move_nothing(load_text: Any) -> None:
    text = "apiVersion: reconciler/v1\r\nkind: Host\r\nmetadata: {name: h}\r\nspec:\r\n  resources:\r\n    Switch/a: {count: 1}\r\n"
    manifest = load_text(a=b"\xef\xbb\xbf" + text.encode())
    assert manifest.complete
    assert str(manifest.written[0].where["count"]) == "a.yaml:6:23"


def test_common_fields_have_places_too(resource: One) -> None:
    written = resource("Switch/a:\n  dependsOn: [Switch/b]\n  lifecycle: {preventDestroy: yes}")
    assert places(written)["dependsOn.0"] == (2, 15, 8)
    assert places(written)["lifecycle.preventDestroy"] == (3, 31, 3)
