"""What to run and what it may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloister.core.values import FenceLevel

Fill = Callable[[int], None]
"""Called in the runner's process with a descriptor of an empty private folder (0700, in
memory); it must write through it and close every file before it returns."""


@dataclass(frozen=True, slots=True)
class Mount:
    """Data a job sees, read-only, at the path it was added from; nobody else sees it there."""

    path: Path
    """Absolute. It need not exist on the host any more."""
    fill: Fill
    is_file: bool = False
    """``path`` is one file: ``fill`` writes it into the folder under its own name."""
    size_bytes: int | None = None
    """Room it needs; None lets it use half of the memory."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Somebody who looks at what a job writes while it runs."""

    every_s: float
    look: Callable[[int], None]
    """Called with a descriptor of the folder of what the job changed so far; it may only read,
    and never trust what it reads: the job goes on writing."""


@dataclass(frozen=True, slots=True)
class Door:
    """An address in the job's own network at which the runner's process answers."""

    port: int
    """On 127.0.0.1; the job can open no other way to it."""
    variables: Mapping[str, str]
    """How the job finds it: added to its environment, where ``env`` does not say otherwise."""
    open: Callable[[int], None]
    """Called when somebody knocks for the first time, with a descriptor, from then on the
    callee's, of the socket that listens. It must return at once, and trust nothing that comes
    through: the job is whoever it wants to be, but in its own namespace."""


@dataclass(frozen=True, slots=True)
class FenceSpec:
    """One job: its command, the folders it may read, and the least fence it accepts."""

    argv: tuple[str, ...]
    workdir: Path
    """Shown at its own path; what the job changes there is captured, never written to it."""
    env: Mapping[str, str] = field(default_factory=dict)
    """All of the job's environment: ``job_environment`` makes one from an allow-list."""
    reads: tuple[Path, ...] = ()
    """Further files and folders to show read-only, such as ``interpreter_paths``."""
    data: tuple[Mount, ...] = ()
    hidden: tuple[Path, ...] = ()
    """Never shown, wherever they lie: the lab, its keys, its sockets."""
    devices: tuple[Path, ...] = ()
    """Device nodes leased to this job, such as a GPU's."""
    restored: Fill | None = None
    """Writes what the working folder holds, in place of what lies at its path, if anything
    still does; as ``Mount.fill`` writes data."""
    prepared: Fill | None = None
    """Writes files into the working folder that count as the job's own: it may change them,
    and they are captured even if it does not."""
    required: FenceLevel = FenceLevel.PARTIAL
    """FenceUnavailable is raised where the host gives less."""
    tty: bool = False
    """Gives the job a terminal of its own, joined to the one on descriptor ``stdin``."""
    stdin: int | None = None
    """Descriptor the job's input is copied from; None is an empty input."""
    signals: int | None = None
    """Descriptor from which the numbers of signals for the job are read, a byte each, in place
    of those to this process."""
    cpus: tuple[int, ...] = ()
    """Processors it may run on; empty: all that this process may."""
    scratch_bytes: int | None = None
    """Room for working folder, HOME, /tmp and /dev/shm together; None is half the memory."""
    memory_limit_bytes: int | None = None
    door: Door | None = None
    """Only where the job has a network of its own: else a note says that there is none."""
    grace_s: float = 10.0
    """Between a polite end and SIGKILL."""
