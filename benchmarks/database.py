"""The same record on SQLite and on PostgreSQL, in one run on one disk: how fast each takes
durable events, from one caller and from many, and how that grows.

    python -m benchmarks.database [--quick] [--at FOLDER]

The server is Debian's, with its own defaults but for the folder, reached over its Unix socket;
both write under FOLDER. Every commit is on the disk before it counts. One `fdatasync` of that
disk is measured beside, as is what else ran: on a busy machine only the ratio says much.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.faults.postgres import PostgresServer, postgres_server

from benchmarks.ledger import (
    BATCH,
    MIGRATIONS,
    ORIGIN,
    PROJECTIONS,
    TABLES,
    LogKey,
    appended,
    predictions,
    records,
    single_commits,
)
from benchmarks.ledger import Lab as FileLab
from benchmarks.line import append
from cloister.db import open_database
from cloister.keys.signing import verify
from cloister.ledger import Ledger, LedgerReader

CLIENTS = (1, 4, 16, 64)


class ServerLab(FileLab):
    """A ledger in a schema of a server."""

    def __init__(self, uri: str) -> None:
        key = LogKey()
        self.ledger = Ledger(ORIGIN, key, PROJECTIONS, verify)
        self.reader = LedgerReader(key.public_key, verify)
        self.database = open_database(uri, MIGRATIONS, before_commit=self.ledger.seal)


@contextmanager
def fresh(engine: str, at: str | None, server: PostgresServer) -> Iterator[FileLab]:
    """An empty lab on that engine."""
    with tempfile.TemporaryDirectory(dir=at) as folder:
        lab = FileLab(folder) if engine == "sqlite" else ServerLab(server.new_schema())
        try:
            yield lab
        finally:
            lab.database.close()


def together(lab: FileLab, clients: int, each: int) -> float:
    """Durable events per second of that many callers, one event a call."""
    with ThreadPoolExecutor(clients) as pool:
        work = [predictions(each) for _ in range(clients)]

        def call(mine: int) -> None:
            for event in work[mine]:
                lab.append([event])

        began = time.perf_counter()
        list(pool.map(call, range(clients)))
        return clients * each / (time.perf_counter() - began)


def measured(engine: str, sizes: list[int], at: str | None, server: PostgresServer) -> object:
    """All figures of one engine."""
    growth = []
    raw = []
    for size in sizes:
        with fresh(engine, at, server) as lab:
            batches = appended(lab, records(size))
            singles = single_commits(lab, 200)
            raw.append([round(sample, 6) for sample in singles])
            growth.append(
                {
                    "events": size,
                    "append_per_s": round(size / sum(batches)),
                    "single_commit_p50_ms": round(statistics.median(singles) * 1000, 3),
                    "audit_log_per_s": round(lab.audit(())),
                    "audit_rows_per_s": round(lab.audit(TABLES)),
                }
            )
    with fresh(engine, at, server) as lab:
        rates = {
            str(clients): round(together(lab, clients, 400 // clients + 20), 1)
            for clients in CLIENTS
        }
        with lab.database.read() as tx:
            head = lab.reader.head(tx).size
        began = time.perf_counter()
        for _ in range(300):
            with lab.database.read() as tx:
                lab.reader.leaf(tx, head // 2)
        read_ms = (time.perf_counter() - began) / 300 * 1000
    return {
        "per_s_by_clients": rates,
        "read_one_entry_ms": round(read_ms, 3),
        "growth": growth,
        "raw": {"single_commit_s": raw},
    }


def one_sync(folder: str) -> float:
    """Milliseconds of one fdatasync of a page, the median of many."""
    samples = []
    with Path(folder, "sync").open("wb") as file:
        for _ in range(100):
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            samples.append(time.perf_counter() - began)
    return round(statistics.median(samples) * 1000, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="up to 10^3 events only")
    parser.add_argument("--at", help="a folder on the disk to measure")
    options = parser.parse_args()
    sizes = [10**3] if options.quick else [10**3, 10**4, 3 * 10**4]
    load = round(os.getloadavg()[0], 1)
    place = Path(tempfile.mkdtemp(dir=options.at, prefix="cl-pg-"))
    with postgres_server(place) as server:
        sync_ms = one_sync(str(place))
        engines = {
            engine: measured(engine, sizes, options.at, server)
            for engine in ("sqlite", "postgresql")
        }
        version = server.psql("SHOW server_version").partition(" ")[0]
    append(
        "database",
        {"fdatasync_ms": sync_ms, "postgresql_version": version, "batch": BATCH}
        | {"load_before": load}
        | engines,
    )


if __name__ == "__main__":
    main()
