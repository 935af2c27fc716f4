"""docs/emulated-arm.md: its Python runs, and what it names is there."""

from __future__ import annotations

import re

from tests.docs.fences import ROOT, fences

PAGE = (ROOT / "docs" / "emulated-arm.md").read_text(encoding="utf-8")


def test_the_code_of_the_page_runs() -> None:
    (python,) = [fence for fence in fences(PAGE) if fence.language == "python"]
    names: dict[str, object] = {}
    exec(compile(python.text, "docs/emulated-arm.md", "exec"), names)
    assert names["status"] == 200


def test_every_name_that_the_page_tells_one_to_use_is_there() -> None:
    from reconciler.emulator.arm import building, identity, model, quotas

    for module, name in re.findall(r"`(building|identity|quotas)\.(\w+)", PAGE):
        assert hasattr({"building": building, "identity": identity, "quotas": quotas}[module], name), name
    for name in ("Run", "Principal", "Lock", "Policy", "RequestFault"):
        assert f"{name}(" in PAGE
        assert hasattr(model, name)
