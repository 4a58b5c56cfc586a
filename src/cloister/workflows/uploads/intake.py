"""Intake: the service's own end of uploads, which adds them one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from cloister import fence
from cloister.core.errors import CloisterError, Conflict, DurabilityLost
from cloister.datasets import uploads
from cloister.datasets.uploads import ADDING
from cloister.policy import Action
from cloister.workflows.lab import Lab
from cloister.workflows.uploads._pieces import Known
from cloister.workflows.uploads.finish import expire, proceed, tidy
from cloister.workflows.uploads.receive import own


@dataclass(frozen=True, slots=True)
class Standing:
    """How one upload stands."""

    upload: str
    name: str
    state: str
    stage: str | None
    """What is being done with it just now."""
    done: int
    total: int
    problem: str | None
    """Why it could not be added; the code alone, after a restart."""
    hint: str | None
    number: int | None


class _Stopped(Exception):
    """The service ends: the upload goes on where it was in the next."""


@dataclass(slots=True)
class _Work:
    stage: str = "waiting"
    done: int = 0
    total: int = 0


@dataclass(slots=True)
class Intake:
    """Adds what was uploaded, one upload at a time, in a thread of its own.

    What it is at is in memory alone; what it has to do is in the record, so that the next
    process goes on. Any thread may ask.
    """

    known: Known = field(default_factory=Known)
    broken: Callable[[DurabilityLost], None] = lambda _: None
    """Told when the record broke; the service sets it."""
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "intake"), repr=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _work: dict[str, _Work] = field(default_factory=dict)
    _problems: dict[str, CloisterError] = field(default_factory=dict)
    _ending: threading.Event = field(default_factory=threading.Event, repr=False)

    def tend(self, lab: Lab) -> None:
        """Takes up what waits to be added, and removes what was left lying.

        At the start, and now and then. What a killed process had staged is wiped.
        """
        fence.sweep()
        tidy(lab)
        expire(lab)
        for upload in lab.read(uploads.under_way):
            if upload.state == ADDING:
                self.submit(lab, upload.upload)

    def submit(self, lab: Lab, upload: str) -> None:
        """Adds an upload as soon as those before it are added; once, however often asked."""
        with self._lock:
            if upload in self._work:
                return
            self._work[upload] = _Work()
            self._problems.pop(upload, None)
        self._pool.submit(self._proceed, lab, upload)

    def standing(self, lab: Lab, name: str) -> Standing:
        """How an upload stands, for whoever sent it; raises NotFound."""
        lab.act(Action.ADD)
        upload = own(lab, name)
        with self._lock:
            work, problem = self._work.get(name), self._problems.get(name)
        said = upload.problem if problem is None else problem.message
        return Standing(
            upload=upload.upload,
            name=upload.name,
            state=upload.state,
            stage=None if work is None else work.stage,
            done=0 if work is None else work.done,
            total=0 if work is None else work.total,
            problem=said,
            hint=None if problem is None else problem.hint,
            number=upload.number,
        )

    def close(self) -> None:
        """Stops at the next step: what waits, or is half added, is for the next process."""
        self._ending.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _proceed(self, lab: Lab, upload: str) -> None:
        def progress(stage: str, done: int, total: int) -> None:
            if self._ending.is_set():
                raise _Stopped
            with self._lock:
                self._work[upload] = _Work(stage, done, total)

        try:
            finished = proceed(lab, upload, progress)
            if finished is not None and finished.problem is not None:
                self._problems[upload] = finished.problem
        except DurabilityLost as failure:
            self.broken(failure)
        except (Conflict, _Stopped):
            pass  # another process is at it, or will be
        except CloisterError as error:  # locked just now, or a copy is away: taken up again
            self._problems[upload] = error
        finally:
            with self._lock:
                self._work.pop(upload, None)
