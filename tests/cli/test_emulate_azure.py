"""The estate's Azure in the commands of `emulate`: what is made for declared hosts, scripts, power, log, and the real SDK's ways to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.emulator.arm import building
from reconciler.emulator.arm.transport import Transport
from reconciler.emulator.estate import Estate
from tests.cli.conftest import SPECS, Reconcile
from tests.emulator.arm.azure import Azure

SUBSCRIPTION = "6f1c0c9e-0000-4000-8000-00000000e001"
HOSTS = f"""\
---
apiVersion: reconciler/v1
kind: Host
metadata: {{name: hpc-01}}
spec:
  sku: server-2022
  connection: none
  azure: {{subscription: {SUBSCRIPTION}, resourceGroup: rg-hpc, vm: hpc-01}}
---
apiVersion: reconciler/v1
kind: Host
metadata: {{name: cloud-01}}
spec:
  sku: server-2022
  azure: {{subscription: {SUBSCRIPTION}, resourceGroup: rg-edge, vm: vm-cloud-01}}
  resources:
    WindowsFeature/Hyper-V: {{}}
---
apiVersion: reconciler/v1
kind: Host
metadata: {{name: batch}}
spec:
  connection: none
  azure: {{subscription: {SUBSCRIPTION}, resourceGroup: rg-hpc, scaleSet: batch}}
