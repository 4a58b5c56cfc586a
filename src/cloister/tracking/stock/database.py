"""A stock MLflow's SQLite file (schemas of MLflow 1.7 and later), read as it lies there."""

from __future__ import annotations

import math
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cloister.core.errors import BadInput
from cloister.tracking.inputs import Dataset, DatasetInput, Inputs, ModelLink
from cloister.tracking.logged_models import Measured
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.tracking.stock import described, traces
from cloister.tracking.stock.places import Places
from cloister.tracking.stock.traces import StockTrace

_NEEDED = frozenset({"experiments", "runs", "metrics", "params", "tags"})
_ALL = ("'1' = ?", "1")
_READY = {1: "PENDING", 2: "READY", 3: "UPLOAD_FAILED"}


class DatabaseStore:
    """Reads with a connection of its own that cannot write."""

    def __init__(self, path: Path, artifacts: Path | None) -> None:
        self._places = Places(path.resolve().parent, artifacts)
        self._database = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
        self._database.row_factory = sqlite3.Row
        try:
            self._columns = self._described()
        except sqlite3.Error as error:
            self.close()
            raise BadInput("not an SQLite file that can be read") from error
        if _NEEDED - self._columns.keys():
            self.close()
            raise BadInput(
                "not the database of an MLflow server: tables are missing",
                hint="MLflow before 1.7 is brought up to date by `mlflow db upgrade` first",
            )

    def experiments(self) -> Iterator[described.StockExperiment]:
        """As the protocol says."""
        tags = self._notes("experiment_tags", "experiment_id")
        for row in self._rows("experiments", "experiment_id"):
            yield described.StockExperiment(
                id=str(row["experiment_id"]),
                name=row["name"],
                stage=row.get("lifecycle_stage") or "active",
                created_ms=row.get("creation_time") or 0,
                tags=tags.get(str(row["experiment_id"]), ()),
            )

    def runs(self, experiment: str) -> Iterator[described.StockRun]:
        """As the protocol says."""
        within = ("run_uuid IN (SELECT run_uuid FROM runs WHERE experiment_id = ?)", experiment)
        params = self._notes("params", "run_uuid", within)
        tags = self._notes("tags", "run_uuid", within)
        mine = ("experiment_id = ?", experiment)
        for row in self._rows("runs", "start_time, run_uuid", mine):
            yield described.StockRun(
                id=row["run_uuid"],
                experiment=experiment,
                name=row.get("name") or "",
                user_id=row.get("user_id") or "",
                status=row.get("status") or "FINISHED",
                started_ms=row.get("start_time") or 0,
                ended_ms=row.get("end_time"),
                stage=row.get("lifecycle_stage") or "active",
                params=params.get(row["run_uuid"], ()),
                tags=tags.get(row["run_uuid"], ()),
                artifacts=self._places.local(row.get("artifact_uri")),
            )

    def points(self, run: described.StockRun) -> Iterator[Point]:
        """As the protocol says."""
        order = '"key", step, timestamp, value'
        for row in self._rows("metrics", order, ("run_uuid = ?", run.id)):
            value = math.nan if row.get("is_nan") else float(row["value"])
            yield Point(
                row["key"], _endless(value), row["timestamp"] or 0, row.get("step") or 0
            )

    def inputs(self, run: described.StockRun) -> Inputs:
        """As the protocol says."""
        found = Inputs([], [], [])
        if "inputs" not in self._columns:
            return found
        tags = self._notes("input_tags", "input_uuid", key="name")
        for row in self._rows("inputs", "input_uuid", ("destination_id = ?", run.id)):
            if row["source_type"] == "DATASET":
                wanted = ("dataset_uuid = ?", row["source_id"])
                for one in self._rows("datasets", "dataset_uuid", wanted):
                    dataset = Dataset(
                        one["name"], one["digest"], one["dataset_source_type"],
                        one["dataset_source"], one["dataset_schema"], one["dataset_profile"],
                    )  # fmt: skip
                    given = DatasetInput(dataset, tags.get(row["input_uuid"], ()))
                    found.datasets.append(given)
            elif row["source_type"] == "MODEL":
                found.models_in.append(ModelLink(row["source_id"], row.get("step") or 0))
        for row in self._rows("inputs", "input_uuid", ("source_id = ?", run.id)):
            if row["destination_type"].startswith("MODEL"):
                found.models_out.append(ModelLink(row["destination_id"], row.get("step") or 0))
        return found

    def logged_models(self, experiment: str) -> Iterator[described.StockLoggedModel]:
        """As the protocol says."""
        params = self._notes("logged_model_params", "model_id", key="param_key")
        tags = self._notes("logged_model_tags", "model_id", key="tag_key")
        mine = ("experiment_id = ?", experiment)
        for row in self._rows("logged_models", "creation_timestamp_ms, model_id", mine):
            if row.get("lifecycle_stage") == "deleted":
                continue
            yield described.StockLoggedModel(
                id=row["model_id"],
                experiment=experiment,
                run=row["source_run_id"] or "",
                name=row["name"],
                kind=row["model_type"] or "",
                status=_READY.get(row["status"], "READY"),
                created_ms=row["creation_timestamp_ms"],
                updated_ms=row["last_updated_timestamp_ms"],
                params=params.get(row["model_id"], ()),
                tags=tags.get(row["model_id"], ()),
                artifacts=self._places.local(row["artifact_location"]),
                metrics=tuple(self._measured(row["model_id"])),
            )

    def traces(self, experiment: str) -> Iterator[StockTrace]:
        """As the protocol says."""
        mine = ("experiment_id = ?", experiment)
        within = (
            "request_id IN (SELECT request_id FROM trace_info WHERE experiment_id = ?)",
            experiment,
        )
        metadata = self._notes("trace_request_metadata", "request_id", within)
        tags = self._notes("trace_tags", "request_id", within)
        for row in self._rows("trace_info", "timestamp_ms, request_id", mine):
            name = row["request_id"]
            spans = self._rows("spans", "start_time_unix_nano, span_id", ("trace_id = ?", name))
            said = dict(tags.get(name, ()))
            where = self._places.local(said.get("mlflow.artifactLocation"))
            found = traces.of_row(
                row,
                (metadata.get(name, ()), tags.get(name, ())),
                [one["content"] for one in spans],
                where,
                None if where is None else self._places.inside(where / traces.FILE),
            )
            assessed = self._rows("assessments", "assessment_id", ("trace_id = ?", name))
            yield replace(
                found,
                assessments=traces.of_rows(assessed),
                runs=tuple(one["destination_id"] for one in self._links(name)),
            )

    def _links(self, trace: str) -> Iterator[dict[str, Any]]:
        """What associates a trace with runs."""
        where = (
            "source_type = 'trace' AND destination_type = 'run' AND source_id = ?",
            trace,
        )
        return self._rows("entity_associations", "destination_id", where)

    def models(self) -> Iterator[described.StockModel]:
        """As the protocol says."""
        tags = self._notes("registered_model_tags", "name")
        for row in self._rows("registered_models", "name"):
            name = row["name"]
            yield described.StockModel(
                name=name,
                description=row.get("description") or "",
                created_ms=row.get("creation_time") or 0,
                updated_ms=row.get("last_updated_time") or 0,
                tags=tags.get(name, ()),
                aliases=tuple(
                    (one["alias"], one["version"])
                    for one in self._rows(
                        "registered_model_aliases", "alias", ("name = ?", name)
                    )
                ),
                versions=tuple(self._versions(name)),
            )

    def close(self) -> None:
        """As the protocol says."""
        self._database.close()

    def _measured(self, model: str) -> Iterator[Measured]:
        order = "metric_name, metric_timestamp_ms, metric_step"
        for row in self._rows("logged_model_metrics", order, ("model_id = ?", model)):
            point = Point(
                row["metric_name"],
                _endless(float(row["metric_value"])),
                row["metric_timestamp_ms"] or 0,
                row["metric_step"] or 0,
            )
            named = (row["dataset_name"] or "", row["dataset_digest"] or "")
            yield Measured(model, point, *named, row["run_id"] or "")

    def _versions(self, name: str) -> Iterator[described.StockVersion]:
        tags = self._notes("model_version_tags", "version", ("name = ?", name))
        for row in self._rows("model_versions", "version", ("name = ?", name)):
            source = row["source"] or ""
            yield described.StockVersion(
                number=row["version"],
                created_ms=row["creation_time"] or 0,
                updated_ms=row["last_updated_time"] or 0,
                description=row["description"] or "",
                stage=row["current_stage"] or "None",
                source=source,
                run=row["run_id"] or "",
                status=row["status"] or "READY",
                tags=tags.get(str(row["version"]), ()),
                model=source.removeprefix("models:/")
                if source.startswith("models:/m-")
                else "",
            )

    def _described(self) -> dict[str, frozenset[str]]:
        """The columns of each table: they came one by one over the years."""
        sql = (
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c"
            " WHERE m.type = 'table'"
        )
        columns: dict[str, set[str]] = {}
        for table, column in self._database.execute(sql):
            columns.setdefault(table, set()).add(column)
        return {table: frozenset(names) for table, names in columns.items()}

    def _rows(
        self, table: str, order: str, where: tuple[str, str] = _ALL
    ) -> Iterator[dict[str, Any]]:
        """Rows of a table, none where this release had no such table."""
        if table not in self._columns:
            return
        condition, bound = where
        sql = f'SELECT * FROM "{table}" WHERE {condition} ORDER BY {order}'  # noqa: S608 - ours
        try:
            with closing(self._database.execute(sql, (bound,))) as found:
                for row in found:
                    yield dict(row)
        except sqlite3.Error as error:
            raise BadInput(
                f"the table {table} of this MLflow database cannot be read"
            ) from error

    def _notes(
        self, table: str, of: str, where: tuple[str, str] = _ALL, key: str = "key"
    ) -> dict[str, tuple[Note, ...]]:
        """Names and values of a table, by what they belong to."""
        value = {"param_key": "param_value", "tag_key": "tag_value"}.get(key, "value")
        found: dict[str, list[Note]] = {}
        for row in self._rows(table, f'"{key}"', where):
            found.setdefault(str(row[of]), []).append(Note(row[key], row[value] or ""))
        return {name: tuple(notes) for name, notes in found.items()}


def _endless(value: float) -> float:
    """MLflow keeps an infinity as the largest number there is."""
    return math.copysign(math.inf, value) if abs(value) == sys.float_info.max else value
