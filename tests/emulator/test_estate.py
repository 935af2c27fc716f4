"""The estate: folder, log, typed lines, faults, power."""

from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.emulator.estate import Estate, EstateError
from reconciler.emulator.faults import Fault
from reconciler.emulator.machine import Machine, WebFile
from reconciler.emulator.powershell import execute
from reconciler.emulator.skus import SKUS, HostWish, build
from reconciler.emulator.typed import NotTyped, parse
from tests.emulator.world import World, eflow_server


def test_what_was_saved_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    estate = Estate.new(tmp_path / "lab", [HostWish("edge-01"), HostWish("edge-02", "client-11", language="de-DE")])
    estate.site.web["https://x/e.msi"] = WebFile(1, "a" * 64, "Azure IoT Edge", "1.5.5.07025")
    with estate.session():
        estate.run("edge-01", "Install-WindowsFeature -Name Hyper-V -IncludeManagementTools")
        estate.fault("edge-02", Fault("Get-NetNat", error="X", times=2))
    with Estate.open(tmp_path / "lab").session() as again:
        assert again.machines == estate.machines
        assert again.site == estate.site
        assert again.clock.now() == estate.clock.now()
        assert again.log() == estate.log()
        assert again.machine("edge-01").site is again.site


def test_a_full_machine_survives_the_file() -> None:
    machine = eflow_server().machine
    again = Machine.from_json(machine.to_json())
    again.site = machine.site
    assert again == machine


def test_one_folder_is_open_in_one_place_only(tmp_path: Path) -> None:
    estate = Estate.new(tmp_path / "lab", [HostWish("edge-01")])
    with pytest.raises(EstateError, match="in use"):
        Estate.open(tmp_path / "lab")
    estate.close()
    Estate.open(tmp_path / "lab").close()
    with pytest.raises(EstateError, match="already holds"):
        Estate.new(tmp_path / "lab")


@pytest.mark.parametrize("sku", sorted(SKUS))
def test_the_same_wish_gives_the_same_machine(sku: str) -> None:
    assert build(HostWish("edge-01", sku)) == build(HostWish("edge-01", sku))
    assert build(HostWish("edge-01", sku)).uuid != build(HostWish("edge-02", sku)).uuid
    assert build(HostWish("edge-01", sku)).server is sku.startswith("server")


def test_a_fault_answers_so_often_and_then_no_more() -> None:
    world = World()
    world.estate.fault("edge-01", Fault("Get-Serv*", error="Boom,GetService", times=2))
    assert [world.run("Get-Service -Name WinRM").ok for _ in range(3)] == [False, False, True]


def test_a_fault_is_healed() -> None:
    world = World()
    world.estate.fault("edge-01", Fault("Get-Service", error="Boom"))
    world.estate.heal("edge-01", "Get-Service")
    assert world.run("Get-Service").ok


def test_a_call_can_say_something_without_throwing() -> None:
    world = World()
    world.estate.fault("edge-01", Fault("Get-Service", says="no"))
    assert world.rows("Get-Service") == ["no"]


@pytest.mark.parametrize(("drop", "status"), [("before", "Running"), ("after", "Stopped")])
def test_a_dropped_call_has_acted_or_not(drop: str, status: str) -> None:
    world = World()
    world.estate.fault("edge-01", Fault("Stop-Service", drop=drop, times=1))
    assert world.run("Stop-Service -Name Spooler").drop == drop
    assert world.rows("Get-Service -Name Spooler")[0]["Status"] == status


def test_a_hanging_call_never_answers_and_does_nothing() -> None:
    world = World()
    world.machine.faults.append(Fault("Stop-Service", hang=True, times=1))
    outcome = execute(world.machine, "Stop-Service", {"Name": "Spooler"})
    assert outcome.hang
    assert not outcome.ok
    assert world.rows("Get-Service -Name Spooler")[0]["Status"] == "Running"


def test_a_restart_out_of_the_blue() -> None:
    world = World()
    before = world.machine.boot_id
    world.machine.faults.append(Fault("Get-Service", reboot=True, times=1))
    assert world.run("Get-Service").reboot
    assert not world.machine.answers()
    world.wait(400)
    assert world.machine.answers()
    assert world.machine.boot_id != before


def test_power_goes_and_comes() -> None:
    world = World()
    world.estate.power("edge-01", on=False)
    assert not world.machine.answers()
    with pytest.raises(EstateError, match="is off"):
        world.run("Get-Service")
    world.estate.power("edge-01", on=True)
    world.wait(300)
    assert world.machine.answers()


def test_output_before_an_error_is_kept() -> None:
    outcome = World().run("Get-Service -Name WinRM,nope,Spooler")
    assert [r["Name"] for r in outcome.objects] == ["WinRM", "Spooler"]
    assert len(outcome.errors) == 1


def test_the_log_counts_and_can_be_asked_from_a_number_on() -> None:
    world = World()
    world.run("Get-Service -Name WinRM")
    mark = world.estate.log()[-1]["n"]
    world.run("Stop-Service -Name Spooler")
    assert [(r["name"], r["parameters"]) for r in world.estate.log("edge-01", mark)] == [("Stop-Service", {"Name": "Spooler"})]


def test_time_at_the_console_goes_on_by_what_a_cmdlet_takes() -> None:
    world = World()
    before = world.estate.clock.now()
    world.rows("Install-WindowsFeature -Name Hyper-V -IncludeManagementTools")
    assert world.estate.clock.now() - before > timedelta(seconds=60)


@pytest.mark.parametrize(
    ("line", "parameters"),
    [
        ("Remove-NetNat -Name eflow -Confirm:$false", {"Name": "eflow", "Confirm": False}),
        ("Get-Service -Name 'it''s',\"two `\"words`\"\"", {"Name": ["it's", 'two "words"']}),
        ("X-Y -A @(1, 2, 3) -B 4GB -C -D $null", {"A": [1, 2, 3], "B": 4 << 30, "C": True, "D": None}),
        ("Hyper-V\\Get-VM", {}),
        ("X-Y -A -5 -B 1.5 -C 10.0.0.1", {"A": -5, "B": 1.5, "C": "10.0.0.1"}),
        ("X-Y -A '-5'", {"A": "-5"}),
    ],
)
def test_a_line_is_read_as_powershell_reads_literals(line: str, parameters: dict[str, object]) -> None:
    assert parse(line).parameters == parameters


@pytest.mark.parametrize(
    "line", ["Get-VM | Remove-VM", "Get-VM; Stop-VM", "X-Y -A $(1)", "X-Y -A $x", 'X-Y -A "$x"', "X-Y z", "dir", "X-Y -A (1", "X-Y -A 1 -A 2", "X-Y -A {x}"]
)
def test_anything_but_one_cmdlet_with_literals_is_refused(line: str) -> None:
    with pytest.raises(NotTyped):
        parse(line)


def test_a_program_can_fail_hang_or_lose_its_line() -> None:
    world = World()
    path = "C:\\Windows\\System32\\msiexec.exe"
    for fault in (Fault("msiexec", error="1618", times=1), Fault("msiexec", hang=True, times=1), Fault("msiexec", drop="after", times=1)):
        world.estate.fault("edge-01", fault)
    outcomes = [world.program(path, "/i", "C:\\none.msi", "/qn") for _ in range(4)]
    assert [(o.exit, o.hang, o.drop) for o in outcomes] == [(1618, False, None), (1, True, None), (1619, False, "after"), (1619, False, None)]
