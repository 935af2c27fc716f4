"""Reads a node as JSON: what has no type of ours, because a service defines it (the settings of an Azure VM extension).

Bare `true`, `3` and `1.5` are what JSON has for them; anything in quotes, and everything else, is text. A bare word is never guessed
further than JSON goes: `Yes`, `0755` and `1_000` stay text. With `secrets`, a map like `{env: NAME}` is a reference wherever it stands.
"""

from __future__ import annotations

import json
import re
from typing import Any

from reconciler.manifests import nodes
from reconciler.manifests.nodes import Map, Node, Scalar, describe
from reconciler.manifests.reading import FAILED, Reading
from reconciler.manifests.references import SOURCES, read_secret

NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


def read_json(reading: Reading, node: Node, path: str, *, secrets: bool) -> Any:
    """A map, or where secrets may stand one reference to it; None where nothing is written, FAILED after reporting."""
    if isinstance(node, Scalar) and node.empty:
        return None
    if secrets and not isinstance(node, Map):
        return read_secret(reading, node, path)
    if not isinstance(node, Map):
        return reading.fail("MAN005", f"{reading.name(path)} wants a map", node, label=f"here stands {describe(node)}")
    return _value(reading, node, path, secrets)


def _value(reading: Reading, node: Node, path: str, secrets: bool) -> Any:
    match node:
        case Map() if secrets and len(node.entries) == 1 and next(iter(node.entries)) in SOURCES:
            return read_secret(reading, node, path)
        case Map():
            found = {name: _value(reading, value, f"{path}.{name}", secrets) for name, (_, value) in node.entries.items()}
            return FAILED if node.damaged or any(value is FAILED for value in found.values()) else found
        case nodes.Sequence():
            items = tuple(_value(reading, value, f"{path}.{n}", secrets) for n, value in enumerate(node.items))
            return FAILED if any(value is FAILED for value in items) else items
        case Scalar() if node.empty:
            return None
    text = reading.text(node)
    return FAILED if text is None else _bare(text) if node.plain else text


def _bare(text: str) -> Any:
    """A word without quotes."""
    return json.loads(text) if text in ("true", "false") or NUMBER.fullmatch(text) else text
