"""Settings that a service defines: read as JSON has them, and never guessed at further."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.core.calls import Secret
from reconciler.kinds import registry
from reconciler.manifests import load

HEAD = """\
apiVersion: reconciler/v1
kind: Host
metadata: {name: hpc-01}
spec:
  azure: {subscription: 6f1c0c9e-0000-4000-8000-00000000e001, resourceGroup: rg-hpc, vm: hpc-01}
  connection: none
  resources:
    AzureVmExtension/s: {driver: CustomScriptExtension, FIELD}
"""


def read(folder: Path, field: str) -> dict[str, Any]:
    (folder / "host.yaml").write_text(HEAD.replace("FIELD", field), encoding="utf-8")
    found = load([folder], registry())
    assert [d.message for d in found.diagnostics] == []
    (written,) = found.written
    return dict(written.values)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("3", 3),
        ("-1.5e3", -1500.0),
        ('"3"', "3"),
        ("'true'", "true"),
        ("null", None),
        ("Yes", "Yes"),
        ("0755", "0755"),
        ("1_000", "1_000"),
        ("8:00:00", "8:00:00"),
        ("[1, a, {b: 2}]", (1, "a", {"b": 2})),
        ("{a.b/c: {}}", {"a.b/c": {}}),
        ("{env: X}", {"env": "X"}),
    ],
)
def test_a_bare_word_is_what_json_has_for_it_and_anything_else_is_text(tmp_path: Path, text: str, value: Any) -> None:
    assert read(tmp_path, f"settings: {{one: {text}}}")["settings"] == {"one": value}


def test_references_may_stand_for_any_value_or_for_all_of_it(tmp_path: Path) -> None:
    found = read(tmp_path, "protectedSettings: {name: n, deep: [{key: {env: KEY}}]}")["protectedSettings"]
    assert found == {"name": "n", "deep": ({"key": Secret("env", "KEY")},)}
    assert read(tmp_path, "protectedSettings: {env: WHOLE}")["protectedSettings"] == Secret("env", "WHOLE")
