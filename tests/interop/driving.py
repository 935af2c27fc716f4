"""Ansible as it is installed, in a process of its own, against hosts of the endpoint that this process serves.

`playbook` and `raw` run it with an inventory and a configuration of their own: nothing of the user's is read, no proxy is taken.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.emulator.winrm import Endpoint

PROGRAM = Path(sys.executable).with_name("ansible")
PLAYBOOK = PROGRAM.with_name("ansible-playbook")
HEAD = re.compile(r"^(?P<host>\S+) \| (?P<verdict>[A-Z]+!?)(?: \| rc=(?P<rc>-?\d+) >>| => )", re.MULTILINE)
UNREACHABLE, FAILED = 4, 2  # exit codes of Ansible

installed = pytest.mark.skipif(not PROGRAM.exists(), reason="ansible-core is not installed; `make interop` installs it")


@dataclass(frozen=True, slots=True)
class Said:
    """What Ansible reports of one host."""

    verdict: str
    rc: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Run:
    """`hosts` is empty for a playbook, whose own assertions are the judge."""

    code: int
    hosts: Mapping[str, Said]
    output: str


def over_winrm(served: Endpoint, how: str, host: str) -> dict[str, Any]:
    """Variables of a host for Ansible's winrm plugin. `how`: ntlm (sealed, over HTTP), ntlm-tls, basic-tls, certificate-tls."""
    transport, _, tls = how.partition("-")
    at = served.address(host)
    given = {"ansible_connection": "winrm", "ansible_winrm_transport": transport, "ansible_host": at.ip, "ansible_port": at.https if tls else at.http}
    given |= {"ansible_winrm_scheme": "https" if tls else "http", "ansible_winrm_ca_trust_path": str(served.ca)}
    if transport == "certificate":
        return given | {"ansible_winrm_cert_pem": str(served.client.certificate), "ansible_winrm_cert_key_pem": str(served.client.key)}
    return given | {"ansible_user": served.credentials.user, "ansible_password": served.credentials.password}


def over_psrp(served: Endpoint, how: str, host: str) -> dict[str, Any]:
    """Variables of a host for Ansible's psrp plugin. `how`: ntlm (sealed, over HTTP), negotiate (SPNEGO), basic-tls, certificate-tls, …"""
    auth, _, tls = how.partition("-")
    at = served.address(host)
    given = {"ansible_connection": "psrp", "ansible_psrp_auth": auth, "ansible_host": at.ip, "ansible_port": at.https if tls else at.http}
    given |= {"ansible_psrp_protocol": "https" if tls else "http", "ansible_psrp_ca_cert": str(served.ca)}
    if auth == "certificate":
        return given | {"ansible_psrp_certificate_pem": str(served.client.certificate), "ansible_psrp_certificate_key_pem": str(served.client.key)}
    return given | {"ansible_user": served.credentials.user, "ansible_password": served.credentials.password}


async def raw(folder: Path, hosts: Mapping[str, Mapping[str, Any]], command: str) -> Run:
    """`ansible -m raw` on all hosts."""
    code, output = await _run(folder, hosts, [str(PROGRAM), "all", "--module-name", "raw", "--args", command])
    heads = list(HEAD.finditer(output))
    ends = [head.start() for head in heads[1:]] + [len(output)]
    said = {
        head["host"]: Said(head["verdict"], int(head["rc"]) if head["rc"] else None, output[head.end() : end]) for head, end in zip(heads, ends, strict=True)
    }
    return Run(code, said, output)


async def playbook(folder: Path, hosts: Mapping[str, Mapping[str, Any]], tasks: Sequence[Mapping[str, Any]]) -> Run:
    """One play of these tasks on all hosts."""
    book = folder / "play.yaml"
    book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]), encoding="utf-8")
    code, output = await _run(folder, hosts, [str(PLAYBOOK), str(book)])
    return Run(code, {}, output)


async def _run(folder: Path, hosts: Mapping[str, Mapping[str, Any]], line: Sequence[str]) -> tuple[int, str]:
    inventory, config = folder / "inventory.json", folder / "ansible.cfg"
    inventory.write_text(json.dumps({"all": {"hosts": dict(hosts)}}), encoding="utf-8")
    config.write_text("[defaults]\n", encoding="utf-8")
    own = {"ANSIBLE_CONFIG": str(config), "ANSIBLE_HOME": str(folder), "HOME": str(folder), "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8", "COLUMNS": "1000"}
    done = await anyio.run_process([*line, "--inventory", str(inventory)], check=False, stderr=-2, env={"PATH": os.environ["PATH"]} | own)
    return done.returncode, done.stdout.decode()