"""


@pytest.fixture
def azure(reconcile: Reconcile, fleet: Path) -> Reconcile:
    (fleet / "specs" / "fleet.yaml").write_text(SPECS + HOSTS, encoding="utf-8")
    assert reconcile("emulate", "new", "lab").code == 0
    return lambda *words: reconcile("--estate", "lab", *words)


def opened(fleet: Path) -> Estate:
    estate = Estate.open(fleet / "lab")
    estate.close()
    return estate


def test_declared_hosts_are_in_the_estates_azure_and_one_machine_where_they_are_reached(azure: Reconcile, fleet: Path) -> None:
    estate = opened(fleet)
    assert {vm.label: vm.machine for vm in estate.azure.vms.values() if not vm.scale_set} == {"hpc-01": "", "cloud-01": "cloud-01"}
    assert sorted(estate.machines) == ["cloud-01", "edge-01", "kiosk-04"]
    assert estate.machines["cloud-01"].platform == "azure"
    assert [held.name for held in estate.azure.sets.values()] == ["batch"]
    assert "nothing to add" in azure("emulate", "new").out


def test_scripted_runs_and_power_are_met_by_requests_and_stand_in_the_log(azure: Reconcile, fleet: Path) -> None:
    said = azure("emulate", "installer", "hpc-01", "av", "--exit", "100", "--exit", "0")
    assert "hpc-01: the next runs of av will come to 100, 0, then as usual" in said.out
    with Estate.open(fleet / "lab").session() as estate:
        here = Azure.over(estate, next(vm for vm in estate.azure.vms.values() if vm.name == "hpc-01"))
        sent = {"publisher": "Microsoft.Azure.Security", "type": "IaaSAntimalware", "typeHandlerVersion": "1.3"}
        assert here.put("av", {"location": "westeurope", "properties": sent})["status"] == "Failed"
    log = azure("-v", "emulate", "log", "hpc-01").out
    assert "PUT virtualMachines/hpc-01/extensions/av: 201" in log
    assert "begins av, Microsoft.Azure.Security.IaaSAntimalware 1.3.0.0, run 1" in log
    assert "ends av, exit 100" in log
    assert len(azure("emulate", "log", "hpc-01", "--writes").out.splitlines()) == 3


@pytest.mark.parametrize(("state", "host", "shown"), [("deallocated", "cloud-01", "PowerState/deallocated"), ("off", "hpc-01", "PowerState/stopped")])
def test_a_vm_is_stopped_by_somebody_else(azure: Reconcile, fleet: Path, state: str, host: str, shown: str) -> None:
    assert azure("emulate", "power", state, host).out == f"{host} is {state}\n"
    with Estate.open(fleet / "lab").session() as estate:
        vm = next(vm for vm in estate.azure.vms.values() if vm.label == host)
        assert Azure.over(estate, vm).send("GET", "vm/instanceView")["statuses"][1]["code"] == shown
        assert not vm.machine or not estate.machine(vm.machine).answers()
    assert azure("emulate", "power", "on", host).code == 0


def test_requests_about_a_machine_are_refused_until_healed(azure: Reconcile, fleet: Path) -> None:
    assert azure("emulate", "refuse", "hpc-01", "--status", "429", "--retry-after", "40").code == 0
    assert azure("emulate", "refuse", "batch", "--drop", "after", "--method", "put", "--times", "1").code == 0
    with Estate.open(fleet / "lab").session() as estate:
        vms = {vm.label: vm for vm in estate.azure.vms.values()}
        for label, status in (("hpc-01", 429), ("cloud-01", 200)):
            here = Azure.over(estate, vms[label])
            here.send("GET", "vm")
            assert (here.status, here.headers.get("Retry-After")) == (status, "40" if status == 429 else None)
        with pytest.raises(ConnectionError):
            here.send(
                "PUT", "set/extensions/av", {"properties": {"publisher": "Microsoft.Azure.Security", "type": "IaaSAntimalware", "typeHandlerVersion": "1.3"}}
            )
        assert here.send("GET", "set/extensions")["value"][0]["name"] == "av"
    assert azure("emulate", "heal", "hpc-01").out == "hpc-01: 1 taken away\n"
    assert "say one of" in azure("emulate", "refuse", "hpc-01").err
    assert "no machine hpc-02" in azure("emulate", "refuse", "hpc-02", "--status", "503").err
    assert "lost" in azure("emulate", "log", "batch").out


def test_what_is_not_in_azure_is_refused_with_what_is(azure: Reconcile) -> None:
    assert "in Azure: batch, batch/0, batch/1, batch/2, cloud-01, hpc-01" in azure("emulate", "installer", "hpc-02", "av").err
    assert "edge-01 is no virtual machine of the estate's Azure" in azure("emulate", "power", "deallocated", "edge-01").err


def test_an_estate_without_azure_keeps_no_file_of_it(tmp_path: Path) -> None:
    with Estate.new(tmp_path / "lab").session() as estate:
        assert Transport(estate).send("GET", "https://management.azure.com/subscriptions?api-version=2021-04-01")[0] == 401
    assert not (tmp_path / "lab" / "azure.json").exists()
    with Estate.open(tmp_path / "lab").session() as estate:
        building.subscription(estate)
    assert (tmp_path / "lab" / "azure.json").exists()


def test_a_vm_of_azure_alone_is_healed_though_nothing_ails_it_and_named_to_who_mistypes_it(azure: Reconcile) -> None:
    healed = azure("emulate", "heal", "hpc-01")
    assert (healed.code, healed.out.strip()) == (0, "hpc-01: 0 taken away")
    assert "in Azure: batch" in azure("emulate", "power", "off", "hpc-99").err


@pytest.mark.parametrize(("status", "code"), [("403", "AuthorizationFailed"), ("409", "Conflict"), ("503", "ServiceUnavailable")])
def test_a_refusal_without_a_code_has_the_usual_one_of_its_status(azure: Reconcile, fleet: Path, status: str, code: str) -> None:
    assert azure("emulate", "refuse", "hpc-01", "--status", status).code == 0
    looked = azure("plan", "hpc-01")
    assert looked.code == 5
    assert code in looked.out
    if status != "503":
        assert "reconcile --estate lab doctor hpc-01 says what is in the way" in " ".join(looked.out.split())


def test_what_waits_for_a_stopped_vm_ends_with_a_command_and_lines_for_azure_want_no_windows(azure: Reconcile, fleet: Path) -> None:
    specs = fleet / "specs" / "fleet.yaml"
    av = "vm: hpc-01}\n  resources:\n    AzureVmExtension/run: {driver: CustomScriptExtension}\n"
    specs.write_text(specs.read_text(encoding="utf-8").replace("vm: hpc-01}\n", av), encoding="utf-8")
    lines = azure("plan", "hpc-01", "--show-commands").out
    assert lines.startswith("# signed in to Azure: az login")
    assert "az vm extension set" in lines
    assert azure("emulate", "power", "deallocated", "hpc-01").code == 0
    assert "Next, once nothing holds it back any more: reconcile --estate lab plan hpc-01" in azure("plan", "hpc-01").out


def test_an_azure_that_cannot_be_read_is_told_once_and_not_as_missing_too(azure: Reconcile, fleet: Path) -> None:
    specs = fleet / "specs" / "fleet.yaml"
    both = "vm: hpc-01, scaleSet: hpc}\n  resources:\n    AzureVmExtension/run: {driver: CustomScriptExtension}\n"
    specs.write_text(specs.read_text(encoding="utf-8").replace("vm: hpc-01}\n", both), encoding="utf-8")
    said = azure("validate").out
    assert "names exactly one of vm and scaleSet, here both" in said
    assert "LNK012" not in said
