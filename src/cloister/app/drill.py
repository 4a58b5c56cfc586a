"""Drill: disasters rehearsed on copies in a clean place, measured, and put on record."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cloister.app.config import Surroundings, claim_runtime, configure
from cloister.app.copies import opened_copy
from cloister.app.platform import MIGRATIONS
from cloister.app.restoring import Restored, RestoreRequest, place_keys, restore
from cloister.app.scribble import scribble, unsigned
from cloister.core.errors import CloisterError, IntegrityError
from cloister.core.events import Transaction
from cloister.core.ids import CollectionId
from cloister.core.progress import Progress
from cloister.db import open_database
from cloister.keys.client import KeyClient
from cloister.keys.launch import reach, unlock
from cloister.keys.rehearsal import let_go_of_copy
from cloister.recovery import register
from cloister.recovery.target import open_target
from cloister.store import Store, open_backend
from cloister.workflows.lab import Lab
from cloister.workflows.recovery.backup import chosen_target
from cloister.workflows.recovery.readback import Copy
from cloister.workflows.recovery.rehearsed import (
    SCENARIOS,
    Rehearsed,
    compare_answers,
    read_samples,
    record_rehearsed,
)

_SCRIBBLE_S = 0.3
_NO_KEYS = "no copy of the keys: keep one (cloister keys copy FOLDER), or name one with --keys"


@dataclass(frozen=True, slots=True)
class DrillRequest:
    """What to rehearse, and with what."""

    scenarios: Sequence[str] = SCENARIOS
    target: str | None = None
    keys: Path | None = None
    """A copy of the keys folder, for what takes the keys as well; None: the second copy."""
    place: Path | None = None
    """Where there is room for a copy of the lab."""
    sample: int = 100


def drill(
    around: Surroundings,
    lab: Lab,
    request: DrillRequest,
    passphrase: Callable[[], str],
    progress: Progress,
) -> Iterator[Rehearsed]:
    """Rehearses one disaster after the other; each is on record before it is given out.

    Nothing of the lab is touched: all happens to copies, which are removed. What goes wrong
    in a rehearsal is its outcome and not an error.
    """
    known = chosen_target(lab, request.target)
    room = request.place and request.place.absolute()
    folder = Path(tempfile.mkdtemp(prefix="cloister-drill-", dir=room))
    before = lab.read(lambda tx: lab.reader.head(tx).size)
    request = replace(request, keys=request.keys or _second_copy(lab))
    stage = _Stage(around, lab, request, known.uri, folder, passphrase, progress, before)
    try:
        for scenario in request.scenarios:
            done = stage.rehearse(scenario)
            record_rehearsed(lab, known, done)
            yield done
    finally:
        stage.clear()


@dataclass(frozen=True, slots=True)
class _Stage:
    """The clean place, and what the disasters happen to."""

    around: Surroundings
    lab: Lab
    request: DrillRequest
    uri: str
    folder: Path
    passphrase: Callable[[], str]
    progress: Progress
    before: int
    """How many entries the ledger had when the drill began."""

    def rehearse(self, scenario: str) -> Rehearsed:
        """One disaster, from a fresh copy to a measured return."""
        acts: dict[str, Callable[[Path], Rehearsed]] = {
            "process-kill": self._process_kill,
            "disk-loss": self._disk_loss,
            "box-loss": self._box_loss,
            "deleted-by-mistake": self._deleted,
            "ransomware": self._ransomware,
            "bit-rot": self._bit_rot,
            "lost-key-provider": self._lost_keys,
        }
        place = self.folder / scenario
        try:
            done = acts[scenario](place)
        except CloisterError as error:
            done = Rehearsed(scenario, "failed", error.message)
        except OSError as error:
            done = Rehearsed(scenario, "failed", os.strerror(error.errno or 0))
        finally:
            _remove(place)
        return replace(done, scenario=scenario)

    def clear(self) -> None:
        """Nothing stays."""
        _remove(self.folder)

    def _disk_loss(self, place: Path) -> Rehearsed:
        """The lab's folder is gone; its keys are there."""
        started = self._now()
        done = self._restored(place)
        return self._judged(done, started, self.lab.keys)

    def _process_kill(self, place: Path) -> Rehearsed:
        """A process is killed as it writes; what it acknowledged must be there."""
        done = self._restored(place)
        acknowledged = _write_until_killed(place / "lab.db", self._origin)
        started = self._now()
        judged = self._judged(done, started, self.lab.keys)
        there = _scribbled(place / "lab.db")
        if not acknowledged:
            return replace(judged, outcome="failed", says="the process could not write")
        if there < acknowledged:
            lost = f"{acknowledged - there} of {acknowledged} acknowledged changes are lost"
            return replace(judged, outcome="failed", says=lost)
        return replace(judged, rpo_ms=0, says=f"{acknowledged} changes were acknowledged")

    def _deleted(self, place: Path) -> Rehearsed:
        """Somebody removed half of the store's files."""
        done = self._restored(place)
        doomed = _blob_files(place)[::2]
        for path in doomed:
            path.unlink()
        return self._mended(done, len(doomed), "gone")

    def _bit_rot(self, place: Path) -> Rehearsed:
        """The disk gives other bytes than it was given."""
        done = self._restored(place)
        rotten = _blob_files(place)[::3]
        for path in rotten:
            _flip(path)
        return self._mended(done, len(rotten), "rotten")

    def _ransomware(self, place: Path) -> Rehearsed:
        """Every file of the lab's folder is overwritten; the target is out of reach."""
        done = self._restored(place)
        for path in place.rglob("*"):
            if path.is_file() and not path.is_symlink():
                _scramble(path)
        started = self._now()
        with suppress(CloisterError), opened_copy(done.config, place) as copy:
            read_samples(self.lab, copy, 1)
            raise IntegrityError("a lab that was overwritten still opens")
        shutil.rmtree(place)
        return self._judged(self._restored(place), started, self.lab.keys)

    def _box_loss(self, place: Path) -> Rehearsed:
        """Nothing is left but the backup, a copy of the keys, and the passphrase."""
        if self.request.keys is None:
            return Rehearsed("box-loss", "not rehearsed", _NO_KEYS)
        place.mkdir(mode=0o700)
        with _bare_machine(self.around, place) as bare:
            started = self._now()
            wanted = RestoreRequest(
                self.uri, place / "lab", keys=self.request.keys, copy_only=True
            )
            done = restore(bare, wanted, self.passphrase, self.progress)
            client = reach(done.config.keys)
            try:
                return self._judged(done, started, client)
            finally:
                client.stop()

    def _lost_keys(self, place: Path) -> Rehearsed:
        """The keys folder is gone; the lab's data are there."""
        if self.request.keys is None:
            return Rehearsed("lost-key-provider", "not rehearsed", _NO_KEYS)
        place.mkdir(mode=0o700)
        with _bare_machine(self.around, place) as bare:
            started = self._now()
            config = configure(bare, self.lab.id, place / "lab")
            assert config.keys.folder is not None
            place_keys(self.request.keys, config.keys.folder)
            let_go_of_copy(config.keys.folder)
            claim_runtime(config)
            client = unlock(reach(config.keys), self.passphrase())
            try:
                return self._opened_by(client, started)
            finally:
                client.stop()

    def _opened_by(self, keys: KeyClient, started: float) -> Rehearsed:
        """What those keys open of the lab itself, and whether they seal something new."""
        borrowed = replace(self.lab, keys=keys)
        live = Copy(self.lab.database, self.lab.store)
        read_samples(borrowed, live, 1)
        keys.new_owner(CollectionId)
        rto_ms = int((self._now() - started) * 1000)
        tried = read_samples(borrowed, live, self.request.sample).sample
        whole = tried.readable == tried.records
        says = f"{tried.readable} of {tried.records} records open with the copy of the keys"
        return Rehearsed(
            "lost-key-provider",
            "passed" if whole else "failed",
            says,
            rto_ms=rto_ms,
            rpo_ms=0 if whole else None,
            records=tried.records,
            readable=tried.readable,
        )

    def _restored(self, place: Path) -> Restored:
        request = RestoreRequest(self.uri, place, copy_only=True)
        return restore(self.around, request, self.passphrase, self.progress)

    def _mended(self, done: Restored, damaged: int, how: str) -> Rehearsed:
        """What is gone or rotten, found and brought back from the target."""
        started = self._now()
        database = open_database(done.config.database, MIGRATIONS, read_only=True)
        store = Store(open_backend(done.config.store), database)
        try:
            target = open_target(self.uri)
            with database.read() as tx:
                wanted = list(store.blobs(tx))
            mended = sum(store.mend(blob, target) for blob in wanted)
            sound = store.scrub().first is None
        finally:
            store.close()
            database.close()
        judged = self._judged(done, started, self.lab.keys)
        if mended != damaged or not sound:
            says = f"{damaged} blobs were {how}, {mended} were found and brought back"
            return replace(judged, outcome="failed", says=says)
        return replace(judged, says=f"{damaged} blobs were {how}: found and brought back")

    def _judged(self, done: Restored, started: float, keys: KeyClient) -> Rehearsed:
        """Reads and writes in what came back; its time ends there. Then all else is asked."""
        borrowed = replace(self.lab, keys=keys)
        config = done.config
        with opened_copy(config, done.config.folder) as copy:
            first = read_samples(borrowed, copy, 1).sample
        self._write(done.config.folder)
        rto_ms = int((self._now() - started) * 1000)
        with opened_copy(config, done.config.folder) as copy:
            sample = read_samples(borrowed, copy, self.request.sample).sample
            live = Copy(self.lab.database, self.lab.store)
            prediction = compare_answers(self.lab, live, keys, copy)
        whole = sample.damaged == sample.erased == first.damaged == 0
        return Rehearsed(
            "",
            "passed" if whole and prediction != "different" else "failed",
            f"save {done.point.number} of {done.point.time[:19]}Z",
            self._lost_ms(done),
            rto_ms,
            done.fetched_bytes,
            sample.records,
            sample.readable,
            prediction,
            done.point.number,
            done.point.head.size,
        )

    def _write(self, folder: Path) -> None:
        database = open_database(f"sqlite:{folder / 'lab.db'}", MIGRATIONS)
        try:
            scribble(database, unsigned(self._origin), 0)
        finally:
            database.close()

    def _lost_ms(self, done: Restored) -> int:
        """From the last change that came back to the last that was made before the drill."""
        size, before = done.point.head.size, self.before

        def latest(tx: Transaction) -> str | None:
            if register.behind(tx, size, before).since is None:
                return None
            return register.time_of(tx, before - 1)

        last = self.lab.read(latest)
        if last is None:
            return 0
        came = datetime.fromisoformat(done.point.last_change)
        return max(1, int((datetime.fromisoformat(last) - came).total_seconds() * 1000))

    @property
    def _origin(self) -> str:
        return self.lab.reader.origin

    def _now(self) -> float:
        return self.lab.clock.monotonic_s()


