"""What the engine is handed: its collaborators and the bounds of one run. Built by the command line, the loop and tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from reconciler.core.kinds import Disruption, Registry
from reconciler.core.plan import SpecsInfo
from reconciler.core.transport import Clock, Connect, Secrets
from reconciler.engine.quotas import Quotas


@dataclass(frozen=True, slots=True)
class Environment:
    """Collaborators. `name_run` yields ids such as `r-8f3k`: for plans, records and messages."""

    registry: Registry
    connect: Connect
    secrets: Secrets
    clock: Clock
    name_run: Callable[[], str]
    by: str = ""
    at_once: int = 32  # hosts at a time
    deadline: timedelta = timedelta(minutes=3)  # one look at one host
    quotas: Quotas = field(default_factory=Quotas)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run is about. Empty `targets` and `labels`: the whole fleet.

    A target is a host's name or a resource id; host targets and labels may prune, resource targets and `exclude` never.
    """

    targets: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may do. `replace`: ids for which leave to replace was given once, for this plan."""

    max_disruption: Disruption | None = None
    replace: tuple[str, ...] = ()
    max_age: timedelta = timedelta(hours=24)  # of a saved plan
    lease_wait: timedelta = timedelta(minutes=15)
    throttle_wait: timedelta = timedelta(hours=1)  # in a row: three times the 1200 s that Azure's own example asks for (azure-extensions 1.6)
    only_drift: bool = False  # the loop without a policy: drift alone, nothing that changes a declaration
    destructive: bool = True  # False: nothing that loses something, whatever leave was given


@dataclass(frozen=True, slots=True)
class Request:
    """One plan to be made."""

    scope: Scope = field(default_factory=Scope)
    limits: Limits = field(default_factory=Limits)
    specs: SpecsInfo = field(default_factory=lambda: SpecsInfo("specs"))
    destroy: tuple[str, ...] = ()  # ids to be deleted although declared: `reconcile destroy`, names only
