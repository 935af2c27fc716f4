"""Every name that a session of ours may say on a host: the invoker's allow-list."""

from __future__ import annotations

from reconciler.core.calls import Arm, Cmdlet
from reconciler.core.capabilities import WORDS
from reconciler.core.kinds import Registry

RESTART = Cmdlet("Restart-Computer", ("Force",))
RESTART_VM = Arm("VirtualMachines_Restart")


def vocabulary(registry: Registry) -> tuple[str, ...]:
    """Names of cmdlets and programs, sorted: of kinds, rules, capabilities, and the restart."""
    return tuple(sorted({*registry.words(), *(word.name for word in WORDS), RESTART.name}))
