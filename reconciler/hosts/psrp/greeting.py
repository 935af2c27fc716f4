"""Hello without an invoker: who a host is, by cmdlets alone. `looking` asks and answers with it; `hosts.jea` makes these questions visible.

Sources: windows-outputs `Get-CimInstance Win32_OperatingSystem` and `Win32_ComputerSystemProduct`. There is no machine id, no ledger, no
lease and no hold: an account that only looks cannot read the product's registry key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.calls import Call, Cmdlet
from reconciler.wire.codec import decode
from reconciler.wire.strict import Malformed

CIM = Cmdlet("Get-CimInstance", ("ClassName",))
SYSTEM = ("CSName", "Caption", "Version", "BuildNumber", "ProductType", "MUILanguages", "LastBootUpTime", "LocalDateTime")
QUESTIONS: tuple[Call, ...] = (
    CIM(ClassName="Win32_OperatingSystem", select=SYSTEM),
    CIM(ClassName="Win32_ComputerSystemProduct", select=("UUID",)),
)


def greeting(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The fields of a hello frame out of one row a question."""
    system, product = rows
    languages = system.get("MUILanguages")
    identity = {"hello": 1, "name": str(system.get("CSName") or "").upper(), "uuid": _uuid(product.get("UUID")), "machine": None}
    about = {"os": system.get("Caption"), "version": system.get("Version"), "build": system.get("BuildNumber"), "product": system.get("ProductType")}
    boot = system.get("LastBootUpTime")
    times = {"boot": str(boot), "booted": boot, "utc": system.get("LocalDateTime"), "uptime": _passed(boot, system.get("LocalDateTime"))}
    return identity | about | times | {"ui": languages[0] if isinstance(languages, list) and languages else "en-US", "mode": "cmdlet"}


def mismatch(body: Mapping[str, Any], expected: Mapping[str, str]) -> bool:
    """Whether another host answers than the expected one."""
    return any(name in expected and str(expected[name]).casefold() != str(body.get(name) or "").casefold() for name in ("name", "uuid"))


def _uuid(value: Any) -> str | None:
    """Numbers that makers put in for want of one count as none."""
    text = str(value or "").upper()
    return text if text.strip("0-") and text.strip("F-") else None


def _passed(since: Any, now: Any) -> float:
    try:
        return float((decode(now) - decode(since)).total_seconds())
    except (Malformed, TypeError, AttributeError):
        return 0.0
