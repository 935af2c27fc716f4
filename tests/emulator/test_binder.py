"""Binding is judged by 692 calls whose result a real engine recorded (the reference), and by what those do not cover."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.emulator import catalogue
from reconciler.emulator.binder import BindingError, bind

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
CASES = REFERENCE / "binding-cases.json"


def _cases() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads(CASES.read_text(encoding="utf-8")) if CASES.exists() else []
    return cases


def _signatures() -> dict[str, Any]:
    raw: dict[str, Any] = {}
    for name in ("windows-cmdlets.json", "eflow-cmdlets.json"):
        raw |= json.loads((REFERENCE / name).read_text(encoding="utf-8"))
    return raw


@pytest.mark.skipif(not CASES.exists(), reason="the reference is not beside this checkout")
def test_every_recorded_call_binds_as_the_real_engine_bound_it() -> None:
    raw = _signatures()
    wrong = [(case, why) for case in _cases() if (why := _differs(catalogue.signature(case["cmdlet"], raw[case["cmdlet"]]), case))]
    assert [f"{case['cmdlet']} {case['parameters']}: {why}, not {case.get('bound')}" for case, why in wrong] == []
    assert len(_cases()) > 600


def _differs(signature: catalogue.Signature, case: dict[str, Any]) -> str:
    try:
        binding = bind(signature, case["parameters"])
    except BindingError as error:
        return _error_differs(signature, case, error)
    if "error" in case:
        return f"bound in {binding.set}"
    seen = {name: _text(value) for name, value in binding.values.items()}
    wanted = {name: _text(value) for name, (_, value) in case["bound"].items()}
    return "" if binding.set == case["set"] and seen == wanted else f"{binding.set} {seen}"


def _error_differs(signature: catalogue.Signature, case: dict[str, Any], error: BindingError) -> str:
    wanted, category = case.get("error"), case.get("category")
    if signature.compiled:  # the recorded stubs are functions; compiled cmdlets differ in these two ways
        if error.id == "CannotConvertArgumentNoMessage" and wanted in ("ParameterArgumentTransformationError", "ParameterArgumentValidationError"):
            wanted, category = error.id, error.category
        if error.id == "ParameterArgumentValidationErrorNullNotAllowed" and wanted == "ParameterArgumentValidationErrorEmptyStringNotAllowed":
            wanted = error.id
    same = (error.id, error.category, (error.parameter or "").strip()) == (wanted, category, (case.get("parameter") or "").strip())
    return "" if same else f"{error.id} {error.category} {error.parameter}"


def _text(value: Any) -> list[str]:
    """Text of bound values without case (enumerations become canonical here), whatever their container."""
    return [_one(v).casefold() for v in (value if isinstance(value, list) else [value])]


def _one(value: Any) -> str:
    match value:
        case timedelta():
            rest = value - timedelta(days=value.days)
            return f"{value.days}.0{rest}" if value.days else f"0{rest}"
        case datetime():
            return value.strftime("%m/%d/%Y %H:%M:%S")
    return str(value)


def _bind(name: str, **given: Any) -> Any:
    signature = catalogue.find(name)
    assert signature is not None
    return bind(signature, given)


def test_a_parameter_is_found_by_alias_and_by_an_unambiguous_beginning() -> None:
    assert _bind("Get-NetAdapter", ifDesc="x").values == {"InterfaceDescription": ["x"]}
    assert _bind("New-NetNat", Nam="n", InternalIP="10.0.0.0/24").values == {"Name": "n", "InternalIPInterfaceAddressPrefix": "10.0.0.0/24"}


def test_an_ambiguous_beginning_is_refused() -> None:
    with pytest.raises(BindingError) as refused:
        _bind("New-NetNat", Name="n", Internal="10.0.0.0/24")
    assert refused.value.id == "AmbiguousParameter"


def test_a_parameter_given_by_name_and_by_alias_is_refused() -> None:
    with pytest.raises(BindingError) as refused:
        _bind("Get-NetAdapter", Name="a", ifAlias="b")
    assert refused.value.id == "ParameterAlreadyBound"


def test_an_enumeration_takes_an_unambiguous_beginning_and_gives_the_member() -> None:
    assert _bind("New-VMSwitch", Name="s", SwitchType="int").values["SwitchType"] == "Internal"


def test_a_wrong_enumeration_of_a_compiled_cmdlet_cannot_be_converted() -> None:
    with pytest.raises(BindingError) as refused:
        _bind("New-VMSwitch", Name="s", SwitchType="External")
    assert refused.value.id == "CannotConvertArgumentNoMessage"


def test_switch_type_and_adapter_together_fit_no_parameter_set() -> None:
    with pytest.raises(BindingError) as refused:
        _bind("New-VMSwitch", Name="s", SwitchType="Internal", NetAdapterName="Ethernet")
    assert refused.value.id == "AmbiguousParameterSet"


def test_text_is_no_boolean() -> None:
    with pytest.raises(BindingError) as refused:
        _bind("Set-DhcpServerv4Binding", InterfaceAlias="x", BindingState="True")
    assert refused.value.id == "ParameterArgumentTransformationError"
