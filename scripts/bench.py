"""`make bench`: how fast manifests load, how fast a fleet is planned, how much is said to a host and what that costs on the wire, each
beside its goal.

Every measurement runs in a process of its own (`measuring/figures.py`) and counts seconds of CPU where it can, so that other work on the
machine costs little. `--quick` measures small fleets, for a look while working; `--only wire` one section. A goal that is not met is
marked; the exit code is 0 all the same: timings are to be read, not to break a build.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.measuring import azuresections, wiresections
from scripts.measuring.rows import Row, Section, below, lines
from scripts.measuring.served import FORKS, STATED

ROOT = Path(__file__).resolve().parents[1]
HELP = (sys.executable, "-c", "from reconciler.cli.main import main; main()", "--help")
MIB_FOR_PLAN = 1536
SECONDS_FOR_PLAN = 20
SECONDS_FOR_HELP = 0.2
GROWTH = 11  # ten times the hosts


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: hosts loaded, planned (and a tenth of them), emulated, counted on the wire, read, swept, VMs in Azure; times that help is asked."""

    load: int = 2000
    plan: int = 10_000
    emulated: int = 3
    help: int = 10
    wire: int = 3
    reads: int = 20
    sweep: int = 200
    azure: int = 200


FULL = Sizes()
QUICK = Sizes(load=50, plan=200, emulated=1, help=3, wire=1, reads=2, sweep=10, azure=5)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Timings of load, plan, help and of what is said to hosts.")
    parser.add_argument("--quick", action="store_true", help="small fleets; goals that belong to large ones are left out")
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=list(SECTIONS), help="some sections of it")
    given = parser.parse_args(words)
    print("Seconds are of CPU where nothing else is said; a machine that is busy otherwise makes them longer.\n", flush=True)
    for name in given.only:
        for section in SECTIONS[name](QUICK if given.quick else FULL):
            print("\n".join(lines(section)), flush=True)
    return 0


def load_section(sizes: Sizes) -> Section:
    found = figures("load", sizes.load)
    rows = []
    for form, told in (("resources", "resources in their Host"), ("flat", "flat documents")):
        documents, load, link = (found[f"{form}_{what}"] for what in ("documents", "load", "link"))
        rows += [
            Row(f"{told}: loaded", documents / load, "documents/s", digits=0),
            Row(f"{told}: loaded and validated", documents / (load + link), "documents/s", digits=0),
            Row(f"{told}: loaded and validated", found[f"{form}_resources"] / (load + link), "resources/s", digits=0),
            Row(f"{told}: load, a bare CSafeLoader being 1", load / found[f"{form}_bare"], "times"),
        ]
    return Section(f"load, {sizes.load:,} hosts, {found['resources_resources']:,.0f} resources", tuple(rows))


def plan_section(sizes: Sizes) -> Section:
    """The large fleet, and how it compares with a tenth of it."""
    small, large = figures("plan", sizes.plan // 10), figures("plan", sizes.plan)
    secret = figures("secrets", sizes.plan)
    whole = sizes == FULL
    took, before = (each["link"] + each["plan"] for each in (large, small))
    rows = (
        Row("link and rules", large["link"], "s"),
        Row("plan from snapshots", large["plan"], "s"),
        below("together", took, "s", SECONDS_FOR_PLAN) if whole else Row("together", took, "s"),
        Row("together, a host", took / sizes.plan * 1000, "ms", digits=2),
        Row(f"together, against {sizes.plan // 10:,} hosts", took / before, "times", f"at most {GROWTH}", took / before <= GROWTH if whole else None),
        below("peak of memory, manifests and snapshots included", large["peak"], "MiB", MIB_FOR_PLAN, 0)
        if whole
        else Row("peak of memory, manifests and snapshots included", large["peak"], "MiB", digits=0),
        Row("peak of memory before link", large["before"], "MiB", digits=0),
        Row("steps to take", large["steps"], "steps", digits=0),
        Row("apart: comparing one secret a host", secret["one"] * sizes.plan, "s"),
    )
    return Section(f"plan, {sizes.plan:,} hosts, {large['resources']:,.0f} resources", rows)


def hosts_section(sizes: Sizes) -> Section:
    found = figures("hosts", sizes.emulated)
    rows = (
        Row("look: processes", found["look_processes"], "a host"),
        Row("look: requests", found["look_requests"], "a host"),
        Row("look: batches after hello", found["look_batches"], "a host", "1", found["look_batches"] == 1),
        Row("look: calls", found["look_calls"], "a host"),
        Row("apply: requests", found["step_requests"], "a step"),
        Row("apply: of these, waiting for a job", found["step_polls"], "a step"),
        Row("apply: batches that ask", found["step_batches"], "a step"),
        Row("apply: calls", found["step_calls"], "a step"),
        Row("apply: processes", found["step_processes"], "a step"),
    )
    return Section(f"what is said to an emulated host of {found['steps']:.0f} steps", rows)


def wire_sections(sizes: Sizes) -> Iterable[Section]:
    """Each as it is done."""
    yield wiresections.counted_section(sizes.wire, figures("wire", sizes.wire))
    yield wiresections.sweep_section(sizes.sweep, figures("sweep", sizes.sweep))
    yield wiresections.reads_section(FORKS, STATED, figures("reads", sizes.reads), whole=sizes == FULL)


def azure_sections(sizes: Sizes) -> Iterable[Section]:
    found = figures("azure", sizes.azure)
    return azuresections.imports_section(found), azuresections.plan_section(sizes.azure, found)


def help_section(sizes: Sizes) -> Section:
    return Section("command line", (below(f"reconcile --help, fastest of {sizes.help}", _help(sizes.help), "s", SECONDS_FOR_HELP, 3),))


SECTIONS: Mapping[str, Callable[[Sizes], Iterable[Section]]] = {
    "load": lambda sizes: [load_section(sizes)],
    "plan": lambda sizes: [plan_section(sizes)],
    "hosts": lambda sizes: [hosts_section(sizes)],
    "wire": wire_sections,
    "azure": azure_sections,
    "help": lambda sizes: [help_section(sizes)],
}


def figures(name: str, hosts: int) -> dict[str, float]:
    """One measurement in its own process; its error is ours."""
    done = subprocess.run([sys.executable, "-m", "scripts.measuring.figures", name, str(hosts)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _help(times: int) -> float:
    """Wall time of the fastest of a few runs: what a person waits for."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(HELP, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        took.append(time.perf_counter() - start)
    return min(took)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
