"""What the emulated Azure is made of: plain values that `codec` saves with the estate. The rules about them live in the other modules.

Resources are found by their id in small letters; names keep the letters that somebody gave them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

SUBSCRIPTION = "6f1c0c9e-0000-4000-8000-00000000e001"
TENANT = "3d5c9f0a-0000-4000-8000-0000000000aa"
COMPUTE = "Microsoft.Compute"


def _any(pattern: str, *names: str) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for name in names)


@dataclass(slots=True)
class Run:
    """How one run of an extension's handler ends. `via`: by which of ARM's ways its exit code is told ('' the usual one of that code).

    message, handler, code: the three of section 2.3; timeout, agent, internal: the platform's own failures. `seconds` None: the usual time.
    """

    exit: int = 0
    seconds: float | None = None
    via: str = ""
    says: str = ""


@dataclass(slots=True)
class Script:
    """Runs to come, first to last, of extensions whose VM (or scale-set instance) and name or type match the patterns."""

    vm: str
    extension: str
    runs: list[Run]


@dataclass(slots=True)
class Status:
    """One entry of `statuses` in an instance view."""

    code: str
    level: str
    display: str
    message: str
    time: datetime

    @property
    def failed(self) -> bool:
        return self.code.startswith("ProvisioningState/failed")


@dataclass(slots=True)
class Extension:
    """`properties` is what was sent last, without secrets; of protected settings only a digest is kept. `state` is provisioningState."""

    name: str
    properties: dict[str, Any]
    protected: str = ""
    location: str = ""
    tags: dict[str, str] | None = None
    state: str = "Creating"
    installed: str = ""
    status: Status | None = None
    substatuses: list[Status] = field(default_factory=list)
    runs: int = 0
    exit: int | None = None  # of the last run that reported

    @property
    def publisher(self) -> str:
        return str(self.properties["publisher"])

    @property
    def type(self) -> str:
        return str(self.properties["type"])

    @property
    def handler(self) -> str:
        return f"{self.publisher}.{self.type}"

    def meant(self, pattern: str) -> bool:
        """By its name or its type."""
        return _any(pattern, self.name, self.type)


@dataclass(slots=True)
class Vm:
    """A virtual machine, or an instance of a scale set (`scale_set` is then the set's id). `machine`: the host of the estate that it is."""

    id: str
    location: str
    size: str
    vm_id: str
    os: str = "Windows"
    os_name: str = "Windows Server 2022 Datacenter"
    os_version: str = "10.0.20348.2762"
    offer: dict[str, str] = field(default_factory=dict)  # its image: publisher, offer, sku
    computer_name: str = ""
    security: str = ""
    generation: str = "V2"
    tags: dict[str, str] = field(default_factory=dict)
    power: str = "running"
    agent: str = "Ready"  # Ready, Not Ready, or '' where none was ever installed
    ready_at: datetime | None = None  # while it boots: when its agent reports again
    booted: datetime | None = None
    created: datetime | None = None
    machine: str = ""
    extensions: dict[str, Extension] = field(default_factory=dict)
    scale_set: str = ""
    instance: str = ""  # what the set calls it: a number (Uniform) or its name (Flexible)
    applied: int = 0  # which version of the set's model it has
    image: str = ""
    disks: int = 1  # how many OS disks it has had: a new image takes the old one

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]

    @property
    def label(self) -> str:
        """Whom the log means: the host that it is, or SET/INSTANCE, or its name."""
        return self.machine or (f"{self.scale_set.rpartition('/')[2]}/{self.instance}" if self.scale_set else self.name)

    def meant(self, pattern: str) -> bool:
        """By its name, its id, or SET/INSTANCE."""
        return _any(pattern, self.name, self.id, self.label)


@dataclass(slots=True)
class ScaleSet:
    """The model of a scale set. `version` counts its changes; an instance that has applied it has the latest model."""

    id: str
    location: str
    size: str
    unique_id: str
    orchestration: str = "Uniform"
    mode: str = "Manual"
    rolling: dict[str, Any] = field(default_factory=dict)
    image: str = "2022.1"
    offer: dict[str, str] = field(default_factory=dict)  # its image: publisher, offer, sku
    os: str = "Windows"
    single_placement_group: bool = True
    tags: dict[str, str] = field(default_factory=dict)
    extensions: dict[str, Extension] = field(default_factory=dict)
    version: int = 1
    state: str = "Succeeded"
    created: datetime | None = None
    width: int = 1  # how many instances a manual upgrade works on at once; 0: all

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]


