"""EFLOW: packages, a deployment and its many refusals, the guest, and what a failure leaves behind."""

from datetime import timedelta

import pytest

from reconciler.emulator.eflow import DISK
from reconciler.emulator.parts import VmSwitch
from tests.emulator.world import MSIEXEC, World, eflow_server

HCSDIAG = "C:\\Windows\\System32\\hcsdiag.exe"
SWITCH = "-vswitchName eflow -vswitchType Internal"
STATIC = "-ip4Address 172.20.0.2 -ip4PrefixLength 24 -ip4GatewayAddress 172.20.0.1"
KEY = "Provision-EflowVm -provisioningType DpsSymmetricKey -scopeId 0ne1 -registrationId r1 -symmKey c2VjcmV0c2VjcmV0 -headless"


def prepared(version: str = "1.5.5.07025") -> World:
    return World().hyperv().network().msi(version)


def test_the_module_is_there_once_the_package_is_installed() -> None:
    world = World()
    assert world.error("Verify-EflowVm") == "CommandNotFoundException"
    world.msi()
    assert world.rows("Verify-EflowVm") == [False]
    row = world.rows("Get-ItemProperty -Path HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\* -Name DisplayName,DisplayVersion")
    assert {r.get("DisplayVersion") for r in row} == {"14.38.33135", "1.5.5.07025"}


def test_the_package_is_refused_on_an_old_build_and_over_another_version() -> None:
    world = prepared()
    world.estate.site.web["https://x/2"] = type(world.estate.site.web["https://downloads.example/eflow.msi"])(1, "f" * 64, "Azure IoT Edge", "1.4.2.12122")
    world.rows("Invoke-WebRequest -Uri https://x/2 -OutFile C:\\cache\\old.msi")
    assert world.program(MSIEXEC, "/i", "C:\\cache\\old.msi", "/qn").exit == 1638
    assert world.program(MSIEXEC, "/i", "C:\\cache\\none.msi", "/qn").exit == 1619


def test_a_deployment_answers_ok_and_the_guest_has_an_address() -> None:
    world = eflow_server()
    assert world.rows("Verify-EflowVm") == [True]
    assert world.rows("Get-EflowVmName") == ["EDGE-01-EFLOW"]
    mac, address = world.rows("Get-EflowVmAddr")
    assert address == "172.20.0.100"
    assert mac.startswith("00:15:5d:")
    assert world.rows("Get-VM -Name EDGE-01-EFLOW")[0]["State"] == "Running"
    assert world.machine.files.find(f"C:\\Program Files\\Azure IoT Edge\\{DISK}") is not None


def test_a_second_deployment_is_refused_without_throwing() -> None:
    world = eflow_server()
    answer = world.deploy(SWITCH)
    assert len(answer) == 1
    assert "existing virtual machine" in answer[0]


def test_dhcp_without_a_scope_fails_with_litter_and_this_package_takes_no_other_try() -> None:
    world = prepared()
    assert world.deploy(SWITCH) == ["Failed to acquire IP address for virtual machine."]
    assert world.rows("Verify-EflowVm") == [False]
    assert world.rows("Get-VM")[0]["State"] == "Off"
    assert world.rows('Get-ChildItem -Path "C:\\Program Files\\Azure IoT Edge\\*EFLOW.vhdx"')[0]["Name"] == DISK
    assert "Uninstall" in world.deploy(f"{SWITCH} {STATIC}")[0]
    assert world.program(MSIEXEC, "/x", world.machine.eflow.product_code, "/qn").exit == 0
    assert world.rows("Get-VM") == []
    world.msi()
    assert world.deploy(f"{SWITCH} {STATIC}") == ["OK"]


def test_a_fault_on_the_deployment_is_a_text_with_litter() -> None:
    world = prepared()
    world.machine.eflow.deploy_fails = "The signature of the image could not be verified."
    assert world.deploy(f"{SWITCH} {STATIC}") == ["The signature of the image could not be verified."]
    assert world.rows("Get-VM")[0]["Name"] == "EDGE-01-EFLOW"


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ("", "Default Switch"),
        ("-vswitchName nope -vswitchType Internal", "was not found"),
        ("-vswitchName eflow -vswitchType External", "was not found"),
        ("-vswitchName eflow", "together"),
        (f"{SWITCH} -ip4Address 172.20.0.2", "together"),
        (f"{SWITCH} -ip4Address 172.20.0.1 -ip4PrefixLength 24 -ip4GatewayAddress 172.20.0.1", "in use"),
        (f"{SWITCH} -memoryInMB 2047", "even"),
        (f"{SWITCH} -memoryInMB 64000", "MB free"),
        (f"{SWITCH} -cpuCount 64", "cpuCount"),
        (f"{SWITCH} -vmDiskSize 8", "vmDiskSize"),
        (f"{SWITCH} -vmDiskSize 29 -vmDataSize 10", "together"),
    ],
)
def test_a_bad_wish_is_refused_in_words(more: str, part: str) -> None:
    answer = prepared().deploy(more)
    assert len(answer) == 1
    assert part in answer[0]


