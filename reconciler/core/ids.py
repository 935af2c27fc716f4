"""Names of things: the one spelling of an identity, `host/Kind/name`, and the natural key of a resource on its host."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple


class ResourceId(NamedTuple):
    """`edge-01/VirtualSwitch/eflow`; a kind of which a host can have only one has no name: `edge-01/EflowVm`."""

    host: str
    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.host}/{self.local}"

    @property
    def local(self) -> str:
        """The id as it is written inside its host."""
        return f"{self.kind}/{self.name}" if self.name else self.kind

    @property
    def entry(self) -> str:
        """The name of this resource's record in the ledger: the first 32 hex digits of the SHA-256 of its id."""
        return sha256(str(self).encode()).hexdigest()[:32]

    @classmethod
    def parse(cls, text: str) -> ResourceId:
        host, _, rest = text.partition("/")
        kind, _, name = rest.partition("/")
        if not host or not kind:
            raise ValueError(f"{text!r} is no resource id: host/Kind or host/Kind/name")
        return cls(host, kind, name)


class Key(str):
    """A natural identity on a host (a switch's name, a scope's network), casefolded by the kind that makes it."""

    __slots__ = ()
