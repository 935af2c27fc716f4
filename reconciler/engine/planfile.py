"""A saved plan: what `--output json` says, the desired resources it was made of, and a fingerprint over it all.

Calls are never run out of a file: applying it decides again from the desired resources in it and compares. Secrets stand
in it as references. `load` refuses, with diagnostics, what is not whole, not of this format or not of these kinds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import fields as fields_of
from datetime import datetime, timedelta
from functools import cache
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from reconciler.core.calls import Later, Secret
from reconciler.core.canonical import digest, plain
from reconciler.core.changes import Cause, Change
from reconciler.core.diagnostics import error
from reconciler.core.errors import Refused
from reconciler.core.ids import Key, ResourceId
from reconciler.core.kinds import Action, Disruption, Loss, Reboot, Registry
from reconciler.core.model import Json
from reconciler.core.plan import Barrier, Block, HostPlan, Plan, Sight, SpecsInfo, Step, Verb
from reconciler.core.resources import Azure, Common, Connection, DriftPolicy, Fleet, Host, How, Lifecycle, Need, Resource, Source
from reconciler.engine.link import Linked
from reconciler.engine.planjson import plan_json

FORMAT = "reconcile/plan-file/1"


def save(plan: Plan, linked: Linked) -> str:
    """The file's text. Equal plans give equal bytes."""
    names = [host.name for host in plan.hosts]
    body: dict[str, Any] = {
        "format": FORMAT,
        "shown": plan_json(plan),
        "plan": _plan_out(plan),
        "fleet": {"name": linked.fleet.name, "maxDeletes": linked.fleet.max_deletes, "declared": linked.fleet.declared},
        "whole": plan.whole,
        "hosts": {name: _host_out(linked.hosts[name]) for name in names},
        "desired": {name: [_resource_out(resource) for resource in linked.resources.get(name, ())] for name in names},
    }
    return json.dumps(body | {"fingerprint": digest(_lasting(body))}, indent=1, sort_keys=True) + "\n"


def load(text: str, registry: Registry) -> tuple[Plan, Linked]:
    """The plan and what it was made of. Raises Refused."""
    try:
        body = json.loads(text)
        if not isinstance(body, dict) or body.get("format") != FORMAT:
            raise Refused([error("PLN060", f"this is no saved plan of this version ({FORMAT})", help="make a new one: reconcile plan --out FILE.plan")])
        if body.pop("fingerprint", None) != digest(_lasting(body)):
            raise Refused(
                [
                    error(
                        "PLN061",
                        "the saved plan was changed after it was made: its fingerprint does not fit",
                        help="make a new one: reconcile plan --out FILE.plan",
                    )
                ]
            )
        fleet = Fleet(body["fleet"]["name"], body["fleet"]["maxDeletes"], body["fleet"]["declared"])
        hosts = {name: _host_in(name, data) for name, data in body["hosts"].items()}
        resources = {name: tuple(_resource_in(registry, item) for item in items) for name, items in body["desired"].items()}
        linked = Linked(fleet, hosts, resources, complete=body["whole"])
        return _plan_in(body["plan"], linked), linked
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, ValidationError, RecursionError) as bad:
        raise Refused([error("PLN062", f"the saved plan cannot be read: {bad}", help="make a new one: reconcile plan --out FILE.plan")]) from bad


def _lasting(body: Mapping[str, Any]) -> dict[str, Any]:
    """All but times of looking, at the places where they stand: those may differ between equal plans."""
    return {**body, "shown": _timeless(body["shown"]), "plan": _timeless(body["plan"])}


def _timeless(plan: Mapping[str, Any]) -> dict[str, Any]:
    hosts = [{name: value for name, value in host.items() if name != "seen"} for host in plan["hosts"]]
    return {**{name: value for name, value in plan.items() if name != "made"}, "hosts": hosts}


# -- hosts and resources


def _host_out(host: Host) -> dict[str, Any]:
    return {
        "address": host.address,
        "labels": dict(host.labels),
        "sku": host.sku,
        "timeZone": host.time_zone,
        "computerName": host.computer_name,
        "connection": {"transport": host.connection.transport, "port": host.connection.port, "options": plain(host.connection.options)},
        "azure": asdict(host.azure) if host.azure else None,
    }


