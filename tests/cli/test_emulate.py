"""The verbs of `emulate`: an estate grows with the specs, and what a person mistypes is answered with what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import SPECS, Reconcile

MORE = """\
---
apiVersion: reconciler/v1
kind: Host
metadata: {name: edge-02}
spec:
  sku: server-2022
  resources:
    WindowsFeature/Hyper-V: {}
"""
EXTERNAL = "    VirtualSwitch/ot: {switchType: External, netAdapterName: Ethernet 2, allowManagementOS: false}\n"


def declare(fleet: Path, text: str) -> None:
    (fleet / "specs" / "fleet.yaml").write_text(text, encoding="utf-8")


def test_a_host_declared_later_is_not_seen_and_the_next_command_adds_it(built: Reconcile, fleet: Path) -> None:
    declare(fleet, SPECS + MORE)
    planned = built("plan")

    assert planned.code == 5
    assert "? edge-02[HST011]: the estate has no edge-02" in planned.out
    assert planned.out.rstrip().endswith("Next: reconcile emulate new")

    grown = built("emulate", "new")

    assert grown.code == 0
    assert "added: edge-02, a bare machine (server-2022)" in grown.out
    assert built("apply", "--yes").code == 0


def test_growing_leaves_the_machines_that_are_there_as_they_are(built: Reconcile, fleet: Path) -> None:
    before = {file.name: file.read_bytes() for file in (fleet / "lab" / "hosts").iterdir()}
    declare(fleet, SPECS + MORE)
    grown = built("emulate", "new", "lab")
    after = {file.name: file.read_bytes() for file in (fleet / "lab" / "hosts").iterdir()}

    assert grown.code == 0
    assert {name: after[name] for name in before} == before
    assert sorted(after.keys() - before.keys()) == ["edge-02.json"]
    assert built("plan", "edge-01").code == 0


def test_a_network_card_that_a_switch_names_is_put_in(built: Reconcile, fleet: Path) -> None:
    declare(fleet, SPECS.replace("    NatNetwork/eflow", EXTERNAL + "    NatNetwork/eflow"))
    grown = built("emulate", "new")

    assert "added: edge-01, the network card Ethernet 2" in grown.out
    assert built("apply", "edge-01", "--yes").code == 0
    assert "nothing to add" in built("emulate", "new").out


def test_a_machine_of_another_kind_than_the_specs_say_now_is_said_and_left(built: Reconcile, fleet: Path) -> None:
    declare(fleet, SPECS.replace("sku: server-2022", "sku: server-2019"))

    assert "not changed: edge-01 stays server-2022; the specs say server-2019" in built("emulate", "new").out


def test_new_is_quiet_when_asked(reconcile: Reconcile) -> None:
    assert len(reconcile("emulate", "new", "lab", "-q").out.splitlines()) == 2


@pytest.mark.parametrize(
    "words",
    [("run", "edge-1", "Get-NetNat"), ("fault", "edge-1", "--hang"), ("heal", "edge-1"), ("power", "off", "edge-1"), ("log", "edge-1")],
)
def test_a_host_that_is_not_there_is_answered_with_those_that_are(lab: Reconcile, words: tuple[str, ...]) -> None:
    said = lab("emulate", *words)

    assert said.code == 1
    assert "the estate has no host edge-1" in said.err
    assert "did you mean edge-01? hosts: edge-01, kiosk-04" in said.err


@pytest.mark.parametrize(("cmdlet", "hint"), [("New-NetNatt", "did you mean New-NetNat?"), ("Zzz", "a pattern does as well")])
def test_a_fault_on_a_cmdlet_that_does_not_exist_is_refused(lab: Reconcile, cmdlet: str, hint: str) -> None:
    said = lab("emulate", "fault", "edge-01", "--cmdlet", cmdlet, "--hang")

    assert said.code == 1
    assert hint in said.err
    assert "CLI045" in said.err


def test_a_fault_may_name_a_pattern(lab: Reconcile) -> None:
    assert lab("emulate", "fault", "edge-01", "--cmdlet", "*-NetNat", "--error", "Broken").code == 0
    assert lab("apply", "edge-01", "--yes").code == 5


def test_power_that_comes_back_takes_time_and_says_how_to_let_it_pass(lab: Reconcile) -> None:
    lab("emulate", "power", "off", "edge-01")
    on = lab("emulate", "power", "on", "edge-01")

    assert "edge-01 starts; it answers in " in on.out
    assert lab("plan", "edge-01").code == 5
    command = on.out.rstrip().splitlines()[-1].removeprefix("Next: reconcile ").partition("    ")[0]
    assert lab(*command.split()).code == 0
    assert lab("plan", "edge-01").code == 2
    assert lab("emulate", "power", "on", "edge-01").out == "edge-01 is on\n"


def test_the_log_is_one_line_an_entry(built: Reconcile) -> None:
    entries = built("emulate", "log", "--output", "json").json()["entries"]
    lines = built("emulate", "log").out.splitlines()

    assert len(lines) == len(entries)
    assert max(map(len, lines)) <= 100
    assert any("New-NetNat -InternalIPInterfaceAddressPrefix 172.20.10.0/24 -Name eflow" in line for line in built("emulate", "log", "-v").out.splitlines())


def test_the_log_shows_what_changed_a_host_alone(built: Reconcile) -> None:
    built("emulate", "log", "--since-last")
    built("plan")

    assert built("emulate", "log", "--since-last", "--writes").out == "nothing happened\n"
    built("emulate", "run", "edge-01", "Remove-NetNat -Name eflow -Confirm:$false")
    (line,) = built("emulate", "log", "--since-last", "--writes").out.splitlines()
    assert "Remove-NetNat -Confirm false -Name eflow  (typed on the host)" in line
