"""Hostile or broken files cost neither two seconds nor 300 MiB, and never end in a traceback."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.kinds import Registry
from reconciler.manifests import load
from reconciler.manifests.report import LIMIT, Report
from reconciler.manifests.syntax import documents

MIB = 1024 * 1024
HEAD = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: h}\nspec:\n  resources:\n"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(8))

HOSTILE = {
    "billion-laughs": (LAUGHS, "MAN027"),
    "brackets": ("[" * 1_000_000, "MAN026"),
    "braces": ("{a: " * 200_000, "MAN026"),
    "dashes": ("- " * 500_000 + "x", "MAN026"),
    "aliases-in-depth": (
        "a: &a [[[[[[[[[[[[x]]]]]]]]]]]]\nb: &b [[[[[[[[[[[[*a]]]]]]]]]]]]\nc: &c [[[[[[[[[[[[*b]]]]]]]]]]]]\nd: [[[[[[[[[[[[*c]]]]]]]]]]]]\n",
        "MAN026",
    ),
    "many-values": ("[" + "a," * 1_500_000 + "]", "MAN027"),
    "many-values-in-documents": ("--- [" + "a," * 90_000 + "]\n" + "--- [" * 1 + ("a," * 90_000 + "]\n--- [") * 10 + "]", "MAN027"),
    "many-syntax-errors": ("--- [\n" * 500_000, "MAN001"),
    "many-duplicates": ("a: 1\n" * 700_000, "MAN007"),
    "many-unknown-fields": (HEAD + "    Switch/a:\n" + "".join(f"      contt{n}: 1\n" for n in range(30_000)), "MAN004"),
    "one-long-key": (HEAD + f"    Switch/a: {{? {'x' * 3_000_000} : 1}}\n", "MAN004"),
    "one-long-number": (HEAD + f"    Switch/a: {{count: {'9' * 3_000_000}}}\n", "MAN005"),
    "one-long-duration": (HEAD + f"    Switch/a: {{lease: {'9' * 3_000_000}}}\n", "MAN005"),
    "one-long-line-of-tabs": ("a:\n" + "\t" * 3_000_000 + "b: 1\n", "MAN025"),
    "many-expressions": (HEAD + "    Switch/a:\n      note: " + "${host.name} " * 200_000, "MAN005"),
    "many-anchors": ("".join(f"k{n}: &a{n} x\n" for n in range(200_000)), "MAN027"),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_file_is_refused_in_time(name: str, tmp_path: Path, registry: Registry) -> None:
    text, code = HOSTILE[name]
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    started = time.process_time()
    manifest = load([tmp_path], registry)
    took = time.process_time() - started
    assert code in [d.code for d in manifest.diagnostics]
    assert len(manifest.diagnostics) <= LIMIT + 2
    assert took < 2
    assert not manifest.complete


@pytest.mark.parametrize("name", ["billion-laughs", "many-values", "many-duplicates", "many-unknown-fields"])
def test_a_hostile_file_takes_little_memory(name: str, tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "a.yaml").write_text(HOSTILE[name][0], encoding="utf-8")
    tracemalloc.start()
    try:
        load([tmp_path], registry)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300 * MIB


def test_a_file_with_more_errors_than_one_reads_says_so(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n" * 1000, encoding="utf-8")
    (tmp_path / "b.yaml").write_text("apiVersion: reconciler/v1\nkind: Hots\n", encoding="utf-8")
    found = [d.code for d in load([tmp_path], registry).diagnostics]
    assert found.count("MAN007") == LIMIT
    assert found[-2:] == ["MAN037", "MAN003"]


PIECES = st.sampled_from(
    [
        "a",
        "b: ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ": ",
        ", ",
        "\n",
        "  ",
        "\n  ",
        "---\n",
        "...\n",
        "&x ",
        "*x",
        "!t ",
        "'",
        '"',
        "|\n",
        "#",
        "? ",
        "<<: ",
        "\t",
        "%",
        "~",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=40))
def test_no_text_ends_in_a_traceback(pieces: list[str]) -> None:
    report = Report()
    nodes = list(documents("".join(pieces), "a.yaml", report))
    assert all(d.position is not None and d.position.line >= 1 and d.position.column >= 1 for d in report.sorted())
    assert all(node.line >= 1 for node in nodes)
