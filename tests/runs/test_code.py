"""The code a run starts from."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from cloister.keys.recovery import write_code
from cloister.runs.code import CodeState, besides, capture


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def names(state: CodeState) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(state.archive)) as tar:
        return tar.getnames()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "train.py").write_text("print(1)\n")
    git(tmp_path, "add", "train.py")
    git(tmp_path, "commit", "-qm", "one")
    return tmp_path


def test_a_clean_commit_says_it_all(repository: Path) -> None:
    state = capture(repository)
    assert state.clean
    assert state.commit is not None
    assert names(state) == ["changes.diff", "files/train.py"]


def test_one_changed_line_changes_the_digest_and_is_kept(repository: Path) -> None:
    before = capture(repository)
    (repository / "train.py").write_text("print(2)\n")
    after = capture(repository)
    assert not after.clean
    assert after.digest != before.digest
    with tarfile.open(fileobj=io.BytesIO(after.archive)) as tar:
        diff = tar.extractfile("changes.diff")
        assert diff is not None
        assert b"+print(2)" in diff.read()


def test_new_files_are_kept_and_ignored_ones_are_not(repository: Path) -> None:
    (repository / ".gitignore").write_text("scratch/\n")
    (repository / "scratch").mkdir()
    (repository / "scratch/x.py").write_text("0")
    (repository / "new.py").write_text("0")
    kept = names(capture(repository))
    assert kept[:3] == ["changes.diff", "files/.gitignore", "files/new.py"]
    assert kept[3:] == ["files/scratch", "files/train.py"]  # the folder, without what it holds


def test_what_the_command_names_is_kept_although_git_ignores_it(repository: Path) -> None:
    (repository / ".gitignore").write_text("scratch/\n")
    (repository / "scratch").mkdir()
    (repository / "scratch/x.py").write_text("0")
    (repository / "scratch/y.py").write_text("0")
    argv = ("python", "scratch/../scratch/x.py", "train.py", "../z.py", "a" * 5000 + ".py")
    state = capture(repository, named=argv)
    kept = [name for name in names(state) if name.endswith(".py")]
    assert kept == ["files/scratch/x.py", "files/train.py"]
    (repository / "scratch/x.py").write_text("1")
    assert capture(repository, named=argv).digest != state.digest
    whole = capture(repository, named=(str(repository / "scratch/x.py"),))
    assert "files/scratch/x.py" in names(whole)


def test_a_working_folder_that_git_ignores_is_kept_by_itself(repository: Path) -> None:
    (repository / ".gitignore").write_text("scratch/\n")
    scratch = repository / "scratch"
    scratch.mkdir()
    (scratch / "x.py").write_text("0")
    state = capture(scratch)
    assert state.commit is None
    assert names(state) == ["changes.diff", "files/x.py"]


def test_data_folders_are_no_code(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/labels.json").write_text("{}")
    (tmp_path / "train.py").write_text("0")
    assert names(capture(tmp_path, exclude=[tmp_path / "data"])) == [
        "changes.diff",
        "files/train.py",
    ]


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a" * 36,
        write_code(b"0123456789abcdefghij"),
    ],
)
def test_what_looks_like_a_secret_is_withheld_but_counted(tmp_path: Path, secret: str) -> None:
    (tmp_path / "train.py").write_text(f"key = '{secret}'\n")
    state = capture(tmp_path)
    assert state.withheld == 1
    assert secret.encode() not in state.archive


def test_the_same_code_gives_the_same_archive(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("0")
    (tmp_path / "a.py").write_text("0")
    assert capture(tmp_path) == capture(tmp_path)


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "secret.py").write_text("0")
    (tmp_path / "work/link.py").symlink_to(tmp_path / "secret.py")
    assert names(capture(tmp_path / "work")) == ["changes.diff"]


def test_tables_and_images_are_no_code_even_when_git_does_not_know_them(
    repository: Path,
) -> None:
    for name in ("labels.csv", "scan.dcm", "IM0001", "model.onnx"):
        (repository / name).write_text("P0017")
    assert capture(repository).clean


def test_changes_of_data_under_git_are_no_code(repository: Path) -> None:
    data = repository / "data (1)"
    data.mkdir()
    (data / "notes.txt").write_text("P0017")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "two")
    (data / "notes.txt").write_text("P0018")
    assert capture(repository, exclude=[data]).clean
    assert b"P0018" in capture(repository).archive


def test_a_large_file_of_code_counts_although_it_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "big.ipynb").write_bytes(b"0" * (2 << 20))
    before = capture(tmp_path)
    assert before.withheld == 1
    (tmp_path / "big.ipynb").write_bytes(b"1" * (2 << 20))
    assert capture(tmp_path).digest != before.digest


def test_programs_that_a_folder_names_for_git_do_not_run(repository: Path) -> None:
    spy = repository / "spy.sh"
    spy.write_text("#!/bin/sh\ntouch ran\ncat\n")
    spy.chmod(0o755)
    (repository / ".gitattributes").write_text("*.py diff=spy\n")
    for name in ("core.fsmonitor", "diff.external", "diff.spy.command", "diff.spy.textconv"):
        git(repository, "config", name, str(spy))
    (repository / "train.py").write_text("print(2)\n")
    assert b"+print(2)" in capture(repository).archive
    assert not (repository / "ran").exists()


def test_what_is_not_in_the_archive_is_named(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.txt\n")
    for name in ("table.csv", "deep/weights.pt", "notes.txt", "data/P1.csv", ".venv/x.py"):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text("x")
    data = [repository / "data"]
    state = capture(repository, exclude=data)
    assert "files/train.py" in names(state)
    found = besides(repository, state, exclude=data)
    assert found == ["notes.txt", "table.csv", "deep/weights.pt"]
