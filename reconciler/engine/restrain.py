"""What may not run, and why: protection, leave, limits, a hold, rules on the reachable end state, and whatever needs these.

Pure; part of decide. A block falls on a step once, with the first reason; what waits for a blocked step says for which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.core.calls import Call, Plane, ProgramCall, secrets_of
from reconciler.core.changes import Cause
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.ids import Key, ResourceId
from reconciler.core.kinds import Disruption
from reconciler.core.observations import CapabilityState, Unseen
from reconciler.core.plan import Block, Step, Verb
from reconciler.core.transport import Hold
from reconciler.core.values import replace
from reconciler.engine.desired import Desired, brought, is_part
from reconciler.engine.judge import Verdict, blocking, judge
from reconciler.engine.view import HostView
from reconciler.engine.world import HostWorld

BRAKE = "PLN028"
MADE = (Verb.CREATE, Verb.UPDATE, Verb.REPLACE, Verb.AGAIN, Verb.DEFERRED, Verb.UNSEEN, Verb.NOTHING)


@dataclass(frozen=True, slots=True)
class Restrained:
    steps: tuple[Step, ...]
    diagnostics: tuple[Diagnostic, ...]
    rules: int
    suspended: int


def restrain(desired: Desired, view: HostView, drafts: list[Step], reach: Mapping[str, Mapping[Key, Any]], now: datetime) -> Restrained:
    """Block what may not run; repeat until nothing more falls."""
    steps = {step.id: _own(desired, view, step, now) for step in drafts}
    steps = {id: _bound(desired, view, step, steps) for id, step in steps.items()}
    _spread(steps)
    former = _former(view, drafts)
    fallen: list[Diagnostic] = []
    while True:
        end = _reachable(desired, view, steps, reach)
        world = HostWorld(desired.host, desired.registry, desired.resources, view, end, former)
        verdict = judge(world, desired.registry.rules, now.date(), desired.settled)
        fell, put_off = _fall(steps, verdict), _defer(steps, verdict)
        if not (fell or put_off):
            break
        fallen += fell
        _spread(steps)
    said = (d for d in (*verdict.diagnostics, *fallen) if d.severity is not Severity.DEFER)  # a step that is put off says why itself
    diagnostics = tuple(dict.fromkeys(_softened(d, steps) for d in said))
    return Restrained(tuple(steps.values()), diagnostics, len(desired.registry.rules), len(verdict.suspended))


def _softened(found: Diagnostic, steps: Mapping[ResourceId, Step]) -> Diagnostic:
    """An error that blocks its step is that block; one about a resource with nothing to do is a warning about what is there."""
    if found.severity is not Severity.ERROR:
        return found
    step = next((step for id, step in steps.items() if str(id) == found.subject), None)
    return blocking(found) if step is not None and step.blocked else replace(found, severity=Severity.WARNING)


# -- one step on its own


def _own(desired: Desired, view: HostView, step: Step, now: datetime) -> Step:
    if desired.chosen is not None and step.id not in desired.chosen:
        return replace(step, verb=Verb.NOTHING, changes=(), actions=(), blocked=None, why="not asked for", pending_restart="")
    if step.blocked or not (step.verb.acts or step.verb.records or step.pending_restart):
        return step
    if step.id in desired.excluded:
        return replace(step, blocked=Block("PLN012", "excluded (--exclude)"))
    block = (
        held(view.hello.hold, now)
        or _braked(desired, step)
        or _secretless(desired, step)
        or _logged(desired, view, step)
        or _protected(desired, view, step)
        or _leave(desired, step)
        or _limited(desired, view, step)
    )
    return replace(step, blocked=block) if block else step


def _braked(desired: Desired, step: Step) -> Block | None:
    """Above `maxDeletes` deletions of what is declared no more none runs: a slip in a label must not empty a fleet."""
    if step.verb is not Verb.DELETE or not desired.braked:
        return None
    return Block(BRAKE, desired.braked, "raise maxDeletes in the Fleet document if they are meant")


def held(hold: Hold | None, now: datetime) -> Block | None:
    if hold is None or (hold.until is not None and hold.until <= now):
        return None
    until = f" until {hold.until:%Y-%m-%d %H:%M} UTC" if hold.until else ""
    return Block("POL003", f'held by {hold.by}{until}: "{hold.why}"', "wait, or ask who holds it")


def _secretless(desired: Desired, step: Step) -> Block | None:
    """A step that would send a secret that cannot be had."""
    why = desired.missing.get(step.id)
    if not why or not any(secrets_of(action.calls) for action in step.actions):
        return None
    return Block("PLN027", why, "provide it where this command runs, then try again")


def _logged(desired: Desired, view: HostView, step: Step) -> Block | None:
    """A step that would hand a secret to a host that writes down what calls are given (wire-contract, "A hostile or sick host")."""
    said = [call for action in step.actions for call in action.calls if isinstance(call, Call | ProgramCall)]
    if not view.hello.logging or not secrets_of(said):
        return None
    name = desired.host.name
    policies = ", ".join(view.hello.logging)
    why = f"{name} writes down what calls are given, and this one carries a secret ({policies})"
    return Block("HST044", why, f"switch that policy off on {name} while this step runs, then: reconcile apply {step.id}")


def _protected(desired: Desired, view: HostView, step: Step) -> Block | None:
    """preventDestroy beats every leave, and survives the deletion of the block that said it: the record keeps it."""
    if step.verb not in (Verb.DELETE, Verb.REPLACE):
        return None
    record = view.records.by_id.get(step.id)
    declared = (
        step.desired.common.lifecycle.prevent_destroy
        if step.desired
        else any(r.id == step.id and r.common.lifecycle.prevent_destroy for r in desired.resources)
    )
    if not declared and not (record and record.lifecycle.prevent_destroy and step.desired is None):
        return None
    what = "replaced" if step.verb is Verb.REPLACE else "deleted"
    return Block("PLN021", f"preventDestroy: it may not be {what}", "declare it with lifecycle: {preventDestroy: false}, apply that, then try again")


def _leave(desired: Desired, step: Step) -> Block | None:
    if step.verb is not Verb.REPLACE and not step.loses:
        return None
    if step.loses and not desired.limits.destructive:
        return Block("PLN022", f"loses {', '.join(step.loses)}: never done by the loop", f"reconcile apply {step.id}")
    given = str(step.id) in desired.limits.replace
    if step.loses and not given and step.verb not in (Verb.REPLACE, Verb.DELETE):
        code = "AZR410" if desired.registry[step.id.kind].plane is Plane.ARM else "PLN020"
        return Block(code, f"it takes along what somebody else changed, and loses {', '.join(step.loses)}", f"--replace {step.id}")
    if step.verb is not Verb.REPLACE or given:
        return None
    azure = desired.host.azure
    if azure is not None and azure.scale_set and desired.registry[step.id.kind].plane is Plane.ARM:
        return Block("PLN023", "a scale set keeps no record: it may be somebody else's, and a replace takes it away", f"--replace {step.id}")
    if step.foreign:
        return Block("PLN023", "it is not ours yet: others made it, and a replace takes it from them", f"--replace {step.id}")
    if step.loses:
        return Block("PLN020", f"a replace loses {', '.join(step.loses)}", f"--replace {step.id}")
    return None


def _limited(desired: Desired, view: HostView, step: Step) -> Block | None:
    limits = desired.limits
    if limits.max_disruption is not None and step.disruption > limits.max_disruption:
        return Block("POL004", f"its disruption is {step.disruption}; {limits.max_disruption} is allowed", f"--max-disruption {step.disruption}")
    if step.disruption is Disruption.MANAGEMENT_LINK:
        return Block(
            "PLN024",
            "it may cut the line that this host is managed through, and this version cannot undo it from the host",
            "do it at the host's console; the next look sees it",
        )
    if limits.only_drift and step.verb.acts and not (step.changes and all(change.cause is Cause.DRIFT for change in step.changes)):
        return Block("PLN025", "not drift: the loop corrects drift alone", f"reconcile apply {step.id}")
    if step.verb.acts and step.desired is not None:
        return _needs_capability(desired, view, step)
    return None


def _needs_capability(desired: Desired, view: HostView, step: Step) -> Block | None:
    """A capability that the host surely lacks, and that nothing declared here brings."""
    assert step.desired is not None
    lacking = [c for c in desired.registry[step.id.kind].requires(step.desired.spec) if view.capabilities.get(c.name) is CapabilityState.LACKS]
    provided = brought(desired, step.desired) if lacking else ()
    for capability in lacking:
        if capability.name not in provided:
            return Block(
                "PLN010", f"the host has no {capability.name}, and nothing declared here brings it", f"declare {capability.hint} on {desired.host.name}"
            )
    return None


# -- steps through each other


def _bound(desired: Desired, view: HostView, step: Step, steps: Mapping[ResourceId, Step]) -> Step:
    """A target that a bound referrer holds can neither be replaced nor deleted while the referrer stays."""
    if step.verb not in (Verb.DELETE, Verb.REPLACE) or step.blocked:
        return step
    for other in _referrers(desired, view, step.id):
        if not _leaves(desired, view, other, step.id, steps):
            return replace(step, blocked=Block("PLN026", f"{other.local} stands on it", f"reconcile destroy {other}"))
    return step


def _leaves(desired: Desired, view: HostView, other: ResourceId, target: ResourceId, steps: Mapping[ResourceId, Step]) -> bool:
    """Whether a bound referrer is not there at all, or goes, or is moved to something else before its target does."""
    step, record = steps.get(other), view.records.by_id.get(other)
    declared = next((resource for resource in desired.resources if resource.id == other), None)
    keys = {record.key if record else None, declared.key if declared else None}
    looked = view.kinds.get(other.kind)
    if looked is not None and not isinstance(looked, Unseen) and not keys & looked.keys():
        return True
    if step is None or step.blocked:
        return False
    stays = declared is not None and any(need.target == target for need in declared.needs)
    if declared is None and step.verb is Verb.WAIT:
        return True  # a job is taking it away; what that leaves is seen before the target goes
    return step.verb is Verb.DELETE or (declared is not None and not stays and (step.verb.acts or step.verb is Verb.ADOPT))


def _referrers(desired: Desired, view: HostView, target: ResourceId) -> list[ResourceId]:
    """Who needs it and is bound to it, by declaration or by record."""
    found = [r.id for r in desired.resources if any(n.bound and n.target == target for n in r.needs)]
    found += [id for id, record in view.records.by_id.items() if any(bound and need == str(target) for need, bound in record.needs)]
    return [id for id in dict.fromkeys(found) if not is_part(desired.registry, target.kind, id.kind)]


def _spread(steps: dict[ResourceId, Step]) -> None:
    """What needs a step that cannot run cannot run either; `?` spreads as not seen, everything else as blocked."""
    waiting = True
    while waiting:
        waiting = False
        for id, step in steps.items():
            waits = step.verb.acts or step.verb is Verb.FORGET
            fallen = _held_up(step, steps) if waits and not step.blocked else None
            if fallen is not None:
                steps[id] = fallen
                waiting = True


def _held_up(step: Step, steps: Mapping[ResourceId, Step]) -> Step | None:
    """The step as it stands once one of its needs cannot run; None while all can."""
    for target in (steps[need] for need in step.needs if need in steps):
        if target.verb is Verb.UNSEEN:
            return replace(step, verb=Verb.UNSEEN, changes=(), actions=(), why=f"needs {target.id.local}, which could not be seen", code=target.code)
        if target.verb is Verb.DEFERRED:
            return put_off(step, f"needs {target.id.local}, which waits: {target.why}", target.code)
        if target.missing:
            return replace(step, blocked=Block("PLN034", f"needs {target.id.local}, which is not there: {target.missing}"))
        if target.blocked and (target.verb.acts or target.verb is Verb.WAIT or target.pending_restart):
            return replace(step, blocked=Block("PLN030", f"needs {target.id.local}, which is blocked", by=target.blocked.by or target.id))
    return None


def put_off(step: Step, why: str, code: str) -> Step:
    """The step left to a later look: nothing runs, nothing fails, and it is still to be done."""
    return replace(step, verb=Verb.DEFERRED, actions=(), why=why, code=code, pending_restart="")


def _defer(steps: dict[ResourceId, Step], verdict: Verdict) -> bool:
    """Put off the steps that the world is not ready for; whether there were any. A finding may name one resource, or a kind on its host."""
    found = False
    for rule, finding in verdict.findings:
        if rule.severity is not Severity.DEFER:
            continue
        for id, step in steps.items():
            meant = finding.subject in (str(id), f"{id.host}/{id.kind}")
            if meant and not step.blocked and (step.verb.acts or step.verb.records or step.pending_restart):
                steps[id], found = put_off(step, finding.message, rule.id), True
    return found


def _fall(steps: dict[ResourceId, Step], verdict: Verdict) -> list[Diagnostic]:
    """Block the steps of resources that break a rule in the end state; why they fell. What a step alone would do wrong is true no more once it is blocked."""
    fell = []
    for (rule, finding), diagnostic in zip(verdict.findings, verdict.diagnostics, strict=True):
        step = next((step for id, step in steps.items() if str(id) == finding.subject), None)
        if rule.severity is Severity.ERROR and step is not None and step.verb.acts and not step.blocked:
            steps[step.id] = replace(step, blocked=Block(rule.id, finding.message, finding.help))
            fell.append(diagnostic)
    return fell


def _former(view: HostView, drafts: list[Step]) -> dict[str, Key]:
    """Under which key it is there now, of what is to be replaced under another."""
    records = view.records.by_id
    return {str(s.id): records[s.id].key for s in drafts if s.verb is Verb.REPLACE and s.id in records and records[s.id].key != s.key}


def _reachable(desired: Desired, view: HostView, steps: Mapping[ResourceId, Step], reach: Mapping[str, Mapping[Key, Any]]) -> dict[str, dict[Key, Any]]:
    """The projected end state without the steps that will not run; deletes that will run taken out."""
    end = {kind: dict(states) for kind, states in reach.items() if not isinstance(view.kinds.get(kind), Unseen)}
    for step in steps.values():
        states = end.get(step.id.kind)
        if states is None:
            continue
        looked = view.kinds.get(step.id.kind)
        now = looked.get(step.key) if looked is not None and not isinstance(looked, Unseen) else None
        record = view.records.by_id.get(step.id)
        if step.verb is Verb.REPLACE and not step.blocked and record is not None and record.key != step.key:
            states.pop(record.key, None)
        if step.verb is Verb.DELETE and not step.blocked:
            states.pop(step.key, None)
        elif step.verb in MADE and (step.blocked or not step.verb.acts):
            if now is None:
                states.pop(step.key, None)
            else:
                states[step.key] = now.state
    return end
