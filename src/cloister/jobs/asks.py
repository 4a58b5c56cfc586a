"""What a job asks of the machine, what it is lent, and what the machine has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cloister.core.errors import BadInput

_MIB = 1 << 20


class Priority(StrEnum):
    """What goes first, before whose turn it is is asked."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Larger goes first."""
        return (Priority.LOW, Priority.NORMAL, Priority.HIGH).index(self)


@dataclass(frozen=True, slots=True)
class Ask:
    """How much of the machine a job wants to itself."""

    cpus: int
    memory_bytes: int
    gpus: int = 0
    pinned: bool = False
    """It named its processors, and is held to as many."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What it is lent: nobody else is lent these until it has ended."""

    cpus: tuple[int, ...] = ()
    """The processors it is held to; empty for one that named none."""
    gpus: tuple[int, ...] = ()
    """As the driver numbers them; a job sees no others."""


@dataclass(frozen=True, slots=True)
class Box:
    """The machine."""

    cpus: tuple[int, ...]
    memory_bytes: int
    gpus: tuple[int, ...] = ()

    def share(self, cpus: int | None = None, memory_bytes: int | None = None) -> Ask:
        """What a job asks that says nothing: a quarter, unless settings say otherwise."""
        return Ask(
            cpus=min(cpus or max(1, len(self.cpus) // 4), len(self.cpus)),
            memory_bytes=min(memory_bytes or self.memory_bytes // 4, self.memory_bytes),
        )

    def require(self, ask: Ask, free: Free) -> None:
        """Raises BadInput, with what was asked, what is free and what there is, where
        ``ask`` can never be lent."""
        rows = (
            ("processors", "--cpus", ask.cpus, free.cpus, len(self.cpus)),
            (
                "MiB of memory",
                "--memory",
                -(-ask.memory_bytes // _MIB),
                free.memory_bytes // _MIB,
                self.memory_bytes // _MIB,
            ),
            ("GPUs", "--gpus", ask.gpus, free.gpus, len(self.gpus)),
        )
        for what, option, asked, now, total in rows:
            if asked > total:
                raise BadInput(
                    f"this machine can never run it: it asks for {asked:,} {what}, and there"
                    f" are {total:,} ({max(0, now):,} free now)",
                    hint=_way_out(what, option, total),
                )


@dataclass(frozen=True, slots=True)
class Free:
    """How much of the machine is lent to nobody."""

    cpus: int
    memory_bytes: int
    gpus: int


def _way_out(what: str, option: str, total: int) -> str:
    if what == "GPUs" and total == 0:
        return "no GPU is seen here: run it without --gpus, or see `cloister doctor`"
    return f"ask for at most {option} {total}"
