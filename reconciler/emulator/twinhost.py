"""The parts of a twin that every host has: who it is, features, services, memory, registry and files, what the product left on it.

`twin` calls them in this order. Effects of a feature (services, the Default Switch) come from `timeline`, as on any machine.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from reconciler.emulator import jobs, lease
from reconciler.emulator.cmdlets.cimquery import matches, wildcard
from reconciler.emulator.cmdlets.dism import STATES
from reconciler.emulator.cmdlets.items import in_registry, properties_row
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Feature, Service
from reconciler.emulator.policies import POLICIES
from reconciler.emulator.stores import FileSystem, Registry, file_path, parent, registry_path
from reconciler.emulator.timeline import PENDING_KEY, installed, schedule
from reconciler.emulator.twinsaid import Asked, Said, given
from reconciler.wire.codec import decode
from reconciler.wire.strict import Malformed, write

SETTLING = timedelta(minutes=5)  # after a boot, a service that does not answer is taken to be coming up
JOB_ENDS = timedelta(minutes=10)
NAMES = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\ComputerName"
ROLE = "HKLM\\SOFTWARE\\Microsoft\\ServerManager\\Roles\\12"
HIVES = {"LocalMachine": "HKLM", "CurrentUser": "HKCU"}
TOOLS = {"Get-VMHost": "Microsoft-Hyper-V-Management-PowerShell", "Get-DhcpServerSetting": "RSAT-DHCP"}
CLIENT_HYPERV = ("Microsoft-Hyper-V-All", "Microsoft-Hyper-V-Hypervisor", "Microsoft-Hyper-V-Services")
CLIENT_TOOLS = ("Microsoft-Hyper-V-Tools-All", "Microsoft-Hyper-V-Management-Clients", "Microsoft-Hyper-V-Management-PowerShell")
DEFAULT_FREE_MB = 13784
UNBOUNDED_MB = 1 << 40


def identity(machine: Machine, said: Said, seen: datetime) -> None:
    hello = said.hello
    machine.uuid = str(hello.get("uuid") or "")
    machine.machine_guid = str(hello.get("guid") or "")
    machine.boot_id = str(hello.get("boot") or machine.boot_id)
    utc = _moment(hello.get("utc"))
    machine.skew = utc - seen if utc else timedelta(0)
    machine.registry.put("HKLM\\SOFTWARE\\Microsoft\\Cryptography", "MachineGuid", machine.machine_guid)
    for name, value in (hello.get("log") or {}).items():
        _logs(machine.registry, str(name), value)


def _moment(value: Any) -> datetime | None:
    try:
        found = decode({"$dt": value} if isinstance(value, str) else value)
    except Malformed:
        return None
    return found if isinstance(found, datetime) else None


def _logs(registry: Registry, name: str, value: Any) -> None:
    """A policy under which calls are written down, as hello names it: hive, product, policy."""
    hive, _, rest = name.partition("\\")
    product, _, policy = rest.rpartition("\\")
    for key, setting in POLICIES:
        if key == policy and hive in HIVES and value:
            registry.put(f"{HIVES[hive]}\\SOFTWARE\\Policies\\Microsoft\\{product}\\{key}", setting, 1)


# --- features and services


def features(machine: Machine, said: Said) -> None:
    states = _states(said)
    if machine.server and not states:
        said.assume("no question tells its features: those of a fresh Windows")
    for name, state in _complete(machine, said, states).items():
        feature = machine.feature(name) or _unknown(machine, name)
        feature.state = state
        if feature.installed:
            installed(machine, feature)
    for absent in _absent(said, states):
        machine.features = {key: feature for key, feature in machine.features.items() if absent not in (_folded(feature.role), _folded(feature.optional))}
    if any(state in ("InstallPending", "UninstallPending") for state in states.values()):
        machine.servicing_pending = True
        machine.registry.create(PENDING_KEY)
    if said.listed("Get-NetNat") is not None and not machine.hyperv and (containers := machine.feature("Containers")) is not None:
        containers.state = "Installed"
        installed(machine, containers)
        said.assume("WinNAT answers without Hyper-V: Containers is installed")


def _folded(name: str | None) -> str:
    return (name or "").casefold()


def _states(said: Said) -> dict[str, str]:
    """Name → state in Server Manager's words, of every feature that an answer shows."""
    own = {theirs: ours for ours, theirs in STATES.items()}
    found: dict[str, str] = {}
    for asked in said.asked("Get-WindowsFeature"):
        found |= {str(row["Name"]): str(given(row, "InstallState")) for row in asked.rows() if given(row, "InstallState") is not None}
    for asked in said.asked("Get-WindowsOptionalFeature"):
        found |= {str(row["FeatureName"]): own.get(str(given(row, "State")), "Available") for row in asked.rows()}
    return found


