"""What a plan says of one case, as data: the runner compares it, scripts/record_cases.py writes it once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from reconciler.core.calls import ArmCall
from reconciler.core.canonical import canonical, plain
from reconciler.core.kinds import Action
from reconciler.core.plan import Plan, Step
from reconciler.core.snapshot import Snapshot, arm_json
from reconciler.core.transport import Target, Writer
from reconciler.engine.environment import Environment, Request
from reconciler.engine.planning import plan_from
from reconciler.secrets import Vault
from reconciler.signatures.printer import script
from tests.engine.azurelab import azure_host
from tests.engine.lab import FLEET, REGISTRY, host, linked

HOST = "edge-01"
SECRETS = {"KEY_ONE": "Zmlyc3Qta2V5LW9mLXRoZS1kZXZpY2U=", "KEY_TWO": "c2Vjb25kLWtleS1vZi10aGUtZGV2aWNl"}


@dataclass(frozen=True, slots=True)
class Stopped:
    """A clock that stands still: planning over a snapshot waits for nothing."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    async def sleep_until(self, when: datetime) -> NoReturn:
        raise AssertionError(f"a case waited until {when}")


def nowhere(target: Target) -> AbstractAsyncContextManager[Writer]:
    raise AssertionError(f"a case asked {target.host.name}")


def document(resources: str, sku: str, *, azure: bool = False) -> str:
    made = azure_host(HOST, resources, sku=sku) if azure else host(HOST, resources, sku)
    return (FLEET + made).lstrip()


async def planned(case: Mapping[str, Any]) -> Plan:
    """The plan for the case's manifest over its snapshot; no host is asked."""
    snapshot = Snapshot.of(case["snapshot"])
    clock = Stopped(snapshot.seen + timedelta(hours=1))
    env = Environment(REGISTRY, nowhere, Vault(environ=SECRETS), clock, lambda: "r-case")
    return await plan_from(linked(case["manifest"]), {HOST: snapshot}, Request(), env)


def _typed(action: Action) -> list[str]:
    """Calls as a person types them; requests to Azure as they are sent."""
    requests = [f"{call.operation} {canonical(arm_json(call))}" for call in action.calls if isinstance(call, ArmCall)]
    return [*script(action.calls).splitlines(), *requests]


def told(step: Step) -> dict[str, Any]:
    """A step in the user's language; what is empty is left out."""
    changes = [[change.path, plain(change.before), plain(change.after), change.cause.value] for change in step.changes if not change.secret]
    secrets = [change.path for change in step.changes if change.secret]
    found = {
        "step": step.id.local,
        "verb": step.verb.word,
        "changes": changes,
        "secrets": secrets,
        "actions": list(step.action_names),
        "calls": [line for action in step.actions for line in _typed(action)],
        "blocked": step.blocked.code if step.blocked else "",
        "because": step.blocked.message if step.blocked else "",
        "why": step.why,
        "unverified": sorted(step.unverified),
        "restart": step.pending_restart,
        "behind restarts": step.level,
    }
    return {name: value for name, value in found.items() if value}


async def expected(kind: str, case: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every step of the kind that the case is about."""
    return [told(step) for step in (await planned(case)).steps() if step.id.kind == kind]
