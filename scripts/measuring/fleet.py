"""A generated fleet to measure on: hosts of ten resources each, in both forms that people write, and snapshots of them.

Used by `figures`. No two hosts are alike: each has its own name, subnet and record, so that nothing is measured twice for one
piece of work. Snapshots are taken of one emulated host (bare, as declared, drifted) and told anew for every other.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from reconciler.cli.wishes import web, wishes
from reconciler.core.errors import SecretUnavailable
from reconciler.core.kinds import Registry
from reconciler.core.resources import Manifest
from reconciler.core.snapshot import Snapshot
from reconciler.core.transport import Secrets
from reconciler.emulator.estate import Estate
from reconciler.engine.apply import apply
from reconciler.engine.environment import Environment, Request, Scope
from reconciler.engine.link import Linked, link
from reconciler.engine.planning import make_plan, observe
from reconciler.hosts.emulated import connect
from reconciler.kinds import registry
from reconciler.manifests import load
from reconciler.rules import RULES
from reconciler.secrets import Vault

RESOURCES = 10  # a host
REGISTRY: Registry = registry(RULES)
FLEET = "apiVersion: reconciler/v1\nkind: Fleet\nmetadata: {name: edge}\n"
HEAD = """---
apiVersion: reconciler/v1
kind: Host
metadata: {name: NAME, labels: {tier: cloud, site: weu}}
spec:
  address: ${host.name}.example.net
  sku: server-2022
"""
# Kind/name → the lines of its spec; the reservations and the provisioning make three more resources.
SPECS = {
    "WindowsFeature/Hyper-V": "{}",
    "WindowsFeature/DHCP": "{}",
    "VirtualSwitch/eflow": "{switchType: Internal, ipAddress: SUBNET.1/24}",
    "NatNetwork/eflow": "{switchName: eflow}",
    "DhcpServer": "{}",
    "DhcpScope/eflow": """
switchName: eflow
startRange: SUBNET.100
endRange: SUBNET.200
dnsServer: [168.63.129.16]
leaseDuration: 8.00:00:00
reservations:
  camera-1: {ipAddress: SUBNET.150, clientId: 00-15-5D-01-02-03}
  camera-2: {ipAddress: SUBNET.151, clientId: 00-15-5D-01-02-04}""",
    "EflowVm": """
product: 1.5 LTS
version: ">=1.5.3.12025"
installer:
  url: https://files.example.net/eflow/AzureIoTEdge_LTS_1.5.3.12025_X64.msi
  sha256: 9f2c4a7be01d5c6688a3f0f2b7c9d1e45a60718293a4b5c6d7e8f9012345abcd
  version: 1.5.3.12025
