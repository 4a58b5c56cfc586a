"""A run on another machine: the real command line, a real sshd on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.killing import wait_until
from tests.conftest import ROOT, Shell, add_scans, new_lab
from tests.fence.benches import weaker_python
from tests.processes import RELAY, is_below, processes
from tests.recovery.second_box import SecondBox

pytestmark = pytest.mark.xdist_group("far")  # they look for relays of this machine
TRAIN = """
import os, socket, sys, time
from pathlib import Path

scans = sorted(Path(sys.argv[1]).rglob("*.txt"))
print(len(scans), "scans", os.environ.get("PYTHONHASHSEED"))
print("to stderr", file=sys.stderr)
Path("out/deep").mkdir(parents=True)
Path("out/deep/model.txt").write_text("".join(sorted(p.read_text() for p in scans)))
with open("large.bin", "wb") as file:
    file.write(bytes(range(256)) * 4096 * 70)
os.symlink("/etc/passwd", "link")
def reached():
    try:
        socket.create_connection(("127.0.0.1", PORT), timeout=1)
        return True
    except OSError:
        return False
print("saw", {"lab": os.path.exists("LAB"), "keys": os.path.exists("BOX"), "out": reached()})
print("code", sorted(os.listdir(".")))
sys.exit(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
"""


@pytest.fixture(scope="module")
def ward(box: SecondBox) -> Iterator[Shell]:
    with new_lab() as shell:
        add_scans(shell)
        (shell.folder / "code").mkdir()
        text = TRAIN.replace("PORT", str(box.port)).replace("BOX", f"{box.path}/../user")
        text = text.replace("LAB", str(shell.home / "cloister-lab"))
        (shell.folder / "code/train.py").write_text(text)
        (shell.folder / "code/table.csv").write_text("no code: it stays here\n")
        yield shell


def far(shell: Shell, box: SecondBox) -> dict[str, str]:
    """Variables with which ssh finds the second box."""
    return {"PATH": f"{box.path}:{shell.environment['PATH']}"}


def words(*more: str, argv: tuple[str, ...] = ("python", "train.py", "../scans")) -> list[str]:
    return ["run", "--workdir", "code", "--on", "ssh:second", *more, "--", *argv]


def settings(shell: Shell, run: object) -> dict[str, str]:
    ((found,),) = shell.sql("SELECT settings FROM run WHERE run = ?", run)
    kept: dict[str, str] = json.loads(found)
    return kept


def lines(running: subprocess.Popen[str]) -> list[int]:
    """The ssh of a run."""
    named = [pid for pid, words in processes() if RELAY in words]
    return [pid for pid in named if is_below(pid, running.pid)]


def jobs(name: str) -> list[int]:
    """Those of the fence, and not who asked for them."""
    found = [(pid, words) for pid, words in processes() if name.encode() in words]
    return [pid for pid, words in found if b"--on" not in words]


def held(shell: Shell, box: SecondBox, name: str) -> subprocess.Popen[str]:
    """A run that has begun to write on the other machine, and goes on for very long."""
    (shell.folder / "code/held.py").write_text(
        "import os, sys, time\nfrom pathlib import Path\n"
        "Path('left.txt').write_text('x')\nprint('under way', flush=True)\n"
        "time.sleep(600)\n"
    )
    argv = ("python", "held.py", "../scans", name)
    running = shell.start(*words(argv=argv), env=far(shell, box))
    try:
        wait_until(lambda: jobs(name))
    except BaseException:
        running.kill()
        running.communicate()
        raise
    return running


def is_over(box: SecondBox, name: str) -> bool:
    return not box.relays() and not jobs(name)


def last(shell: Shell) -> tuple[str, str]:
    ((run, state),) = shell.sql("SELECT run, state FROM run ORDER BY begun DESC LIMIT 1")
    return str(run), str(state)


def test_a_run_on_another_machine_is_a_run_like_any_other(ward: Shell, box: SecondBox) -> None:
    done = ward(*words("--seed", "7"), env=far(ward, box))
    assert "12 scans 7\n" in done.stdout
    assert "saw {'lab': False, 'keys': False, 'out': False}" in done.stdout
    assert "code ['large.bin', 'link', 'out', 'train.py']" in done.stdout
    assert "to stderr" in done.stderr
    assert "where    ssh:second SHA256:" in done.stderr
    run, state = last(ward)
    assert state == "finished"
    scans = sorted(one.read_text() for one in (ward.folder / "scans").rglob("*.txt"))
    assert ward("get", run, "out/deep/model.txt").stdout == "".join(scans)
    ward("get", run, "large.bin", "-o", "large")
    assert (ward.folder / "large").read_bytes() == bytes(range(256)) * 4096 * 70
    assert "12 scans 7" in ward("logs", run).stdout
    there = settings(ward, run)
    assert there["where"].startswith("ssh:second SHA256:")
    assert there["PYTHONHASHSEED"] == "7"
    assert run in ward("trace", "P000").stdout
    wait_until(lambda: not box.relays())


def test_what_was_trained_there_is_proved_made_again_here_and_reached_by_an_erasure(
    box: SecondBox,
) -> None:
    with new_lab() as shell:
        data = [sys.executable, str(ROOT / "examples/diabetes/data.py")]
        subprocess.run(data, cwd=shell.folder, check=True, capture_output=True)
        shutil.copy(ROOT / "examples/diabetes/train.py", shell.folder)
        columns = ("--subject-column", "patient_id", "--label-column", "progression")
        shell("add", "diabetes", "--name", "diabetes", *columns)
        job = ("--", "python", "train.py", "--data", "./diabetes")
        done = shell.json("run", "--on", "ssh:second", *job, env=far(shell, box))
        assert done["where"].startswith("ssh:second SHA256:")
        assert done["attested"]
        assert [one["refusal"] for one in done["models"]] == [None]
        shell("prove", done["run"], "-o", "bundle")
        shell("verifier", "verify.py")
        public = str(shell.home / "cloister-lab/lab.pub")
        verify = [sys.executable, "-I", "verify.py", "bundle", "--trust", public]
        said = subprocess.run(verify, cwd=shell.folder, capture_output=True, check=True)
        assert said.stdout.splitlines()[-1] == b"VERIFIED"
        assert shell.json("reproduce", done["run"])["verdict"] == "IDENTICAL"
        reached = shell.json("trace", "-", typed="P0001\n")
        assert done["run"] in [one["run"] for one in reached["runs"]]
        shell("erase", "-", "--reason", "asked", "--yes", typed="P0001\n")
        ((tainted,),) = shell.sql("SELECT count(*) FROM run_taint WHERE run = ?", done["run"])
        assert tainted


def test_its_exit_status_is_the_commands_own(ward: Shell, box: SecondBox) -> None:
    argv = ("--", "python", "code/train.py", "scans", "3")  # its data lie in its folder
    done = ward("run", "--on", "ssh:second", *argv, status=3, env=far(ward, box))
    assert "12 scans 0\n" in done.stdout
    assert last(ward)[1] == "failed"


def test_a_fence_that_is_made_anew_there_without_a_wall_reads_once(
    ward: Shell, box: SecondBox, tmp_path: Path
) -> None:
    python = weaker_python(tmp_path, "landlock=EOPNOTSUPP")
    weaker = ("run", "--workdir", "code", "--on", f"ssh:second{python}")
    show = ("--", "ls", "../scans")
    ward(*weaker, *show, status=3, env=far(ward, box))
    done = ward(*weaker, "--fence", "partial", *show, env=far(ward, box))
    assert "P000" in done.stdout
    reads = "SELECT count(*) FROM read WHERE run = ?"
    assert ward.sql(reads, last(ward)[0]) == [(1,)]


def test_what_cannot_go_there_is_refused_before_anything_begins(
    ward: Shell, box: SecondBox
) -> None:
    before = ward.sql("SELECT count(*) FROM run")
    for more, said in (
        (("--read", "/etc/hostname"), "files of this machine"),
        (("--gpus", "3"), "GPUs were asked for, it has"),
    ):
        assert said in ward(*words(*more), status=2, env=far(ward, box)).stderr
    missing = ward(*words(argv=("nothing", "x")), status=2, env=far(ward, box))
    assert "ssh:second" in missing.stderr
    assert "no such command" in missing.stderr
    nowhere = ward("run", "--on", "ftp:second", "--", "true", status=2)
    assert "is no place to run on" in nowhere.stderr
    bare = ward(*words(), status=2, env={"PATH": str(Path(sys.executable).parent)})
    assert "there is no ssh on this machine" in bare.stderr
    assert ward.sql("SELECT count(*) FROM run") == before
    wait_until(lambda: not box.relays())


@pytest.mark.parametrize("whom", ["relay", "ssh", "asker"])
def test_whoever_is_killed_the_run_is_interrupted_and_nothing_is_left(
    ward: Shell, box: SecondBox, whom: str
) -> None:
    name = f"held-{whom}-{os.getpid()}"
    running = held(ward, box, name)
    try:
        found = {
            "relay": box.relays(),
            "ssh": lines(running),
            "asker": [running.pid],
        }
        assert found[whom]
        for pid in found[whom]:
            os.kill(pid, signal.SIGKILL)
        _, said = running.communicate(timeout=120)
    finally:
        running.kill()
        running.wait()
    wait_until(lambda: is_over(box, name))
    if whom != "asker":
        assert running.returncode == 13
        assert "does not answer any more" in said
    ward("ls")  # takes up what was killed
    assert last(ward)[1] == "interrupted"


@pytest.mark.slow
def test_a_machine_that_hangs_is_given_up_and_ends_the_job_when_it_goes_on(
    ward: Shell, box: SecondBox
) -> None:
    name = f"held-stopped-{os.getpid()}"
    running = held(ward, box, name)
    stopped = box.relays()
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        running.communicate(timeout=90)  # thirty quiet seconds, at this load
    finally:
        running.kill()
        running.wait()
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert running.returncode == 13
    assert last(ward)[1] == "interrupted"
    wait_until(lambda: is_over(box, name))


def test_ctrl_c_ends_it_as_it_ends_one_here(ward: Shell, box: SecondBox) -> None:
    name = f"held-int-{os.getpid()}"
    running = held(ward, box, name)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=120)
    assert running.returncode == 130
    assert last(ward)[1] == "failed"
    wait_until(lambda: is_over(box, name))


GPUS = """
import os, time
from pathlib import Path
print("sees", os.environ["CUDA_VISIBLE_DEVICES"], len(os.sched_getaffinity(0)))
"""


def test_gpus_and_processors_of_that_machine_are_lent_there(
    ward: Shell, box: SecondBox, tmp_path: Path
) -> None:
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    source = Path(__file__).parent.parent / "faults/one_gpu.c"
    library = tmp_path / "libnvidia-ml.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    python = tmp_path / "python"
    python.write_text(
        f"#!/bin/sh\nexport LD_LIBRARY_PATH={tmp_path} XDG_RUNTIME_DIR={tmp_path}\n"
        f'exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    (ward.folder / "code/gpus.py").write_text(GPUS)
    on = ("run", "--workdir", "code", "--on", f"ssh:second{python}", "--cpus", "1", "--gpus")
    done = ward(*on, "1", "--", "python", "gpus.py", env=far(ward, box))
    assert "sees 0 1\n" in done.stdout
    assert settings(ward, last(ward)[0])["cpu_count"] == "1"
    refused = ward(*on, "2", "--", "python", "gpus.py", status=2, env=far(ward, box))
    assert "2 GPUs were asked for, it has 1 to lend" in refused.stderr


def test_a_model_of_the_hub_is_where_the_library_looks_for_it(
    ward: Shell, box: SecondBox
) -> None:
    model = ward.folder / "model"
    model.mkdir()
    (model / "config.json").write_text('{"of": "the hub"}')
    (model / "vocab.txt").write_text("word\n" * 300_000)
    ward("hub", "add", str(model), "--license", "mit", "--name", "ward/tiny")
    look = "import os, glob; f = glob.glob(os.environ['HF_HUB_CACHE'] + '/*/snapshots/*/*')"
    look += "; print([(os.path.basename(p), os.path.getsize(p)) for p in sorted(f)])"
    words = ("--hub", "ward/tiny", "--", "python", "-c", look)
    done = ward("run", "--workdir", "code", "--on", "ssh:second", *words, env=far(ward, box))
    assert "[('config.json', 17), ('vocab.txt', 1500000)]" in done.stdout


HEAVY = """
import sys, time
from pathlib import Path
size = sum(len(one.read_bytes()) for one in Path(sys.argv[1]).rglob("*.bin"))
with open("large.bin", "wb") as file:
    for _ in range(300):
        file.write(bytes(1 << 20))
print("read", size, flush=True)
time.sleep(20)
"""


@pytest.mark.slow
def test_data_and_outputs_larger_than_the_memory_of_either_end_pass_through(
    box: SecondBox,
) -> None:
    """300 MB there, 300 MB back as a checkpoint and again; no process ever holds 200 MB."""
    with new_lab() as shell:
        for number in range(3):
            place = shell.folder / f"scans/P{number:03d}"
            place.mkdir(parents=True)
            (place / "0.bin").write_bytes(os.urandom(100 << 20))
        shell("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
        (shell.folder / "code").mkdir()
        (shell.folder / "code/heavy.py").write_text(HEAVY)
        argv = ("python", "heavy.py", "../scans")
        watched = words("--checkpoint", "*.bin", "--every", "1", argv=argv)
        running = shell.start(*watched, env=far(shell, box))
        most = dict[int, int]()
        while running.poll() is None:
            for pid in (running.pid, *box.relays()):
                most[pid] = max(most.get(pid, 0), peak_kib(pid))
            time.sleep(0.05)
        out, err = running.communicate()
        assert running.returncode == 0, err
        assert f"read {300 << 20}" in out
        assert max(most.values()) < 200 << 10, most
        kinds = [(one["path"], one["kind"]) for one in shell.json("ls", last(shell)[0])]
        assert ("large.bin", "checkpoint") in kinds


def peak_kib(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(x.split()[1]) for x in text.splitlines() if x.startswith("VmHWM")), 0)
