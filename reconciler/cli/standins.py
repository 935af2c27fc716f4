"""Stand-ins for secrets that cannot be had where a plan is rehearsed: a build server plans from snapshots and holds no keys.

Only what the plan would send gets one. A secret that is on record already keeps its silence: a stand-in would look like a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.core.calls import Secret
from reconciler.core.errors import SecretUnavailable
from reconciler.core.plan import Plan, Step
from reconciler.core.snapshot import Snapshot
from reconciler.core.transport import Secrets

KEY = "dHdpbi1zdGFuZC1pbi1rZXk="
FORMS = {"devConnString": f"HostName=twin.invalid;DeviceId=twin;SharedAccessKey={KEY}"}  # where a bare key would not do


@dataclass(frozen=True, slots=True)
class StandIns:
    """Gives the real secret where there is one, else its stand-in, if it has one."""

    real: Secrets
    values: Mapping[Secret, str] = field(default_factory=dict)

    async def resolve(self, secret: Secret) -> str:
        try:
            return await self.real.resolve(secret)
        except SecretUnavailable:
            if secret not in self.values:
                raise
        return self.values[secret]

    def scrub(self, text: str) -> str:
        return self.real.scrub(text)

    def said(self) -> list[str]:
        return [f"{secret} cannot be had here: the twin got another value" for secret in sorted(self.values, key=str)]


async def stand_ins(plan: Plan, snapshots: Mapping[str, Snapshot], real: Secrets) -> StandIns:
    """For every secret that `plan` would send and that cannot be had here."""
    values: dict[Secret, str] = {}
    for step in plan.steps():
        recorded = str(step.id.entry) in (snapshots[step.id.host].hello.get("ledger") or {}) if step.id.host in snapshots else True
        for name, secret in _sent(step) if step.verb.acts and not step.blocked and not recorded else ():
            try:
                await real.resolve(secret)
            except SecretUnavailable:
                values[secret] = FORMS.get(name, KEY)
    return StandIns(real, values)


def _sent(step: Step) -> list[tuple[str, Secret]]:
    spec = step.desired.spec if step.desired else None
    named = ((name, getattr(spec, name)) for name in type(spec).model_fields) if spec is not None else ()
    return [(name, value) for name, value in named if isinstance(value, Secret)]
