"""Small parts, each against what its source document says."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.values import FenceLevel
from cloister.fence import job_environment, system
from cloister.fence.ended import Ended
from cloister.fence.filter import ALWAYS, build_filter
from cloister.fence.inside import wire
from cloister.fence.memory import MemoryGroup
from cloister.fence.remedies import explain
from cloister.fence.swap import unencrypted_swap
from cloister.fence.syscalls import Architecture, this_architecture
from cloister.fence.walls import ALL_WALLS, Wall, WallRefused, level_of, satisfies

X86, ARM = Architecture(0xC000003E, 0), Architecture(0xC00000B7, 1)
ALLOW, NOTIFY, ENOSYS = 0x7FFF0000, 0x7FC00000, 0x00050026


# The filter, run by an interpreter of classic BPF written from seccomp(2)


def decide(program: bytes, number: int, *arguments: int, audit: int = X86.audit) -> int:
    six = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<iIQ6Q", number, audit, 0, *six)
    code = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    place, register = 0, 0
    while True:
        operation, yes, no, value = code[place]
        place += 1
        if operation == 0x20:
            (register,) = struct.unpack_from("<I", data, value)
        elif operation == 0x54:
            register &= value
        elif operation == 0x06:
            return value
        else:
            test = {0x15: register == value, 0x35: register >= value, 0x45: register & value}
            place += yes if test[operation] else no


@pytest.mark.parametrize("architecture", [X86, ARM])
@pytest.mark.parametrize("network", [True, False])
def test_every_listed_call_is_refused_and_only_those(
    architecture: Architecture, network: bool
) -> None:
    program = build_filter(architecture, network=network)
    listed = {architecture.number(name) for name in ALWAYS} - {None}
    others = {"ioctl", "clone", "clone3", "socket", "prlimit64", "setrlimit"}
    others |= set() if network else {"shmget", "msgget", "semget", "mq_open"}
    special = {architecture.number(name) for name in others}
    for number in range(470):
        if number not in special:
            verdict = decide(program, number, audit=architecture.audit)
            assert verdict == (NOTIFY if number in listed else ALLOW), number


@pytest.mark.parametrize("network", [True, False])
def test_sockets_are_for_unix_and_the_internet_only(network: bool) -> None:
    program = build_filter(X86, network=network)
    allowed = {
        (family, kind | flags, protocol)
        for family in (2, 10)
        for kind, protocols in ((1, (0, 6)), (2, (0, 17)))
        for protocol in protocols
        for flags in (0, 0x80800)
    }
    for family in range(48):
        for kind in (1, 2, 3, 5, 0x80801, 0x80802, 0x80803):
            for protocol in (0, 1, 6, 17, 58, 132, 136, 255, 262):
                fine = (family, kind, protocol) in allowed or family == 1
                fine = fine or (family == 16 and protocol == 0)
                verdict = decide(program, 41, family, kind, protocol)
                assert verdict == (ALLOW if fine and network else NOTIFY)


@given(st.integers(0, 2**64 - 1))
def test_clone_is_refused_with_any_namespace_flag(flags: int) -> None:
    program = build_filter(X86, network=True)
    assert (decide(program, 56, flags) == NOTIFY) == bool(flags & 0x7E020080)
    assert decide(program, 435, flags) == ENOSYS


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_terminal_injection_is_refused_whatever_surrounds_it(request: int, rest: int) -> None:
    program = build_filter(X86, network=True)
    for number in (0x5412, 0x541C):
        assert decide(program, 16, 0, number | (rest & ~0xFFFFFFFF)) == NOTIFY
    if request & 0xFFFFFFFF not in (0x5412, 0x541C):
        assert decide(program, 16, 0, request) == ALLOW


@given(st.integers(0, 2**64 - 1))
def test_core_limit_can_be_asked_and_never_set(pointer: int) -> None:
    program = build_filter(X86, network=True)
    assert decide(program, 302, 0, 4, pointer) == (NOTIFY if pointer else ALLOW)
    assert decide(program, 302, 0, 7, pointer) == ALLOW
    assert decide(program, 160, 4) == NOTIFY


@given(st.integers(0, 2**31 - 1), st.sampled_from([0x40000003, 0xC00000B7, 0, 1]))
def test_foreign_architectures_and_numberings_are_refused(number: int, audit: int) -> None:
    program = build_filter(X86, network=True)
    assert decide(program, number, audit=audit) == NOTIFY
    assert decide(program, number | 0x40000000) == NOTIFY


def test_a_filter_is_small() -> None:
    assert len(build_filter(X86, network=True)) < 8 * 160


# Messages


@given(st.lists(st.binary(max_size=300)))
def test_messages_come_back(fields: list[bytes]) -> None:
    assert wire.unpack(wire.pack(fields)) == fields


@given(st.lists(st.binary(min_size=1), min_size=1), st.data())
def test_cut_messages_are_noticed(fields: list[bytes], data: st.DataObject) -> None:
    packed = wire.pack(fields)
    ends = {len(wire.pack(fields[:n])) for n in range(len(fields) + 1)}
    cut = data.draw(st.sampled_from([n for n in range(len(packed)) if n not in ends]))
    with pytest.raises(ValueError, match="cut short"):
        wire.unpack(packed[:cut])


# Levels and remedies


def test_levels_follow_the_number_of_walls() -> None:
    assert level_of(ALL_WALLS) is FenceLevel.FULL
    for wall in Wall:
        assert level_of(ALL_WALLS - {wall}) is FenceLevel.PARTIAL
        assert level_of({wall}) is FenceLevel.NONE
    assert level_of(frozenset()) is FenceLevel.NONE


def test_a_stronger_fence_satisfies_a_weaker_demand_only() -> None:
    order = [FenceLevel.NONE, FenceLevel.PARTIAL, FenceLevel.FULL]
    for have in order:
        for want in order:
            assert satisfies(have, want) == (order.index(have) >= order.index(want))


@pytest.mark.parametrize("wall", list(Wall))
def test_every_refusal_has_a_reason_and_a_fix(wall: Wall) -> None:
    remedy = explain(WallRefused(wall, 1, "mount proc"))
    assert remedy.reason
    assert remedy.fix


# Reports


def test_refused_calls_are_named() -> None:
    here = this_architecture()
    assert here is not None
    socket, ptrace = here.number("socket"), here.number("ptrace")
    keys = [f"{ptrace}=2", f"{socket} 17 3 768=1", f"{socket} 2 3 255=1"]
    keys += [f"{socket} 16 3 9=1", "1073741865=4"]
    counted = [f"{here.audit:x} {key}".encode() for key in keys]
    fields = [b"256", b"3", b"1024", b"0", b"0"]
    ended = Ended.parse([*fields, *counted, b"40000003 11=5"])
    assert ended.exit_status == 1
    assert ended.network_attempts == 3
    assert dict(ended.refused) == {
        "ptrace": 2,
        "socket(AF_PACKET)": 1,
        "socket(AF_INET, SOCK_RAW)": 1,
        "socket(AF_NETLINK, protocol 9)": 1,
        "x32 system call": 4,
        "foreign system call": 5,
    }


# The environment


def test_environment_is_an_allow_list_with_telemetry_off() -> None:
    host = {"PATH": "/p", "LC_TIME": "C", "TOKEN": "x", "OMP_NUM_THREADS": "4", "HOME": "/h"}
    made = job_environment(host, {"SEED": "1", "TZ": "UTC"})
    assert {"PATH": "/p", "LC_TIME": "C", "OMP_NUM_THREADS": "4", "SEED": "1"}.items() <= (
        made.items()
    )
    assert "TOKEN" not in made
    assert made["HOME"] == system.HOME
    switches = {"MLFLOW_DISABLE_TELEMETRY": "true", "FLWR_TELEMETRY_ENABLED": "0"}
    switches |= {"RAY_USAGE_STATS_ENABLED": "0", "DO_NOT_TRACK": "1"}
    assert switches.items() <= made.items()


def test_what_the_user_passes_wins() -> None:
    assert job_environment({"TZ": "A"}, {"TZ": "B", "HOME": "/x"})["HOME"] == "/x"


# Swap and memory


def test_swap_in_memory_or_under_encryption_is_no_finding(tmp_path: Path) -> None:
    swaps, block = tmp_path / "swaps", tmp_path / "block"
    head = "Filename Type Size Used Priority\n"
    swaps.write_text(f"{head}/dev/zram0 partition 1 0 5\n/dev/dm-7 partition 1 0 5\n")
    (block / "dm-7/dm").mkdir(parents=True)
    (block / "dm-7/dm/uuid").write_text("CRYPT-PLAIN-swap\n")
    assert unencrypted_swap(swaps, block) is None
    (block / "dm-7/dm/uuid").write_text("LVM-abc\n")
    assert unencrypted_swap(swaps, block) is not None
    swaps.write_text(f"{head}/swapfile file 1 0 5\n")
    assert unencrypted_swap(swaps, block) is not None
    swaps.write_text(head)
    assert unencrypted_swap(swaps, block) is None


def test_memory_group_of_version_2_is_made_where_memory_is_handed_down(tmp_path: Path) -> None:
    app = tmp_path / "cg/user.slice/app.slice"
    own = app / "terminal.scope"
    own.mkdir(parents=True)
    (app / "cgroup.subtree_control").write_text("cpu memory pids\n")
    process = tmp_path / "self"
    process.mkdir()
    (process / "mounts").write_text(f"cgroup2 {tmp_path}/cg cgroup2 rw 0 0\n")
    (process / "cgroup").write_text("0::/user.slice/app.slice/terminal.scope\n")
    group = MemoryGroup.create(1 << 30, process)
    assert group is not None
    assert group.folder.parent == app
    assert (group.folder / "memory.max").read_text() == str(1 << 30)
    assert (group.folder / "memory.swap.max").read_text() == "0"


def test_no_memory_group_where_none_may_be_made(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text("proc /proc proc rw 0 0\n")
    (tmp_path / "cgroup").write_text("0::/\n4:memory:/x\n")
    assert MemoryGroup.create(1 << 30, tmp_path) is None
