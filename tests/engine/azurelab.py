"""Hosts in an emulated Azure with the real engine, the real client and the real kind: what the tests of extensions stand on."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.emulator.arm import building
from reconciler.emulator.arm.model import SUBSCRIPTION, Extension, Run, Vm
from reconciler.emulator.estate import Estate
from reconciler.emulator.skus import HostWish
from tests.engine.lab import FLEET, Lab, linked

HPC = "Standard_HB120rs_v3"
IB = "AzureVmExtension/ib"
DRIVER = "AzureVmExtension/ib: {driver: InfiniBandDriverWindows}"


def azure_host(name: str, resources: str, *, connection: str = "none", sku: str = "server-2019", more: str = "") -> str:
    """One host of Azure around `resources` (YAML, any indentation)."""
    body = textwrap.indent(textwrap.dedent(resources).strip("\n") or "{}", "    ")
    said = f"azure: {{subscription: {SUBSCRIPTION}, resourceGroup: rg-hpc, vm: {name}}}"
    return (
        f"---\napiVersion: reconciler/v1\nkind: Host\nmetadata: {{name: {name}}}\n"
        f"spec:\n  sku: {sku}\n  {said}\n  connection: {connection}\n{more}  resources:\n{body}\n"
    )


class AzureLab(Lab):
    """A lab whose hosts are VMs of one resource group."""

    def vm(self, name: str = "hpc-01") -> Vm:
        return next(vm for vm in self.estate.azure.vms.values() if vm.name == name)

    def extension(self, name: str = "ib", vm: str = "hpc-01") -> Extension | None:
        return self.vm(vm).extensions.get(name)

    def script(self, *runs: Run | int, extension: str = "*", vm: str = "*") -> None:
        building.script(self.estate, vm, extension, *runs)

    def redeclare(self, resources: str, host: str = "hpc-01", **more: Any) -> None:
        self.desired = linked(FLEET + azure_host(host, resources, **more), self.registry)

    def runs_of(self, extension: str = "ib") -> list[int]:
        """Exit codes of the handler's runs, first to last."""
        return list({r["run"]: r["exit"] for r in self._handled(extension) if r["do"] == "ends"}.values())

    def _handled(self, extension: str) -> Iterator[Mapping[str, Any]]:
        for name in {vm.label for vm in self.estate.azure.vms.values()}:
            yield from (r for r in self.estate.log(name) if r["what"] == "handler" and r.get("extension") == extension)


def azure_lab(resources: str = DRIVER, *, size: str = HPC, names: tuple[str, ...] = ("hpc-01",), **more: Any) -> AzureLab:
    """VMs that are reached through Azure alone."""
    desired = linked(FLEET + "".join(azure_host(name, resources) for name in names))
    estate = Estate.new(None)
    for name in names:
        building.vm(estate, name, group="rg-hpc", size=size).os_name = "Windows Server 2019 Datacenter"
    return AzureLab(desired, estate, **more)


def both_planes(resources: str, *, size: str = HPC, wish: HostWish | None = None, **more: Any) -> AzureLab:
    """One machine that is a host of the estate and a VM of its Azure."""
    estate = Estate.new(None, [wish or HostWish("hpc-01", "server-2019")])
    building.vm(estate, "hpc-01", group="rg-hpc", size=size, machine="hpc-01")
    desired = linked(FLEET + azure_host("hpc-01", resources, connection="{transport: winrm}"))
    return AzureLab(desired, estate, **more)


def again(lab: AzureLab, **more: Any) -> AzureLab:
    """Another controller at the same estate."""
    return replace(lab, events=[], cut=None, **more)


def set_lab(resources: str = DRIVER, *, count: int = 20, mode: str = "Manual", **more: Any) -> AzureLab:
    """A scale set of so many instances."""
    estate = Estate.new(None)
    building.scale_set(estate, "hpc", count, group="rg-hpc", size=HPC, mode=mode)
    return AzureLab(linked(FLEET + set_host(resources)), estate, **more)


def set_host(resources: str) -> str:
    return azure_host("hpc", resources).replace("vm: hpc}", "scaleSet: hpc}")
