"""Doctor: looks at host, keys, folders and disk, and says how to mend what is weak."""

from __future__ import annotations

import pwd
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from cloister import fence
from cloister.app.config import Config, Surroundings
from cloister.app.platform import MIGRATIONS
from cloister.core.clock import SystemClock
from cloister.core.errors import CloisterError
from cloister.core.progress import Progress
from cloister.core.values import FenceLevel
from cloister.core.words import count
from cloister.db import open_database, weaknesses
from cloister.keys.launch import answers, at
from cloister.keys.values import CopyStatus
from cloister.recovery import register
from cloister.recovery.beat import beat_file, heard
from cloister.recovery.objectives import standings
from cloister.store import Store, open_backend

_LEAST_FREE = 1 << 30
_EXTRAS = {"dicom": "pydicom", "serve": "onnxruntime"}


class Health(StrEnum):
    """How bad it is."""

    SOUND = "sound"
    WEAK = "weak"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    health: Health
    says: str
    remedy: str | None = None


def examine(config: Config, around: Surroundings) -> list[Finding]:
    """Everything that can be looked at without keys, in the order of its weight."""
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _key_service(config, around),
        lambda: _folders(config),
        lambda: _server(config),
        lambda: _backups(config),
        _fence,
        _swap,
        lambda: _disk(config),
        _extras,
    )
    return [finding for look in looks for finding in look()]


def scrub(config: Config, progress: Progress) -> list[Finding]:
    """Reads every sealed object; needs no keys."""
    database = open_database(config.database, MIGRATIONS, read_only=True)
    store = Store(open_backend(config.store), database)
    try:
        report = store.scrub(lambda done, of: progress("scrubbing", done, of))
    finally:
        store.close()
        database.close()
    if report.first is None:
        text = count(
            report.objects,
            "sealed object is what its name says",
            "sealed objects are what their names say",
        )
        return [Finding("store", Health.SOUND, text)]
    return [
        Finding(
            "store",
            Health.BROKEN,
            f"{found.problem} ({found.name or found.blob})",
            "restore it from a copy of the lab",
        )
        for found in report.findings
    ]


def _key_service(config: Config, around: Surroundings) -> Iterator[Finding]:
    client = at(config.keys)
    if not answers(client):
        yield Finding("keys", Health.WEAK, "the key service does not run", "cloister unlock")
        return
    status = client.status()
    if status.state != "open":
        yield Finding("keys", Health.WEAK, f"the keys are {status.state}", "cloister unlock")
    else:
        yield Finding("keys", Health.SOUND, f"open, epoch {status.epoch}")
    if status.development_seal:
        yield Finding(
            "seal",
            Health.WEAK,
            f"DEVELOPMENT SEAL: the key service runs as user {around.uid}, like you",
            "give it a user of its own: see docs/how-to/run-keyd-as-its-own-user.md",
        )
    else:
        says = f"the key service runs as a user of its own, {_user(config.keys.uid)}"
        yield Finding("seal", Health.SOUND, says)
    yield from _second_copy(config, status.copy)
    if not status.memory_locked:
        yield Finding(
            "memory", Health.WEAK, "keys may reach swap", "raise the limit: ulimit -l unlimited"
        )


def _second_copy(config: Config, copy: CopyStatus) -> Iterator[Finding]:
    what, keep = "second copy", "cloister keys copy FOLDER, on another disk"
    if copy.state == "none":
        says = "none: if this disk breaks, every patient's key is lost"
        yield Finding(what, Health.WEAK, says, keep)
    elif copy.state == "suspended":
        says = "suspended: new keys are on one disk alone"
        yield Finding(what, Health.WEAK, says, f"cloister keys copy {copy.folder}")
    elif copy.state == "unreachable":
        says = f"{copy.why or 'it cannot be reached'}"
        yield Finding(what, Health.BROKEN, says, "bring it back, or --suspend it")
    elif _on_one_disk(config.keys.folder, Path(copy.folder)):
        says = "up to date, but on the same file system as the keys: a broken disk takes both"
        yield Finding(what, Health.WEAK, says, keep)
    else:
        yield Finding(what, Health.SOUND, f"up to date in {copy.folder}")


def _on_one_disk(keys: Path | None, copy: Path) -> bool:
    """Not known of keys that another user keeps."""
    try:
        return keys is not None and copy.stat().st_dev == keys.stat().st_dev
    except OSError:
        return False


def _folders(config: Config) -> Iterator[Finding]:
    folders = {"lab": config.folder}
    if config.keys.folder is not None:
        folders["keys folder"] = config.keys.folder
    for name, folder in folders.items():
        if not folder.is_dir():
            remedy = "restore it from a backup; without it the data cannot be read"
            yield Finding(name, Health.BROKEN, "it is not where it should be", remedy)
        elif folder.stat().st_mode & 0o077:
            remedy = f"chmod 700 {folder}"
            yield Finding(name, Health.BROKEN, "other users can look into it", remedy)
        else:
            yield Finding(name, Health.SOUND, f"{folder}, only you can enter")


