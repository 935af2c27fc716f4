"""A fleet that is not in Azure pays nothing for it: no library of Azure's is imported, nor our client."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import SPECS

CALLS = """
import sys
from reconciler.cli.main import run
codes = [run(words) for words in (["emulate", "new", "lab"], ["--estate", "lab", "plan"], ["--estate", "lab", "doctor"])]
print(codes, sorted(name for name in sys.modules if name.split(".")[0] in ("azure", "msal") or name == "reconciler.azure.connect"))
"""


def test_nothing_of_azure_is_imported_for_a_fleet_that_is_not_in_it(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "fleet.yaml").write_text(SPECS, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", CALLS], cwd=tmp_path, env={"XDG_STATE_HOME": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[0, 2, 0] []"
