"""Receive: an upload begins, says what it brings, and brings it, sealed piece by piece."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cloister.core.errors import BadInput, Conflict, NoSpace, NotFound
from cloister.core.events import Transaction
from cloister.core.ids import CollectionId, UploadId
from cloister.datasets import uploads, versions
from cloister.datasets.uploads import ADDING, OPEN, Upload
from cloister.identity import people
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.lab import Lab
from cloister.workflows.uploads import _pieces
from cloister.workflows.uploads._pieces import PIECE_BYTES, Entry, Known, landing

MOST_FILES = 1_000_000
_LONGEST_PATH, _DEEPEST = 1024, 64
_HEADROOM = 64 << 20


@dataclass(frozen=True, slots=True)
class FileLine:
    """One file of an upload, as whoever sends it sees it."""

    index: int
    path: str = field(repr=False)
    size_bytes: int
    received: int


@dataclass(frozen=True, slots=True)
class UploadLine:
    """One upload in the list."""

    upload: str
    name: str
    by: str
    state: str
    time: str
    problem: str | None
    number: int | None


def begin(lab: Lab, name: str) -> UploadId:
    """A new upload for the dataset of that name, which may be there already.

    Raises BadInput for a name that cannot be one, NotFound for a dataset of another project.
    """
    act = lab.act(Action.ADD)
    versions.check_name(name)

    def check(tx: Transaction) -> None:
        if name in {one.name for one in versions.datasets(tx)}:
            _seen.dataset(lab, tx, name)
        else:
            _seen.own_project(lab)

    lab.read(check)
    upload = UploadId.new(lab.randomness)
    collection = lab.keys.new_owner(CollectionId)
    landing(lab, upload).make()
    body = {"collection": collection, "name": name, "upload": upload}
    act.record([act.event("intake.begun", body)])
    return upload


def announce(lab: Lab, name: str, files: Mapping[str, object], known: Known) -> int:
    """More files that the upload brings: path and size of each; gives the index of the first.

    They are numbered as they come. Raises BadInput for paths that no folder could have,
    NoSpace when the lab's disk has no room for all of them.
    """
    lab.act(Action.ADD)
    upload = own(lab, name, OPEN)
    fresh = [_checked(path, size) for path, size in files.items()]
    with lab.alone(upload.upload):
        before = known.entries(lab, upload)
        taken = {one.path for one in before}
        if not taken.isdisjoint(one.path for one in fresh):
            raise Conflict("a file of that path is part of the upload already")
        if len(before) + len(fresh) > MOST_FILES:
            raise BadInput(f"an upload brings at most {MOST_FILES:,} files")
        _check_space(lab, [*before, *fresh])
        if fresh:
            number = landing(lab, upload.upload).parts()
            _pieces.put_list(lab, upload, number, fresh)
    return len(before)


def files(lab: Lab, name: str, known: Known) -> tuple[FileLine, ...]:
    """What the upload brings and how much of it is here, for whoever sends it."""
    lab.act(Action.ADD)
    upload = own(lab, name)
    place = landing(lab, upload.upload)
    if not place.exists:
        return ()
    return tuple(
        FileLine(index, one.path, one.size_bytes, place.received(index))
        for index, one in enumerate(known.entries(lab, upload))
    )


def file(lab: Lab, name: str, index: int, known: Known) -> FileLine:
    """One file of it; raises NotFound."""
    lab.act(Action.ADD)
    return _file(lab, own(lab, name, OPEN), index, known)


def receive(
    lab: Lab, name: str, index: int, offset: int, body: Iterable[bytes], known: Known
) -> int:
    """More bytes of one file from ``offset`` on; gives how many are here then.

    What came is durable and sealed when this returns; of what broke off, too, all that came.
    Raises Conflict where the file is at another offset, or somebody else sends it just now;
    BadInput for more bytes than the file has.
    """
    lab.act(Action.ADD)
    upload = own(lab, name, OPEN)
    with lab.alone(f"{upload.upload}.{index}"):
        one = _file(lab, upload, index, known)
        if offset < 0:
            raise BadInput("say the offset of these bytes, and that they are bytes")
        if one.received != offset:
            raise Conflict(f"the file is at {one.received}, not at {offset}")
        held = bytearray()
        try:
            for block in body:
                held += block
                if offset + len(held) > one.size_bytes:
                    held.clear()
                    raise BadInput("these are more bytes than the file was said to have")
                if len(held) >= PIECE_BYTES:
                    _pieces.put(lab, upload, index, offset, bytes(held))
                    offset += len(held)
                    held.clear()
        finally:
            if held:
                _pieces.put(lab, upload, index, offset, bytes(held))
        return offset + len(held)


def listed(lab: Lab) -> tuple[UploadLine, ...]:
    """One's own uploads, the newest first; everybody's for an admin."""
    lab.act(Action.ADD)
    mine = None if lab.may(Action.ADMINISTER) else lab.actor.person

    def query(tx: Transaction) -> tuple[UploadLine, ...]:
        names = {one.person: one.name for one in people.everyone(tx, removed=True)}
        return tuple(
            UploadLine(
                one.upload,
                one.name,
                names.get(one.actor, one.actor),
                one.state,
                one.time,
                one.problem,
                one.number,
            )
            for one in uploads.everything(tx, mine)
        )

    return lab.read(query)


def withdraw(lab: Lab, name: str) -> None:
    """An upload that is not wanted any more: its bytes are gone when this returns.

    Raises Conflict while it is being added.
    """
    act = lab.act(Action.ADD)
    upload = own(lab, name, OPEN)
    with lab.alone(upload.upload):
        if own(lab, name).state == ADDING:
            raise Conflict("it is being added just now")
        landing(lab, upload.upload).remove()
        body = {"how": uploads.WITHDRAWN, "number": None, "upload": upload.upload}
        act.record([act.event("intake.ended", body)])


def own(lab: Lab, name: str, state: str | None = None) -> Upload:
    """The upload, of whoever asks; an admin's is everybody's.

    Raises NotFound for another's, Conflict where it is not in that state.
    """
    found = lab.read(lambda tx: uploads.find(tx, name))
    mine = found is not None and found.actor == lab.actor.person
    if found is None or not (mine or lab.may(Action.ADMINISTER)):
        raise NotFound("no such upload")
    if state is not None and found.state != state:
        raise Conflict(f"the upload is {found.state}, not {state}")
    return found


def _file(lab: Lab, upload: Upload, index: int, known: Known) -> FileLine:
    entries = known.entries(lab, upload)
    if not 0 <= index < len(entries):
        raise NotFound("the upload has no such file")
    one = entries[index]
    received = landing(lab, upload.upload).received(index)
    return FileLine(index, one.path, one.size_bytes, received)


def _checked(path: str, size: object) -> Entry:
    parts = path.split("/")
    if "\0" in path or {"", ".", ".."}.intersection(parts) or len(parts) > _DEEPEST:
        raise BadInput("a path of the upload leaves its folder")
    if len(path.encode()) > _LONGEST_PATH or any(len(one.encode()) > 255 for one in parts):
        raise BadInput(f"a path has at most {_LONGEST_PATH} bytes, a name at most 255")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 47:
        raise BadInput("the size of a file is a whole number of bytes")
    return Entry(path, size)


def _check_space(lab: Lab, known: Sequence[Entry]) -> None:
    """Twice: while it is added, the pieces are there and the records too."""
    needed = 2 * sum(one.size_bytes for one in known) + _HEADROOM
    free = shutil.disk_usage(lab.folder).free
    if free < needed:
        raise NoSpace(
            f"the lab's disk has {free >> 20} MiB free; this upload needs {needed >> 20} MiB",
            hint="nothing was taken; make room, or add the folder at the machine",
        )
