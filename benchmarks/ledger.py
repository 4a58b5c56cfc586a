"""How fast the ledger takes events, signs commits, proves entries and is audited, and how
that grows from 10^3 to 10^5 events.

    python -m benchmarks.ledger [--quick] [--at FOLDER]

Events and projections are the platform's own. The growth is measured with records as `add`
writes them, the heaviest there are: 0.8 KB each, into a table with five indexes. Appending is
measured as well with predictions (one row, no further index) and with events that leave no row.
Every commit is synced to the disk before it counts; signatures are Ed25519 in this process,
without the key service. CPU time is given beside wall time: it is what a busy machine leaves
comparable. Wanted: 40,000 events/s appended in batches, 1,000 signed commits/s one by one,
50,000 events/s audited (the log), 10,000 events/s audited (with every row).
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.line import append
from cloister import datasets, ledger, models
from cloister.core.canonical import Json
from cloister.core.encoding import to_text
from cloister.core.events import Event, no_rows
from cloister.core.ids import BatchId, DeploymentId, RecordId, SubjectId
from cloister.core.signing import PublicKey
from cloister.db import Database, open_database
from cloister.keys.signing import verify
from cloister.ledger import Ledger, LedgerReader, leaf_hash, verify_inclusion
from cloister.ledger.audit import audit

ORIGIN = "lab_benchmark/log"
BATCH = 2000  # as `add` does
MIGRATIONS = (*ledger.MIGRATIONS, *datasets.MIGRATIONS, *models.MIGRATIONS)
PROJECTIONS = {**datasets.PROJECTIONS, **models.PROJECTIONS, "nothing.projected": no_rows}
TABLES = (*datasets.TABLES, *models.TABLES)
WANTED = {
    "append_per_s": 40_000,
    "single_commits_per_s": 1_000,
    "audit_log_per_s": 50_000,
    "audit_rows_per_s": 10_000,
}


class LogKey:
    """Signs in this process."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public_key = PublicKey(ORIGIN, self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


class Lab:
    """A ledger over a database of its own."""

    def __init__(self, folder: str) -> None:
        key = LogKey()
        self.ledger = Ledger(ORIGIN, key, PROJECTIONS, verify)
        self.reader = LedgerReader(key.public_key, verify)
        self.path = Path(folder, "lab.db")
        self.database: Database = open_database(
            f"sqlite:{self.path}", MIGRATIONS, before_commit=self.ledger.seal
        )

    def append(self, events: Sequence[Event]) -> None:
        self.database.write(lambda tx: self.ledger.append(tx, events))

    def audit(self, tables: Sequence[str]) -> float:
        """Events per second; refuses to measure a lab that is not sound."""
        report = audit(self.database, self.reader, PROJECTIONS, tables, MIGRATIONS)
        assert report.sound, report.findings
        assert bool(report.rows) == bool(tables)
        return report.events / report.seconds


@contextmanager
def fresh(at: str | None) -> Iterator[Lab]:
    """An empty lab, gone afterwards."""
    with tempfile.TemporaryDirectory(dir=at) as folder:
        lab = Lab(folder)
        try:
            yield lab
        finally:
            lab.database.close()


def records(count: int) -> list[Event]:
    """Records of one batch, sealed fields as long as the real ones."""
    batch = BatchId.new(secrets.token_bytes)
    return [
        _event(
            "record.added",
            {
                "batch": batch,
                "commitment": secrets.token_hex(32),
                "dataset": "default",
                "kind": "rows",
                "meta": to_text(secrets.token_bytes(150)),
                "object": secrets.token_hex(32),
                "quarantine": None,
                "record": RecordId.new(secrets.token_bytes),
                "seal": to_text(secrets.token_bytes(16)),
                "size": 4096,
                "subject": SubjectId.new(secrets.token_bytes),
                "wrap": to_text(secrets.token_bytes(60)),
            },
        )
        for _ in range(count)
    ]


def predictions(count: int) -> list[Event]:
    """Answers of one deployment."""
    deployment = DeploymentId.new(secrets.token_bytes)
    return [
        _event(
            "prediction.made",
            {
                "deployment": deployment,
                "sha256": hashlib.sha256(b"model").hexdigest(),
                "input": secrets.token_hex(32),
                "output": secrets.token_hex(32),
                "subject": None,
            },
        )
        for _ in range(count)
    ]


