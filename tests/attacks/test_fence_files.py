"""Claim: a job sees its folder, its data and what it was shown; of the host nothing else.

Not the lab, not the key service, not another job, no socket of any service; and what it sees
of the host it cannot change. Attacks are written to do no harm where they succeed: they run
with each defence taken away, too.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.fence.attacking import PRELUDE, attack
from tests.fence.background import begin, kill
from tests.fence.benches import Bench, on_host_without
from tests.fence.leftovers import marked_processes
from tests.fence.test_data import data
from tests.fence.test_weaker_hosts import NO_LANDLOCK

READ = """
for path in sys.argv[1:]:
    tries(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read())
"""
CONNECT = """
for path in sys.argv[1:]:
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET:
        tries(path, lambda: socket.socket(1, kind).connect(path))
"""


@contextmanager
def service(path: Path) -> Iterator[Path]:
    """A service of the host on a Unix socket that everybody may use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0o777)
        yield path
    path.unlink()


# What may not be seen


def test_secrets_of_the_host_do_not_exist_inside(bench: Bench) -> None:
    paths = ["/etc/shadow", "/etc/ssh", "/etc/machine-id", "/etc/passwd-", "/etc/ssl/private"]
    paths += [
        "/root/.ssh",
        "/root/.bash_history",
        "/home/root",
        "/boot",
        "/run",
        "/srv",
        "/opt",
    ]
    paths += [
        "/var/log",
        "/var/lib",
        "/var/run",
        "/mnt",
        "/media",
        "/lost+found",
        "/.dockerenv",
    ]
    paths += ["/sys/class/net", "/sys/kernel", "/sys/firmware", "/sys/fs/cgroup"]
    paths += ["/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/kvm", "/dev/fuse"]
    attack(bench, READ, *paths)


def test_names_of_the_host_and_its_people_are_not_told(bench: Bench) -> None:
    done = bench.run("sh", "-c", "cat /etc/passwd /etc/hosts /etc/hostname /etc/resolv.conf")
    accounts = [
        line for line in Path("/etc/passwd").read_text().splitlines() if ":/home/" in line
    ]
    told = [line for line in accounts if line in done.output]
    assert told == []
    assert "192.0.2.1" in done.output
    name = os.uname().nodename
    assert name in ("cloister", "localhost", "job") or name not in done.output.split()


def test_lab_keys_and_neighbours_do_not_exist_inside(bench: Bench) -> None:
    lab, keys = bench.folder / "lab", bench.folder / "keys"
    neighbour = bench.folder / "neighbour"
    for folder in (lab, keys, neighbour):
        folder.mkdir()
        (folder / "file").write_text("secret")
        folder.chmod(0o777)
    paths = [
        *map(str, (lab, keys, neighbour)),
        f"{bench.folder}/../{bench.folder.name}/lab/file",
    ]
    attack(bench, READ, *paths, f"{bench.workdir}/../lab/file")


def test_hidden_folder_is_empty_even_inside_the_working_folder(bench: Bench) -> None:
    bench.write("lab/lab.db", "lab/store/object", "sock")
    hidden = [str(bench.workdir / "lab"), str(bench.workdir / "sock")]
    body = READ + "print(os.path.exists('lab'), open('sock').read() == '', 'hidden')"
    done = attack(bench, body, "lab", "lab/lab.db", "lab/store/object", hidden=hidden)
    assert done.output.endswith("True True hidden\n")
    assert done.changes == []


def test_hidden_folder_stays_hidden_when_reached_by_a_link(bench: Bench) -> None:
    bench.write("lab/lab.db")
    (bench.workdir / "way").symlink_to("lab")
    (bench.folder / "alias").symlink_to(bench.workdir / "lab")
    hidden = [str(bench.folder / "alias")]
    attack(bench, READ, "way/lab.db", "lab/lab.db", hidden=hidden)


def test_nobody_works_inside_what_is_hidden(bench: Bench) -> None:
    (bench.workdir / "inner").mkdir()
    for workdir in (bench.workdir, bench.workdir / "inner"):
        done = bench.run("true", workdir=str(workdir), hidden=[str(bench.workdir)])
        assert done.error[0] == "BadInput"


def test_links_lead_nowhere_outside(bench: Bench) -> None:
    (bench.folder / "secret").write_text("secret")
    (bench.folder / "secret").chmod(0o666)
    (bench.workdir / "up").symlink_to("../secret")
    (bench.workdir / "absolute").symlink_to(bench.folder / "secret")
    (bench.workdir / "root").symlink_to("/proc/1/root")
    body = """
os.symlink('../../../../../../../..' + sys.argv[1], 'mine')
for path in 'up', 'absolute', 'root' + sys.argv[1], 'mine':
    tries(path, lambda: open(path).read())
    tries(path, lambda: open(path, 'w').write('x'))
"""
    attack(bench, body, str(bench.folder / "secret"))
    assert (bench.folder / "secret").read_text() == "secret"


