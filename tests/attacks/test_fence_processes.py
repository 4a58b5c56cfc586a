"""Claim: a job cannot touch, read or outlive anything but itself, and gains no right.

Not the process that watches over it, nothing of the host, no kernel facility that knows no
namespace; and when it ends, or its runner is killed, nothing of it is left.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cloister.fence import job_environment
from tests.fence.attacking import attack
from tests.fence.background import begin, kill
from tests.fence.benches import Bench, on_host_without
from tests.fence.leftovers import marked_processes
from tests.fence.test_data import data
from tests.fence.test_weaker_hosts import NO_NAMESPACES

NUMBERS = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "kcmp": (312, 272), "pidfd_getfd": (438, 438),
    "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "kexec_load": (246, 104),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "reboot": (169, 142), "swapon": (167, 224), "acct": (163, 89), "syslog": (103, 116),
    "clock_settime": (227, 112), "settimeofday": (164, 170), "quotactl": (179, 60),
    "fanotify_init": (300, 262), "io_uring_enter": (426, 426), "chroot": (161, 51),
}  # fmt: skip


def number(name: str) -> str:
    return str(NUMBERS[name][0 if os.uname().machine == "x86_64" else 1])


# The watcher


def test_watching_process_gives_nothing(bench: Bench) -> None:
    body = """
names = 'environ cmdline maps mem status stat fd fdinfo root cwd exe auxv syscall stack io'
for name in ['', *names.split(), 'map_files', 'task', 'mounts', 'ns/user', 'ns/net']:
    path = '/proc/1/' + name
    for act in os.listdir, os.readlink, lambda p: open(p, 'rb').read():
        tries(path, lambda: act(path))
"""
    attack(bench, body)


def test_watching_process_cannot_be_signalled(bench: Bench) -> None:
    body = """
import signal
for number in 1, 2, 3, 9, 11, 13, 15, 17, 19: tries(number, lambda: os.kill(1, number))
tries('pidfd', lambda: signal.pidfd_send_signal(os.pidfd_open(1), 9))
tries('group', lambda: os.killpg(1, 9))
"""
    attack(bench, body)


def test_killing_everything_it_can_see_ends_only_the_job(bench: Bench) -> None:
    done = bench.run("sh", "-c", "kill -9 -1; kill -9 1; exit 6", required="full")
    assert done.exit_status in (6, 137)


def test_nothing_of_the_runner_is_inherited(bench: Bench) -> None:
    with (bench.folder / "open-file").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        os.environ["SECRET_OF_A_TEST"] = "1"
        body = """
here = '/proc/self/fd/'
print([n for n in os.listdir(here) if int(n) > 2 and os.path.exists(here + n)])
print({os.readlink(here + n).split(':')[0] for n in '012'})
print([name for name in os.environ if 'SECRET' in name])
"""
        try:
            done = attack(bench, body)
        finally:
            del os.environ["SECRET_OF_A_TEST"]
    assert done.output == "[]\n{'pipe'}\n[]\n"


def test_secrets_in_the_users_environment_stay_outside(bench: Bench) -> None:
    secrets = [
        "AWS_SECRET_ACCESS_KEY",
        "SSH_AUTH_SOCK",
        "GITHUB_TOKEN",
        "HTTPS_PROXY",
        "DISPLAY",
    ]
    host = dict.fromkeys([*secrets, "LD_PRELOAD", "XDG_RUNTIME_DIR", "LC_ALL"], "C")
    done = bench.run("env", env=job_environment(host, {}))
    names = {line.partition("=")[0] for line in done.output.splitlines()}
    assert not names & {*secrets, "LD_PRELOAD", "XDG_RUNTIME_DIR"}
    assert "LC_ALL" in names


# Rights


def test_job_has_no_capability_and_can_get_none(bench: Bench) -> None:
    body = """
for line in open('/proc/self/status'):
    if line.startswith('Cap') and int(line.split()[1], 16): reached(line)
    if line.startswith('NoNewPrivs') and line.split()[1] != '1': reached(line)
    if line.startswith('Seccomp:') and line.split()[1] != '2': reached(line)
for identity in 0, 1, 65534: tries(identity, lambda: os.setuid(identity))
for identity in 0, 1, 65534: tries(identity, lambda: os.setgid(identity))
tries('groups', lambda: os.setgroups([0]))
tries('name', lambda: socket.sethostname('x'))
tries('device', lambda: os.mknod('/tmp/d', 0o60666, os.makedev(8, 0)))
tries('nice', lambda: os.setpriority(0, 0, -5))
if libc.prctl(24, 0, 0, 0, 0) == 0: reached('bounding set')
if libc.prctl(47, 2, 21, 0, 0) == 0: reached('ambient')
"""
    attack(bench, body)


def test_setuid_programs_give_no_rights(bench: Bench) -> None:
    body = """
import shutil, subprocess
def run(*argv): return subprocess.run(argv, capture_output=True, input=b'').stdout
shutil.copy('/usr/bin/id', 'id'); os.chmod('id', 0o6777)
for program in './id', '/usr/bin/id': print(run(program, '-u'))
for tool in filter(None, map(shutil.which, ('su', 'sudo', 'pkexec', 'newuidmap'))):
    if b'uid=0' in run(tool, '-c', 'id'): reached(tool)
"""
    assert attack(bench, body).output == "b'1000\\n'\nb'1000\\n'\n"


@pytest.mark.parametrize("name", NUMBERS)
def test_call_is_refused_and_counted_by_name(own_bench: Bench, name: str) -> None:
    body = "tries('call', lambda: syscall(int(sys.argv[1]), 0, 0, 0, 0, 0, 0))"
    done = attack(own_bench, body, number(name))
    assert "EPERM" in done.output
    assert done.refused_syscalls == {name: 1}


def test_no_new_namespace_can_be_made(bench: Bench) -> None:
    body = """
