"""A long piece of work on a host, from package to running VM, over frames: what a controller sees of it while it runs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.core.calls import AnyCall, Cmdlet, Good, Program
from reconciler.core.resources import Host
from reconciler.core.transport import Connect, Job, Target, Writer
from reconciler.emulator import timeline
from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.emulator.machine import WebFile
from reconciler.emulator.skus import HostWish
from reconciler.hosts.emulated import connect

FETCH = Cmdlet("Invoke-WebRequest", ("Uri", "OutFile", "UseBasicParsing"))
HASH = Cmdlet("Get-FileHash", ("LiteralPath",))
DEPLOY = Cmdlet("Deploy-Eflow", ("acceptEula", "acceptOptionalTelemetry"))
MSIEXEC = Program("C:\\Windows\\System32\\msiexec.exe")
URL, MSI, SHA = "https://example.org/eflow.msi", "C:\\eflow.msi", "AB" * 32
VERSION = "1.5.3.12025"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def estate_with_hyper_v() -> Estate:
    estate = Estate.new(None, [HostWish("kiosk-04", sku="client-11")])
    estate.site.web[URL] = WebFile(size=300 << 20, sha256=SHA, product="eflow", version=VERSION)
    machine = estate.machine("kiosk-04")
    estate.run("kiosk-04", "Enable-WindowsOptionalFeature -Online -FeatureName Microsoft-Hyper-V -All -NoRestart")
    timeline.restart(machine)
    estate.clock.advance(timedelta(minutes=10))
    return estate


def opened(estate: Estate) -> tuple[Connect, Target]:
    return connect(estate, estate.clock), Target(Host("kiosk-04"), "default", (FETCH.name, HASH.name, DEPLOY.name, MSIEXEC.path))


async def start(session: Writer, deadline: timedelta = HOUR) -> Job:
    calls: list[AnyCall] = [
        FETCH(Uri=URL, OutFile=MSI, UseBasicParsing=True, seconds=1800),
        HASH(LiteralPath=MSI, select=("Hash",), good=Good(returns={"Hash": SHA.lower()})),
        MSIEXEC("/i", MSI, "/qn", "/norestart", good=Good(exit=(0, 3010)), seconds=1800),
        DEPLOY(acceptEula="Yes", acceptOptionalTelemetry="No", good=Good(returns="OK"), seconds=3600),
    ]
    lease = await session.take("me", 60)
    return await session.start("deploy", "kiosk-04/EflowVm", "deploy", calls, key="k", epoch=lease.epoch, deadline=deadline)


async def watch(estate: Estate, session: Writer) -> list[Job]:
    """Polls until the job is over."""
    seen = [await session.poll("deploy")]
    while seen[-1].active and len(seen) < 500:
        await estate.clock.sleep_until(estate.clock.now() + timedelta(seconds=10))
        seen.append(await session.poll("deploy"))
    return seen


async def test_a_deployment_runs_detached_and_its_words_arrive_as_it_prints_them() -> None:
    estate = estate_with_hyper_v()
    connecting, target = opened(estate)
    async with connecting(target) as session:
        await start(session)
        seen = await watch(estate, session)
    last = seen[-1]
    assert (last.phase, last.bad) == ("done", 0)
    assert last.answers[-1].objects == ("OK",)
    lengths = [len(job.last) for job in seen if "Linux on Windows" in job.last]
    assert len(set(lengths)) > 2
    assert lengths == sorted(lengths)
    assert estate.machine("kiosk-04").eflow.deployed


async def test_a_deployment_that_says_failure_without_throwing_is_a_failed_job() -> None:
    estate = estate_with_hyper_v()
    estate.fault("kiosk-04", Fault(cmdlet="Deploy-Eflow", says="Failed to acquire IP address", times=1))
    connecting, target = opened(estate)
    async with connecting(target) as session:
        await start(session)
        last = (await watch(estate, session))[-1]
    error = last.answers[-1].error
    assert (last.phase, last.bad) == ("done", 1)
    assert error is not None
    assert error.is_("NotGood")
    assert "Failed to acquire IP address" in error.message


async def test_a_package_with_another_hash_is_never_installed() -> None:
    estate = estate_with_hyper_v()
    estate.site.web[URL].sha256 = "CD" * 32
    connecting, target = opened(estate)
    async with connecting(target) as session:
        await start(session)
        last = (await watch(estate, session))[-1]
    assert (last.bad, len(last.answers)) == (1, 2)
    assert not estate.machine("kiosk-04").eflow.installed


@pytest.mark.parametrize("minutes", [1, 2])
async def test_a_job_out_of_time_is_a_failed_job(minutes: int) -> None:
    estate = estate_with_hyper_v()
    connecting, target = opened(estate)
    async with connecting(target) as session:
        await start(session, deadline=minutes * MINUTE)
        last = (await watch(estate, session))[-1]
    error = last.answers[-1].error
    assert last.bad == 1
    assert error is not None
    assert error.cut in ("stopped", "killed", "deadline")
