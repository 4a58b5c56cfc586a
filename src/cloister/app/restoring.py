"""Restore: a lab's folder and keys back from a backup, here or on a bare machine."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cloister.app.claim import UNFINISHED, claim_database, half_written, keep_database
from cloister.app.config import (
    Config,
    Keyd,
    Surroundings,
    announce,
    claim_runtime,
    configure,
    load_id,
    policy_in,
    remember_default,
    save,
)
from cloister.app.platform import MIGRATIONS, PROJECTIONS, TABLES, Engines, engines
from cloister.core.clock import SystemClock, timestamp
from cloister.core.errors import (
    BadInput,
    CloisterError,
    Conflict,
    KeyMissing,
    NotVerified,
)
from cloister.core.events import Event
from cloister.core.files import exclusive, private_folder, translated, write_durably
from cloister.core.ids import PersonId
from cloister.core.progress import Progress, silent
from cloister.core.values import Actor
from cloister.db import open_database
from cloister.identity import people
from cloister.keys.client import KeyClient
from cloister.keys.launch import admits, reach, unlock, unlock_with_recovery, unlock_with_shares
from cloister.keys.recovery import RecoveryKit
from cloister.keys.rehearsal import let_go_of_copy
from cloister.keys.signing import verify
from cloister.ledger import Head, LedgerReader
from cloister.ledger.audit import AuditReport, audit
from cloister.proof.trust import LabKeys
from cloister.recovery.chain import Chain
from cloister.recovery.rebuilding import Point, fetch, fill, read_point
from cloister.recovery.target import Target, normalised, open_target, read_marker
from cloister.store import TEN_YEARS, Store, open_backend
from cloister.workflows.recovery.restored import (
    complete_erasures,
    record_restored,
    without_keys,
)

_KEY_FILES = ("root.record", "keystore.db", "epoch.record")
_KEY_JOURNAL = "keystore.db-wal"
"""There too, and a part of the key store, where the service did not end in order."""
_MARK = ".restoring"
_LOCK = ".restoring.lock"
_OURS = UNFINISHED | {_MARK, _LOCK}
_REASON = "whoever restores a lab with its recovery kit or passphrase is its admin"


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What to bring back, and where to."""

    source: str
    folder: Path
    keys: Path | None = None
    """A copy of the keys folder; None where the lab's keys are in their place."""
    at: str | None = None
    copy_only: bool = False
    """Only a copy to read from: the lab itself goes on where it is."""
    kit: RecoveryKit | None = None
    """None: the passphrase opens the keys, or shares do."""
    shares: tuple[str, ...] = ()
    """The words of as many recovery shares as the keys need."""
    keyd: Keyd | None = None
    """The key service of another OS user; None for this user's own."""
    database: str | None = None
    """Where the tables go: an empty place; None for a file in the folder."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back."""

    config: Config
    point: Point
    fetched_bytes: int
    report: AuditReport
    before: Head | None
    """What this user had seen of the lab, where that was more than what came back."""
    erased: int
    """Subjects whose keys were destroyed after the backup was made; erased again."""
    missing: int
    """Subjects whose keys the key store does not know."""
    is_default: bool


def restore(
    around: Surroundings,
    request: RestoreRequest,
    passphrase: Callable[[], str],
    progress: Progress = silent,
) -> Restored:
    """Brings a lab back into an empty folder, checked against its keys and audited.

    Killed before it returns, the folder is no lab, and the next try goes on where this one
    was. Raises NotFound without a backup there, Conflict for a folder that is not empty,
    NotVerified or Tampered when the backup was changed, BadInput for another lab's kit or
    keys, KeyMissing, WrongPassphrase.
    """
    target = open_target(normalised(request.source))
    marker = read_marker(target)
    folder = request.folder.resolve()
    config = configure(around, marker.lab, folder, request.keyd, database=request.database)
    _check_kit(request, config)
    _check_places(around, request, config)
    with translated():
        private_folder(config.folder)
    with exclusive(config.folder / _LOCK):
        write_durably(config.folder / _MARK, b"")
        for name in half_written((path.name for path in config.folder.iterdir()), _OURS):
            (config.folder / name).unlink(missing_ok=True)
        claim_runtime(config)
        claim_database(config)
        public = _open_keys(request, config, passphrase)
        point, fetched = _rebuild(config, target, public, request.at, progress)
        report = _audited(config, public, progress)
        restored = Restored(config, point, fetched, report, None, 0, 0, False)
        if not request.copy_only:
            restored = _go_on(around, restored)
        save(config)
        keep_database(config)
        (config.folder / _MARK).unlink()
    return restored