clone = 56 if os.uname().machine == 'x86_64' else 220
flags = [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]
for flag in flags: tries(hex(flag), lambda: syscall(clone, flag | 17, 0, 0, 0, 0))
both = ctypes.create_string_buffer(struct.pack('QQQQQQQQ', 0x10000000, 0, 0, 0, 17, 0, 0, 0))
tries('clone3', lambda: syscall(435, ctypes.addressof(both), 64))
for flag in flags: tries('unshare', lambda: syscall(int(sys.argv[1]), flag))
tries('by proc', lambda: open('/proc/self/uid_map', 'w').write('0 0 1'))
"""
    done = attack(bench, body, number("unshare"))
    assert done.refused_syscalls == {"clone": 7, "unshare": 7}
    assert "clone3 ENOSYS" in done.output


def test_core_of_a_job_never_reaches_the_host(bench: Bench) -> None:
    body = """
import resource
if resource.getrlimit(resource.RLIMIT_CORE) != (1, 1): reached('limit')
for value in 0, 2, -1:
    try: resource.setrlimit(resource.RLIMIT_CORE, (value, 1))
    except (ValueError, OSError): continue
    reached(value)
"""
    assert attack(bench, body).refused_syscalls == {"prlimit64": 3}


# What is left


FORKING = "import os, time\nos.fork(); os.setsid() if os.fork() == 0 else 0\ntime.sleep(600)"


def test_killed_runner_leaves_no_process(bench: Bench) -> None:
    mark = f"mark-{os.urandom(6).hex()}"
    runner = begin(bench, bench.order(bench.python, "-I", "-S", "-c", FORKING, mark), mark)
    kill(runner)
    _assert_gone(mark)


def test_killed_warden_leaves_no_process_and_is_reported(bench: Bench) -> None:
    mark = f"mark-{os.urandom(6).hex()}"
    runner = begin(bench, bench.order("sh", "-c", "sleep 600", mark), mark)
    for child in _children(runner.pid):
        os.kill(child, signal.SIGKILL)
    out, _ = runner.communicate(timeout=120)
    done = json.loads(out)
    assert done["exit_status"] == 137
    assert any("broke" in note for note in done["notes"])


def test_killed_runner_leaves_no_plaintext(bench: Bench) -> None:
    """Data, home, changes: none of it was ever in a file system that outlives the job."""
    mark = f"mark-{os.urandom(6).hex()}"
    canary = f"canary{os.urandom(12).hex()}"
    scans = data(bench.workdir / "scans", {"a.csv": canary})
    code = """
import subprocess, sys
text = open('scans/a.csv').read()
for path in 'out', '/tmp/x', '/home/job/x', '/dev/shm/x': open(path, 'w').write(text)
sleep = 'import time; time.sleep(600)'
subprocess.run([sys.executable, '-I', '-S', '-c', sleep, sys.argv[1] + '-written'])
"""
    order = bench.order(bench.python, "-I", "-S", "-c", code, mark, data=[scans])
    runner = begin(bench, order, f"{mark}-written")
    kill(runner)
    _assert_gone(f"{mark}-written")
    _assert_gone(mark)
    _assert_nowhere(canary, bench)


def test_killed_runner_of_a_partial_fence_leaves_nothing_either(bench: Bench) -> None:
    mark = f"mark-{os.urandom(6).hex()}"
    canary = f"canary{os.urandom(12).hex()}"
    scans = data(bench.workdir / "scans", {"a.csv": canary})
    host = on_host_without(bench, NO_NAMESPACES)
    order = host.order(host.python, "-I", "-S", "-c", FORKING, mark, data=[scans])
    runner = begin(host, order, mark)
    kill(runner)
    _assert_gone(mark)
    _assert_nowhere(canary, bench)


def test_daemon_of_a_partial_fence_does_not_outlive_its_job(bench: Bench) -> None:
    mark = f"mark-{os.urandom(6).hex()}"
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        for n in range(3): os.close(n)\n"
        "        time.sleep(60)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    assert on_host_without(bench, NO_NAMESPACES).code(code, mark).exit_status == 0
    assert not marked_processes(mark)


def test_next_job_wipes_what_a_crash_left(own_bench: Bench) -> None:
    """Everything was killed at once, as by a power cut without the reboot."""
    host = on_host_without(own_bench, NO_NAMESPACES)
    left = Path(f"/dev/shm/cloister-job-{os.geteuid()}-crashed")
    (left / "data0").mkdir(parents=True)
    (left / "data0" / "a.csv").write_text("plaintext")
    (left / "lock").touch()
    (left / "data0").chmod(0)
    assert host.run("true").level == "partial"
    assert not left.exists()


def _children(parent: int) -> list[int]:
    return [
        int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    ]


def _assert_gone(mark: str) -> None:
    deadline = time.monotonic() + 60
    while found := marked_processes(mark):
        assert time.monotonic() < deadline, f"still alive: {found}"
        time.sleep(0.01)


def _assert_nowhere(canary: str, bench: Bench) -> None:
    """In no file of the places where a job could have left one."""
    time.sleep(0.2)
    places = ["/dev/shm", "/run", str(bench.folder), *map(str, Path("/tmp").glob("cloister*"))]
    found = subprocess.run(
        ["grep", "-rlsF", "-D", "skip", canary, *places],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
