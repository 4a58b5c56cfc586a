"""Files in parts: there once they are whole; what was given up leaves nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from cloister.core.errors import BadInput, NotFound
from cloister.workflows.tracking import artifacts, runs, uploads
from cloister.workflows.tracking.ending import endings
from cloister.workflows.tracking.recording import record
from cloister.workflows.tracking.visit import Visit
from tests.tracking.conftest import ENGINES, new_uri
from tests.tracking.sealing import SealingLab, sealing_lab


@pytest.fixture(scope="module", params=ENGINES)
def lab(request: pytest.FixtureRequest) -> Iterator[SealingLab]:
    with sealing_lab(None if request.param == "sqlite" else new_uri(request)) as made:
        yield made
        assert made.rows("track_upload") == 0
        assert made.audit().findings == ()


@pytest.fixture
def visit(lab: SealingLab) -> Visit:
    return lab.visit()


def test_parts_in_any_order_make_the_file(lab: SealingLab, visit: Visit) -> None:
    where, before = f"{lab.run(visit)}/a/b.bin", lab.stored()
    content = [os.urandom(size) for size in (700_000, 3, 1 << 20)]
    upload = uploads.begin(visit, where, 3)
    for number in (2, 3, 1):
        uploads.put_part(visit, upload, number, [b"wrong"])
        uploads.put_part(visit, upload, number, [content[number - 1]])
    with pytest.raises(NotFound):
        artifacts.get(visit, where)
    uploads.complete(visit, upload, where, [3, 1, 2])
    assert b"".join(artifacts.get(visit, where).chunks) == b"".join(content)
    assert lab.stored() == before + 1
    for late in (
        lambda: uploads.complete(visit, upload, where, [1, 2, 3]),
        lambda: uploads.put_part(visit, upload, 1, [b"x"]),
        lambda: uploads.abort(visit, upload),
    ):
        with pytest.raises(NotFound):
            late()


def test_half_a_file_is_refused_and_given_up(lab: SealingLab, visit: Visit) -> None:
    root, before = lab.run(visit), lab.stored()
    upload = uploads.begin(visit, f"{root}/f", 3)
    uploads.put_part(visit, upload, 1, [b"one"])
    uploads.put_part(visit, upload, 3, [b"three"])
    for numbers in ([], [1], [1, 3], [1, 2, 3], [1, 1, 3]):
        with pytest.raises(BadInput):
            uploads.complete(visit, upload, f"{root}/f", numbers)
    uploads.put_part(visit, upload, 2, [b"two"])
    with pytest.raises(BadInput, match="another address"):
        uploads.complete(visit, upload, f"{root}/g", [1, 2, 3])
    uploads.abort(visit, upload)
    assert lab.stored() == before
    assert artifacts.entries(visit, root) == []


def test_a_part_that_breaks_off_leaves_nothing(lab: SealingLab, visit: Visit) -> None:
    root, before = lab.run(visit), lab.stored()
    upload = uploads.begin(visit, f"{root}/f", 1)

    def breaking() -> Iterator[bytes]:
        yield b"x" * (2 << 20)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        uploads.put_part(visit, upload, 1, breaking())
    assert lab.stored() == before
    uploads.abort(visit, upload)


@pytest.mark.parametrize("parts", [0, -1, 10_001])
def test_too_many_parts_are_refused(lab: SealingLab, visit: Visit, parts: int) -> None:
    with pytest.raises(BadInput):
        uploads.begin(visit, f"{lab.run(visit)}/f", parts)


def test_what_a_job_left_half_sent_goes_with_it(lab: SealingLab) -> None:
    mine = lab.fenced()
    root, before = lab.run(mine), lab.stored()
    upload = uploads.begin(mine, f"{root}/f", 2)
    uploads.put_part(mine, upload, 1, [b"x" * (2 << 20)])
    assert mine.fenced is not None
    act = mine.lab.act(uploads.Action.RUN)
    run = mine.fenced
    record(act, lambda tx: (list(endings(act, tx, run, "interrupted")), None))
    assert lab.stored() == before
    ended = runs.get(mine, root.split("/")[1]).run
    assert (ended.status, ended.ended_ms is not None) == ("KILLED", True)


def test_what_nobody_completes_is_let_go_of_after_a_day(
    lab: SealingLab, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, before = lab.run(visit), lab.stored()
    old = uploads.begin(visit, f"{root}/f", 1)
    uploads.put_part(visit, old, 1, [b"x"])
    monkeypatch.setattr(uploads, "DAY_MS", 0)
    new = uploads.begin(visit, f"{root}/g", 1)
    assert lab.stored() == before
    with pytest.raises(NotFound):
        uploads.put_part(visit, old, 1, [b"x"])
    uploads.abort(visit, new)
