"""What fence this host gives: found out by putting a real, empty job behind one."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from cloister.core.values import FenceLevel
from cloister.fence.session import run_and_explain
from cloister.fence.spec import FenceSpec
from cloister.fence.streams import Outputs


@dataclass(frozen=True, slots=True)
class Probe:
    """The answer, and how to better it."""

    level: FenceLevel
    reasons: tuple[str, ...]
    """Why it is not FULL; empty if it is."""
    fixes: tuple[str, ...]
    """For each reason, what the host's administrator can do."""


def probe() -> Probe:
    """Tries every wall for real: namespaces, mounts, overlay, Landlock, seccomp."""
    with tempfile.TemporaryDirectory(prefix="cloister-probe-") as folder:
        spec = FenceSpec(("true",), Path(folder), {}, required=FenceLevel.NONE)
        silence = Outputs(_discard, _discard)
        report, remedies = run_and_explain(spec, silence, None)
    return Probe(
        report.level,
        tuple(remedy.reason for remedy in remedies),
        tuple(remedy.fix for remedy in remedies),
    )


def _discard(_: bytes) -> None:
    """An empty job has nothing to say."""
