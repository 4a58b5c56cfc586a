"""Claim: keys live in one process; without it, or without what it needs, nothing is read,
nothing is lost, and each reason says itself apart from the others.

Through the real command line, with a real key service that is really killed.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from cloister.testing.onnx_models import linear
from tests.attacks.killing import (
    keyds,
    keys_folder,
    kill_keyd,
    lab_folder,
    wait_until,
)
from tests.conftest import Shell, new_lab, write_scans

RULES = ("--subject-pattern", "^(P[0-9]+)/")
TELL_IMPORTS = {"PYTHONPROFILEIMPORTTIME": "1"}


@pytest.fixture(scope="module")
def made() -> Iterator[Shell]:
    with new_lab() as shell:
        write_scans(shell.folder / "scans")
        shell("add", "scans", *RULES)
        yield shell


@pytest.fixture
def lab(made: Shell) -> Iterator[Shell]:
    """The lab, open; whatever a test did to its key service is over afterwards."""
    made("unlock")
    yield made
    kill_keyd(made)


def stopped(shell: Shell) -> None:
    shell("lock", "--stop")
    wait_until(lambda: not keyds(shell))


def refusal(shell: Shell, *words: str, status: int = 4, **options: object) -> str:
    """The code and the words with which a command is refused."""
    return shell(*words, status=status, **options).stderr


def test_killed_at_rest_it_leaves_the_lab_locked_and_says_the_way_out(lab: Shell) -> None:
    before = lab.json("ls", "data1")
    kill_keyd(lab)
    for _ in range(2):  # the first finds a stale socket, the second a service without a root
        said = refusal(lab, "ls")
        assert "E301" in said
        assert "next: open them with `cloister unlock`" in said
    lab("unlock")
    assert len(keyds(lab)) == 1
    assert lab.json("ls", "data1") == before
    content = lab("get", before[0]["record"]).stdout
    assert content == (lab.folder / "scans" / before[0]["path"]).read_text()


def test_killed_in_the_middle_of_an_add_it_loses_nothing(lab: Shell) -> None:
    before = lab.json("ls", "data1")
    write_scans(lab.folder / "more", patients=200, each=10)
    adding = lab.start("add", "more", *RULES, "--name", "more")
    wait_until((lab.home / "cloister-lab/locks/more").exists)  # it has begun to seal
    kill_keyd(lab)
    _, said = adding.communicate(timeout=120)
    assert adding.returncode == 4, said
    assert "E304" in said
    assert "Traceback" not in said
    assert "E301" in refusal(lab, "ls")
    lab("unlock")
    assert lab.json("ls", "data1") == before
    assert lab.json("audit")["whole"]
    report = lab.json("add", "more", *RULES, "--name", "more")
    assert (report["records"], report["version"]) == (2000, 1)
    lab("get", "more", "-o", "back")
    same = subprocess.run(["diff", "-r", "more", "back"], cwd=lab.folder, check=False)
    assert same.returncode == 0


def test_each_reason_that_keeps_keys_away_has_its_own_code(lab: Shell) -> None:
    """Exit status 4 says to look for the keys, not for damage."""
    lab("lock")
    assert "E301" in refusal(lab, "ls")
    wrong = lab.home / "wrong"
    wrong.write_text("not it\n")
    assert "E302" in refusal(lab, "unlock", "--passphrase-file", str(wrong))
    assert "E301" in refusal(lab, "ls")
    stopped(lab)
    keys = keys_folder(lab)
    for name in ("epoch.record", "root.record", "keystore.db"):
        aside = lab.home / name
        shutil.move(keys / name, aside)
        said = refusal(lab, "unlock")
        assert "E303" in said, name
        assert name in said
        shutil.move(aside, keys / name)
        stopped(lab)
    lab("unlock")
    assert len(lab.json("ls", "data1")) == 12


def test_a_keys_folder_that_is_gone_is_not_taken_for_a_new_one(lab: Shell) -> None:
    stopped(lab)
    keys, aside = keys_folder(lab), lab.home / "keys elsewhere"
    shutil.move(keys, aside)
    try:
        said = refusal(lab, "unlock")
        assert "E303" in said
        assert "restore the keys folder" in said
        kill_keyd(lab)
    finally:
        shutil.rmtree(keys, ignore_errors=True)
        shutil.move(aside, keys)


def test_a_key_wrap_that_was_tampered_with_is_damage_and_says_so(lab: Shell) -> None:
    record = lab.json("ls", "data1")[0]["record"]
    changed = "UPDATE record SET wrap = ? WHERE record = ?"
    ((wrap,),) = lab.sql("SELECT wrap FROM record WHERE record = ?", record)
    forged = wrap[:-1] + bytes([wrap[-1] ^ 1])
    lab.sql(changed, forged, record)
    assert "E501" in refusal(lab, "get", record, status=6)
    assert not lab.json("audit", status=6)["whole"]
    lab.sql(changed, wrap, record)
    assert lab.json("audit")["whole"]


def test_a_second_key_service_for_the_same_keys_does_not_start(lab: Shell) -> None:
    """Two would undo each other's erasures."""
    second = subprocess.run(
        [
            *(sys.executable, "-m", "cloister.app.keyd"),
            *(f"--keys={keys_folder(lab)}", f"--socket={lab.home}/second/keyd.sock"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert second.returncode == 2
    assert "another process" in second.stderr
    assert len(keyds(lab)) == 1
    lab("ls")


def test_commands_that_race_to_start_it_get_one_key_service(lab: Shell) -> None:
    kill_keyd(lab)
    racing = [lab.start("unlock") for _ in range(4)]
    for process in racing:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert len(keyds(lab)) == 1
    assert len(lab.json("ls", "data1")) == 12


def test_no_command_imports_what_handles_secrets(lab: Shell) -> None:
    """Python itself lists what each process imports, but not for the key service."""
    subject = lab.json("ls", "data1")[-1]["subject"]
    place = lab.folder / "imports"
    place.mkdir()
    (lab.folder / "seed.onnx").write_bytes(linear())
    commands: list[tuple[str, ...]] = [
        ("init", str(place / "lab"), "--save-kit", str(place / "kit")),
        ("add", "scans", *RULES),
        ("run", "--", "cp", "seed.onnx", "model.onnx"),
        ("ls", "data1"),
        ("get", "data1", "-o", str(place / "copy")),
        ("prove", "last", "-o", str(place / "bundle")),
        ("trace", subject),
        ("page", subject, "-o", str(place / "page.html")),
        ("erase", subject, "--reason", "withdrawn", "--yes"),
        ("readback", str(lab_folder(lab))),
        ("audit",),
        ("doctor", "--scrub"),
        ("lock",),
        ("unlock",),
    ]
    told = {words: lab(*words, env=TELL_IMPORTS).stderr for words in commands}
    serving = lab.start("serve", "last", env=TELL_IMPORTS)
    assert serving.stdout is not None
    assert "serving" in serving.stdout.readline()
    serving.send_signal(signal.SIGINT)
    told["serve",] = serving.communicate(timeout=120)[1]
    for words, said in told.items():
        assert "cloister.cli.root" in said, words
        assert "cloister.keys.service" not in said, words
        assert "cloister.keys.providers" not in said, words
