"""Drivers by one word: publisher, type and version of the extensions that the documentation names, and how their exit codes are read.

Read by `azure_vm_extension`, its outcomes and its rules. Sources: azure-extensions 2.1, 2.2 (versions as documented, not the newest), 2.3.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

HPC = "Microsoft.HpcCompute"
COMPUTE = "Microsoft.Compute"


class Driver(StrEnum):
    """A word for publisher and type, with the documented version where none is written."""

    INFINIBAND_WINDOWS = "InfiniBandDriverWindows"
    INFINIBAND_LINUX = "InfiniBandDriverLinux"
    NVIDIA_WINDOWS = "NvidiaGpuDriverWindows"
    AMD_WINDOWS = "AmdGpuDriverWindows"
    CUSTOM_SCRIPT = "CustomScriptExtension"

    @property
    def publisher(self) -> str:
        return COMPUTE if self is Driver.CUSTOM_SCRIPT else HPC

    @property
    def type(self) -> str:
        return self.value

    @property
    def version(self) -> str:
        return {"InfiniBandDriverWindows": "1.5", "InfiniBandDriverLinux": "1.2", "NvidiaGpuDriverWindows": "1.10", "AmdGpuDriverWindows": "1.1"}.get(
            self.value, "1.10"
        )


INFINIBAND = ("infinibanddriverwindows", "infinibanddriverlinux")
GPU = ("nvidiagpudriverwindows", "amdgpudriverwindows")
LINUX = ("infinibanddriverlinux",)
SLOW = ("customscriptextension", "customscript", "dsc", "chefclient")  # 90 minutes instead of 20 (1.4)


def is_driver(publisher: str, type: str) -> bool:
    return publisher.casefold() == HPC.casefold() and type.casefold() in (*INFINIBAND, *GPU)


def within(type: str) -> timedelta:
    """Never shorter than what the platform allows (1.4)."""
    return timedelta(minutes=95 if type.casefold() in SLOW else 30)


def log_folder(publisher: str, type: str) -> str:
    """Where the handler writes on the VM. The AMD page has a folder of another name (2.2)."""
    return rf"C:\WindowsAzure\Logs\Plugins\{publisher}.{'AmdGpuDriverMicrosoft' if type.casefold() == 'amdgpudriverwindows' else type}"
