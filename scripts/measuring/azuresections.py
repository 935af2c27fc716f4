"""The figures of `azure` as sections of the bench. Pure: what was measured goes in, rows come out."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.measuring.rows import Row, Section, at_most

Figures = Mapping[str, float]
PART = 0.5  # of what azure-mgmt-compute takes
REQUESTS = 402  # for 200 VMs: two a VM, and the sizes of the region in two pages
VMS = 200
WITHOUT = "azure-mgmt-compute is not installed here, so nothing stands beside the imports: `make interop` installs it"
SAID = "after what a plan of real hosts imports anyway; ours with what sends requests, theirs without; azure-identity comes with the sign-in"
SERVICE = "the emulated service works in the same process: most of the CPU is its own"


def imports_section(found: Figures) -> Section:
    """What a fleet in Azure adds to a command; a fleet that is not imports nothing of it."""
    beside = "import path compute" in found
    rows = [Row("import of all that Azure takes", found["import path"] * 1000, "ms"), Row("apart: azure-identity", found["import identity"] * 1000, "ms")]
    if beside:
        rows += [
            Row("import azure.mgmt.compute", found["import path compute"] * 1000, "ms"),
            at_most("all that Azure takes, azure.mgmt.compute being 1", found["import path"] / found["import path compute"], "times", PART, 2),
            Row("its libraries in a bare Python, the same", found["import libraries"] / found["import libraries compute"], "times", digits=2),
        ]
    return Section("Azure, what is imported", tuple(rows), (SAID,) if beside else (WITHOUT,))


def plan_section(vms: int, found: Figures) -> Section:
    """A plan of VMs that are as declared."""
    requests = found["requests"]
    rows = (
        at_most("requests", requests, "", REQUESTS, 0) if vms == VMS else Row("requests", requests, "", digits=0),
        Row("requests a VM", requests / vms, "", digits=2),
        Row("wall", found["wall"], "s"),
        Row("CPU", found["cpu"], "s"),
        Row("memory, more than before", found["memory"], "MiB"),
    )
    return Section(
        f"Azure, {vms} VMs planned, {found['extensions']:.0f} extensions unchanged, {found['round trip'] * 1000:.0f} ms a round trip", rows, (SERVICE,)
    )
