"""Adding and removing Windows features: at once, or pending until the restart. ServerManager and DISM both change them here."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Feature
from reconciler.emulator.timeline import PENDING_KEY, installed, removed


def alter(machine: Machine, features: Sequence[Feature], *, add: bool) -> bool:
    """Changes states; whether the change waits for a restart. A pending change the other way is merely taken back."""
    waits = False
    for feature in features:
        if feature.restart:
            undone = feature.state == ("UninstallPending" if add else "InstallPending")
            feature.state = ("Installed" if add else "Available") if undone else ("InstallPending" if add else "UninstallPending")
            waits = waits or not undone
        else:
            feature.state = "Installed" if add else "Available"
            (installed if add else removed)(machine, feature)
    if waits:
        machine.servicing_pending = True
        machine.registry.create(PENDING_KEY)
    return waits