def test_memory_that_passes_the_check_may_still_not_start() -> None:
    world = prepared()
    answer = world.deploy(f"{SWITCH} {STATIC} -memoryInMB {world.machine.free_mb // 2 * 2}")
    assert "not enough memory" in answer[0]


def test_a_missing_answer_would_be_asked_for_and_nobody_is_there() -> None:
    assert prepared().error(f"Deploy-Eflow -acceptEula Yes {SWITCH}").startswith("HostException,")


def test_clients_take_the_default_switch_without_static_addresses_and_no_internal_one() -> None:
    world = World("client-11").hyperv().msi()
    world.machine.switches.append(VmSwitch("x", "eflow", "Internal"))
    assert "not supported" in world.deploy(SWITCH)[0]
    world = World("client-11").hyperv().msi()
    assert "ICS" in world.deploy(STATIC)[0]
    world = World("client-11").hyperv().msi()
    assert world.deploy() == ["OK"]
    assert world.rows("Get-VM") == []
    assert world.rows("Get-ComputeProcess")[0]["Owner"] == "wssdagent"
    assert "wssdagent" in world.program(HCSDIAG, "list").out
    world.rows("Stop-EflowVm")
    assert world.rows("Get-ComputeProcess") == []


def test_server_2025_does_not_meet_the_requirements() -> None:
    world = World("server-2025").hyperv().network().msi()
    assert "minimum requirements" in world.deploy(SWITCH)[0]


def test_old_trains_lack_parameters_and_cmdlets() -> None:
    world = prepared("1.1.2212.12122")
    assert world.error(f"Deploy-Eflow -acceptEula Yes -acceptOptionalTelemetry No {SWITCH} -vmDataSize 10") == "NamedParameterNotFound,Deploy-Eflow"
    assert world.error("Set-EflowVmDNSServers -vendpointName x -dnsServers 1.1.1.1") == "CommandNotFoundException"
    assert world.deploy(f"{SWITCH} {STATIC} -vmDiskSize 10") == ["OK"]


def test_while_off_the_sizes_cannot_be_read_and_are_not_changed() -> None:
    world = eflow_server()
    world.rows("Stop-EflowVm")
    row = world.rows("Get-EflowVm")[0]
    assert (row["VmPowerState"], row["EdgeRuntimeVersion"], row["SystemStatistics"]) == ("Off", {}, {})
    outcome = world.run("Set-EflowVM -memoryInMB 2048 -headless")
    assert outcome.errors == ()
    assert "Exception caught!!!" in outcome.info_text
    assert world.machine.eflow.memory == 1024
    world.rows("Start-EflowVm")
    world.rows("Set-EflowVM -memoryInMB 2048 -cpuCount 2 -headless")
    assert world.rows("Get-VM")[0]["MemoryStartup"] == 2048 << 20
    assert world.rows("Get-EflowVm")[0]["SystemStatistics"]["CpuCount"] == 2
    assert world.rows("Get-EflowVm")[0]["SystemStatistics"]["TotalMemMb"] < 2048


def test_a_static_guest_has_no_dns_until_it_is_set() -> None:
    world = prepared()
    assert world.deploy(f"{SWITCH} {STATIC}") == ["OK"]
    assert world.rows("Invoke-EflowVmCommand -command 'resolvectl dns eth0'") == ["Link 2 (eth0):"]
    endpoint = world.rows("Get-EflowVmEndpoint")[0]
    assert endpoint["IpConfiguration"]["AllocationMethod"] == "Static"
    assert "not a valid IP4" in world.run(f"Set-EflowVmDNSServers -vendpointName {endpoint['Name']} -dnsServers dns.example").info_text
    world.rows(f"Set-EflowVmDNSServers -vendpointName {endpoint['Name']} -dnsServers 1.1.1.1,9.9.9.9")
    assert world.rows("Invoke-EflowVmCommand -command 'resolvectl dns eth0'") == ["Link 2 (eth0): 1.1.1.1 9.9.9.9"]


def test_dns_comes_with_option_6_and_only_then() -> None:
    world = eflow_server()
    assert world.rows("Invoke-EflowVmCommand -command 'resolvectl dns eth0'") == ["Link 2 (eth0):"]
    world.rows("Set-DhcpServerv4OptionValue -ScopeId 172.20.0.0 -DnsServer 10.20.0.53")
    world.rows("Stop-EflowVm")
    world.rows("Start-EflowVm")
    assert world.rows("Invoke-EflowVmCommand -command 'resolvectl dns eth0'") == ["Link 2 (eth0): 10.20.0.53"]


