"""`cloister reproduce` of PyTorch on a processor: threads and instructions are real causes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Shell, new_lab

TRAIN = """
import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 16, 3, 2), nn.ReLU(), nn.Flatten(),
    nn.Linear(1936, 2),
)
x, y = torch.randn(64, 3, 48, 48), torch.randint(0, 2, (64,))
optimizer = torch.optim.SGD(model.parameters(), 0.05)
for _ in range(10):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
save_file(model.state_dict(), "model.safetensors")
torch.save(model.state_dict(), "model.pt")
"""

pytestmark = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="one processor: threads cannot differ"
)


@pytest.fixture(scope="module")
def trained() -> Iterator[Shell]:
    """A lab with one run on one thread, of a network whose bytes depend on that."""
    with new_lab() as lab:
        (lab.folder / "train.py").write_text(TRAIN)
        lab("run", "--", "python3", "train.py", env={"OMP_NUM_THREADS": "1"})
        yield lab


def verdict(lab: Shell, *words: str, status: int, **options: Any) -> Any:
    first = lab.json("ls", "--runs")[0]["run"]
    done = lab("--json", "reproduce", first, *words, status=status, **options)
    return json.loads(done.stdout)


def test_one_thread_is_imposed_again_where_two_are_the_default(trained: Shell) -> None:
    found = verdict(trained, status=0)
    assert found["verdict"] == "IDENTICAL"
    assert found["differences"] == []


def test_left_to_the_default_of_two_it_is_equivalent_and_threads_are_named(
    trained: Shell,
) -> None:
    words = ("--no-reimpose", "threads", "--tolerance", "1e-5")
    found = verdict(trained, *words, status=10)
    assert (found["verdict"], found["cause"]) == ("EQUIVALENT", "threads")
    paths = {one["path"]: one["largest"] for one in found["outputs"]}
    assert paths.keys() == {"model.pt", "model.safetensors"}
    assert all(0 < largest < 1e-5 for largest in paths.values())


def test_a_cap_on_instructions_is_named(trained: Shell) -> None:
    words = ("--set", "instructions=sse4_2", "--tolerance", "1e-5")
    found = verdict(trained, *words, status=10)
    assert found["cause"] == "instructions"


@pytest.mark.slow
def test_one_processor_is_imposed_again_where_no_variable_said_so(trained: Shell) -> None:
    """Held to one processor from outside, as by a batch system: threads follow from that."""
    one = min(os.sched_getaffinity(0))
    (trained.folder / "pin.py").write_text(
        f"import os, sys; os.sched_setaffinity(0, [{one}])\n"
        "os.execvp(sys.argv[1], sys.argv[1:])"
    )
    import subprocess
    import sys

    command = [sys.executable, "pin.py", sys.executable, "-m", "cloister", "run", "--"]
    subprocess.run(
        [*command, "python3", "train.py"],
        cwd=trained.folder,
        env=trained.environment,
        check=True,
    )
    last = trained.json("ls", "--runs")[-1]["run"]
    assert trained.json("reproduce", last)["verdict"] == "IDENTICAL"
    words = ("reproduce", last, "--no-reimpose", "threads", "--tolerance", "1e-5")
    found = json.loads(trained("--json", *words, status=10).stdout)
    assert found["cause"] == "threads"


@pytest.fixture(scope="module")
def smears() -> Path:
    """Pictures of blood smears; skips where there are none."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("CLOISTER_TEST_DATA", beside)) / "bccd/BCCD"
    if not folder.is_dir():
        pytest.skip("no folder of real images: set CLOISTER_TEST_DATA")
    return folder


@pytest.mark.slow
def test_a_network_over_real_pictures_comes_out_the_same(smears: Path, lab: Shell) -> None:
    for picture in sorted((smears / "JPEGImages").glob("*.jpg"))[:40]:
        for kind, suffix in (("JPEGImages", "jpg"), ("Annotations", "xml")):
            name = f"{kind}/{picture.stem}.{suffix}"
            (lab.folder / "smears" / kind).mkdir(parents=True, exist_ok=True)
            shutil.copy(smears / name, lab.folder / "smears" / name)
    lab("add", "smears", "--subject-pattern", "BloodImage_([0-9]+)")
    shutil.copy(ROOT / "examples/cells/train.py", lab.folder)
    words = ("--data", "smears", "--epochs", "3", "--workers", "2")
    lab("run", "--", "python3", "train.py", *words)
    assert lab.json("reproduce", "last")["verdict"] == "IDENTICAL"
    words = ("--set", "workers=0", "--tolerance", "1")
    first = lab.json("ls", "--runs")[0]["run"]
    found = lab("--json", "reproduce", first, *words, status=None)
    assert json.loads(found.stdout)["cause"] == "workers"
