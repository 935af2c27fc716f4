"""The same reads by Ansible: `ansible-playbook`, one `raw` task a read, over its winrm plugin with NTLM.

`reads` runs it beside the product. Nothing of the user's configuration is read, and no proxy taken; connections are its default ones.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts.measuring.served import Served


def program() -> str | None:
    """Beside this Python, or on the path; None where it is not installed."""
    beside = Path(sys.executable).with_name("ansible-playbook")
    return str(beside) if beside.exists() else shutil.which("ansible-playbook")


def run(ansible: str, there: Served, commands: Sequence[str], forks: int) -> dict[str, float]:
    """Wall and CPU seconds of one run; every task must succeed on every host."""
    with TemporaryDirectory(prefix="reconcile-bench-") as name:
        folder = Path(name)
        line = [ansible, str(_book(folder, commands)), "--inventory", str(_inventory(folder, there)), "--forks", str(forks)]
        (folder / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
        own = {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_HOME": name, "HOME": name, "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}
        cpu, wall = _children(), time.perf_counter()
        done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"]} | own, text=True, check=False)
        took = {"wall": time.perf_counter() - wall, "cpu": _children() - cpu}
    if done.returncode:
        raise AssertionError(f"ansible-playbook ended with {done.returncode}: {done.stdout[-2000:]}")
    return took


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _book(folder: Path, commands: Sequence[str]) -> Path:
    book = folder / "play.yaml"
    play: Mapping[str, Any] = {"hosts": "all", "gather_facts": False, "tasks": [{"raw": command} for command in commands]}
    book.write_text(json.dumps([play]), encoding="utf-8")
    return book


def _inventory(folder: Path, there: Served) -> Path:
    same = {"ansible_connection": "winrm", "ansible_winrm_transport": "ntlm", "ansible_winrm_scheme": "http"}
    same |= {"ansible_user": there.user, "ansible_password": there.password}
    hosts = {name: {"ansible_host": ip, "ansible_port": port} for name, (ip, port) in there.hosts.items()}
    inventory = folder / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": same}}), encoding="utf-8")
    return inventory