def _host_in(name: str, data: Mapping[str, Any]) -> Host:
    link = data["connection"]
    options = {name: _value_in(AS_WRITTEN, value) for name, value in link["options"].items()}
    azure = Azure(**data["azure"]) if data.get("azure") else None
    link_ = Connection(link["transport"], link["port"], options)
    return Host(name, data["address"], data["labels"], data["sku"], data["timeZone"], data["computerName"], link_, azure=azure)


def _resource_out(resource: Resource) -> dict[str, Any]:
    common = resource.common
    return {
        "id": str(resource.id),
        "key": resource.key,
        "spec": plain(resource.spec),
        "needs": [[str(need.target), need.why, need.bound, need.capability] for need in resource.needs],
        "sources": {name: [source.how.value, source.origin] for name, source in sorted(resource.sources.items())},
        "driftPolicy": common.drift_policy.value,
        "exclusive": common.exclusive,
        "lifecycle": [common.lifecycle.prevent_destroy, common.lifecycle.observe_only, list(common.lifecycle.ignore_changes), common.lifecycle.deletion_policy],
    }


def _resource_in(registry: Registry, data: Mapping[str, Any]) -> Resource:
    id = ResourceId.parse(data["id"])
    if id.kind not in registry:
        raise ValueError(f"unknown kind {id.kind}")
    protect, watch, ignore, deletion = data["lifecycle"]
    common = Common((), DriftPolicy(data["driftPolicy"]), Lifecycle(protect, watch, tuple(ignore), deletion), exclusive=data["exclusive"])
    needs = tuple(Need(ResourceId.parse(target), why, bound, capability) for target, why, bound, capability in data["needs"])
    sources = {name: Source(How(how), origin) for name, (how, origin) in data["sources"].items()}
    return Resource(id, Key(data["key"]), spec_of(registry[id.kind].spec, data["spec"]), sources, needs, common)


AS_WRITTEN: TypeAdapter[Any] = TypeAdapter(str | list[str])  # what a connection's options hold, but for references to secrets


@cache
def _readers(spec: Any) -> dict[str, TypeAdapter[Any]]:
    return {name: _reader(info) for name, info in spec.model_fields.items()}


def _reader(info: Any) -> TypeAdapter[Any]:
    form: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return TypeAdapter(form)


def spec_of(spec: Any, data: Mapping[str, Any]) -> Any:
    """A spec out of its canonical form. Raises ValidationError; fields that are not there are None."""
    readers = _readers(spec)
    free = {name for name, info in spec.model_fields.items() if any(isinstance(mark, Json) for mark in info.metadata)}
    read = {name: _json_in(data[name]) if name in free else _value_in(reader, data[name]) for name, reader in readers.items() if name in data}
    return spec.model_construct(None, **{name: read.get(name) for name in readers})


def _json_in(data: Any) -> Any:
    """A map that a service defines, as the manifest was read: lists are tuples, and references may stand anywhere."""
    match data:
        case {"$secret": secret} if len(data) == 1:
            [(source, argument)] = secret.items()
            return Secret(source, tuple(argument) if isinstance(argument, list) else argument)
        case dict():
            return {name: _json_in(value) for name, value in data.items()}
        case list():
            return tuple(_json_in(value) for value in data)
    return data


def _value_in(reader: TypeAdapter[Any], data: Any) -> Any:
    match data:
        case {"$later": [resource, field]}:
            return Later(resource, field)
        case {"$secret": secret}:
            [(source, argument)] = secret.items()
            return Secret(source, tuple(argument) if isinstance(argument, list) else argument)
    return reader.validate_python(data)


# -- the plan


def _span_out(span: tuple[timedelta, timedelta]) -> list[float]:
    return [span[0].total_seconds(), span[1].total_seconds()]


def _span_in(data: list[float]) -> tuple[timedelta, timedelta]:
    return timedelta(seconds=data[0]), timedelta(seconds=data[1])


def _block_out(block: Block | None) -> dict[str, Any] | None:
    return None if block is None else {"code": block.code, "message": block.message, "next": block.next, "by": str(block.by) if block.by else None}


def _block_in(data: Mapping[str, Any] | None) -> Block | None:
    return None if data is None else Block(data["code"], data["message"], data["next"], ResourceId.parse(data["by"]) if data["by"] else None)


