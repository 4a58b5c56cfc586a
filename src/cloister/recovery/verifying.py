"""Whether a target holds what it claims: its saves in order, its blobs, their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cloister.core.errors import CloisterError, NotFound
from cloister.core.progress import Progress, silent
from cloister.recovery.chain import Chain, OpenKeys, check_numbers, read_saves
from cloister.recovery.save import BlobRef
from cloister.recovery.target import Target
from cloister.store import check_copy

_THREADS = 4


@dataclass(frozen=True, slots=True)
class Problem:
    """One blob that the backup claims and does not have as it should be."""

    blob: str
    problem: str
    """``missing``, ``damaged``, or of another size."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what is wrong."""

    saves: int
    entries: int
    blobs: int
    size_bytes: int
    newest: str | None
    """When the newest save was made."""
    read_all: bool
    problems: tuple[Problem, ...]


def verify_target(
    target: Target,
    chain: Chain,
    open_keys: OpenKeys,
    *,
    read_all: bool = False,
    progress: Progress = silent,
) -> Verified:
    """Reads every save into ``chain`` (an empty one) and asks for every blob they claim.

    With ``read_all`` every blob is read and compared with its name. Raises what `Chain.take`
    raises: a backup whose saves do not fit is not one to go on with. Damage to blobs is
    reported, and does not stop it.
    """
    claimed: dict[str, BlobRef] = {}
    newest: str | None = None
    for read in read_saves(target, chain, open_keys):
        claimed.update((blob.key, blob) for blob in read.save.blobs)
        newest = read.save.time
    check_numbers(target, chain)
    wanted = list(claimed.values())
    problems = _check(target, wanted, read_all, progress)
    size = sum(blob.size_bytes for blob in wanted)
    return Verified(
        chain.number, chain.frontier.size, len(wanted), size, newest, read_all, tuple(problems)
    )


def _check(
    target: Target, wanted: Sequence[BlobRef], read_all: bool, progress: Progress
) -> list[Problem]:
    problems: list[Problem] = []
    with ThreadPoolExecutor(_THREADS, "verify") as threads:
        looked = threads.map(lambda blob: _look(target, blob, read_all), wanted)
        for done, problem in enumerate(looked, 1):
            if problem is not None:
                problems.append(problem)
            progress("verifying", done, len(wanted))
    return problems


def _look(target: Target, blob: BlobRef, read_all: bool) -> Problem | None:
    try:
        size = target.stat(blob.key).size_bytes
        if size != blob.size_bytes:
            return Problem(blob.key, f"has {size} bytes where {blob.size_bytes} were saved")
        if read_all:
            check_copy(target, blob.key)
    except NotFound:
        return Problem(blob.key, "missing")
    except CloisterError:
        return Problem(blob.key, "damaged")
    return None
