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


class CtrlC:
    """Takes every SIGINT; it interrupts the main thread only while that thread appends."""

    def __init__(self) -> None:
        self.armed = False
        self.count = 0
        signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, *_: object) -> None:
        if self.armed:
            self.armed = False
            self.count += 1
            raise KeyboardInterrupt


def append_while_interrupted(path: Path, operations: int, told: int) -> None:
    """Three threads append while the main one does too, and is interrupted again and again."""
    ctrl_c = CtrlC()
    lab = Lab(path)

    def work(name: str) -> None:
        for number in range(operations):
            recorded = lab.append(note(f"{name}.{number}"))
            os.write(told, f"{name}.{number} {recorded[0].index}\n".encode())

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    number = 0
    while any(thread.is_alive() for thread in threads):
        number += 1
        with contextlib.suppress(KeyboardInterrupt):
            ctrl_c.armed = True
            lab.append(note(f"main.{number}"))
            ctrl_c.armed = False
    os.write(told, f"interrupts {ctrl_c.count}\n".encode())
    lab.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until the process has ended
