"""A lab whose pipeline is made on other machines, and how its leftovers are told apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.attacks.byte_search import OF_TESTS, ByteSearch
from tests.attacks.canaries import Canaries
from tests.conftest import Shell, new_lab
from tests.recovery.second_box import SecondBox


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


def near(shell: Shell, box: SecondBox) -> dict[str, str]:
    """Variables with which ssh finds the second box."""
    return {"PATH": f"{box.path}:{shell.environment['PATH']}"}


def readable(shell: Shell, box: SecondBox, search: ByteSearch, began: float) -> list[str]:
    """Where canaries lie that a worker wrote since: its home, which it starts in, and what is
    for all."""
    tops = (one for top in (Path("/tmp"), Path.home()) for one in top.iterdir())
    others = [one for one in tops if not one.name.startswith(OF_TESTS)]
    new = [one for one in others if one.exists() and one.stat().st_mtime >= began]
    places = [Path("/dev/shm"), Path("/var/tmp"), Path(box.path).parent, shell.home, *new]
    loose = [str(one) for one in new if one.is_file() and search.in_bytes(one.read_bytes())]
    return loose + [hit.path for hit in search.below(places, began)]


def mark(shell: Shell) -> str:
    """What stands in the command line of processes that a task left running."""
    return f"left-{shell.folder.parent.name}"