def rowless(count: int) -> list[Event]:
    """The same, leaving no row."""
    return [_event("nothing.projected", event.body) for event in predictions(count)]


def _event(kind: str, body: Mapping[str, Json]) -> Event:
    return Event(kind, "2026-01-02T03:04:05.678901Z", "per_aaaaaaaaaaaaaaaa", "owner may", body)


def appended(lab: Lab, events: Sequence[Event]) -> list[float]:
    """Seconds for each batch."""
    samples = []
    for start in range(0, len(events), BATCH):
        began = time.perf_counter()
        lab.append(events[start : start + BATCH])
        samples.append(time.perf_counter() - began)
    return samples


def single_commits(lab: Lab, count: int) -> list[float]:
    """Seconds for each signed, synced commit of one event."""
    samples = []
    for event in records(count):
        began = time.perf_counter()
        lab.append([event])
        samples.append(time.perf_counter() - began)
    return samples


def proofs(lab: Lab, count: int) -> float:
    """Seconds to read and verify one inclusion proof, on average."""
    with lab.database.read() as tx:
        head = lab.reader.head(tx)
        began = time.perf_counter()
        for number in range(count):
            index = number * head.size // count
            leaf = leaf_hash(lab.reader.leaf(tx, index))
            proof = lab.reader.inclusion(tx, index, head.size)
            verify_inclusion(leaf, index, head.size, proof, head.root)
        return (time.perf_counter() - began) / count


def appending(events: list[Event], at: str | None) -> dict[str, object]:
    """Only the appending, of one kind of events."""
    size = len(events)
    gc.collect()
    with fresh(at) as lab:
        cpu = time.process_time()
        batches = appended(lab, events)
        cpu = time.process_time() - cpu
    return {
        "events": size,
        "append_per_s": round(size / sum(batches)),
        "append_cpu_us": round(cpu / size * 1e6, 1),
        "raw": {"append_batch_s": [round(sample, 5) for sample in batches]},
    }


def at_size(size: int, at: str | None) -> dict[str, object]:
    """All figures for a lab of ``size`` records."""
    events = records(size)
    gc.collect()
    with fresh(at) as lab:
        cpu = time.process_time()
        batches = appended(lab, events)
        cpu = time.process_time() - cpu
        audit_log = [lab.audit(()) for _ in range(3)]
        audit_rows = [lab.audit(TABLES) for _ in range(3)]
        proof_s = proofs(lab, 200)
        singles = single_commits(lab, 300)
    return {
        "events": size,
        "append_per_s": round(size / sum(batches)),
        "append_cpu_us": round(cpu / size * 1e6, 1),
        "single_commits_per_s": round(len(singles) / sum(singles)),
        "single_commit_p50_ms": round(statistics.median(singles) * 1000, 3),
        "audit_log_per_s": round(statistics.median(audit_log)),
        "audit_rows_per_s": round(statistics.median(audit_rows)),
        "proof_ms": round(proof_s * 1000, 4),
        "raw": {
            "append_batch_s": [round(sample, 5) for sample in batches],
            "single_commit_s": [round(sample, 6) for sample in singles],
            "audit_log_per_s": [round(rate) for rate in audit_log],
            "audit_rows_per_s": [round(rate) for rate in audit_rows],
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="up to 10^4 events only")
    parser.add_argument("--at", help="a folder on the disk to measure")
    options = parser.parse_args()
    sizes = [10**3, 10**4] if options.quick else [10**3, 10**4, 10**5]
    load = os.getloadavg()[0]  # of others: on a busy machine only CPU time says much
    growth = [at_size(size, options.at) for size in sizes]
    others = {
        "predictions": appending(predictions(sizes[-1]), options.at),
        "rowless": appending(rowless(sizes[-1]), options.at),
    }
    reached = {name: growth[-1][name] for name in WANTED}
    around = {"wanted": WANTED, "batch": BATCH, "load_before": round(load, 1)}
    append("ledger", reached | around | {"growth": growth} | others)


if __name__ == "__main__":
    main()
