"""One lab with a little of everything, made once through the command line."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from cloister.testing.onnx_models import linear
from tests.conftest import Shell, new_lab
from tests.workflows.people.conftest import Team, opened_team

PATTERN = ("--subject-pattern", "^(P[0-9]+)/")


@contextmanager
def furnished_lab() -> Iterator[Shell]:
    """Pictures of six patients in two versions, labels, a split, a check, a run, its model."""
    with new_lab() as shell:
        write_pictures(shell)
        shell("add", "scans", "--name", "scans", *PATTERN, "--labels", "labels.csv")
        shell("dataset", "split", "scans", "fold", "--parts", "train=0.5,test=0.5")
        shell("dataset", "tag", "scans@1", "first")
        (shell.folder / "seed.onnx").write_bytes(linear())
        shell("run", "--data", "scans@1", "--", "cp", "seed.onnx", "made.onnx")
        (shell.folder / "scans/P005/2.png").write_bytes(picture(99))
        shell("add", "scans", *PATTERN, "--no-checks")
        yield shell


def picture(seed: int) -> bytes:
    """A PNG of noise."""
    pixels = np.random.default_rng(seed).integers(0, 255, (48, 48), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def write_pictures(shell: Shell) -> None:
    """Two pictures each; the last patient has one of the first's as well."""
    rows = ["path,finding"]
    for patient in range(6):
        folder = shell.folder / f"scans/P{patient:03d}"
        folder.mkdir(parents=True)
        for number in range(2):
            seed = 0 if (patient, number) == (5, 1) else 1 + patient * 2 + number
            (folder / f"{number}.png").write_bytes(picture(seed))
            rows.append(f"P{patient:03d}/{number}.png,{'ill' if patient % 3 == 0 else 'well'}")
    (shell.folder / "scans/P000/1.png").write_bytes(picture(0))
    (shell.folder / "labels.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="session")
def furnished() -> Iterator[Shell]:
    """Such a lab, which nobody changes."""
    with furnished_lab() as shell:
        yield shell


@pytest.fixture(scope="module")
def team(furnished: Shell) -> Iterator[Team]:
    """That lab, open."""
    with opened_team(furnished) as made:
        yield made
