"""What a person declared, after load and link: hosts, the fleet, and resources with the source of every value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from reconciler.core.diagnostics import Diagnostic, Position
from reconciler.core.ids import Key, ResourceId
from reconciler.core.model import Model
from reconciler.core.values import quick


class How(StrEnum):
    """Where a value came from."""

    WRITTEN = "written"
    DERIVED = "derived"
    GATHERED = "gathered"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Source:
    """How a value came to be: `origin` is the resource it was taken from (an id's local part), `position` where it stands."""

    how: How
    origin: str = ""
    position: Position | None = None


class DriftPolicy(StrEnum):
    CORRECT = "correct"
    DETECT = "detect"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What may be done to a resource. `deletionPolicy` None: what the kind says (`keep` means orphan)."""

    prevent_destroy: bool = False
    observe_only: bool = False
    ignore_changes: tuple[str, ...] = ()
    deletion_policy: str | None = None  # delete | orphan


@dataclass(frozen=True, slots=True)
class Acceptance:
    """`accept: [{rule, until, reason}]`: a warning that somebody takes on, for a while."""

    rule: str
    until: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Common:
    """Fields that every resource has beside its spec."""

    depends_on: tuple[str, ...] = ()  # local ids, `Kind/name`
    drift_policy: DriftPolicy = DriftPolicy.CORRECT
    lifecycle: Lifecycle = Lifecycle()
    accept: tuple[Acceptance, ...] = ()
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class Connection:
    """How a host is reached. Credentials are references (see reconciler.core.calls.Secret), never values."""

    transport: str = "winrm"
    port: int | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Azure:
    """Where Azure Resource Manager knows a host: as a VM or as a scale set, exactly one of the two."""

    subscription: str
    resource_group: str
    vm: str = ""
    scale_set: str = ""
    cloud: str = "public"  # public | usGovernment | china, or the base URL of another
    tenant: str = ""
    credential: str = ""  # managedIdentity | workloadIdentity | environment | cli; empty: the first that answers
    nested: bool = False  # `nestedVirtualization: asserted`: the user takes it on that the size can

    @property
    def name(self) -> str:
        return self.vm or self.scale_set

    @property
    def scope(self) -> str:
        """The resource id of the VM or scale set, without a leading slash."""
        kind = "virtualMachines" if self.vm else "virtualMachineScaleSets"
        return f"subscriptions/{self.subscription}/resourceGroups/{self.resource_group}/providers/Microsoft.Compute/{kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Adapter:
    """A network card that a spec names: the emulated estate builds its machine from these."""

    name: str


@dataclass(frozen=True, slots=True)
class Host:
    """A declared machine: the node that everything on it needs."""

    name: str
    address: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sku: str = ""  # server-2016 … server-2025, client-10, client-11; empty: from the last look
    time_zone: str = ""
    computer_name: str = ""  # default: the host's name, 15 characters, casefolded
    connection: Connection = Connection()
    position: Position | None = None
    azure: Azure | None = None

    @property
    def connected(self) -> bool:
        """Whether the host itself is reached; `connection: none` means through Azure Resource Manager alone."""
        return self.connection.transport != "none"

    @property
    def expected_name(self) -> str:
        return (self.computer_name or self.name[:15]).casefold()


@dataclass(frozen=True, slots=True)
class Fleet:
    """Whose record it is on the hosts. `declared` False: no Fleet document; then nothing is ever pruned."""

    name: str = "default"
    max_deletes: int = 5
    declared: bool = False
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """One resource on one host as it was written and read: every value typed by its field, with its position.

    `where` maps a dotted path (`""` the resource itself, `field`, `field.entry.sub`) to its position.
    A value that failed to read is in neither map; its error is in the manifest's diagnostics.
    """

    id: ResourceId
    values: Mapping[str, Any]
    where: Mapping[str, Position]
    common: Common = Common()
    broken: bool = False  # something in it failed to read: link it as far as it goes, say no more about it


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that was loaded. `complete` False: something failed, so the fleet is not whole and nothing may be pruned."""

    fleet: Fleet
    hosts: Mapping[str, Host]
    written: tuple[Written, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    files: tuple[str, ...] = ()
    documents: int = 0
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Need:
    """An edge: this resource needs `target` first. Bound: the target cannot go while this stays."""

    target: ResourceId
    why: str  # "switchName", "hyper-v", "dependsOn", "parent"
    bound: bool = False
    capability: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Resource:
    """A linked resource: a whole spec (fields may be `Later`), where each value comes from, and what it needs first."""

    id: ResourceId
    key: Key
    spec: Model
    sources: Mapping[str, Source]
    needs: tuple[Need, ...] = ()
    common: Common = Common()
    position: Position | None = None
    where: Mapping[str, Position] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def name(self) -> str:
        return self.id.name

    @property
    def kind(self) -> str:
        return self.id.kind
