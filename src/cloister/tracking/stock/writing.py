"""A folder of files as a stock MLflow's file store has them, written once and never changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cloister.core.errors import Conflict
from cloister.tracking.assessments import all_shown
from cloister.tracking.inputs import DatasetInput, Inputs, ModelLink
from cloister.tracking.logged_models import Measured
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.tracking.stock import described, traces
from cloister.tracking.stock.spans import to_stock
from cloister.tracking.stock.traces import StockTrace

_STATUSES = {"RUNNING": 1, "SCHEDULED": 2, "FINISHED": 3, "FAILED": 4, "KILLED": 5}
_READY = {"PENDING": 1, "READY": 2, "UPLOAD_FAILED": 3}
_LOCAL = 4  # of SourceType
# JSON is YAML but for what a reader of YAML takes for breaks, or refuses.
_ODD = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


class FolderWriter:
    """Writes experiments, then their runs and models, then the registry.

    ``renamed`` counts names that no folder holds beside one that begins with them, such as
    ``a`` and ``a/b``: the second is written with dots for slashes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._homes: dict[str, Path] = {}
        self.renamed = 0

    def begin(self) -> None:
        """An empty folder; raises Conflict where something is there."""
        try:
            self._folder.mkdir(mode=0o700)
        except FileExistsError as error:
            raise Conflict(
                "there is something at this path already",
                hint="name a folder that is not there",
            ) from error

    def experiment(self, one: described.StockExperiment) -> None:
        """An experiment; deleted ones lie in the trash, as MLflow has it."""
        below = self._folder / ".trash" if one.stage == "deleted" else self._folder
        home = below / one.id
        self._homes[one.id] = home
        meta = {
            "artifact_location": home.absolute().as_uri(),
            "creation_time": one.created_ms,
            "experiment_id": one.id,
            "last_update_time": one.created_ms,
            "lifecycle_stage": one.stage,
            "name": one.name,
        }
        _describe(home, meta)
        self._notes(home / "tags", one.tags)

    def run(self, one: described.StockRun, points: Iterable[Point], given: Inputs) -> Path:
        """A run with its history and inputs; gives the folder for its artifacts."""
        home = self._homes[one.experiment] / one.id
        artifacts = home / "artifacts"
        meta: dict[str, Any] = {
            "artifact_uri": artifacts.absolute().as_uri(),
            "end_time": one.ended_ms,
            "entry_point_name": "",
            "experiment_id": one.experiment,
            "lifecycle_stage": one.stage,
            "run_id": one.id,
            "run_name": one.name,
            "run_uuid": one.id,
            "source_name": "",
            "source_type": _LOCAL,
            "source_version": "",
            "start_time": one.started_ms,
            "status": _STATUSES[one.status],
            "tags": [],
            "user_id": one.user_id,
        }
        _describe(home, meta)
        for name in ("metrics", "params", "tags", "artifacts"):
            (home / name).mkdir()
        self._notes(home / "params", one.params)
        self._notes(home / "tags", one.tags)
        self._points(home / "metrics", points)
        self._inputs(home, given)
        return artifacts

    def logged_model(self, one: described.StockLoggedModel) -> Path:
        """A logged model; gives the folder for its artifacts."""
        home = self._homes[one.experiment] / "models" / one.id
        artifacts = home / "artifacts"
        meta = {
            "artifact_location": artifacts.absolute().as_uri(),
            "creation_timestamp": one.created_ms,
            "experiment_id": one.experiment,
            "last_updated_timestamp": one.updated_ms,
            "model_id": one.id,
            "model_type": one.kind or None,
            "name": one.name,
            "source_run_id": one.run or None,
            "status": _READY.get(one.status, 2),
            "status_message": None,
        }
        _describe(home, meta)
        artifacts.mkdir()
        self._notes(home / "params", one.params)
        self._notes(home / "tags", one.tags)
        for point, lines in _by_metric(one.metrics):
            place = self._place(home / "metrics", point)
            place.write_text("".join(lines), encoding="utf-8")
        return artifacts

    def trace(self, one: StockTrace) -> Path:
        """A traced call with its spans; gives the folder for its artifacts."""
        home = self._homes[one.experiment] / "traces" / one.id
        artifacts = home / "artifacts"
        _describe(home, traces.described(one), "trace_info.yaml")
        artifacts.mkdir()
        self._notes(home / "request_metadata", one.metadata)
        address = Note("mlflow.artifactLocation", artifacts.absolute().as_uri())
        self._notes(home / "tags", [*one.tags, address])
        if one.assessments:
            (home / "assessments").mkdir()
        for each in all_shown([one for one in one.assessments if one is not None], one.id):
            _write(home / "assessments", each, f"{each['assessment_id']}.yaml")
        said = {"spans": [to_stock(body) for body in one.spans or ()]}
        text = json.dumps(said, ensure_ascii=False)
        (artifacts / traces.FILE).write_bytes(text.encode("utf-8", "replace"))
        return artifacts

    def has(self, experiment: str) -> bool:
        """Whether that experiment was written."""
        return experiment in self._homes

    def artifacts_of(self, experiment: str, holder: str) -> Path:
        """The folder for the artifacts of a run or a logged model, written or not."""
        below = ("models", holder) if holder.startswith("m-") else (holder,)
        return self._homes[experiment].joinpath(*below, "artifacts")

    def model(self, one: described.StockModel) -> None:
        """A registered model with its versions."""
        home = self._folder / "models" / one.name
        meta = {
            "creation_timestamp": one.created_ms,
            "description": one.description or None,
            "last_updated_timestamp": one.updated_ms,
            "name": one.name,
        }
        _describe(home, meta)
        self._notes(home / "tags", one.tags)
        self._notes(home / "aliases", [Note(name, str(number)) for name, number in one.aliases])
        for version in one.versions:
            self._version(home / f"version-{version.number}", one.name, version)

    def _version(self, home: Path, name: str, one: described.StockVersion) -> None:
        meta = {
            "creation_timestamp": one.created_ms,
            "current_stage": one.stage,
            "description": one.description or None,
            "last_updated_timestamp": one.updated_ms,
            "model_id": one.model or None,
            "name": name,
            "run_id": one.run,
            "run_link": "",
            "source": one.source,
            "status": one.status,
            "status_message": None,
            "storage_location": one.source,
            "user_id": None,
            "version": one.number,
        }
        _describe(home, meta)
        self._notes(home / "tags", one.tags)

    def _points(self, folder: Path, points: Iterable[Point]) -> None:
        """Points come metric by metric."""
        open_name, file = "", None
        try:
            for metric, value, time_ms, step in points:
                if metric != open_name or file is None:
                    if file is not None:
                        file.close()
                    place = self._place(folder, metric)
                    file, open_name = place.open("a", encoding="utf-8"), metric
                file.write(f"{time_ms} {value!r} {step}\n")
        finally:
            if file is not None:
                file.close()

    def _notes(self, folder: Path, notes: Iterable[Note]) -> None:
        for name, value in notes:
            self._place(folder, name).write_bytes(value.encode("utf-8", "replace"))

    def _inputs(self, home: Path, given: Inputs) -> None:
        for number, one in enumerate(given.datasets):
            self._dataset(home, number, one)
        for link in given.models_in:
            meta = {"source_type": "MODEL_INPUT", "source_id": link.model}
            _describe(home / "inputs" / link.model, meta | _linked(link, "RUN", home.name))
        for link in given.models_out:
            meta = {"source_type": "RUN_OUTPUT", "source_id": home.name}
            linked = _linked(link, "MODEL_OUTPUT", link.model)
            _describe(home / "outputs" / link.model, meta | linked)

    def _dataset(self, home: Path, number: int, one: DatasetInput) -> None:
        dataset = one.dataset
        name = f"{home.name[:24]}{number:08x}"
        meta = {
            "digest": dataset.digest,
            "name": dataset.name,
            "profile": dataset.profile,
            "schema": dataset.layout,
            "source": dataset.source,
            "source_type": dataset.source_type,
        }
        _describe(home.parent / "datasets" / name, meta)
        link = {
            "destination_id": home.name,
            "destination_type": "RUN",
            "source_id": name,
            "source_type": "DATASET",
            "tags": dict(one.tags),
        }
        _describe(home / "inputs" / name, link)

    def _place(self, folder: Path, name: str) -> Path:
        """A file of that name, in folders of their own; another where one is in the way."""
        place = folder / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            taken = True
        else:
            taken = place.is_dir()
        if taken:
            self.renamed += 1
            place = folder / f"{name.replace('/', '.')}.value"
        return place


def _linked(link: ModelLink, kind: str, to: str) -> dict[str, Any]:
    return {"destination_id": to, "destination_type": kind, "step": link.step, "tags": {}}


def _by_metric(measured: Iterable[Measured]) -> Iterator[tuple[str, list[str]]]:
    lines: dict[str, list[str]] = {}
    for _, (metric, value, time_ms, step), dataset, digest, run in measured:
        on = f" {dataset} {digest}" if dataset and digest else ""
        lines.setdefault(metric, []).append(f"{time_ms} {value!r} {step} {run}{on}\n")
    yield from lines.items()


def _describe(folder: Path, meta: Mapping[str, Any], name: str = "meta.yaml") -> None:
    folder.mkdir(parents=True)
    _write(folder, meta, name)


def _write(folder: Path, meta: Mapping[str, Any], name: str) -> None:
    text = json.dumps(dict(meta), ensure_ascii=False, indent=1)
    text = _ODD.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    (folder / name).write_text(text + "\n", encoding="utf-8")
