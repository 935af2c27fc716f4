"""An extension's answer read: what is asked for (the model), what came of it (the instance view), and whose it is (tags).

Called by `azure_vm_extension.parse`. The model says the version asked for, the instance view the one installed; a VM that is stopped
has no useful instance view, so nothing here rests on it alone. Sources: azure-extensions 1.4, 1.5, 2.3; arm-contract "Verbs".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.core.calls import Row
from reconciler.core.fieldtypes import Folded, SeenName
from reconciler.core.ids import Key
from reconciler.core.observations import Facts, Present, Tagged
from reconciler.core.tags import tagged
from reconciler.kinds._azure_extension_spec import AzureVmExtensionState, HandlerVersion, KeyVaultReference, Moving, read_tag
from reconciler.kinds._azure_outcomes import Outcome, exit_code, outcome, terminal

DONE, ENDED_BADLY = ("succeeded",), ("failed", "canceled")


@dataclass(frozen=True, slots=True)
class Run:
    """The handler's last run. `time`: that of the status, which the service keeps for ever."""

    code: str = ""
    level: str = ""
    message: str = ""
    time: str = ""


def thawed(value: Any) -> Any:
    """An answered value as plain maps and tuples, that compare with what a spec says."""
    if isinstance(value, Mapping):
        return {name: thawed(value[name]) for name in value}
    return tuple(thawed(item) for item in value) if isinstance(value, list | tuple) else value


def extension(row: Row, facts: Facts) -> tuple[Key, Present[AzureVmExtensionState]]:
    """One extension of a VM."""
    properties, name = row["properties"], SeenName(row["name"])
    tags = thawed(row.maybe("tags") or {})
    run, state = last_run(properties), str(properties.maybe("provisioningState") or "")
    failed = state.casefold() in ENDED_BADLY
    code = exit_code(run.message, run.code)
    ended = outcome(str(properties["type"]), code, failed=failed)
    mark = tagged(tags, applied=state.casefold() in DONE)
    settled = _restarted(run, facts, mark)
    waits = ended in (Outcome.REBOOT, Outcome.INTERRUPTED) and not settled
    seen = state_of(name, properties, tags, run, state, installed=not failed or ended is Outcome.REBOOT, waits=waits, code=code)
    interrupted = ended is Outcome.INTERRUPTED and waits
    return Key(name.casefold()), Present(
        seen,
        unseen={"installed": "the install goes on after a restart"} if interrupted else {},
        reboot=f"{name} asks for a restart (exit code {code})" if waits else None,
        busy=None if state.casefold() in (*DONE, *ENDED_BADLY) else state or "unknown",
        terminal=terminal(code, name) if failed and ended is Outcome.STOP else None,
        tagged=mark,
        awaits=run.time if waits else "",
    )


def state_of(
    name: SeenName, properties: Row, tags: Mapping[str, str], run: Run, state: str, *, installed: bool, waits: bool, code: int | None
) -> AzureVmExtensionState:
    tag = properties.maybe("forceUpdateTag")
    rerun, attempts, _ = read_tag(tag)
    moving = properties.maybe("enableAutomaticUpgrade") is True
    version = str(properties["typeHandlerVersion"])
    view = properties.maybe("instanceView")
    return AzureVmExtensionState.model_construct(
        name=name,
        publisher=Folded(properties["publisher"]),
        type=Folded(properties["type"]),
        version=Moving(version) if moving else HandlerVersion(version),
        enableAutomaticUpgrade=moving,
        autoUpgradeMinorVersion=properties.maybe("autoUpgradeMinorVersion") is True,  # absent is false (section 0)
        settings=thawed(properties.maybe("settings") or {}),
        protectedSettingsFromKeyVault=_vault(properties.maybe("protectedSettingsFromKeyVault")),
        suppressFailures=properties.maybe("suppressFailures") is True,
        rerun=rerun,
        installed=installed,
        attempts=attempts,
        forceUpdateTag=tag,
        tags=tags,
        provisioning=state,
        installedVersion=str((view.maybe("typeHandlerVersion") if view else "") or ""),
        exit=code,
        said=run.message,
        healthy=installed and run.level.casefold() != "error",
        awaitsRestart=waits,
    )


def last_run(properties: Row) -> Run:
    """The first status of the instance view; a stopped VM has none."""
    view = properties.maybe("instanceView")
    statuses: Sequence[Row] = (view.maybe("statuses") if view else None) or ()
    if not statuses:
        return Run()
    said = [str(statuses[0].maybe(name) or "") for name in ("code", "level", "message", "time")]
    return Run(*said)


def _restarted(run: Run, facts: Facts, mark: Tagged | None) -> bool:
    """Whether the restart that this status asked for was made: the host booted later, or we noted that we restarted it for this very status."""
    if mark is not None and run.time and mark.restarted == run.time:
        return True
    asked = _moment(run.time)
    return asked is not None and facts.booted is not None and facts.booted > asked


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _vault(value: Row | None) -> KeyVaultReference | None:
    if value is None:
        return None
    return KeyVaultReference(secretUrl=Folded(value["secretUrl"]), sourceVault=Folded(value["sourceVault"]["id"]))
