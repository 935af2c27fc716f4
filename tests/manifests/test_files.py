"""Which files are read, and what cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.core.kinds import Registry
from reconciler.core.resources import Manifest
from reconciler.manifests import load

HOST = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {{name: {}}}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def host(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(HOST.format(Path(path).stem), encoding="utf-8")


def codes(manifest: Manifest) -> list[str]:
    return [f"{d.code} {d.position.file if d.position else '-'}" for d in manifest.diagnostics]


def test_folders_are_read_recursively_in_order_without_hidden_names(registry: Registry) -> None:
    for path in ("specs/b.yaml", "specs/a.yml", "specs/sub/deep/c.yaml", "specs/.hidden.yaml", "specs/.git/d.yaml", "specs/notes.txt"):
        host(path)
    manifest = load([Path("specs")], registry)
    assert manifest.files == ("specs/a.yml", "specs/b.yaml", "specs/sub/deep/c.yaml")
    assert list(manifest.hosts) == ["a", "b", "c"]


def test_a_file_that_is_reached_twice_is_read_once(registry: Registry) -> None:
    host("specs/a.yaml")
    os.symlink("a.yaml", "specs/z.yaml")
    os.symlink("../specs", "specs/again")
    manifest = load([Path("specs"), Path("specs/a.yaml"), Path()], registry)
    assert manifest.files == ("specs/a.yaml",)
    assert manifest.complete


def test_a_link_out_of_the_tree_is_refused(registry: Registry) -> None:
    host("specs/a.yaml")
    host("elsewhere/secret.yaml")
    os.symlink("../elsewhere/secret.yaml", "specs/b.yaml")
    os.symlink("../elsewhere", "specs/dir")
    os.symlink("gone.yaml", "specs/c.yaml")
    manifest = load([Path("specs")], registry)
    assert codes(manifest) == ["MAN024 specs/b.yaml", "MAN023 specs/c.yaml", "MAN024 specs/dir"]
    assert list(manifest.hosts) == ["a"]


def test_what_is_no_file_is_not_waited_for(registry: Registry) -> None:
    Path("specs").mkdir()
    os.mkfifo("specs/pipe.yaml")
    assert codes(load([Path("specs"), Path("nowhere")], registry)) == ["MAN023 nowhere", "MAN023 specs/pipe.yaml"]


def test_an_empty_folder_is_a_warning(registry: Registry) -> None:
    Path("specs").mkdir()
    manifest = load([Path("specs")], registry)
    assert codes(manifest) == ["MAN034 -"]
    assert manifest.complete


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"a: \xff\n", "MAN020 a.yaml:1:4"),
        ("a: é\n".encode("latin-1"), "MAN020 a.yaml:1:4"),
        ("kind: Host\n".encode("utf-16"), "MAN020 a.yaml:1:1"),
        (b"a: 1\nb: \x00\n", "MAN021 a.yaml:2:4"),
        (b"a: \x1b[31m\n", "MAN021 a.yaml:1:4"),
        ("a: \ufeffx\n".encode(), "MAN021 a.yaml:1:4"),
        (b"#" * (4 * 1024 * 1024 + 1), "MAN022 a.yaml:1:1"),
    ],
)
def test_what_is_no_text_is_refused_at_its_place(registry: Registry, content: bytes, found: str) -> None:
    Path("a.yaml").write_bytes(content)
    host("b.yaml")
    manifest = load([Path()], registry)
    assert [f"{d.code} {d.position}" for d in manifest.diagnostics] == [found]
    assert list(manifest.hosts) == ["b"]


def test_a_name_that_does_not_print_is_not_read(registry: Registry) -> None:
    Path("a\nb.yaml").write_text("x", encoding="utf-8")
    assert codes(load([Path()], registry)) == ["MAN023 -"]
