"""Whether what a job holds in memory may be written to a disk in clear."""

from __future__ import annotations

import os
from pathlib import Path

from cloister.fence.remedies import Remedy

_SWAPS = Path("/proc/swaps")
_BLOCK = Path("/sys/block")


def unencrypted_swap(swaps: Path = _SWAPS, block: Path = _BLOCK) -> Remedy | None:
    """A finding, if any swap space is neither in memory (zram) nor under dm-crypt."""
    try:
        lines = swaps.read_text().splitlines()[1:]
    except OSError:
        return None
    if all(_is_safe(line.split()[0], block) for line in lines):
        return None
    return Remedy(
        "swap is on and not encrypted: memory of jobs may reach the disk in clear",
        "swapoff -a, or put swap under dm-crypt or on zram",
    )


def _is_safe(device: str, block: Path) -> bool:
    name = os.path.basename(os.path.realpath(device))
    if name.startswith("zram"):
        return True
    try:
        return (block / name / "dm" / "uuid").read_text().startswith("CRYPT-")
    except OSError:
        return False
