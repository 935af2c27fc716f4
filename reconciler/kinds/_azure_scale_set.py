"""Extensions of a scale set: one definition in its model, and instances that have to be brought along. Called by `azure_vm_extension`.

Done is when three things agree: the model as declared, every chosen instance at the latest model, its extension succeeded there.
In mode Manual nothing happens on instances by itself: `manualupgrade` brings them along, in batches that partition all instances in
order, each asking only for those that are behind. There are no tags and so no record: what is there counts as nobody's.

The whole model is applied, so what somebody else changed in it comes along, and an image takes the OS disk. That is pending where an
instance was made of another image than the model names, or is behind although it has every extension as the model has it. Behind for
want of an extension alone is what our own PUT leaves between its two halves.
Sources: azure-extensions 1.8; arm-contract "Scale sets". Unverified: that `manualupgrade` stops at the first instance that fails, and
that it applies the whole model; that an instance shows the image it was made of (the SDK's own model has it there).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from reconciler.core.azure import image_of, same_image
from reconciler.core.calls import Answer, Arm, Printed, Row
from reconciler.core.changes import Changes
from reconciler.core.fieldtypes import SeenName
from reconciler.core.ids import Key
from reconciler.core.kinds import Action, Disruption, Loss, span
from reconciler.core.observations import Ask, Facts, Present
from reconciler.kinds._azure_drivers import within
from reconciler.kinds._azure_extension_look import DONE, ENDED_BADLY, Run, last_run, state_of, thawed
from reconciler.kinds._azure_extension_spec import SENT, AzureVmExtension, AzureVmExtensionState, Reached, read_tag
from reconciler.kinds._azure_outcomes import Outcome, exit_code, outcome, terminal

NAME = ("vmssExtensionName",)
BODY = (*SENT, "properties.provisionAfterExtensions")
LIST = Arm("VirtualMachineScaleSetExtensions_List")
INSTANCES = Arm("VirtualMachineScaleSetVMs_List")
PUT = Arm("VirtualMachineScaleSetExtensions_CreateOrUpdate", NAME, BODY)
DELETE = Arm("VirtualMachineScaleSetExtensions_Delete", NAME)
UPGRADE = Arm("VirtualMachineScaleSets_UpdateInstances", (), ("instanceIds",))
WORDS = (LIST, INSTANCES, PUT, DELETE, UPGRADE)

ASKS = (Ask(LIST()), Ask(INSTANCES(query={"$expand": "instanceView"})))
SAME = ("publisher", "type", "typeHandlerVersion", "settings", "forceUpdateTag")  # what tells an instance's extension from the model's


def parse(answers: Sequence[Answer], facts: Facts) -> Mapping[Key, Present[AzureVmExtensionState]]:
    models, instances = answers
    pending = _pending(models.objects, instances.objects, facts)
    return dict(_one(row, instances.objects, pending) for row in models.objects)


def tells(answers: Sequence[Answer], facts: Facts) -> Facts:
    """What is pending is a fact of the set: an extension that is new to it has no state that could say so."""
    models, instances = answers
    if facts.azure is None:
        return facts
    return replace(facts, azure=replace(facts.azure, pending=_pending(models.objects, instances.objects, facts)))


def _pending(models: Sequence[Row], instances: Sequence[Row], facts: Facts) -> tuple[str, ...]:
    """Instances that wait for something else than an extension: to bring them along takes that along."""
    image = facts.azure.model_image if facts.azure else ""
    behind = (row for row in instances if not _at_the_model(row))
    return tuple(str(row["instanceId"]) for row in behind if _other_image(row, image) or all(_has(row, model) for model in models))


def _at_the_model(instance: Row) -> bool:
    return instance["properties"].maybe("latestModelApplied") is True


def _other_image(instance: Row, image: str) -> bool:
    storage = instance["properties"].maybe("storageProfile")
    return same_image(image_of(thawed((storage.maybe("imageReference") if storage else None) or {})), image) is False


def _has(instance: Row, model: Row) -> bool:
    held = _held(SeenName(model["name"]), instance)
    return held is not None and _same(held, model["properties"])


def _one(row: Row, instances: Sequence[Row], pending: Sequence[str]) -> tuple[Key, Present[AzureVmExtensionState]]:
    properties, name = row["properties"], SeenName(row["name"])
    state = str(properties.maybe("provisioningState") or "")
    reached, runs = _reached(name, instances, pending)
    worst, ended = _worst(str(properties["type"]), runs)
    code = exit_code(runs[worst].message, runs[worst].code) if worst else None
    seen = state_of(name, properties, {}, runs.get(worst, Run()), state, installed=not reached.failed, waits=False, code=code)
    print_ = read_tag(properties.maybe("forceUpdateTag"))[2]
    return Key(name.casefold()), Present(
        seen.model_copy(update={"instances": reached}),
        busy=None if state.casefold() in (*DONE, *ENDED_BADLY) else state or "unknown",
        terminal=terminal(code, f"{name} on instance {worst}") if ended is Outcome.STOP else None,
        again=ended is Outcome.AGAIN,
        recordless=True,
        prints={"protectedSettings": print_} if print_ else {},
    )


def _worst(type: str, runs: Mapping[str, Run]) -> tuple[str, Outcome]:
    """The failed instance that speaks for all, and how it ended: run again is only what may go well on every one of them."""
    ends = {id: outcome(type, exit_code(run.message, run.code), failed=True) for id, run in runs.items()}
    worst = next((id for id, ended in ends.items() if ended is Outcome.STOP), "")
    worst = worst or next((id for id, ended in ends.items() if ended is not Outcome.AGAIN), "") or next(iter(ends), "")
    return worst, ends.get(worst, Outcome.DONE)


def _reached(name: SeenName, instances: Sequence[Row], pending: Sequence[str]) -> tuple[Reached, dict[str, Run]]:
    """How far the model has come: every instance is as declared, behind, or failed; with the runs of those that failed."""
    done: list[str] = []
    behind: list[str] = []
    untouched = 0
    failed: dict[str, str] = {}
    runs: dict[str, Run] = {}
    for row in instances:
        id, held, run = str(row["instanceId"]), _held(name, row), _run_on(name, row)
        ended = str(held.maybe("provisioningState") or "").casefold() if held is not None else ""
        if not _at_the_model(row):
            behind.append(id)
            untouched += held is None
        elif ended in ENDED_BADLY:
            code = exit_code(run.message, run.code)
            failed[id] = f"exit code {code}" if code is not None else run.message or "no reason is told"
            runs[id] = run
        elif ended in DONE:
            done.append(id)
        else:
            behind.append(id)
    return Reached.of(done, behind, failed, pending, untouched), runs


def _held(name: SeenName, instance: Row) -> Row | None:
    found: Sequence[Row] = instance.maybe("resources") or ()
    return next((one["properties"] for one in found if str(one["name"]).rpartition("/")[2].casefold() == name.casefold()), None)


def _run_on(name: SeenName, instance: Row) -> Run:
    view = instance["properties"].maybe("instanceView")
    found: Sequence[Row] = (view.maybe("extensions") if view else None) or ()
    of = next((one for one in found if str(one["name"]).casefold() == name.casefold()), None)
    return last_run(Row({"instanceView": of})) if of is not None else Run()


def _same(held: Row, model: Row) -> bool:
    """Whether an instance has this very extension: then it is not for its sake that the instance is behind."""
    return all(thawed(held.maybe(part) or {}) == thawed(model.maybe(part) or {}) for part in SAME)


def converge(
    want: AzureVmExtension, now: AzureVmExtensionState | None, changes: Changes[AzureVmExtensionState], facts: Facts, properties: Mapping[str, Any]
) -> Iterable[Action]:
    """The model, then the instances. Which there are is seen with the model: those of a new extension follow in the next round."""
    anew = now is None or any(change.field != "instances" for change in changes.items)
    if anew:
        if want.protectedSettings is not None:
            properties = {**properties, "forceUpdateTag": _signed(properties.get("forceUpdateTag"))}
        after = {"provisionAfterExtensions": [str(name) for name in want.after]} if want.after else {}
        yield Action(
            "put",
            f"{'put' if now is None else 'change'} {want.name} in the model of the scale set: {want.publisher}.{want.type} {want.version}",
            (PUT({"properties": {**properties, **after}}, vmssExtensionName=str(want.name)),),
            usual=span(30, 120),
            disruption=Disruption.SERVICE,
            within=_whole(want, facts),
            long=True,
            loses=_lost(want, facts) if now is None else (),
        )
    if now is not None and facts.azure is not None and facts.azure.upgrade == "Manual":
        yield from _batches(want, now.instances, anew=anew)


def _signed(tag: str | None) -> Printed:
    """A set has no tags: the print of its secret is the last part of forceUpdateTag."""
    rerun, attempts, _ = read_tag(tag)
    return Printed(f"{rerun or ''}:{attempts}:", "protectedSettings")


def _whole(want: AzureVmExtension, facts: Facts) -> timedelta:
    """Where Azure rolls by itself, the request ends when the last instance has."""
    rolls = facts.azure is not None and facts.azure.upgrade != "Manual"
    return within(want.type) * (max(1, facts.azure.instances) if rolls and facts.azure else 1)


def _lost(want: AzureVmExtension, facts: Facts) -> tuple[Loss, ...]:
    """Of an extension that is new to the set: its instances follow in the next round, when our own request has put them all behind."""
    if facts.azure is None or facts.azure.upgrade != "Manual":
        return ()
    return _disks([id for id in facts.azure.pending if want.instances == "all" or id in want.instances])


def _disks(ids: Sequence[str]) -> tuple[Loss, ...]:
    told = f"OS disk of {len(ids)} instance{'s' if len(ids) > 1 else ''}, if their image is what changed"
    return (Loss(told, tuple(f"OS disk of instance {id}" for id in ids)),) if ids else ()


def _batches(want: AzureVmExtension, reached: Reached, *, anew: bool) -> Iterator[Action]:
    """All chosen instances in order, so that a batch has the same name whoever comes to it; asked for are those that are behind."""
    chosen = [id for id in reached.every if want.instances == "all" or id in want.instances]
    size = want.batchSize or max(1, len(chosen))
    for first in range(0, len(chosen), size):
        batch = chosen[first : first + size]
        behind = [id for id in batch if anew or id in reached.behind]
        if behind:
            name = f"upgrade {batch[0]}-{batch[-1]}" if len(batch) > 1 else f"upgrade {batch[0]}"
            yield Action(
                name,
                f"bring {len(behind)} instance{'s' if len(behind) > 1 else ''} to the model: {', '.join(behind)}",
                (UPGRADE({"instanceIds": behind}),),
                usual=span(135 * len(behind), 900 * len(behind)),
                disruption=Disruption.SERVICE,
                within=within(want.type) * len(behind),
                long=True,
                loses=_disks([id for id in behind if id in reached.pending]),
            )


def delete(now: AzureVmExtensionState, facts: Facts) -> Iterable[Action]:
    """Out of the model, and in mode Manual off the instances too."""
    yield Action(
        "delete",
        f"take {now.name} out of the model of the scale set",
        (DELETE(vmssExtensionName=str(now.name)),),
        usual=span(30, 120),
        disruption=Disruption.SERVICE,
        within=within(now.type),
        long=True,
    )
    if facts.azure is not None and facts.azure.upgrade == "Manual" and now.instances.every:
        ids = list(now.instances.every)
        usual = span(30 * len(ids), 120 * len(ids))
        call = UPGRADE({"instanceIds": ids})
        yield Action(
            "upgrade",
            f"bring {len(ids)} instance{'s' if len(ids) > 1 else ''} to the model",
            (call,),
            usual,
            Disruption.SERVICE,
            within=within(now.type) * len(ids),
            long=True,
            loses=_disks(now.instances.pending),
        )
