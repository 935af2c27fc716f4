"""What an extension of an Azure VM or scale set is to a spec and in Azure: fields, their types, the names both sides share.

Read by `azure_vm_extension` and its parts. Types carry the equality that the engine's diff needs; nothing here asks or acts.
Sources: azure-extensions 1.3, 1.8, 2.4, 6.1; arm-contract "YAML", "Verbs".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from reconciler.core.calls import Secret
from reconciler.core.fieldtypes import Folded, SeenName
from reconciler.core.model import AGAIN, FIXED, HOW, IMMUTABLE, UNTOLD, WRITE_ONLY, From, Json, Model, Ref
from reconciler.kinds._azure_drivers import Driver

KIND_NAME = "AzureVmExtension"
SENT = (  # of a body, on a VM and on a scale set alike (azure-extensions 1.3)
    "properties.publisher",
    "properties.type",
    "properties.typeHandlerVersion",
    "properties.autoUpgradeMinorVersion",
    "properties.enableAutomaticUpgrade",
    "properties.settings",
    "properties.protectedSettings",
    "properties.protectedSettingsFromKeyVault",
    "properties.forceUpdateTag",
    "properties.suppressFailures",
)


class HandlerVersion(str):
    """Major and minor, as numbers: 1.10 is no 1.1, and 01.5 is 1.5."""

    __slots__ = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", self)[:2])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.numbers == HandlerVersion(other).numbers

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.numbers)

    @classmethod
    def read(cls, text: str) -> HandlerVersion:
        if not re.fullmatch(r"\d{1,5}\.\d{1,5}", text):
            raise ValueError("the version of an extension is major.minor, for example 1.5: the service finds the rest itself")
        return cls(text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls.read, core_schema.str_schema())


class Moving(HandlerVersion):
    """The version of an extension that Azure upgrades by itself: what is asked for is then a minimum, and anything older is met."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.numbers >= HandlerVersion(other).numbers

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(Moving)  # it equals many


class Reached(str):
    """How far a scale set's model has come. Equal to what a spec asks of the instances: `all`, `none`, or some by id. Printed as it is told.

    `behind`: not at the model yet, of which `untouched` have no such extension; `pending`: for these, somebody else's change waits too.
    """

    done: tuple[str, ...]
    behind: tuple[str, ...]
    failed: Mapping[str, str]
    pending: tuple[str, ...]

    @classmethod
    def of(cls, done: Sequence[str], behind: Sequence[str], failed: Mapping[str, str], pending: Sequence[str] = (), untouched: int = 0) -> Reached:
        whole = len(done) + len(behind) + len(failed)
        counts = ((len(done), f"of {whole} as declared"), (len(behind) - untouched, "behind the model"), (untouched, "untouched"))
        told = ", ".join(f"{count} {what}" for count, what in counts if count or what.endswith("declared"))
        made = cls("; ".join([told, *(f"instance {id}: {why}" for id, why in failed.items())]))
        made.done, made.behind, made.failed, made.pending = tuple(done), tuple(behind), dict(failed), tuple(pending)
        return made

    @property
    def every(self) -> tuple[str, ...]:
        """All instances in order: numbers as numbers."""
        return tuple(sorted((*self.done, *self.behind, *self.failed), key=lambda id: (not id.isdigit(), int(id) if id.isdigit() else 0, id)))

    def __eq__(self, other: object) -> bool:
        if other == "none":
            return True
        if isinstance(other, tuple | list):
            return set(other) <= set(self.done)
        return not (self.behind or self.failed) if isinstance(other, str) else NotImplemented

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(Reached)  # it equals several


ONE_VM = Reached.of((), (), {})


def _name(text: SeenName) -> SeenName:
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?", text):
        raise ValueError("the name of an extension is 1 to 80 letters, digits and . - _, and begins with a letter or digit")
    return text


def _publisher(text: Folded) -> Folded:
    if " " in text:
        raise ValueError(f"a publisher has no spaces (a translated page broke it): {re.sub(r' +', '', text)}")
    return _word(text)


def _word(text: Folded) -> Folded:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text):
        raise ValueError("letters, digits and . - _")
    return text


