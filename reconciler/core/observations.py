"""What was seen: questions, answers that are definite, and the four ways a resource can look.

Kinds make `Present` only, out of definite answers. `Absent`, `Unseen` and `Busy` are the engine's.
"I could not see it" is never "it is not there".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import Any, Generic, TypeAlias, TypeVar

from reconciler.core.azure import AzureFacts
from reconciler.core.calls import Answer, AnyCall
from reconciler.core.values import quick

T = TypeVar("T")
ZERO = timedelta()
NONE_UNSEEN: Mapping[str, str] = MappingProxyType({})


@quick
@dataclass(frozen=True, slots=True)
class Facts:
    """What hello says about a machine; all that kinds may branch on. `product_type`: 1 client, 2 domain controller, 3 server."""

    computer_name: str
    uuid: str | None
    machine_guid: str | None
    caption: str
    version: str
    build: int
    product_type: int
    language: str = "en-US"
    boot: str = ""  # changes with every boot; never compared for order
    booted: datetime | None = None
    uptime: float = 0.0  # seconds
    utc: datetime | None = None
    azure: AzureFacts | None = None  # what Azure Resource Manager says of it; None: not asked, or not seen

    @property
    def is_server(self) -> bool:
        return self.product_type != 1

    @property
    def is_client(self) -> bool:
        return self.product_type == 1


class CapabilityState(Enum):
    """HAS: usable now. LACKS: surely not there. PENDING_RESTART: there after a restart. SILENT: there, and does not answer us."""

    HAS = "has"
    LACKS = "lacks"
    PENDING_RESTART = "pending restart"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Ask:
    """One question. An error id in `absent` means "there is none"; with `tolerate` an error is a finding, passed on to parse."""

    call: AnyCall
    absent: tuple[str, ...] = ()
    tolerate: bool = False
    requires: Capability | None = None
    max_age: timedelta = ZERO


@dataclass(frozen=True, slots=True)
class Capability:
    """Something a host can do once a role, module or service is there. `read` judges its own asks, which fail without rights.

    Only `read` may take CommandNotFoundException as absence. `hint` names what a person would declare to get it.
    """

    name: str
    ask: Callable[[Facts], Iterable[Ask]] = field(compare=False)
    read: Callable[[Sequence[Answer], Facts], CapabilityState] = field(compare=False)
    hint: str = field(default="", compare=False)

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What went wrong, in words: a code that is explained, what it means, and what a person can do."""

    code: str
    message: str
    next: str = ""


@dataclass(frozen=True, slots=True)
class Tagged:
    """The record that lies on the resource itself, as three tags: whose it is, the digest of what was applied, the run.

    `applied`: the service says that the last write of it ended well. `restarted`: for which status a restart was made already.
    """

    id: str
    spec: str
    run: str
    applied: bool = True
    restarted: str = ""


@dataclass(frozen=True, slots=True)
class Present(Generic[T]):
    """It is there, like this. A field of the state that is None does not exist yet; `unseen` says why a field cannot be read now.

    `tainted`: only a replace helps, and why. `reboot`: what is seen takes effect after a restart, and why.
    `busy`: the service is at work on it, and at what. `terminal`: it failed, and doing the same again would give the same.
    `tagged`: our record, where it lies on the resource. `recordless`: no record of it can be kept anywhere.
    `prints`: where there is no record, the prints of secret fields that stand in the resource itself.
    `awaits`: which status asked for the restart; once a restart was made for it, no other is.
    `again`: where there is no record, that what failed may go well when it is done again.
    """

    state: T
    unseen: Mapping[str, str] = field(default_factory=lambda: NONE_UNSEEN)
    tainted: str | None = None
    reboot: str | None = None
    busy: str | None = None
    terminal: Meaning | None = None
    tagged: Tagged | None = None
    recordless: bool = False
    awaits: str = ""
    prints: Mapping[str, str] = field(default_factory=lambda: NONE_UNSEEN)
    again: bool = False


@dataclass(frozen=True, slots=True)
class Absent:
    """Every question was answered and the key is not among the answers, or what it needs is surely not there."""

    because: str = "not among what the host has"
    restart: bool = False  # what it needs is there after a restart


@dataclass(frozen=True, slots=True)
class Unseen:
    """It could not be looked at. Blocks what depends on it; never causes an action."""

    why: str
    code: str = "HST070"


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody's job is at work on it: wait for the job. Without an id it is the service's own: look until it ended."""

    job: str
    what: str
    since: datetime | None
    by: str


Observation: TypeAlias = "Present[Any] | Absent | Unseen | Busy"
