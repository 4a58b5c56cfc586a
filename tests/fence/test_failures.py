"""Whatever fails in the runner's own hands: the job ends, and nothing of it stays open."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloister.core.errors import CloisterError, FenceUnavailable
from cloister.core.values import FenceLevel
from cloister.fence import Changes, FenceSpec, Mount, probe, run
from tests.fence.benches import Bench
from tests.fence.leftovers import marked_processes


class Broken(Exception):
    pass


def fail(_: object) -> None:
    raise Broken


def ignore(_: bytes) -> None:
    pass


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    """No descriptor, thread or child more than before."""

    def state() -> tuple[set[str], int, str]:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        return set(os.listdir("/proc/self/fd")), threading.active_count(), children

    before = state()
    yield
    assert state() == before


def spec_of(bench: Bench, *argv: str, mounts: tuple[Mount, ...] = ()) -> FenceSpec:
    return FenceSpec(argv, bench.workdir, {"PATH": "/usr/bin:/bin"}, data=mounts)


def test_output_callback_that_fails_ends_the_job(own_bench: Bench) -> None:
    mark = f"mark-{os.urandom(6).hex()}"
    spec = spec_of(own_bench, "sh", "-c", "echo x; sleep 600", mark)
    with pytest.raises(Broken):
        run(spec, on_output=fail)
    assert not marked_processes(mark)


def test_capture_that_fails_comes_through(own_bench: Bench) -> None:
    with pytest.raises(Broken):
        run(spec_of(own_bench, "true"), on_output=ignore, capture=fail)


def test_fill_that_fails_comes_through_and_no_job_runs(own_bench: Bench) -> None:
    mounts = (Mount(own_bench.workdir / "d", fail),)
    with pytest.raises(Broken):
        run(spec_of(own_bench, "touch", "/var/tmp/ran", mounts=mounts), on_output=ignore)


def test_capture_may_stop_in_the_middle(own_bench: Bench) -> None:
    def first_only(changes: Changes) -> None:
        with next(iter(changes)).open() as file:
            assert file.read() == b"a\n"

    code = "mkdir -p d/e; for f in a b d/c d/e/f; do echo $f > $f; done"
    run(spec_of(own_bench, "sh", "-c", code), on_output=ignore, capture=first_only)


def test_refusals_leave_nothing(own_bench: Bench) -> None:
    specs: list[Callable[[], object]] = [
        lambda: run(spec_of(own_bench), on_output=ignore),
        lambda: run(FenceSpec(("true",), Path("/none"), {}), on_output=ignore),
        lambda: run(FenceSpec(("true",), Path("/usr"), {}), on_output=ignore),
    ]
    for refused in specs:
        with pytest.raises(CloisterError):
            refused()


def test_refusals_with_an_input_leave_nothing(own_bench: Bench) -> None:
    with Path("/dev/zero").open("rb") as file:
        spec = FenceSpec(
            ("true",),
            own_bench.workdir,
            {},
            data=(Mount(own_bench.workdir / "d", fail),),
            stdin=file.fileno(),
        )
        with pytest.raises(Broken):
            run(spec, on_output=ignore)


def test_jobs_in_threads_do_not_disturb_each_other(own_bench: Bench) -> None:
    said: dict[int, bytes] = dict.fromkeys(range(4), b"")

    def one(number: int) -> None:
        def hear(data: bytes) -> None:
            said[number] += data

        run(spec_of(own_bench, "sh", "-c", f"sleep 0.1; echo {number}"), on_output=hear)

    threads = [threading.Thread(target=one, args=(number,)) for number in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {number: f"{number}\n".encode() for number in said}


def test_probe_says_full_or_why_not() -> None:
    found = probe()
    assert (found.level is FenceLevel.FULL) == (found.reasons == ())
    assert len(found.reasons) == len(found.fixes)


def test_requiring_full_on_this_host_matches_the_probe(own_bench: Bench) -> None:
    spec = FenceSpec(("true",), own_bench.workdir, {}, required=FenceLevel.FULL)
    if probe().level is FenceLevel.FULL:
        assert run(spec, on_output=ignore).exit_status == 0
    else:
        with pytest.raises(FenceUnavailable):
            run(spec, on_output=ignore)
