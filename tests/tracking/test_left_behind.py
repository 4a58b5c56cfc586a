"""Figures that a script leaves in files: TensorBoard's events and metrics.json."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.tracking.figures import clean_name, figures
from cloister.tracking.points import Point
from cloister.tracking.tensorboard import MARK, scalars

WRITE = """
import sys
import torch
from torch.utils.tensorboard import SummaryWriter

with SummaryWriter(sys.argv[1]) as writer:
    for step in range(200):
        writer.add_scalar("train/loss", 1 / (step + 1), step, walltime=1700000000 + step)
    writer.add_scalar("precise", 0.1, 7, new_style=True, double_precision=True)
    writer.add_scalar("new", 0.5, -3, new_style=True)
    writer.add_scalar("lost", float("nan"), 1)
    writer.add_text("note", "hello")
    writer.add_histogram("weights", torch.arange(1000.0), 1)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What TensorBoard's own writer leaves."""
    folder = tmp_path_factory.mktemp("board")
    subprocess.run([sys.executable, "-c", WRITE, folder], check=True, capture_output=True)
    (file,) = folder.iterdir()
    assert MARK in file.name
    return file.read_bytes()


def test_every_scalar_of_an_event_file_is_read_and_nothing_else(written: bytes) -> None:
    found = list(scalars(written))
    by_name = {point.metric for point in found}
    assert by_name == {"train/loss", "precise", "new", "lost"}
    losses = [point for point in found if point.metric == "train/loss"]
    assert [point.step for point in losses] == list(range(200))
    assert losses[3] == Point("train/loss", 0.25, 1_700_000_003_000, 3)
    others = {point.metric: point for point in found[200:]}
    assert (others["precise"].value, others["precise"].step) == (0.1, 7)
    assert (others["new"].value, others["new"].step) == (0.5, -3)
    assert math.isnan(others["lost"].value)


def test_a_file_cut_short_gives_what_was_whole(written: bytes) -> None:
    whole = list(scalars(written))[:200]
    for end in range(0, 8000, 37):
        found = list(scalars(written[:end]))
        assert found == whole[: len(found)]
    assert len(list(scalars(written[:6000]))) > 100


def test_a_changed_byte_ends_the_reading(written: bytes) -> None:
    whole = list(scalars(written))[:200]
    for place in range(0, 8000, 41):
        changed = bytearray(written)
        changed[place] ^= 0x10
        found = list(scalars(bytes(changed)))
        assert len(found) < 204
        assert found == whole[: len(found)]


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(content: bytes) -> None:
    list(scalars(content))
    list(figures(content, 0))


def test_a_long_file_is_read_in_a_moment(written: bytes) -> None:
    started_s = time.perf_counter()
    many = written * 20  # a second header is a record like any other
    assert len(list(scalars(many))) >= 4000
    assert time.perf_counter() - started_s < 10


def test_numbers_of_a_json_file_are_points(tmp_path: Path) -> None:
    content = {
        "mae": 3.5,
        "test": {"auc": 1, "name": "x", "deep/er": {"f1": 0.5}},
        "loss": [3, 2.5, 1],
        "history": [{"epoch": 5, "acc": 0.1}, {"epoch": 10, "acc": 0.2}],
        "ready": True,
        "none": None,
        "what? it's": 1.0,
        "..": 4,
    }
    found = list(figures(json.dumps(content).encode(), 9))
    assert found == [
        Point("mae", 3.5, 9, 0),
        Point("test/auc", 1.0, 9, 0),
        Point("test/deep/er/f1", 0.5, 9, 0),
        Point("loss", 3.0, 9, 0),
        Point("loss", 2.5, 9, 1),
        Point("loss", 1.0, 9, 2),
        Point("history/epoch", 5.0, 9, 5),
        Point("history/acc", 0.1, 9, 5),
        Point("history/epoch", 10.0, 9, 10),
        Point("history/acc", 0.2, 9, 10),
        Point("what_ it_s", 1.0, 9, 0),
    ]


@pytest.mark.parametrize(
    "content", [b"", b"[1, 2]", b"{", b"nan", b"[" * 100_000, b'{"a": 1e999}', b"\xff{}"]
)
def test_what_is_no_table_of_figures_is_survived(content: bytes) -> None:
    assert [point.value for point in figures(content, 0)] in ([], [math.inf])


def test_a_name_stays_a_name_however_odd() -> None:
    assert clean_name("../../etc/passwd") == "etc/passwd"
    assert clean_name("a" * 400) == "a" * 250
    assert clean_name("  //") == ""
