"""Claim: checkpoints of a run on another machine are those that were asked for, whole, no
larger and no more often; of anything else nothing is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from cloister.core.errors import MachineLost, NoSpace, Tampered
from cloister.fence import Watch
from cloister.runs.checkpoints import Checkpoint, Checkpoints, Looks, Torn
from cloister.workflows.far.sealed import Sealing
from tests.attacks.hostile_machine import CHANGES, LEFT, REPORT, Wire, asked

FOUND, LOOKED = {"do": "checkpoints"}, {"do": "looked"}


def ready(path: bytes, content: bytes = b"xyz", size: int | None = None) -> list[Any]:
    """A checkpoint as it comes, in pieces."""
    named = {"do": "checkpoint", "path": path, "size": len(content) if size is None else size}
    some = [{"do": "content", "content": bytes([one]), "more": True} for one in content]
    return [named, *some, {"do": "rested", "whole": True}]


def kept_of(wire: Wire, *told: Any, error: Any = None, said: str | None = None) -> Any:
    """What is kept of the checkpoints that a machine gives, which then is found out."""
    kept: list[dict[str, bytes]] = []

    def take(found: Iterable[Checkpoint]) -> None:
        whole: dict[str, bytes] = {}
        for one in found:
            with suppress(Torn):
                whole[one.path] = b"".join(one.chunks)
        kept.append(whole)

    watch = Watch(1.0, Looks(Checkpoints(("*.pt",)), take))
    if error is None:
        asked(wire, *told, watch=watch)
    else:
        with pytest.raises(error, match=said):
            asked(wire, *told, watch=watch)
    return kept


def test_checkpoints_of_an_honest_machine_are_kept() -> None:
    torn = [*ready(b"b.pt")[:-2], {"do": "rested", "whole": False}]
    first = (FOUND, *ready(b"out/a.pt"), *torn, LOOKED)
    second = (FOUND, *ready(b"b.pt", b""), LOOKED)
    ended = (CHANGES, LEFT, {"do": "report", "report": REPORT})
    kept = kept_of(Wire(), *first, *second, *ended)
    assert kept == [{"out/a.pt": b"xyz"}, {"b.pt": b""}]


@pytest.mark.parametrize("path", [b"../a.pt", b"/a.pt", b"a//b.pt", b"a\0.pt", b"train.py"])
def test_a_checkpoint_that_was_not_asked_for_is_refused(path: bytes) -> None:
    told = (FOUND, *ready(b"good.pt"), *ready(path), LOOKED)
    assert kept_of(Wire(), *told, error=Tampered, said="of no checkpoint") == []


GOOD, MORE = ready(b"good.pt"), ready(b"more.pt")
LONG = {"do": "content", "content": b"x", "more": True}


@pytest.mark.parametrize(
    ("told", "error", "said"),
    [
        ((FOUND, *GOOD, *GOOD, LOOKED), Tampered, "twice"),
        ((FOUND, *GOOD, *ready(b"a.pt", size=4), LOOKED), Tampered, "not as long"),
        ((FOUND, *GOOD[:-1], LONG, GOOD[-1], LOOKED), Tampered, "not as long"),
        ((FOUND, *GOOD, *MORE[:-1], *ready(b"a.pt"), LOOKED), Tampered, "in the middle"),
        ((FOUND, *GOOD, *MORE[:2], LOOKED), Tampered, "in the middle"),
        ((FOUND, *GOOD, {"do": "report", "report": REPORT}), Tampered, "in the middle"),
        ((CHANGES, LEFT, FOUND, *GOOD, LOOKED), Tampered, "no job says"),
        ((CHANGES, FOUND, *GOOD, LOOKED), Tampered, "in the middle"),
        ((*GOOD, LOOKED), Tampered, "no job says"),
        ((FOUND, *ready(b"a.pt", size=2 << 20), LOOKED), NoSpace, "larger"),
        ((FOUND, *ready(b"a.pt", size=-1), LOOKED), NoSpace, "larger"),
        ((FOUND, GOOD[0] | {"size": 1 << 20}, LONG, GOOD[-1]), Tampered, "not as long"),
    ],
)
def test_nothing_is_kept_of_checkpoints_that_no_job_leaves(
    told: tuple[Mapping[str, Any], ...], error: Any, said: str
) -> None:
    assert kept_of(Wire(), *told, error=error, said=said) == []


def test_checkpoints_come_as_often_as_was_asked() -> None:
    """Or a machine fills the disk here; all that came until then stays."""
    told = [(FOUND, *ready(b"a.pt", b"%d" % number), LOOKED) for number in range(5)]
    flat = [one for each in told for one in each]
    kept = kept_of(Wire(), *flat, error=Tampered, said="more often")
    assert kept == [{"a.pt": b"0"}, {"a.pt": b"1"}]


def test_a_checkpoint_of_another_run_or_of_a_line_that_ends_is_not_kept() -> None:
    wire = Wire()
    another = Sealing(b"k" * 32, far=True)
    for one in (FOUND, *GOOD, LOOKED):
        wire.came.put(another.seal(one))
    assert kept_of(wire, error=MachineLost) == []
    cut = Wire()
    cut.answer(FOUND, *GOOD, LOOKED, FOUND, *MORE[:2])
    cut.came.put(None)
    assert kept_of(cut, error=MachineLost) == [{"good.pt": b"xyz"}]


def test_a_job_that_nobody_looks_at_gives_no_checkpoints() -> None:
    with pytest.raises(Tampered, match="no job says"):
        asked(Wire(), FOUND, *GOOD, LOOKED)
