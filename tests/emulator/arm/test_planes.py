"""One machine on two planes: what ARM does to a host of the estate, and what is done on the host as ARM sees it; and the estate's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.emulator.arm import building
from reconciler.emulator.arm.transport import Transport
from reconciler.emulator.estate import Estate
from reconciler.emulator.machine import Machine
from reconciler.emulator.skus import HostWish
from tests.emulator.arm.azure import Azure, body

LOG = "C:\\WindowsAzure\\Logs\\Plugins\\Microsoft.HpcCompute.InfiniBandDriverWindows\\1.5.0.1\\CommandExecution.log"
STATUS = "C:\\Packages\\Plugins\\Microsoft.HpcCompute.InfiniBandDriverWindows\\1.5.0.1\\Status\\0.status"


@pytest.fixture
def azure() -> Azure:
    return Azure(linked=True)


def host(azure: Azure) -> Machine:
    return azure.estate.machine("hpc-01")


def rdma(azure: Azure) -> list[bool]:
    found = azure.estate.run("hpc-01", "Get-NetAdapterRdma")
    assert found.ok
    return [row["Enabled"] for row in found.objects]


def powered(azure: Azure) -> str:
    return str(azure.send("GET", "vm/instanceView")["statuses"][1]["code"])


def test_the_vm_is_that_host(azure: Azure) -> None:
    shown = azure.send("GET", "vm?$expand=instanceView")["properties"]
    assert shown["vmId"] == host(azure).uuid.lower()
    assert shown["osProfile"]["computerName"] == shown["instanceView"]["computerName"] == "HPC-01"
    assert shown["instanceView"]["osVersion"].startswith("10.0.20348.")


def test_a_driver_leaves_its_log_and_its_adapter_on_the_host_though_nobody_polls(azure: Azure) -> None:
    assert rdma(azure) == []
    azure.send("PUT", "vm/extensions/ib", body())
    azure.wait(240)
    assert rdma(azure) == [True]
    log, status = host(azure).files.find(LOG), host(azure).files.find(STATUS)
    assert log is not None
    assert "Exit code: 0" in (log.content or "")
    assert status is not None
    assert '"status": "success"' in (status.content or "")


def test_a_failed_driver_leaves_its_cause_in_the_log_and_no_adapter(azure: Azure) -> None:
    building.script(azure.estate, "*", "ib", 100)
    assert azure.put()["status"] == "Failed"
    log = host(azure).files.find(LOG)
    assert log is not None
    assert "Exit code: 100" in (log.content or "")
    assert rdma(azure) == []


@pytest.mark.parametrize("plane", ["arm", "host"])
def test_the_adapter_of_a_driver_that_wants_a_restart_comes_with_the_boot(azure: Azure, plane: str) -> None:
    building.script(azure.estate, "hpc-01", "*", 3010)
    azure.put()
    assert rdma(azure) == [False]
    before = host(azure).boot_id
    if plane == "arm":
        azure.send("POST", "vm/restart")
        assert azure.status == 202
    else:
        azure.estate.run("hpc-01", "Restart-Computer -Force")
    azure.wait(400)
    assert host(azure).boot_id != before
    shown = azure.send("GET", "vm/extensions/ib?$expand=instanceView")["properties"]["instanceView"]["statuses"][0]
    assert shown["code"] == "ProvisioningState/succeeded/3010"
    assert host(azure).booted.isoformat() > shown["time"].replace("0+00:00", "+00:00")
    assert rdma(azure) == [True]


def test_a_restart_through_arm_silences_the_host_until_it_is_up(azure: Azure) -> None:
    azure.send("POST", "vm/restart")
    assert not host(azure).answers()
    azure.wait(40)
    assert azure.poll()["status"] == "Succeeded"
    view = azure.send("GET", "vm/instanceView")
    assert view["statuses"][1]["code"] == "PowerState/running"
    assert view["vmAgent"]["statuses"][0]["displayStatus"] == "Not Ready"
    azure.wait(300)
    assert host(azure).answers()
    assert azure.send("GET", "vm/instanceView")["vmAgent"]["statuses"][0]["displayStatus"] == "Ready"


def test_a_deallocated_vm_answers_nobody_and_starts_again(azure: Azure) -> None:
    azure.send("POST", "vm/deallocate")
    assert not host(azure).answers()
    assert azure.done()["status"] == "Succeeded"
    assert powered(azure) == "PowerState/deallocated"
    azure.send("POST", "vm/start")
    azure.wait(400)
    assert host(azure).answers()
    assert powered(azure) == "PowerState/running"


def test_who_pulls_the_plug_stops_the_vm_and_does_not_deallocate_it(azure: Azure) -> None:
    azure.estate.power("hpc-01", on=False)
    assert powered(azure) == "PowerState/stopped"
    azure.send("PUT", "vm/extensions/ib", body())
    assert (azure.status, azure.answer["error"]["code"]) == (409, "OperationNotAllowed")
    azure.estate.power("hpc-01", on=True)
    assert powered(azure) == "PowerState/running"


def test_an_agent_whose_service_is_stopped_is_not_ready(azure: Azure) -> None:
    azure.estate.run("hpc-01", "Stop-Service -Name WindowsAzureGuestAgent -Force")
    assert azure.send("GET", "vm/instanceView")["vmAgent"]["statuses"][0]["displayStatus"] == "Not Ready"
    assert azure.put()["error"]["code"] == "VMAgentStatusCommunicationError"
    assert azure.runs() == 0


def test_a_restart_of_the_host_during_an_install_delays_its_end(azure: Azure) -> None:
    azure.send("PUT", "vm/extensions/ib", body())
    azure.wait(200)
    azure.estate.run("hpc-01", "Restart-Computer -Force")
    azure.wait(60)
    assert azure.poll()["status"] == "InProgress"
    assert azure.done()["status"] == "Succeeded"
    assert azure.runs() == 1


def test_the_plug_pulled_during_an_install_fails_it_for_want_of_an_agent(azure: Azure) -> None:
    azure.send("PUT", "vm/extensions/ib", body())
    azure.wait(100)
    azure.estate.power("hpc-01", on=False)
    assert azure.done()["error"]["code"] == "VMAgentStatusCommunicationError"


def test_the_folder_keeps_azure_with_operations_under_way_and_no_secret(tmp_path: Path) -> None:
    with Estate.new(tmp_path / "lab", [HostWish("hpc-01", platform="azure")]).session() as estate:
        vm = building.vm(estate, "hpc-01", size="Standard_HB120rs_v3", machine="hpc-01")
        building.scale_set(estate, "hpc", 2)
        building.script(estate, "hpc-01", "ib", 3010)
        azure = Azure.over(estate, vm)
        azure.send("PUT", "vm/extensions/ib", body(protectedSettings={"key": "canary-7f3a"}))
        url = azure.url
    for file in (tmp_path / "lab").rglob("*"):
        assert file.is_dir() or "canary-7f3a" not in file.read_text(encoding="utf-8")
    with Estate.open(tmp_path / "lab").session() as again:
        assert again.azure == estate.azure
        azure = Azure.over(again, vm)
        azure.wait(240)
        assert azure.send("GET", url)["status"] == "Succeeded"
        assert rdma(azure) == [False]
        assert Transport(again).send("GET", url)[0] == 401


def test_the_log_has_every_request_without_secrets_and_signatures(azure: Azure) -> None:
    azure.put(sent=body(protectedSettings={"key": "canary-7f3a"}))
    said = str(azure.estate.log())
    assert "canary-7f3a" not in said
    assert "&s=" not in said
    calls = [entry for entry in azure.estate.log() if entry["what"] == "arm"]
    assert calls[0] | {"at": "", "n": 0} == {
        "n": 0,
        "at": "",
        "host": "hpc-01",
        "what": "arm",
        "method": "PUT",
        "path": f"{azure.vm.id}/extensions/ib",
        "api": "2024-11-01",
        "status": 201,
        "body": body(protectedSettings="***"),
    }


def test_what_a_write_did_is_in_the_folder_before_anybody_saves(tmp_path: Path) -> None:
    estate = Estate.new(tmp_path / "lab")
    azure = Azure.over(estate, building.vm(estate, "hpc-01"))
    azure.send("PUT", "vm/extensions/ib", body())
    estate.close()  # as a killed controller: nothing is saved
    with Estate.open(tmp_path / "lab").session() as again:
        assert Azure.over(again, again.azure.vms[azure.vm.id.lower()]).state() == "Creating"
