"""Claim: where a host forbids namespaces, what is left still refuses the network and the host.

Landlock and seccomp alone: the host's root is there, and a job may read of it what every
program needs, write nothing, reach no socket of any kind; and the report never says FULL.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.fence.attacking import attack as _attack
from tests.fence.benches import Bench, Outcome, on_host_without
from tests.fence.test_data import data
from tests.fence.test_weaker_hosts import NO_NAMESPACES


@pytest.fixture
def weak(bench: Bench) -> Bench:
    """A bench on a host without namespaces."""
    return on_host_without(bench, NO_NAMESPACES)


def attack(bench: Bench, body: str, *arguments: str, **fields: object) -> Outcome:
    return _attack(bench, body, *arguments, level="partial", **fields)


def test_no_socket_of_any_family_can_be_made(weak: Bench) -> None:
    body = """
for family in 1, 2, 10, 16, 17, 40:
    for kind in 1, 2, 3, 5: tries((family, kind), lambda: socket.socket(family, kind))
socket.socketpair()
"""
    done = attack(weak, body)
    assert sum(done.refused_syscalls.values()) == 24
    assert done.network_attempts == 8


def test_service_on_a_unix_socket_cannot_be_reached(weak: Bench) -> None:
    path = weak.workdir / "docker.sock"
    with closing(socket.socket(socket.AF_UNIX)) as daemon:
        daemon.bind(str(path))
        daemon.listen()
        path.chmod(0o777)
        attack(weak, f"tries('s', lambda: socket.socket(1).connect({str(path)!r}))")


def test_files_of_the_host_cannot_be_read(weak: Bench) -> None:
    secret = weak.folder / "secret"
    secret.write_text("secret")
    secret.chmod(0o666)
    original = f"ways = {str(weak.workdir)!r},"  # as an argument it would be moved to the copy
    body = """
paths = '/etc/shadow', '/root', '/var/log', '/run', '/tmp', '/dev/shm'
for path in *paths, *sys.argv[1:], *ways:
    tries(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path).read())
for path in '/', '/home', '/proc', '/sys', '/dev', '/dev/pts':
    tries(path, lambda: os.listdir(path))
"""
    attack(weak, original + body, str(secret), str(weak.folder))


def test_files_of_the_host_cannot_be_written(weak: Bench) -> None:
    original = f"ways = {str(weak.workdir)!r},"
    body = """
def plants(path, make, undo):  # and takes it away again: attacks that succeed do no harm
    make(path); undo(path)
for folder in '/tmp', '/var/tmp', '/dev/shm', '/home', '/usr', '/etc', *sys.argv[1:], *ways:
    tries(folder, lambda: plants(folder + '/planted', lambda p: open(p, 'x'), os.unlink))
    tries(folder, lambda: plants(folder + '/planted.d', os.mkdir, os.rmdir))
    tries(folder, lambda: plants(folder + '/planted.p', os.mkfifo, os.unlink))
"""
    attack(weak, original + body, str(weak.folder))


def test_data_cannot_be_written(weak: Bench) -> None:
    body = """
os.chdir('scans')
tries('write', lambda: open('a.csv', 'w'))
tries('truncate', lambda: os.truncate('a.csv', 0))
tries('unlink', lambda: os.unlink('a.csv'))
tries('create', lambda: open('new', 'w'))
print(open('a.csv').read(), end='')
"""
    scans = data(weak.workdir / "scans")
    assert attack(weak, body, data=[scans]).output.endswith("1,2\n")


def test_data_of_another_job_cannot_be_read(weak: Bench) -> None:
    other = Path(f"/dev/shm/cloister-job-{os.geteuid()}-other{os.getpid()}")
    other.mkdir(mode=0o755)
    lock = os.open(other / "lock", os.O_WRONLY | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)  # it is alive: not for the next job to wipe
    (other / "a.csv").write_text("of another job")
    user = -1 if weak.user is None else weak.user
    for path in (other, *other.iterdir()):
        os.chown(path, user, user)
    try:
        body = "tries('other', lambda: open(sys.argv[1] + '/a.csv').read())"
        attack(weak, body, str(other))
    finally:
        os.close(lock)
        shutil.rmtree(other)


def test_hidden_files_are_not_even_copied(weak: Bench) -> None:
    weak.write("lab/lab.db")
    body = "tries('lab', lambda: open('lab/lab.db').read())"
    attack(weak, body, hidden=[str(weak.workdir / "lab")])


def test_processes_of_the_same_user_are_out_of_reach(weak: Bench) -> None:
    """As the key service may be: same user, no namespace between."""
    identity = {} if weak.user is None else {"user": weak.user, "group": weak.user}
    victim = subprocess.Popen(["sleep", "600"], **identity)  # type: ignore[call-overload]
    try:
        time.sleep(0.1)
        body = """
pid = int(sys.argv[1])
for number in 0, 9, 15, 19: tries(number, lambda: os.kill(pid, number))
for name in 'mem', 'environ', 'maps', 'fd', 'root/etc/shadow', 'cmdline':
    tries(name, lambda: open(f'/proc/{pid}/{name}', 'rb').read())
tries('ptrace', lambda: syscall(101 if os.uname().machine == 'x86_64' else 117, 16, pid, 0, 0))
"""
        attack(weak, body, str(victim.pid))
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_shared_memory_and_messages_of_the_host_cannot_be_reached(weak: Bench) -> None:
    body = """
calls = (29, 68, 64, 240) if os.uname().machine == 'x86_64' else (194, 186, 190, 180)
for number in calls: tries(number, lambda: syscall(number, 0, 4096, 0o1666, 0))
"""
    names = {"shmget", "msgget", "semget", "mq_open"}
    assert set(attack(weak, body).refused_syscalls) == names


def test_root_keeps_no_capability(weak: Bench) -> None:
    body = """
for line in open('/proc/self/status'):
    if line.startswith(('CapE', 'CapP', 'CapA')) and int(line.split()[1], 16): reached(line)
    if line.startswith('NoNewPrivs') and line.split()[1] != '1': reached(line)
"""
    attack(weak, body)


def test_programs_fail_at_the_network(weak: Bench) -> None:
    done = weak.run("curl", "-sS", "-m", "3", "http://1.1.1.1/")
    assert done.exit_status != 0
    assert done.network_attempts >= 1
    assert done.level == "partial"
