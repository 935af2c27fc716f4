"""The errors that cross layers.

ReconcilerError
├── Defect                 ours: a kind or the engine broke its own contract
├── Refused                bad input; carries diagnostics (manifest, plan file, target)
├── SecretUnavailable      a reference to a secret gave no value
└── TransportError         a host could not be asked or told
    ├── Unreachable        no connection, or it broke; `sent` says whether a write may have acted
    ├── WrongMachine       another machine answers under this address
    ├── LeaseHeld          another controller holds the host; `until` and `holder` say who and how long
    ├── Fenced             our lease is no longer current here: stop writing
    ├── Throttled          the service asks us to wait; nothing was done
    └── WireError          the answer was no answer (frames, size, encoding)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.core.diagnostics import Diagnostic


class ReconcilerError(Exception):
    """Anything this product raises on purpose."""


class Defect(ReconcilerError):
    """A contract inside the product was broken: a bug of ours or of a kind, never of the user."""


class Refused(ReconcilerError):
    """Input that cannot be used; `diagnostics` says what, where, why and what next."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(d.message for d in diagnostics))
        self.diagnostics = tuple(diagnostics)


class SecretUnavailable(ReconcilerError):
    """A secret could not be fetched; the text names the reference, never a value."""


class TransportError(ReconcilerError):
    """A host could not be asked or told. `code` is the HST code that the reader sees."""

    code = "HST000"
    transient = False

    def __init__(self, message: str, *, sent: bool = False) -> None:
        super().__init__(message)
        self.sent = sent


class Unreachable(TransportError):
    """No connection, or it broke. With `sent` a write may have acted: look before anything else."""

    code = "HST010"
    transient = True


class WrongMachine(TransportError):
    """Another machine than the declared or recorded one answers here; nothing was asked or done."""

    code = "HST030"


class LeaseHeld(TransportError):
    """Another controller holds this host."""

    code = "HST050"
    transient = True

    def __init__(self, message: str, *, holder: str, seconds: float) -> None:
        super().__init__(message)
        self.holder = holder
        self.seconds = seconds


class Fenced(TransportError):
    """Our lease is not current on this host any more; whoever took it writes now."""

    code = "HST051"


class Throttled(TransportError):
    """The service wants no more requests for `seconds`; the request was not carried out. `scope`: vm, or subscription (with its region)."""

    code = "AZR429"

    def __init__(self, message: str, *, seconds: float, scope: str = "vm") -> None:
        super().__init__(message)
        self.seconds = seconds
        self.scope = scope


class ArmRefused(TransportError):
    """Azure Resource Manager shows no such VM, or lets us not see it. `code` is its `error.code`; the text says what was searched."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class WireError(TransportError):
    """What came back is not what the protocol allows."""

    code = "HST060"