acceptEula: Yes
acceptOptionalTelemetry: No
vswitchName: eflow
cpuCount: 2
memoryInMB: 4096
vmDataSize: 20
provisioning:
  provisioningType: DpsSymmetricKey
  scopeId: 0ne00A1B2C3
  registrationId: NAME
  symmKey: {env: DPS_KEY}""",
}


def name_of(number: int) -> str:
    return f"edge-{number:05}"


def subnet_of(number: int) -> str:
    return f"10.{64 + number // 256}.{number % 256}"


def _indented(text: str, by: int) -> str:
    return text.replace("\n", "\n" + " " * by)


def host_text(number: int) -> str:
    """One host with everything under `resources`: the form that people write."""
    body = "".join(f"    {name}: {_indented(spec, 6)}\n" for name, spec in SPECS.items())
    return f"{HEAD}  resources:\n{body}".replace("NAME", name_of(number)).replace("SUBNET", subnet_of(number))


def flat_text(number: int) -> str:
    """The same host as flat documents, one a resource."""
    documents = [HEAD]
    for local, spec in SPECS.items():
        kind, _, name = local.partition("/")
        metadata = f"metadata: {{name: {name}}}\n" if name else ""
        body = spec if spec.startswith("\n") else "\n" + spec.strip("{}").replace(", ", "\n")
        documents.append(f"---\napiVersion: reconciler/v1\nkind: {kind}\n{metadata}spec:\n  host: NAME{_indented(body.rstrip(), 2)}\n")
    return "".join(documents).replace("NAME", name_of(number)).replace("SUBNET", subnet_of(number))


@contextmanager
def specs(hosts: int, *, flat: bool = False) -> Iterator[Path]:
    """A folder with one file a host."""
    with TemporaryDirectory(prefix="reconcile-bench-") as name:
        folder = Path(name)
        (folder / "fleet.yaml").write_text(FLEET, encoding="utf-8")
        for number in range(hosts):
            (folder / f"{name_of(number)}.yaml").write_text(flat_text(number) if flat else host_text(number), encoding="utf-8")
        yield folder


def loaded(hosts: int) -> Manifest:
    with specs(hosts) as folder:
        return load([folder], REGISTRY)


class NoSecrets:
    """Gives no value, so that planning is measured without the deliberately slow hashes of secrets."""

    async def resolve(self, secret: Any) -> str:
        raise SecretUnavailable(f"{secret}: not given while planning is measured")

    def scrub(self, text: str) -> str:
        return text


@dataclass
class Lab:
    """An emulated estate for the first `hosts` of the fleet, and a controller for it."""

    linked: Linked
    estate: Estate
    environment: Environment

    @classmethod
    def of(cls, hosts: int) -> Lab:
        linked = link(loaded(hosts), REGISTRY)
        if linked.errors:
            raise AssertionError(f"the generated fleet is wrong: {linked.errors[0]}")
        estate = Estate.new(None, wishes(linked, {}))
        estate.site.web.update(web(linked))
        secrets: Secrets = Vault({"DPS_KEY": "YmVuY2gta2V5LWZvci10aGUtZW11bGF0ZWQtZXN0YXRl"})
        runs = itertools.count(1)
        return cls(
            linked, estate, Environment(REGISTRY, connect(estate, estate.clock, secrets=secrets), secrets, estate.clock, lambda: f"r-{next(runs):04}", "bench")
        )

    async def look(self) -> dict[str, Snapshot]:
        seen = await observe(self.linked, Scope(), self.environment)
        return {name: found for name, found in seen.items() if isinstance(found, Snapshot)}

    async def converge(self) -> int:
        """Applies until as declared; gives the number of steps that were applied."""
        plan = await make_plan(self.linked, Request(), self.environment)
        report = await apply(plan, self.linked, Request(), self.environment, lambda _: None, anyio.Event())
        if report.exit_code:
            raise AssertionError(f"the generated fleet does not converge: {report}")
        return sum(1 for step in plan.steps() if step.runs)


DRIFT = ("Remove-NetNat -Name eflow -Confirm:$false", f"Set-DhcpServerv4Scope -ScopeId {subnet_of(0)}.0 -LeaseDuration 2.00:00:00")


async def _told() -> list[str]:
    """The first host bare, as declared, and drifted, as JSON."""
    lab = Lab.of(1)
    name = name_of(0)
    told = [(await lab.look())[name]]
    await lab.converge()
    told.append((await lab.look())[name])
    for line in DRIFT:
        lab.estate.run(name, line)
    told.append((await lab.look())[name])
    return [json.dumps(snapshot.to_json()) for snapshot in told]


def snapshots(hosts: int) -> dict[str, Snapshot]:
    """One a host, each parsed from its own text: a third bare, a third as declared, a third drifted."""
    texts = anyio.run(_told)
    first = name_of(0)
    found: dict[str, Snapshot] = {}
    for number in range(hosts):
        name = name_of(number)
        text = texts[number % len(texts)].replace(first, name).replace(first.upper(), name.upper()).replace(f"{subnet_of(0)}.", f"{subnet_of(number)}.")
        found[name] = Snapshot.of(json.loads(text))
    return found
