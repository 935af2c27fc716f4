"""The product's side of `reads`: `python -m scripts.measuring.reader` begins with nothing and reads every host that its standard input names.

On the next line it reads again, over the sessions that it kept. For each it says its seconds: of the wall, and of CPU since it began or
since it last said so.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta

import anyio
import anyio.to_thread

from reconciler.cli.wallclock import WallClock
from reconciler.core.calls import Call
from reconciler.core.resources import Host
from reconciler.core.transport import Target
from reconciler.hosts.connect import Connections, connections
from reconciler.secrets import Vault
from scripts.measuring.served import VARIABLE, Served, quiet

# One batch for us, one pipeline each for Ansible: the same cmdlets, the same properties.
READS = (
    Call("Get-WindowsFeature", {"Name": ("Hyper-V", "DHCP")}, ("Name", "InstallState")),
    Call("Get-VMSwitch", select=("Name", "SwitchType")),
    Call("Get-NetAdapter", select=("Name", "Status", "ifIndex")),
    Call("Get-NetIPAddress", {"AddressFamily": "IPv4"}, ("IPAddress", "PrefixLength", "InterfaceAlias")),
    Call("Get-NetNat", select=("Name", "InternalIPInterfaceAddressPrefix")),
    Call("Get-DhcpServerv4Scope", select=("ScopeId", "StartRange", "EndRange", "LeaseDuration")),
    Call("Get-Service", {"Name": "DHCPServer"}, ("Name", "Status")),
    Call("Get-EflowVm", select=("VmPowerState",)),
)
ALLOW = tuple(call.name for call in READS)


async def main() -> None:
    quiet()
    line = sys.stdin.readline()
    there = Served(**json.loads(line))
    cpu = 0.0
    async with connections(Vault({VARIABLE: there.password}), WallClock()) as reach:
        while line:
            begun = time.perf_counter()
            async with anyio.create_task_group() as group:
                for host in there.hosts:
                    group.start_soon(_read, reach, there, host)
            used = time.process_time()
            sys.stdout.write(json.dumps({"wall": time.perf_counter() - begun, "cpu": used - cpu}) + "\n")
            sys.stdout.flush()
            cpu = used
            line = await anyio.to_thread.run_sync(sys.stdin.readline)


async def _read(reach: Connections, there: Served, name: str) -> None:
    host = Host(name, address=there.hosts[name][0], connection=there.connection(name, "persistent"))
    async with reach(Target(host, "default", ALLOW, look=True)) as session:
        for answer in await session.ask(READS, timedelta(minutes=3)):
            if answer.error is not None:
                raise AssertionError(f"{name}: {answer.error}")


if __name__ == "__main__":
    anyio.run(main)
