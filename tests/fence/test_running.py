"""What a job is and what its runner gets, when all goes well."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.fence.benches import Bench


def test_output_and_errors_come_apart(bench: Bench) -> None:
    done = bench.run("sh", "-c", "echo out; echo err >&2")
    assert (done.output, done.errors, done.exit_status) == ("out\n", "err\n", 0)
    assert done.level == "full", done.notes
    assert done.notes == []


def test_exit_status_is_the_jobs_own(bench: Bench) -> None:
    assert bench.run("sh", "-c", "exit 42").exit_status == 42


def test_end_by_signal_reads_as_a_shell_says_it(bench: Bench) -> None:
    assert bench.run("sh", "-c", "kill -SEGV $$").exit_status == 128 + signal.SIGSEGV


def test_missing_command_is_127_and_says_so(bench: Bench) -> None:
    done = bench.run("no-such-command")
    assert done.exit_status == 127
    assert "cannot run no-such-command: No such file" in done.errors


def test_file_that_cannot_be_executed_is_126(bench: Bench) -> None:
    (bench.workdir / "plain").write_text("x")
    assert bench.run("./plain").exit_status == 126


def test_nothing_to_run_is_refused(bench: Bench) -> None:
    assert bench.run().error[0] == "BadInput"


def test_what_no_command_line_can_hold_is_refused(bench: Bench) -> None:
    for argv, env in ((("a\0b",), {}), (("a",), {"b": "\0"}), (("a",), {"b=c": "d"})):
        assert bench.run(*argv, env=env).error[0] == "BadInput"


def test_job_works_in_its_folder_as_an_ordinary_user_of_a_fixed_name(bench: Bench) -> None:
    done = bench.run("sh", "-c", "pwd; id -un; id -u; hostname; echo $HOME; cd && pwd")
    lines = [str(bench.workdir), "job", "1000", "cloister", "/home/job", "/home/job"]
    assert done.output.splitlines() == lines


def test_folder_reached_through_a_link_has_both_paths(bench: Bench) -> None:
    link = bench.folder / "link"
    link.symlink_to("project")
    (bench.workdir / "a").write_text("here")
    done = bench.run("cat", f"{link}/a", f"{bench.workdir}/a", workdir=str(link))
    assert done.output == "herehere"


def test_arguments_and_names_keep_bytes_that_are_not_text(bench: Bench) -> None:
    name = os.fsdecode(b"\xff\xfe.bin")
    done = bench.run("sh", "-c", 'printf x > "$1"', "sh", name)
    assert done.paths == {name: "added"}


def test_environment_is_what_the_spec_says_and_no_more(bench: Bench) -> None:
    done = bench.run("env", env={"WEIGHT": "3"})
    names = {line.partition("=")[0] for line in done.output.splitlines()}
    assert {"PATH", "HOME", "WEIGHT", "DO_NOT_TRACK"} <= names
    assert not names & {"PYTEST_CURRENT_TEST", "SSH_AUTH_SOCK", "PYTHONHOME"}


def test_long_output_arrives_whole(bench: Bench) -> None:
    done = bench.run("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x")
    assert done.output == "x" * 3_000_000


def test_job_can_use_several_processes_threads_and_locks(bench: Bench) -> None:
    code = (
        "import multiprocessing as m\n"
        "if __name__ == '__main__':\n"
        "    with m.get_context('fork').Pool(2) as p: print(sum(p.map(abs, range(-9, 0))))\n"
    )
    script = bench.workdir / "pool.py"
    script.write_text(code)
    assert bench.run(bench.python, "pool.py").output == "45\n"


def test_loopback_is_there_for_both_families(bench: Bench) -> None:
    code = (
        "import socket\n"
        "for family, address in (2, '127.0.0.1'), (10, '::1'):\n"
        "    s = socket.create_server((address, 0), family=family)\n"
        "    c = socket.create_connection(s.getsockname()[:2]); s.accept()\n"
        "    print('joined')\n"
    )
    done = bench.code(code)
    assert done.output == "joined\njoined\n", done.errors
    assert done.network_attempts == 0


def test_job_sees_its_own_processes_only(bench: Bench) -> None:
    code = "import os; print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))"
    done = bench.code(code)
    assert done.output in ("[2]\n", "[3]\n"), done.output


@pytest.mark.parametrize("name", ["null", "zero", "full", "random", "urandom", "tty", "shm"])
def test_usual_devices_are_there(bench: Bench, name: str) -> None:
    assert bench.run("test", "-e", f"/dev/{name}").exit_status == 0


def test_many_jobs_at_once_do_not_meet(bench: Bench) -> None:
    orders = [bench.order("sh", "-c", f"echo {n} > own; sleep 0.1; cat own") for n in range(4)]
    runners = [bench.popen() for _ in orders]
    for runner, order in zip(runners, orders, strict=True):
        assert runner.stdin is not None
        runner.stdin.write(json.dumps(order))
    for number, runner in enumerate(runners):
        out, _ = runner.communicate(timeout=120)
        assert json.loads(out)["output"] == f"{number}\n"


def test_memory_limit_ends_a_job_that_wants_more(bench: Bench) -> None:
    done = bench.code("x = bytearray(1 << 30); print('got it')", memory_limit_bytes=200 << 20)
    assert done.exit_status != 0
    assert "got it" not in done.output
    assert any("memory limit" in note for note in done.notes)


def test_report_names_time_and_memory(bench: Bench) -> None:
    done = bench.code("x = b'1' * (64 << 20); import time; time.sleep(0.1)")
    assert done.peak_memory_bytes > 64 << 20
    assert 100 <= done.wall_ms < 60_000
    assert 0 < done.setup_ms < 60_000


def test_whole_of_system_python_and_own_venv_can_be_used(bench: Bench) -> None:
    done = bench.run(bench.python, "-c", "import sys, ssl, json; print(sys.executable)")
    assert done.output.strip() == bench.python, done.errors


def test_folder_that_is_not_there_is_named(bench: Bench, tmp_path: Path) -> None:
    done = bench.run("true", workdir=str(tmp_path / "gone"))
    assert done.error[0] == "NotFound"


@pytest.mark.parametrize("folder", ["/", "/tmp", "/usr", "/proc", "/dev", "/etc/ssl"])
def test_system_folders_cannot_be_worked_in(bench: Bench, folder: str) -> None:
    assert bench.run("true", workdir=folder).error[0] == "BadInput"


def test_folder_of_another_user_is_no_reason_for_a_weaker_fence(bench: Bench) -> None:
    closed = bench.folder / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0o700)
    if os.geteuid() == 0 and bench.user is None:
        os.chown(closed, 4321, 4321)  # root may enter, a job of root's may not
    elif bench.user is None:
        closed.chmod(0)
    done = bench.run("true", reads=[closed / "inner"])
    closed.chmod(0o700)
    assert done.error[0] in ("NotFound", "NotAllowed"), done.facts
