"""Every MAN code with its meaning in one line. `explain` and the documents print these; the broken manifests hold a case of each.

LNK codes belong to the engine, but for LNK010: only the loader knows that a document names a host that nobody declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CODES: Mapping[str, str] = MappingProxyType(
    {
        "MAN001": "the text is not valid YAML",
        "MAN002": "a document, or a part of it, does not have the shape of a manifest",
        "MAN003": "there is no kind of that name",
        "MAN004": "there is no field of that name",
        "MAN005": "a value is not what its field wants",
        "MAN006": "a field that must be written is missing",
        "MAN007": "a key stands twice in one map",
        "MAN008": "a resource is declared twice",
        "MAN009": "a host is declared twice",
        "MAN010": "there is more than one Fleet",
        "MAN011": "the apiVersion is not one that is read here",
        "MAN012": "the kind belongs to a later version",
        "MAN013": "a resource is not named as Kind/name, or Kind where a host can have only one",
        "MAN014": "a name cannot be used",
        "MAN015": "a field is never written by hand",
        "MAN016": "a secret stands in the manifest as plain text",
        "MAN017": "a reference to a secret is not understood",
        "MAN020": "a file is not UTF-8 text",
        "MAN021": "a file holds a character that text cannot hold, such as NUL",
        "MAN022": "a file is too large",
        "MAN023": "a file or folder cannot be read",
        "MAN024": "a link leads out of the folder",
        "MAN025": "a tab stands where only spaces may indent",
        "MAN026": "a document is nested too deep",
        "MAN027": "a document holds too many values, or its aliases would unfold to too many",
        "MAN028": "an alias names nothing, or what it stands in itself",
        "MAN029": "a tag stands before a value",
        "MAN030": "a merge key stands in a map",
        "MAN031": "a key is not plain text",
        "MAN032": "a document does not say on which hosts it is meant, or says it twice",
        "MAN033": "a selector finds no host (warning)",
        "MAN034": "there is no manifest to read (warning)",
        "MAN035": "an expression names what does not exist",
        "MAN036": "an expression cannot be read, or stands where none may",
        "MAN037": "a file has more errors than are shown (note)",
        "LNK010": "a document names a host that is not declared",
    }
)
