"""Backup: what the lab holds, in another place, in an order that no kill can break."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cloister.core.clock import timestamp
from cloister.core.errors import BadInput, CloisterError, IntegrityError, NotFound, Tampered
from cloister.core.events import Transaction
from cloister.core.ids import CollectionId, TargetId
from cloister.core.progress import Progress, silent
from cloister.core.values import KeyGrant
from cloister.keys.signing import verify
from cloister.keys.values import GrantRequest
from cloister.policy import Action
from cloister.recovery import position, register
from cloister.recovery.beat import Beat, beat_file, heard
from cloister.recovery.chain import Chain, check_numbers, read_saves
from cloister.recovery.objectives import Standing, standings
from cloister.recovery.policy import Policy
from cloister.recovery.register import Behind, KnownTarget, LastSave
from cloister.recovery.save import digest, save_key
from cloister.recovery.shipping import Shipped, Shipper
from cloister.recovery.target import (
    MARKER,
    Marker,
    Target,
    folder_of,
    new_target,
    normalised,
    open_target,
    read_marker,
)
from cloister.recovery.verifying import Verified, verify_target
from cloister.workflows.lab import Act, Lab
from cloister.workflows.recovery.drain import drain

_FILES = ("cloister.toml", "lab.pub", "ca.pem")


@dataclass(frozen=True, slots=True)
class BackupLine:
    """One target, and how it stands."""

    target: KnownTarget
    last: LastSave | None
    behind: Behind
    there: bool
    """Whether it can be reached now."""
    beat: Beat | None
    """What a continuous backup to it says; None when none is running."""


@dataclass(frozen=True, slots=True)
class SaveLine:
    """One save at a target."""

    number: int
    time: str
    entries: int
    """How many entries of the ledger it reaches."""
    blobs: int


def init_backup(lab: Lab, place: str) -> KnownTarget:
    """Makes an empty folder the lab's backup target; again, it takes up what it had begun.

    Raises BadInput for a place inside the lab or among its keys, Conflict for a folder that
    holds something else, or another lab's backup.
    """
    act = lab.act(Action.ADMINISTER)
    uri = normalised(place)
    _check_place(lab, uri)
    if any(known.uri == uri for known in lab.read(register.targets)):
        raise BadInput("that is a backup target of this lab already")
    target = new_target(uri)
    try:
        marker = read_marker(target)
    except NotFound:
        owner = lab.keys.new_owner(CollectionId)
        marker = Marker(lab.id, owner, timestamp(lab.clock.now()))
        target.put_if_absent(MARKER, [marker.encode()])
    _check_marker(lab, marker)
    made = KnownTarget(TargetId.new(lab.randomness), uri, marker.owner)
    body = {"owner": made.owner, "target": made.target, "uri": uri}
    act.record([act.event("backup.targeted", body)])
    return made


def run_backup(lab: Lab, name: str | None = None, progress: Progress = silent) -> Shipped:
    """Brings one target (the only one, unless named) up to what the lab holds now.

    Raises NotFound without a target or where it is not mounted, NoSpace, NotAllowed,
    DurabilityLost, IntegrityError when it loses writes, Tampered when what it held was
    changed, LedgerForked when it holds another history, Conflict while another is at work.
    """
    act = lab.act(Action.ADMINISTER)
    known = chosen_target(lab, name)
    with lab.alone(f"backup-{known.target}"):
        drain(lab)  # so that what the key service was asked so far is in it
        shipper = open_shipper(lab, known)
        try:
            shipped = shipper.ship(files_of(lab), progress)
        finally:
            position.keep(position_of(lab, known), shipper.chain)
        record_reached(act, known, shipper.chain, shipped)
    return shipped


def open_shipper(lab: Lab, known: KnownTarget) -> Shipper:
    """What ships to one target, once its saves are those that the lab remembers."""
    target = _opened(lab, known, to_write=True)
    return Shipper(
        database=lab.database,
        reader=lab.reader,
        store=lab.store,
        target=target,
        chain=_current(lab, known, target),
        grant=lambda: _grant(lab, known.owner),
        now=lambda: timestamp(lab.clock.now()),
    )


def record_reached(act: Act, known: KnownTarget, chain: Chain, shipped: Shipped) -> None:
    """Puts on record how far the target is now, unless the record says so already.

    Also when nothing was shipped: a run that was killed may have left a save that is whole
    and that nobody has told of.
    """
    last = act.lab.read(lambda tx: register.last_save(tx, known.target))
    if chain.number == (last.number if last else 0):
        return
    body = {
        "blobs": shipped.blobs,
        "bytes": shipped.size_bytes,
        "number": chain.number,
        "sha256": chain.sha256,
        "size": chain.frontier.size,
        "target": known.target,
    }
    act.record([act.event("backup.saved", body)])


def list_backups(lab: Lab) -> list[BackupLine]:
    """Every target, what was saved there last, and what it does not have yet."""
    lab.act(Action.LIST)

    now = lab.clock.now()

    def query(tx: Transaction) -> list[BackupLine]:
        return [_line(lab, tx, known, now) for known in register.targets(tx)]

    return lab.read(query)


def _line(lab: Lab, tx: Transaction, known: KnownTarget, now: datetime) -> BackupLine:
    last = register.last_save(tx, known.target)
    beat = heard(beat_file(lab.runtime, known.target), now)
    reached = max(last.size if last else 0, beat.size if beat else 0)
    return BackupLine(known, last, register.behind(tx, reached), _reachable(lab, known), beat)


def recovery_standings(lab: Lab, policy: Policy) -> list[Standing]:
    """The policy matrix of the lab as it stands now."""
    lab.act(Action.LIST)
    now, copied = lab.clock.now(), lab.keys.status().copy.state == "kept"

    def query(tx: Transaction) -> list[Standing]:
        beats = {
            known.target: heard(beat_file(lab.runtime, known.target), now)
            for known in register.targets(tx)
        }
        reached = {target: beat.size for target, beat in beats.items() if beat}
        return standings(tx, policy, now, reached, keys_copied=copied)

    return lab.read(query)


def list_saves(lab: Lab, name: str | None = None) -> list[SaveLine]:
    """Every save of a target that can be restored to, oldest first."""
    lab.act(Action.ADMINISTER)
    known = chosen_target(lab, name)
    target, chain = _opened(lab, known), _empty(lab)
    return [
        SaveLine(read.save.number, read.save.time, read.head.size, len(read.save.blobs))
        for read in read_saves(target, chain, lab.keys.open)
        if read.head is not None
    ]


def verify_backup(
    lab: Lab, name: str | None = None, *, read_all: bool = False, progress: Progress = silent
) -> Verified:
    """Looks for everything a target claims to hold; see `verify_target`."""
    lab.act(Action.ADMINISTER)
    known = chosen_target(lab, name)
    target, chain = _opened(lab, known), _empty(lab)
    found = verify_target(target, chain, lab.keys.open, read_all=read_all, progress=progress)
    last = lab.read(lambda tx: register.last_save(tx, known.target))
    if last is not None and chain.number < last.number:
        raise _rolled_back(chain.number, last.number)
    return found


def mend_lab(lab: Lab, name: str | None = None, progress: Progress = silent) -> list[str]:
    """Brings every blob of the lab that is gone or damaged back from a target; gives them.

    Reads the whole store. Raises Tampered or NotFound for what the target lacks as well,
    once all else is mended.
    """
    act = lab.act(Action.ADMINISTER)
    target = _opened(lab, chosen_target(lab, name))
    wanted = lab.read(lambda tx: list(lab.store.blobs(tx)))
    mended: list[str] = []
    lacking: CloisterError | None = None
    for done, blob in enumerate(wanted, 1):
        try:
            if lab.store.mend(blob, target):
                mended.append(blob)
        except (Tampered, NotFound) as error:
            lacking = error
        progress("mending", done, len(wanted))
    if mended:
        act.record([act.event("backup.mended", {"blobs": mended})])
    if lacking is not None:
        raise lacking
    return mended


def chosen_target(lab: Lab, name: str | None) -> KnownTarget:
    """The target of that name, or the only one; raises NotFound, BadInput."""
    if name is not None:
        return lab.read(lambda tx: register.find_target(tx, name))
    known = lab.read(register.targets)
    if not known:
        raise NotFound(
            "no backup target yet", hint="make one: cloister backup init /mnt/backup/lab"
        )
    if len(known) > 1:
        raise BadInput("there are several targets: name one", hint="see `cloister backup ls`")
    return known[0]


def _check_place(lab: Lab, uri: str) -> None:
    folder = folder_of(uri)
    if folder is None:
        return
    places = [place.resolve() for place in lab.private]
    if any(folder.is_relative_to(one) or one.is_relative_to(folder) for one in places):
        raise BadInput(
            "the backup would lie in the lab or with its keys",
            hint="take another disk, or a folder beside them",
        )


def _check_marker(lab: Lab, marker: Marker) -> None:
    if marker.lab != lab.id:
        raise BadInput(
            f"that is the backup of another lab: expected {lab.id}, found {marker.lab}"
        )


def _opened(lab: Lab, known: KnownTarget, *, to_write: bool = False) -> Target:
    target = open_target(known.uri, to_write=to_write)
    marker = read_marker(target)
    _check_marker(lab, marker)
    if marker.owner != known.owner:
        raise BadInput(
            "that is another backup than the one that was made at this place",
            hint="see `cloister backup ls`; mount the right disk",
        )
    return target


def _reachable(lab: Lab, known: KnownTarget) -> bool:
    try:
        _opened(lab, known)
    except CloisterError:
        return False
    return True


def _empty(lab: Lab) -> Chain:
    return Chain(lab.id, lab.reader.key, verify)


def position_of(lab: Lab, known: KnownTarget) -> Path:
    """Where it is remembered how far a target is."""
    return lab.folder / "backups" / f"{known.target}.json"


def _current(lab: Lab, known: KnownTarget, target: Target) -> Chain:
    """The target's chain to its very end, by what was kept and what came after that."""
    chain = position.load(position_of(lab, known), lab.id, lab.reader.key, verify)
    kept = chain.number
    for _ in read_saves(target, chain, lab.keys.open):
        pass
    if chain.number == kept:
        _check_still_there(target, chain)
    last = lab.read(lambda tx: register.last_save(tx, known.target))
    if last is not None and chain.number < last.number:
        raise _rolled_back(chain.number, last.number)
    return chain


def _check_still_there(target: Target, chain: Chain) -> None:
    if chain.number == 0:
        check_numbers(target, chain)
        return
    key = save_key(chain.number)
    try:
        sealed = target.get(key, 0, target.stat(key).size_bytes)
    except NotFound as error:
        raise _rolled_back(chain.number - 1, chain.number) from error
    if digest(sealed) != chain.sha256:
        raise IntegrityError(
            f"save {chain.number} of the backup is not the one that was made",
            hint="somebody changed it: make a new backup in another place",
        )


def _rolled_back(found: int, expected: int) -> CloisterError:
    return IntegrityError(
        f"the backup lacks its newest saves: {expected} were made, {found} are there",
        hint="it was rolled back or loses writes: make a new one, `cloister backup init`",
    )


def _grant(lab: Lab, owner: CollectionId) -> KeyGrant:
    return lab.keys.grants([GrantRequest(owner)])[0].key


def files_of(lab: Lab) -> dict[str, str]:
    """The small files of the lab's folder, which go with every save."""
    return {name: (lab.folder / name).read_text() for name in _FILES}
