"""What a person may write around the kinds: metadata, a Host, its connection, the Fleet, and the fields that every resource has.

pydantic models, read by the same readers as the specs of kinds; `documents` and `resources` turn them into values of core.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from reconciler.core.calls import Secret
from reconciler.core.model import Model
from reconciler.core.resources import DriftPolicy

API_VERSION = "reconciler/v1"
LATER_KINDS = ("Overlay", "HostList", "Blueprint", "Policy")
Sku = Literal["server-2016", "server-2019", "server-2022", "server-2025", "client-10", "client-11"]


def _matches(pattern: str, what: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(what)
        return text

    return AfterValidator(check)


HostName = Annotated[
    str, _matches(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", "a host's name is 1 to 63 letters, digits, dots, dashes and underscores")
]
FleetName = Annotated[
    str, _matches(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", "a fleet's name is 1 to 63 letters, digits, dots, dashes and underscores")
]
Address = Annotated[str, _matches(r"[A-Za-z0-9._:-]{1,253}", "an address is a name or an IP address, without a scheme or a path")]
TimeZone = Annotated[str, _matches(r"UTC|[A-Za-z]+(?:/[A-Za-z0-9_+-]+){1,2}", "a time zone is written as in the IANA list, for example Europe/Amsterdam")]
ComputerName = Annotated[str, _matches(r"(?!\d+$)[A-Za-z0-9-]{1,15}", "a computer name has 1 to 15 letters, digits and dashes, and not digits alone")]
Label = Annotated[str, _matches(r"[^\x00-\x1f\x7f]{0,256}", "a label is one line of at most 256 characters")]
RuleId = Annotated[str, _matches(r"[A-Z]{3}[0-9]{3}", "a rule's id is three letters and three digits, for example EFL090")]
Day = Annotated[str, _matches(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])", "a day is written 2027-06-30")]
Guid = Annotated[str, _matches(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", "an id is written 6f1c0c9e-0000-4000-8000-00000000e001")]
ResourceGroup = Annotated[
    str,
    _matches(r"[\w().-]{0,89}[\w()-]", "a resource group's name is 1 to 90 letters, digits and _ . - ( ), and does not end in a dot"),
]
AzureName = Annotated[str, _matches(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_])?", "a name in Azure is 1 to 64 letters, digits and . - _")]
Cloud = Annotated[
    str,
    _matches(r"public|usGovernment|china|https://[A-Za-z0-9.-]{1,253}(?::\d{1,5})?", "a cloud is public, usGovernment, china, or another's https address"),
]
ConfigurationName = Annotated[
    str, _matches(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", "a session configuration's name is 1 to 64 letters, digits and . - _")
]
Reason = Annotated[str, _matches(r"(?s).*\S.*", "a reason says something")]


class HostMetadata(Model):
    name: HostName
    labels: Mapping[str, Label] | None = None


class FleetMetadata(Model):
    name: FleetName


class ResourceMetadata(Model):
    name: str | None = None


class ConnectionSpec(Model):
    """How a host is reached. Files are named from where the command runs; what is insecure is asked for by name."""

    transport: Literal["winrm", "psrp", "local"] = "winrm"
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    scheme: Literal["http", "https"] | None = None
    authentication: Literal["negotiate", "kerberos", "ntlm", "certificate", "basic"] | None = None
    username: str | None = None
    password: Secret | None = None
    certificate: str | None = None
    certificateKey: str | None = None
    ca: str | None = None
    configurationName: ConfigurationName | None = None
    mode: Literal["function", "cmdlet"] | None = None
    session: Literal["per-look", "persistent"] | None = None
    insecure: tuple[Literal["plainHttp", "anyCertificate"], ...] | None = None


class AzureSpec(Model):
    """Where Azure Resource Manager knows the host, and who asks it. Exactly one of vm and scaleSet."""

    subscription: Guid
    resourceGroup: ResourceGroup
    vm: AzureName | None = None
    scaleSet: AzureName | None = None
    cloud: Cloud | None = None
    tenant: Guid | None = None
    credential: Literal["managedIdentity", "workloadIdentity", "environment", "cli"] | None = None
    nestedVirtualization: Literal["asserted"] | None = None


class HostSpec(Model):
    """A host without its address and its resources, which are read once the rest is known."""

    sku: Sku | None = None
    timeZone: TimeZone | None = None
    computerName: ComputerName | None = None
    connection: ConnectionSpec | Literal["none"] | None = None
    azure: AzureSpec | None = None


class AddressSpec(Model):
    address: Address | None = None


class FleetSpec(Model):
    maxDeletes: Annotated[int, Field(ge=0, le=100_000)] = 5


class LifecycleSpec(Model):
    """What may be done to a resource."""

    preventDestroy: bool = False
    observeOnly: bool = False
    ignoreChanges: tuple[str, ...] = ()
    deletionPolicy: Literal["delete", "orphan"] | None = None


class AcceptSpec(Model):
    """A warning that somebody takes on."""

    rule: RuleId
    until: Day | None = None
    reason: Reason


class CommonSpec(Model):
    """Fields that every resource has beside those of its kind."""

    dependsOn: tuple[str, ...] | None = None
    driftPolicy: DriftPolicy | None = None
    lifecycle: LifecycleSpec | None = None
    accept: tuple[AcceptSpec, ...] | None = None
    exclusive: bool | None = None


class SelectorSpec(Model):
    matchLabels: Mapping[str, str]
