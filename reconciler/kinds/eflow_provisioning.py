"""EflowProvisioning: how the EFLOW VM gets its identity from IoT Hub or the Device Provisioning Service. Written inside EflowVm.

Inconvenient, and how it is met: no cmdlet tells how a VM is provisioned, so the guest's configuration is read by one `grep` that
prints only names and values which are no secret (the file holds the key); the same grep prints a line of /etc/os-release, and only with
that line is silence about provisioning an absence. The secrets themselves cannot be read back: they are compared with the record.
Provision-EflowVm takes them as arguments, so it runs attached and never as a job, always `headless`. There is no way back: a VM can be
provisioned anew, or removed. On any change the whole is provisioned again.

Sources: eflow-domain 1.4, 1.6, 1.7; design "In-guest facts". Unverified: what exactly EFLOW writes into the file for each type, and
whether a re-provisioned guest keeps parts of its former configuration.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from reconciler.core.calls import Answer, Argv, Cmdlet, Good, Secret, Unreadable
from reconciler.core.capabilities import AZURE_EFLOW, VERIFY_EFLOW
from reconciler.core.changes import Changes
from reconciler.core.diagnostics import Severity
from reconciler.core.fieldtypes import Folded
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Disruption, Finding, Kind, Rule, World, span
from reconciler.core.model import HOW, WRITE_ONLY, Model, Ref
from reconciler.core.observations import Ask, Facts, Present
from reconciler.kinds._eflow_vm_look import GET_EFLOW, VM_NOW, is_deployed, is_off

ProvisioningType = Literal["ManualConnectionString", "ManualX509", "DpsTPM", "DpsX509", "DpsSymmetricKey"]

# Type → what it needs, and what it may have besides. Everything else it refuses.
TYPES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {
        "ManualConnectionString": (("devConnString",), ()),
        "ManualX509": (("iotHubHostname", "deviceId", "identityCertPath", "identityPrivKeyPath"), ()),
        "DpsTPM": (("scopeId",), ("registrationId", "globalEndpoint")),
        "DpsX509": (("scopeId", "identityCertPath", "identityPrivKeyPath"), ("registrationId", "globalEndpoint")),
        "DpsSymmetricKey": (("scopeId", "registrationId", "symmKey"), ("globalEndpoint",)),
    },
)
DPS_METHODS = {"tpm": "DpsTPM", "x509": "DpsX509", "symmetric_key": "DpsSymmetricKey"}
FIELDS = ("scopeId", "registrationId", "globalEndpoint", "iotHubHostname", "deviceId", "identityCertPath", "identityPrivKeyPath", "devConnString", "symmKey")

# No double quote in it: Windows PowerShell 5.1 drops them on the way to a program. It stops before SharedAccessKey.
PATTERN = (
    r"^ *(\[[^]]*\]|(source|method|id_scope|scope_id|registration_id|iothub_hostname|device_id|global_endpoint) *[=:] *[^;}]*"
    r"|(device_)?connection_string *[=:] *.HostName=[^;]*;DeviceId=[^;]*|ID=.*)"
)
TOML, YAML, PROOF = "/etc/aziot/config.toml", "/etc/iotedge/config.yaml", "/etc/os-release"
LOOK = Argv(("sudo", "grep", "-ohsE", PATTERN, TOML, YAML, PROOF))

IN_GUEST = Cmdlet("Invoke-EflowVmCommand", ("command", "ignoreError"))
PROVISION = Cmdlet("Provision-EflowVm", ("provisioningType", "headless", *FIELDS))
PROVISIONING = Key("provisioning")

_LINE = re.compile(r"(\w+) *[=:] *(.*)")
_QUOTED = re.compile(r"""(["'])(.*?)\1""")
_CONNECTION = re.compile(r"HostName=([^;]*);DeviceId=([^;]*)")


class ServiceEndpoint(Folded):
    """The address of a provisioning service: with or without `https://` and a last slash it is the same."""

    __slots__ = ()

    def _bare(self) -> str:
        return re.sub(r"^https?://", "", self.casefold()).rstrip("/")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self._bare() == ServiceEndpoint(other)._bare()

    def __hash__(self) -> int:
        return hash(self._bare())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


def _file(text: str) -> str:
    if not re.fullmatch(r'[A-Za-z]:\\[^"*?<>|/\x00-\x1f]+', text):
        raise ValueError(r"a file on the Windows host is written with its drive, for example C:\certs\device.pem")
    return text


HostFile = Annotated[str, AfterValidator(_file)]


def _registration(text: Folded) -> Folded:
    if not re.fullmatch(r"[A-Za-z0-9._:-]{0,127}[A-Za-z0-9-]", text):
        raise ValueError("a registration id has at most 128 letters, digits and . _ : -, and ends with a letter, a digit or a dash")
    return text


# What a Device Provisioning Service takes (its documentation, unverified here); the guest's file is read on that footing.
RegistrationId = Annotated[Folded, AfterValidator(_registration)]


class EflowProvisioning(Model):
    """The identity of an EFLOW VM. Which fields belong together depends on `provisioningType`."""

    vm: Annotated[str, Ref("EflowVm", bound=True), HOW] = "EflowVm"
    provisioningType: ProvisioningType
    scopeId: str | None = None
    registrationId: RegistrationId | None = None
    globalEndpoint: ServiceEndpoint | None = None
    iotHubHostname: Folded | None = None
    deviceId: str | None = None
    identityCertPath: HostFile | None = None
    identityPrivKeyPath: HostFile | None = None
    devConnString: Annotated[Secret | None, WRITE_ONLY] = None
    symmKey: Annotated[Secret | None, WRITE_ONLY] = None


class EflowProvisioningState(Model):
    """What the guest's configuration says of its identity. Never a secret."""

    provisioningType: ProvisioningType
    scopeId: str | None = None
    registrationId: Folded | None = None
    globalEndpoint: ServiceEndpoint | None = None
    iotHubHostname: Folded | None = None
    deviceId: str | None = None
    identityCertPath: str | None = None
    identityPrivKeyPath: str | None = None


ASKS = (
    Ask(VERIFY_EFLOW(), requires=AZURE_EFLOW),
    VM_NOW,
    # grep says 1 for no line and 2 for a file that is not there; whether the guest answered is told by the line of os-release.
    Ask(IN_GUEST(command=LOOK, ignoreError=True, seconds=60), tolerate=True, requires=AZURE_EFLOW),
)


def ask(keys: Collection[Key], facts: Facts) -> Iterable[Ask]:
    return ASKS


def parse(answers: Sequence[Answer], facts: Facts) -> Mapping[Key, Present[EflowProvisioningState]]:
    verified, vm, guest = answers
    if not is_deployed(verified):
        return {}
    lines = [line.strip() for one in guest.objects for line in str(one).splitlines()]
    if guest.error is not None or not any(line.startswith("ID=") for line in lines):
        raise Unreadable("provisioning", "the VM is off" if is_off(vm) else f"the guest does not answer: {_silence(guest)}")
    found = _configured(lines)
    if "source" not in found:
        return {}
    state = EflowProvisioningState(provisioningType=_type(found), **{name: found.get(name) for name in _KEYS.values() if name in FIELDS})
    unseen = {name: "the guest's configuration does not tell it" for name in FIELDS if getattr(state, name, "") is None}
    return {PROVISIONING: Present(state, unseen=unseen)}


def _silence(guest: Answer) -> str:
    return guest.error.message or guest.error.id if guest.error else "its answer is not whole"


# What the configuration calls it (TOML of 1.2 and later, YAML of 1.1) → what we call it.
_KEYS = {
    "source": "source",
    "method": "method",
    "id_scope": "scopeId",
    "scope_id": "scopeId",
    "registration_id": "registrationId",
    "global_endpoint": "globalEndpoint",
    "iothub_hostname": "iotHubHostname",
    "device_id": "deviceId",
}
_SECTIONS = ("[provisioning]", "[provisioning.attestation]", "[provisioning.authentication]")


def _configured(lines: Iterable[str]) -> dict[str, str]:
    """Name → value of the sections about provisioning; the first one counts."""
    found: dict[str, str] = {}
    ours = True  # YAML has no section lines, and there these names stand under provisioning only
    for line in lines:
        if line.startswith("["):
            ours = line in _SECTIONS
        elif ours and (connection := _CONNECTION.search(line)):
            found |= {"iotHubHostname": _bare(connection[1]), "deviceId": _bare(connection[2]), "method": "connection_string"}
        elif ours and (pair := _LINE.fullmatch(line)) and pair[1] in _KEYS and _bare(pair[2]):
            found.setdefault(_KEYS[pair[1]], _bare(pair[2]))
    return found


def _bare(text: str) -> str:
    """A value without its quotes and what follows them; a connection string is cut in the middle of its quotes."""
    quoted = _QUOTED.match(text.strip())
    return quoted[2] if quoted else text.strip().strip("\"'")


def _type(found: Mapping[str, str]) -> str:
    source, method = found["source"].casefold(), found.get("method", "").casefold()
    match source:
        case "manual":
            return "ManualX509" if method == "x509" else "ManualConnectionString"
        case "dps" if method in DPS_METHODS:
            return DPS_METHODS[method]
    raise Unreadable("provisioning", f"source {source} with method {method or 'none'} is no provisioning that is known here")


def converge(
    want: EflowProvisioning,
    now: EflowProvisioningState | None,
    changes: Changes[EflowProvisioningState],
    facts: Facts,
) -> Iterable[Action]:
    if now is not None and not changes:
        return
    given: dict[str, Any] = {name: value if isinstance(value, Secret) else str(value) for name in FIELDS if (value := getattr(want, name)) is not None}
    call = PROVISION(provisioningType=want.provisioningType, headless=True, **given, good=Good(returns="OK"), seconds=900)
    whom = next((f" as {given[name]}" for name in ("registrationId", "deviceId") if name in given), "")
    again = " again" if now else ""
    yield Action(
        "provision",
        f"provision the EFLOW VM{again} by {want.provisioningType}{whom}",
        (call,),
        span(60, 120),
        Disruption.SERVICE if now else Disruption.NONE,
        until={"provisioningType": want.provisioningType},
        within=timedelta(minutes=5),
    )


def _lacking(world: World) -> Iterator[Finding]:
    for one in world.declared("EflowProvisioning"):
        required, _ = TYPES[one.spec.provisioningType]
        if lacking := [name for name in required if getattr(one.spec, name) is None]:
            yield Finding(one.id, "provisioningType", f"{one.spec.provisioningType} needs {' and '.join(lacking)}", help=f"write {', '.join(lacking)}")


def _refused(world: World) -> Iterator[Finding]:
    for one in world.declared("EflowProvisioning"):
        required, optional = TYPES[one.spec.provisioningType]
        for name in FIELDS:
            if name not in (*required, *optional) and getattr(one.spec, name) is not None:
                takes = ", ".join((*required, *(f"{extra} (optional)" for extra in optional)))
                also = ((one.id, "provisioningType", ""),)
                yield Finding(one.id, name, f"{one.spec.provisioningType} takes no {name}", also=also, help=f"it takes {takes}")


KIND = Kind(
    EflowProvisioning,
    EflowProvisioningState,
    key=lambda spec: PROVISIONING,
    ask=ask,
    parse=parse,
    converge=converge,
    requires=lambda spec: (AZURE_EFLOW,),
    rules=(
        Rule("EFL040", Severity.ERROR, "what a type of provisioning needs", _lacking),
        Rule("EFL041", Severity.ERROR, "what a type of provisioning refuses", _refused),
    ),
    words=(VERIFY_EFLOW, GET_EFLOW, IN_GUEST, PROVISION),
    title="the identity of the EFLOW VM",
    singleton=True,
)
