"""The PowerShell logging policies of an emulated host. `greeting` reports them, `runner` refuses secrets because of them."""

from __future__ import annotations

from reconciler.emulator.machine import Machine

POLICIES = (("ModuleLogging", "EnableModuleLogging"), ("ScriptBlockLogging", "EnableScriptBlockLogging"), ("Transcription", "EnableTranscripting"))
HIVES = (("HKLM", "LocalMachine"), ("HKCU", "CurrentUser"))


def logging(machine: Machine) -> dict[str, int]:
    """The policies under which what a call is given would be written down."""
    found: dict[str, int] = {}
    for root, hive in HIVES:
        for product in ("Windows\\PowerShell", "PowerShellCore"):
            for key, name in POLICIES:
                value = machine.registry.get(f"{root}\\SOFTWARE\\Policies\\Microsoft\\{product}\\{key}", name)
                if value:
                    found[f"{hive}\\{product}\\{key}"] = int(value)
    return found