def _complete(machine: Machine, said: Said, states: Mapping[str, str]) -> dict[str, str]:
    """What was answered, and what follows from it: a module that answers has its tools, a client's Hyper-V comes whole."""
    whole = dict(states)
    for cmdlet, feature in TOOLS.items():
        if said.lacks(cmdlet) is False and machine.feature(feature) is not None:
            whole.setdefault(_role(machine, feature), "Installed")
    hyperv = whole.get("Microsoft-Hyper-V")
    if not machine.server and hyperv:
        whole |= {name: hyperv for name in CLIENT_HYPERV if name not in states}
        if "Microsoft-Hyper-V-Management-PowerShell" in whole:
            whole |= {name: "Installed" for name in CLIENT_TOOLS if name not in states}
    return whole


def _role(machine: Machine, name: str) -> str:
    found = machine.feature(name)
    return (found.role or found.optional or name) if found else name


def _unknown(machine: Machine, name: str) -> Feature:
    """A feature that the emulator has not heard of: it is there, and does nothing."""
    feature = Feature(name, None, name) if machine.server else Feature(None, name, name)
    machine.features[name.casefold()] = feature
    return feature


def _absent(said: Said, states: Mapping[str, str]) -> Iterable[str]:
    """Features asked for by name and not answered: this Windows does not have them."""
    known = {name.casefold() for name in states}
    for asked in (*said.asked("Get-WindowsFeature"), *said.asked("Get-WindowsOptionalFeature")):
        names = asked.parameters.get("Name", asked.parameters.get("FeatureName"))
        for name in names if isinstance(names, list) else [names]:
            if isinstance(name, str) and not wildcard(name) and asked.answer.ok and name.casefold() not in known:
                yield name.casefold()


def services(machine: Machine, said: Said) -> None:
    """A service whose cmdlets fail although its feature is there does not run; soon after a boot it is taken to come up."""
    for asked in said.asked("Get-Service"):
        _told(machine, asked)
    if machine.hyperv and said.failed("Get-VMHost") is not None and not said.lacks("Get-VMHost"):
        _silent(machine, said, "vmms")
    if (failed := said.failed("Get-DhcpServerSetting")) is not None and failed.is_("WIN32 1753"):
        _silent(machine, said, "DHCPServer")


def _told(machine: Machine, asked: Asked) -> None:
    rows = {str(row["Name"]).casefold(): row for row in asked.rows()}
    names = asked.parameters.get("Name", ())
    for pattern in names if isinstance(names, list) else [names]:
        for key in [key for key in machine.services if matches(key, pattern) and key not in rows and asked.answer.ok]:
            del machine.services[key]
    for row in rows.values():
        machine.add_service(Service(str(row["Name"]), str(row["Name"])))
        machine.services[str(row["Name"]).casefold()].state = str(given(row, "Status") or "Running")
    if "windowsazureguestagent" in rows:
        machine.platform = "azure"


def _silent(machine: Machine, said: Said, name: str) -> None:
    service = machine.service(name)
    if service is None:
        return
    if machine.uptime < SETTLING:
        service.state = "StartPending"
        schedule(machine, 10, "service", service.name)
        said.assume(f"the service {name} is coming up: it runs after 10 seconds")
    else:
        service.state = "Stopped"
        said.assume(f"the service {name} is stopped and can be started")


# --- memory, registry, files


def memory(machine: Machine, said: Said) -> None:
    """Comes after the virtual machines: what they use is taken from what there is."""
    processors = said.value("Get-CimInstance", "NumberOfLogicalProcessors", ClassName="Win32_ComputerSystem")
    processors = processors or next((given(row, "LogicalProcessorCount") for row in said.listed("Get-VMHost") or ()), None)
    if processors:
        machine.processors = int(processors)
    else:
        said.assume(f"no answer says how many processors it has: {machine.processors} assumed")
    free = said.value("Get-CimInstance", "FreePhysicalMemory", ClassName="Win32_OperatingSystem")
    free_mb = int(free) >> 10 if free is not None else DEFAULT_FREE_MB
    if free is None:
        said.assume(f"no answer says how much memory is free: {free_mb:,} MB assumed")
    machine.memory_mb, machine.used_mb = UNBOUNDED_MB, 0
    guests = machine.memory_mb - machine.free_mb
    machine.memory_mb = 1024 * math.ceil((guests + free_mb + 2600) / 1024)
    machine.used_mb = machine.memory_mb - guests - free_mb
    said.assume(f"no answer says how much disk is free: {machine.free_gb} GB assumed")


