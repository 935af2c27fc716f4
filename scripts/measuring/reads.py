"""Eight reads of every host, by the product and by `ansible-playbook`, in one run against the same served hosts.

A measurement of `figures`, turned into a section by `wiresections`. The product's side is `reader`, a process of its own like Ansible's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping

from reconciler.core.calls import Call
from scripts.measuring import playbook
from scripts.measuring.reader import READS
from scripts.measuring.served import FORKS, FREE, ROOT, STATED, Served, served, since

COUNTED = ("requests", "processes", "bytes received", "bytes sent")

Figures = dict[str, float]


def measure_reads(hosts: int) -> Figures:
    """Without and with stated costs. Where Ansible is not installed, its figures are left out."""
    ansible = playbook.program()
    found: Figures = {"hosts": hosts, "reads": len(READS)}
    for costs in (FREE, STATED):
        with served(hosts, costs) as there:
            told = "stated" if costs is STATED else "free"
            found |= {f"{told} {name}": value for name, value in (_ours(there) | (_theirs(ansible, there) if ansible else {})).items()}
    return found


def pipeline(call: Call) -> str:
    """A read as one types it."""
    words = [call.name, *(f"-{name} {value if isinstance(value, str) else ', '.join(value)}" for name, value in call.parameters.items())]
    return f"{' '.join(words)} | Select-Object {', '.join(map(str, call.select))} | ConvertTo-Json -Compress"


def _theirs(ansible: str, there: Served) -> Figures:
    """The whole run, and one without a task: what is left when Ansible's own start is taken away."""
    empty = playbook.run(ansible, there, (), FORKS)
    before = there.counts()
    took = playbook.run(ansible, there, [pipeline(call) for call in READS], FORKS)
    spent = since(before, there.counts())
    return {"ansible start": empty["wall"]} | {f"ansible {name}": value for name, value in took.items()} | _counted("ansible", spent)


def _ours(there: Served) -> Figures:
    """`cold` counts from before the process is there, its imports included."""
    given = json.dumps({"hosts": there.hosts, "user": there.user, "password": there.password})
    before, begun = there.counts(), time.perf_counter()
    found: Figures = {}
    with subprocess.Popen([sys.executable, "-m", "scripts.measuring.reader"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for name in ("cold", "warm"):
            process.stdin.write(given + "\n")
            process.stdin.flush()
            told = json.loads(process.stdout.readline())
            after = there.counts()
            wall = time.perf_counter() - begun if name == "cold" else told["wall"]
            found |= {f"{name} wall": wall, f"{name} inside": told["wall"], f"{name} cpu": told["cpu"]} | _counted(name, since(before, after))
            before = after
        process.stdin.close()
    return found


def _counted(name: str, spent: Mapping[str, float]) -> Figures:
    return {f"{name} {what}": spent.get(what, 0) for what in COUNTED}
