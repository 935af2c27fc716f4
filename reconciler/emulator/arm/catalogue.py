"""What regions offer: sizes with their facts (Resource SKUs API) and versions of extension types. Sections 1.1, 2, 3.

`SIZES` and `IMAGES` are what a new Azure offers in every region; a test may change the lists of its own.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from reconciler.emulator.arm.messages import Answer, ArmError
from reconciler.emulator.arm.model import COMPUTE, Image, Size
from reconciler.emulator.arm.versions import numbers
from reconciler.emulator.arm.world import World

WHERE = re.compile(r"location\s+eq\s+'([^']*)'", re.IGNORECASE)


def sizes() -> list[Size]:
    """Names of families as the API writes them [doc 3]; numbers are those of the size pages."""
    return [
        _size("Standard_D2s_v3", "standardDSv3Family", 2, 8),
        _size("Standard_D4s_v4", "standardDSv4Family", 4, 16),
        _size("Standard_D4s_v5", "standardDSv5Family", 4, 16),
        _size("Standard_D8s_v5", "standardDSv5Family", 8, 32),
        _size("Standard_D4ps_v6", "StandardDpsv6Family", 4, 16, CpuArchitectureType="Arm64", HyperVGenerations="V2"),
        _size("Standard_E8s_v5", "standardESv5Family", 8, 64),
        _size("Standard_F8s_v2", "standardFSv2Family", 8, 16),
        _size("Standard_B2ms", "standardBSFamily", 2, 8),
        _size("Standard_DC4as_v5", "standardDCASv5Family", 4, 16, HyperVGenerations="V2", ConfidentialComputingType="SNP"),
        _size("Standard_M64s", "standardMSFamily", 64, 1024, TrustedLaunchDisabled="True"),
        _size("Standard_HB120rs_v2", "standardHBrsv2Family", 120, 456, RdmaEnabled="True", TrustedLaunchDisabled="True"),
        _size("Standard_HB120rs_v3", "standardHBv3Family", 120, 448, RdmaEnabled="True"),
        _size("Standard_HB176rs_v4", "standardHBv4Family", 176, 768, RdmaEnabled="True", HyperVGenerations="V2"),
        _size("Standard_NC24rs_v3", "standardNCSv3Family", 24, 448, RdmaEnabled="True", GPUs="4"),
        _size("Standard_NC4as_T4_v3", "Standard NCASv3_T4 Family", 4, 28, GPUs="1"),
    ]


def _size(name: str, family: str, cpus: int, memory: int, **more: str) -> Size:
    """Capabilities are text, `RdmaEnabled` also where it is False; `TrustedLaunchDisabled` only where it is True [doc 3]."""
    facts = {"vCPUs": str(cpus), "vCPUsAvailable": str(cpus), "MemoryGB": str(memory), "CpuArchitectureType": "x64", "HyperVGenerations": "V1,V2"}
    facts |= {
        "PremiumIO": "True",
        "AcceleratedNetworkingEnabled": "True",
        "RdmaEnabled": "False",
        "EphemeralOSDiskSupported": "True",
        "MaxNetworkInterfaces": "8",
    }
    return Size(name, family, facts | more)


def images() -> list[Image]:
    """Documented versions [doc 2.1, 2.2]; their third and fourth numbers, and which take the automatic upgrade beyond HpcCompute: [assume]."""
    hpc = "Microsoft.HpcCompute"
    return [
        Image(hpc, "InfiniBandDriverWindows", ["1.0.0.0", "1.2.0.0", "1.5.0.0", "1.5.0.1"]),
        Image(hpc, "InfiniBandDriverLinux", ["1.1.0.0", "1.2.0.0"]),
        Image(hpc, "NvidiaGpuDriverWindows", ["1.3.0.0", "1.9.0.0", "1.10.0.0"]),
        Image(hpc, "NvidiaGpuDriverLinux", ["1.9.0.0", "1.10.0.0"]),
        Image(hpc, "AmdGpuDriverWindows", ["1.0.0.0", "1.1.0.0"]),
        Image("Microsoft.Compute", "CustomScriptExtension", ["1.9.5", "1.10.15", "1.10.20"]),
        Image("Microsoft.Azure.Extensions", "CustomScript", ["2.0.7", "2.1.10"]),
        Image("Microsoft.Azure.Monitor", "AzureMonitorWindowsAgent", ["1.0.0.0", "1.22.0.0"], automatic=True),
        Image("Microsoft.ManagedServices", "ApplicationHealthWindows", ["1.0.0.0", "2.0.0.0"], automatic=True),
        Image("Microsoft.Azure.Security", "IaaSAntimalware", ["1.3.0.0"]),
        Image("Microsoft.Azure.ServiceFabric", "ServiceFabricNode", ["1.1.0.0"], creation=True),
    ]


def skus(world: World, _: None = None) -> Answer:
    """Paged [doc 1.1]; how a page is asked for is the service's own affair [assume]."""
    wanted = WHERE.search(world.request.parameters.get("$filter", ""))
    location = wanted.group(1).lower() if wanted else "westeurope"
    rows = [_sku(size, location) for size in world.cloud.sizes if size.offered(location)]
    return paged(world, rows, 8)


def paged(world: World, rows: list[dict[str, Any]], size: int) -> Answer:
    """A page of rows; nextLink says how to get on. The token in it is the caller's to replay as it is."""
    token = world.request.parameters.get("$skiptoken", "0")
    at = int(token) if token.isdecimal() else 0
    body: dict[str, Any] = {"value": rows[at : at + size]}
    if at + size < len(rows):
        kept = "&".join(f"{name}={quote(value)}" for name, value in world.request.parameters.items() if name != "$skiptoken")
        body["nextLink"] = f"{world.request.base}{world.request.path}?{kept}&%24skiptoken={at + size}"
    return Answer(200, body)


def _sku(size: Size, location: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": "Standard",
        "size": size.name.partition("_")[2],
        "family": size.family,
    }
    shown |= {"locations": [location], "locationInfo": [{"location": location, "zones": ["1", "2", "3"], "zoneDetails": []}], "restrictions": []}
    return shown | {"capabilities": [{"name": name, "value": value} for name, value in size.facts.items()]}


def versions(world: World, _: None = None) -> Answer:
    """A bare array, not `value` [spec 1.1]."""
    publisher, kind = world.names["publisher"], world.names["type"]
    found = world.cloud.image(publisher, kind, world.names["location"])
    if found is None:
        raise ArmError(404, "ArtifactNotFound", f"The VM extension with publisher '{publisher}' and type '{kind}' could not be found.")
    head = f"/Subscriptions/{world.names['subscription']}/Providers/{COMPUTE}/Locations/{world.names['location']}/Publishers/{found.publisher}"
    head += f"/ArtifactTypes/VMExtension/Types/{found.type}/Versions"
    return Answer(200, [{"location": world.names["location"], "name": v, "id": f"{head}/{v}"} for v in sorted(found.versions, key=numbers)])
