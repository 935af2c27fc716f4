"""The JSON Schema names what `load` reads."""

from __future__ import annotations

import json
from typing import Any

from reconciler.core.kinds import Registry
from reconciler.manifests import schema


def test_every_field_that_can_be_written_is_in_the_schema_and_no_other(registry: Registry) -> None:
    switch = schema(registry)["$defs"]["Switch"]
    assert "there" not in switch["properties"]
    assert {"mode", "windows", "uplink", "dependsOn", "lifecycle", "accept", "driftPolicy", "exclusive"} <= switch["properties"].keys()
    assert switch["additionalProperties"] is False


def test_parts_and_secrets_are_nested(registry: Registry) -> None:
    machine: dict[str, Any] = schema(registry)["$defs"]["Machine"]["properties"]
    assert machine["login"]["required"] == ["user", "password"]
    assert machine["login"]["properties"]["password"] == {"$ref": "#/$defs/secret"}
    assert machine["disks"]["additionalProperties"]["required"] == ["size"]
    assert "machine" not in machine["disks"]["additionalProperties"]["properties"]


def test_a_host_takes_kinds_by_name_and_singletons_without(registry: Registry) -> None:
    host = next(document for document in schema(registry)["oneOf"] if document["title"] == "Host")
    resources = host["properties"]["spec"]["properties"]["resources"]
    assert set(resources["patternProperties"]) == {"^Switch/.+$", "^Disk/.+$"}
    assert set(resources["properties"]) == {"Machine", "Login"}


def test_the_schema_is_json_and_the_same_each_time(registry: Registry) -> None:
    assert json.dumps(schema(registry)) == json.dumps(schema(registry))
