"""Claim: nothing in a pretrained model runs or leads elsewhere, and jobs get what was added."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cloister.core.errors import BadInput
from cloister.models.snapshot import check_file, check_name, files_of
from tests.conftest import Shell


def weights(size: int = 3) -> bytes:
    from safetensors.numpy import save

    return save({"w": np.arange(size, dtype=np.float32)})


def snapshot(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights(600_000))
    return folder


PICKLE = pickle.dumps({"weights": os.getcwd})


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "model.pt",
        "model.pkl",
        "model.ckpt",
        "weights.joblib",
        "model.safetensors",
        "config.json",
        "vocab.txt",
        "README.md",
        "tokenizer.model",
        "merges",
        "model.h5",
        "model.msgpack",
        "lib.so",
        "noname",
    ],
)
def test_a_pickle_is_not_kept_under_any_name(tmp_path: Path, name: str) -> None:
    for protocol in range(6):
        file = tmp_path / "file"
        file.write_bytes(pickle.dumps({"weights": os.getcwd}, protocol))
        if name in {"vocab.txt", "README.md", "merges"} and protocol == 0:
            continue  # that is text, and nothing reads it but as text
        with pytest.raises(BadInput):
            check_file(name, file)


@pytest.mark.parametrize("content", [b"", b"\x10", (9).to_bytes(8, "little") + b"{}", PICKLE])
def test_weights_must_be_what_their_name_says(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(BadInput, match="not a safetensors"):
        check_file("model.safetensors", file)


def test_python_is_refused_wherever_a_model_asks_for_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for name, content in (
        ("modeling.py", "print()"),
        ("config.json", '{"auto_map": {"AutoModel": "modeling.Net"}}'),
        ("tokenizer_config.json", '{"auto_map": {"AutoTokenizer": ["tokenize.Mine", null]}}'),
    ):
        file.write_text(content)
        with pytest.raises(BadInput, match="Python"):
            check_file(name, file)
        check_file(name, file, allow_code=True)


def outside(folder: Path) -> None:
    (folder / "vocab.txt").symlink_to("/etc/passwd")


def above(folder: Path) -> None:
    (folder.parent / "secret.txt").write_text("secret")
    (folder / "vocab.txt").symlink_to("../secret.txt")


def a_folder(folder: Path) -> None:
    (folder / "more").symlink_to("/etc")
    (folder / "vocab.txt").symlink_to("more/passwd")


@pytest.mark.parametrize("plant", [outside, above, a_folder])
def test_a_link_that_leads_out_is_refused(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    folder = snapshot(tmp_path / "m")
    plant(folder)
    with pytest.raises(BadInput, match="leads out"):
        list(files_of(folder))


def test_links_of_the_hubs_own_cache_are_followed(tmp_path: Path) -> None:
    blobs, place = tmp_path / "blobs", tmp_path / "snapshots/abc"
    blobs.mkdir()
    place.mkdir(parents=True)
    (blobs / "1234").write_text("{}")
    (place / "config.json").symlink_to("../../blobs/1234")
    assert [path for path, _ in files_of(place)] == ["config.json"]


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b/c", "a--b", "/etc", "a b", "a/../b"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(BadInput):
        check_name(name, "mit")


def test_a_licence_must_be_said() -> None:
    for license_id in ("", "-", "see file", "x" * 65):
        with pytest.raises(BadInput, match="licence"):
            check_name("a", license_id)


def test_patient_data_do_not_become_a_pretrained_model(scans: Shell) -> None:
    """They would lie in the store as they are."""
    (scans.folder / "scans/config.json").write_text("{}")
    for folder in ("scans", "scans/P001", "."):
        (scans.folder / folder / "config.json").write_text("{}")
        failed = scans("hub", "add", folder, "--license", "mit", "--name", "m", status=2)
        assert "patient data" in failed.stderr, folder
    inside = str(scans.home / "cloister-lab/store")
    failed = scans("hub", "add", inside, "--license", "mit", "--name", "m", status=2)
    assert "patient data" in failed.stderr


@pytest.mark.parametrize("path", ["config.json", "model.safetensors"])
def test_a_changed_byte_is_found_before_a_job_starts(lab: Shell, path: str) -> None:
    snapshot(lab.folder / "m")
    added = lab.json("hub", "add", "m", "--license", "mit")
    mark = b"{}" if path == "config.json" else np.arange(600_000, dtype="<f4").tobytes()[-64:]
    changed = False
    for file in (lab.home / "cloister-lab/store").rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        place = content.rfind(mark)
        if place >= 0:
            file.chmod(0o600)
            file.write_bytes(
                content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
            )
            changed = True
    assert changed
    failed = lab("run", "--hub", added["name"], "--", "echo", "started", status=6)
    assert "E501" in failed.stderr
    assert "started" not in failed.stdout
