"""Claim: nothing readable about a patient is anywhere but where the design declares it: in
the user's own source folder, in what `get` was told to write, and in memory.

Two hundred names and ids that exist nowhere else go in by every way there is, crashes
included. Then every byte of the lab, the keys folder, the runtime, state, config and cache
folders, and of what anybody may write to on this machine, is searched for them in many
spellings; and so is everything the command line said where nobody asked for a name.
"""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cloister.testing.onnx_models import linear
from tests.attacks.byte_search import ByteSearch
from tests.attacks.canaries import (
    COUNT,
    Canaries,
    write_dicom,
    write_files,
    write_labels,
    write_table,
)
from tests.attacks.killing import (
    keyds,
    kill_keyd,
    lab_folder,
    processes_naming,
    wait_until,
    waiting_for,
)
from tests.conftest import Shell, new_shell
from tests.databases import ON_SERVER

BY_FOLDER = ("--subject-pattern", "^([^/]+)/")
CRASHING = """
import os, pathlib, sys
name = next(pathlib.Path(sys.argv[1]).rglob("*.txt"))
pathlib.Path(name.name).write_text(name.read_text())
pathlib.Path("/tmp", name.name).write_text(name.read_text())
(pathlib.Path.home() / name.name).write_text(name.read_text())
print(name, name.read_text(), flush=True)
os.write(2, name.read_bytes())
os.environ["PATIENT"] = name.name
raise SystemError(name.read_text())
"""
TRAINING = """
import pathlib, shutil, sys
shutil.copy("seed.onnx", "model.onnx")
for path in pathlib.Path(sys.argv[1]).rglob("*.txt"):
    pathlib.Path("seen " + path.name).write_text(path.read_text())
"""
WAITING = CRASHING.replace("raise", "import time; time.sleep(600)  #")
RUN = ("run", "--env", "WHO=nobody", "--", "python3")


@dataclass
class Story:
    """A lab to which all of it happened, and what it said meanwhile."""

    shell: Shell
    canaries: Canaries
    search: ByteSearch
    began: float
    said: list[tuple[str, str]] = field(default_factory=list)
    """(command, output) of everything where nobody asked to see a name."""

    def does(self, *words: str, status: int | None = 0, typed: str = "") -> str:
        """A command; what it says is looked at later, with and without --json."""
        done = self.shell(*words, status=status, typed=typed)
        command = " ".join(word for word in words if word.isalpha() or word.startswith("-"))
        self.said.append((command, done.stdout + done.stderr))
        return done.stdout

    def killed(self, at: str, *words: str) -> None:
        """A command SIGKILLed once the database has a row for ``at``."""
        running = self.shell.start(*words)
        wait_until(waiting_for(self.shell, at))
        running.send_signal(signal.SIGKILL)
        out, err = running.communicate()
        self.said.append((f"killed {words[0]}", out + err))


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    canaries = Canaries.new()
    with new_shell() as shell:
        told = Story(shell, canaries, ByteSearch(canaries.words), time.time())
        told.does("init")
        subject = add_everything(told)
        crash(told)
        train_and_prove(told)
        make_mistakes(told)
        erase(told, subject)
        for words in (
            ("audit",),
            ("doctor", "--scrub"),
            ("ls", "--subjects"),
            ("ls", "--models"),
        ):
            told.does(*words)
            told.does("--json", *words)
        assert canaries.all_used
        yield told


def add_everything(story: Story) -> str:
    """Files, a table, labels, images, whole and broken ones; gives one patient's id."""
    work, canaries = story.shell.folder, story.canaries
    files = work / canaries.take() / canaries.take()
    write_files(files, canaries, patients=6, each=2)
    (files / f"{canaries.take()}.txt").write_text(canaries.take())  # nobody's: set aside
    (files / canaries.take()).symlink_to(f"/tmp/{canaries.take()}")
    write_labels(work / "labels.csv", files, canaries)
    story.does("add", str(files), *BY_FOLDER, "--labels", "labels.csv")
    story.does("--json", "add", str(files), *BY_FOLDER, "--labels", "labels.csv")
    write_table(work / f"tables/{canaries.take()}.csv", canaries, rows=8)
    column = ("--subject-column", "patient", "--label-column", "outcome")
    story.does("--json", "add", "tables", *column)
    for number in range(3):
        write_dicom(work / f"images/{canaries.take()}/{number}.dcm", canaries)
    whole = next((work / "images").rglob("*.dcm")).read_bytes()
    (work / "images/truncated.dcm").write_bytes(whole[:-60])
    (work / "images/not.dcm").write_text(canaries.take())
    story.does("add", "images", "--name", "images")
    story.does("--json", "add", "images")
    return next(path for path in files.iterdir() if path.is_dir()).name


