"""`make demo`: one host from nothing to converged, drift put back, a failed deployment mended, a driver on a VM in Azure, all on an emulated estate.

Runs the same commands that a person types, in a temporary folder, and says what to look at. Ends non-zero if any of them did
not end as it should.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

RECONCILE = (sys.executable, "-c", "from reconciler.cli.main import main; main()")
ROOT = Path(__file__).resolve().parents[1]
KEYS = {f"DPS_KEY_{name}": "ZGVtby1rZXktZm9yLXRoZS1lbXVsYXRlZC1lc3RhdGU=" for name in ("EDGE_01", "KIOSK_04", "PLANT_RTM_01")}
SAYS = "Host has 3412 MB free, a minimum of 4096 MB is required"


@dataclass(frozen=True, slots=True)
class Scene:
    """What is told, what is typed, and how it must end."""

    told: str
    line: str
    code: int = 0


SCENES = (
    Scene("The fleet is declared in specs/. Every error would be told at once; no host is asked.", "reconcile validate"),
    Scene("Bare Windows machines for it, emulated, with a clock of their own: an hour there is a moment here.", "reconcile emulate new $ESTATE"),
    Scene("What would happen to edge-01: through the missing role, through the restart, to the provisioned machine.", "reconcile plan edge-01", 2),
    Scene("Do it. The host restarts in the middle; the deployment runs as a job on the host.", "reconcile apply edge-01 --yes"),
    Scene("And again: nothing is left to do.", "reconcile plan edge-01"),
    Scene("Somebody removes the NAT by hand, on the host.", "reconcile emulate run edge-01 'Remove-NetNat -Name eflow -Confirm:$false'"),
    Scene("What did the world do? Not what Git asks for: what moved on the host.", "reconcile drift edge-01", 2),
    Scene("Put back just that.", "reconcile apply edge-01 --yes"),
    Scene(
        "On kiosk-04, Deploy-Eflow will fail as it does for want of memory: without throwing.",
        f"reconcile emulate fault kiosk-04 --cmdlet Deploy-Eflow --says '{SAYS}'",
    ),
    Scene("The failure, in the host's own words; what stands, what waits, what to type next.", "reconcile apply kiosk-04 --yes", 1),
    Scene("The memory is free again.", "reconcile emulate heal kiosk-04"),
    Scene("The product wants its left-overs gone before another try. The plan knows, and loses nothing by it.", "reconcile plan kiosk-04", 2),
    Scene("Mended.", "reconcile apply kiosk-04 --yes"),
    Scene("hpc-01 is a VM in Azure with InfiniBand. No line leads to it: Azure is asked about it.", "reconcile doctor hpc-01"),
    Scene("Its driver is declared. This is what you would type, by az or PowerShell.", "reconcile plan hpc-01 --show-commands", 2),
    Scene("The installer will want a restart (exit code 3010); the specs let it have one.", "reconcile emulate installer hpc-01 infiniband --exit 3010"),
    Scene("The driver, then the restart, both through Azure Resource Manager.", "reconcile apply hpc-01 --yes"),
    Scene("As declared, on both planes; no second restart.", "reconcile plan edge-01 kiosk-04 hpc-01"),
)


def main() -> int:
    started = time.monotonic()
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    with tempfile.TemporaryDirectory(prefix="reconcile-demo-") as folder:
        estate = str(Path(folder) / "lab")
        environment = os.environ | KEYS | {"RECONCILE_ESTATE": estate, "PYTHONIOENCODING": sys.stdout.encoding or "utf-8"}
        for number, scene in enumerate(SCENES, 1):
            tell(number, scene, colour)
            words = shlex.split(scene.line.replace("$ESTATE", shlex.quote(estate)))
            code = subprocess.run((*RECONCILE, *words[1:]), cwd=ROOT, env=environment, check=False).returncode
            if code != scene.code:
                say(f"\nthe demo stops here: exit {code}, and {scene.code} was expected", "1;31", colour)
                return 1
            say(f"[exit {code}]", "2", colour)
    say(f"\n{len(SCENES)} commands in {time.monotonic() - started:.0f} s, each ended as it should.", "1;32", colour)
    return 0


def tell(number: int, scene: Scene, colour: bool) -> None:
    say(f"\n── {number}/{len(SCENES)} ── {scene.told}", "1;36", colour)
    say(f"$ {scene.line.replace('$ESTATE', 'lab')}\n", "1", colour)


def say(text: str, style: str, colour: bool) -> None:
    shown = text if (sys.stdout.encoding or "").lower().replace("-", "") == "utf8" else text.replace("─", "-").encode("ascii", "replace").decode()
    print(f"\x1b[{style}m{shown}\x1b[0m" if colour else shown, flush=True)


if __name__ == "__main__":
    sys.exit(main())
