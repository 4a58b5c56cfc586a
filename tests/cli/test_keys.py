"""`cloister keys`, `init --shares` and recovery, as typed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import Shell


@pytest.fixture
def sheets(shell: Shell) -> Path:
    """A lab whose kit is three shares of five, on pages."""
    folder = shell.folder.parent / "sheets"
    shell("init", "--shares", "3of5", "--save-shares", str(folder))
    return folder


def page(sheets: Path, number: int) -> str:
    return str(sheets / f"share-{number}-of-5.html")


def words(sheets: Path, number: int) -> str:
    text = Path(page(sheets, number)).read_text()
    return text.partition('name="cloister-share" content="')[2].partition('"')[0]


def new_passphrase(shell: Shell) -> None:
    (shell.home / "passphrase").write_text("another passphrase altogether\n")


def test_enough_sheets_open_the_keys_and_too_few_say_how_many_more(
    shell: Shell, sheets: Path
) -> None:
    assert sheets.stat().st_mode & 0o777 == 0o700
    shell("lock", "--stop")
    new_passphrase(shell)
    assert "E302" in shell("unlock", status=4).stderr
    two = ("--share", page(sheets, 5), "--share", page(sheets, 2))
    few = shell("unlock", "--recovery", *two, status=2).stderr
    assert "2 of the 3 shares" in few
    assert "1 more" in few
    shell("unlock", "--recovery", *two, typed=words(sheets, 1) + "\n")
    shell("lock")
    shell("unlock")
    assert shell.json("audit")["whole"]


def test_each_slip_is_named(shell: Shell, sheets: Path) -> None:
    typed = words(sheets, 1).split()
    slip = " ".join([*typed[:2], "acadmic", *typed[3:]])
    said = shell("unlock", "--recovery", typed=slip + "\n", status=2).stderr
    assert "share 1: word 3 is not in the list" in said
    assert "did you mean academic" in said
    twice = f"{words(sheets, 1)}\n{words(sheets, 1)}\n"
    assert "sheet 1 again" in shell("unlock", "--recovery", typed=twice, status=2).stderr
    said = shell("unlock", "--recovery", typed="JV37-AMVH-0919\n", status=2).stderr
    assert "E103" in said


def test_sheets_of_another_lab_are_refused_by_their_set(shell: Shell, sheets: Path) -> None:
    other = shell.json("--lab", "other", "init", "other", "--shares", "2of3")
    strange = other["recovery_shares"]["shares"][0]
    said = shell("unlock", "--recovery", typed=strange + "\n", status=2).stderr
    assert f"is of set {other['recovery_shares']['set']}" in said
    shell("--lab", "other", "lock", "--stop")


def test_new_shares_need_the_passphrase_and_void_what_was_before(lab: Shell) -> None:
    wrong = lab.folder / "wrong"
    wrong.write_text("not the passphrase\n")
    assert (
        "E302"
        in lab("keys", "shares", "2of3", "--passphrase-file", str(wrong), status=4).stderr
    )
    assert "E103" in lab("keys", "shares", "4of3", status=2).stderr
    assert "E103" in lab("keys", "shares", "three", status=2).stderr
    first = lab.json("keys", "shares", "2of3")
    second = lab.json("keys", "shares", "2of2")
    assert first["set"] != second["set"]
    lab("lock")
    new_passphrase(lab)
    old = "\n".join(first["shares"][:2])
    assert "is of set" in lab("unlock", "--recovery", typed=old + "\n", status=2).stderr
    lab("unlock", "--recovery", typed="\n".join(second["shares"]) + "\n")
    assert lab.json("audit")["whole"]


@pytest.mark.parametrize(
    "wish",
    [
        ("--save-shares", "sheets"),
        ("--shares", "3of5", "--save-kit", "kit.txt"),
        ("--shares", "6of5"),
        ("--shares", "3of5", "--save-shares", "."),
    ],
)
def test_wishes_that_contradict_each_other_make_no_lab(
    shell: Shell, wish: tuple[str, ...]
) -> None:
    shell("init", *wish, status=2)
    assert not (shell.home / "cloister-lab" / "cloister.toml").exists()


def test_a_lost_keys_folder_comes_back_from_the_second_copy(scans: Shell) -> None:
    second = scans.folder.parent / "second"
    assert scans.json("keys", "copy")["state"] == "none"
    scans("keys", "copy", str(second))
    (scans.folder / "scans" / "P009").mkdir()
    (scans.folder / "scans" / "P009" / "1.txt").write_text("the last before the disk broke\n")
    scans("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    lab = scans.json("keys", "copy")
    assert lab["state"] == "kept"
    scans("lock", "--stop")
    [keys] = (scans.home / ".local/share/cloister").iterdir()
    shutil.rmtree(keys)
    assert "E30" in scans("ls", status=4).stderr
    scans("lock", "--stop", status=None)
    shutil.rmtree(keys, ignore_errors=True)
    shutil.copytree(second, keys)
    scans("unlock")
    scans("get", "data1", "-o", "back")
    assert (scans.folder / "back/P009/1.txt").read_text() == "the last before the disk broke\n"
    assert scans.json("keys", "copy")["state"] == "kept"


def test_the_copy_lies_neither_with_the_lab_nor_with_the_keys(lab: Shell) -> None:
    for place in (lab.home / "cloister-lab/copy", lab.home / ".local/share/cloister/copy"):
        assert "E103" in lab("keys", "copy", str(place), status=2).stderr
    assert "E103" in lab("keys", "copy", "x", "--suspend", status=2).stderr
    assert "E103" in lab("keys", "copy", "--suspend", status=2).stderr
    assert "E103" in lab("keys", "copy", "--forget", status=2).stderr


def test_doctor_names_a_missing_and_an_unreachable_copy(lab: Shell) -> None:
    assert "if this disk breaks" in lab("doctor", status=None).stdout
    second = lab.folder.parent / "second"
    lab("keys", "copy", str(second))
    second.rename(second.with_name("unplugged"))
    said = lab("doctor", status=6).stdout
    assert "BROKEN  second copy" in said
    lab("keys", "copy", "--forget")
    assert "if this disk breaks" in lab("doctor", status=None).stdout


def test_a_lost_machine_comes_back_from_backup_second_copy_and_two_sheets(
    shell: Shell,
) -> None:
    place = shell.folder.parent
    folder = place / "sheets"
    shell("init", "--shares", "2of3", "--save-shares", str(folder))
    (shell.folder / "scans" / "P1").mkdir(parents=True)
    (shell.folder / "scans" / "P1" / "1.txt").write_text("a scan\n")
    shell("keys", "copy", str(place / "second"))
    shell("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    shell("backup", "init", str(place / "backup"))
    shell("backup", "run")
    shell("lock", "--stop")
    shutil.rmtree(shell.home / "cloister-lab")
    shutil.rmtree(shell.home / ".local/share/cloister")
    shutil.rmtree(shell.home / ".local/state")
    back = ("restore", str(place / "backup"), "--to", str(shell.home / "cloister-lab"))
    keys = ("--keys", str(place / "second"))
    one = ("--share", str(folder / "share-1-of-3.html"))
    assert "1 more" in shell(*back, *keys, *one, status=2).stderr
    shell(*back, *one, "--share", str(folder / "share-3-of-3.html"))
    shell("get", "data1", "-o", "back")
    assert (shell.folder / "back/P1/1.txt").read_text() == "a scan\n"
    assert shell.json("audit")["whole"]