def test_old_root_cannot_be_found_again(bench: Bench) -> None:
    body = """
secret = sys.argv[1]
ways = ['/proc/self/root', '/proc/1/root', '/proc/1/cwd', '/proc/self/cwd/../../../../..']
ways += ['/' + '../' * 40, '/proc/self/task/%d/root' % os.getpid()]
for way in ways: tries(way, lambda: open(way + secret).read())
for number in range(3, 64): tries(number, lambda: os.fstat(number))
tries('chroot', lambda: os.chroot('/tmp'))
"""
    (bench.folder / "secret").write_text("secret")
    (bench.folder / "secret").chmod(0o666)
    done = attack(bench, body, str(bench.folder / "secret"))
    assert done.refused_syscalls == {"chroot": 1}


def test_file_handles_open_nothing(bench: Bench) -> None:
    body = """
buffer = ctypes.create_string_buffer(struct.pack('Ii', 128, 0), 136); mount = ctypes.c_int()
at = ctypes.addressof
take, use = (303, 304) if os.uname().machine == 'x86_64' else (264, 265)
usr = ctypes.create_string_buffer(b'/usr')
tries('name', lambda: syscall(take, -100, at(usr), at(buffer), at(mount), 0))
struct.pack_into('Ii', buffer, 0, 8, 1)
tries('open', lambda: syscall(use, os.open('/', 0), at(buffer), 0))
"""
    done = attack(bench, body)
    assert done.refused_syscalls == {"name_to_handle_at": 1, "open_by_handle_at": 1}


# Services


SOCKETS = ["keyd/keyd.sock", "docker.sock", "dbus/system_bus_socket", "user/bus", "wayland-0"]


@pytest.mark.parametrize("name", SOCKETS)
def test_sockets_of_services_cannot_be_reached(bench: Bench, name: str) -> None:
    with service(bench.folder / "run" / name) as path:
        attack(bench, CONNECT, str(path))


def test_the_hosts_own_services_cannot_be_reached(bench: Bench) -> None:
    usual = ["/var/run/docker.sock", "/run/docker.sock", "/run/dbus/system_bus_socket"]
    usual += [f"/run/user/{os.geteuid()}/bus", "/run/containerd/containerd.sock", "/dev/log"]
    usual += ["/run/systemd/private", "/tmp/.X11-unix/X0", "/run/systemd/journal/socket"]
    attack(bench, CONNECT, *usual)


@pytest.mark.parametrize("place", ["working folder", "shown folder", "data"])
def test_socket_below_a_folder_that_is_shown_is_dead(bench: Bench, place: str) -> None:
    """A bind mount would carry it inside, alive: read-only does not stop a connection."""
    shown = bench.workdir if place == "working folder" else bench.folder / "shown"
    shown.mkdir(exist_ok=True)
    mounts = [data(shown)] if place == "data" else []
    reads = [shown] if place == "shown folder" else []
    with service(shown / "s.sock") as path:
        attack(bench, CONNECT, str(path), data=mounts, reads=reads)


def test_pipe_below_a_folder_that_is_shown_is_dead(bench: Bench) -> None:
    pipe = bench.workdir / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        body = "tries('pipe', lambda: os.open('pipe', os.O_WRONLY | os.O_NONBLOCK))"
        attack(bench, body)
    finally:
        os.close(reader)


# What may not be changed


def test_host_files_cannot_be_changed(bench: Bench) -> None:
    body = """
def plants(path, make, undo):
    make(path); undo(path)
for folder in '/', '/usr', '/usr/bin', '/etc', '/lib', '/dev', '/proc', '/sys', *sys.argv[1:]:
    tries(folder, lambda: plants(folder + '/planted', lambda p: open(p, 'x'), os.unlink))
    tries(folder, lambda: plants(folder + '/planted.d', os.mkdir, os.rmdir))
for path in '/etc/passwd', '/etc/ld.so.cache', '/usr/bin/env', '/proc/sysrq-trigger':
    tries(path, lambda: open(path, 'r+'))
    tries(path, lambda: os.chmod(path, os.stat(path).st_mode & 0o7777))
    tries(path, lambda: os.rename(path, path))
"""
    attack(bench, body, str(bench.folder), "/var/tmp")
    host = on_host_without(bench, NO_LANDLOCK)  # the mounts alone hold, too
    attack(host, body, str(bench.folder), "/var/tmp", level="partial")


def test_second_wall_denies_what_the_mounts_would_allow(bench: Bench) -> None:
    body = "tries('proc', lambda: open('/proc/self/oom_score_adj', 'w').write('900'))"
    assert "EACCES" in attack(bench, body).output


