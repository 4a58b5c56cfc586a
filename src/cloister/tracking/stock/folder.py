"""A stock MLflow's folder of files, ``mlruns``: read as it lies there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cloister.core.errors import BadInput
from cloister.tracking.inputs import Dataset, DatasetInput, Inputs, ModelLink
from cloister.tracking.logged_models import Measured
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.tracking.stock import described, traces
from cloister.tracking.stock.places import Places
from cloister.tracking.stock.traces import StockTrace

_META = "meta.yaml"
_TRASH = ".trash"
_STATUSES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_READY = {1: "PENDING", 2: "READY", 3: "UPLOAD_FAILED"}
_LONGEST_META = 16 << 20


class FolderStore:
    """Reads files; links that lead out of the folder are not followed."""

    def __init__(self, folder: Path, artifacts: Path | None) -> None:
        self._folder = folder.resolve()
        self._places = Places(self._folder, artifacts)
        self._homes = {
            found["experiment_id"]: (place, found)
            for place in self._experiment_folders()
            if (found := _meta(place)) is not None
        }
        if not self._homes and not (self._folder / "models").is_dir():
            raise BadInput(
                "not a folder of MLflow: no experiment with a meta.yaml is in it",
                hint="it is called mlruns unless somebody chose another name",
            )

    def experiments(self) -> Iterator[described.StockExperiment]:
        """As the protocol says."""
        for name, (place, meta) in self._homes.items():
            yield described.StockExperiment(
                id=name,
                name=str(meta["name"]),
                stage=meta.get("lifecycle_stage") or "active",
                created_ms=int(meta.get("creation_time") or 0),
                tags=tuple(self._notes(place / "tags")),
            )

    def runs(self, experiment: str) -> Iterator[described.StockRun]:
        """As the protocol says."""
        found = [
            (place, meta)
            for place in _folders(self._homes[experiment][0])
            if (meta := _meta(place)) is not None and meta.get("run_id") == place.name
        ]
        for place, meta in sorted(
            found, key=lambda one: (one[1].get("start_time") or 0, one[0])
        ):
            tags = tuple(self._notes(place / "tags"))
            yield described.StockRun(
                id=place.name,
                experiment=experiment,
                name=str(meta.get("run_name") or dict(tags).get("mlflow.runName") or ""),
                user_id=str(meta.get("user_id") or ""),
                status=_STATUSES.get(meta.get("status") or 3, "FINISHED"),
                started_ms=int(meta.get("start_time") or 0),
                ended_ms=meta.get("end_time"),
                stage=meta.get("lifecycle_stage") or "active",
                params=tuple(self._notes(place / "params")),
                tags=tags,
                artifacts=self._artifacts_of(place, meta.get("artifact_uri")),
            )

    def points(self, run: described.StockRun) -> Iterator[Point]:
        """As the protocol says."""
        home = self._homes[run.experiment][0] / run.id / "metrics"
        for name, file in self._files(home):
            with file.open(encoding="utf-8") as lines:
                for line in lines:
                    yield _point(name, line)

    def inputs(self, run: described.StockRun) -> Inputs:
        """As the protocol says."""
        home = self._homes[run.experiment][0]
        found = Inputs([], [], [])
        for place in _folders(home / run.id / "inputs"):
            meta = _meta(place) or {}
            if meta.get("source_type") == "DATASET":
                about = _meta(home / "datasets" / str(meta["source_id"]))
                if about is not None:
                    tags = tuple(
                        Note(str(k), str(v)) for k, v in (meta.get("tags") or {}).items()
                    )
                    found.datasets.append(DatasetInput(_dataset(about), tags))
            elif str(meta.get("source_type", "")).startswith("MODEL"):
                found.models_in.append(_link(meta, "source_id"))
        for place in _folders(home / run.id / "outputs"):
            if (made := _meta(place)) is not None:
                found.models_out.append(_link(made, "destination_id"))
        return found

    def logged_models(self, experiment: str) -> Iterator[described.StockLoggedModel]:
        """As the protocol says."""
        for place in _folders(self._homes[experiment][0] / "models"):
            meta = _meta(place)
            if meta is None or meta.get("lifecycle_stage") == "deleted":
                continue
            yield described.StockLoggedModel(
                id=place.name,
                experiment=experiment,
                run=meta.get("source_run_id") or "",
                name=str(meta["name"]),
                kind=meta.get("model_type") or "",
                status=_READY.get(meta.get("status") or 2, "READY"),
                created_ms=int(meta.get("creation_timestamp") or 0),
                updated_ms=int(meta.get("last_updated_timestamp") or 0),
                params=tuple(self._notes(place / "params")),
                tags=tuple(self._notes(place / "tags")),
                artifacts=self._artifacts_of(place, meta.get("artifact_location")),
                metrics=tuple(self._measured(place)),
            )

    def traces(self, experiment: str) -> Iterator[StockTrace]:
        """As the protocol says."""
        found = []
        for place in _folders(self._homes[experiment][0] / "traces"):
            meta = _meta(place, "trace_info.yaml")
            if meta is not None:
                tags = list(self._notes(place / "tags"))
                said = dict(tags).get("mlflow.artifactLocation")
                metadata = self._notes(place / "request_metadata")
                where = self._artifacts_of(place, said)
                spans = None if where is None else self._places.inside(where / traces.FILE)
                noted, said_of_it = (metadata, tags), self._assessed(place / "assessments")
                found.append(
                    traces.of_folder(meta, noted, experiment, where, spans, said_of_it)
                )
        yield from sorted(found, key=lambda one: (one.started_ms, one.id))

    def _assessed(self, folder: Path) -> Iterator[dict[str, Any]]:
        for name, _ in self._files(folder):
            if (found := _meta(folder, name)) is not None:
                yield found

    def models(self) -> Iterator[described.StockModel]:
        """As the protocol says."""
        for place in _folders(self._folder / "models"):
            meta = _meta(place)
            if meta is None:
                continue
            aliases = {file.name: file for _, file in self._files(place / "aliases")}
            yield described.StockModel(
                name=str(meta["name"]),
                description=meta.get("description") or "",
                created_ms=int(meta.get("creation_timestamp") or 0),
                updated_ms=int(meta.get("last_updated_timestamp") or 0),
                tags=tuple(self._notes(place / "tags")),
                aliases=tuple(
                    (name, int(file.read_text())) for name, file in sorted(aliases.items())
                ),
                versions=tuple(self._versions(place)),
            )

    def close(self) -> None:
        """As the protocol says."""

    def _versions(self, home: Path) -> Iterator[described.StockVersion]:
        found = [(_meta(place), place) for place in _folders(home)]
        known = [(int(meta["version"]), meta, place) for meta, place in found if meta]
        for number, meta, place in sorted(known, key=lambda one: one[0]):
            yield described.StockVersion(
                number=number,
                created_ms=int(meta.get("creation_timestamp") or 0),
                updated_ms=int(meta.get("last_updated_timestamp") or 0),
                description=meta.get("description") or "",
                stage=str(meta.get("current_stage") or "None"),
                source=meta.get("source") or "",
                run=meta.get("run_id") or "",
                status=str(meta.get("status") or "READY"),
                tags=tuple(self._notes(place / "tags")),
                model=meta.get("model_id") or "",
            )

    def _experiment_folders(self) -> Iterator[Path]:
        for place in (*_folders(self._folder), *_folders(self._folder / _TRASH)):
            if place.name not in {"models", _TRASH}:
                yield place

    def _measured(self, place: Path) -> Iterator[Measured]:
        """``time value step run``, and of a dataset its name and digest."""
        for name, file in self._files(place / "metrics"):
            for line in file.read_text(encoding="utf-8").splitlines():
                words = line.split(" ")
                if len(words) not in {4, 6}:
                    raise BadInput("a metric of a model in this MLflow folder cannot be read")
                named = (words[4], words[5]) if words[4:] else ("", "")
                yield Measured(place.name, _point(name, line), *named, words[3])

    def _artifacts_of(self, place: Path, address: str | None) -> Path | None:
        """Where it says, or, when the folder was moved, beside it."""
        said = self._places.local(address)
        if said is not None and said.is_dir():
            return said
        return self._places.inside(place / "artifacts")

    def _files(self, folder: Path) -> Iterator[tuple[str, Path]]:
        """Every file below ``folder``, by its name with slashes, in order."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and self._places.holds(path):
                yield path.relative_to(folder).as_posix(), path

    def _notes(self, folder: Path) -> Iterator[Note]:
        for name, file in self._files(folder):
            yield Note(name, file.read_text(encoding="utf-8", errors="replace"))


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if one.is_dir() and not one.is_symlink())


