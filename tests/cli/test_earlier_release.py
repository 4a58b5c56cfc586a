"""A lab that an earlier release wrote opens, reads, checks and goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Shell, new_shell

pytestmark = pytest.mark.file_database
GOLDEN = sorted((ROOT / "tests/golden").glob("lab-*"))
"""One for each release, made by it with tools/golden_lab.py and never again."""


@pytest.fixture(scope="module", params=GOLDEN, ids=lambda path: path.name)
def release(request: pytest.FixtureRequest) -> Path:
    """The folder of one release's lab."""
    folder: Path = request.param
    return folder


@pytest.fixture(scope="module")
def earlier(release: Path) -> Iterator[tuple[Shell, dict[str, Any]]]:
    """That lab in a home, open, and what must be in it; a copy from before in `before`."""
    with new_shell() as shell:
        with tarfile.open(release / "lab.tar.xz") as archive:
            archive.extractall(shell.home, filter="tar")
        expected = json.loads((release / "expected.json").read_text())
        (shell.home / "passphrase").write_text(expected["passphrase"] + "\n")
        shutil.copytree(shell.home / "cloister-lab", shell.folder / "before")
        (shell.home / ".config/cloister").mkdir(parents=True)
        (shell.home / ".config/cloister/lab").write_text(f"{shell.home / 'cloister-lab'}\n")
        shell("unlock")
        said = shell("ls").stderr
        assert "an earlier release wrote" in said
        [kept] = (shell.home / "cloister-lab").glob("lab.db.before-*")
        assert str(kept) in said
        assert "an earlier release wrote" not in shell("ls").stderr
        yield shell, expected


def test_there_is_a_lab_of_the_release_before() -> None:
    assert [path.name for path in GOLDEN][:1] == ["lab-0.1"]


def test_its_history_is_whole_and_extends_what_was_seen(
    earlier: tuple[Shell, dict[str, Any]],
) -> None:
    shell, expected = earlier
    audit = shell.json("audit")
    assert (audit["whole"], audit["head"]) == (True, "extends")
    assert audit["size"] >= expected["audit"]["size"]


def test_every_record_reads_as_it_was_added(earlier: tuple[Shell, dict[str, Any]]) -> None:
    shell, expected = earlier
    shell("get", "data1", "-o", "back")
    back = shell.folder / "back"
    found = {
        str(path.relative_to(back)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in back.rglob("*.txt")
    }
    assert found == expected["plaintext_sha256"]
    assert json.loads(shell("get", "last", "metrics.json").stdout)["files"] == 13


def test_whoever_was_erased_stays_erased(earlier: tuple[Shell, dict[str, Any]]) -> None:
    shell, expected = earlier
    trace = shell.json("trace", expected["erased"]["subject"])
    assert trace["erased"] is not None
    assert "E400" in shell("get", trace["records"][0], status=5).stderr
    shell("prove", expected["erased"]["operation"], "-o", "proof")


def test_a_copy_of_it_from_before_still_reads(earlier: tuple[Shell, dict[str, Any]]) -> None:
    shell, expected = earlier
    said = shell.json("readback", "before", "--sample", "100")["sample"]
    assert said["readable"] == said["records"] > len(expected["plaintext_sha256"])


def test_it_goes_on(earlier: tuple[Shell, dict[str, Any]]) -> None:
    shell, _ = earlier
    (shell.folder / "more" / "P009").mkdir(parents=True)
    (shell.folder / "more" / "P009" / "1.txt").write_text("a new patient\n")
    report = shell.json("add", "more", "--subject-pattern", "^(P[0-9]+)/")
    assert report["added"] == 1
    shell("run", "--data", report["dataset"], "--", "cat", "more/P009/1.txt")
    shell("erase", "-", "--reason", "withdrawn", "--yes", typed="P001\n")
    assert shell.json("audit")["whole"]


def test_its_recovery_code_opens_it(earlier: tuple[Shell, dict[str, Any]]) -> None:
    shell, expected = earlier
    shell("lock")
    (shell.home / "passphrase").write_text("another passphrase altogether\n")
    shell("unlock", "--recovery", typed=expected["recovery_code"] + "\n")
    assert shell.json("audit")["whole"]