def items(machine: Machine, said: Said) -> None:
    for asked in said.asked("Get-ItemProperty"):
        paths = asked.parameters.get("Path", asked.parameters.get("LiteralPath", ()))
        for path in paths if isinstance(paths, list) else [paths]:
            if in_registry(path) and asked.answer.ok:
                _values(machine.registry, asked, registry_path(path))
    for asked in said.asked("Get-ChildItem"):
        paths = asked.parameters.get("Path", ())
        for path in paths if isinstance(paths, list) else [paths]:
            if not in_registry(path):
                _files(machine.files, asked, file_path(path), machine.now)
    active, name = machine.registry.get(f"{NAMES}\\ActiveComputerName", "ComputerName"), machine.registry.get(f"{NAMES}\\ComputerName", "ComputerName")
    machine.pending_rename = name if active and name and active != name else None


def _values(registry: Registry, asked: Asked, path: str) -> None:
    """Writes what was answered of a key, or of the keys under a pattern, and takes away what was not."""
    above, _, last = path.rpartition("\\")
    rows = {str(given(row, "PSChildName") or last).casefold(): row for row in asked.rows()}
    names = asked.parameters.get("Name")
    patterns = names if isinstance(names, list) or names is None else [names]
    for key in registry.children(above):
        child = key.path.rpartition("\\")[2]
        if fnmatch.fnmatchcase(child.casefold(), last.casefold()) and child.casefold() not in rows and properties_row(key, patterns):
            registry.delete(key.path)
    for child, row in rows.items():
        if fnmatch.fnmatchcase(child, last.casefold()):
            for name in (name for name in row if not name.startswith("PS")):
                if (value := given(row, name)) is not None:
                    registry.put(f"{above}\\{given(row, 'PSChildName') or last}", name, value)


def _files(files: FileSystem, asked: Asked, path: str, now: datetime) -> None:
    folder = parent(path) if wildcard(path) else path
    if asked.answer.error is not None:
        files.delete(folder)
        return
    files.folder(folder, now)
    there = {file_path(str(row["FullName"])).casefold() for row in asked.rows() if "FullName" in row}
    for entry in files.children(folder):
        if fnmatch.fnmatchcase(entry.path.casefold(), path.casefold() if wildcard(path) else "*") and entry.path.casefold() not in there:
            files.delete(entry.path)
    for row in asked.rows():
        if "FullName" in row and files.find(str(row["FullName"])) is None:
            files.place(str(row["FullName"]), 0, "", now)


# --- what the product left there


def remembered(machine: Machine, said: Said, fleet: str) -> None:
    hello = said.hello
    for name in ("machine", "hold"):
        if isinstance(hello.get(name), str):
            machine.registry.put(lease.STORE, name, hello[name])
    held = hello.get("lease") or {}
    if held.get("epoch") or held.get("holder"):
        machine.registry.put(lease.STORE, "lease", write(dict(held)))
    for entry, text in sorted((hello.get("ledger") or {}).items()):
        machine.registry.put(f"{lease.STORE}\\fleets\\{fleet}", entry, text)
    for state in hello.get("jobs") or ():
        _job(machine, said, dict(state))


def _job(machine: Machine, said: Said, state: dict[str, Any]) -> None:
    """A job as it stands. What a running one does is not in a snapshot: it ends, and has done nothing."""
    folder = f"{jobs.JOBS}\\{state['job']}"
    if state.get("phase") in ("starting", "running"):
        work = {"job": state["job"], "next": 0, "frames": [], "resume": machine.now + JOB_ENDS, "ends": machine.now + JOB_ENDS}
        runner = machine.start_process("powershell.exe", f"reconciler job {state['job']}", data=work)
        state |= {"phase": "running", "pid": runner.pid, "started": lease.ticks(runner.started), "boot": machine.boot_id}
        machine.files.write(f"{folder}\\request", write({"id": 0, "allow": [], "calls": []}), machine.now)
        said.assume(f"the running job {state['job']} ({state.get('action')}) ends after 10 minutes and has done nothing: what it does is not in a snapshot")
    machine.files.write(f"{folder}\\state", write(state), machine.now)