def _server(config: Config) -> Iterator[Finding]:
    """The database server, where the tables are not in the lab's folder."""
    if config.server is None:
        return
    try:
        found = weaknesses(config.server)
    except CloisterError as error:
        yield Finding("database", Health.BROKEN, error.message, error.hint)
        return
    for one in found:
        health = Health.BROKEN if one.opens else Health.WEAK
        yield Finding("database", health, one.says, one.remedy)
    if not found:
        yield Finding("database", Health.SOUND, config.server)


def _user(uid: int | None) -> str:
    try:
        return pwd.getpwuid(0 if uid is None else uid).pw_name
    except KeyError:  # a container's user need not have a name
        return f"uid {uid}"


def _backups(config: Config) -> Iterator[Finding]:
    """Whether a broken disk would take the lab with it; needs no keys."""
    try:
        database = open_database(config.database, MIGRATIONS, read_only=True)
    except CloisterError as error:
        yield Finding("backup", Health.WEAK, error.message, error.hint)
        return
    try:
        with database.read() as tx:
            known = register.targets(tx)
            saves = [register.last_save(tx, one.target) for one in known]
            now = SystemClock().now()
            beats = [heard(beat_file(config.runtime, one.target), now) for one in known]
            reached = [
                max(save.size if save else 0, beat.size if beat else 0)
                for save, beat in zip(saves, beats, strict=True)
            ]
            lacks = [register.behind(tx, size) for size in reached]
            sizes = dict(zip((one.target for one in known), reached, strict=True))
            matrix = standings(tx, config.policy, now, sizes, keys_copied=True)
    finally:
        database.close()
    for standing in matrix:
        if known and standing.kept is False:
            remedy = "see `cloister backup policy`; run `cloister backup run`, `cloister drill`"
            yield Finding("recovery", Health.WEAK, f"{standing.name}: {standing.says}", remedy)
    if not known:
        remedy = "cloister backup init /mnt/second/lab"
        yield Finding("backup", Health.WEAK, "none: a broken disk takes the lab", remedy)
    for one, save, lack in zip(known, saves, lacks, strict=True):
        if save is None or lack.since is not None:
            says = f"{count(lack.entries, 'change is', 'changes are')} not in {one.uri}"
            yield Finding("backup", Health.WEAK, says, "cloister backup run")
        else:
            says = f"{one.uri} holds every change, as of {save.time[:16]}Z"
            yield Finding("backup", Health.SOUND, says)


def _fence() -> Iterator[Finding]:
    try:
        probed = fence.probe()
    except CloisterError as error:
        yield Finding("fence", Health.BROKEN, error.message, error.hint)
        return
    health = Health.SOUND if probed.level is FenceLevel.FULL else Health.WEAK
    says = "; ".join((f"level {probed.level}", *probed.reasons))
    yield Finding("fence", health, says, "; ".join(probed.fixes) or None)


def _swap() -> Iterator[Finding]:
    devices = [line.split()[0] for line in Path("/proc/swaps").read_text().splitlines()[1:]]
    plain = [name for name in devices if not _is_encrypted(name)]
    if plain:
        yield Finding(
            "swap",
            Health.WEAK,
            f"{', '.join(plain)} is not known to be encrypted: a job's memory may reach it",
            "swapoff, or encrypt it with a random key (crypttab: swap)",
        )
    else:
        yield Finding("swap", Health.SOUND, "none, or encrypted")


def _is_encrypted(device: str) -> bool:
    if device.startswith("/dev/zram"):
        return True  # in memory: it reaches no disk
    uuid = Path("/sys/block") / Path(device).resolve().name / "dm" / "uuid"
    return uuid.is_file() and uuid.read_text().startswith("CRYPT-")


def _disk(config: Config) -> Iterator[Finding]:
    free = shutil.disk_usage(config.folder).free
    says = f"{free / 1e9:.1f} GB free for the lab"
    if free < _LEAST_FREE:
        yield Finding("disk", Health.WEAK, says, "make room before the next add")
    else:
        yield Finding("disk", Health.SOUND, says)


def _extras() -> Iterator[Finding]:
    yield Finding("python", Health.SOUND, sys.version.split()[0])
    for extra, module in _EXTRAS.items():
        if find_spec(module) is None:
            remedy = f"pip install 'cloister[{extra}]'"
            yield Finding(f"extra {extra}", Health.WEAK, "not installed", remedy)
        else:
            yield Finding(f"extra {extra}", Health.SOUND, "installed")