def _meta(folder: Path, name: str = _META) -> dict[str, Any] | None:
    """The description in a folder; None where there is none."""
    file = folder / name
    if not file.is_file() or file.stat().st_size > _LONGEST_META:
        return None
    try:
        import yaml
    except ImportError as error:
        raise BadInput(
            "a folder of MLflow is described in YAML, which cannot be read here",
            hint="pip install 'cloister[migrate]'",
        ) from error
    try:
        found = yaml.safe_load(file.read_bytes())
    except yaml.YAMLError as error:
        raise BadInput("a meta.yaml of this MLflow folder cannot be read") from error
    return found if isinstance(found, dict) else None


def _point(name: str, line: str) -> Point:
    """``time value step``, and in newer releases the dataset it was measured on."""
    words = line.split()
    try:
        return Point(name, float(words[1]), int(words[0]), int(words[2]) if words[2:] else 0)
    except (ValueError, IndexError) as error:
        raise BadInput("a file of metrics in this MLflow folder cannot be read") from error


def _dataset(meta: dict[str, Any]) -> Dataset:
    return Dataset(
        str(meta["name"]), str(meta["digest"]), str(meta["source_type"]), str(meta["source"]),
        meta.get("schema"), meta.get("profile"),
    )  # fmt: skip


def _link(meta: dict[str, Any], name: str) -> ModelLink:
    return ModelLink(str(meta[name]), int(meta.get("step") or 0))
