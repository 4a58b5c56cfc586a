"""Processes that append until they are done, or killed; each says what was acknowledged."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tests.ledger.lab import Lab, event, note


def append_and_tell(path: Path, worker: str, operations: int, told: int) -> None:
    """Appends from two threads, writing a line to ``told`` after each acknowledgement."""
    lab = Lab(path)

    def work(name: str) -> None:
        for number in range(operations):
            operation = f"{name}.{number}"
            recorded = lab.append(note(operation), event("read.begun", name=operation))
            line = f"{operation} {recorded[0].index} {recorded[1].index}\n"
            os.write(told, line.encode())

    threads = [threading.Thread(target=work, args=(f"{worker}{half}",)) for half in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lab.close()


def check_acknowledged(lab: Lab, lines: list[str]) -> None:
    """Every acknowledged event is at the place that was told, and the record is sound."""
    with lab.database.read() as tx:
        for line in lines:
            name, first, second = line.split()
            for index, kind in ((int(first), "note.written"), (int(second), "read.begun")):
                found = lab.reader.event(tx, index).event
                assert (found.type, found.body["name"]) == (kind, name)
        places = [place for (place,) in tx.query("SELECT position FROM ledger_leaf")]
    assert sorted(places) == list(range(len(places)))
    report = lab.audit()
    assert report.sound, report.findings
    assert report.events == lab.head().size == len(places)
