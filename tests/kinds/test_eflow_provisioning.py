"""EflowProvisioning: the guest's configuration as it is printed, the five types, and secrets that only ever travel."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.core.calls import Answer, Argv, Call, Cmdlet, Good, Secret, Unreadable
from reconciler.core.capabilities import AZURE_EFLOW
from reconciler.core.changes import Cause, Change, Changes
from reconciler.core.kinds import Action, Disruption
from reconciler.core.model import fields
from reconciler.core.observations import Present
from reconciler.kinds import eflow_vm
from reconciler.kinds.eflow_provisioning import KIND, PATTERN, PROVISIONING, TYPES, EflowProvisioning, EflowProvisioningState, ServiceEndpoint
from reconciler.signatures.check import check_call, check_word
from tests.kinds.eflow_world import FAILED, OFF, SERVER, FakeWorld, One, called, changed, findings, parameters, plain, running

KEY, CONNECTION = Secret("env", "SYMM_KEY"), Secret("env", "CONNECTION")
CERT, PRIVATE = r"C:\certs\device.pem", r"C:\certs\device.key"
WRITTEN: dict[str, dict[str, Any]] = {
    "ManualConnectionString": {"devConnString": CONNECTION},
    "ManualX509": {"iotHubHostname": "hub.azure-devices.net", "deviceId": "edge-01", "identityCertPath": CERT, "identityPrivKeyPath": PRIVATE},
    "DpsTPM": {"scopeId": "0ne00A1B2C3"},
    "DpsX509": {"scopeId": "0ne00A1B2C3", "identityCertPath": CERT, "identityPrivKeyPath": PRIVATE},
    "DpsSymmetricKey": {"scopeId": "0ne00A1B2C3", "registrationId": "edge-01", "symmKey": KEY},
}
ID = "edge-01/EflowProvisioning"
PROOF = "ID=mariner"


def spec(kind: str = "DpsSymmetricKey", **more: Any) -> EflowProvisioning:
    return EflowProvisioning.model_validate({"provisioningType": kind, **WRITTEN[kind], **more})


def parse(*lines: str, verified: Any = True) -> Present[EflowProvisioningState] | None:
    seen = KIND.parse([plain(verified), running(), plain(*lines)], SERVER)
    assert set(seen) <= {PROVISIONING}
    return seen.get(PROVISIONING)


def converge(want: EflowProvisioning, now: EflowProvisioningState | None, changes: Changes[Any]) -> list[Action]:
    return list(KIND.converge(want, now, changes, SERVER))


SYMMETRIC = (
    "[provisioning]",
    'source = "dps"',
    'global_endpoint = "https://global.azure-devices-provisioning.net"',
    'id_scope = "0ne00A1B2C3"',
    "[provisioning.attestation]",
    'method = "symmetric_key"',
    'registration_id = "edge-01"',
    "[edge_ca]",
    'method = "self_signed"',
    PROOF,
)


# -- questions


def test_the_questions_are_ones_that_windows_binds() -> None:
    asked = list(KIND.ask((), SERVER))
    assert [fault for ask in asked for fault in check_call(ask.call)] == []
    assert [fault for word in KIND.words if isinstance(word, Cmdlet) for fault in check_word(word)] == []
    assert all(ask.requires is AZURE_EFLOW for ask in asked)


@pytest.mark.skipif(not shutil.which("grep"), reason="there is no grep on this machine")
def test_the_guests_grep_prints_what_is_wanted_and_never_a_secret(tmp_path: Path) -> None:
    toml, yaml, release = tmp_path / "config.toml", tmp_path / "config.yaml", tmp_path / "os-release"
    toml.write_text(
        '# source = "manual"\nhostname = "edge"\n[provisioning]\nsource = "dps" # ours\nid_scope = "0ne"\n[provisioning.attestation]\n'
        'method = "symmetric_key"\nregistration_id = "edge-01"\nsymmetric_key = { value = "S3CRET" }\n'
        'connection_string = "HostName=h;DeviceId=d;SharedAccessKey=S3CRET"\n'
        'connection_string = "SharedAccessKey=S3CRET;HostName=h;DeviceId=d"\n',
    )
    yaml.write_text('provisioning:\n  source: "manual"\n  device_connection_string: "HostName=h;DeviceId=d;SharedAccessKey=S3CRET"\n')
    release.write_text('NAME="x"\nID=azurelinux\nVERSION_ID="3.0"\n')
    done = subprocess.run(["grep", "-ohsE", PATTERN, toml, yaml, tmp_path / "absent", release], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "[provisioning]",
        'source = "dps" # ours',
        'id_scope = "0ne"',
        "[provisioning.attestation]",
        'method = "symmetric_key"',
        'registration_id = "edge-01"',
        'connection_string = "HostName=h;DeviceId=d',
        '  source: "manual"',
        '  device_connection_string: "HostName=h;DeviceId=d',
        "ID=azurelinux",
    ]


def test_the_guest_command_holds_no_double_quote() -> None:
    (_, _, guest) = [ask.call for ask in KIND.ask((), SERVER)]
    assert isinstance(guest, Call)
    command = guest.parameters["command"]
    assert isinstance(command, Argv)
    assert '"' not in "".join(command.words)


# -- what is there


def test_a_symmetric_key_is_read_with_scope_and_registration_and_other_sections_do_not_count() -> None:
    seen = parse(*SYMMETRIC)
    assert seen is not None
    assert seen.state == EflowProvisioningState(
        provisioningType="DpsSymmetricKey",
        scopeId="0ne00A1B2C3",
        registrationId="edge-01",
        globalEndpoint="https://global.azure-devices-provisioning.net",
    )
    assert {"identityCertPath", "identityPrivKeyPath", "iotHubHostname", "deviceId"} <= set(seen.unseen)


@pytest.mark.parametrize(
    ("lines", "kind", "told"),
    [
        (
            ["[provisioning]", 'source = "manual"', 'connection_string = "HostName=h;DeviceId=d'],
            "ManualConnectionString",
            {"iotHubHostname": "h", "deviceId": "d"},
        ),
        (
            ["[provisioning]", 'source = "manual"', 'iothub_hostname = "h"', 'device_id = "d,1#a"', "[provisioning.authentication]", 'method = "x509"'],
            "ManualX509",
            {"iotHubHostname": "h", "deviceId": "d,1#a"},
        ),
        (["[provisioning]", 'source = "dps" # ours', 'id_scope = "0ne"', "[provisioning.attestation]", 'method = "tpm"'], "DpsTPM", {"scopeId": "0ne"}),
        (["[provisioning]", "source = 'dps'", "id_scope = '0ne'", "[provisioning.attestation]", "method = 'x509'"], "DpsX509", {"scopeId": "0ne"}),
        (['source: "dps"', 'scope_id: "0ne"', 'method: "symmetric_key"', 'registration_id: "r"'], "DpsSymmetricKey", {"scopeId": "0ne", "registrationId": "r"}),
    ],
)
def test_each_type_is_told_by_source_and_method(lines: list[str], kind: str, told: dict[str, str]) -> None:
    seen = parse("\n".join([*lines, PROOF]))
    assert seen is not None
    assert seen.state.provisioningType == kind
    assert {name: getattr(seen.state, name) for name in told} == told


def test_a_vm_that_was_never_provisioned_has_no_provisioning() -> None:
    assert parse("[agent]", PROOF) is None


def test_without_a_deployed_vm_there_is_none() -> None:
    assert parse(verified=False) is None
    assert KIND.parse([Answer(), Answer(), Answer()], SERVER) == {}


@pytest.mark.parametrize("guest", [FAILED, plain(), plain("Exception caught!!!"), plain('source = "dps"')])
def test_silence_of_the_guest_is_never_taken_for_absence(guest: Answer) -> None:
    with pytest.raises(Unreadable, match="does not answer"):
        KIND.parse([plain(True), running(), guest], SERVER)


def test_a_vm_that_is_off_is_named_as_the_reason() -> None:
    with pytest.raises(Unreadable, match="the VM is off"):
        KIND.parse([plain(True), OFF, FAILED], SERVER)


def test_what_both_kinds_ask_they_ask_in_the_same_words() -> None:
    asked = {ask.call.name: ask.call for ask in eflow_vm.asks(SERVER).values()}
    same = [ask.call for ask in KIND.ask((), SERVER) if ask.call.name != "Invoke-EflowVmCommand"]
    assert [asked[call.name] for call in same] == same


def test_a_provisioning_of_another_kind_is_unreadable_and_not_absent() -> None:
    with pytest.raises(Unreadable, match="no provisioning that is known"):
        parse("[provisioning]", 'source = "est"', PROOF)


def test_every_managed_field_of_the_spec_is_in_the_state() -> None:
    assert {name for name, marks in fields(EflowProvisioning).items() if marks.managed} <= set(EflowProvisioningState.model_fields)


@pytest.mark.parametrize("same", ["global.azure-devices-provisioning.net", "HTTPS://Global.azure-devices-provisioning.net/"])
def test_a_service_endpoint_is_the_same_however_it_is_written(same: str) -> None:
    assert ServiceEndpoint(same) == ServiceEndpoint("https://global.azure-devices-provisioning.net")
    assert hash(ServiceEndpoint(same)) == hash(ServiceEndpoint("https://global.azure-devices-provisioning.net"))
    assert ServiceEndpoint(same) != ServiceEndpoint("global.azure-devices-provisioning.us")


# -- what is done


@pytest.mark.parametrize("kind", list(TYPES))
def test_each_type_is_provisioned_headless_with_just_what_it_takes(kind: str) -> None:
    (action,) = converge(spec(kind), None, changed())
    assert called([action]) == [("provision", ["Provision-EflowVm"])]
    assert parameters(action) == {"provisioningType": kind, "headless": True, **WRITTEN[kind]}
    assert action.calls[0].good == Good(returns="OK")  # type: ignore[union-attr]
    assert (action.until, action.disruption, action.long) == ({"provisioningType": kind}, Disruption.NONE, False)


def test_secrets_travel_as_references_and_stand_in_no_summary() -> None:
    (action,) = converge(spec(), None, changed())
    assert parameters(action)["symmKey"] is KEY
    assert "SYMM_KEY" not in action.summary


def test_any_change_provisions_again_and_disturbs_the_service() -> None:
    seen = parse(*SYMMETRIC)
    assert seen is not None
    for changes in (changed(scopeId="0neOTHER"), Changes((Change("symmKey", None, KEY, Cause.CHANGE, secret=True),))):
        (action,) = converge(spec(scopeId="0neOTHER"), seen.state, changes)
        assert (action.name, action.disruption) == ("provision", Disruption.SERVICE)
    assert converge(spec(), seen.state, Changes()) == []


def test_a_provisioning_cannot_be_taken_back() -> None:
    assert KIND.delete is None


# -- rules and what may be written

LACKING, REFUSED = KIND.rules


def world(one: EflowProvisioning) -> FakeWorld:
    return FakeWorld({"EflowProvisioning": [One(ID, "", one)]})


@pytest.mark.parametrize("kind", list(TYPES))
def test_a_type_with_what_it_needs_passes(kind: str) -> None:
    assert findings(LACKING, world(spec(kind))) == []
    assert findings(REFUSED, world(spec(kind))) == []


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in TYPES for name in TYPES[kind][0]])
def test_what_a_type_needs_is_missed(kind: str, name: str) -> None:
    (one,) = findings(LACKING, world(spec(kind, **{name: None})))
    assert (one.subject, one.field, one.message) == (ID, "provisioningType", f"{kind} needs {name}")


OTHERS = [
    (kind, name) for kind in TYPES for name in ("scopeId", "registrationId", "symmKey", "devConnString") if name not in (*TYPES[kind][0], *TYPES[kind][1])
]


@pytest.mark.parametrize(("kind", "name"), OTHERS)
def test_what_a_type_refuses_is_found_where_it_stands(kind: str, name: str) -> None:
    value = KEY if name in ("symmKey", "devConnString") else "x"
    (one,) = findings(REFUSED, world(spec(kind, **{name: value})))
    assert (one.subject, one.field) == (ID, name)


@pytest.mark.parametrize(
    ("field", "value"), [("identityCertPath", "device.pem"), ("identityCertPath", 'C:\\a"b'), ("provisioningType", "Dps"), ("symmKey", "plain text")]
)
def test_what_can_never_be_is_refused_as_it_is_read(field: str, value: str) -> None:
    with pytest.raises(ValidationError):
        spec(**{field: value})


@pytest.mark.parametrize("text", ["a b", 'say "hi"', "$(reboot)", "a;b", "", "x" * 129, "ends-with."])
def test_a_registration_id_that_no_service_takes_is_refused_before_it_reaches_a_guest(text: str) -> None:
    with pytest.raises(ValueError, match="registration id"):
        EflowProvisioning.model_validate({"vm": "EflowVm", "provisioningType": "DpsTPM", "scopeId": "0ne1", "registrationId": text})
