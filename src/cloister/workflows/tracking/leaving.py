"""What a job leaves without a client: figures in files, and what the machine did meanwhile."""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Self

from cloister.core.ids import RunId
from cloister.runs.meters import EVERY_S, Sampled
from cloister.tracking import limits, points
from cloister.tracking import runs as tables
from cloister.tracking.figures import NAME, clean_name, figures
from cloister.tracking.points import Point
from cloister.tracking.tensorboard import MARK, scalars
from cloister.workflows.lab import Lab
from cloister.workflows.tracking.ending import STATUSES
from cloister.workflows.tracking.log import log
from cloister.workflows.tracking.recording import now_ms
from cloister.workflows.tracking.runs import NewRun, create, update
from cloister.workflows.tracking.visit import of_job

EXPERIMENT = "MLFLOW_EXPERIMENT_ID"
"""The variable with which MLflow's client is told where runs belong."""
_MOST = 1_000_000


@dataclass(slots=True)
class Left:
    """Points found in the files that a job left, and what the machine did meanwhile."""

    of_machine: list[Point] = field(default_factory=list)
    of_boards: dict[str, list[Point]] = field(default_factory=dict)
    of_files: list[Point] = field(default_factory=list)

    def look(self, path: str, content: bytes) -> None:
        """Takes the figures in a file, if it is one that holds figures."""
        folder, name = posixpath.split(path)
        if name == NAME:
            self.of_files += islice(figures(content, 0), _MOST)
        elif MARK in name:
            self.of_boards.setdefault(folder, []).extend(islice(scalars(content), _MOST))

    def points(self, now_ms: int) -> Iterator[Point]:
        """All of them; those of several folders of TensorBoard under the folders' names."""
        yield from self.of_machine
        yield from (point._replace(time_ms=now_ms) for point in self.of_files)
        shared = posixpath.commonpath(self.of_boards) if self.of_boards else ""
        for folder, found in sorted(self.of_boards.items()):
            above = "" if len(self.of_boards) == 1 else posixpath.relpath(folder, shared or ".")
            for point in found:
                if name := clean_name(f"{above}/{point.metric}"):
                    yield point._replace(metric=name)


@dataclass(slots=True)
class Watching:
    """Looks at the machine while a block lasts, in a thread of its own."""

    lab: Lab
    meters: Sampled
    left: Left
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        try:
            self.meters.sample()  # from here on the use of the processors is counted
            step = 0
            while not self._over.wait(EVERY_S):
                self._note(self.meters.sample(), step)
                step += 1
        except OSError:
            return  # no /proc, or no disk: the job is worth more than its figures

    def _note(self, found: Mapping[str, float], step: int) -> None:
        seen = self.left.of_machine
        if len(seen) < _MOST:
            time_ms = now_ms(self.lab)
            seen += [Point(name, value, time_ms, step) for name, value in found.items()]


def leave(lab: Lab, run: RunId, state: str, left: Left, experiment: str = "0") -> str | None:
    """Logs ``left`` to the run that the job tracked; gives its id, None where nothing is left.

    A job that tracked several runs, or none, gets one of the name of its own run. A metric
    that the job logged itself stays as it is.
    """
    ended_ms = now_ms(lab)
    new = list(islice(left.points(ended_ms), _MOST))
    if not new:
        return None
    visit = of_job(lab, run)
    tracked = lab.read(lambda tx: tables.of_fenced(tx, run))
    if len(tracked) == 1 and tracked[0].stage == "active":
        name = tracked[0].run
        known = {one.metric for one in lab.read(lambda tx: points.latest(tx, [name]))}
    else:
        started_ms = min(point.time_ms for point in new)
        name, known = create(visit, NewRun(experiment, max(0, started_ms), run)).run.run, set()
        update(visit, name, STATUSES[state], ended_ms)
    fresh = (point for point in new if point.metric not in known)
    while some := list(islice(fresh, limits.POINTS_A_BATCH)):
        log(visit, name, [_bounded(point) for point in some])
    return name


def _bounded(point: Point) -> Point:
    """With a step and a time that can be kept, whatever the file says."""
    step = max(-limits.INT64, min(point.step, limits.INT64 - 1))
    return point._replace(step=step, time_ms=max(0, min(point.time_ms, limits.LATEST_MS)))
