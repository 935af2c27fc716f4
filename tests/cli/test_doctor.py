"""`reconcile doctor` as a reader sees it, against pages that a person has read (`GOLDEN=write` writes them anew), and as a program does."""

from __future__ import annotations

from pathlib import Path

from reconciler.cli.hints import Said
from reconciler.cli.views.doctor_text import doctor_code, doctor_json, doctor_page
from reconciler.cli.views.page import Page
from reconciler.core.checkup import Checkup, fail, left, ok, warn
from tests.cli.conftest import Reconcile
from tests.cli.test_plan_text import golden
from tests.engine.azurelab import DRIVER, azure_host

SICK = Checkup(
    "plant-lyn-02",
    "plant-lyn-02.example.net · winrm, Kerberos",
    (
        ok("name", "10.60.2.10, and back"),
        ok("port", "5986 answers in 38 ms"),
        warn("tls", "certificate ends in 9 days (name ok, Corp Issuing CA 2)", "renew it, then: reconcile bootstrap plant-lyn-02 --rebind"),
        ok("sign-in", "kerberos; the host offers Negotiate, Kerberos"),
        fail("logging", "script-block logging is on: a secret would be written down, so calls with one are refused", "DpsX509 puts no key there", "HST044"),
        ok("switches", "a switch with \x1b[31m colours"),
    ),
)
BLOCKED = Checkup(
    "shop-042",
    "10.41.42.10 · winrm, NTLM as CORP\\svc",
    (
        fail(
            "shell",
            "PowerShell runs in ConstrainedLanguage there: a policy lets only signed scripts use all of PowerShell",
            "allow the product there",
            "HST042",
        ),
        left("session", "policies, records, lease, jobs: only a session tells; what follows comes by WMI"),
        ok("machines", "till running"),
    ),
)


def text(*checkups: Checkup, width: int = 100, utf8: bool = True, **more: bool) -> str:
    page = Page(width, utf8=utf8)
    doctor_page(page, checkups, Said(("--specs", "fleet")), **more)
    return page.plain()


def test_one_host_and_several_read_as_they_were_read() -> None:
    golden("doctor-sick", text(SICK))
    golden("doctor-two", text(SICK, BLOCKED, width=80, utf8=False))


def test_quiet_shows_what_is_wrong_alone() -> None:
    assert "10.60.2.10" not in text(SICK, quiet=True)
    assert "script-block logging" in text(SICK, quiet=True)


def test_of_many_hosts_only_what_is_wrong_is_shown_unless_all_is_asked_for() -> None:
    well = [Checkup(f"shop-{n:03}", f"10.0.0.{n} · winrm", (ok("port", "answers"),)) for n in range(1, 9)]
    many = text(*well[:4], SICK, *well[4:])
    assert many.startswith("shop-001: 10.0.0.1 · winrm: all well\nshop-002")
    assert "10.60.2.10" not in many
    assert "script-block logging" in many
    assert many.endswith("9 hosts: 1 failed, 1 warning. Nothing was changed. Every line: -v\n")
    assert text(*well, SICK, verbose=True).count("answers") == 9
    assert text(*well, quiet=True) == "8 hosts: all well. Nothing was changed.\n"


def test_a_warning_is_no_failure() -> None:
    assert doctor_code([Checkup("a", "", (warn("tls", "soon"),))]) == 0
    assert doctor_code([SICK, BLOCKED]) == 1
    assert "0 failed, 1 warning." in text(Checkup("a", "", (warn("tls", "soon"),)))


def test_programs_read_states_by_words_and_codes_of_plans() -> None:
    data = doctor_json([SICK, BLOCKED], 1)
    assert data["summary"] == {"ok": 5, "warn": 1, "fail": 2, "left": 1}
    assert data["hosts"][1]["findings"][0] == {
        "check": "shell",
        "state": "failure",
        "text": BLOCKED.findings[0].text,
        "help": "allow the product there",
        "code": "HST042",
    }


def test_an_emulated_host_is_looked_at_and_left_alone(lab: Reconcile) -> None:
    said = lab("doctor", "edge-01")
    assert said.code == 0, said.err
    golden("doctor-emulated", said.out)
    assert lab("plan", "--output", "json").json()["hosts"][0]["name"] == "edge-01"
    assert lab("emulate", "log", "--writes").out.count("\n") <= 1


def test_a_host_that_is_off_fails_and_the_other_is_told_all_the_same(lab: Reconcile) -> None:
    lab("emulate", "power", "off", "kiosk-04")
    said = lab("doctor")
    assert said.code == 1
    assert "2 hosts: 1 failed" in said.out
    assert "computer name EDGE-01" in said.out
    found = lab("doctor", "kiosk-04", "--output", "json")
    assert found.code == found.json()["exitCode"] == 1
    assert [each["check"] for each in found.json()["hosts"][0]["findings"]] == ["host", "rest"]


def test_labels_and_exclusions_choose_hosts_as_elsewhere(lab: Reconcile) -> None:
    assert [each["name"] for each in lab("doctor", "-l", "tier=client", "--output", "json").json()["hosts"]] == ["kiosk-04"]
    assert [each["name"] for each in lab("doctor", "--exclude", "kiosk-04", "--output", "json").json()["hosts"]] == ["edge-01"]
    assert "did you mean edge-01" in lab("doctor", "edge-1").err


def test_hosts_that_nobody_said_how_to_reach_are_refused(reconcile: Reconcile) -> None:
    assert "CLI001" in reconcile("doctor", "edge-01").err


def test_the_command_shows_azure_alone_of_a_host_without_a_connection_and_both_of_one_with(reconcile: Reconcile, fleet: Path) -> None:
    text = azure_host("hpc-01", DRIVER) + azure_host("both-01", DRIVER, connection="{transport: winrm}")
    (fleet / "specs" / "hpc.yaml").write_text(text, encoding="utf-8")
    assert reconcile("emulate", "new", "lab").code == 0
    said = reconcile("--estate", "lab", "doctor", "hpc-01", "both-01", "--output", "json")
    checks = {host["name"]: [one["check"] for one in host["findings"]] for host in said.json()["hosts"]}
    assert checks["hpc-01"] == ["credential", "azure", "vm", "agent", "wire server", "extensions", "rights"]
    assert {"shell", "who", *checks["hpc-01"]} <= set(checks["both-01"])
    assert said.code == 0
