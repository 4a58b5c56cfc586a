"""The rows on which original and converted are compared: held out by the user, or made up."""

from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloister.export.inside.failing import Refused
from cloister.export.inside.job import MOST_ROWS, SEED, SYNTHETIC_ROWS


@dataclass(frozen=True)
class Columns:
    """A table of numbers with names."""

    names: list[str]
    values: Any  # (rows, columns) float64


def read_rows(path: Path) -> Any:
    """An array, a ``Columns``, or a dictionary of arrays by input; raises Refused.

    Never a pickle: arrays of objects are refused by NumPy itself.
    """
    import numpy as np

    if not path.is_file():
        raise Refused("the file of rows is not there", "name an output of the run, or a file")
    suffix = path.suffix.lower()
    try:
        if suffix == ".npy":
            return np.load(path, allow_pickle=False)[:MOST_ROWS]
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name][:MOST_ROWS] for name in arrays.files}
        if suffix == ".json":
            return np.asarray(json.loads(path.read_text()))[:MOST_ROWS]
        if suffix in {".csv", ".tsv"}:
            return _table(path, "\t" if suffix == ".tsv" else ",")
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise Refused("the file of rows cannot be read as what its name says") from error
    raise Refused(
        "rows are read from .npy, .npz, .csv, .tsv or .json", "save them as one of these"
    )


def _table(path: Path, separator: str) -> Columns:
    import numpy as np

    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file, delimiter=separator)
        names = next(lines, [])
        rows = [line for _, line in zip(range(MOST_ROWS), lines)]  # noqa: B905 - Python 3.9
    values = np.full((len(rows), len(names)), np.nan)
    for at, line in enumerate(rows):
        for column, cell in enumerate(line[: len(names)]):
            try:
                values[at, column] = float(cell)
            except ValueError:
                continue
    return Columns(names, values)


def features(rows: Any, wanted: list[str], count: int) -> Any:
    """(rows, count) float32 for a model of tables; raises Refused where it cannot be."""
    import numpy as np

    if isinstance(rows, dict):
        rows = next(iter(rows.values())) if len(rows) == 1 else rows.get("X", rows.get("x"))
    if isinstance(rows, Columns):
        if wanted and set(wanted) <= set(rows.names):
            rows = rows.values[:, [rows.names.index(name) for name in wanted]]
        else:  # a column without any number is a name or a category
            rows = rows.values[:, ~np.isnan(rows.values).all(axis=0)]
    if rows is None or np.asarray(rows).ndim != 2 or np.asarray(rows).shape[1] != count:
        raise Refused(
            f"the rows do not fit the model, which takes {count} numbers each",
            "give a table with these columns only, or with a header of the names it was"
            " trained with",
        )
    values = np.asarray(rows, dtype=np.float32)
    return values[~np.isnan(values).any(axis=1)]


def made_up(count: int) -> Any:
    """(rows, count) float32: normal numbers at four scales, the same every time."""
    import numpy as np

    chance = np.random.default_rng(SEED)
    scales = np.resize([0.1, 1.0, 10.0, 100.0], SYNTHETIC_ROWS)[:, None]
    return (chance.standard_normal((SYNTHETIC_ROWS, count)) * scales).astype(np.float32)
