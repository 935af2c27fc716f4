"""The capabilities that kinds name of each other. Each is proved by a question that fails without rights.

Sources: eflow-domain 3, 6 and 8 (what answers before and after the restart), windows-outputs (error ids).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from reconciler.core.calls import Answer, Cmdlet
from reconciler.core.observations import Ask, Capability, CapabilityState, Facts

GET_VMHOST = Cmdlet("Get-VMHost")
GET_FEATURE = Cmdlet("Get-WindowsFeature", ("Name",))
GET_OPTIONAL = Cmdlet("Get-WindowsOptionalFeature", ("Online", "FeatureName"))
GET_NAT = Cmdlet("Get-NetNat")
GET_DHCP = Cmdlet("Get-DhcpServerSetting")
VERIFY_EFLOW = Cmdlet("Verify-EflowVm")

# Proofs, each made once: the same question of every host is one object.
VMHOST = Ask(GET_VMHOST(select=("Name", "LogicalProcessorCount")), tolerate=True)
NATS = Ask(GET_NAT(select=("Name", "InternalIPInterfaceAddressPrefix")), tolerate=True)
DHCP_SETTING = Ask(GET_DHCP(select=("IsDomainJoined", "IsAuthorized")), tolerate=True)
EFLOW_VERIFIED = Ask(VERIFY_EFLOW(), tolerate=True)

WORDS = (GET_VMHOST, GET_FEATURE, GET_OPTIONAL, GET_NAT, GET_DHCP, VERIFY_EFLOW)

ABSENT_COMMAND = "CommandNotFoundException"
ABSENT_CLASS = "HRESULT 0x80041010"
INSTALLED = ("Installed", "Enabled")
PENDING = ("InstallPending", "EnablePending")


def feature_ask(name: str, optional: str, facts: Facts) -> Ask:
    """The state of a role (server) or optional feature (client); an unknown name answers nothing on both."""
    return _feature_ask(name, optional, facts.is_server)


@cache
def _feature_ask(name: str, optional: str, is_server: bool) -> Ask:
    if is_server:
        return Ask(GET_FEATURE(Name=name, select=("Name", "InstallState")), tolerate=True)
    return Ask(GET_OPTIONAL(Online=True, FeatureName=optional, select=("FeatureName", "State")), tolerate=True)


def feature_state(answer: Answer, facts: Facts) -> str | None:
    """The feature's state as text, `Absent` when the host knows no such feature, None when it could not be read."""
    if answer.error is not None:
        return None
    if not answer.objects:
        return "Absent"
    return str(answer.objects[0]["InstallState" if facts.is_server else "State"])


def _by_feature(answers: Sequence[Answer], facts: Facts) -> CapabilityState:
    """Judge (feature, proof): the proof's answer counts; the feature says why there is none."""
    feature, proof = feature_state(answers[0], facts), answers[1]
    if proof.ok:
        return CapabilityState.HAS
    if feature in PENDING:
        return CapabilityState.PENDING_RESTART
    if proof.error is not None and proof.error.is_(ABSENT_COMMAND, ABSENT_CLASS) and feature not in INSTALLED:
        return CapabilityState.LACKS if feature is not None else CapabilityState.SILENT
    if feature is not None and feature not in INSTALLED:
        return CapabilityState.LACKS
    return CapabilityState.SILENT


def _hyper_v(facts: Facts) -> Iterable[Ask]:
    yield feature_ask("Hyper-V", "Microsoft-Hyper-V", facts)
    yield VMHOST


def _winnat(facts: Facts) -> Iterable[Ask]:
    yield feature_ask("Hyper-V", "Microsoft-Hyper-V", facts)
    yield NATS


def _dhcp(facts: Facts) -> Iterable[Ask]:
    yield feature_ask("DHCP", "DHCP", facts)
    yield DHCP_SETTING


def _eflow(facts: Facts) -> Iterable[Ask]:
    yield EFLOW_VERIFIED


def _read_eflow(answers: Sequence[Answer], facts: Facts) -> CapabilityState:
    if answers[0].ok:
        return CapabilityState.HAS
    error = answers[0].error
    assert error is not None
    return CapabilityState.LACKS if error.is_(ABSENT_COMMAND) else CapabilityState.SILENT


HYPER_V = Capability("hyper-v", _hyper_v, _by_feature, hint="WindowsFeature/Hyper-V")
WINNAT = Capability("winnat", _winnat, _by_feature, hint="WindowsFeature/Hyper-V")
DHCP_SERVER = Capability("dhcp-server", _dhcp, _by_feature, hint="WindowsFeature/DHCP")
AZURE_EFLOW = Capability("azure-eflow", _eflow, _read_eflow, hint="EflowVm")