def crash(story: Story) -> None:
    """An add, a run and the key service killed; a script that prints, writes and crashes."""
    shell, canaries = story.shell, story.canaries
    write_files(shell.folder / "cut short", canaries, patients=40, each=60)
    unseen = "SELECT 1 FROM record WHERE dataset = 'cut'"
    story.killed(unseen, "add", "cut short", *BY_FOLDER, "--name", "cut")
    scripts = {"crash.py": CRASHING, "wait.py": WAITING, "train.py": TRAINING}
    for name, script in scripts.items():
        (shell.folder / name).write_text(f"# by {canaries.take()}\n{script}")
    source = source_of_data1(shell)
    crashing = shell.start(*RUN, "crash.py", source, canaries.take())
    _, shown = crashing.communicate(timeout=120)
    assert "SystemError" in shown  # the job's own words, on the terminal of whoever ran it
    assert crashing.returncode == 1
    for end in (subprocess.Popen.kill, lambda _: kill_keyd(shell)):
        mark = canaries.take()
        running = shell.start(*RUN, "wait.py", source, mark)
        assert running.stdout is not None
        assert source in running.stdout.readline()  # it has read them, and written them down
        end(running)
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=120)
        wait_until(lambda mark=mark: not processes_naming(mark))
    story.does("ls", "--models", status=4)
    story.does("unlock")


def train_and_prove(story: Story) -> None:
    """A model that read them all, its proof, its chain as a page."""
    shell = story.shell
    (shell.folder / "seed.onnx").write_bytes(linear())
    shell("run", "--data", "data1", "--", "python3", "train.py", source_of_data1(shell))
    shell(
        "--json", "run", "--data", "data1", "--", "python3", "train.py", source_of_data1(shell)
    )
    story.does("prove", "last", "-o", str(shell.home / "bundle"))
    story.does("--json", "prove", "last", "-o", str(shell.home / "bundle too"))


def source_of_data1(shell: Shell) -> str:
    """Where data1 was added from, as its owner sees it."""
    return str(next(row["added from"] for row in shell.json("ls") if row["dataset"] == "data1"))


def make_mistakes(story: Story) -> None:
    """Whatever is wrong is told without the word that was wrong."""
    shell, canaries = story.shell, story.canaries
    unknown = canaries.take() + "x"
    for verb in (("trace",), ("erase",), ("subject", "pseudonym"), ("page",)):
        for mode in ((), ("--json",)):
            story.does(*mode, *verb, "-", status=2, typed=f"{unknown}\n")
    source = Path(source_of_data1(shell))
    patient = next(path.name for path in source.iterdir() if path.is_dir())
    reason = f"{patient.lower()} asked for it"
    story.does("erase", "-", "--reason", reason, "--yes", status=2, typed=f"{patient}\n")
    headless = shell.folder / "headless.csv"
    headless.write_text("".join(f"{c},{canaries.take()}\n" for c in canaries.words[-3:]))
    story.does("add", str(source), *BY_FOLDER, "--labels", "headless.csv", status=2)
    (shell.folder / "no header").mkdir()
    headless.rename(shell.folder / "no header/a.csv")
    story.does("add", "no header", "--subject-column", "patient", status=2)
    story.does("add", canaries.take(), *BY_FOLDER, status=2)
    story.does("add", str(source), *BY_FOLDER, "--labels", canaries.take(), status=2)
    story.does("get", "last", canaries.take(), status=2)


def erase(story: Story, patient: str) -> None:
    """One of them withdraws."""
    words = ("--reason", "consent withdrawn", "--yes", "--certificate")
    certificate = str(story.shell.home / "certificate")
    for mode in ((), ("--json",)):
        story.does(*mode, "trace", "-", typed=f"{patient}\n")
        story.does(*mode, "erase", "-", "--dry-run", typed=f"{patient}\n")
    page = str(story.shell.home / "chain.html")
    story.does("page", "-", "-o", page, typed=f"{patient}\n")
    story.does("--json", "erase", "-", *words, certificate, typed=f"{patient}\n")


