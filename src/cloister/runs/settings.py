"""What changes the bits of a result besides data and code: threads, ISA, seeds, machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from cloister.runs import workers

THREADS = (
    "BLIS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""How many threads numeric libraries start; without them, one a processor."""
INSTRUCTIONS = (
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
)
"""Which instructions they may use; without them, the newest the processor has."""
NUMERIC = tuple(
    sorted(
        {
            *THREADS,
            *INSTRUCTIONS,
            "CUBLAS_WORKSPACE_CONFIG",
            "LOKY_MAX_CPU_COUNT",
            "PYTHONHASHSEED",
            "TF_DETERMINISTIC_OPS",
        }
    )
)
"""Variables that reach the job, and the record, when they are set."""
_ISA = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "amx_tile")


def capture(
    environment: Mapping[str, str],
    argv: tuple[str, ...] = (),
    cpus: tuple[int, ...] = (),
) -> dict[str, str]:
    """Settings as the job will see them; ``environment`` is what it will be given.

    ``cpus`` are the processors it is held to, if it is held to some.
    """
    settings = {name: _text(environment[name]) for name in NUMERIC if name in environment}
    model, flags = processor()
    available = str(len(cpus or os.sched_getaffinity(0)))
    settings |= {
        "cpu": model,
        "cpu_count": available,
        "isa": " ".join(name for name in _ISA if name in flags),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "threads": threads(environment, available),
    }
    asked = workers.count(argv, environment)
    return settings if asked is None else settings | {"workers": asked}


def threads(environment: Mapping[str, str], available: str) -> str:
    """How many threads libraries start that read OMP_NUM_THREADS, as most do."""
    first = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return first if first.isdecimal() and first != "0" else available


def processor() -> tuple[str, frozenset[str]]:
    """This machine's processor and the flags of its instruction sets."""
    model, flags = "unknown", frozenset[str]()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            model = value.strip()
        if name.strip() == "flags":
            flags = frozenset(value.split())
            break
    return model, flags


def _text(value: str) -> str:
    """``value`` as text, also where its bytes are none."""
    return os.fsencode(value).decode("utf-8", "backslashreplace")
