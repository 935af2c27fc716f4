"""Lines for error frames: cut where positions count them, and without the secrets that errors are about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.manifests import Lines, sources

HEAD = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: h}\nspec:\n  resources:\n    Machine:\n      version: '1'\n      login:\n        user: u\n"


def frame_lines(load_text: Callable[..., Any], text: str) -> str:
    manifest = load_text(HEAD + text)
    lines = sources(manifest)
    assert not manifest.complete
    told = "\n".join(f"{d.message} {d.label} {d.help} {d.details}" for d in manifest.diagnostics)
    return told + "\n".join(lines.file("a.yaml")[9:])


def test_a_secret_written_out_is_repeated_nowhere(load_text: Any) -> None:
    assert "hunter2" not in frame_lines(load_text, "        password: hunter2\n")
    assert "hunter2" not in frame_lines(load_text, '        password: "hunter2 is my word"\n')
    assert "hunter2" not in frame_lines(load_text, "        password: [hunter2]\n")
    assert "hunter2" not in frame_lines(load_text, "        password: {plain: hunter2}\n")
    assert "hunter2" not in frame_lines(load_text, "        password: {env: hunter2!}\n")
    assert "hunter2" not in frame_lines(load_text, "        password: {env: A, key: hunter2}\n")


def test_a_secret_over_several_lines_is_covered_whole(load_text: Any) -> None:
    shown = frame_lines(load_text, "        password: |\n          hunter2\n\n          hunter2\n")
    assert "hunter2" not in shown
    assert "hunter2" not in frame_lines(load_text, "        password:\n          hunter2 or\n          hunter2\n")


def test_a_secret_under_a_misspelt_field_is_covered_too(load_text: Any) -> None:
    shown = frame_lines(load_text, "        pasword: hunter2\n")
    assert "did you mean password?" in shown
    assert "hunter2" not in shown


def test_other_lines_are_shown_as_they_stand(load_text: Any) -> None:
    manifest = load_text("a: 1\r\nb:\t2\n\n# ü\n")
    lines = sources(manifest)
    assert [lines.line("a.yaml", n) for n in range(6)] == [None, "a: 1", "b: 2", "", "# ü", ""]
    assert lines.line("gone.yaml", 1) is None
    assert Lines().line("a.yaml", 1) == "a: 1"
