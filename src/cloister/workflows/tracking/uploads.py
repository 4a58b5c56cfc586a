"""Uploads by parts: each part is sealed as it comes, and the file is there once it is whole.

A file in parts is sealed a second time when it is put together, for one seal holds one file.
What is not completed within a day, or within its job, is let go of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cloister.core.errors import BadInput, Erased
from cloister.core.events import Event, Transaction
from cloister.core.ids import RunId
from cloister.keys.seal import SealedReader
from cloister.policy import Action
from cloister.runs.identified import Place as Spot
from cloister.tracking import artifacts, uploads
from cloister.tracking.artifacts import Artifact, Place
from cloister.tracking.uploads import MOST_PARTS, Upload
from cloister.workflows.lab import Act
from cloister.workflows.tracking import holders, seen
from cloister.workflows.tracking.artifacts import parse, placed, removals, sealed
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.recording import now_ms, one, record
from cloister.workflows.tracking.visit import Visit
from cloister.workflows.unseal import open_keys

DAY_MS = 24 * 3600 * 1000
_TOGETHER = 50
"""Keys of parts that are opened at once."""


class _Whole(NamedTuple):
    """An upload, its parts in their order, and where the file goes."""

    upload: Upload
    parts: Sequence[Artifact]
    place: Place


def begin(visit: Visit, address: str, parts: int) -> str:
    """The id of an upload to ``address``, on record when this returns.

    Uploads that began more than a day ago are let go of. Raises NotFound, BadInput.
    """
    act = visit.act(Action.RUN)
    asked = parse(address)
    if not asked.path:
        raise BadInput("Invalid path of an artifact: it names no file")
    if not 0 < parts <= MOST_PARTS:
        raise BadInput(f"Invalid num_parts: 1 to {MOST_PARTS} are taken")
    cleaner = Cleaner(visit)
    path = cleaner.text(Spot.ARTIFACT, asked.path)
    name = f"up-{visit.lab.randomness(16).hex()}"

    def change(tx: Transaction) -> tuple[list[Event], str]:
        holder = holders.active(visit, tx, asked.holder, asked.experiment)
        artifacts.check_free(tx, holder.name, path)
        now = now_ms(visit.lab)
        new = Upload(
            *(name, holder.name, path, holder.experiment, holder.project),
            *(visit.fenced, now),
        )
        events = _dropped(act, tx, _expired(visit, tx, now))
        events += one(act, "upload.begun", new.body())
        return [*events, *cleaner.events(act, holder.name)], name

    return record(act, change)


def _expired(visit: Visit, tx: Transaction, now: int) -> list[Upload]:
    return [
        old for old in uploads.older(tx, now - DAY_MS) if visit.fenced in {None, old.fenced}
    ]


def put_part(
    visit: Visit, upload: str, number: int, chunks: Iterable[bytes], size_hint: int = 0
) -> None:
    """Keeps one part, in place of one of that number; durable when this returns.

    What ``chunks`` raises passes through and leaves nothing. Raises NotFound, BadInput.
    """
    act = visit.act(Action.RUN)
    if not 0 < number <= MOST_PARTS:
        raise BadInput(f"Invalid number of a part: 1 to {MOST_PARTS} are taken")

    def place(tx: Transaction) -> Place:
        found = _mine(visit, tx, upload)
        name = uploads.part_name(number)
        return Place(uploads.parts_of(upload), name, found.experiment, found.fenced)

    there = visit.lab.read(place)
    kept, placements = sealed(visit, there, chunks, size_hint)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        place(tx)
        return placed(act, tx, kept, placements), None

    record(act, change)


def complete(visit: Visit, upload: str, address: str, numbers: Sequence[int]) -> None:
    """The file is there, in place of one of that name, once this returns; its parts are gone.

    Raises NotFound, and BadInput where a part is missing or another address was begun.
    """
    act = visit.act(Action.RUN)
    path = Cleaner(visit).text(Spot.ARTIFACT, parse(address).path)
    whole = visit.lab.read(lambda tx: _whole(visit, tx, upload, path, numbers))
    size_bytes = sum(part.size_bytes for part in whole.parts)
    kept, placements = sealed(visit, whole.place, _content(visit, whole.parts), size_bytes)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        again = _whole(visit, tx, upload, path, numbers)
        if again.parts != whole.parts:
            raise BadInput("a part was sent again meanwhile: complete the upload once more")
        events = placed(act, tx, kept, placements)
        return [*events, *_dropped(act, tx, [whole.upload])], None

    record(act, change)


def abort(visit: Visit, upload: str) -> None:
    """Lets go of what was sent; raises NotFound."""
    act = visit.act(Action.RUN)
    record(act, lambda tx: (_dropped(act, tx, [_mine(visit, tx, upload)]), None))


def left(act: Act, tx: Transaction, run: RunId) -> list[Event]:
    """Lets go of what the job of ``run`` left half sent, to go with its end."""
    return _dropped(act, tx, uploads.of_fenced(tx, run))


def _dropped(act: Act, tx: Transaction, found: Iterable[Upload]) -> list[Event]:
    events: list[Event] = []
    for each in found:
        events += removals(act, tx, uploads.parts_of(each.upload))
        events += one(act, "upload.ended", {"upload": each.upload})
    return events


def _mine(visit: Visit, tx: Transaction, upload: str) -> Upload:
    """The upload, for whoever may begin one there; raises NotFound."""
    found = uploads.find(tx, upload)
    if visit.fenced != found.fenced or not seen.within(visit, found.project):
        raise uploads.missing()
    holders.active(visit, tx, found.holder, str(found.experiment))
    return found


def _whole(
    visit: Visit, tx: Transaction, upload: str, path: str, numbers: Sequence[int]
) -> _Whole:
    found = _mine(visit, tx, upload)
    if path != found.path:
        raise BadInput("the upload was begun for another address")
    artifacts.check_free(tx, found.holder, path)
    parts = artifacts.below(tx, uploads.parts_of(upload))
    named = [uploads.part_name(number) for number in sorted(numbers)]
    if not parts or [part.path for part in parts] != named:
        raise BadInput("parts are missing, or were sent and not named")
    if sorted(numbers) != list(range(1, len(parts) + 1)):
        raise BadInput("parts are numbered from 1, one after another")
    return _Whole(found, parts, Place(found.holder, path, found.experiment, found.fenced))


def _content(visit: Visit, parts: Sequence[Artifact]) -> Iterator[bytes]:
    """Part after part, a frame at a time."""
    for start in range(0, len(parts), _TOGETHER):
        some = parts[start : start + _TOGETHER]
        keys = open_keys(visit.lab, [part.key for part in some])
        for part in some:
            if part.seal not in keys:
                raise Erased("the key of a part was destroyed: send the file again")
            read_at, size = visit.lab.store.open(part.object)
            yield from SealedReader(read_at, size, keys[part.seal], part.seal).chunks()
