"""A new lab: in a place of its own, whole or not there, and never over another."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.conftest import Shell


def test_a_lab_that_lost_its_settings_is_not_started_over(scans: Shell) -> None:
    lab = scans.home / "cloister-lab"
    (lab / "cloister.toml").rename(scans.home / "aside")
    before = sorted(path for path in lab.rglob("*") if path.is_file())
    for _ in range(2):
        assert "E102" in scans("init", str(lab), status=2).stderr
    assert sorted(path for path in lab.rglob("*") if path.is_file()) == before
    (scans.home / "aside").rename(lab / "cloister.toml")
    assert len(scans.json("ls", "data1")) == 12


def test_a_try_that_was_killed_is_started_over(shell: Shell) -> None:
    for wait_s in (0.3, 0.6, 0.9, 1.2, 1.5, 1.8):
        killed = shell.start("init")
        time.sleep(wait_s)
        killed.kill()
        killed.communicate()
    if not (shell.home / "cloister-lab/cloister.toml").exists():
        shell("init")
    assert shell.json("audit")["whole"]


@pytest.mark.parametrize(
    "left",
    [
        ["..founding.417"],
        [".founding", ".lab.pub.417"],
        [".founding", "lab.pub", ".ca.pem.417"],
        [".founding", "lab.pub", "ca.pem", "lab.db", "lab.db-journal"],
    ],
)
def test_what_a_killed_try_was_writing_is_in_nobodys_way(shell: Shell, left: list[str]) -> None:
    folder = shell.folder / "lab"
    folder.mkdir()
    for name in left:
        (folder / name).touch()
    shell("init", "lab")
    assert not [path for path in folder.iterdir() if "417" in path.name]


def test_two_tries_at_once_make_one_lab(shell: Shell) -> None:
    several = [shell.start("init") for _ in range(3)]
    said = [process.communicate(timeout=120)[1] for process in several]
    statuses = sorted(process.returncode for process in several)
    assert statuses == [0, 2, 2], said
    assert shell.json("audit")["whole"]


@pytest.mark.parametrize("place", ["nowhere/kit", "there", "lab/kit", "home/kit"])
def test_a_kit_that_could_not_be_kept_apart_stops_everything(shell: Shell, place: str) -> None:
    keys = shell.home / ".local/share/cloister"
    keys.mkdir(mode=0o700, parents=True)
    (shell.folder / "there").write_text("mine\n")
    (shell.folder / "home").symlink_to(keys)
    (shell.folder / "lab").mkdir(mode=0o700)
    done = shell("init", "lab", "--save-kit", place, status=2)
    assert "E10" in done.stderr
    assert not list((shell.folder / "lab").iterdir())
    assert not list(keys.iterdir())


def test_the_kit_is_saved_for_its_owner_only(shell: Shell) -> None:
    shown = shell("init", "lab", "--save-kit", "kit").stdout
    kit = shell.folder / "kit"
    assert kit.stat().st_mode & 0o777 == 0o600
    assert kit.read_text() in shown


def test_keys_never_lie_in_the_lab(shell: Shell) -> None:
    inside = {"XDG_DATA_HOME": str(shell.folder / "lab/data")}
    assert "E103" in shell("init", "lab", env=inside, status=2).stderr
    assert "E103" in shell("init", str(shell.home / ".local/share/cloister/x"), status=2).stderr


@pytest.mark.parametrize("file", ["x", "lab.db", "store/x", ".x.417"])
def test_a_folder_with_anything_in_it_is_left_alone(shell: Shell, file: str) -> None:
    path = shell.folder / "lab" / file
    path.parent.mkdir(parents=True)
    path.write_text("mine\n")
    assert "E102" in shell("init", "lab", status=2).stderr
    assert path.read_text() == "mine\n"


def test_where_no_folder_can_be_made_is_a_users_mistake(shell: Shell) -> None:
    (shell.folder / "file").write_text("")
    for place in ("file", "file/lab", "/proc/lab"):
        assert "E10" in shell("init", place, status=2).stderr


@pytest.mark.parametrize("text", ["", "format = 1\n", "format = 2\nlab = 'x'\n", "\xff", "= ="])
def test_settings_that_are_none_are_named(scans: Shell, text: str) -> None:
    (scans.home / "cloister-lab/cloister.toml").write_text(text, encoding="latin-1")
    assert "E103" in scans("ls", status=2).stderr


def test_a_passphrase_file_that_is_not_there_is_named(shell: Shell, tmp_path: Path) -> None:
    missing = {"CLOISTER_PASSPHRASE_FILE": str(tmp_path / "none")}
    assert "E103" in shell("init", env=missing, status=2).stderr


def test_misuse_is_told_in_json_where_json_was_asked_for(scans: Shell) -> None:
    for words in (("ad",), ("get",), ("ls", "--nope"), ("readback", "x", "--sample", "0")):
        done = scans("--json", *words, status=2)
        assert json.loads(done.stderr)["error"]["code"] == "E103"


def test_options_of_the_command_are_left_to_it(scans: Shell) -> None:
    done = scans("run", "echo", "--seed", "x", "--json", "-q")
    assert done.stdout == "--seed x --json -q\n"
