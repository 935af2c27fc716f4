"""One measurement a process: `python -m scripts.measuring.figures NAME HOSTS` prints its figures as JSON.

Called by `scripts.bench`, which knows goals and units. A process of its own keeps the peak of memory and the heap of one
measurement out of the others. Times are seconds of CPU: other work on the machine must not count.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anyio
import yaml

from reconciler.cli.running import run_async
from reconciler.cli.wallclock import WallClock
from reconciler.core.collecting import seldom
from reconciler.core.plan import Plan
from reconciler.engine.environment import Environment, Request
from reconciler.engine.link import link
from reconciler.engine.planning import plan_from
from reconciler.manifests import load
from reconciler.secrets import fingerprint
from scripts.measuring.fleet import REGISTRY, RESOURCES, Lab, NoSecrets, loaded, snapshots, specs

Figures = dict[str, float]
SECRETS_TRIED = 20


def _nowhere(_: Any) -> Any:
    raise AssertionError("planning from snapshots speaks to no host")


def measure_load(hosts: int) -> Figures:
    """Files into typed documents, then linked and judged; beside it the bare parser on the same files."""
    out: Figures = {}
    for form in ("resources", "flat"):
        with specs(hosts, flat=form == "flat") as folder:
            texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml"))]
            start = time.process_time()
            manifest = load([folder], REGISTRY)
            read = time.process_time()
            linked = link(manifest, REGISTRY)
            done = time.process_time()
            bare = _bare(texts)
        assert linked.complete, linked.errors
        assert len(manifest.hosts) == hosts
        out |= {
            f"{form}_documents": manifest.documents,
            f"{form}_load": read - start,
            f"{form}_link": done - read,
            f"{form}_bare": bare,
            f"{form}_resources": sum(len(each) for each in linked.resources.values()),
        }
    return out


def _bare(texts: Iterable[str]) -> float:
    """What the C parser alone takes, with plain dicts and lists and no positions."""
    start = time.process_time()
    for text in texts:
        for _ in yaml.load_all(text, Loader=yaml.CSafeLoader):
            pass
    return time.process_time() - start


def measure_plan(hosts: int) -> Figures:
    """Parsed documents and snapshots into a plan; the peak is that of everything together, loading included."""
    manifest = loaded(hosts)
    seen = snapshots(hosts)
    before = _peak()
    environment = Environment(REGISTRY, _nowhere, NoSecrets(), WallClock(), lambda: "r-0001", "bench")
    start = time.process_time()
    linked = link(manifest, REGISTRY)
    linked_at = time.process_time()
    plan: Plan = run_async(plan_from, linked, seen, Request(), environment)
    done = time.process_time()
    steps = list(plan.steps())
    assert len(steps) == hosts * RESOURCES, len(steps)
    return {
        "link": linked_at - start,
        "plan": done - linked_at,
        "peak": _peak(),
        "before": before,
        "resources": len(steps),
        "steps": sum(1 for step in steps if step.runs),
    }


def _peak() -> float:
    """Peak of resident memory, MiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def measure_secrets(hosts: int) -> Figures:
    """The hash that tells whether a secret changed is slow on purpose; one a host here."""
    start = time.process_time()
    for number in range(SECRETS_TRIED):
        fingerprint("bench-key", f"salt-{number:011}".encode())
    return {"one": (time.process_time() - start) / SECRETS_TRIED, "hosts": hosts}


def measure_hosts(hosts: int) -> Figures:
    """What is said to a host, by the estate's own log: to look at one that is as declared, and to get it there."""
    return anyio.run(_said, hosts)


async def _said(hosts: int) -> Figures:
    lab = Lab.of(hosts)
    await lab.look()
    begun = len(lab.estate.records)
    steps = await lab.converge()
    applied = lab.estate.log(since=begun)
    begun = len(lab.estate.records)
    seen = await lab.look()
    assert len(seen) == hosts
    looked = lab.estate.log(since=begun)
    return {
        **{f"look_{what}": count / hosts for what, count in _counted(looked).items()},
        **{f"step_{what}": count / steps for what, count in _counted(applied).items()},
        "steps": steps / hosts,
    }


def _counted(records: Iterable[Mapping[str, Any]]) -> Figures:
    """Calls, batches that ask, requests of any sort, requests that only wait for a job, processes begun."""
    count: Counter[str] = Counter(calls=0, batches=0, requests=0, polls=0, processes=0)
    for record in records:
        match record:
            case {"what": "cmdlet" | "program"}:
                count["calls"] += 1
            case {"what": "request", "asks": str(asks)}:
                count["requests"] += 1
                count["batches"] += asks.startswith("ask ")
                count["polls"] += asks.startswith("job poll")
            case {"what": "process", "do": "start"}:
                count["processes"] += 1
    return dict(count)


def _from(module: str, name: str) -> Callable[[int], Figures]:
    """A measurement of another module, whose imports must not weigh upon the memory of the others."""

    def measure(hosts: int) -> Figures:
        found: Figures = getattr(importlib.import_module(f"scripts.measuring.{module}"), name)(hosts)
        return found

    return measure


MEASUREMENTS: Mapping[str, Callable[[int], Figures]] = {
    "load": measure_load,
    "plan": measure_plan,
    "secrets": measure_secrets,
    "hosts": measure_hosts,
    "wire": _from("wire", "measure_wire"),
    "sweep": _from("wire", "measure_sweep"),
    "reads": _from("reads", "measure_reads"),
    "azure": _from("azure", "measure_azure"),
}

if __name__ == "__main__":
    with seldom():  # as the command line does it
        sys.stdout.write(json.dumps(MEASUREMENTS[sys.argv[1]](int(sys.argv[2]))) + "\n")
