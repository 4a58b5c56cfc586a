"""Data appears at the path it was added from, read-only, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fence.benches import Bench

FILES = {"a.csv": "1,2\n", "b.csv": "3,4\n"}


def data(
    path: Path | str, files: dict[str, str] | None = None, **others: object
) -> dict[str, object]:
    return {"path": str(path), "files": FILES if files is None else files, **others}


def test_data_below_the_working_folder_covers_what_is_there(bench: Bench) -> None:
    (bench.workdir / "scans").mkdir()
    (bench.workdir / "scans" / "old.csv").write_text("plain")
    done = bench.run("sh", "-c", "ls scans; cat scans/*", data=[data(bench.workdir / "scans")])
    assert done.output == "a.csv\nb.csv\n1,2\n3,4\n"
    assert done.changes == []


def test_data_appears_even_if_its_source_is_gone(bench: Bench) -> None:
    for path in (bench.workdir / "gone/deep", Path("/mnt/study/never"), Path("/data")):
        done = bench.run("cat", str(path / "a.csv"), data=[data(path)])
        assert done.output == "1,2\n", done.errors
        assert done.changes == []
        assert not path.exists()


def test_one_file_appears_as_one_file(bench: Bench) -> None:
    (bench.workdir / "table.csv").write_text("plain source")
    path = bench.workdir / "table.csv"
    one = data(path, {"table.csv": "sealed"}, is_file=True)
    done = bench.run("sh", "-c", "ls; cat table.csv", data=[one])
    assert done.output == "table.csv\nsealed"
    assert done.changes == []
    assert path.read_text() == "plain source"


def test_one_file_appears_even_if_it_is_gone(bench: Bench) -> None:
    one = data("/srv/far/table.csv", {"table.csv": "sealed"}, is_file=True)
    assert bench.run("cat", "/srv/far/table.csv", data=[one]).output == "sealed"


def test_two_datasets_at_one_path_are_refused(bench: Bench) -> None:
    path = bench.workdir / "d"
    assert bench.run("true", data=[data(path), data(path)]).error[0] == "BadInput"


def test_working_folder_can_itself_be_data(bench: Bench) -> None:
    (bench.workdir / "train.py").write_text("print(open('a.csv').read(), end='')")
    (bench.workdir / "a.csv").write_text("changed since it was added")
    done = bench.run(bench.python, "train.py", data=[data(bench.workdir)])
    assert done.output == "1,2\n", done.errors


def test_working_folder_can_lie_inside_data(bench: Bench) -> None:
    (bench.workdir / "train.sh").write_text("cat ../a.csv; ls")
    done = bench.run("sh", "train.sh", data=[data(bench.folder)])
    assert done.output == "1,2\ntrain.sh\n", done.errors


def test_several_data_are_side_by_side_and_inside_each_other(bench: Bench) -> None:
    outer, inner = bench.workdir / "d", bench.workdir / "d/inner"
    done = bench.run(
        "cat", "d/a.csv", "d/inner/x", data=[data(outer), data(inner, {"x": "deep"})]
    )
    assert done.output == "1,2\ndeep", done.errors


def test_data_below_a_link_is_found_by_either_path(bench: Bench) -> None:
    real = bench.folder / "big-disk"
    real.mkdir()
    (bench.workdir / "scans").symlink_to(real)
    path = bench.workdir / "scans/set1"
    done = bench.run("cat", "scans/set1/a.csv", f"{real}/set1/a.csv", data=[data(path)])
    assert done.output == "1,2\n1,2\n", done.errors


@pytest.mark.parametrize("place", ["below", "outside"])
def test_data_cannot_be_written_renamed_or_removed(bench: Bench, place: str) -> None:
    path = bench.workdir / "d" if place == "below" else Path("/mnt/d")
    attacks = "echo x > a.csv; rm a.csv; mv a.csv c; touch new; chmod 777 a.csv; rmdir ../d"
    done = bench.run("sh", "-c", f"cd {path}; {attacks}; cat a.csv", data=[data(path)])
    assert done.output == "1,2\n"
    assert done.errors.count("\n") == 6, done.errors
    assert done.changes == []


def test_data_cannot_be_executed(bench: Bench) -> None:
    tool = {"tool": "#!/bin/sh\necho ran\n"}
    done = bench.run("./d/tool", data=[data(bench.workdir / "d", tool)])
    assert done.exit_status == 126


def test_data_that_does_not_fit_is_no_space(bench: Bench) -> None:
    big = data(bench.workdir / "d", {"big": "x" * 100_000}, size_bytes=8192)
    assert bench.run("true", data=[big]).error[0] == "NoSpace"


def test_reserved_places_are_refused(bench: Bench) -> None:
    for path in ("/", "/proc/x", "/dev/x", "/etc/x", "/usr/share/x", "/tmp"):
        assert bench.run("true", data=[data(path)]).error[0] == "BadInput", path


def test_data_may_lie_in_temporary_and_home_folders(bench: Bench) -> None:
    for path in ("/tmp/some/data", "/home/job/data", "/dev/shm/data", "/home/ana/data"):
        done = bench.run("cat", f"{path}/a.csv", data=[data(path)])
        assert done.output == "1,2\n", done.errors


def test_data_inside_a_shown_folder_must_have_its_place_there(bench: Bench) -> None:
    shown = bench.folder / "shown"
    shown.mkdir()
    done = bench.run("true", reads=[shown], data=[data(shown / "none")])
    assert done.error[0] == "BadInput"
    assert not os.listdir(shown)


def test_shown_folder_is_read_only_and_nothing_beside_it_shows(bench: Bench) -> None:
    shown, beside = bench.folder / "shown", bench.folder / "beside"
    for folder in (shown, beside):
        folder.mkdir()
        (folder / "f").write_text("text")
        folder.chmod(0o777)
    code = f"cat {shown}/f; echo x > {shown}/f; cat {beside}/f; ls {bench.folder}"
    done = bench.run("sh", "-c", code, reads=[shown])
    assert done.output == "textproject\nshown\n"
    assert (shown / "f").read_text() == "text"
