"""Claim: no key, row or planted file makes the store read or write outside its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloister.core.errors import BadInput, IntegrityError
from cloister.store import FileBackend
from cloister.testing.backend_suite import MALFORMED


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    secret = tmp_path / "lab.db"
    secret.write_bytes(b"outside")
    return secret


@pytest.fixture
def backend(tmp_path: Path) -> FileBackend:
    return FileBackend.open(tmp_path / "store")


def tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("key", MALFORMED)
def test_a_key_that_leads_elsewhere_is_refused_by_every_verb(
    tmp_path: Path, backend: FileBackend, outside: Path, key: str
) -> None:
    before = tree(tmp_path)
    for verb in (
        lambda: backend.put_if_absent(key, [b"x"]),
        lambda: backend.put_if_absent(lambda: key, [b"x"]),
        lambda: backend.get(key, 0, 7),
        lambda: backend.stat(key),
        lambda: backend.delete(key),
    ):
        with pytest.raises(BadInput):
            verb()
    assert tree(tmp_path) == before
    assert outside.read_bytes() == b"outside"


@pytest.mark.parametrize("prefix", ["../", "/", "raw/../../", ".incoming/", "raw"])
def test_a_listing_of_elsewhere_is_refused(backend: FileBackend, prefix: str) -> None:
    with pytest.raises(BadInput):
        list(backend.list(prefix))


def test_a_link_in_place_of_a_blob_is_not_followed(
    tmp_path: Path, backend: FileBackend, outside: Path
) -> None:
    backend.put_if_absent("raw/a", [b"x"])
    (tmp_path / "store/raw/a").unlink()
    (tmp_path / "store/raw/a").symlink_to(outside)
    with pytest.raises(IntegrityError):
        backend.get("raw/a", 0, 7)
    with pytest.raises(IntegrityError):
        backend.stat("raw/a")
    assert not backend.put_if_absent("raw/a", [b"y"])
    assert outside.read_bytes() == b"outside"
    assert list(backend.list("")) == []


def test_links_to_folders_are_not_listed(
    tmp_path: Path, backend: FileBackend, outside: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/blob").write_bytes(b"x")
    backend.put_if_absent("raw/a", [b"x"])
    (tmp_path / "store/raw/link").symlink_to(tmp_path / "elsewhere")
    assert list(backend.list("")) == ["raw/a"]


def test_a_pipe_in_place_of_a_blob_does_not_hang(tmp_path: Path, backend: FileBackend) -> None:
    backend.put_if_absent("raw/a", [b"x"])
    os.mkfifo(tmp_path / "store/raw/pipe")
    with pytest.raises(IntegrityError):
        backend.get("raw/pipe", 0, 1)
