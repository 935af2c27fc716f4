"""Sessions with hosts of the emulated estate: what the engine gets, and how lines break."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import pytest

from reconciler.core.calls import Cmdlet, Good, LedgerCall, Out, Program, Secret
from reconciler.core.errors import Fenced, LeaseHeld, TransportError, Unreachable, WireError, WrongMachine
from reconciler.core.resources import Host
from reconciler.core.transport import Job, Target, Writer
from reconciler.emulator.controller import Cut, Exchange, Killed, Point
from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.emulator.skus import HostWish
from reconciler.hosts.emulated import connect
from reconciler.hosts.session import LoggedSecret
from reconciler.secrets import Vault

ADAPTERS = Cmdlet("Get-NetAdapter", ("Name",))
FEATURE = Cmdlet("Get-WindowsFeature", ("Name",))
INSTALL = Cmdlet("Install-WindowsFeature", ("Name", "IncludeManagementTools"))
ADDRESS = Cmdlet("New-NetIPAddress", ("InterfaceIndex", "InterfaceAlias", "IPAddress", "PrefixLength"))
RESTART = Cmdlet("Restart-Computer", ("Force",))
GHOST = Cmdlet("Get-Ghost")
MSIEXEC = Program("C:\\Windows\\System32\\msiexec.exe")
ALLOW = (*(word.name for word in (ADAPTERS, FEATURE, INSTALL, ADDRESS, RESTART)), MSIEXEC.path)
MINUTE = timedelta(minutes=1)
ENTRY = "0" * 32


def estate_of(*names: str, **wish: Any) -> Estate:
    return Estate.new(None, [HostWish(name, **wish) for name in names or ("edge-01",)])


def target(name: str = "edge-01", **host: Any) -> Target:
    return Target(Host(name, **host), "default", ALLOW)


def effects(estate: Estate, name: str = "edge-01") -> list[str]:
    return [str(record["name"]) for record in estate.log(name) if record["what"] == "cmdlet"]


async def until(session: Writer, estate: Estate, job: str, phase: str) -> Job:
    for _ in range(200):
        found = await session.poll(job)
        if found.phase == phase:
            return found
        await estate.clock.sleep_until(estate.clock.now() + timedelta(seconds=5))
    raise AssertionError(f"{job} never was {phase}")


async def test_hello_says_who_the_machine_is() -> None:
    estate = estate_of("edge-01", language="de-DE")
    async with connect(estate, estate.clock)(target()) as session:
        facts = session.hello.facts
        assert (facts.computer_name, facts.build, facts.is_server, facts.language) == ("EDGE-01", 20348, True, "de-DE")
        assert facts.boot
        assert facts.utc is not None
        assert session.hello.lease.holder is None
        assert not session.hello.ledger
        assert json.loads(json.dumps(session.hello.raw))["product"] == 3


async def test_one_batch_has_one_answer_a_call_and_an_error_stops_nobody() -> None:
    estate = estate_of()
    async with connect(estate, estate.clock)(target()) as session:
        first, refused, third = await session.ask(
            [ADAPTERS(select=("Name", "ifIndex", "Nope")), GHOST(), FEATURE(Name="DHCP", select=("InstallState",))], MINUTE
        )
    assert first.objects[0]["Name"] == "Ethernet"
    assert first.objects[0].maybe("Nope") is None
    assert refused.error is not None
    assert refused.error.is_("NotAllowed")
    assert third.objects[0]["InstallState"] == "Available"


async def test_time_goes_by_while_a_host_works() -> None:
    estate = estate_of()
    before = estate.clock.now()
    async with connect(estate, estate.clock)(target()) as session:
        await session.ask([FEATURE(Name="DHCP")], MINUTE)
    assert timedelta(seconds=1) < estate.clock.now() - before < MINUTE


async def test_another_machine_under_the_name_is_refused_before_anything_is_asked() -> None:
    estate = estate_of("edge-01", computer_name="OTHER")
    with pytest.raises(WrongMachine, match="OTHER answers"):
        async with connect(estate, estate.clock)(target()):
            raise AssertionError("a session was given")
    assert not effects(estate)


async def test_a_declared_computer_name_is_what_must_answer() -> None:
    estate = estate_of("edge-01", computer_name="OTHER")
    async with connect(estate, estate.clock)(target(computer_name="other")) as session:
        assert session.hello.facts.computer_name == "OTHER"


async def test_a_host_that_is_off_or_not_there_is_unreachable_and_nothing_was_sent() -> None:
    estate = estate_of()
    estate.power("edge-01", on=False)
    for name in ("edge-01", "edge-02"):
        with pytest.raises(Unreachable) as caught:
            async with connect(estate, estate.clock)(target(name)):
                raise AssertionError("a session was given")
        assert not caught.value.sent


async def test_a_write_needs_the_lease_of_this_very_session() -> None:
    estate = estate_of()
    call = LedgerCall("put", "default", ENTRY, "{}")
    open_ = connect(estate, estate.clock)
    async with open_(target()) as one, open_(target()) as two:
        with pytest.raises(Fenced):
            await one.run([call], key="k", epoch=1, deadline=MINUTE)
        lease = await one.take("me", 60)
        assert (lease.holder, lease.epoch) == ("me", 1)
        assert 59 <= lease.seconds <= 60
        with pytest.raises(LeaseHeld) as held:
            await two.take("you", 60)
        assert (held.value.holder, round(held.value.seconds)) == ("me", 60)
        with pytest.raises(Fenced):
            await two.run([call], key="k", epoch=1, deadline=MINUTE)
        await one.run([call], key="k", epoch=1, deadline=MINUTE)
        assert (await two.greet()).ledger == {ENTRY: "{}"}
        await one.release("me", 1)
        assert (await two.take("you", 60)).epoch == 2
        with pytest.raises(Fenced):
            await one.run([call], key="k", epoch=1, deadline=MINUTE)


async def test_a_taker_of_an_expired_lease_ends_the_process_that_held_it() -> None:
    estate = estate_of()
    open_ = connect(estate, estate.clock)
    async with open_(target()) as one, open_(target()) as two:
        await one.take("me", 60)
        await estate.clock.sleep_until(estate.clock.now() + timedelta(seconds=61))
        assert (await two.take("you", 60)).epoch == 2
        with pytest.raises(Unreachable):
            await one.ask([ADAPTERS()], MINUTE)


async def test_the_holder_takes_again_at_once_from_a_new_session_and_ends_its_old_one() -> None:
    estate = estate_of()
    open_ = connect(estate, estate.clock)
    async with open_(target()) as one, open_(target()) as two:
        await one.take("me", 600)
        assert (await two.take("me", 600, epoch=1)).epoch == 2
        with pytest.raises(Unreachable):
            await one.greet()


async def test_a_write_batch_stops_at_its_first_failure() -> None:
    estate = estate_of()
    async with connect(estate, estate.clock)(target()) as session:
        await session.take("me", 60)
        found = await session.run([ADAPTERS(Name="Nope"), INSTALL(Name="DHCP")], key="k", epoch=1, deadline=MINUTE)
    assert [answer.ok for answer in found] == [False]
    assert effects(estate) == ["Get-NetAdapter"]


async def test_a_value_of_an_earlier_call_is_handed_on_by_the_host() -> None:
    estate = estate_of()
    async with connect(estate, estate.clock)(target()) as session:
        await session.take("me", 60)
        calls = [ADAPTERS(Name="Ethernet", select=("ifIndex",)), ADDRESS(InterfaceIndex=Out(0, "ifIndex"), IPAddress="172.20.10.1", PrefixLength=24)]
        found = await session.run(calls, key="k", epoch=1, deadline=MINUTE)
    assert all(answer.ok for answer in found)
    assert estate.machine("edge-01").holder("172.20.10.1") is not None


async def test_good_is_judged_on_the_host_and_not_good_is_an_error() -> None:
    estate = estate_of()
    async with connect(estate, estate.clock)(target()) as session:
        states = [FEATURE(Name="DHCP", select=("InstallState",), good=Good(returns={"InstallState": state})) for state in ("AVAILABLE", "Installed")]
        good, bad = await session.ask(states, MINUTE)
    assert good.ok
    assert bad.error is not None
    assert bad.error.is_("NotGood")
    assert "Available" in bad.error.message


async def test_a_restart_in_a_batch_breaks_the_line_and_only_a_new_session_sees_the_new_boot() -> None:
    estate = estate_of()
    open_ = connect(estate, estate.clock)
    async with open_(target()) as session:
        boot = session.hello.facts.boot
        await session.take("me", 600)
        await session.rebooting("me", 1, 900)
        with pytest.raises(Unreachable) as caught:
            await session.run([RESTART(Force=True)], key="k", epoch=1, deadline=MINUTE)
        assert caught.value.sent
        with pytest.raises(Unreachable):
            await session.greet()
    with pytest.raises(Unreachable) as down:
        async with open_(target()):
            raise AssertionError("the host is down")
    assert not down.value.sent
    await estate.clock.sleep_until(estate.clock.now() + timedelta(minutes=8))
    async with open_(target()) as session:
        assert session.hello.facts.boot != boot
        assert session.hello.lease.seconds == 0
        assert session.hello.lease.rebooting == "me"
        with pytest.raises(LeaseHeld) as held:
            await session.take("you", 60)
        assert held.value.holder == "me"
        assert 0 < held.value.seconds < 900
        assert (await session.take("me", 60)).epoch == 2


async def test_a_job_outlives_its_session_and_is_joined_and_acknowledged_by_another() -> None:
    estate = estate_of()
    open_ = connect(estate, estate.clock)
    call = INSTALL(Name="DHCP", IncludeManagementTools=True)
    async with open_(target()) as one:
        await one.take("me", 60)
        job = await one.start("j1", "edge-01/WindowsFeature/DHCP", "install", [call], key="k1", epoch=1, deadline=MINUTE)
        assert (job.phase, job.joined) == ("starting", False)
        await one.release("me", 1)
    async with open_(target()) as two:
        assert [found.id for found in two.hello.jobs] == ["j1"]
        await two.take("you", 600)
        again = await two.start("j2", "edge-01/WindowsFeature/DHCP", "install", [call], key="k2", epoch=2, deadline=MINUTE)
        assert (again.id, again.key, again.joined) == ("j1", "k1", True)
        with pytest.raises(WireError, match="NotFinished"):
            await two.ack("j1")
        done = await until(two, estate, "j1", "done")
        assert done.bad == 0
        assert done.answers[0].objects[0]["Success"] is True
        await two.ack("j1")
        assert not (await two.greet()).jobs
    assert effects(estate) == ["Install-WindowsFeature"]
    assert estate.machine("edge-01").has("DHCP")


async def test_a_job_is_lost_when_its_host_restarts() -> None:
    estate = estate_of()
    open_ = connect(estate, estate.clock)
    async with open_(target()) as session:
        await session.take("me", 60)
        await session.start("j1", "r", "install", [INSTALL(Name="Hyper-V")], key="k", epoch=1, deadline=MINUTE * 5)
        await until(session, estate, "j1", "running")
    estate.power("edge-01", on=False)
    estate.power("edge-01", on=True)
    await estate.clock.sleep_until(estate.clock.now() + timedelta(minutes=8))
    async with open_(target()) as session:
        assert [(job.id, job.phase) for job in session.hello.jobs] == [("j1", "lost")]
        await session.ack("j1")


async def test_a_running_job_survives_in_a_saved_estate(tmp_path: Any) -> None:
    estate = Estate.new(tmp_path / "lab", [HostWish("edge-01")])
    async with connect(estate, estate.clock)(target()) as session:
        await session.take("me", 60)
        await session.start("j1", "r", "install", [INSTALL(Name="DHCP")], key="k", epoch=1, deadline=MINUTE * 5)
        await until(session, estate, "j1", "running")
    estate.save()
    estate.close()
    estate = Estate.open(tmp_path / "lab")
    async with connect(estate, estate.clock)(target()) as session:
        assert (await until(session, estate, "j1", "done")).bad == 0
    estate.close()


@pytest.mark.parametrize(("drop", "installed"), [("before", False), ("after", True)])
async def test_a_dropped_line_says_that_it_may_have_acted(drop: str, installed: bool) -> None:
    estate = estate_of()
    async with connect(estate, estate.clock)(target()) as session:
        await session.take("me", 60)
        estate.fault("edge-01", Fault(cmdlet="Install-WindowsFeature", drop=drop, times=1))
        with pytest.raises(Unreachable) as caught:
            await session.run([INSTALL(Name="DHCP")], key="k", epoch=1, deadline=MINUTE)
    assert caught.value.sent
    assert estate.machine("edge-01").has("DHCP") is installed


@pytest.mark.parametrize("fault", [Fault(drop="before", times=1), Fault(drop="after", times=1), Fault(hang=True, times=1)])
async def test_a_fault_of_the_line_breaks_one_request_and_the_next_session_works(fault: Fault) -> None:
    estate = estate_of()
    open_ = connect(estate, estate.clock)
    async with open_(target()) as session:
        estate.fault("edge-01", fault)
        before = estate.clock.now()
        with pytest.raises(Unreachable) as caught:
            await session.ask([ADAPTERS()], MINUTE)
        assert caught.value.sent
        assert (estate.clock.now() - before >= MINUTE) is fault.hang
    async with open_(target()) as session:
        assert (await session.ask([ADAPTERS()], MINUTE))[0].ok


async def test_a_call_that_hangs_is_cut_and_the_next_request_meets_a_fresh_process() -> None:
    estate = estate_of()
    async with connect(estate, estate.clock)(target()) as session:
        await session.take("me", 600)
        pid = session.hello.raw["pid"]
        estate.fault("edge-01", Fault(cmdlet="Install-WindowsFeature", hang=True, times=1))
        found = await session.run([INSTALL(Name="DHCP")], key="k", epoch=1, deadline=MINUTE)
        assert found[0].error is not None
        assert found[0].error.cut == "abandoned"
        assert (await session.ask([ADAPTERS()], MINUTE))[0].ok
        assert session.hello.raw["pid"] != pid
        assert estate.machine("edge-01").process(pid) is None
        with pytest.raises(Fenced):
            await session.run([INSTALL(Name="DHCP")], key="k", epoch=1, deadline=MINUTE)
        assert (await session.take("me", 60, epoch=1)).epoch == 2


async def test_a_secret_reaches_the_host_and_no_log_transcript_or_answer_shows_it() -> None:
    estate = estate_of()
    texts: list[str] = []
    vault = Vault({"KEY": "hunter2-hunter2"})

    def tap(exchange: Exchange, lines: Any, frames: str) -> None:
        texts.extend([*lines, frames])

    async with connect(estate, estate.clock, secrets=vault, taps=[tap])(target()) as session:
        found = await session.ask([ADAPTERS(Name=Secret("env", "KEY"))], MINUTE)
    assert found[0].error is not None
    assert "hunter2" not in repr(found) + repr(estate.records) + "".join(texts)
    assert any("***" in text for text in texts)


async def test_a_host_that_logs_what_calls_are_given_is_sent_no_secret() -> None:
    estate = estate_of()
    key = "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\PowerShell\\ScriptBlockLogging"
    estate.machine("edge-01").registry.put(key, "EnableScriptBlockLogging", 1)
    async with connect(estate, estate.clock, secrets=Vault({"KEY": "hunter2-hunter2"}))(target()) as session:
        with pytest.raises(LoggedSecret):
            await session.ask([ADAPTERS(Name=Secret("env", "KEY"))], MINUTE)
        assert (await session.ask([ADAPTERS()], MINUTE))[0].ok


async def test_a_session_ends_its_process_and_leaves_nothing_on_the_host() -> None:
    estate = estate_of()
    machine = estate.machine("edge-01")
    before = set(machine.processes)
    async with connect(estate, estate.clock)(target()) as session:
        assert str(session.hello.raw["pid"]) in machine.processes
    assert set(machine.processes) == before


async def test_hosts_work_at_the_same_time() -> None:
    names = [f"edge-{n:02}" for n in range(10)]
    estate = estate_of(*names)
    open_ = connect(estate, estate.clock)
    before = estate.clock.now()

    async def look(name: str) -> None:
        async with open_(target(name)) as session:
            await session.ask([FEATURE(Name="DHCP")], MINUTE)

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(look, name)
    assert estate.clock.now() - before < timedelta(seconds=20)


# --- the controller is killed


def cut_at(number: int, point: Point) -> Cut:
    def cut(exchange: Exchange, at: Point) -> None:
        if (exchange.number, at) == (number, point):
            raise Killed

    return cut


async def main_line(estate: Estate, cut: Cut | None) -> None:
    async with connect(estate, estate.clock, cut=cut)(target()) as session:
        lease = await session.take("me", 60)
        await session.run([LedgerCall("put", "default", ENTRY, "intent")], key="k", epoch=lease.epoch, deadline=MINUTE)
        await session.start("j1", "r", "install", [INSTALL(Name="DHCP")], key="k", epoch=lease.epoch, deadline=MINUTE)
        await until(session, estate, "j1", "done")
        await session.ack("j1")


@pytest.mark.parametrize(
    ("number", "point", "seen"),
    [
        (1, Point.BEFORE, lambda hello: hello.lease.holder is None),
        (1, Point.EXECUTED, lambda hello: hello.lease.holder == "me"),
        (2, Point.BEFORE, lambda hello: not hello.ledger),
        (2, Point.EXECUTED, lambda hello: hello.ledger == {ENTRY: "intent"}),
        (3, Point.BEFORE, lambda hello: not hello.jobs),
        (3, Point.EXECUTED, lambda hello: [job.id for job in hello.jobs] == ["j1"]),
        (3, Point.ANSWERED, lambda hello: [job.id for job in hello.jobs] == ["j1"]),
    ],
)
async def test_a_killed_controller_leaves_just_what_it_did(number: int, point: Point, seen: Callable[[Any], bool]) -> None:
    estate = estate_of()
    with pytest.raises(Killed):
        await main_line(estate, cut_at(number, point))
    abandoned = [process.pid for process in estate.machine("edge-01").processes.values() if process.what == "reconciler session"]
    assert len(abandoned) == 1
    async with connect(estate, estate.clock)(target()) as session:
        assert seen(session.hello)


async def test_a_dead_controller_does_nothing_more_even_when_it_tidies_up() -> None:
    estate = estate_of()

    async def tidy_up(session: Writer) -> None:
        with pytest.raises(Killed):
            await session.release("me", 1)

    async def work() -> None:
        async with connect(estate, estate.clock, cut=cut_at(2, Point.EXECUTED))(target()) as session:
            await session.take("me", 60)
            try:
                await session.ask([ADAPTERS()], MINUTE)
            finally:
                await tidy_up(session)

    with pytest.raises(Killed):
        await work()
    async with connect(estate, estate.clock)(target()) as session:
        assert session.hello.lease.holder == "me"


async def test_every_exchange_is_asked_about_at_three_points_in_order() -> None:
    asked: list[tuple[int, str]] = []
    estate = estate_of()
    await main_line(estate, lambda exchange, point: asked.append((exchange.number, point)))
    points = [Point.BEFORE, Point.EXECUTED, Point.ANSWERED]
    assert asked == [(number, point) for number in range(len(asked) // 3) for point in points]


async def test_a_transport_error_is_no_killed_controller() -> None:
    assert not issubclass(Killed, Exception)
    assert issubclass(LoggedSecret, TransportError)