def _check_kit(request: RestoreRequest, config: Config) -> None:
    if request.kit is not None and request.kit.lab != config.lab:
        raise BadInput(
            f"the recovery kit is of another lab: the backup is of {config.lab},"
            f" the kit of {request.kit.lab}"
        )


def _check_places(around: Surroundings, request: RestoreRequest, config: Config) -> None:
    if config.folder.exists():
        with translated():
            found = {path.name for path in config.folder.iterdir()}
        found -= {_LOCK, *half_written(found, _OURS)}  # all that an early kill leaves
        if found and not ({_MARK} <= found <= _OURS):
            raise Conflict(
                "the folder to restore to is not empty", hint="take a new or empty folder"
            )
    keys, lab = around.data.resolve(), config.folder
    if keys.is_relative_to(lab) or lab.is_relative_to(keys):
        raise BadInput("the keys would lie in the lab's folder, or the lab among the keys")
    default = around.settings / "lab"
    if request.copy_only or not default.is_file():
        return
    other = Path(default.read_text().strip())
    if other.resolve() != lab and _is_lab(other, config):
        raise Conflict(
            f"the lab is still there, in {other}: two of one lab would write two histories",
            hint="move it away, or make a copy to read from with --copy-only",
        )


def _is_lab(folder: Path, config: Config) -> bool:
    try:
        return load_id(folder) == config.lab
    except CloisterError:
        return False


def _open_keys(
    request: RestoreRequest, config: Config, passphrase: Callable[[], str]
) -> LabKeys:
    """The keys, in place and open; their public halves, compared with the kit's."""
    folder = config.keys.folder
    if request.keys is not None:
        if folder is None:
            raise BadInput(
                "the keys of another user's key service are put in place by that user",
                hint="leave --keys away; see docs/how-to/run-keyd-as-its-own-user.md",
            )
        place_keys(request.keys, folder)
        if request.copy_only:
            let_go_of_copy(folder)
    if folder is not None and not (folder / "root.record").is_file():
        raise KeyMissing(
            "the lab's keys are not on this machine",
            hint="name a copy of the keys folder with --keys; without it nobody reads a backup",
        )
    client = reach(config.keys)
    if not admits(client):
        if request.kit is not None:
            unlock_with_recovery(client, request.kit.code)
        elif request.shares:
            unlock_with_shares(client, request.shares)
        else:
            unlock(client, passphrase())
    return _public_keys(client, request, config)


def _public_keys(client: KeyClient, request: RestoreRequest, config: Config) -> LabKeys:
    keys = client.public_keys()
    public = LabKeys(keys["log"], keys["statement"])
    if public.log.name != f"{config.lab}/log":
        raise BadInput(
            f"the keys are of another lab: expected {config.lab}, found {public.log.name}"
        )
    kit = request.kit
    if kit is not None and kit.public_keys and LabKeys.parse(kit.public_keys) != public:
        raise NotVerified(
            "the keys are not those on the recovery kit",
            hint="somebody replaced the keys folder: take another copy of it",
        )
    write_durably(config.folder / "lab.pub", public.text().encode())
    write_durably(config.folder / "ca.pem", client.ca_certificate())
    return public


