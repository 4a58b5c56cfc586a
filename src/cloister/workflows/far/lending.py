"""What this machine lends to jobs of others: processors and GPUs, each to one at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cloister.core.errors import BadInput, NotAllowed
from cloister.runs.gpus import Gpus

VISIBLE = "CUDA_VISIBLE_DEVICES"
_LOOKS_S = 0.5


@dataclass(frozen=True, slots=True)
class Lent:
    """Numbers of processors and GPUs; other jobs' again when this process ends."""

    cpus: tuple[int, ...]
    gpus: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lender:
    """What there is, and the folder in which a locked file says what is taken."""

    folder: Path
    cpus: Sequence[int]
    gpus: Sequence[int]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Lender:
        """This machine's; of its GPUs those that whoever started this process may see."""
        run = environment.get("XDG_RUNTIME_DIR")
        base = Path(run) if run else Path("/tmp")  # noqa: S108 - a folder of our own in it
        numbers = [number for number, _ in Gpus.find().handles]
        if VISIBLE in environment:
            seen = {word.strip() for word in environment[VISIBLE].split(",")}
            numbers = [one for one in numbers if str(one) in seen]
        cpus = sorted(os.sched_getaffinity(0))
        return cls(base / f"cloister-lent-{os.geteuid()}", cpus, numbers)

    def lend(self, cpus: int, gpus: int, waits: Callable[[], None]) -> Lent:
        """So many of each, when they are free; ``waits`` is called where they are not at once.

        Raises BadInput for more than there are.
        """
        for wanted, there, what in ((cpus, self.cpus, "processors"), (gpus, self.gpus, "GPUs")):
            if wanted > len(there):
                raise BadInput(f"{wanted} {what} were asked for, it has {len(there)} to lend")
        if not (cpus or gpus):
            return Lent((), ())
        self._make_folder()
        found = self._take(cpus, gpus)
        if found is None:
            waits()
        while found is None:
            time.sleep(_LOOKS_S)
            found = self._take(cpus, gpus)
        return found

    def _take(self, cpus: int, gpus: int) -> Lent | None:
        """All or nothing, so that two who wait for each other's cannot be."""
        with ExitStack() as held:
            lent = Lent(
                self._locked("cpu", self.cpus, cpus, held),
                self._locked("gpu", self.gpus, gpus, held),
            )
            if (len(lent.cpus), len(lent.gpus)) != (cpus, gpus):
                return None
            held.pop_all()  # locked until this process ends
            return lent

    def _locked(
        self, kind: str, numbers: Sequence[int], wanted: int, held: ExitStack
    ) -> tuple[int, ...]:
        found: list[int] = []
        for number in numbers:
            if len(found) == wanted:
                break
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            lock = os.open(self.folder / f"{kind}-{number}", flags, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            held.callback(os.close, lock)
            found.append(number)
        return tuple(found)

    def _make_folder(self) -> None:
        self.folder.mkdir(0o700, exist_ok=True)
        facts = self.folder.lstat()
        if self.folder.is_symlink() or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            raise NotAllowed("the folder that says what is lent is somebody else's there")
