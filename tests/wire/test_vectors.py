"""The table of requests and frames knows every refusal that docs/wire.md names."""

from __future__ import annotations

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
NEVER_EMULATED = {"HolderAlive", "StartFailed"}  # an emulated process always ends when it is killed, and always starts


def test_every_refusal_in_the_docs_has_a_vector() -> None:
    page = (HERE.parents[1] / "docs" / "wire.md").read_text(encoding="utf-8")
    section = page.partition("## Refusals")[2].partition("## Replay")[0]
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", section))
    table = (HERE / "vectors.json").read_text(encoding="utf-8")
    judged = set(re.findall(r'"(?:refused|fqid)": "([A-Za-z]+)"', table))
    assert len(named) > 25
    assert named - judged == NEVER_EMULATED


def test_every_cut_in_the_docs_has_a_vector() -> None:
    cuts = {frame["cut"] for vector in json.loads((HERE / "vectors.json").read_text(encoding="utf-8")) for frame in vector["frames"] if "cut" in frame}
    assert cuts == {"stopped", "abandoned", "killed", "skipped", "deadline"}