def _tag(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise ValueError("1 to 64 letters, digits and . - _")
    return text


ExtensionName = Annotated[SeenName, AfterValidator(_name)]
Publisher = Annotated[Folded, AfterValidator(_publisher)]
TypeName = Annotated[Folded, AfterValidator(_word)]
Rerun = Annotated[str, AfterValidator(_tag)]
InstanceId = Annotated[str, AfterValidator(_tag)]


class KeyVaultReference(Model):
    """Where Azure itself fetches the protected settings; compared as text."""

    secretUrl: Folded
    sourceVault: Folded


class AzureVmExtension(Model):
    """An extension of an Azure VM or scale set: code that runs there as SYSTEM."""

    name: Annotated[ExtensionName, From("metadata.name")]
    driver: Annotated[Driver | None, HOW] = None
    publisher: Annotated[Publisher, From("driver.publisher"), IMMUTABLE]
    type: Annotated[TypeName, From("driver.type"), IMMUTABLE]
    version: Annotated[HandlerVersion, From("driver.version", yields=True)]
    enableAutomaticUpgrade: bool = False
    autoUpgradeMinorVersion: bool = True
    settings: Annotated[Mapping[str, Any] | None, Json()] = None
    protectedSettings: Annotated[Mapping[str, Any] | Secret | None, Json(secrets=True), WRITE_ONLY] = None
    protectedSettingsFromKeyVault: KeyVaultReference | None = None
    suppressFailures: bool | None = None
    rerun: Annotated[Rerun | None, AGAIN] = None
    restart: Annotated[Literal["never", "when-asked"], HOW] = "never"
    after: Annotated[tuple[ExtensionName, ...] | None, Ref(KIND_NAME), HOW] = None
    instances: Annotated[Literal["all", "none"] | tuple[InstanceId, ...], UNTOLD] = "all"
    batchSize: Annotated[Annotated[int, Field(ge=1, le=1000)] | None, HOW] = None
    installed: Annotated[bool, FIXED, AGAIN] = True

    @property
    def handler(self) -> str:
        """What Windows takes one of."""
        return f"{self.publisher}.{self.type}".casefold()


class AzureVmExtensionState(Model):
    """An extension as Azure has it. What follows `installed` is seen and never declared."""

    name: SeenName
    publisher: Folded
    type: Folded
    version: HandlerVersion
    enableAutomaticUpgrade: bool
    autoUpgradeMinorVersion: bool
    settings: Mapping[str, Any]
    protectedSettingsFromKeyVault: KeyVaultReference | None
    suppressFailures: bool
    rerun: str | None
    installed: bool
    instances: Reached = ONE_VM
    attempts: int = 0  # how often the same `rerun` was tried again
    forceUpdateTag: str | None = None  # as it stands there
    tags: Mapping[str, str] = {}
    provisioning: str = "Succeeded"
    installedVersion: str = ""  # what the handler says of itself: the model says what was asked for
    exit: int | None = None  # the installer's exit code, where something tells it
    said: str = ""  # the handler's last words
    healthy: bool = True
    awaitsRestart: bool = False

    @property
    def handler(self) -> str:
        return f"{self.publisher}.{self.type}".casefold()

    @property
    def account(self) -> str:
        """How a scale set stands; nothing of one VM."""
        return str(self.instances) if self.instances.every else ""


TAG = re.compile(r"([A-Za-z0-9._-]{0,64}):(\d{1,6})(?::([0-9a-f]{16}))?")


def spell_tag(rerun: str | None, attempts: int, fingerprint: str = "") -> str | None:
    """forceUpdateTag: what the user wrote, how often it was tried, and on a scale set the secret's print. None while nothing of it is needed."""
    if rerun is None and not attempts and not fingerprint:
        return None
    return ":".join([rerun or "", str(attempts), *([fingerprint] if fingerprint else [])])


def read_tag(text: str | None) -> tuple[str | None, int, str]:
    """`rerun`, attempts and print of a tag; one that others wrote is their `rerun`."""
    if not text:
        return None, 0, ""
    ours = TAG.fullmatch(text)
    return (ours[1] or None, int(ours[2]), ours[3] or "") if ours else (text, 0, "")
