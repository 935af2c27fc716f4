"""Runs rules over a world and turns findings into diagnostics with positions. Used by link, decide and apply alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from reconciler.core.calls import NONSENSE, Later, Unreadable
from reconciler.core.diagnostics import Diagnostic, Label, Position, Severity
from reconciler.core.kinds import Finding, NotSeen, Rule
from reconciler.core.resources import Resource
from reconciler.core.values import replace
from reconciler.engine.world import HostWorld

NOTHING_FOUND: Mapping[str, tuple[Finding, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Settled:
    """What was judged without a look at the host, so that a look changes nothing about it: ids of rules, and what they found."""

    rules: frozenset[str] = frozenset()
    findings: Mapping[str, tuple[Finding, ...]] = field(default_factory=lambda: NOTHING_FOUND)


UNJUDGED = Settled()
SUSPENDS = (NotSeen, Unreadable, *NONSENSE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`findings` pairs each finding with its rule; `suspended` rules read what nobody has looked at; `found` is before acceptance."""

    findings: tuple[tuple[Rule[Any], Finding], ...]
    suspended: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]
    found: Mapping[str, tuple[Finding, ...]]


def judge(world: HostWorld, rules: Iterable[Rule[Any]], today: date | None = None, settled: Settled = UNJUDGED) -> Verdict:
    """Run every rule, but those that are settled for what is declared here.

    A rule that meets what is not seen, cannot be read, or is only known later, is suspended whole; accepted warnings are dropped.
    """
    kept: list[tuple[Rule[Any], Finding]] = []
    found: dict[str, tuple[Finding, ...]] = {}
    suspended: list[str] = []
    for rule in rules:
        try:
            findings = settled.findings.get(rule.id, ()) if rule.id in settled.rules else tuple(rule.check(world))
        except SUSPENDS:
            suspended.append(rule.id)
            continue
        if findings:
            found[rule.id] = findings
            kept += [(rule, finding) for finding in findings if not _accepted(rule, world.by_id.get(finding.subject), today)]
    return Verdict(tuple(kept), tuple(suspended), tuple(diagnostic(rule, finding, world) for rule, finding in kept), found or NOTHING_FOUND)


def settle(rules: Iterable[Rule[Any]], unseen: Verdict) -> Settled:
    """What a verdict on a host that nobody has looked at settles for good: rules that ended never asked for the host."""
    return Settled(_ended(tuple([rule.id for rule in rules]), unseen.suspended), unseen.found)


@lru_cache(maxsize=256)
def _ended(rules: tuple[str, ...], suspended: tuple[str, ...]) -> frozenset[str]:
    """Alike for most hosts of a fleet, and then one."""
    return frozenset(rules) - frozenset(suspended)


def _accepted(rule: Rule[Any], resource: Resource | None, today: date | None) -> bool:
    if resource is None or rule.severity is not Severity.WARNING:
        return False
    return any(a.rule == rule.id and (a.until is None or today is None or date.fromisoformat(a.until) >= today) for a in resource.common.accept)


def diagnostic(rule: Rule[Any], finding: Finding, world: HostWorld) -> Diagnostic:
    resource = world.by_id.get(finding.subject)
    labels = tuple(Label(at, text) for subject, field, text in finding.also if (at := place(world.by_id.get(subject), field)) is not None)
    return Diagnostic(
        rule.id,
        rule.severity,
        finding.message,
        place(resource, finding.field),
        label=finding.label,
        labels=labels,
        subject=finding.subject,
        why=finding.why,
        help=finding.help,
    )


def place(resource: Resource | None, field: str) -> Position | None:
    """Where a field was written; else where its value came from; else where the resource stands."""
    if resource is None:
        return None
    path = field
    while path:
        if path in resource.where:
            return resource.where[path]
        path = path.rpartition(".")[0]
    source = resource.sources.get(field.partition(".")[0])
    return (source.position if source else None) or resource.position


def blocking(diagnostic_: Diagnostic) -> Diagnostic:
    """The same finding, as the reason why a step does not run."""
    return replace(diagnostic_, severity=Severity.BLOCKED)


def is_later(*values: object) -> bool:
    return any(isinstance(value, Later) for value in values)