def _plan_out(plan: Plan) -> dict[str, Any]:
    return {
        "id": plan.id,
        "made": plain(plan.made),
        "by": plan.by,
        "specs": {field.name: getattr(plan.specs, field.name) for field in fields_of(SpecsInfo)},
        "replace": list(plan.replace),
        "maxDisruption": None if plan.max_disruption is None else str(plan.max_disruption),
        "scope": {"targets": list(plan.targets), "exclude": list(plan.exclude), "destroy": list(plan.destroy)},
        "hosts": [_hostplan_out(host) for host in plan.hosts],
    }


def _plan_in(data: Mapping[str, Any], linked: Linked) -> Plan:
    return Plan(
        data["id"],
        linked.fleet.name,
        datetime.fromisoformat(data["made"]),
        SpecsInfo(**data["specs"]),
        tuple(_hostplan_in(host, linked) for host in data["hosts"]),
        replace=tuple(data["replace"]),
        max_disruption=None if data["maxDisruption"] is None else Disruption.parse(data["maxDisruption"]),
        by=data["by"],
        whole=linked.complete,
        targets=tuple(data["scope"]["targets"]),
        exclude=tuple(data["scope"]["exclude"]),
        destroy=tuple(data["scope"]["destroy"]),
    )


def _hostplan_out(host: HostPlan) -> dict[str, Any]:
    return {
        "name": host.name,
        "sight": host.sight.value,
        "why": host.why,
        "code": host.code,
        "seen": plain(host.seen),
        "steps": [_step_out(step) for step in host.steps],
        "barriers": [
            {"level": b.level, "because": [str(id) for id in b.because], "usual": _span_out(b.usual), "blocked": _block_out(b.blocked)} for b in host.barriers
        ],
    }


def _hostplan_in(data: Mapping[str, Any], linked: Linked) -> HostPlan:
    by_id = {str(resource.id): resource for resource in linked.resources.get(data["name"], ())}
    return HostPlan(
        data["name"],
        Sight(data["sight"]),
        data["why"],
        data["code"],
        None if data["seen"] is None else datetime.fromisoformat(data["seen"]),
        steps=tuple(_step_in(step, by_id) for step in data["steps"]),
        barriers=tuple(
            Barrier(b["level"], tuple(map(ResourceId.parse, b["because"])), _span_in(b["usual"]), _block_in(b["blocked"])) for b in data["barriers"]
        ),
    )


def _step_out(step: Step) -> dict[str, Any]:
    return {
        "n": step.n,
        "id": str(step.id),
        "verb": step.verb.word,
        "level": step.level,
        "key": step.key,
        "needs": [str(id) for id in step.needs],
        "changes": [[c.path, plain(c.before), plain(c.after), c.cause.value, c.immutable, c.secret] for c in step.changes],
        "actions": [_action_out(action) for action in step.actions],
        "blocked": _block_out(step.blocked),
        "why": step.why,
        "foreign": step.foreign,
        "repair": step.repair,
        "gone": step.gone,
        "unverified": dict(sorted(step.unverified.items())),
        "pendingRestart": step.pending_restart,
    }


def _step_in(data: Mapping[str, Any], by_id: Mapping[str, Resource]) -> Step:
    resource = by_id.get(data["id"])
    return Step(
        ResourceId.parse(data["id"]),
        Verb[data["verb"].upper()],
        data["n"],
        data["level"],
        Key(data["key"]),
        tuple(map(ResourceId.parse, data["needs"])),
        tuple(Change(path, before, after, Cause(cause), immutable, secret) for path, before, after, cause, immutable, secret in data["changes"]),
        tuple(_action_in(action) for action in data["actions"]),
        _block_in(data["blocked"]),
        data["why"],
        unverified=data["unverified"],
        sources=resource.sources if resource else {},
        foreign=data["foreign"],
        repair=data["repair"],
        gone=data["gone"],
        pending_restart=data["pendingRestart"],
        desired=resource,
    )


def _action_out(action: Action) -> list[Any]:
    loses = [[loss.text, list(loss.things)] for loss in action.lost]
    return [action.name, action.summary, str(action.disruption), action.reboot.value, _span_out(action.usual), loses, action.long]


def _action_in(data: list[Any]) -> Action:
    name, summary, disruption, reboot, usual, told, long = data
    loses = tuple(Loss(text, tuple(things)) for text, things in told)
    return Action(name, summary, usual=_span_in(usual), disruption=Disruption.parse(disruption), reboot=Reboot(reboot), loses=loses, long=long)
