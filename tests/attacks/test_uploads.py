"""Claim: a file in parts is its own run's, sealed under its key from the first part."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloister.core.errors import NotFound
from cloister.tracking import artifacts as tables
from cloister.workflows.tracking import artifacts, uploads
from tests.tracking.sealing import SealingLab, sealing_lab


@pytest.fixture(scope="module")
def lab() -> Iterator[SealingLab]:
    with sealing_lab() as made:
        yield made


def test_an_upload_is_its_own_runs(lab: SealingLab) -> None:
    mine, other, visit = lab.fenced(), lab.fenced(), lab.visit()
    where = f"{lab.run(mine)}/f"
    upload = uploads.begin(mine, where, 1)
    uploads.put_part(mine, upload, 1, [b"x"])
    with lab.database.read() as tx:
        (part,) = tables.below(tx, f"upload:{upload}")
    assert part.owner == mine.fenced
    for caller in (other, visit):
        for attempt in (
            lambda caller=caller: uploads.put_part(caller, upload, 1, [b"y"]),
            lambda caller=caller: uploads.complete(caller, upload, where, [1]),
            lambda caller=caller: uploads.abort(caller, upload),
        ):
            with pytest.raises(NotFound):
                attempt()
    uploads.complete(mine, upload, where, [1])
    assert b"".join(artifacts.get(mine, where).chunks) == b"x"
