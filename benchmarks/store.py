"""How fast sealed bytes come to rest and back: small objects, one large stream, growth.

    python -m benchmarks.store [--quick] [--at FOLDER]

Every write is followed by sync, inside the time. The stream of 1 GiB is compared with `cp`
and sync of the same file, in turns. Wanted: at least half its speed.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec

from benchmarks.line import append
from cloister.core.ids import RunId
from cloister.core.values import KeyGrant
from cloister.db import Database, open_database
from cloister.keys.seal import seal_stream, sealed_size
from cloister.store import MIGRATIONS, FileBackend, Store

P = ParamSpec("P")
SMALL = 4096
PIECE = 1 << 20


@contextmanager
def fresh(at: Path) -> Iterator[tuple[Store, Database]]:
    """An empty store, gone afterwards."""
    with tempfile.TemporaryDirectory(dir=at) as folder:
        database = open_database(f"sqlite:{folder}/lab.db", MIGRATIONS)
        store = Store(FileBackend.open(Path(folder, "store")), database)
        os.sync()
        try:
            yield store, database
        finally:
            store.close()
            database.close()


def seconds(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> float:
    began = time.perf_counter()
    work(*args, **kwargs)
    return time.perf_counter() - began


def add(store: Store, database: Database, objects: list[bytes], names: list[str]) -> None:
    """Puts objects as an `add` does: durable and placed when it returns."""
    with store.writer("raw") as writer:
        names += [writer.add(sealed) for sealed in objects]
        placements = writer.flush()
    database.write(lambda tx: store.place(tx, placements))
    os.sync()


def read_together(store: Store, names: list[str]) -> None:
    for _ in store.read_many(names):
        pass


def read_one_by_one(store: Store, names: list[str]) -> None:
    for name in names:
        store.read(name)


def small_objects(at: Path, count: int, rounds: int) -> dict[str, object]:
    """Adding and reading ``count`` objects of 4 KiB."""
    objects = [secrets.token_bytes(SMALL) for _ in range(count)]
    adds, reads, singles = [], [], []
    for _ in range(rounds):
        with fresh(at) as (store, database):
            names: list[str] = []
            adds.append(seconds(add, store, database, objects, names))
            names.sort()  # random, as hashes are
            reads.append(seconds(read_together, store, names))
            singles.append(seconds(read_one_by_one, store, names[:1000]))
    return {
        "objects": count,
        "object_bytes": SMALL,
        "add_s": round(statistics.median(adds), 3),
        "read_many_per_s": round(count / statistics.median(reads)),
        "read_one_us": round(statistics.median(singles) * 1e6 / 1000, 1),
        "raw": {"add_s": adds, "read_many_s": reads, "read_1000_one_by_one_s": singles},
    }


def pieces(source: Path) -> Iterator[bytes]:
    with source.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            yield piece


def streamed(at: Path, source: Path, sealed: bool) -> float:
    """Seconds to store a file as one object, sealed on the way or as it is."""
    size = source.stat().st_size
    chunks, size_hint = pieces(source), size
    if sealed:
        run = RunId.new(secrets.token_bytes)
        grant = KeyGrant(run, secrets.token_bytes(16), secrets.token_bytes(32), b"")
        chunks, size_hint = seal_stream(chunks, grant), sealed_size(size)
    with fresh(at) as (store, database):
        return seconds(add_stream, store, database, chunks, size_hint)


def add_stream(
    store: Store, database: Database, chunks: Iterator[bytes], size_hint: int
) -> None:
    with store.writer("raw") as writer:
        writer.add_stream(chunks, size_hint)
        placements = writer.flush()
    database.write(lambda tx: store.place(tx, placements))
    os.sync()


def copied(at: Path, source: Path) -> float:
    target = at / "copy"
    os.sync()
    took = seconds(copy, source, target)
    target.unlink()
    return took


def copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", source, target], check=True)
    os.sync()


def one_stream(at: Path, size: int, rounds: int) -> dict[str, object]:
    """A large file through `add_stream`, against cp and sync."""
    source = at / "source"
    with source.open("wb") as file:
        for _ in range(size // PIECE):
            file.write(secrets.token_bytes(PIECE))
    cp, plain, sealed = [], [], []
    for number in range(rounds):
        ways = [
            lambda: cp.append(copied(at, source)),
            lambda: plain.append(streamed(at, source, sealed=False)),
            lambda: sealed.append(streamed(at, source, sealed=True)),
        ]
        for turn in range(3):  # whoever comes after another pays for its clean-up
            ways[(number + turn) % 3]()
    source.unlink()
    return {
        "bytes": size,
        "cp_sync_s": round(statistics.median(cp), 3),
        "store_s": round(statistics.median(plain), 3),
        "seal_and_store_s": round(statistics.median(sealed), 3),
        "ratio": round(statistics.median(cp) / statistics.median(plain), 2),
        "ratio_sealed": round(statistics.median(cp) / statistics.median(sealed), 2),
        "wanted": 0.5,
        "raw": {"cp_sync_s": cp, "store_s": plain, "seal_and_store_s": sealed},
    }


def flush_each(store: Store, database: Database, count: int) -> None:
    for _ in range(count):
        with store.writer("derived") as writer:
            writer.add(secrets.token_bytes(SMALL))
            placements = writer.flush()
        database.write(lambda tx, placements=placements: store.place(tx, placements))


def flushes_per_s(at: Path, writers: int, count: int) -> float:
    with fresh(at) as (store, database), ThreadPoolExecutor(writers) as pool:
        began = time.perf_counter()
        running = [pool.submit(flush_each, store, database, count) for _ in range(writers)]
        for future in running:
            future.result()
        return writers * count / (time.perf_counter() - began)


def group_commit(at: Path, writers: int, count: int) -> dict[str, object]:
    """Small objects, each flushed and placed by itself: alone, and by many threads."""
    return {
        "writers": writers,
        "alone_per_s": round(flushes_per_s(at, 1, count)),
        "together_per_s": round(flushes_per_s(at, writers, count)),
    }


def growth(at: Path, counts: list[int]) -> list[dict[str, object]]:
    """Microseconds for each object, as a store holds more of them."""
    rows: list[dict[str, object]] = []
    with fresh(at) as (store, database):
        names: list[str] = []
        for count in counts:
            objects = [secrets.token_bytes(SMALL) for _ in range(count - len(names))]
            row = {"add_us": seconds(add, store, database, objects, names) / len(objects)}
            some = secrets.SystemRandom().sample(names, 500)
            row["read_many_us"] = seconds(read_together, store, names) / count
            row["read_one_us"] = seconds(read_one_by_one, store, some) / len(some)
            row["scrub_us"] = seconds(store.scrub) / count
            row["rebuild_us"] = seconds(store.rebuild_placements) / count
            rows.append({"objects": count} | {k: round(v * 1e6, 1) for k, v in row.items()})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--at", type=Path, help="a folder on the disk to measure")
    options = parser.parse_args()
    part, rounds = (10, 2) if options.quick else (1, 5)
    with tempfile.TemporaryDirectory(dir=options.at) as folder:
        at = Path(folder)
        measured = {
            "small": small_objects(at, 20_000 // part, rounds),
            "stream": one_stream(at, (1 << 30) // part, rounds),
            "group_commit": group_commit(at, 16, 100 // part),
            "growth": growth(at, [1000, 10_000, 100_000] if part == 1 else [500, 5000]),
        }
    append("store", measured | {"quick": options.quick})


if __name__ == "__main__":
    main()