def test_every_canary_was_really_there(story: Story) -> None:
    """The control: the same search finds all two hundred in the user's own folder."""
    found = {hit.word for hit in story.search.below([story.shell.folder])}
    assert found == set(story.canaries.words)
    assert len(found) == COUNT


def test_the_search_sees_through_the_usual_disguises(tmp_path: Path) -> None:
    """The search itself, on a word in each spelling at any place in a file."""
    word = "Annabellee"
    search = ByteSearch([word])
    disguises = [
        *(word.encode(), word.upper().encode(), word.swapcase().encode(), word[:8].encode()),
        *(word.encode("utf-16-le"), word.lower().encode("utf-16-be")),
        *(word.encode().hex().encode(), word.encode().hex().upper().encode()),
        *(base64.b64encode(bytes(n) + word.encode() + b"more") for n in range(4)),
        *(word[::-1].encode(), json.dumps({"name": word}).encode()),
    ]
    for disguise in disguises:
        (tmp_path / "file").write_bytes(bytes(1001) + disguise + bytes(77))
        assert search.below([tmp_path]), disguise
    (tmp_path / "file").write_bytes(bytes((32 << 20) - 5) + disguises[0] + bytes(9))
    assert search.below([tmp_path])
    (tmp_path / "file").write_bytes(b"Annabel" * 9)
    assert search.below([tmp_path]) == []
    (tmp_path / word).symlink_to("nowhere")
    (tmp_path / "link").symlink_to(word)
    assert {Path(hit.path).name for hit in search.below([tmp_path])} == {word, "link"}


def test_every_canary_comes_back_for_whoever_asks(story: Story, tmp_path: Path) -> None:
    """The other control: what was sealed is whole, so the silence is not for want of data."""
    shell = story.shell
    listed = shell("ls", "data1", "--all").stdout + shell("ls", "data2", "--all").stdout
    assert len({word for word, _ in story.search.in_bytes(listed.encode())}) > 10
    log = shell("get", shell.json("ls", "--runs")[0]["run"], "log").stdout
    assert story.search.in_bytes(log.encode())
    with contextlib.suppress(FileExistsError):
        shell("get", "data2", "-o", str(story.shell.folder / "asked for"))
    (table,) = (story.shell.folder / "asked for").iterdir()
    assert table.read_bytes() == next((shell.folder / "tables").iterdir()).read_bytes()


def test_nothing_below_the_home_of_the_lab_names_anybody(story: Story) -> None:
    """Lab, keys, runtime, state, config, cache, journals, logs, bundle, certificate, page."""
    home = story.shell.home
    files = [path for path in home.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    expected = {"keystore.db", "epoch.record", "keyd.log", "owner.lease", "lab.pub"}
    assert names >= expected | {"chain.html", "manifest.json"}
    assert ("lab.db" in names) is not ON_SERVER
    assert any("/store/raw/" in str(path) for path in files)
    assert any("/store/derived/" in str(path) for path in files)
    assert len(list((home / "certificate").rglob("*"))) > 2
    assert story.search.below([home]) == []


@pytest.mark.timeout(1200)  # as long as there is to read of others
def test_nothing_where_anybody_may_write_names_anybody(story: Story) -> None:
    """Temporary folders, shared memory, runtime folders: whatever changed since the start."""
    assert story.search.in_the_open(story.began) == []


def test_nothing_that_a_command_said_unasked_names_anybody(story: Story) -> None:
    assert len(story.said) > 35
    told = {command: story.search.in_bytes(text.encode()) for command, text in story.said}
    assert {command: words for command, words in told.items() if words} == {}


def test_what_json_says_of_people_is_pseudonyms(story: Story) -> None:
    subjects = story.shell.json("ls", "--subjects")
    assert len(subjects) > 20
    assert all(row["subject"].startswith("sub_") for row in subjects)


def test_the_key_services_command_line_and_environment_name_nobody(story: Story) -> None:
    (pid,) = keyds(story.shell)
    for name in ("cmdline", "environ"):
        assert story.search.in_bytes(Path(f"/proc/{pid}/{name}").read_bytes()) == []


@pytest.mark.file_database
def test_the_database_is_searched_with_its_log(story: Story) -> None:
    """Pages that SQLite freed, and what is only in its write-ahead log, count as well."""
    database = lab_folder(story.shell) / "lab.db"
    content = b"".join(path.read_bytes() for path in database.parent.glob("lab.db*"))
    assert b"data1" in content
    assert story.search.in_bytes(content) == []
