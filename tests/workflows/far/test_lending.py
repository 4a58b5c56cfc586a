"""What a machine lends to jobs of others: each to one at a time, and nothing it has not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cloister.core.errors import BadInput, NotAllowed
from cloister.workflows.far.lending import Lender, Lent

TAKES = """
import sys, time
from pathlib import Path
from cloister.workflows.far.lending import Lender
print(Lender(Path(sys.argv[1]), range(4), (0, 1)).lend(0, 1, lambda: None).gpus, flush=True)
time.sleep(600)
"""


def unheard() -> None:
    pytest.fail("it did not have to wait")


def test_nothing_is_locked_for_who_asks_for_nothing(tmp_path: Path) -> None:
    assert Lender(tmp_path / "lent", (0,), ()).lend(0, 0, unheard) == Lent((), ())
    assert not (tmp_path / "lent").exists()


def test_two_get_different_ones_and_a_third_waits_until_one_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "lent"
    one, two = (
        subprocess.Popen(
            [sys.executable, "-c", TAKES, str(folder)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    )
    try:
        assert one.stdout is not None
        assert two.stdout is not None
        assert {one.stdout.readline(), two.stdout.readline()} == {"(0,)\n", "(1,)\n"}
        waits, lent = threading.Event(), list[Lent]()
        lender = Lender(folder, range(4), (0, 1))
        third = threading.Thread(target=lambda: lent.append(lender.lend(2, 1, waits.set)))
        third.start()
        assert waits.wait(120)
        assert not lent
        one.kill()
        third.join(120)
        assert len(lent[0].gpus) == 1
        assert lent[0].cpus == (0, 1)
    finally:
        for each in (one, two):
            each.kill()
            each.communicate()


def test_more_than_there_is_is_refused_at_once(tmp_path: Path) -> None:
    lender = Lender(tmp_path / "lent", (0, 1), (0,))
    for cpus, gpus in ((3, 0), (0, 2)):
        with pytest.raises(BadInput, match="were asked for, it has"):
            lender.lend(cpus, gpus, unheard)


def test_a_folder_that_others_may_write_to_says_nothing(tmp_path: Path) -> None:
    for name, mode in (("open", 0o777), ("seen", 0o755)):
        folder = tmp_path / name
        folder.mkdir()
        folder.chmod(mode)
        with pytest.raises(NotAllowed):
            Lender(folder, (0,), ()).lend(1, 0, unheard)
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(NotAllowed):
        Lender(tmp_path / "link", (0,), ()).lend(1, 0, unheard)


def test_of_gpus_it_lends_those_that_whoever_started_it_may_see() -> None:
    assert Lender.of({"CUDA_VISIBLE_DEVICES": ""}).gpus == []
    assert list(Lender.of({}).cpus) == sorted(os.sched_getaffinity(0))