@dataclass(slots=True)
class Operation:
    """A long-running operation on `target` (a resource id in small letters). What happens when it ends follows from `kind`:

    extension, instance (handlers ran: `runs` by extension), delete, restart, start, deallocate, poweroff, model, upgrade. An upgrade ends
    when its instances are through: `waiting` have not begun, and each that works has an operation with this one as `parent`.
    """

    id: str
    kind: str
    subscription: str
    location: str
    target: str
    started: datetime
    ends: datetime | None
    api: str
    runs: dict[str, Run] = field(default_factory=dict)
    status: str = "InProgress"
    error: dict[str, Any] | None = None
    finished: datetime | None = None
    before: str = ""  # the extension's state until then, where it comes back
    parent: str = ""
    waiting: list[str] = field(default_factory=list)
    width: int = 1  # how many instances are worked on at once
    version: int = 0  # which version of the model an instance gets


@dataclass(slots=True)
class Bucket:
    """What is left of a quota, and since when it is being filled up."""

    left: float
    at: datetime


@dataclass(slots=True)
class Image:
    """An extension type. `automatic`: it takes enableAutomaticUpgrade. `creation`: sets take it at creation only. `locations`: none, everywhere."""

    publisher: str
    type: str
    versions: list[str]
    automatic: bool = False
    creation: bool = False
    locations: list[str] = field(default_factory=list)

    def offered(self, location: str) -> bool:
        return not self.locations or location.lower() in self.locations


@dataclass(slots=True)
class Size:
    """A VM size of the Resource SKUs API; `facts` are its capabilities, all of them text. `locations`: none, everywhere."""

    name: str
    family: str
    facts: dict[str, str]
    locations: list[str] = field(default_factory=list)

    def offered(self, location: str) -> bool:
        return not self.locations or location.lower() in self.locations


@dataclass(slots=True)
class Lock:
    """`level` is CanNotDelete or ReadOnly; `scope` a subscription, resource group or resource."""

    scope: str
    level: str = "CanNotDelete"


@dataclass(slots=True)
class Policy:
    """Denies writes of extensions under `scope` whose publisher.type matches one of `denied`, or that lack the tag `tag`."""

    name: str
    scope: str
    denied: list[str] = field(default_factory=list)
    tag: str = ""


@dataclass(slots=True)
class Principal:
    """Who calls: what it may do under `scope`, with ARM's wildcards."""

    object_id: str
    actions: list[str] = field(default_factory=lambda: ["*"])
    not_actions: list[str] = field(default_factory=list)
    scope: str = "/"


@dataclass(slots=True)
class RequestFault:
    """Meets requests by method and path (patterns; '' any). Answers `status` with `code`, or drops the line before or after the act."""

    method: str = ""
    path: str = ""
    status: int = 0
    code: str = ""
    message: str = ""
    retry_after: int | None = None
    quota: str = "UpdateVMResource"  # of a 429: whose bucket is empty
    drop: str = ""  # before, after
    times: int | None = 1
    skip: int = 0


@dataclass(slots=True)
class Subscription:
    id: str
    name: str = "Edge"
    groups: dict[str, str] = field(default_factory=dict)  # name as given -> location
    registered: bool = True


@dataclass(slots=True)
class Cloud:
    """Everything that ARM knows. `generation` is that of good tokens; `reboot_as` how 3010 shows (nobody says which): succeeded or failed."""

    tenant: str = TENANT
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    vms: dict[str, Vm] = field(default_factory=dict)
    sets: dict[str, ScaleSet] = field(default_factory=dict)
    images: list[Image] = field(default_factory=list)
    sizes: list[Size] = field(default_factory=list)
    operations: dict[str, Operation] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    locks: list[Lock] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    principals: dict[str, Principal] = field(default_factory=dict)
    scripts: list[Script] = field(default_factory=list)
    faults: list[RequestFault] = field(default_factory=list)
    generation: int = 1
    counter: int = 0
    page: int = 50
    reboot_as: str = "succeeded"
    retry_after: int | None = None  # what the service would have polls wait, which the specs allow and it does not say [rec 1.4]

    def group(self, subscription: str, name: str) -> tuple[str, str] | None:
        """A resource group's name as it was given, and its location."""
        held = self.subscriptions.get(subscription.lower())
        return next(((n, where) for n, where in held.groups.items() if n.lower() == name.lower()), None) if held else None

    def instances(self, scale_set: ScaleSet) -> list[Vm]:
        """The instances of a set, in the order in which they were made."""
        return [vm for vm in self.vms.values() if vm.scale_set.lower() == scale_set.id.lower()]

    def size(self, name: str) -> Size | None:
        return next((size for size in self.sizes if size.name.lower() == name.lower()), None)

    def image(self, publisher: str, kind: str, location: str = "") -> Image | None:
        """The extension type; with `location`, where that region offers it."""
        wanted = (publisher.lower(), kind.lower())
        found = (image for image in self.images if (image.publisher.lower(), image.type.lower()) == wanted)
        return next((image for image in found if not location or image.offered(location)), None)

    def running(self, target: str) -> list[Operation]:
        """Operations under way on the resource or on anything under it."""
        wanted = target.lower()
        return [o for o in self.operations.values() if o.status == "InProgress" and (o.target == wanted or o.target.startswith(wanted + "/"))]
