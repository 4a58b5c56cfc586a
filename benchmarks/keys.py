"""How fast data is sealed, keys are granted and opened, and an epoch is changed.

    python -m benchmarks.keys [--quick]

Sealing is compared with the bare cipher over a reused buffer in the same run. Key service
figures are from the client's side of its socket, in batches of 2,000 unless named otherwise.
Wanted: sealing 1 GiB at 0.6 of the bare cipher; a grant or an open below 40 us; an idle key
service below 60 MB.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.line import append
from cloister.core.clock import SystemClock
from cloister.core.ids import LabId, RunId, SubjectId
from cloister.core.values import KeyGrant, KeyRef
from cloister.keys import KeyClient
from cloister.keys.create import create_keys
from cloister.keys.launch import KeyPlace, start_keyd, unlock
from cloister.keys.providers.passphrase import Cost, Effort, calibrate
from cloister.keys.seal import SealedReader, open_sealed, seal, seal_stream
from cloister.keys.values import Fingerprint, GrantRequest
from cloister.testing.keyd import PASSPHRASE, kill, make_keys

FRAME = 1 << 20
SMALL = 4096
BATCH = 2000
ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def grant() -> KeyGrant:
    owner = RunId.new(secrets.token_bytes)
    return KeyGrant(owner, secrets.token_bytes(16), secrets.token_bytes(32), b"")


def drained(pieces: Iterator[bytes]) -> None:
    for _ in pieces:
        pass


def bare(frame: bytes, count: int) -> None:
    cipher, room = AESGCM(secrets.token_bytes(32)), bytearray(len(frame) + 16)
    for number in range(count):
        cipher.encrypt_into(number.to_bytes(12, "big"), frame, None, room)


def streams(frames: int, rounds: int) -> dict[str, object]:
    """Sealing and opening a large object, in turns with the bare cipher."""
    frame, key = secrets.token_bytes(FRAME), grant()
    some = b"".join(seal_stream([frame] * 64, key))
    cipher, sealing, opening = [], [], []

    def read_at(offset: int, size: int) -> bytes:
        return some[offset : offset + size]

    def read_back() -> None:
        for _ in range(frames // 64):
            drained(SealedReader(read_at, len(some), key.object_key, key.seal_id).chunks())

    for _ in range(rounds):
        cipher.append(seconds(lambda: bare(frame, frames)))
        sealing.append(seconds(lambda: drained(seal_stream([frame] * frames, key))))
        opening.append(seconds(read_back))
    gigabytes = frames * FRAME / 1e9
    return {
        "what": "stream",
        "bytes": frames * FRAME,
        "bare_cipher_gb_s": round(gigabytes / statistics.median(cipher), 2),
        "seal_gb_s": round(gigabytes / statistics.median(sealing), 2),
        "open_gb_s": round(gigabytes / statistics.median(opening), 2),
        "ratio": round(statistics.median(cipher) / statistics.median(sealing), 2),
        "wanted": 0.6,
        "raw": {"bare_s": cipher, "seal_s": sealing, "open_s": opening},
    }


def small_objects(count: int, rounds: int) -> dict[str, object]:
    """Sealing and opening objects of 4 KiB, one core."""
    plain, key = secrets.token_bytes(SMALL), grant()
    sealed = seal(plain, key)
    sealing, opening = [], []
    for _ in range(rounds):
        sealing.append(seconds(lambda: [seal(plain, key) for _ in range(count)]))
        opening.append(
            seconds(
                lambda: [open_sealed(sealed, key.object_key, key.seal_id) for _ in range(count)]
            )
        )
    return {
        "what": "objects of 4 KiB",
        "objects": count,
        "seal_per_s": round(count / statistics.median(sealing)),
        "open_per_s": round(count / statistics.median(opening)),
        "raw": {"seal_s": sealing, "open_s": opening},
    }


def batches(work: Callable[[int], object], count: int) -> float:
    """Microseconds each, over ``count`` of them."""
    return seconds(lambda: [work(at) for at in range(0, count, BATCH)]) * 1e6 / count


def through_keyd(keyd: KeyClient, subjects: int, rounds: int) -> dict[str, object]:
    """Index, grants, opens and one erasure among so many subjects."""
    pairs = [("ward", f"{subjects}-{number}") for number in range(subjects)]
    names: list[SubjectId] = []
    refs: list[KeyRef] = []

    def enrol(at: int) -> None:
        found = keyd.subjects(pairs[at : at + BATCH], create=True)
        names.extend(name for name in found if name is not None)

    def remember(at: int) -> None:
        part = names[at : at + BATCH]
        keyd.remember([Fingerprint(name, secrets.token_bytes(32), "ab" * 32) for name in part])

    def take(at: int) -> None:
        asked = [GrantRequest(name, bytes(32)) for name in names[at : at + BATCH]]
        granted = [one.key for one in keyd.grants(asked)]
        refs[at : at + len(granted)] = [KeyRef(g.owner, g.seal_id, g.wrap) for g in granted]

    enrolled, remembered = batches(enrol, subjects), batches(remember, subjects)
    grants, opens, cold, erasures = [], [], [], []
    busy: list[float] = []
    for number in range(rounds):
        before = processor_s(keyd)
        grants.append(batches(take, subjects))
        opens.append(batches(lambda at: keyd.open(refs[at : at + BATCH]), subjects))
        busy.append((processor_s(keyd) - before) * 1e6 / subjects)
        erasures.append(seconds(lambda gone=number: keyd.erase([names[gone]])))  # type: ignore[misc]
        names[number] = keyd.new_owner(SubjectId)
        cold.append(batches(take, subjects))  # the erasure emptied the cache
    return {
        "what": "key service",
        "subjects": subjects,
        "enrol_us": round(enrolled, 1),
        "remember_us": round(remembered, 1),
        "grant_us": round(statistics.median(grants), 1),
        "grant_uncached_us": round(statistics.median(cold), 1),
        "open_us": round(statistics.median(opens), 1),
        "wanted_us": 40,
        # What other work on the machine does not change: both processes' time for one of each.
        "grant_and_open_processor_us": round(statistics.mean(busy), 1),
        "erase_s": round(statistics.median(erasures), 4),
        "raw": {
            "grant_us": grants,
            "open_us": opens,
            "processor_us": busy,
            "uncached_us": cold,
            "erase_s": erasures,
        },
    }


def second_copy(keyd: KeyClient, folder: Path, subjects: int, rounds: int) -> dict[str, object]:
    """What keeping a second copy costs: here both are on one disk, in turns with none."""
    pairs = [("other ward", f"{number}") for number in range(subjects)]
    names = [name for name in keyd.subjects(pairs, create=True) if name is not None]
    owners: dict[str, list[float]] = {"kept": [], "suspended": []}
    erasures: dict[str, list[float]] = {"kept": [], "suspended": []}
    begin_s = seconds(lambda: keyd.keep_copy(folder))
    for _ in range(rounds):
        for state, took in owners.items():
            keyd.keep_copy(folder) if state == "kept" else keyd.suspend_copy()
            took.append(seconds(lambda: [keyd.new_owner(RunId) for _ in range(100)]) / 100)
            erasures[state].append(seconds(lambda: keyd.erase([names.pop()])))
    keyd.keep_copy(folder)
    return {
        "what": "second copy",
        "subjects": subjects,
        "begin_s": round(begin_s, 3),
        "new_key_ms": round(statistics.median(owners["kept"]) * 1e3, 3),
        "new_key_alone_ms": round(statistics.median(owners["suspended"]) * 1e3, 3),
        "erase_s": round(statistics.median(erasures["kept"]), 3),
        "erase_alone_s": round(statistics.median(erasures["suspended"]), 3),
        "raw": {"new_key_s": owners, "erase_s": erasures},
    }


def single_requests(keyd: KeyClient, count: int) -> dict[str, object]:
    """One request at a time, from one thread."""
    signer, run = keyd.signer("log"), keyd.new_owner(RunId)
    asked = [GrantRequest(run)]
    return {
        "what": "single requests",
        "sign_per_s": round(count / seconds(lambda: [signer.sign(b"x") for _ in range(count)])),
        "grant_per_s": round(
            count / seconds(lambda: [keyd.grants(asked) for _ in range(count)])
        ),
    }


def passphrases(rounds: int) -> dict[str, object]:
    """Making a record, and one guess at it."""
    cost, salt, _ = calibrate(b"passphrase", Effort())
    guesses = [seconds(lambda: cost.derive(b"guess", salt)) for _ in range(rounds)]
    return {
        "what": "argon2id",
        "iterations": cost.iterations,
        "memory_mib": cost.memory_kib >> 10,
        "lanes": cost.lanes,
        "guess_s": round(statistics.median(guesses), 3),
        "one_iteration_s": round(
            seconds(lambda: Cost(1, cost.memory_kib, cost.lanes).derive(b"x", salt)), 3
        ),
        "wanted_s": 0.5,
        "raw": {"guess_s": guesses},
    }


def life(folder: Path, rounds: int) -> dict[str, object]:
    """Making a lab's keys, starting over them, and what the idle process holds."""
    creates, starts, sizes = [], [], []
    for number in range(rounds):
        keys, path = folder / f"keys{number}", folder / f"run{number}" / "keyd.sock"
        lab = LabId.new(secrets.token_bytes)
        place = KeyPlace(path, path.with_name("owner.lease"), keys)
        began = time.perf_counter()
        client, _ = create_keys(place, lab, PASSPHRASE, SystemClock())
        creates.append(time.perf_counter() - began)
        sizes.append(resident_mb(client.status().pid))
        kill(client)
        began = time.perf_counter()
        client = start_keyd(keys, path)
        starts.append(time.perf_counter() - began)
        kill(client)
    return {
        "what": "process",
        "create_s": round(statistics.median(creates), 3),
        "start_s": round(statistics.median(starts), 3),
        "idle_mb": round(statistics.median(sizes), 1),
        "wanted_mb": 60,
        "raw": {"create_s": creates, "start_s": starts, "idle_mb": sizes},
    }


def processor_s(keyd: KeyClient) -> float:
    """Processor time of this process and of the key service, so far."""
    stat = Path(f"/proc/{keyd.status().pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(stat[11]) + int(stat[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, three rounds")
    quick = parser.parse_args().quick
    rounds = 3 if quick else ROUNDS
    append("keys", streams(128 if quick else 1024, rounds))
    append("keys", small_objects(2_000 if quick else 20_000, rounds))
    append("keys", passphrases(rounds))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        append("keys", life(folder, rounds))
        for subjects in (1_000,) if quick else (1_000, 10_000, 100_000):
            keys, path = folder / str(subjects), folder / f"run-{subjects}" / "keyd.sock"
            make_keys(keys)
            keyd = unlock(start_keyd(keys, path), PASSPHRASE)
            line = through_keyd(keyd, subjects, rounds)
            line["resident_mb"] = round(resident_mb(keyd.status().pid), 1)
            append("keys", line)
            if subjects == 1_000:
                append("keys", single_requests(keyd, 2_000))
            if subjects == 10_000 or quick:
                append("keys", second_copy(keyd, folder / f"copy-{subjects}", subjects, rounds))
            kill(keyd)


if __name__ == "__main__":
    main()