def test_provisioning_is_in_the_guests_file_and_the_key_too() -> None:
    world = eflow_server()
    grep = "Invoke-EflowVmCommand -command \"sudo grep -E '^(source|id_scope|registration_id)' /etc/aziot/config.toml\" -ignoreError"
    assert world.rows(grep) == []
    assert world.rows(KEY) == ["OK"]
    assert world.rows(grep) == ['source = "dps"', 'id_scope = "0ne1"', 'registration_id = "r1"']
    assert any("c2VjcmV0" in line for line in world.rows("Invoke-EflowVmCommand -command 'sudo cat /etc/aziot/config.toml'"))


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("-provisioningType DpsSymmetricKey -scopeId 0ne1 -registrationId r1", "symmKey not specified"),
        ("-provisioningType ManualConnectionString -devConnString x", "not valid"),
        ("-provisioningType DpsTPM -scopeId 0ne1", "DpsTpm must be enabled"),
        ("-provisioningType DpsTPM -scopeId 0ne1 -symmKey c2VjcmV0", "symmKey must not"),
        ("-provisioningType ManualX509 -iotHubHostname h -deviceId d -identityCertPath C:\\c.pem -identityPrivKeyPath C:\\k.pem", "was not found"),
    ],
)
def test_provisioning_refuses_in_words_what_does_not_fit_its_type(line: str, part: str) -> None:
    world = eflow_server()
    answer = world.rows(f"Provision-EflowVm {line} -headless")
    assert part in answer[0]
    assert world.machine.eflow.provisioning == {}


def test_provisioning_again_without_headless_would_ask() -> None:
    world = eflow_server()
    world.rows(KEY)
    assert world.error(KEY.replace(" -headless", "")).startswith("HostException,")


def test_the_log_never_shows_a_key() -> None:
    world = eflow_server()
    world.rows(KEY)
    assert "c2VjcmV0" not in str(world.estate.log())


def test_an_expired_certificate_blinds_the_host_and_the_workload_runs_on() -> None:
    world = eflow_server()
    world.wait(timedelta(days=370).total_seconds())
    assert "x509" in world.run("Get-EflowVmName").errors[0].message
    assert world.rows("Get-VM")[0]["State"] == "Running"


def test_a_stopped_agent_is_an_error_and_not_the_absence_of_the_machine() -> None:
    world = eflow_server()
    world.rows("Stop-Service -Name wssdagent -Force")
    assert world.run("Verify-EflowVm").errors


def test_the_machine_comes_back_by_itself_after_a_restart() -> None:
    world = eflow_server()
    world.run("Restart-Computer -Force")
    until = world.machine.down_until
    assert until is not None
    world.estate.clock.set(until + timedelta(seconds=20))
    assert world.rows("Get-EflowVm")[0]["VmPowerState"] == "Off"
    world.wait(60)
    assert world.rows("Get-EflowVm")[0]["VmPowerState"] == "Running"


def test_a_host_renamed_after_the_deployment_keeps_the_old_name_of_the_machine() -> None:
    world = eflow_server()
    world.machine.pending_rename = "EDGE-99"
    world.restart()
    assert world.rows("Get-VMHost")[0]["Name"] == "EDGE-99"
    assert world.rows("Get-EflowVmName") == ["EDGE-01-EFLOW"]


def test_the_switch_of_a_running_machine_stays() -> None:
    world = eflow_server()
    assert world.run("Remove-VMSwitch -Name eflow -Force").errors
    world.rows("Stop-EflowVm")
    world.rows("Remove-VMSwitch -Name eflow -Force")


def test_uninstalling_takes_the_machine_its_disk_and_the_services() -> None:
    world = eflow_server()
    assert world.program(MSIEXEC, "/x", world.machine.eflow.product_code, "/quiet", "/norestart").exit == 0
    assert world.rows("Get-VM") == []
    assert world.rows("Test-Path -LiteralPath 'C:\\Program Files\\Azure IoT Edge'") == [False]
    assert world.error("Get-Service -Name wssdagent") == "NoServiceFoundForGivenName,Microsoft.PowerShell.Commands.GetServiceCommand"
    assert world.program(MSIEXEC, "/x", "{00000000-0000-0000-0000-000000000000}", "/qn").exit == 1605


def test_the_oldest_train_keeps_its_identity_in_yaml_under_other_names() -> None:
    world = prepared("1.1.2212.12122")
    world.deploy(f"{SWITCH} {STATIC}")
    assert world.rows(KEY.replace(" -headless", "")) == ["OK"]
    lines = world.rows("Invoke-EflowVmCommand -command \"sudo grep -E 'scope_id|registration_id|method' /etc/iotedge/config.yaml\"")
    assert lines == ['  scope_id: "0ne1"', '    method: "symmetric_key"', '    registration_id: "r1"']
