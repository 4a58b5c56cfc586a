"""Hosts that forbid part of the fence: tried for real, said aloud, refused where required."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.fence.benches import Bench, on_host_without, readable_source
from tests.fence.test_data import data

NO_NAMESPACES = "unshare=EPERM"
NO_MOUNTS = "mount=EACCES"  # as AppArmor on Ubuntu: the namespace is made, and is powerless
NO_LANDLOCK = "landlock=EOPNOTSUPP"
NO_SECCOMP = "seccomp=EINVAL"


@pytest.mark.parametrize("forbidden", [NO_NAMESPACES, NO_MOUNTS])
def test_without_namespaces_the_fence_is_partial_and_says_so(
    bench: Bench, forbidden: str
) -> None:
    done = on_host_without(bench, forbidden).run("sh", "-c", "echo ran")
    assert (done.output, done.level) == ("ran\n", "partial")
    assert any("PARTIAL" in note for note in done.notes)
    assert any("namespaces" in note for note in done.notes)


@pytest.mark.parametrize("forbidden", [NO_NAMESPACES, NO_MOUNTS, NO_LANDLOCK, NO_SECCOMP])
def test_required_fence_is_refused_with_the_hosts_fix(bench: Bench, forbidden: str) -> None:
    host = on_host_without(bench, forbidden)
    kind, message, hint = host.run("sh", "-c", "echo ran", required="full").error
    assert kind == "FenceUnavailable"
    assert "level partial, full is required" in message
    assert hint


def test_without_landlock_namespaces_still_hold(bench: Bench) -> None:
    done = on_host_without(bench, NO_LANDLOCK).run("sh", "-c", "id -un; ls /var/tmp")
    assert (done.output.splitlines()[0], done.level) == ("job", "partial")
    assert any("lsm=landlock" in note for note in done.notes)


def test_without_seccomp_namespaces_still_hold(bench: Bench) -> None:
    done = on_host_without(bench, NO_SECCOMP).run("id", "-un")
    assert (done.output, done.level) == ("job\n", "partial")


def test_one_wall_alone_is_no_fence(bench: Bench) -> None:
    host = on_host_without(bench, f"{NO_NAMESPACES},{NO_LANDLOCK}")
    assert host.run("echo", "ran").error[0] == "FenceUnavailable"
    done = host.run("echo", "ran", required="none")
    assert (done.output, done.level) == ("ran\n", "none")
    assert any("fence NONE" in note for note in done.notes)


def test_without_any_wall_the_job_runs_only_if_asked_by_name(bench: Bench) -> None:
    host = on_host_without(bench, f"{NO_NAMESPACES},{NO_LANDLOCK},{NO_SECCOMP}")
    assert host.run("echo", "ran").error[0] == "FenceUnavailable"
    assert host.run("echo", "ran", required="none").output == "ran\n"


def test_without_an_overlay_the_folder_is_copied(bench: Bench) -> None:
    bench.write("keep", "edit", "drop", "deep/er/same")
    (bench.workdir / "link").symlink_to("keep")
    host = on_host_without(bench, "setxattr=EOPNOTSUPP")
    done = host.run("sh", "-c", "cat link; echo new > edit; rm drop; echo y > made")
    assert (done.output, done.level) == ("old keep", "full")
    assert done.paths == {"drop": "removed", "edit": "changed", "made": "added"}
    assert any("copied" in note for note in done.notes)
    assert (bench.workdir / "edit").read_text() == "old edit"


def test_large_folder_is_never_copied(bench: Bench) -> None:
    bench.write("edit", "d/old")
    with (bench.workdir / "large").open("wb") as file:
        file.truncate(300 << 20)
    host = on_host_without(bench, "setxattr=EOPNOTSUPP")
    done = host.run("sh", "-c", "echo new > edit; rm d/old; echo y > made")
    assert done.paths == {"d/old": "removed", "edit": "changed", "made": "added"}
    assert any("older than 6.6" in note for note in done.notes)


def test_copy_of_layers_follows_no_link_of_the_layer_below(bench: Bench) -> None:
    outside = bench.folder / "outside"
    bench.write("kept", into=outside)
    (bench.workdir / "a.csv").symlink_to(outside / "kept")
    (bench.workdir / "folder").symlink_to(outside)
    host = on_host_without(bench, "setxattr=EOPNOTSUPP")
    done = host.run("cat", "a.csv", data=[data(bench.workdir)])
    assert done.output == "1,2\n", done.errors
    assert (outside / "kept").read_text() == "old kept"


def test_partial_fence_captures_changes_of_a_copy(bench: Bench) -> None:
    bench.write("keep", "edit", "drop")
    host = on_host_without(bench, NO_NAMESPACES)
    done = host.run("sh", "-c", "echo new > edit; rm drop; mkdir d; echo y > d/made")
    assert done.paths == {"drop": "removed", "edit": "changed", "d/made": "added"}
    assert (bench.workdir / "edit").read_text() == "old edit"


def test_partial_fence_finds_data_by_name_and_by_moved_arguments(bench: Bench) -> None:
    host = on_host_without(bench, NO_NAMESPACES)
    near, far = bench.workdir / "near", Path("/mnt/study/far")
    one = data("/srv/one.csv", {"one.csv": "one"}, is_file=True)
    code = 'cat near/a.csv "$1" "${2#--data=}" "$3"'
    arguments = (f"{near}/b.csv", f"--data={far}/a.csv", "/srv/one.csv")
    done = host.run("sh", "-c", code, "sh", *arguments, data=[data(near), data(far), one])
    assert done.output == "1,2\n3,4\n1,2\none", done.errors
    assert done.changes == []


def test_partial_fence_finds_data_by_a_variable_that_names_them(bench: Bench) -> None:
    host = on_host_without(bench, NO_NAMESPACES)
    given = {"data": [data("/cloister/hub")], "env": {"HF_HUB_CACHE": "/cloister/hub"}}
    assert host.run("/bin/sh", "-c", "cat $HF_HUB_CACHE/a.csv", **given).output == "1,2\n"


def test_partial_fence_leaves_no_folder_behind(bench: Bench) -> None:
    on_host_without(bench, NO_NAMESPACES).run("sh", "-c", "echo x > y; mkdir -m 0 z")
    user = os.geteuid() if bench.user is None else bench.user
    assert not list(Path("/dev/shm").glob(f"cloister-job-{user}-*"))


def test_fence_inside_a_fence_is_weaker_and_works(own_bench: Bench) -> None:
    """There are no namespaces there, and a filter that listens already."""
    order = json.dumps(own_bench.order("echo", "inner"))
    (own_bench.workdir / "order").write_text(order)
    command = f"{own_bench.python} {readable_source()}/tests/fence/driver.py < order"
    env = {"PYTHONPATH": str(readable_source())}
    done = own_bench.run("sh", "-c", command, reads=[readable_source()], env=env)
    inner = json.loads(done.output)
    assert (inner["output"], inner["level"]) == ("inner\n", "partial"), done.facts
    assert any("not counted" in note for note in inner["notes"])
