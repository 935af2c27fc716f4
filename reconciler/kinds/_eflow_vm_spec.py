"""What an EFLOW VM is to a spec and on a host: fields, their types, and the names both sides share.

Read by `eflow_vm` and its look and rules. Types carry the equality that the engine's diff needs; nothing here asks or acts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface
from typing import Annotated, Any, Literal, TypeGuard, TypeVar

from pydantic import AfterValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from reconciler.core.calls import Later
from reconciler.core.fieldtypes import Folded, MacAddress, SeenName, WindowsName
from reconciler.core.model import FIXED, HOW, IMMUTABLE, Existing, From, Model, Part, Ref
from reconciler.kinds.eflow_trains import VersionConstraint

T = TypeVar("T")

DEFAULT_SWITCH = "Default Switch"
SERVED_BY = ("NatNetwork.switchName", "DhcpScope.switchName")  # Deploy-Eflow waits for an address, and fails without (eflow-domain 9, check 5)
RUNNING: Literal["Running"] = "Running"
OFF: Literal["Off"] = "Off"

PowerState = Literal["Running", "Off"]
YesNo = Literal["Yes", "No"]
SwitchType = Literal["Internal", "External", "Private"]


class GuestAddress(IPv4Address):
    """The guest's address, with its prefix length where one is written. Prefix lengths count only where both sides have one."""

    __slots__ = ("prefixlen",)

    def __init__(self, text: object) -> None:
        interface = IPv4Interface(str(text))
        super().__init__(interface.ip.packed)
        self.prefixlen = interface.network.prefixlen if "/" in str(text) else None

    @property
    def ip(self) -> str:
        """The address alone."""
        return IPv4Address.__str__(self)

    def __str__(self) -> str:
        return self.ip if self.prefixlen is None else f"{self.ip}/{self.prefixlen}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IPv4Address):
            return NotImplemented
        theirs = getattr(other, "prefixlen", None)
        return int(self) == int(other) and (self.prefixlen is None or theirs is None or self.prefixlen == theirs)

    def __hash__(self) -> int:
        return hash(int(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.no_info_before_validator_function(str, core_schema.str_schema()))


class SwitchSeen(SeenName):
    """The switch that the VM hangs on: equal to its name, and to `{existing: NAME}` of it."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other.existing if isinstance(other, Existing) else other)

    def __hash__(self) -> int:
        return super().__hash__()


def _sha256(text: Folded) -> Folded:
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        raise ValueError("a SHA-256 has 64 hex digits, as Get-FileHash prints it")
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+/\S+", text):
        raise ValueError("the installer's address begins with https:// (or http://: its SHA-256 is compared all the same) and names a file")
    return text


def _one_release(version: VersionConstraint) -> VersionConstraint:
    if version.exact is None:
        raise ValueError("the installer has one version, for example 1.5.3.12025")
    return version


def _folder(text: str) -> str:
    if not re.fullmatch(r'[A-Za-z]:\\[^"*?<>|/\x00-\x1f]*', text):
        raise ValueError(r"a folder on the host is written with its drive, for example D:\EFLOW")
    return text


HostFolder = Annotated[str, AfterValidator(_folder)]


class Installer(Model):
    """Where the MSI comes from and which one it is. The folders are the MSI's own properties INSTALLDIR and VHDXDIR."""

    url: Annotated[str, AfterValidator(_url)]
    sha256: Annotated[Folded, AfterValidator(_sha256)]
    version: Annotated[VersionConstraint, AfterValidator(_one_release)]
    installDir: HostFolder | None = None
    vhdxDir: HostFolder | None = None


class EflowVm(Model):
    """The EFLOW product and its virtual machine. A host can have one."""

    product: Annotated[str, HOW]
    version: Annotated[VersionConstraint, IMMUTABLE]  # updates go through every release in between: by Microsoft Update, or by a replace
    installer: Annotated[Installer, HOW]
    acceptEula: Annotated[Literal["Yes"], HOW]  # the licence is the user's to accept: never defaulted
    acceptOptionalTelemetry: YesNo | None = None
    deployed: Annotated[bool, FIXED] = True
    vswitchName: Annotated[WindowsName | Existing, Ref("VirtualSwitch", bound=True, behind=SERVED_BY), IMMUTABLE]
    vswitchType: Annotated[SwitchType | None, From("vswitchName.switchType"), IMMUTABLE] = None
    ip4Address: Annotated[GuestAddress | None, IMMUTABLE] = None
    ip4PrefixLength: Annotated[Annotated[int, Field(ge=1, le=30)] | None, From("vswitchName.ipAddress.network.prefixlen", beside="ip4Address"), IMMUTABLE] = (
        None
    )
    ip4GatewayAddress: Annotated[IPv4Address | None, From("vswitchName.gateway", beside="ip4Address"), IMMUTABLE] = None
    dnsServers: Annotated[tuple[IPv4Address, ...], Field(min_length=1)] | None = None
    cpuCount: Annotated[int, Field(ge=1)] | None = None
    memoryInMB: Annotated[int, Field(ge=1)] | None = None
    vmDiskSize: Annotated[Annotated[int, Field(ge=1)] | None, IMMUTABLE] = None  # GB
    vmDataSize: Annotated[Annotated[int, Field(ge=1)] | None, IMMUTABLE] = None  # GB
    vmLogSize: Annotated[Literal["Small", "Large"] | None, IMMUTABLE] = None
    dpsTpm: bool | None = None
    defender: bool | None = None
    powerState: PowerState | None = RUNNING
    provisioning: Annotated[Mapping[str, Any] | None, Part("EflowProvisioning", parent="vm")] = None


class EflowVmState(Model):
    """EFLOW as the host has it. `products`: codes of installed MSIs; `disks` and `shell` are seen only where nothing is deployed."""

    deployed: bool
    version: VersionConstraint | None = None
    acceptOptionalTelemetry: YesNo | None = None
    vswitchName: SwitchSeen | None = None
    vswitchType: SwitchType | None = None
    ip4Address: GuestAddress | None = None
    ip4PrefixLength: int | None = None
    ip4GatewayAddress: IPv4Address | None = None
    dnsServers: tuple[IPv4Address, ...] | None = None
    cpuCount: int | None = None
    memoryInMB: int | None = None
    vmDiskSize: int | None = None
    vmDataSize: int | None = None
    vmLogSize: str | None = None
    dpsTpm: bool | None = None
    defender: bool | None = None
    powerState: PowerState | None = None
    macAddress: MacAddress | None = None
    usedStorageMb: int | None = None
    totalStorageMb: int | None = None
    products: tuple[str, ...] = ()
    disks: tuple[str, ...] = ()
    shell: str | None = None
    shellRuns: bool = False


def switch_name(named: Any) -> str:
    """The switch's name, however it is referred to."""
    return str(named.existing if isinstance(named, Existing) else named)


def on_default_switch(spec: EflowVm) -> bool:
    return switch_name(spec.vswitchName).casefold() == DEFAULT_SWITCH.casefold()


def given(value: T | None) -> TypeGuard[T]:
    """Whether a value is there to be judged now."""
    return value is not None and not isinstance(value, Later)
