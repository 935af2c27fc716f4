"""A small estate in memory with the real engine on it: what engine tests stand on."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from reconciler.cli.reach import emulated
from reconciler.cli.wishes import web
from reconciler.cli.wishes import wishes as wished
from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import Registry
from reconciler.core.plan import Plan
from reconciler.core.transport import Connect
from reconciler.emulator.controller import Cut
from reconciler.emulator.estate import Estate
from reconciler.emulator.skus import HostWish
from reconciler.engine.apply import apply
from reconciler.engine.environment import Environment, Limits, Request, Scope
from reconciler.engine.events import Event, Happening, RunReport
from reconciler.engine.link import Linked, link
from reconciler.engine.planning import make_plan
from reconciler.kinds import registry
from reconciler.manifests import load
from reconciler.rules import RULES, WORDS
from reconciler.secrets import Vault

REGISTRY = registry(RULES, WORDS)

FLEET = """
apiVersion: reconciler/v1
kind: Fleet
metadata: {name: edge}
"""


def host(name: str, resources: str, sku: str = "server-2022") -> str:
    """One host document around `resources` (YAML, any indentation)."""
    body = textwrap.indent(textwrap.dedent(resources).strip("\n"), "    ")
    return f"---\napiVersion: reconciler/v1\nkind: Host\nmetadata: {{name: {name}}}\nspec:\n  sku: {sku}\n  resources:\n{body}\n"


def linked(text: str, kinds: Registry = REGISTRY) -> Linked:
    """Load and link; errors in the text are errors of the test."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "specs.yaml"
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        found = link(load([file], kinds), kinds)
    assert not found.errors, [f"{d.code} {d.message} {d.position}" for d in found.errors]
    return found


@dataclass
class Lab:
    """An estate, what is declared for it, and a controller that can be killed and started again."""

    desired: Linked
    estate: Estate
    registry: Registry = field(default_factory=lambda: REGISTRY)
    limits: Limits = field(default_factory=Limits)
    cut: Cut | None = None
    by: str = "operator1@ctl-01"
    events: list[Event] = field(default_factory=list)
    secrets: Any = field(default_factory=Vault)
    runs: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def connect(self) -> Connect:
        return emulated(self.estate, self.secrets, cut=self.cut)

    def environment(self) -> Environment:
        return Environment(self.registry, self.connect(), self.secrets, self.estate.clock, lambda: f"r-{next(self.runs):04d}", self.by)

    def request(self, *targets: str, **more: Any) -> Request:
        return Request(Scope(targets, exclude=more.pop("exclude", ())), more.pop("limits", self.limits), **more)

    async def plan(self, *targets: str, **more: Any) -> Plan:
        return await make_plan(self.desired, self.request(*targets, **more), self.environment())

    async def apply(self, plan: Plan | None = None, *targets: str, stop_at: Happening | None = None, **more: Any) -> RunReport:
        """Apply a plan, or a fresh one. `stop_at`: a person presses Ctrl-C when this happens for the first time."""
        env = self.environment()
        request = self.request(*targets, **more)
        if plan is None:
            plan = await make_plan(self.desired, request, env)
        stop = anyio.Event()

        def emit(event: Event) -> None:
            self.events.append(event)
            if event.what is stop_at:
                stop.set()

        return await apply(plan, self.desired, request, env, emit, stop)

    def effects(self, host: str, *names: str) -> list[str]:
        """Cmdlets and programs that changed a machine, by its own log."""
        return [record["name"] for record in self.estate.log(host) if record["what"] in ("cmdlet", "program") and record.get("name") in names]


def lab(text: str, *wishes: HostWish, **more: Any) -> Lab:
    """Bare machines for the hosts of `text` (or others), and a web that serves the installers that it names."""
    desired = linked(text)
    estate = Estate.new(None, wishes or wished(desired, {}))
    estate.site.web.update(web(desired))
    return Lab(desired, estate, **more)


def run(what: Callable[[], Any]) -> Any:
    return anyio.run(what)


def symbols(plan: Plan) -> list[str]:
    """`+ VirtualSwitch/eflow` for each step that is shown."""
    return [f"{step.symbol} {step.id.local}" for step in plan.steps() if step.n]


def warnings(plan: Plan) -> list[str]:
    return [d.code for d in plan.diagnostics if d.severity is Severity.WARNING]


@contextmanager
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


__all__: Sequence[str] = ("FLEET", "HostWish", "Lab", "host", "lab", "linked", "run", "symbols", "warnings")
