"""Processes that append until they are done, or killed; each says what was acknowledged."""

from __future__ import annotations

import contextlib
import os
import signal
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


def append_while_interrupted(path: Path, operations: int, told: int) -> None:
    """Three threads append while the main one does too, and takes every Ctrl-C."""
    lab = Lab(path)

    def work(name: str) -> None:
        for number in range(operations):
            recorded = lab.append(note(f"{name}.{number}"))
            os.write(told, f"{name}.{number} {recorded[0].index}\n".encode())

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    interrupts = append_until_done(lab, threads)
    os.write(told, f"interrupts {interrupts}\n".encode())
    lab.close()


def append_until_done(lab: Lab, threads: list[threading.Thread]) -> int:
    """How often Ctrl-C broke one of this thread's own appends."""
    armed, interrupts = [False], [0]

    def interrupt(*_: object) -> None:
        if armed[0]:
            armed[0] = False
            interrupts[0] += 1
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    number = 0
    while any(thread.is_alive() for thread in threads):
        number += 1
        with contextlib.suppress(KeyboardInterrupt):
            armed[0] = True
            lab.append(note(f"main.{number}"))
            armed[0] = False
    return interrupts[0]
