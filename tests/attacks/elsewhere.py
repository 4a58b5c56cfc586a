"""A lab whose pipeline is made on other machines, and how its leftovers are told apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.attacks.canaries import Canaries
from tests.conftest import Shell, new_lab


@contextmanager
def ward_with(flow: str, canaries: Canaries, *, repeated: int = 1) -> Iterator[Shell]:
    """Four patients with a canary each, so often; ``MARK`` in ``flow`` is the lab's mark."""
    with new_lab() as shell:
        for number in range(4):
            place = shell.folder / "scans" / f"P{number:03d}"
            place.mkdir(parents=True)
            (place / f"{number}.txt").write_text(canaries.take() * repeated)
        shell("add", "scans", "--subject-pattern", "^(P[0-9]+)/", "--name", "data1")
        (shell.folder / "code").mkdir()
        (shell.folder / "code/flow.py").write_text(flow.replace("MARK", mark(shell)))
        yield shell


def mark(shell: Shell) -> str:
    """What stands in the command line of processes that a task left running."""
    return f"left-{shell.folder.parent.name}"
