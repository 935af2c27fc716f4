"""What link has judged for good is not judged again, and says the same."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from reconciler.core.snapshot import Snapshot
from reconciler.engine.environment import Scope
from reconciler.engine.planning import observe, plan_from
from reconciler.kinds import registry
from reconciler.rules import RULES
from tests.engine.lab import FLEET, Lab, host, lab, run

REGISTRY = registry(RULES)
# NET016 and DHC030 warn of what is declared alone; NET025 wants a look.
TEXT = FLEET + host(
    "edge-01",
    """
    WindowsFeature/Hyper-V: {}
    WindowsFeature/DHCP: {}
    VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.17.10.1/24}
    NatNetwork/eflow: {switchName: eflow}
    DhcpScope/eflow: {switchName: eflow, startRange: 172.17.10.100, endRange: 172.17.10.200}
    """,
)


async def _both(bench: Lab) -> None:
    found = await observe(bench.desired, Scope(), bench.environment())
    snapshots = {name: item for name, item in found.items() if isinstance(item, Snapshot)}
    plan = partial(plan_from, snapshots=snapshots, request=bench.request(), env=bench.environment())
    once = await plan(bench.desired)
    anew = await plan(replace(bench.desired, settled={}))
    assert once.hosts == anew.hosts
    assert once.diagnostics == anew.diagnostics
    assert {"NET016", "DHC030"} <= {d.code for d in once.diagnostics}


def test_a_plan_on_settled_rules_is_the_plan_of_all_rules() -> None:
    bench = lab(TEXT, registry=REGISTRY)
    settled = bench.desired.settled["edge-01"]
    assert {"NET016", "DHC030"} <= settled.rules
    assert "NET025" not in settled.rules
    run(partial(_both, bench))