def _second_copy(lab: Lab) -> Path | None:
    """Where the key service keeps one."""
    copy = lab.keys.status().copy
    return Path(copy.folder) if copy.state == "kept" else None


@contextmanager
def _bare_machine(around: Surroundings, place: Path) -> Iterator[Surroundings]:
    """The same user with an empty home: no keys, no heads, no lab."""
    kept = {k: v for k, v in around.environment.items() if not k.startswith("XDG_")}
    run = Path(tempfile.mkdtemp(prefix="cl-"))  # short: a socket's path has 107 bytes
    home = place / "home"
    home.mkdir(mode=0o700)
    try:
        yield Surroundings(kept | {"XDG_RUNTIME_DIR": str(run)}, around.uid, home)
    finally:
        shutil.rmtree(run, ignore_errors=True)


def _write_until_killed(database: Path, origin: str) -> int:
    """How many changes a process acknowledged before SIGKILL."""
    command = [sys.executable, "-Ps", "-m", "cloister.app.scribble", f"sqlite:{database}"]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
        [*command, origin], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        timer = _killer(process)
        said = [first, *process.stdout]
        timer.join()
    return sum(line.endswith("\n") for line in said)


def _killer(process: subprocess.Popen[str]) -> threading.Timer:
    timer = threading.Timer(_SCRIBBLE_S, lambda: process.send_signal(signal.SIGKILL))
    timer.start()
    return timer


def _scribbled(path: Path) -> int:
    """How many of those changes are in the copy's ledger."""
    database = open_database(f"sqlite:{path}", MIGRATIONS, read_only=True)
    try:
        with database.read() as tx:
            found = tx.query(
                "SELECT COUNT(*) FROM ledger_leaf WHERE instr(leaf, ?) > 0",
                (b'"actor":"drill"',),
            )
            return int(found[0][0])
    finally:
        database.close()


def _blob_files(place: Path) -> list[Path]:
    return sorted(
        path
        for name in ("raw", "derived")
        for path in (place / "store" / name).rglob("*")
        if path.is_file()
    )


def _flip(path: Path) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def _scramble(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(os.urandom(min(path.stat().st_size, 1 << 20)))


def _remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
