"""AzureVmExtension: answers of Azure as it gives them, what a run came to, which request is sent, and every error in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.core.azure import AzureFacts
from reconciler.core.calls import Answer, ArmCall, CallError, Secret, rows
from reconciler.core.changes import Cause, Change, Changes
from reconciler.core.ids import Key
from reconciler.core.kinds import Disruption
from reconciler.core.observations import Facts, Present
from reconciler.kinds._azure_errors import ERRORS, TEXTS, explain
from reconciler.kinds._azure_extension_spec import AzureVmExtension, AzureVmExtensionState, HandlerVersion, Moving, read_tag, spell_tag
from reconciler.kinds._azure_outcomes import Outcome, exit_code, outcome
from reconciler.kinds.azure_vm_extension import KIND
from reconciler.signatures import check_call

AZURE = AzureFacts("/subscriptions/s/…/hpc-01", "0", "westeurope", "Standard_HB120rs_v3", power="running")
FACTS = Facts("HPC-01", "u", None, "Windows Server 2019", "10.0.17763", 17763, 3, azure=AZURE)
TIME = "2026-11-24T08:04:00+00:00"
TAGS = {"reconciler.id": "edge/hpc-01/AzureVmExtension/ib", "reconciler.spec": "abc", "reconciler.run": "r-1"}


def listed(state: str = "Succeeded", status: dict[str, str] | None = None, tags: dict[str, str] | None = None, **properties: Any) -> Answer:
    known = {"publisher": "Microsoft.HpcCompute", "type": "InfiniBandDriverWindows", "typeHandlerVersion": "1.5", "autoUpgradeMinorVersion": True}
    view = {"name": "ib", "typeHandlerVersion": "1.5.0.1", "statuses": [status]} if status else None
    body = {**known, **properties, "provisioningState": state} | ({"instanceView": view} if view else {})
    return Answer((rows({"name": "ib", "tags": tags or {}, "properties": body}),))


def seen(answer: Answer, facts: Facts = FACTS) -> Present[AzureVmExtensionState]:
    found = KIND.parse([answer], facts)
    assert list(found) == [Key("ib")]
    return found[Key("ib")]


def status(code: str, message: str = "", level: str = "Info") -> dict[str, str]:
    return {"code": f"ProvisioningState/{code}", "level": level, "message": message, "time": TIME}


def spec(**more: Any) -> AzureVmExtension:
    known = {"name": "ib", "publisher": "Microsoft.HpcCompute", "type": "InfiniBandDriverWindows", "version": "1.5"}
    return AzureVmExtension.model_validate({**known, **more})


def sent(want: AzureVmExtension, now: AzureVmExtensionState | None, *changed: str) -> dict[str, Any]:
    changes: Changes[Any] = Changes(tuple(Change(name, None, None, Cause.CHANGE, again=name in ("installed", "rerun")) for name in changed))
    (action,) = KIND.converge(want, now, changes, FACTS)
    (call,) = action.calls
    assert isinstance(call, ArmCall)
    assert check_call(call) == []
    assert (action.long, action.name, action.disruption) == (True, "put", Disruption.SERVICE)
    assert call.body is not None
    return dict(call.body)


# -- reading


def test_no_extension_is_a_definite_answer() -> None:
    assert KIND.parse([Answer(())], FACTS) == {}


def test_a_stopped_vm_without_an_instance_view_is_read_all_the_same() -> None:
    present = seen(listed())
    assert (present.state.installed, present.state.installedVersion, present.state.version) == (True, "", "1.5")
    assert (present.busy, present.reboot, present.terminal, present.tagged) == (None, None, None, None)


def test_what_is_asked_for_and_what_is_installed_are_two_things() -> None:
    assert (seen(listed(status=status("succeeded"))).state.installedVersion, str(seen(listed()).state.version)) == ("1.5.0.1", "1.5")


@pytest.mark.parametrize("word", ["Creating", "Updating", "Deleting", "SomethingNew"])
def test_a_state_that_is_no_end_is_somebody_at_work(word: str) -> None:
    assert seen(listed(word)).busy == word


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("failed/100", "", (False, "AZR100", None)),
        ("failed/1", "It ended. Exit code: 100", (False, "AZR100", None)),
        ("failed/1009", "enable.cmd has exited with Exit code: -1", (False, "AZR101", None)),
        ("failed/7", "", (False, "AZR102", None)),
        ("failed/0", "", (False, None, None)),
        ("failed/240", "", (False, None, None)),
        ("failed/3010", "", (True, None, "ib asks for a restart (exit code 3010)")),
    ],
)
def test_a_failure_is_read_from_its_message_and_then_from_its_code(code: str, message: str, expected: tuple[Any, ...]) -> None:
    present = seen(listed("Failed", status(code, message)))
    assert (present.state.installed, present.terminal.code if present.terminal else None, present.reboot) == expected


def test_an_install_that_a_restart_broke_off_is_not_seen_until_it_goes_on() -> None:
    waiting = listed("Failed", status("failed/-52"))
    assert (seen(waiting).unseen, seen(waiting).awaits) == ({"installed": "the install goes on after a restart"}, TIME)
    after = replace(FACTS, booted=datetime(2026, 11, 24, 9, tzinfo=UTC))
    assert (seen(waiting, after).unseen, seen(waiting, after).state.installed, seen(waiting, after).reboot) == ({}, False, None)


def test_a_restart_is_settled_by_a_later_boot_or_by_our_note_of_this_very_status() -> None:
    asked = status("succeeded/3010")
    assert seen(listed(status=asked)).reboot
    assert seen(listed(status=asked), replace(FACTS, booted=datetime(2026, 11, 24, 8, 0, tzinfo=UTC))).reboot
    assert not seen(listed(status=asked), replace(FACTS, booted=datetime(2026, 11, 24, 8, 5, tzinfo=UTC))).reboot
    assert not seen(listed(status=asked, tags={**TAGS, "reconciler.restarted": TIME})).reboot
    assert seen(listed(status=asked, tags={**TAGS, "reconciler.restarted": "2026-01-01T00:00:00+00:00"})).reboot


def test_suppressed_failures_are_as_declared_and_not_well() -> None:
    state = seen(listed(status=status("failed/5", "it went wrong", "Error"), suppressFailures=True)).state
    assert (state.installed, state.healthy) == (True, False)


def test_the_record_is_read_from_tags() -> None:
    tagged = seen(listed("Failed", tags=TAGS)).tagged
    assert tagged is not None
    assert (tagged.id, tagged.run, tagged.applied) == (TAGS["reconciler.id"], "r-1", False)


def test_versions_are_numbers_and_one_that_moves_is_a_minimum() -> None:
    assert HandlerVersion("1.10") != HandlerVersion("1.1")
    assert HandlerVersion("01.5") == HandlerVersion("1.5")
    moved = seen(listed(typeHandlerVersion="1.7", enableAutomaticUpgrade=True)).state.version
    assert isinstance(moved, Moving)
    assert HandlerVersion("1.5") == moved
    assert HandlerVersion("1.8") != moved


def test_settings_of_others_compare_by_value() -> None:
    assert seen(listed(settings={"a": [1, {"b": True}]})).state.settings == {"a": (1, {"b": True})}


@pytest.mark.parametrize("handler", [("microsoft.hpccompute", "infinibanddriverwindows"), ("MICROSOFT.HPCCOMPUTE", "INFINIBANDDRIVERWINDOWS")])
def test_a_handler_compares_without_case(handler: tuple[str, str]) -> None:
    state = seen(listed(publisher=handler[0], type=handler[1])).state
    assert (spec().publisher, spec().type) == (state.publisher, state.type)


# -- outcomes


@pytest.mark.parametrize(
    ("type", "code", "expected"),
    [
        ("InfiniBandDriverWindows", 0, Outcome.DONE),
        ("InfiniBandDriverWindows", 3010, Outcome.REBOOT),
        ("InfiniBandDriverWindows", 1, Outcome.STOP),
        ("NvidiaGpuDriverWindows", 1, Outcome.REBOOT),
        ("NvidiaGpuDriverWindows", 100, Outcome.STOP),
        ("InfiniBandDriverWindows", 240, Outcome.AGAIN),
        ("InfiniBandDriverWindows", 840, Outcome.AGAIN),
        ("InfiniBandDriverWindows", -1, Outcome.STOP),
        ("NvidiaGpuDriverWindows", -50, Outcome.INTERRUPTED),
        ("NvidiaGpuDriverWindows", -59, Outcome.INTERRUPTED),
        ("NvidiaGpuDriverWindows", -60, Outcome.STOP),
        ("CustomScriptExtension", None, Outcome.AGAIN),
    ],
)
def test_exit_codes_mean_what_the_pages_say(type: str, code: int | None, expected: Outcome) -> None:
    assert outcome(type, code, failed=True) is expected


def test_the_message_comes_first_and_the_agents_own_numbers_are_no_exit_codes() -> None:
    assert exit_code("Exit code: 5. Retried. Exit Code: 240", "ProvisioningState/failed/7") == 240
    assert exit_code("", "ProvisioningState/failed/-196608") == -196608
    assert [exit_code("", f"ProvisioningState/failed/{n}") for n in (0, 1007, 1009)] == [None, None, None]


# -- acting


def test_both_booleans_are_always_said_and_what_is_not_managed_stays() -> None:
    assert sent(spec(), None) == {
        "location": "westeurope",
        "tags": {},
        "properties": {
            "publisher": "Microsoft.HpcCompute",
            "type": "InfiniBandDriverWindows",
            "typeHandlerVersion": "1.5",
            "autoUpgradeMinorVersion": True,
            "enableAutomaticUpgrade": False,
            "settings": {},
        },
    }
    now = seen(listed(tags={"costCentre": "4711"}, settings={"a": 1}, suppressFailures=True, forceUpdateTag="theirs")).state
    body = sent(spec(version="1.6"), now, "version")
    assert (body["tags"], body["properties"]["settings"], body["properties"]["suppressFailures"]) == ({"costCentre": "4711"}, {"a": 1}, True)
    assert (body["properties"]["forceUpdateTag"], body["properties"]["typeHandlerVersion"]) == ("theirs", "1.6")


def test_a_version_that_moved_on_by_itself_is_not_taken_back() -> None:
    now = seen(listed(typeHandlerVersion="1.7", enableAutomaticUpgrade=True)).state
    assert sent(spec(enableAutomaticUpgrade=True, settings={"a": 1}), now, "settings")["properties"]["typeHandlerVersion"] == "1.7"


def test_a_run_is_repeated_by_another_tag_and_counted_anew_with_another_rerun() -> None:
    failed = seen(listed("Failed", status("failed/240"), forceUpdateTag="v2:1")).state
    assert sent(spec(rerun="v2"), failed, "installed")["properties"]["forceUpdateTag"] == "v2:2"
    assert sent(spec(rerun="v3"), failed, "installed", "rerun")["properties"]["forceUpdateTag"] == "v3:0"
    assert sent(spec(), seen(listed("Failed", status("failed/240"))).state, "installed")["properties"]["forceUpdateTag"] == ":1"


def test_secrets_stand_where_they_belong_and_nowhere_else() -> None:
    key = Secret("env", "KEY")
    body = sent(spec(protectedSettings={"storageAccountKey": key}), None)
    assert body["properties"]["protectedSettings"] == {"storageAccountKey": key}
    assert sent(spec(protectedSettings=key), None)["properties"]["protectedSettings"] == key


@pytest.mark.parametrize(
    ("tag", "read"), [(None, (None, 0, "")), ("v2:3", ("v2", 3, "")), (":1", (None, 1, "")), ("v2:0:0123456789abcdef", ("v2", 0, "0123456789abcdef"))]
)
def test_a_tag_is_read_as_it_is_spelled(tag: str | None, read: tuple[str | None, int, str]) -> None:
    assert read_tag(tag) == read
    assert spell_tag(*read) == tag


def test_a_tag_of_others_is_their_word() -> None:
    assert read_tag("2026-11-22T02:00Z") == ("2026-11-22T02:00Z", 0, "")


def test_a_delete_and_tags_alone_name_what_was_seen() -> None:
    now = seen(listed()).state
    assert KIND.delete is not None
    assert KIND.tag is not None
    (action,) = KIND.delete(now, FACTS)
    calls = [*action.calls, KIND.tag(now, {"a": "b"})]
    assert [check_call(call) for call in calls] == [[], []]
    assert [call.path for call in calls if isinstance(call, ArmCall)] == [{"vmExtensionName": "ib"}] * 2


# -- errors


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_says_what_it_means_and_what_to_do(code: str) -> None:
    meaning = explain(CallError(code, "409", ""))
    assert meaning is not None
    assert meaning.code.startswith("AZR1")
    assert meaning.message
    assert meaning.next


@pytest.mark.parametrize("text", [part for part, *_ in TEXTS])
def test_what_one_code_says_of_many_things_is_told_by_its_text(text: str) -> None:
    meaning = explain(CallError("OperationNotAllowed", "409", f"Something: {text.upper()}."))
    assert meaning is not None
    assert meaning.code in {code for _, code, *_ in TEXTS}


@pytest.mark.parametrize(("code", "expected"), [(100, "AZR100"), (-1, "AZR101"), (5, "AZR102"), (240, "AZR103"), (3010, "AZR104")])
def test_an_operation_that_failed_is_told_by_the_installers_code(code: int, expected: str) -> None:
    meaning = explain(CallError("VMExtensionProvisioningError", "200", f"VM has reported a failure. Exit code: {code}"))
    assert meaning is not None
    assert meaning.code == expected


def test_an_error_that_nobody_knows_is_left_to_its_own_words() -> None:
    assert explain(CallError("SomethingNew", "400", "words")) is None
