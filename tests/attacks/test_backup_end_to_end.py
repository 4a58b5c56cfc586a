"""Claim: a backup tells its holder nothing about a patient and opens nothing; whoever was
erased stays erased in every backup, however old; a lab that was put back is refused by all
who had seen more of it, until they accept what its ledger says, signed, was lost.

The real command line, a real folder as the target, everything of the machine removed.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.byte_search import ByteSearch
from tests.attacks.killing import kill_keyd, lab_folder
from tests.attacks.ward import Ward
from tests.conftest import Shell, new_shell, write_scans
from tests.recovery.keeping import copy_keys

RULES = ("--subject-pattern", "^([^/]+)/")
ERASE = ("erase", "-", "--reason", "withdrawn", "--yes")


@pytest.fixture
def backed_up(shell: Shell) -> Shell:
    """A lab with a kit, 8 patients and a backup of them."""
    shell("init", "--save-kit", str(shell.home / "kit.txt"))
    write_scans(shell.folder / "scans", 8)
    shell("add", "scans", *RULES)
    shell("backup", "init", str(place(shell)))
    shell("backup", "run")
    return shell


def place(shell: Shell) -> Path:
    return shell.folder.parent / "second"


def lose_the_box(shell: Shell) -> None:
    """Nothing is left but what lies elsewhere: backup, keys copy, kit."""
    kill_keyd(shell)
    for name in ("cloister-lab", ".local", ".config", "run"):
        shutil.rmtree(shell.home / name, ignore_errors=True)
    (shell.home / "run").mkdir(mode=0o700)


def restore(shell: Shell, *words: str, status: int = 0) -> Any:
    where = ("--to", str(lab_folder(shell)), "--kit", str(shell.home / "kit.txt"))
    done = shell("--json", "restore", str(place(shell)), *where, *words, status=status)
    return json.loads(done.stdout or done.stderr)


def test_a_backup_names_nobody_and_opens_nothing(shell: Shell) -> None:
    shell("init")
    ward = Ward(shell.folder / "scans", 7)
    ward.grow()
    shell("add", "scans", *RULES)
    shell("backup", "init", str(place(shell)))
    shell("backup", "run")
    assert ByteSearch(ward.words).below([place(shell)]) == []
    names = {path.name for path in place(shell).rglob("*")}
    assert not names & {"keystore.db", "root.record", "epoch.record", "lab.db"}
    with new_shell() as thief:
        shutil.copytree(place(shell), place(thief))
        refused = thief("restore", str(place(thief)), "--to", "lab", status=4)
        assert "E303" in refused.stderr


def test_a_lost_box_comes_back_whole(backed_up: Shell) -> None:
    head = backed_up.json("audit")
    keys = copy_keys(backed_up)
    lose_the_box(backed_up)
    done = restore(backed_up, "--keys", str(keys))
    assert done["lost_from"] is None
    audit = backed_up.json("audit")
    assert audit["whole"]
    assert audit["entries"] >= head["entries"] - 1  # but for the backup's own last entry
    backed_up("get", "data1", "-o", "back")
    for path in (backed_up.folder / "scans").rglob("*.txt"):
        back = backed_up.folder / "back" / path.relative_to(backed_up.folder / "scans")
        assert back.read_bytes() == path.read_bytes()
    write_scans(backed_up.folder / "more", 1)
    backed_up("add", "more", *RULES)
    assert backed_up.json("backup", "run")["save"] == 2


def test_whoever_was_erased_stays_erased_in_every_older_backup(shell: Shell) -> None:
    shell("init", "--save-kit", str(shell.home / "kit.txt"))
    write_scans(shell.folder / "scans", 101, 1)
    shell("add", "scans", *RULES)
    shell("backup", "init", str(place(shell)))
    shell("backup", "run")
    shell(*ERASE, typed="P003\n")
    keys = copy_keys(shell)
    lose_the_box(shell)
    assert restore(shell, "--keys", str(keys))["erased"] == 1
    shown = shell.json("ls", "--subjects")
    assert [one["state"] for one in shown].count("erased") == 1
    paths = [one["path"] for one in shell.json("ls", "data1")]
    assert paths.count("(erased)") == 1
    shell("get", "data1", "-o", "back")
    back = {path.parent.name for path in (shell.folder / "back").rglob("*.txt")}
    assert back == {f"P{number:03d}" for number in range(101)} - {"P003"}
    (gone,) = (r["record"] for r in shell.json("ls", "data1") if r["path"] == "(erased)")
    assert "E400" in shell("get", gone, "-o", "x", status=5).stderr
    types = events(shell)
    assert types.count("lab.restored") == 1
    assert types.count("erase.completed") == 1
    assert shell.json("audit")["whole"]


def events(shell: Shell) -> list[str]:
    rows = shell.sql("SELECT leaf FROM ledger_leaf ORDER BY position")
    return [json.loads(leaf)["type"] for (leaf,) in rows]


def test_what_a_disaster_took_is_told_and_accepted_by_each_who_had_seen_it(
    backed_up: Shell,
) -> None:
    write_scans(backed_up.folder / "later", 2)
    backed_up("add", "later", *RULES)
    seen = backed_up.json("audit")["entries"]
    other = backed_up.folder.parent / "colleague"
    shutil.copytree(backed_up.home / ".local/state", other)
    colleague = {"XDG_STATE_HOME": str(other)}
    shutil.rmtree(lab_folder(backed_up))
    done = restore(backed_up)
    assert done["lost_from"] == seen
    assert [one["dataset"] for one in backed_up.json("ls")] == ["data1"]
    refused = backed_up("ls", status=6, env=colleague).stderr
    assert "E503" in refused
    assert "restored from a backup" in refused
    assert "--accept-restored" in refused
    backed_up("ls", status=6, env=colleague)  # telling once is not accepting
    said = backed_up("audit", "--accept-restored", env=colleague).stdout
    assert f"you had seen {seen}" in said
    backed_up("ls", env=colleague)


@pytest.mark.file_database
def test_an_older_lab_put_back_without_a_word_cannot_be_accepted(backed_up: Shell) -> None:
    kill_keyd(backed_up)
    old = backed_up.folder.parent / "old"
    shutil.copytree(lab_folder(backed_up), old)
    backed_up("unlock")
    write_scans(backed_up.folder / "later", 2)
    backed_up("add", "later", *RULES)
    kill_keyd(backed_up)
    shutil.rmtree(lab_folder(backed_up))
    shutil.copytree(old, lab_folder(backed_up))
    backed_up("unlock")
    assert "E503" in backed_up("ls", status=6).stderr
    assert "E101" in backed_up("audit", "--accept-restored", status=2).stderr
    assert "E503" in backed_up("ls", status=6).stderr


def test_newest_saves_that_disappeared_are_told_by_run_and_verify(backed_up: Shell) -> None:
    (newest,) = (place(backed_up) / "saves").rglob("0*1")
    write_scans(backed_up.folder / "more", 1)
    backed_up("add", "more", *RULES)
    assert backed_up.json("backup", "run")["save"] == 2
    (place(backed_up) / "saves/000000/000000002").unlink()
    assert newest.is_file()
    write_scans(backed_up.folder / "again", 1)
    backed_up("add", "again", *RULES)
    for words in (("run",), ("verify",)):
        assert "lacks its newest saves" in backed_up("backup", *words, status=6).stderr
    shutil.rmtree(lab_folder(backed_up) / "backups")  # the ledger remembers as well
    assert "lacks its newest saves" in backed_up("backup", "run", status=6).stderr


def test_what_belongs_to_another_lab_is_refused(backed_up: Shell) -> None:
    with new_shell() as other:
        other("init", "--save-kit", str(other.home / "kit.txt"))
        refused = other("backup", "init", str(place(backed_up)), status=2)
        assert "another lab" in refused.stderr
        source, kit = str(place(backed_up)), str(other.home / "kit.txt")
        refused = other("restore", source, "--to", "x", "--kit", kit, status=2)
        assert "of another lab" in refused.stderr
        stolen = copy_keys(other)
        kill_keyd(backed_up)
        shutil.rmtree(backed_up.home / ".local/share")
        shutil.rmtree(lab_folder(backed_up))
        assert restore(backed_up, "--keys", str(stolen), status=4)["error"]["code"] == "E302"


def test_a_keys_copy_that_lacks_a_part_is_named(backed_up: Shell) -> None:
    keys = copy_keys(backed_up)
    (keys / "epoch.record").unlink()
    lose_the_box(backed_up)
    said = restore(backed_up, "--keys", str(keys), status=4)["error"]
    assert said["code"] == "E303"
    assert "epoch.record" in said["message"]


def test_nothing_is_restored_over_anything(backed_up: Shell) -> None:
    source, mine = str(place(backed_up)), backed_up.folder / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    refused = backed_up("restore", source, "--to", "mine", "--copy-only", status=2)
    assert "not empty" in refused.stderr
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
    refused = backed_up("restore", source, "--to", "x", status=2)
    assert "still there" in refused.stderr


def test_a_point_in_time_comes_back_as_it_was(backed_up: Shell) -> None:
    save = backed_up.json("backup", "ls", "--saves")[0]
    write_scans(backed_up.folder / "later", 2)
    backed_up("add", "later", *RULES)
    backed_up("backup", "run")
    target = ("restore", str(place(backed_up)), "--to")
    for number, at in enumerate((save["time"], str(save["size"]), str(save["size"] + 3))):
        done = backed_up.json(*target, f"then{number}", "--copy-only", "--at", at)
        assert (done["save"], done["size"]) == (1, save["size"])
    done = backed_up.json(*target, "now", "--copy-only")
    assert done["save"] == 2
    refused = backed_up(*target, "never", "--copy-only", "--at", "2020-01-01", status=2)
    assert "E101" in refused.stderr
    assert "E103" in backed_up(*target, "n", "--copy-only", "--at", "x", status=2).stderr
    backed_up("readback", "then0")


def test_a_target_that_is_not_mounted_is_not_written_to(backed_up: Shell) -> None:
    away = place(backed_up).with_name("away")
    place(backed_up).rename(away)
    place(backed_up).mkdir()  # the empty mount point
    write_scans(backed_up.folder / "later", 2)
    backed_up("add", "later", *RULES)
    assert "E101" in backed_up("backup", "run", status=2).stderr
    assert list(place(backed_up).iterdir()) == []
    assert not backed_up.json("backup", "ls")[0]["there"]
    place(backed_up).rmdir()
    away.rename(place(backed_up))
    assert backed_up.json("backup", "run")["save"] == 2


def test_keys_that_an_unlock_opened_and_did_not_live_to_use_are_opened_again(
    backed_up: Shell,
) -> None:
    lease = next((backed_up.home / "run/cloister").glob("*/owner.lease"))
    stale = lease.read_bytes()
    kill_keyd(backed_up)
    backed_up("unlock")
    lease.write_bytes(stale)  # killed after the service opened, before the lease was kept
    shutil.rmtree(lab_folder(backed_up))
    assert restore(backed_up)["lab"]
    assert backed_up.json("audit")["whole"]


@pytest.mark.parametrize(
    "left",
    [
        [".restoring.lock"],
        ["..restoring.417"],
        [".restoring", ".lab.pub.417"],
        [".restoring", "lab.db", "lab.db-journal"],
    ],
)
def test_what_a_killed_restore_was_writing_is_in_nobodys_way(
    backed_up: Shell, left: list[str]
) -> None:
    lose_the_box(backed_up)
    lab_folder(backed_up).mkdir(parents=True)
    for name in left:
        (lab_folder(backed_up) / name).touch()
    # Without a copy of the keys it comes as far as asking for them.
    assert restore(backed_up, status=4)["error"]["code"] == "E303"
    there = [path.name for path in lab_folder(backed_up).iterdir()]
    assert not [name for name in there if "417" in name or "journal" in name]
