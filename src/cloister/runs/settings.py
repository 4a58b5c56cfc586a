"""What changes the bits of a result besides data and code: threads, ISA, seeds, machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

NUMERIC = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "MKL_CBWR",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
)
"""Variables that reach the job, and the record, when they are set."""
_ISA = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "amx_tile")


def capture(environment: Mapping[str, str]) -> dict[str, str]:
    """Settings as the job will see them; ``environment`` is what it will be given."""
    settings = {name: _text(environment[name]) for name in NUMERIC if name in environment}
    model, flags = _processor()
    settings |= {
        "cpu": model,
        "cpu_count": str(len(os.sched_getaffinity(0))),
        "isa": " ".join(name for name in _ISA if name in flags),
        "kernel": platform.release(),
        "machine": platform.machine(),
    }
    return settings


def _text(value: str) -> str:
    """``value`` as text, also where its bytes are none."""
    return os.fsencode(value).decode("utf-8", "backslashreplace")


def _processor() -> tuple[str, frozenset[str]]:
    model, flags = "unknown", frozenset[str]()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            model = value.strip()
        if name.strip() == "flags":
            flags = frozenset(value.split())
            break
    return model, flags
