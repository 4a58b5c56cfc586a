"""What may set a replay apart from its run, and how each of it is put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cloister.core.errors import BadInput
from cloister.runs.settings import INSTRUCTIONS, THREADS, threads


class Factor(StrEnum):
    """One thing that changes bytes, in the order in which it is suspected."""

    CODE = "code"
    DATA = "data"
    LIBRARIES = "libraries"
    THREADS = "threads"
    WORKERS = "workers"
    INSTRUCTIONS = "instructions"
    SEED = "seed"


RECORDED, PRESENT, LOCKED = "recorded", "present", "locked"
Choices = Mapping[Factor, str]
"""``recorded`` unless said; ``present``, or a value of the factor's own."""
NONDETERMINISM = "nondeterminism"
"""The cause where the same conditions give different bytes twice."""
UNKNOWN = "unknown"
"""The cause where nothing that could be tested explains the difference."""

_LEVELS: Mapping[str, Mapping[str, str]] = {
    "sse4_2": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OPENBLAS_CORETYPE": "Nehalem",
    },
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "avx512": {
        "ATEN_CPU_CAPABILITY": "avx512",
        "MKL_CBWR": "AVX512",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "OPENBLAS_CORETYPE": "SkylakeX",
    },
}
LEVELS = tuple(_LEVELS)
"""Instruction sets that libraries can be held to, smallest first."""


@dataclass(frozen=True, slots=True)
class Host:
    """What a replay has at hand."""

    variables: Mapping[str, str]
    """The caller's own environment, as far as a job may have it."""
    cpus: tuple[int, ...]
    isa: str
    """Names of instruction sets, as in settings."""


@dataclass(frozen=True, slots=True)
class Numeric:
    """Variables and processors of one replay."""

    variables: Mapping[str, str]
    cpus: tuple[int, ...]

    @property
    def threads(self) -> str:
        """How many threads numeric libraries start."""
        return threads(self.variables, str(len(self.cpus)))


def hold_threads(
    given: Mapping[str, str], recorded: Mapping[str, str], host: Host, choice: str
) -> Numeric:
    """``given`` with threads as recorded, as at ``present`` here, or a number.

    As recorded means the same variables and as many processors; where this machine has
    fewer, libraries are told the number instead.
    """
    variables = {name: value for name, value in given.items() if name not in THREADS}
    if choice == "present":
        here = {n: v for n, v in host.variables.items() if n in THREADS}
        return Numeric(variables | here, host.cpus)
    if choice != "recorded":
        if not choice.isdecimal() or not 0 < int(choice) <= 1024:
            raise BadInput("threads are a number: --set threads=2")
        return Numeric(variables | dict.fromkeys(THREADS, choice), host.cpus)
    before = {name: value for name, value in given.items() if name in THREADS}
    wanted = int(recorded.get("cpu_count", len(host.cpus)))
    if wanted <= len(host.cpus):
        return Numeric(variables | before, host.cpus[:wanted])
    # One thread a processor unless told; these variables are what tells them.
    told = dict.fromkeys(THREADS, str(wanted)) | before
    return Numeric(variables | told, host.cpus)


def hold_instructions(
    given: Mapping[str, str], recorded: Mapping[str, str], host: Host, choice: str
) -> dict[str, str]:
    """``given`` with instruction sets as recorded, as at ``present`` here, or a level."""
    others = {name: value for name, value in given.items() if name not in INSTRUCTIONS}
    if choice == "present":
        return others | {n: v for n, v in host.variables.items() if n in INSTRUCTIONS}
    if choice != "recorded":
        if choice not in _LEVELS:
            raise BadInput(f"instructions are one of {', '.join(LEVELS)}")
        return others | dict(_LEVELS[choice])
    before = {name: value for name, value in given.items() if name in INSTRUCTIONS}
    had, has = level_of(recorded.get("isa", "")), level_of(host.isa)
    if had is None or has is None or LEVELS.index(has) <= LEVELS.index(had):
        return others | before
    return others | dict(_LEVELS[had]) | before


def in_effect(variables: Mapping[str, str], isa: str) -> str:
    """What libraries may use under ``variables`` on a processor with ``isa``, as one line.

    A cap says the same on a newer processor as no cap on one that has no more.
    """
    level = level_of(isa)
    natural = _LEVELS[level] if level else {}
    set_ = {name: variables[name] for name in INSTRUCTIONS if name in variables}
    whole = dict(natural) | set_
    known = next((name for name, caps in _LEVELS.items() if dict(caps) == whole), None)
    return known or " ".join(f"{name}={value}" for name, value in sorted(whole.items()))


def lacking(recorded: Mapping[str, str], host: Host) -> str | None:
    """The instruction set that the run had and this processor has not."""
    had, has = level_of(recorded.get("isa", "")), level_of(host.isa)
    if had is None or (has is not None and LEVELS.index(has) >= LEVELS.index(had)):
        return None
    return had


def level_of(isa: str) -> str | None:
    """The largest level whose instructions are all among the names in ``isa``."""
    names = set(isa.split())
    if {"avx512f", "avx512bw"} <= names:
        return "avx512"
    if {"avx2", "fma"} <= names:
        return "avx2"
    return "sse4_2" if "sse4_2" in names else None
