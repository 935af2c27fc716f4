"""The pages of rules as data: what is declared badly and well on each. Read by the tests of this folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.core.kinds import Registry
from reconciler.engine.link import Linked, link
from reconciler.kinds import registry
from reconciler.manifests import load
from reconciler.rules import RULES

DOCS = Path(__file__).resolve().parents[2] / "docs" / "rules"
HOST = "edge-01"
BLOCK = re.compile(r"```yaml\n(sku: .*?)```", re.DOTALL)

# What the pages leave out of every EflowVm.
ALWAYS = {
    "product": "1.5 LTS",
    "version": "'>=1.5.3.12025'",
    "installer": "{url: 'https://files.example.net/eflow.msi', sha256: 9f2c4a7be01d5c6688a3f0f2b7c9d1e45a60718293a4b5c6d7e8f9012345abcd, version: 1.5.3.12025}",
    "acceptEula": "Yes",
}


@cache
def kinds() -> Registry:
    return registry(RULES)


@dataclass(frozen=True)
class Page:
    """`good` is None where the same declaration is good on a host as it should be."""

    id: str
    title: str
    severity: str
    needs_host: bool
    bad: str
    good: str | None


def page(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    head, facts = text.splitlines()[0], text.splitlines()[2].split(" · ")
    id, _, title = head.removeprefix("# ").partition(": ")
    bad, _, rest = text.partition("## Good")
    good = BLOCK.search(rest.partition("## What to do")[0])
    found = BLOCK.search(bad)
    assert found is not None, path
    return Page(id, title, facts[0], facts[1] == "needs a look at the host", found[1], good[1] if good else None)


def pages() -> list[Page]:
    return [page(path) for path in sorted(DOCS.glob("[A-Z][A-Z][A-Z][0-9]*.md"))]


def linked(body: str) -> Linked:
    """One host document with `body` as its spec, through the real reader and linker."""
    lines = []
    for line in body.splitlines():
        lines.append(f"  {line}")
        if line.strip() == "EflowVm:":
            lines += [f"      {name}: {value}" for name, value in ALWAYS.items() if not re.search(rf"^\s+{name}:", body, re.MULTILINE)]
    text = f"apiVersion: reconciler/v1\nkind: Host\nmetadata: {{name: {HOST}}}\nspec:\n" + "\n".join(lines) + "\n"
    with TemporaryDirectory() as folder:
        file = Path(folder) / "host.yaml"
        file.write_text(text, encoding="utf-8")
        return link(load([file], kinds()), kinds())
