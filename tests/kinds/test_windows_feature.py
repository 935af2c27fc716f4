"""WindowsFeature: one declaration, two families of cmdlets, and restarts that are owed."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.calls import Good, Unreadable
from reconciler.core.capabilities import DHCP_SERVER, HYPER_V, WINNAT
from reconciler.core.ids import Key
from reconciler.core.kinds import Disruption, NotSeen, Reboot
from reconciler.core.observations import Present
from reconciler.core.plan import Verb
from reconciler.emulator.faults import Fault
from reconciler.kinds.windows_feature import KIND, WindowsFeature, WindowsFeatureState
from tests.engine.lab import FLEET, host, lab
from tests.kinds.host_world import CLIENT, NOTHING, SERVER, StubWorld, actions, called, declare, findings, removal, rows, sound_kind

HYPER = WindowsFeature.model_validate({"name": "Hyper-V"})
DHCP = WindowsFeature.model_validate({"name": "DHCP"})
TOOLS = ({"Name": "Hyper-V-Tools", "InstallState": "Installed"}, {"Name": "Hyper-V-PowerShell", "InstallState": "Installed"})


def seen(state: str, *tools: dict[str, Any]) -> Present[WindowsFeatureState] | None:
    return KIND.parse([rows({"Name": "Hyper-V", "InstallState": state}), rows(*tools)], SERVER).get(Key("hyper-v"))


def on_client(state: str) -> Present[WindowsFeatureState] | None:
    return KIND.parse([rows({"FeatureName": "Microsoft-Hyper-V", "State": state})], CLIENT).get(Key("hyper-v"))


def test_every_word_and_question_is_one_that_windows_knows() -> None:
    assert sound_kind(KIND, SERVER, ["hyper-v", "dhcp"]) == []
    assert sound_kind(KIND, CLIENT, ["hyper-v"]) == []


def test_both_spellings_of_hyper_v_are_one_feature() -> None:
    assert KIND.key(WindowsFeature.model_validate({"name": "Microsoft-Hyper-V"})) == KIND.key(HYPER) == "hyper-v"


def test_all_features_of_a_server_are_one_question_and_their_tools_another() -> None:
    asked = [dict(ask.call.parameters) for ask in KIND.ask([Key("hyper-v"), Key("dhcp"), Key("containers")], SERVER)]  # type: ignore[union-attr]
    assert asked == [{"Name": ["containers", "DHCP", "Hyper-V"]}, {"Name": ["RSAT-DHCP", "Hyper-V-Tools", "Hyper-V-PowerShell"]}]


def test_a_client_is_asked_for_its_own_name_of_the_feature() -> None:
    asked = [dict(ask.call.parameters) for ask in KIND.ask([Key("hyper-v")], CLIENT)]  # type: ignore[union-attr]
    assert asked == [{"Online": True, "FeatureName": "Microsoft-Hyper-V"}]


@pytest.mark.parametrize("state", ["Available", "Removed"])
def test_a_feature_that_is_not_installed_is_not_there(state: str) -> None:
    assert seen(state) is None
    assert on_client("Disabled") is None


def test_an_unknown_feature_is_not_there() -> None:
    assert KIND.parse([NOTHING, NOTHING], SERVER) == {}


def test_an_installed_feature_with_its_tools_needs_nothing() -> None:
    assert actions(KIND, HYPER, seen("Installed", *TOOLS)) == ()
    assert actions(KIND, HYPER, on_client("Enabled"), CLIENT) == ()


def test_a_feature_that_waits_for_a_restart_is_installed_and_owes_one() -> None:
    for present in (seen("InstallPending", *TOOLS), on_client("EnablePending")):
        assert present is not None
        assert present.state.installed
        assert present.reboot is not None


def test_a_feature_on_its_way_out_is_not_installed_and_is_installed_again() -> None:
    present = seen("UninstallPending", *TOOLS)
    assert present is not None
    assert not present.state.installed
    assert present.reboot is not None
    assert [one.name for one in actions(KIND, HYPER, present)] == ["install"]


def test_hyper_v_is_installed_with_its_tools_and_needs_a_restart_that_windows_may_not_take_itself() -> None:
    (install,) = actions(KIND, HYPER, None)
    assert called(install) == [("Install-WindowsFeature", {"Name": "Hyper-V", "IncludeManagementTools": True})]
    assert install.reboot is Reboot.NEEDED
    assert install.calls[0].good == Good(returns={"Success": True})  # type: ignore[union-attr]


def test_dhcp_may_need_a_restart() -> None:
    (install,) = actions(KIND, DHCP, None)
    assert install.reboot is Reboot.POSSIBLE


def test_a_client_enables_the_feature_with_all_it_stands_on_and_without_a_restart() -> None:
    (install,) = actions(KIND, HYPER, None, CLIENT)
    assert called(install) == [("Enable-WindowsOptionalFeature", {"Online": True, "FeatureName": "Microsoft-Hyper-V", "All": True, "NoRestart": True})]
    assert "Microsoft-Hyper-V" in install.summary


def test_a_source_and_sub_features_go_along_and_never_make_a_step() -> None:
    wanted = WindowsFeature.model_validate({"name": "Hyper-V", "source": ["D:\\sources\\sxs"], "includeAllSubFeature": True})
    ((_, parameters),) = called(*actions(KIND, wanted, None))
    assert parameters["Source"] == ["D:\\sources\\sxs"]
    assert parameters["IncludeAllSubFeature"] is True
    assert actions(KIND, wanted, seen("Installed", *TOOLS)) == ()


def test_tools_that_are_missing_are_installed_alone() -> None:
    present = seen("Installed", TOOLS[0], {"Name": "Hyper-V-PowerShell", "InstallState": "Available"})
    (made,) = actions(KIND, HYPER, present)
    assert made.name == "install tools"


def test_tools_that_are_not_wanted_are_removed_by_their_own_names() -> None:
    present = KIND.parse([rows({"Name": "DHCP", "InstallState": "Installed"}), rows({"Name": "RSAT-DHCP", "InstallState": "Installed"})], SERVER)[Key("dhcp")]
    made = actions(KIND, WindowsFeature.model_validate({"name": "DHCP", "includeManagementTools": False}), present)
    assert called(*made) == [("Uninstall-WindowsFeature", {"Name": ["RSAT-DHCP"]})]


def test_tools_of_a_feature_that_is_not_known_cannot_be_verified() -> None:
    present = KIND.parse([rows({"Name": "Containers", "InstallState": "Installed"})], SERVER)[Key("containers")]
    assert "includeManagementTools" in present.unseen
    assert actions(KIND, WindowsFeature.model_validate({"name": "Containers"}), present) == ()


def test_a_row_without_a_state_is_not_guessed_at() -> None:
    with pytest.raises(Unreadable):
        KIND.parse([rows({"Name": "Hyper-V"}), NOTHING], SERVER)


def test_uninstalling_says_what_it_loses_and_names_the_feature_as_seen() -> None:
    present = seen("Installed", *TOOLS)
    assert present is not None
    (gone,) = removal(KIND, present.state)
    assert called(gone) == [("Uninstall-WindowsFeature", {"Name": "Hyper-V", "IncludeManagementTools": True})]
    assert (gone.disruption, gone.reboot) == (Disruption.SERVICE, Reboot.NEEDED)
    assert gone.loses
    client = on_client("Enabled")
    assert client is not None
    assert called(*removal(KIND, client.state, CLIENT)) == [
        ("Disable-WindowsOptionalFeature", {"Online": True, "FeatureName": "Microsoft-Hyper-V", "NoRestart": True})
    ]


def test_what_is_leaving_already_is_left_alone() -> None:
    present = seen("UninstallPending")
    assert present is not None
    assert removal(KIND, present.state) == ()


def test_features_bring_capabilities() -> None:
    assert set(KIND.provides(HYPER)) == {HYPER_V, WINNAT}
    assert set(KIND.provides(DHCP)) == {DHCP_SERVER}
    assert KIND.keep


def test_a_server_role_on_a_client_is_refused() -> None:
    things = declare("WindowsFeature", DHCP=DHCP, Hyper=HYPER)
    assert [one.subject for one in findings(KIND, "HYP001", StubWorld(things, sku="client-11"))] == ["edge-01/WindowsFeature/DHCP"]
    assert findings(KIND, "HYP001", StubWorld(things)) == []


def test_hyper_v_without_tools_is_refused() -> None:
    bare = WindowsFeature.model_validate({"name": "Hyper-V", "includeManagementTools": False})
    assert [one.field for one in findings(KIND, "HYP002", StubWorld(declare("WindowsFeature", a=bare)))] == ["includeManagementTools"]
    assert findings(KIND, "HYP002", StubWorld(declare("WindowsFeature", a=HYPER))) == []


def test_removed_files_without_a_source_are_warned_of() -> None:
    things = declare("WindowsFeature", a=HYPER)
    answers = {"Get-WindowsFeature": rows({"Name": "Hyper-V", "InstallState": "Removed"})}
    assert len(findings(KIND, "HYP003", StubWorld(things, now={}, answers=answers))) == 1
    there = {"Get-WindowsFeature": rows({"Name": "Hyper-V", "InstallState": "Available"})}
    assert findings(KIND, "HYP003", StubWorld(things, now={}, answers=there)) == []
    with pytest.raises(NotSeen):
        findings(KIND, "HYP003", StubWorld(things))


@pytest.mark.parametrize("sku", ["server-2022", "client-11"])
async def test_a_name_that_windows_does_not_know_blocks_and_a_known_one_that_is_not_installed_does_not(sku: str) -> None:
    here = lab(FLEET + host("edge-01", "WindowsFeature/Hyper-V: {}\nWindowsFeature/Hyper-W: {}\n", sku))
    plan = await here.plan()
    assert [(step.id.local, step.blocked and step.blocked.code) for step in plan.steps()] == [
        ("WindowsFeature/Hyper-V", None),
        ("WindowsFeature/Hyper-W", "HYP005"),
    ]


async def test_a_question_that_failed_is_no_unknown_name() -> None:
    here = lab(FLEET + host("edge-01", "WindowsFeature/Hyper-W: {}\n"))
    here.estate.fault("edge-01", Fault("Get-WindowsFeature", error="Unverified"))
    plan = await here.plan()
    assert [(step.verb, step.blocked) for step in plan.steps()] == [(Verb.UNSEEN, None)]


def test_tools_cannot_be_left_out_on_a_client() -> None:
    bare = WindowsFeature.model_validate({"name": "Containers", "includeManagementTools": False})
    assert len(findings(KIND, "HYP004", StubWorld(declare("WindowsFeature", a=bare), sku="client-11"))) == 1
    assert findings(KIND, "HYP004", StubWorld(declare("WindowsFeature", a=bare))) == []
