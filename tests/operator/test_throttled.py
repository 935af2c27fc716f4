"""A host that Azure throttles under the loop: it is left to a later look, nothing fails, and nobody else waits for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import anyio

from reconciler.emulator.arm.model import RequestFault
from reconciler.operator.events import Watched, WatchEvent
from reconciler.operator.loop import watch
from tests.engine.azurelab import DRIVER, IB, AzureLab, azure_host, azure_lab
from tests.engine.lab import FLEET, linked, run

QUARTER = timedelta(minutes=15)
PROTECTED = "AzureVmExtension/ib: {driver: InfiniBandDriverWindows, lifecycle: {preventDestroy: true}}"
VMS = ("hpc-01", "hpc-02", "hpc-03")


async def protected() -> AzureLab:
    """Extensions that are as declared, and of which only our record has to follow: that is all that a loop writes to Azure."""
    lab = azure_lab(DRIVER, names=VMS)
    await lab.apply()
    lab.desired = linked(FLEET + "".join(azure_host(name, PROTECTED) for name in VMS))
    return lab


async def watched(lab: AzureLab, sweeps: int) -> list[WatchEvent]:
    """A loop that mends one host at a time."""
    events: list[WatchEvent] = []
    env = replace(lab.environment(), at_once=1)
    await watch(lambda: lab.desired, env, QUARTER, events.append, anyio.Event(), sweeps=sweeps)
    return events


def throttle(lab: AzureLab, method: str, *, times: int | None = None, retry_after: int = 1200) -> None:
    lab.estate.azure.faults.append(RequestFault(method=method, path="*/hpc-01*", status=429, retry_after=retry_after, times=times))


def written(lab: AzureLab) -> dict[str, list[tuple[int, datetime]]]:
    """Writes of tags by VM: how they were answered, and when."""
    out: dict[str, list[tuple[int, datetime]]] = {name: [] for name in VMS}
    for r in lab.estate.log():
        if r["what"] == "arm" and r["method"] == "PATCH":
            out[next(name for name in VMS if f"/{name}/" in r["path"])].append((r["status"], datetime.fromisoformat(r["at"])))
    return out


def test_a_host_that_may_not_be_written_to_keeps_nobody_waiting_and_is_no_failure() -> None:
    async def story() -> None:
        lab = await protected()
        throttle(lab, "PATCH")
        began = lab.estate.clock.now()
        events = await watched(lab, sweeps=5)
        found = written(lab)
        assert all(status != 429 and at - began < timedelta(minutes=2) for name in VMS[1:] for status, at in found[name])
        assert all(found[name] for name in VMS[1:])
        assert len(found["hpc-01"]) > 5  # tried again in every sweep, with growing pauses
        (told,) = [event for event in events if event.host == "hpc-01" and event.what is Watched.WAITING]
        assert (str(told.id), told.code) == (f"hpc-01/{IB}", "AZR429")
        assert told.text.startswith("this VM's quota of writes in Azure is used up: Azure wants no request for 20 min")
        assert not any(event.what in (Watched.FAILED, Watched.STALLED, Watched.DEFECT) for event in events)
        assert [event.sweep.not_ready for event in events if event.sweep] == [1] * 5

    run(story)


def test_it_is_written_to_at_a_later_look_once_azure_takes_requests() -> None:
    async def story() -> None:
        lab = await protected()
        throttle(lab, "PATCH", times=2)
        events = await watched(lab, sweeps=2)
        assert [status for status, _ in written(lab)["hpc-01"]][:2] == [429, 429]
        assert written(lab)["hpc-01"][-1][0] < 300
        assert [event.what for event in events if event.host == "hpc-01"][-1] is Watched.READY

    run(story)


def test_a_short_throttle_is_waited_out_on_the_spot() -> None:
    async def story() -> None:
        lab = await protected()
        throttle(lab, "PATCH", times=1, retry_after=15)
        events = await watched(lab, sweeps=1)
        assert not any(event.what is Watched.WAITING for event in events)
        assert written(lab)["hpc-01"][0][0] == 429

    run(story)


def test_a_host_that_may_not_be_looked_at_is_not_seen_and_the_others_are() -> None:
    async def story() -> None:
        lab = await protected()
        throttle(lab, "GET")
        events = await watched(lab, sweeps=2)
        (told,) = [event for event in events if event.host == "hpc-01" and event.what is Watched.UNSEEN]
        assert told.code == "AZR429"
        assert all(written(lab)[name] for name in VMS[1:])

    run(story)
