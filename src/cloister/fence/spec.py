"""What to run and what it may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloister.core.values import FenceLevel


@dataclass(frozen=True, slots=True)
class Mount:
    """Data a job sees, read-only, at the path it was added from; nobody else sees it there."""

    path: Path
    """Absolute. It need not exist on the host any more."""
    fill: Callable[[int], None]
    """Called in the runner's process with a descriptor of an empty private folder (0700, in
    memory); it must write through it and close every file before it returns."""
    is_file: bool = False
    """``path`` is one file: ``fill`` writes it into the folder under its own name."""
    size_bytes: int | None = None
    """Room it needs; None lets it use half of the memory."""


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
    required: FenceLevel = FenceLevel.PARTIAL
    """FenceUnavailable is raised where the host gives less."""
    tty: bool = False
    """Gives the job a terminal of its own, joined to the one on descriptor ``stdin``."""
    stdin: int | None = None
    """Descriptor the job's input is copied from; None is an empty input."""
    scratch_bytes: int | None = None
    """Room for working folder, HOME, /tmp and /dev/shm together; None is half the memory."""
    memory_limit_bytes: int | None = None
    grace_s: float = 10.0
    """Between a polite end and SIGKILL."""
