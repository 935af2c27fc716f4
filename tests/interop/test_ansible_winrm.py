"""`ansible -m raw` through its winrm plugin, in a process of its own, against the emulated estate: exit codes, output, failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.emulator.winrm import Settings
from tests.emulator.winrm.clients import endpoint
from tests.interop.driving import FAILED, UNREACHABLE, Run, installed, over_winrm, playbook, raw

pytestmark = [pytest.mark.interop, installed]
HOSTS = ("kiosk-01", "kiosk-02", "kiosk-03")
JSON = "Get-NetAdapter | Select-Object Name, Status | ConvertTo-Json -Compress"
UP = {"Name": "Ethernet", "Status": "Up"}


@pytest.mark.parametrize(("how", "requests"), [("ntlm", 8), ("ntlm-tls", 7), ("basic-tls", 5), ("certificate-tls", 5)])
async def test_several_hosts_answer_whatever_way_signs_in(how: str, requests: int, tmp_path: Path) -> None:
    async with endpoint(Settings(), *HOSTS) as (estate, served):
        run = await raw(tmp_path, {host: over_winrm(served, how, host) for host in HOSTS}, JSON)
        assert (run.code, sorted(run.hosts)) == (0, sorted(HOSTS)), run.output
        for host, said in run.hosts.items():
            assert (said.verdict, said.rc, json.loads(said.text)) == ("CHANGED", 0, UP)
            assert served.counts(host)["requests"] == requests
            assert not [process for process in estate.machines[host].processes.values() if process.what == "pipeline"]


async def test_what_a_cmdlet_changes_is_changed(tmp_path: Path) -> None:
    async with endpoint(Settings(), *HOSTS[:2]) as (estate, served):
        run = await raw(tmp_path, {host: over_winrm(served, "ntlm", host) for host in HOSTS[:2]}, "Rename-NetAdapter -Name Ethernet -NewName Uplink")
        assert run.code == 0, run.output
        assert [estate.machines[host].adapters[0].name for host in HOSTS[:2]] == ["Uplink", "Uplink"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("Get-NetAdapter -Name nothing", "Get-NetAdapter : No MSFT_NetAdapter objects found with property 'Name' equal to 'nothing'."),
        ("Get-Nothing", "Get-Nothing : The term 'Get-Nothing' is not recognized as the name of a cmdlet"),
        ("Get-NetAdapter | ForEach-Object { $_.Name }", "not emulated: "),
        ("whoami /all", "not emulated: "),
    ],
)
async def test_a_failure_is_told_with_its_exit_code_and_the_hosts_words(command: str, words: str, tmp_path: Path) -> None:
    async with endpoint(Settings(), *HOSTS[:2]) as (_, served):
        run = await raw(tmp_path, {host: over_winrm(served, "ntlm", host) for host in HOSTS[:2]}, command)
        assert run.code == FAILED, run.output
        for host in HOSTS[:2]:
            assert (run.hosts[host].verdict, run.hosts[host].rc) == ("FAILED", 1)
            assert words in run.hosts[host].text
            assert "CLIXML" not in run.hosts[host].text


@pytest.mark.parametrize("how", ["ntlm", "basic-tls"])
async def test_a_wrong_password_makes_that_host_unreachable_and_runs_nothing(how: str, tmp_path: Path) -> None:
    async with endpoint(Settings(), *HOSTS[:2]) as (_, served):
        good, bad = (over_winrm(served, how, host) for host in HOSTS[:2])
        run = await raw(tmp_path, {HOSTS[0]: good, HOSTS[1]: bad | {"ansible_password": "wrong"}}, JSON)
        assert run.code == UNREACHABLE, run.output
        assert run.hosts[HOSTS[0]].rc == 0
        assert run.hosts[HOSTS[1]].verdict == "UNREACHABLE!"
        assert "the specified credentials were rejected by the server" in run.hosts[HOSTS[1]].text
        assert served.counts(HOSTS[1])["processes"] == 0


async def test_a_certificate_that_nobody_vouches_for_is_not_taken(tmp_path: Path) -> None:
    async with endpoint(Settings(), HOSTS[0]) as (_, served), endpoint(Settings(), HOSTS[0]) as (_, other):
        run = await raw(tmp_path, {HOSTS[0]: over_winrm(served, "basic-tls", HOSTS[0]) | {"ansible_winrm_ca_trust_path": str(other.ca)}}, JSON)
        assert run.code == UNREACHABLE, run.output
        assert "certificate verify failed" in run.output.casefold()
        assert served.counts(HOSTS[0])["requests"] == 0


async def test_a_playbook_registers_what_a_host_says_and_judges_it(tmp_path: Path) -> None:
    """Ansible's own `assert` is the judge."""
    async with endpoint(Settings(), *HOSTS) as (_, served):
        run = await judged(tmp_path, {host: over_winrm(served, "ntlm", host) for host in HOSTS}, rc=1)
        assert run.code == 0, run.output
        assert served.counts()["processes"] == 2 * len(HOSTS)


async def judged(folder: Path, hosts: dict[str, dict[str, Any]], rc: int) -> Run:
    """`rc`: what a command ends with that wrote an error."""
    tasks: list[dict[str, Any]] = [
        {"raw": JSON, "register": "adapters"},
        {"assert": {"that": ["adapters.rc == 0", "(adapters.stdout | from_json).Name == 'Ethernet'", "adapters.stderr == ''"]}},
        {"raw": "Get-NetAdapter -Name nothing", "register": "missing", "failed_when": f"missing.rc != {rc}"},
        {"assert": {"that": ["missing.stdout == ''", "'CmdletizationQuery_NotFound_Name' in missing.stderr"]}},
    ]
    return await playbook(folder, hosts, tasks)
