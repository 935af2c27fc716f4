"""What the doctor says of a host's Azure, on the emulated one: who signs in, the VM, its agent, what stands in the way, and rights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from reconciler.azure.checkup import AzureCheckup
from reconciler.azure.emulated import reach
from reconciler.azure.role import Needs, needs
from reconciler.azure.tokens import Source
from reconciler.core.checkup import Finding, State
from reconciler.core.resources import Azure, Host
from reconciler.emulator.arm import building, identity
from reconciler.emulator.arm.model import SUBSCRIPTION, Principal, RequestFault
from reconciler.emulator.controller import Controller
from tests.engine.azurelab import DRIVER, AzureLab, azure_lab, both_planes
from tests.engine.lab import run


def needed(lab: AzureLab) -> Callable[[Host], Needs]:
    return lambda host: needs(host, lab.desired.resources[host.name], lab.registry)


def looked_at(lab: AzureLab, **options: Any) -> dict[str, Finding]:
    """Findings by name, of those with one name the last."""
    connections = reach(Controller(lab.estate, lab.estate.clock, lab.secrets, (), None))
    connections.options = replace(connections.options, **options)
    found = run(lambda: AzureCheckup(connections, needed(lab))(lab.desired.hosts["hpc-01"]))
    assert not [r for r in lab.estate.log() if r["what"] == "arm" and r["method"] != "GET"]
    return {one.name: one for one in found}


def may(lab: AzureLab, *actions: str, scope: str = "/") -> None:
    lab.estate.azure.principals["environment"] = Principal(identity.object_id("environment"), list(actions), scope=scope)


def test_a_vm_that_is_well_is_told_row_by_row() -> None:
    lab = azure_lab()
    building.extension(lab.estate, lab.vm(), "mde", "Microsoft.Azure.AzureDefenderForServers", "MDE.Windows", "1.0")
    found = looked_at(lab)
    assert {name: one.state for name, one in found.items()} == dict.fromkeys(("credential", "azure", "vm", "agent", "extensions", "rights"), State.OK) | {
        "wire server": State.LEFT
    }
    assert found["credential"].text == f"environment, as {identity.object_id('environment')}, of tenant {lab.estate.azure.tenant}"
    assert f"subscription {SUBSCRIPTION}, resource group rg-hpc" in found["azure"].text
    assert found["vm"].text == "Standard_HB120rs_v3 in westeurope, running, Windows Server 2019 Datacenter, Standard"
    assert found["extensions"].text == "1 there: mde"


def test_it_takes_three_requests_and_an_identity_that_may_only_read() -> None:
    lab = azure_lab()
    may(lab, "Microsoft.Compute/virtualMachines/read")
    found = looked_at(lab)
    assert len([r for r in lab.estate.log() if r["what"] == "arm"]) == 2  # and one for a token
    assert found["vm"].state is State.OK
    rights = [one for one in found.values() if one.name == "rights"]
    assert rights


@pytest.mark.parametrize("missing", ["Microsoft.Compute/virtualMachines/extensions/write", "Microsoft.Compute/locations/operations/read"])
def test_a_right_that_the_specs_need_and_that_is_not_there_is_named(missing: str) -> None:
    lab = azure_lab()
    need = needed(lab)(lab.desired.hosts["hpc-01"])
    may(lab, *(action for action in (*need.actions, *need.told) if action != missing))
    rights = looked_at(lab)["rights"]
    assert (rights.state, rights.code, missing in rights.text) == (State.FAIL, "AZR113", True)
    assert "jea --azure" in rights.help


def test_facts_that_may_not_be_read_are_a_warning() -> None:
    lab = azure_lab()
    may(lab, *needed(lab)(lab.desired.hosts["hpc-01"]).actions)
    rights = looked_at(lab)["rights"]
    assert (rights.state, "skus/read" in rights.text) == (State.WARN, True)


def test_a_restart_is_asked_for_only_where_a_spec_may_want_one() -> None:
    lab = azure_lab(DRIVER.replace("}", ", restart: when-asked}"))
    may(lab, "Microsoft.Compute/*/read", "Microsoft.Compute/virtualMachines/extensions/*")
    assert looked_at(lab)["rights"].text == "not allowed here: Microsoft.Compute/virtualMachines/restart/action"


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        ({"vm": "hpc-02"}, "ResourceNotFound", "azure.vm"),
        ({"resource_group": "rg-else"}, "ResourceGroupNotFound", "azure.resourceGroup"),
        ({"subscription": "00000000-0000-4000-8000-000000000bad"}, "SubscriptionNotFound", "azure.subscription"),
    ],
)
def test_a_vm_that_is_not_there_is_told_with_what_was_searched(change: dict[str, str], code: str, word: str) -> None:
    lab = azure_lab()
    host = lab.desired.hosts["hpc-01"]
    assert host.azure is not None
    azure = replace(host.azure, **cast("dict[str, Any]", change))
    lab.desired = replace(lab.desired, hosts={"hpc-01": replace(host, azure=azure)})
    vm = looked_at(lab)["vm"]
    assert (vm.state, vm.code, azure.scope in vm.text, word in vm.help) == (State.FAIL, code, True, True)


def test_a_vm_that_may_not_be_read_names_the_action() -> None:
    lab = azure_lab()
    may(lab)
    found = looked_at(lab)
    assert (found["vm"].code, "Microsoft.Compute/virtualMachines/read" in found["vm"].text) == ("AuthorizationFailed", True)
    assert found["rights"].state in (State.FAIL, State.WARN)


def test_without_a_credential_each_that_was_tried_is_named_and_nothing_is_sent() -> None:
    def none(word: str, azure: Azure, cloud: object) -> Source:
        raise ValueError(f"no {word} here. And advice")

    lab = azure_lab()
    found = looked_at(lab, credentials=none)
    assert list(found) == ["credential", "azure"]
    assert (found["credential"].state, found["credential"].code, found["azure"].state) == (State.FAIL, "AZR401", State.LEFT)
    assert found["credential"].text.endswith(
        "environment: no environment here; workloadIdentity: no workloadIdentity here; managedIdentity: no managedIdentity here; cli: no cli here"
    )
    assert not [r for r in lab.estate.log() if r["what"] == "arm"]


def test_a_token_of_another_tenant_than_was_declared_is_told() -> None:
    lab = azure_lab()
    host = lab.desired.hosts["hpc-01"]
    assert host.azure is not None
    lab.desired = replace(lab.desired, hosts={"hpc-01": replace(host, azure=replace(host.azure, tenant="another"))})
    assert looked_at(lab)["azure"].state is State.FAIL


def test_what_makes_steps_wait_or_block_is_told_with_the_code_of_the_plan() -> None:
    lab = azure_lab()
    building.extension(lab.estate, lab.vm(), "mde", "Microsoft.Azure.AzureDefenderForServers", "MDE.Windows", "1.0", failed="no way out")
    lab.vm().agent = "Not Ready"
    found = looked_at(lab)
    assert [(found[name].state, found[name].code) for name in ("agent", "extensions")] == [(State.WARN, "AZR011"), (State.WARN, "AZR013")]
    building.power(lab.estate, lab.vm(), "deallocated")
    found = looked_at(lab)
    assert [(found[name].state, found[name].code) for name in ("vm", "agent")] == [(State.WARN, "AZR010"), (State.LEFT, "")]


def test_an_azure_that_does_not_answer_well_is_one_row() -> None:
    for fault in (RequestFault("GET", status=503), RequestFault("GET", status=429, retry_after=5), RequestFault("GET", drop="before")):
        lab = azure_lab()
        lab.estate.azure.faults.append(fault)
        assert looked_at(lab)["azure"].state is State.FAIL


def test_a_host_that_is_not_in_azure_has_no_rows() -> None:
    lab = both_planes(DRIVER)
    connections = reach(Controller(lab.estate, lab.estate.clock, lab.secrets, (), None))
    assert run(lambda: AzureCheckup(connections, needed(lab))(replace(lab.desired.hosts["hpc-01"], azure=None))) == ()
