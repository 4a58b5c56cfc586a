"""Artifacts: what is logged comes back byte for byte, sealed in between, and goes when told."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from cloister.core.errors import BadInput, NotAllowed, NotFound
from cloister.tracking import artifacts as tables
from cloister.workflows.tracking import artifacts, experiments, purge, runs
from cloister.workflows.tracking.artifacts import Opened
from cloister.workflows.tracking.visit import Visit
from tests.tracking.conftest import ENGINES, new_uri
from tests.tracking.sealing import SealingLab, sealing_lab


@pytest.fixture(scope="module", params=ENGINES)
def lab(request: pytest.FixtureRequest) -> Iterator[SealingLab]:
    with sealing_lab(None if request.param == "sqlite" else new_uri(request)) as made:
        yield made


@pytest.fixture
def visit(lab: SealingLab) -> Visit:
    return lab.visit()


def read(opened: Opened) -> bytes:
    return b"".join(opened.chunks)


def names(visit: Visit, address: str) -> list[tuple[str, bool, int]]:
    return [tuple(entry) for entry in artifacts.entries(visit, address)]


@pytest.mark.parametrize("size", [0, 1, 512 << 10, (512 << 10) + 1, 3 << 20, (4 << 20) + 7])
def test_a_file_of_any_size_comes_back(lab: SealingLab, visit: Visit, size: int) -> None:
    root, content = lab.run(visit), os.urandom(size)
    pieces = (content[at : at + 100_000] for at in range(0, size, 100_000))
    artifacts.put(visit, f"{root}/a/b.bin", pieces, size)
    opened = artifacts.get(visit, f"{root}/a/b.bin")
    assert (opened.size_bytes, read(opened)) == (size, content)
    assert names(visit, root) == [("a", True, 0)]
    assert names(visit, f"{root}/a") == [("b.bin", False, size)]
    assert names(visit, f"{root}/a/b.bin") == []


def test_a_file_takes_the_place_of_one_of_its_name(lab: SealingLab, visit: Visit) -> None:
    root = lab.run(visit)
    before = lab.stored()
    for content in (b"one", b"two" * 400_000, b"three"):
        artifacts.put(visit, f"{root}/f", [content])
        assert read(artifacts.get(visit, f"{root}/f")) == content
    assert lab.stored() == before + 1


def test_every_reading_is_on_record_before_its_first_byte(
    lab: SealingLab, visit: Visit
) -> None:
    root = lab.run(visit)
    artifacts.put(visit, f"{root}/small", [b"x" * 10])
    artifacts.put(visit, f"{root}/large", [b"x" * (5 << 20)])
    before = lab.rows("read")
    opened = artifacts.get(visit, f"{root}/large")
    next(opened.chunks)
    assert lab.rows("read") == before + 1
    opened.chunks.close()
    with lab.database.read() as tx:
        (last,) = tx.query("SELECT purpose, bytes FROM read ORDER BY begun DESC LIMIT 1")
    assert last == ("artifact", 1 << 20)
    next(artifacts.get(visit, f"{root}/small").chunks)
    assert lab.rows("read") == before + 2


@pytest.mark.parametrize(
    "path",
    [
        *("../x", "a/../../x", "./x", "a//x", "/etc/passwd", "a/.", "..", "a\\..\\x", "a\0b"),
        "x" * 1025,
        "a/",
    ],
)
def test_a_path_that_leaves_its_folder_is_refused(
    lab: SealingLab, visit: Visit, path: str
) -> None:
    root = lab.run(visit)
    before = lab.stored()
    with pytest.raises(BadInput):
        artifacts.put(visit, f"{root}/{path}", [b"x"])
    with pytest.raises(BadInput):
        artifacts.get(visit, f"{root}/{path}")
    with pytest.raises(BadInput):
        artifacts.remove(visit, f"{root}/{path}")
    assert lab.stored() == before


def test_a_file_is_no_folder_and_a_folder_no_file(lab: SealingLab, visit: Visit) -> None:
    root = lab.run(visit)
    artifacts.put(visit, f"{root}/a/b", [b"x"])
    for path in ("a", "a/b/c", "a/b/c/d"):
        with pytest.raises(BadInput):
            artifacts.put(visit, f"{root}/{path}", [b"x"])


def test_an_address_of_another_experiment_or_of_nothing_is_not_found(
    lab: SealingLab, visit: Visit
) -> None:
    root = lab.run(visit)
    number, run, _ = root.split("/")
    for address in (
        f"{int(number) + 1}/{run}/artifacts/a",
        f"{number}/{'f' * 32}/artifacts/a",
        f"{number}/{run}/a",
        f"{number}/a",
        "a",
        f"{number}/{run}/artifacts",
    ):
        with pytest.raises((NotFound, BadInput)):
            artifacts.put(visit, address, [b"x"])
    with pytest.raises(NotFound):
        artifacts.get(visit, f"{root}/missing")


def test_half_an_upload_leaves_nothing(lab: SealingLab, visit: Visit) -> None:
    root = lab.run(visit)
    before = lab.stored()

    def broken(size: int) -> Iterator[bytes]:
        yield b"x" * size
        raise ConnectionResetError

    for size in (10, 3 << 20):
        with pytest.raises(ConnectionResetError):
            artifacts.put(visit, f"{root}/f", broken(size), 9 << 20)
    assert (names(visit, root), lab.stored()) == ([], before)


def test_what_is_removed_nobody_reads_again(lab: SealingLab, visit: Visit) -> None:
    root = lab.run(visit)
    before = lab.stored()
    for path in ("m/a", "m/b/c", "mm", "n_o"):
        artifacts.put(visit, f"{root}/{path}", [path.encode() * 10])
    artifacts.remove(visit, f"{root}/m")
    artifacts.remove(visit, f"{root}/nothing")
    assert [name for name, _, _ in names(visit, root)] == ["mm", "n_o"]
    with pytest.raises(NotFound):
        artifacts.get(visit, f"{root}/m/a")
    artifacts.remove(visit, root)
    assert (names(visit, root), lab.stored()) == ([], before)


def test_of_a_deleted_run_nothing_is_given_out_until_it_is_restored(
    lab: SealingLab, visit: Visit
) -> None:
    root = lab.run(visit, "other")
    number, run, _ = root.split("/")
    artifacts.put(visit, f"{root}/a", [b"x"])
    for gone, back in (
        (lambda: runs.delete(visit, run), lambda: runs.restore(visit, run)),
        (
            lambda: experiments.delete(visit, number),
            lambda: experiments.restore(visit, number),
        ),
    ):
        gone()
        for refused in (artifacts.get, artifacts.remove):
            with pytest.raises(NotFound):
                refused(visit, f"{root}/a")
        with pytest.raises(NotFound):
            artifacts.put(visit, f"{root}/a", [b"y"])
        back()
        assert read(artifacts.get(visit, f"{root}/a")) == b"x"


def test_a_purged_run_leaves_no_file(lab: SealingLab, visit: Visit) -> None:
    before = lab.stored()
    root = lab.run(visit)
    run = root.split("/")[1]
    for name in "ab":
        artifacts.put(visit, f"{root}/{name}", [name.encode()])
    runs.delete(visit, run)
    admin = lab.visit("admin")
    planned = purge.plan(admin, [run])
    assert (planned.files, planned.size_bytes) == (2, 2)
    assert purge.purge(admin, planned) == planned
    assert lab.stored() == before
    with pytest.raises(NotFound):
        artifacts.get(visit, f"{root}/a")


def test_the_bytes_of_a_purged_run_go_from_the_disk_a_day_after_they_came(
    lab: SealingLab, visit: Visit
) -> None:
    root, admin = lab.run(visit), lab.visit("admin")
    content = os.urandom(3 << 20)
    artifacts.put(visit, f"{root}/large", [content])
    kept = lab.run(visit)
    artifacts.put(visit, f"{kept}/large", [content])
    runs.delete(visit, root.split("/")[1])
    purge.purge(admin, purge.plan(admin, [root.split("/")[1]]))
    assert purge.collect(admin) == 0  # somebody may be about to place it
    blobs = [path for path in (lab.folder / "store").rglob("*") if path.is_file()]
    for path in blobs:
        if path.stat().st_size > len(content):
            os.utime(path, (0, 0))
    assert purge.collect(admin) > len(content)
    assert read(artifacts.get(visit, f"{kept}/large")) == content
    with pytest.raises(NotAllowed):
        purge.collect(visit)


def test_a_fenced_run_seals_under_its_own_key_and_others_under_their_experiment(
    lab: SealingLab, visit: Visit
) -> None:
    fenced = lab.fenced()
    mine, open_one = lab.run(fenced, "own"), lab.run(visit, "own")
    artifacts.put(fenced, f"{mine}/a", [b"patients"])
    for name in "bc":
        artifacts.put(visit, f"{open_one}/{name}", [b"none"])

    def owners(root: str) -> set[str]:
        holder = root.split("/")[1]
        return {one.owner for one in lab.visit().lab.read(lambda tx: tables.below(tx, holder))}

    assert owners(mine) == {fenced.fenced}
    (collection,) = owners(open_one)
    assert collection.startswith("col_")
    assert [one.path for one in visit.lab.read(lambda tx: tables.of_fenced(tx, fenced.fenced))]


def test_what_a_fence_kept_in_is_read_by_those_who_read_data(
    lab: SealingLab, visit: Visit
) -> None:
    fenced = lab.fenced()
    root = lab.run(fenced, "guarded")
    artifacts.put(fenced, f"{root}/a", [b"patients"])
    assert read(artifacts.get(fenced, f"{root}/a")) == b"patients"
    assert read(artifacts.get(visit, f"{root}/a")) == b"patients"
    with pytest.raises(NotAllowed):
        artifacts.get(lab.visit("researcher"), f"{root}/a")
    with pytest.raises(NotFound):
        artifacts.get(lab.fenced(), f"{root}/a")
    with pytest.raises(NotFound):
        artifacts.get(lab.visit("engineer", None, "prj_aaaaaaaaaaaaaaaa"), f"{root}/a")
    with pytest.raises(NotAllowed):
        artifacts.put(lab.visit("auditor"), f"{root}/a", [b"x"])


def test_an_id_in_a_name_becomes_the_pseudonym(lab: SealingLab, visit: Visit) -> None:
    subject = "sub_aaaaaaaaaaaaaaaa"
    lab.ids.known["p4711-x"] = subject
    root = lab.run(visit)
    artifacts.put(visit, f"{root}/P4711-X/scan.png", [b"x"])
    assert read(artifacts.get(visit, f"{root}/P4711-X/scan.png")) == b"x"
    assert names(visit, root) == [(subject, True, 0)]
    with lab.database.read() as tx:
        found = tx.query(
            "SELECT place, subject FROM run_identified WHERE run = ?", root.split("/")[1:2]
        )
    assert found == [("artifact", subject)]
