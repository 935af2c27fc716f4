"""What Azure costs the controller: the import of its libraries, beside azure-mgmt-compute's own, and a plan of many VMs that are as declared.

Called by `figures`. Requests go to an emulated Azure in this process; each takes 50 ms of real time, and no more are under way at once
than over a line. Wall time is therefore mostly waiting; CPU is the client's and the emulated service's together.
"""

from __future__ import annotations

import copy
import itertools
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from reconciler.azure.emulated import reach
from reconciler.azure.messages import Request as ArmRequest
from reconciler.azure.messages import Response, Send
from reconciler.azure.pipeline import AT_ONCE
from reconciler.core.transport import by_plane
from reconciler.emulator.arm import building
from reconciler.emulator.arm.model import SUBSCRIPTION, Vm
from reconciler.emulator.controller import Controller
from reconciler.emulator.estate import Estate
from reconciler.engine.apply import apply
from reconciler.engine.environment import Environment, Request
from reconciler.engine.link import Linked, link
from reconciler.engine.planning import make_plan
from reconciler.hosts.emulated import connect
from reconciler.kinds import registry
from reconciler.manifests import load
from reconciler.rules import RULES, WORDS
from reconciler.secrets import Vault

Figures = dict[str, float]
REGISTRY = registry(RULES, WORDS)
ROUND_TRIP = 0.05  # seconds
EXTENSIONS = 4
TIMES = 3  # imports are measured, the fastest counts
SIZE = "Standard_HB120rs_v3"
FLEET = "apiVersion: reconciler/v1\nkind: Fleet\nmetadata: {name: edge}\n"
HOST = f"""---
apiVersion: reconciler/v1
kind: Host
metadata: {{name: NAME}}
spec:
  sku: server-2019
  azure: {{subscription: {SUBSCRIPTION}, resourceGroup: {building.GROUP}, vm: NAME}}
  connection: none
  resources:
    AzureVmExtension/ib: {{driver: InfiniBandDriverWindows}}
    AzureVmExtension/script: {{driver: CustomScriptExtension, settings: {{commandToExecute: hostname}}}}
    AzureVmExtension/monitor: {{publisher: Microsoft.Azure.Monitor, type: AzureMonitorWindowsAgent, version: 1.22}}
    AzureVmExtension/antimalware: {{publisher: Microsoft.Azure.Security, type: IaaSAntimalware, version: 1.3}}
"""
# CPU seconds of imports, each in a process of its own. `path`: all that is ours for Azure and the pipeline that sends, after what a plan of real
# hosts imports anyway; `libraries`: what is Azure's of it, in a bare Python.
REAL = "import reconciler.cli.session, reconciler.hosts.connect"
PATH = "from reconciler.azure.connect import AzureConnections; from reconciler.azure.pipeline import AzureCore; import azure.core.rest; AzureCore()._pipeline"
LIBRARIES = "from azure.core.pipeline import Pipeline, policies, transport; import azure.core.rest; Pipeline(transport.RequestsTransport())"
COMPUTE, IDENTITY = "import azure.mgmt.compute", "import azure.identity"
IMPORTS: Mapping[str, tuple[str, str]] = {
    "path": (REAL, PATH),
    "path compute": (REAL, COMPUTE),
    "libraries": ("pass", LIBRARIES),
    "libraries compute": ("pass", COMPUTE),
    "identity": (REAL, IDENTITY),
}
TIMED = "import time; {}; start = time.process_time(); {}; print(time.process_time() - start)"


def measure_azure(vms: int) -> Figures:
    imports = {f"import {name}": found for name, (before, line) in IMPORTS.items() if (found := _import(before, line))}
    return imports | anyio.run(planned, vms)


def _import(before: str, line: str) -> float | None:
    """CPU seconds of the fastest; None where it is not installed."""
    took = []
    for _ in range(TIMES):
        done = subprocess.run([sys.executable, "-c", TIMED.format(before, line)], capture_output=True, text=True, check=False)
        if "ModuleNotFoundError" in done.stderr:
            return None
        done.check_returncode()
        took.append(float(done.stdout))
    return min(took)


async def planned(vms: int) -> Figures:
    """One VM is brought to what is declared; the others are as if they had been. Then all are planned."""
    names = [f"hpc-{number:04}" for number in range(vms)]
    estate, linked = Estate.new(None, ()), _linked(names)
    for name in names:
        building.vm(estate, name, size=SIZE, release="2019")
    await _converge(estate, _linked(names[:1]))
    first, *others = estate.azure.vms.values()
    for other in others:
        _as(first, other)
    before, begun, wall, cpu = _peak(), len(estate.records), time.perf_counter(), time.process_time()
    with _slowly(estate) as environment:
        plan = await make_plan(linked, Request(), environment)
    found = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "memory": _peak() - before, "peak": _peak()}
    assert plan.exit_code == 0, plan.summary
    requests = [record for record in estate.log(since=begun) if record["what"] == "arm"]
    assert {record["method"] for record in requests} == {"GET"}
    return found | {"requests": len(requests), "round trip": ROUND_TRIP, "extensions": sum(len(vm.extensions) for vm in estate.azure.vms.values())}


def _linked(names: list[str]) -> Linked:
    with TemporaryDirectory(prefix="reconcile-bench-") as folder:
        Path(folder, "vms.yaml").write_text(FLEET + "".join(HOST.replace("NAME", name) for name in names), encoding="utf-8")
        linked = link(load([Path(folder)], REGISTRY), REGISTRY)
    assert not linked.errors, linked.errors[0]
    return linked


async def _converge(estate: Estate, linked: Linked) -> None:
    with _environment(estate) as environment:
        report = await apply(await make_plan(linked, Request(), environment), linked, Request(), environment, lambda _: None, anyio.Event())
    assert not report.exit_code, report


def _as(first: Vm, other: Vm) -> None:
    """The same extensions, on record as the other's own."""
    other.extensions = copy.deepcopy(first.extensions)
    for one in other.extensions.values():
        one.tags = {name: value.replace(f"/{first.name}/", f"/{other.name}/") for name, value in (one.tags or {}).items()}


@contextmanager
def _environment(estate: Estate, send: Send | None = None) -> Iterator[Environment]:
    vault, runs = Vault(), itertools.count(1)
    connections = reach(Controller(estate, estate.clock, vault, (), None))
    connections.options = replace(connections.options, send=send or connections.options.send)
    both = by_plane(connect(estate, estate.clock, secrets=vault), lambda: connections)
    yield Environment(REGISTRY, both, vault, estate.clock, lambda: f"r-{next(runs):04}", "bench")


@contextmanager
def _slowly(estate: Estate) -> Iterator[Environment]:
    """Every request takes a round trip, `AT_ONCE` of them side by side, as over a line."""
    at_once = reach(Controller(estate, estate.clock, Vault(), (), None)).options.send
    assert at_once is not None
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def send(request: ArmRequest) -> Response:
        async with limiter:
            await anyio.sleep(ROUND_TRIP)
            return await at_once(request)

    with _environment(estate, send) as environment:
        yield environment


def _peak() -> float:
    """Peak of resident memory, MiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)
