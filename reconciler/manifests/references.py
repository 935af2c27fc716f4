"""`{env: NAME}`, `{file: PATH}`, `{command: [PROGRAM, …]}`, `{keyring: …}`, `{keyVault: …}`: where a secret is to be fetched from, never the secret.

Text where a reference belongs is an error that does not repeat it: its place is marked NOT_SHOWN, and `Lines` masks it.
"""

from __future__ import annotations

import re

from reconciler.core.calls import Secret
from reconciler.core.diagnostics import Label
from reconciler.manifests.nodes import Entry, Map, Node, Scalar, Sequence, describe
from reconciler.manifests.reading import FAILED, Reading
from reconciler.manifests.report import NOT_SHOWN, meant, shown

SOURCES = ("env", "file", "command", "keyring", "keyVault")
HELP = "say where it is: {env: NAME}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}"
KEY_VAULT = re.compile(r"[A-Za-z][A-Za-z0-9.-]*/[A-Za-z0-9-]{1,127}(?:/[0-9a-f]{32})?")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_secret(reading: Reading, node: Node, path: str) -> object:
    """A reference at `node`, None where nothing is written, or FAILED."""
    match node:
        case Scalar() if node.empty:
            return None
        case Scalar() | Sequence():
            message = f"{reading.name(path)} is a secret and never stands in a manifest"
            return reading.fail("MAN016", message, node, label=NOT_SHOWN, help=f"{HELP}; what was written here is no secret any more: change it")
        case Map() if len(node.entries) == 1 and not node.damaged:
            ((key, value),) = node.entries.values()
            return _reference(reading, key, value, path)
        case Map():
            message = f"{reading.name(path)} wants one reference, and here stand {len(node.entries)}"
            return reading.fail("MAN017", message, node, labels=_hidden(reading, *(value for _, value in node.entries.values())), help=HELP)


def _hidden(reading: Reading, *values: Node) -> tuple[Label, ...]:
    """Whatever stands in a reference that is not understood may be the secret itself."""
    return tuple(Label(reading.at(value), NOT_SHOWN) for value in values if not (isinstance(value, Scalar) and value.empty))


def _reference(reading: Reading, key: Scalar, value: Node, path: str) -> object:
    name = reading.name(path)
    if key.text not in SOURCES:
        return reading.fail(
            "MAN017",
            f"{name}: a secret cannot be fetched from {shown(key.text)}",
            key,
            label=meant(key.text, list(SOURCES)),
            labels=_hidden(reading, value),
            help=HELP,
        )
    if key.text == "command":
        return _command(reading, (key, value), path)
    if not isinstance(value, Scalar) or value.empty:
        return reading.fail("MAN017", f"{name}.{key.text} wants one value, and here stands {describe(value)}", key, help=HELP)
    text = reading.text(value)
    if text is None:
        return FAILED
    if key.text == "env" and not VARIABLE.fullmatch(text):
        return reading.fail(
            "MAN017", f"{name}.env wants the name of an environment variable", value, label=NOT_SHOWN, help="letters, digits and _, for example DPS_KEY"
        )
    if key.text == "keyring" and not all(text.partition("/")):
        return reading.fail("MAN017", f"{name}.keyring wants a service and a user", value, label=NOT_SHOWN, help="{keyring: SERVICE/USER}")
    if key.text == "keyVault" and not KEY_VAULT.fullmatch(text):
        return reading.fail(
            "MAN017", f"{name}.keyVault wants a vault and a secret", value, label=NOT_SHOWN, help="{keyVault: VAULT/SECRET}, or VAULT/SECRET/VERSION"
        )
    return Secret(key.text, text)


def _command(reading: Reading, entry: Entry, path: str) -> object:
    key, value = entry
    words: list[str] = []
    for item in value.items if isinstance(value, Sequence) else ():
        text = reading.text(item) if isinstance(item, Scalar) else None
        if text is not None:
            words.append(text)
    if not isinstance(value, Sequence) or not words or not words[0] or len(words) < len(value.items):
        if not reading.broken:
            reading.fail(
                "MAN017",
                f"{reading.name(path)}.command wants a list of words",
                key,
                help="{command: [PROGRAM, ARGUMENT]}: no shell reads it, each word is passed on as it is",
            )
        return FAILED
    return Secret("command", tuple(words))
