"""The example of a forecast on real series: scores that can be trusted, and its pipeline."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.conftest import ROOT, Shell

EXAMPLE = ROOT / "examples/forecast"
TENTHS = range(1, 10)
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}
SMALL = ("-p", "only=hourly/naive,hourly/deepar", "-p", "epochs=1", "-p", "windows=2")


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """The example's own modules: scores, and ways to foretell."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    found = import_module("series"), import_module("models")
    for name in ("series", "models"):  # another example may have modules of these names
        del sys.modules[name]
    return found


def test_scores_know_a_right_forecast_from_a_wrong_one(
    parts: tuple[ModuleType, ModuleType],
) -> None:
    series, _ = parts
    chance = np.random.default_rng(1)
    came = chance.normal(5, 1, (6, 20, 24))
    right = chance.normal(5, 1, (6, 20, 100, 24))
    wide, off = 5 + 3 * (right - 5), right + 1
    assert series.coverage(right, came) == pytest.approx(0.8, abs=0.02)
    assert series.coverage(wide, came) > 0.95
    # At a Gaussian's own quantile the expected loss is its density there.
    density = [
        statistics.NormalDist().pdf(statistics.NormalDist().inv_cdf(q / 10)) for q in TENTHS
    ]
    assert series.crps(right, came) == pytest.approx(2 * np.mean(density) / 5, rel=0.04)
    assert series.crps(right, came) < min(series.crps(wide, came), series.crps(off, came))
    assert series.ratio(right, right, came) == (1.0, 1.0, 1.0)
    assert series.ratio(off, right, came)[1] > 1


def test_paths_that_stay_together_give_totals_that_torn_ones_do_not(
    parts: tuple[ModuleType, ModuleType],
) -> None:
    series, _ = parts
    chance = np.random.default_rng(1)
    came = np.repeat(chance.normal(5, 1, (6, 200, 1)), 24, axis=2)
    paths = np.repeat(chance.normal(5, 1, (6, 200, 100, 1)), 24, axis=3)
    total = came.reshape(6, 200, 4, 6).sum(-1)
    torn = series.apart(paths)
    assert series.crps(torn, came) == pytest.approx(series.crps(paths, came))
    assert series.coverage(series.sums(paths, 4), total) == pytest.approx(0.8, abs=0.03)
    assert series.coverage(series.sums(torn, 4), total) < 0.5


def test_a_season_is_foretold_by_the_last_one(parts: tuple[ModuleType, ModuleType]) -> None:
    _, models = parts
    known = np.tile(np.arange(24.0), 5)
    plan = {"season": 24, "horizon": 30, "seed": 1, "windows": 1, "order": [2, 0, 0]}
    paths = models.naive([], [(None, known)], plan)
    assert paths.shape == (1, 100, 30)
    assert (paths == np.tile(np.arange(24.0), 2)[:30]).all()


def test_series_become_forecasts_a_report_and_a_model_that_is_proven(lab: Shell) -> None:
    data = Path(os.environ.get("CLOISTER_TEST_DATA", ROOT.parent / "shared/data"))
    if not (data / "forecast").is_dir():
        pytest.skip("no folder of real series: set CLOISTER_TEST_DATA")
    made = [sys.executable, str(EXAMPLE / "data.py"), str(data / "forecast")]
    shutil.copytree(EXAMPLE, lab.folder / "code")
    small = ("code", "--hours", "600", "--days", "200")
    subprocess.run([*made, *small], cwd=lab.folder, check=True)
    lab("add", "code/series", "--name", "series", "--subject-column", "item", "--no-checks")
    words = ("pipeline", "run", "flow.py", "--workdir", "code", *SMALL)
    said = lab.json(*words, env=ENVIRONMENT)
    assert (said["state"], said["made"]) == ("finished", 5)
    rows = {one["step"]: str(one["run"]) for one in lab.json("pipeline", "show")["tasks"]}

    table = lab("get", rows["report"], "results.md").stdout
    scores = [line.split("|") for line in table.splitlines() if line.startswith("| hourly/")]
    named = {row[1].strip() for row in scores}
    assert {"hourly/naive", "hourly/deepar", "hourly/deepar, 6 hours"} <= named
    assert all(0 < float(row[2]) < 1 for row in scores)

    # The item is the patient here: it leads to the model, which was given no table.
    traced = lab.json("trace", "-", typed="ETTh1-OT\n")
    assert set(rows.values()) <= {one["run"] for one in traced["runs"]}
    assert any(one["models"] for one in traced["runs"] if one["run"] == rows["export"])
    logged = lab("tracked", "ls").stdout
    assert "hourly deepar" in logged

    proven(lab, rows["export"])

    # The sweep of its page, cut to one short trial.
    file = lab.folder / "code/sweep.yaml"
    file.write_text(file.read_text().replace("epochs: {value: 6}", "epochs: {value: 1}"))
    words = ("sweep", "code/sweep.yaml", "--workdir", "code", "--count", "1")
    lab(*words, "--python", sys.executable, env=ENVIRONMENT)
    best = lab.json("sweep", "show")["best"]
    assert 0 < best["value"] < 1
    proven(lab, best["run"])


def proven(lab: Shell, run: str) -> None:
    """The run's bundle holds before the verifier alone."""
    lab("prove", run, "-o", f"bundle-{run}")
    if not (lab.folder / "cloister_verify.py").exists():
        lab("verifier", "cloister_verify.py")
    trust = ["--trust", str(lab.home / "cloister-lab/lab.pub")]
    checked = subprocess.run(
        [sys.executable, "-I", "cloister_verify.py", f"bundle-{run}", *trust],
        cwd=lab.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_page_says_what_every_plan_came_to() -> None:
    page = (EXAMPLE / "README.md").read_text()
    _, _, found = page.partition("<!-- results -->")
    flow = (EXAMPLE / "flow.py").read_text()
    assert "Claim 4" in found
    for name in ("hourly/arima", "daily/mlp", "hourly/new-deepar", "moves/negative-binomial"):
        assert f"| {name} |" in found
        assert f'"{name.partition("/")[2]}"' in flow
