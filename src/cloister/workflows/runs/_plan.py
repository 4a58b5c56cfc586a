"""What is settled of a run before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloister import fence
from cloister.core.values import FenceLevel
from cloister.fence.spec import Fill
from cloister.models.hub import Snapshot
from cloister.runs.checkpoints import Checkpoints
from cloister.runs.code import CodeState
from cloister.runs.command import Start
from cloister.runs.environment import Environment
from cloister.runs.links import Link
from cloister.runs.meters import Sampled
from cloister.workflows.far.place import Place
from cloister.workflows.runs._attaching import Attachment
from cloister.workflows.runs._part import PartOf


@dataclass(frozen=True, slots=True)
class JobPlan:
    """All that is settled before a run begins."""

    start: Start
    attachment: Attachment
    hidden: tuple[Path, ...]
    code: CodeState
    environment: Environment
    required: FenceLevel
    models: tuple[Snapshot, ...] = ()
    """Pretrained models that it finds offline."""
    reads: tuple[Path, ...] = ()
    """Besides those of ``start``: where its interpreter lives."""
    terminal: bool = False
    stdin: int | None = None
    cpus: tuple[int, ...] = ()
    gpus: tuple[int, ...] = ()
    """As the driver numbers them; it sees no others."""
    restored: Fill | None = None
    prepared: Fill | None = None
    link: Link | None = None
    """What it came of; its ``run`` is filled in when the run has a name."""
    checkpoints: Checkpoints | None = None
    registers: bool = True
    """Whether models that it leaves may be served: those of a replay may not."""
    task: PartOf | None = None
    """What it is a part of, where it is a task of a pipeline."""
    place: Place = fence
    """Who runs it: the fence of this machine, or of another."""
    there: Mapping[str, str] | None = None
    """Settings of another machine, and where it is; None: it is this one."""
    meters: Sampled | None = None
    """What looks at that machine; None: it is this one."""
