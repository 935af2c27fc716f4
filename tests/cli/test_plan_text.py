"""Plans as text, held against pages that a person has read. `GOLDEN=write` writes them anew, to be read again."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.hints import Said
from reconciler.cli.views.commands_text import commands_text, printer
from reconciler.cli.views.page import Page
from reconciler.cli.views.plan_text import PlanView, plan_page
from reconciler.cli.views.step_text import change_text
from reconciler.core.calls import Later, Secret
from reconciler.core.changes import Cause, Change
from reconciler.core.diagnostics import Diagnostic, Position, Severity
from reconciler.core.kinds import Action, Disruption
from reconciler.core.plan import Barrier, Block, HostPlan, Plan, SpecsInfo, Verb
from reconciler.core.resources import How, Source
from tests.cli.plans import NOON, SERVER, bare, plan, replaced, resized, silent, step

GOLDEN = Path(__file__).parent / "golden"


def text_of(made: Plan, width: int = 100, *, utf8: bool = True, said: Said | None = None, **more: Any) -> str:
    page = Page(width, utf8=utf8)
    plan_page(page, made, PlanView(said or Said(), lambda file, line: None, **more))
    return page.plain()


def golden(name: str, text: str) -> None:
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def shops() -> Plan:
    """197 alike, one blocked by a rule, two not seen."""
    alike = [resized(f"shop-{n:03}", n=n) for n in range(1, 198)]
    blocked = resized("shop-199", block=Block("EFL033", "wants 2,048 MB more and 2,048 headroom, 3,120 MB are free", "free memory"), n=198)
    return plan(*alike, silent("shop-198"), blocked, silent("shop-200"))


def odds() -> Plan:
    """One of everything that a step can be."""
    steps = (
        step("edge-01", "VirtualSwitch", "old", Verb.DELETE, 1, why="no longer declared", changes=(Change("ipAddress", "172.20.9.1/24", None, Cause.CHANGE),)),
        step("edge-01", "NatNetwork", "kept", Verb.FORGET, 2),
        step("edge-01", "NatNetwork", "found", Verb.ADOPT, 3, foreign=True),
        step("edge-01", "EflowProvisioning", "", Verb.AGAIN, 4, changes=(Change("scopeId", "0ne1", "0ne2", Cause.CHANGE, again=True),)),
        step("edge-01", "EflowVm", "", Verb.WAIT, 5, why="job j-7f3a (deploy) runs"),
        step(
            "edge-01", "DhcpScope", "a", Verb.UPDATE, 6, changes=(Change("router", "172.20.10.254", "172.20.10.1", Cause.DRIFT),), unverified={"state": "off"}
        ),
        step("edge-01", "DhcpScope", "b", Verb.UNSEEN, 7, why="the DHCP service does not answer", code="HST070"),
        step("edge-01", "DhcpServer", "", Verb.CREATE, 8, changes=(Change("bindings", None, Later("edge-01/VirtualSwitch/eflow", "alias"), Cause.NEW),)),
        step("edge-01", "DhcpReservation", "b.printer", Verb.CREATE, 9, blocked=Block("PLN030", "needs it", by=step("edge-01", "DhcpScope", "b").id)),
        step("edge-01", "WindowsFeature", "DHCP", Verb.NOTHING, pending_restart="InstallPending"),
    )
    return plan(HostPlan("edge-01", seen=NOON, facts=SERVER, steps=steps, notes=('a NAT "docker" 172.30.0.0/20',), rules=3, suspended=1))


PAGES: dict[str, tuple[Plan, dict[str, Any]]] = {
    "bare": (plan(bare()), {"said": Said((), ("edge-01",))}),
    "bare-80": (plan(bare()), {"width": 80}),
    "bare-ascii": (plan(bare()), {"utf8": False}),
    "shops": (shops(), {"said": Said(("--estate", "lab"), (), ("-l", "tier=shop"))}),
    "replace-wants-leave": (plan(replaced()), {"said": Said(("--estate", "my lab"), ("edge-01",))}),
    "replace-with-leave": (
        plan(replaced(leave=True), replace=("edge-01/EflowVm",)),
        {"said": Said((), ("edge-01",), bounds=("--replace", "edge-01/EflowVm"))},
    ),
    "unseen": (plan(silent("shop-113"), HostPlan("edge-01", seen=NOON, facts=SERVER, rules=38)), {"declared": {"shop-113": 4}}),
    "odds": (odds(), {}),
    "nothing": (plan(HostPlan("edge-01", seen=NOON, facts=SERVER, rules=38)), {}),
    "saved": (plan(resized("edge-01"), specs=SpecsInfo("specs/one.yaml", "", "", True)), {"saved": "my plans/x.plan"}),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_plan_reads_as_the_page_that_was_read(name: str) -> None:
    made, more = PAGES[name]

    golden(name, text_of(made, **more))


def test_the_same_plan_is_the_same_bytes() -> None:
    assert text_of(shops()) == text_of(shops())


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_but_commands_to_paste_is_wider_than_the_page(name: str, width: int) -> None:
    made, more = PAGES[name]
    lines = text_of(made, **{**more, "width": width}).splitlines()

    assert [line for line in lines if len(line) > width and "reconcile" not in line] == []


def test_ascii_consoles_get_ascii_alone() -> None:
    assert text_of(odds(), utf8=False).isascii()


def test_a_value_that_is_the_hosts_own_name_keeps_hosts_alike() -> None:
    text = text_of(plan(bare("edge-01"), bare("edge-02")))

    assert "edge-01, edge-02: 2 hosts alike" in text
    assert "(the host's own name)" in text


def test_hosts_whose_values_differ_are_not_folded() -> None:
    text = text_of(plan(resized("a", after=6144), resized("b", after=8192)))

    assert "alike" not in text
    assert "4096 → 8192" in text


def test_a_secret_value_never_shows() -> None:
    host = bare()
    change = Change("symmKey", {"$scrypt": "scrypt:aa:bb"}, "plain-text-key", Cause.CHANGE, secret=True)
    text = text_of(plan(replace(host, steps=(replace(host.steps[4], changes=(change,)),))))

    assert "plain-text-key" not in text
    assert "scrypt" not in text
    assert "secret, not the one of our record" in text


def test_a_secret_that_changes_on_what_is_there_is_not_shown_as_new() -> None:
    changed = Change("protectedSettings", None, "secret", Cause.CHANGE, secret=True)
    assert change_text(changed, kept=True).endswith("not the one of our record")
    assert "record" not in change_text(changed)


HOSTILE = "eflow\x1b[2J[bold]@everyone```\u202e\nrm"


def test_hostile_names_move_no_cursor_and_break_no_line() -> None:
    change = Change("switchName", None, HOSTILE, Cause.NEW)
    found = step("edge-01", "NatNetwork", "x", n=1, why=HOSTILE, changes=(change,))
    text = text_of(plan(HostPlan("edge-01", seen=NOON, facts=SERVER, steps=(found,), notes=(HOSTILE,))))

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "‹U+001B›[2J[bold]@everyone```‹U+202E› ⏎ rm" in text


def test_a_restart_that_is_not_allowed_is_said_in_its_place() -> None:
    host = bare()
    barrier = Barrier(0, host.barriers[0].because, blocked=Block("POL004", "a restart is not allowed: service is", "--max-disruption reboot"))
    text = text_of(plan(replace(host, barriers=(barrier,))))

    assert " !   reboot: step 1 needs it" in text
    assert "POL004: a restart is not allowed: service is" in text
    assert "unreachable" not in text


def test_errors_are_told_and_warnings_only_counted() -> None:
    warning = Diagnostic("EFL090", Severity.WARNING, "past its end of support", Position("specs/a.yaml", 1, 2))
    fault = Diagnostic("EFL201", Severity.ERROR, "no memory", subject="edge-01/EflowVm")
    made = plan(replace(bare(), diagnostics=(warning, fault)))

    assert "error[EFL201]: no memory" in text_of(made)
    assert "past its end" not in text_of(made)
    assert "1 warning (--warnings)" in text_of(made)
    assert "past its end" in text_of(made, warnings=True)


def test_a_default_and_where_a_change_was_written_are_shown() -> None:
    sources = {"memoryInMB": Source(How.WRITTEN, "", Position("specs/shops.yaml", 8, 42)), "cpuCount": Source(How.DEFAULT)}
    changes = (Change("memoryInMB", 1, 2, Cause.CHANGE), Change("cpuCount", None, 1, Cause.CHANGE))
    act = Action("resize", "resize", (), disruption=Disruption.VM_RESTART)
    found = step("edge-01", "EflowVm", verb=Verb.UPDATE, n=1, changes=changes, sources=sources, actions=(act,))
    text = text_of(plan(HostPlan("edge-01", seen=NOON, facts=SERVER, steps=(found,))))

    assert "specs/shops.yaml:8:42" in text
    assert " default\n" in text


def test_commands_are_what_a_person_would_type() -> None:
    golden("commands", commands_text(plan(bare(), replaced("edge-02")), printer({})))


def keyed(host: str, key: str, path: str = "") -> HostPlan:
    """One provisioning with a secret of its own."""
    changes = (
        Change("registrationId", None, host, Cause.NEW),
        Change("identityCertPath", None, path or rf"C:\certs\{host}.pem", Cause.NEW),
        Change("symmKey", None, Secret("env", key), Cause.NEW, secret=True),
    )
    block = Block("PLN020", f"a replace of {host} loses the guest", f"--replace {host}/EflowProvisioning")
    return HostPlan(host, seen=NOON, facts=SERVER, steps=(step(host, "EflowProvisioning", n=1, changes=changes, blocked=block),))


def test_a_value_that_differs_between_like_hosts_is_shown_as_of_none_of_them() -> None:
    text = text_of(plan(keyed("edge-01", "KEY_01"), keyed("edge-02", "KEY_02"), keyed("edge-03", "KEY_02")))

    assert "edge-01, edge-02, edge-03: 3 hosts alike" in text
    assert "symmKey                             varies (2 values)" in text
    assert "KEY_0" not in text


def test_a_secret_that_like_hosts_share_is_named() -> None:
    assert "secret, env KEY" in text_of(plan(keyed("edge-01", "KEY"), keyed("edge-02", "KEY")))


def test_the_name_of_one_host_is_never_said_of_its_likes() -> None:
    text = text_of(plan(keyed("edge-01", "KEY"), keyed("edge-02", "KEY")))
    told = text[text.index("EflowProvisioning") : text.index("Plan:")]

    assert r"C:\certs\HOST.pem" in told
    assert "--replace HOST/EflowProvisioning" in told
    assert "edge-0" not in told


def test_a_value_that_holds_a_hosts_name_by_chance_keeps_hosts_apart() -> None:
    assert "alike" not in text_of(plan(keyed("a", "KEY", "lan"), keyed("b", "KEY", "lbn")))


def test_like_hosts_whose_value_stands_in_different_places_name_none_of_them() -> None:
    apart = resized("shop-002")
    moved = replace(apart.steps[0], sources={"memoryInMB": Source(How.WRITTEN, "", Position("specs/other.yaml", 3, 4))})
    text = text_of(plan(resized("shop-001"), replace(apart, steps=(moved,))))

    assert "varies (2 places)" in text
    assert "specs/shops.yaml" not in text