def test_kernel_settings_cannot_be_changed(bench: Bench) -> None:
    body = """
settings = ['kernel/core_pattern', 'kernel/hostname', 'kernel/modprobe', 'vm/swappiness',
    'kernel/randomize_va_space', 'fs/binfmt_misc/register', 'user/max_user_namespaces',
    'net/ipv4/ip_forward', 'kernel/yama/ptrace_scope']
def opens(path): os.close(os.open(path, os.O_WRONLY))  # writing would break the host
for name in settings: tries(name, lambda: opens('/proc/sys/' + name))
for path in '/proc/sysrq-trigger', '/proc/irq/default_smp_affinity', '/proc/mtrr':
    tries(path, lambda: opens(path))
for path in '/proc/kcore', '/proc/kmsg', '/proc/kallsyms', '/proc/keys', '/proc/key-users':
    try: content = open(path, 'rb').read(64)
    except OSError: continue
    if content: reached(path)
"""
    attack(bench, body)
    attack(on_host_without(bench, NO_LANDLOCK), body, level="partial")


def test_mounts_cannot_be_made_moved_or_undone(bench: Bench) -> None:
    body = """
mount = libc.mount
def calls(label, number):
    if number == 0: reached(label)
calls('remount', mount(b'none', b'/', None, 32, None))
calls('rebind', mount(b'none', sys.argv[1].encode(), None, 32 | 4096, None))
calls('bind', mount(b'/usr', b'/tmp', None, 4096, None))
calls('tmpfs', mount(b'tmpfs', b'/tmp', b'tmpfs', 0, None))
calls('umount', libc.umount2(b'/proc/sys', 2))
calls('umount data', libc.umount2(sys.argv[1].encode(), 2))
calls('pivot', libc.pivot_root(b'.', b'.'))
for number in 428, 429, 430, 442: tries(number, lambda: syscall(number, 0, 0, 0, 0, 0))
"""
    scans = bench.workdir / "scans"
    done = attack(bench, body, str(scans), data=[data(scans)])
    assert done.refused_syscalls == {
        "mount": 4, "umount2": 2, "pivot_root": 1, "open_tree": 1, "move_mount": 1,
        "fsopen": 1, "mount_setattr": 1,
    }  # fmt: skip


def test_data_cannot_be_changed_by_any_call(bench: Bench) -> None:
    body = """
os.chdir(sys.argv[1])
tries('write', lambda: open('a.csv', 'w'))
tries('append', lambda: open('a.csv', 'a'))
tries('truncate', lambda: os.truncate('a.csv', 0))
tries('chmod', lambda: os.chmod('a.csv', 0o777))
tries('utime', lambda: os.utime('a.csv'))
tries('rename', lambda: os.rename('a.csv', 'c'))
tries('move out', lambda: os.rename('a.csv', '/tmp/a.csv'))
tries('unlink', lambda: os.unlink('a.csv'))
tries('link', lambda: os.link('a.csv', 'l'))
tries('create', lambda: open('new', 'w'))
tries('xattr', lambda: os.setxattr('a.csv', 'user.x', b'1'))
tries('magic link', lambda: open('/proc/self/fd/%d' % os.open('a.csv', 0), 'r+'))
tries('run', lambda: os.execv('./a.csv', ['a']))
"""
    for path in (bench.workdir / "scans", Path("/mnt/scans")):
        done = attack(bench, body, str(path), data=[data(path)])
        assert done.output.count("EROFS") >= 9, done.output


# Other jobs


def test_two_jobs_share_nothing(bench: Bench) -> None:
    """While one holds its data, memory and messages, the other looks for them everywhere."""
    mark = f"mark{os.urandom(6).hex()}"
    hold = f"""
for folder in '/dev/shm', '/tmp', '/home/job': open(folder + '/{mark}', 'w').write('{mark}')
server = socket.socket(1); server.bind('\\0{mark}'); server.listen()
pathname = socket.socket(1); pathname.bind('/tmp/{mark}.sock'); pathname.listen()
web = socket.create_server(('127.0.0.1', 47321))
libc.shmget(0x5EC2E7, 4096, 0o1666); libc.msgget(0x5EC2E7, 0o1666)
import time; time.sleep(600)
"""
    seek = f"""
for path in '/dev/shm/{mark}', '/tmp/{mark}', '/home/job/{mark}', sys.argv[1] + '/a.csv':
    tries(path, lambda: open(path).read())
tries('abstract', lambda: socket.socket(1).connect('\\0{mark}'))
tries('pathname', lambda: socket.socket(1).connect('/tmp/{mark}.sock'))
tries('loopback', lambda: socket.create_connection(('127.0.0.1', 47321)))
if libc.shmget(0x5EC2E7, 4096, 0o666) >= 0: reached('shared memory')
if libc.msgget(0x5EC2E7, 0o666) >= 0: reached('message queue')
for pid in [p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]:
    reached('process', pid)
for top in set(os.listdir('/')) & {{'mnt', 'tmp', 'home', 'dev', 'etc', 'var', 'run', 'srv'}}:
    for folder, _, names in os.walk('/' + top):
        if any('{mark}' in name for name in names): reached(folder)
"""
    path = Path("/mnt/secret-scans")
    argv = (bench.python, "-I", "-S", "-c", PRELUDE + hold, mark)
    holder = begin(bench, bench.order(*argv, data=[data(path)], required="full"), mark)
    try:
        attack(bench, seek, str(path))
        assert marked_processes(mark)
    finally:
        kill(holder)
