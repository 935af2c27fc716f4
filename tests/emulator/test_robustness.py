"""Whatever is asked of it, the emulator answers as Windows would: with objects or an error record, never with a Python exception."""

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.emulator import catalogue
from reconciler.emulator.catalogue import Parameter, Signature
from reconciler.emulator.cmdlets import load
from reconciler.emulator.convert import NUMBERS, bare_type
from reconciler.emulator.machine import Machine
from reconciler.emulator.powershell import execute
from tests.emulator.world import World, eflow_server

TEXTS = (
    "eflow",
    "Ethernet",
    "vEthernet (eflow)",
    "EDGE-01-EFLOW",
    "*",
    "",
    "DHCP",
    "Hyper-V",
    "C:\\cache\\eflow.msi",
    "HKLM:\\SOFTWARE\\Microsoft",
    "[x",
    "é\ud800",
    "1",
)
ADDRESSES = ("172.20.0.1", "172.20.0.0", "172.20.0.150", "10.20.7.11", "0.0.0.0", "172.20.0.0/24", "999.0.0.1", "::1")
SERVER = eflow_server().machine
CLIENT = World("client-11").hyperv().msi().machine


def _values(parameter: Parameter) -> st.SearchStrategy[Any]:
    kind = bare_type(parameter.type)
    bare = kind.removesuffix("[]")
    if parameter.values:
        one: st.SearchStrategy[Any] = st.sampled_from(parameter.values)
    elif bare in ("SwitchParameter", "Boolean"):
        one = st.booleans()
    elif bare in NUMBERS:
        one = st.sampled_from((0, 1, 4, 24, 255, 65535, NUMBERS[bare][1]))
    elif bare == "TimeSpan":
        one = st.sampled_from(("8.00:00:00", "00:00:00", "1:00"))
    else:
        one = st.sampled_from(ADDRESSES + TEXTS)
    return st.lists(one, min_size=1, max_size=2) if kind.endswith("[]") else one


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A cmdlet with parameters that often fit one of its sets."""
    name = draw(st.sampled_from(sorted(e.name for e in load().values())))
    signature = catalogue.find(name)
    assert isinstance(signature, Signature)
    chosen = draw(st.sampled_from(signature.sets)) if signature.sets else None
    wanted = set(chosen.mandatory) if chosen else set()
    if chosen and chosen.members:
        wanted |= set(draw(st.lists(st.sampled_from(sorted(chosen.members)), max_size=3)))
    return name, {n: draw(_values(signature.parameters[n])) for n in sorted(wanted)}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(("server", "client")), st.lists(calls(), min_size=1, max_size=4))
def test_any_call_gives_an_outcome_and_the_machine_can_still_be_saved(which: str, asked: list[tuple[str, dict[str, Any]]]) -> None:
    machine = copy.deepcopy(SERVER if which == "server" else CLIENT)
    for name, parameters in asked:
        outcome = execute(machine, name, parameters)
        assert outcome.seconds >= 0
        assert all(error.id and error.category for error in outcome.errors)
    again = Machine.from_json(machine.to_json())
    again.site = machine.site
    assert again == machine
