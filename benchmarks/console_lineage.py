"""Lineage and pages of a version with 100,000 records, over HTTPS as `cloister up` serves.

    python -m benchmarks.console_lineage [--quick]

A table of 100,000 patients is added as anybody would, given to runs that leave models, and then
asked about as the console asks: its lineage, its page, the model's lineage, a page of records.
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import time

import httpx
from tests.cli.gateway import gateway
from tests.conftest import Shell, new_shell

from benchmarks.line import append
from cloister.testing.onnx_models import linear


def main() -> None:
    """One line: milliseconds for each address, median and slowest of twenty."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--quick", action="store_true")
    quick = reader.parse_args().quick
    records, runs, asked = (2000, 2, 5) if quick else (100_000, 30, 20)
    with new_shell() as shell:
        added_s = fill(shell, records, runs)
        with gateway(shell) as up, up.client() as client:
            (model, *_) = client.get("/api/1/models").raise_for_status().json()["items"]
            addresses = {
                "lineage_of_version": "/lineage/version/table@1",
                "lineage_of_model": f"/lineage/model/{model['sha256']}",
                "version": "/data/table/1",
                "records": "/data/table/1/records?limit=100",
                "datasets": "/data",
                "models": "/models",
            }
            took = {name: times(client, path, asked) for name, path in addresses.items()}
    append(
        "console_lineage",
        {"records": records, "runs": runs, "added_s": added_s, "milliseconds": took},
    )


def fill(shell: Shell, records: int, runs: int) -> float:
    """A lab with one table, each patient a row, and runs on it; seconds that the add took."""
    chance = random.Random(1)
    folder = shell.folder / "table"
    folder.mkdir()
    with (folder / "table.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("patient", "age", "stay"))
        for number in range(records):
            rows.writerow((f"P{number:06d}", chance.randint(20, 95), chance.randint(1, 30)))
    (shell.folder / "seed.onnx").write_bytes(linear())
    shell("init")
    began = time.perf_counter()
    columns = ("--subject-column", "patient", "--label-column", "stay")
    shell("add", "table", "--name", "table", *columns, "--no-checks")
    added_s = time.perf_counter() - began
    shell("dataset", "split", "table", "fold", "--parts", "small=0.001,rest=0.999")
    for _ in range(runs):
        words = ("run", "--data", "table@1:fold:small", "--", "cp", "seed.onnx", "m.onnx")
        shell(*words, status=None)
        (shell.folder / "m.onnx").unlink(missing_ok=True)
    return round(added_s, 1)


def times(client: httpx.Client, path: str, asked: int) -> dict[str, float]:
    """Median and slowest, the connection being there."""
    client.get(f"/api/1{path}").raise_for_status()
    took: list[float] = []
    for _ in range(asked):
        began = time.perf_counter()
        client.get(f"/api/1{path}").raise_for_status()
        took.append(1000 * (time.perf_counter() - began))
    return {"median": round(statistics.median(took), 1), "slowest": round(max(took), 1)}


if __name__ == "__main__":
    main()
