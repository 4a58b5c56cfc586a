"""``python CODE JOB [ROWS] [MODULE]``: converts the model in JOB, says so in a folder here."""

from __future__ import annotations

import hashlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

from cloister.export.inside.allowed import Allowed
from cloister.export.inside.cleaning import cleaned
from cloister.export.inside.failing import Refused, missing_module
from cloister.export.inside.job import RESULTS, Job, read_job
from cloister.export.inside.kinds import Kind, kind_of
from cloister.export.inside.parity import Converted, measure

FAILED, DEFECT = 3, 4


def main(arguments: list[str]) -> int:
    """0 when a model was written; what went wrong is in report.json, the details in the log."""
    RESULTS.mkdir(exist_ok=True)
    sys.path.insert(1, str(Path.cwd()))
    status = 0
    try:
        report = export(read_job(arguments))
    except Refused as refused:
        if refused.__cause__ is not None:
            traceback.print_exception(refused.__cause__)
        report = {"failed": refused.message, "hint": refused.hint}
        status = FAILED
    except ModuleNotFoundError as error:
        traceback.print_exc()
        absent = missing_module(error.name or "")
        report, status = {"failed": absent.message, "hint": absent.hint}, FAILED
    except Exception as error:  # noqa: BLE001 - the outermost loop: the user's code ran here
        traceback.print_exc()
        name = type(error).__name__
        report = {"failed": f"the conversion stopped with {name}", "hint": ""}
        status = DEFECT
    (RESULTS / "report.json").write_text(json.dumps(report))
    return status


def export(job: Job) -> dict[str, Any]:
    """Converts, compares, writes model.onnx; gives the report."""
    converted = _convert(job)
    content = cleaned(converted.onnx, rows_free=True)
    found = measure(content, converted)
    (RESULTS / "model.onnx").write_bytes(content)
    return {
        **found,
        "converter": converted.converter,
        "held_out": converted.held_out,
        "kind": converted.kind,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _convert(job: Job) -> Converted:
    kind = kind_of(job.original)
    allowed = Allowed(job.module)
    if kind in (Kind.LIGHTGBM, Kind.XGBOOST, Kind.PICKLE):
        from cloister.export.inside import from_tables

        if kind is Kind.LIGHTGBM:
            return from_tables.from_lightgbm(job.original, job)
        if kind is Kind.XGBOOST:
            return from_tables.from_xgboost(job.original, job)
        from cloister.export.inside.unpickle import load_pickle

        return from_tables.from_estimator(load_pickle(job.original, allowed), job)
    from cloister.export.inside.from_torch import from_torch

    return from_torch(kind, job, allowed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
