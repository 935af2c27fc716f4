"""`ansible -m raw` through its psrp plugin, in a process of its own, against the emulated estate: exit codes, output, failures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.emulator.winrm import Settings
from tests.emulator.winrm.clients import endpoint
from tests.interop.driving import FAILED, UNREACHABLE, installed, over_psrp, raw
from tests.interop.test_ansible_winrm import HOSTS, JSON, UP, judged

pytestmark = [pytest.mark.interop, installed]


@pytest.mark.parametrize("how", ["ntlm", "negotiate", "negotiate-tls", "basic-tls", "certificate-tls"])
async def test_several_hosts_answer_whatever_way_signs_in(how: str, tmp_path: Path) -> None:
    async with endpoint(Settings(), *HOSTS) as (estate, served):
        run = await raw(tmp_path, {host: over_psrp(served, how, host) for host in HOSTS}, JSON)
        assert (run.code, sorted(run.hosts)) == (0, sorted(HOSTS)), run.output
        for host, said in run.hosts.items():
            assert (said.verdict, said.rc, json.loads(said.text)) == ("CHANGED", 0, UP)
            assert not [process for process in estate.machines[host].processes.values() if process.name == "wsmprovhost.exe"]


async def test_what_a_cmdlet_changes_is_changed(tmp_path: Path) -> None:
    async with endpoint(Settings(), *HOSTS[:2]) as (estate, served):
        run = await raw(tmp_path, {host: over_psrp(served, "ntlm", host) for host in HOSTS[:2]}, "Rename-NetAdapter -Name Ethernet -NewName Uplink")
        assert run.code == 0, run.output
        assert [estate.machines[host].adapters[0].name for host in HOSTS[:2]] == ["Uplink", "Uplink"]


@pytest.mark.parametrize(
    ("command", "words", "rc"),
    [
        ("Get-NetAdapter -Name nothing", "No MSFT_NetAdapter objects found with property 'Name' equal to 'nothing'.", 0),
        ("Get-Nothing", "The term 'Get-Nothing' is not recognized as the name of a cmdlet", 0),
        ("Get-NetAdapter | ForEach-Object { $_.Name }", "not emulated: ", 1),
        ("whoami /all", "not emulated: ", 1),
    ],
)
async def test_a_failure_is_told_in_the_hosts_words(command: str, words: str, rc: int, tmp_path: Path) -> None:
    """An error that is written lets the script go on, to the `exit $LASTEXITCODE` of nothing that the plugin puts under it. Unverified on Windows."""
    async with endpoint(Settings(), *HOSTS[:2]) as (_, served):
        run = await raw(tmp_path, {host: over_psrp(served, "ntlm", host) for host in HOSTS[:2]}, command)
        assert run.code == (FAILED if rc else 0), run.output
        for host in HOSTS[:2]:
            assert (run.hosts[host].verdict, run.hosts[host].rc) == ("FAILED" if rc else "CHANGED", rc)
            assert words in run.hosts[host].text


@pytest.mark.parametrize("how", ["negotiate", "basic-tls"])
async def test_a_wrong_password_makes_that_host_unreachable_and_runs_nothing(how: str, tmp_path: Path) -> None:
    async with endpoint(Settings(), *HOSTS[:2]) as (_, served):
        good, bad = (over_psrp(served, how, host) for host in HOSTS[:2])
        run = await raw(tmp_path, {HOSTS[0]: good, HOSTS[1]: bad | {"ansible_password": "wrong"}}, JSON)
        assert run.code == UNREACHABLE, run.output
        assert run.hosts[HOSTS[0]].rc == 0
        assert run.hosts[HOSTS[1]].verdict == "UNREACHABLE!"
        assert "failed to authenticate with the server" in run.hosts[HOSTS[1]].text
        assert served.counts(HOSTS[1])["processes"] == 0


async def test_a_playbook_registers_what_a_host_says_and_judges_it(tmp_path: Path) -> None:
    """Ansible's own `assert` is the judge."""
    async with endpoint(Settings(), *HOSTS) as (_, served):
        run = await judged(tmp_path, {host: over_psrp(served, "ntlm", host) for host in HOSTS}, rc=0)
        assert run.code == 0, run.output
        assert served.counts()["Command"] == 2 * len(HOSTS)