def place_keys(copy: Path, folder: Path) -> None:
    """The keys folder from its copy, whole or not at all; raises Conflict, KeyMissing."""
    if (folder / "root.record").exists():
        raise Conflict(
            "this machine has keys of that lab already",
            hint="leave --keys away to use them, or move their folder away",
        )
    for name in _KEY_FILES:
        if not (copy / name).is_file():
            raise KeyMissing(f"the copy of the keys folder has no {name}")
    part = folder.with_name(f".{folder.name}.part")
    with translated():
        private_folder(folder.parent)
        shutil.rmtree(part, ignore_errors=True)
        private_folder(part)
        for name in (*_KEY_FILES, _KEY_JOURNAL):
            if name == _KEY_JOURNAL and not (copy / name).exists():
                continue
            write_durably(part / name, (copy / name).read_bytes())
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
        descriptor = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _rebuild(
    config: Config, target: Target, public: LabKeys, at: str | None, progress: Progress
) -> tuple[Point, int]:
    """Blobs and database, as they were at the point; nothing is signed."""
    client = reach(config.keys)
    chain = Chain(config.lab, public.log, verify)
    point = read_point(target, chain, client.open, at)
    client.close()
    backend = open_backend(config.store)
    fetched = fetch(target, backend, point.blobs, progress)
    raw = [blob.key for blob in point.blobs if blob.key.startswith("raw/")]
    backend.retain(raw, SystemClock().now() + TEN_YEARS)
    database = open_database(config.database, MIGRATIONS)
    objects = Store(backend, database)
    try:
        fill(database, point, PROJECTIONS)
        objects.rebuild_placements()
    finally:
        objects.close()
        database.close()
    saved = point.files.get("cloister.toml", "")
    announce(replace(config, policy=policy_in(saved)))
    return point, fetched


def _audited(config: Config, public: LabKeys, progress: Progress) -> AuditReport:
    """What an audit says of what came back; raises NotVerified when it is not whole."""
    database = open_database(config.database, MIGRATIONS, read_only=True)
    try:
        report = audit(
            database,
            LedgerReader(public.log, verify),
            PROJECTIONS,
            TABLES,
            MIGRATIONS,
            on_progress=lambda done, of: progress("auditing", done, of),
        )
    finally:
        database.close()
    if report.findings:
        raise NotVerified(
            f"what came back does not pass the audit: {report.findings[0].message}"
        )
    return report


def _go_on(around: Surroundings, restored: Restored) -> Restored:
    """Makes what came back the lab: says so in its ledger, and erases whom it had erased."""
    config = restored.config
    with engines(config) as parts:
        before = _seen_before(parts, restored.point.head)
        actor = _actor(parts, around.uid)
        lab = parts.lab(actor)
        gone, missing = without_keys(lab)
        record_restored(lab, restored.point.head, restored.point.number, before, gone)
        complete_erasures(lab)
        with parts.memory.locked(), parts.database.read() as tx:
            head = parts.reader.head(tx)
            parts.memory.remember(parts.reader.origin, head.note)
    is_default = remember_default(around, config.folder)
    return Restored(
        config,
        restored.point,
        restored.fetched_bytes,
        restored.report,
        before,
        len(gone),
        missing,
        is_default,
    )


def _seen_before(parts: Engines, head: Head) -> Head | None:
    """What this user had seen, where what came back is not all of it."""
    note = parts.memory.last(parts.reader.origin)
    if note is None:
        return None
    before = parts.reader.open(note)
    return before if before.size > head.size else None


def _actor(parts: Engines, uid: int) -> Actor:
    """The member who restores; on a new machine, whoever could open the keys is enrolled."""
    with parts.database.read() as tx:
        known = tx.query("SELECT 1 FROM person WHERE os_uid = ?", (uid,))
        if known:
            return people.actor_of_uid(tx, uid)
    actor = Actor(PersonId.new(secrets.token_bytes), "admin", f"peer:{uid}")
    body = {"name": f"uid {uid}", "os_uid": uid, "person": actor.person, "role": "admin"}
    event = Event("person.added", timestamp(SystemClock().now()), actor.person, _REASON, body)
    parts.database.write(lambda tx: parts.ledger.append(tx, [event]))
    return actor
