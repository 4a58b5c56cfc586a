"""What a tracked run read and made: datasets as its client describes them, logged models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cloister.core.errors import BadInput
from cloister.core.events import Recorded, Statement, Transaction
from cloister.tracking import limits
from cloister.tracking.notes import Note
from cloister.tracking.selecting import rows_of

SCHEMA = (
    "CREATE TABLE track_dataset (experiment INTEGER NOT NULL, name TEXT NOT NULL,"
    " digest TEXT NOT NULL, source_type TEXT NOT NULL, source TEXT NOT NULL, layout TEXT,"
    " profile TEXT, place INTEGER NOT NULL, PRIMARY KEY (experiment, name, digest))",
    "CREATE TABLE track_input (run TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,"
    " experiment INTEGER NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (run, name, digest))",
    "CREATE TABLE track_input_tag (run TEXT NOT NULL, name TEXT NOT NULL,"
    " digest TEXT NOT NULL, tag TEXT NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY (run, name, digest, tag))",
    "CREATE TABLE track_model_link (run TEXT NOT NULL, model TEXT NOT NULL,"
    " role TEXT NOT NULL, step INTEGER NOT NULL, place INTEGER NOT NULL,"
    " PRIMARY KEY (run, model, role, step))",
)
CONTEXT = "mlflow.data.context"
"""The tag that says what a dataset was used for: training, evaluation..."""
_NAME_CHARS, _DIGEST_CHARS, _SOURCE_CHARS = 500, 36, 65_535
_LAYOUT_CHARS, _PROFILE_CHARS = 1_048_575, 16_777_215
_TAG_KEY_CHARS, _TAG_VALUE_CHARS = 255, 500
_MOST = 1000
# Who says it first is kept. The event's place decides: neighbours are written in any order.
_DATASET = """
    INSERT INTO track_dataset (experiment, name, digest, source_type, source, layout, profile,
                               place) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (experiment, name, digest) DO UPDATE SET source_type = excluded.source_type,
    source = excluded.source, layout = excluded.layout, profile = excluded.profile,
    place = excluded.place WHERE excluded.place < track_dataset.place
"""
_LINK = """
    INSERT INTO track_model_link (run, model, role, step, place) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (run, model, role, step) DO UPDATE SET place = excluded.place
    WHERE excluded.place < track_model_link.place
"""


class Dataset(NamedTuple):
    """A dataset as a client describes it."""

    name: str
    digest: str
    source_type: str
    source: str
    layout: str | None = None
    """What MLflow calls the schema."""
    profile: str | None = None


class DatasetInput(NamedTuple):
    """A dataset that a run was given, and what for."""

    dataset: Dataset
    tags: tuple[Note, ...] = ()


class Summary(NamedTuple):
    """A dataset that runs of an experiment were given, and what for."""

    experiment: int
    name: str
    digest: str
    context: str | None


class ModelLink(NamedTuple):
    """A logged model that a run read or made."""

    model: str
    step: int = 0


class Inputs(NamedTuple):
    """Everything a run read and made."""

    datasets: list[DatasetInput]
    models_in: list[ModelLink]
    models_out: list[ModelLink]


def tracked_given(recorded: Recorded) -> Iterator[Statement]:
    """A run says what it read, or what it made."""
    body = recorded.event.body
    place, run, experiment = recorded.index, body["tracked"], body["experiment"]
    for one in body["datasets"]:
        yield Statement(
            _DATASET,
            (
                experiment,
                one["name"],
                one["digest"],
                one["source_type"],
                one["source"],
                one["schema"],
                one["profile"],
                place,
            ),
        )
        yield Statement(
            "INSERT INTO track_input VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (run, one["name"], one["digest"], experiment, place),
        )
        for tag, value in one["tags"]:
            yield Statement(
                "INSERT INTO track_input_tag VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (run, one["name"], one["digest"], tag, value),
            )
    for model, role, step in body["models"]:
        yield Statement(_LINK, (run, model, role, step, place))


def check(datasets: Sequence[DatasetInput]) -> None:
    """Raises BadInput for a description that is refused."""
    limits.check_count("datasets", len(datasets), _MOST)
    for dataset, tags in datasets:
        limits.check_text(dataset.name, "name", _NAME_CHARS)
        limits.check_text(dataset.digest, "digest", _DIGEST_CHARS)
        limits.check_text(dataset.source, "source", _SOURCE_CHARS)
        limits.check_text(dataset.layout or "", "schema", _LAYOUT_CHARS)
        limits.check_text(dataset.profile or "", "profile", _PROFILE_CHARS)
        for name, value in tags:
            limits.check_text(name, "tag key", _TAG_KEY_CHARS)
            limits.check_text(value, "tag value", _TAG_VALUE_CHARS)
            if not name:
                raise BadInput("a tag of a dataset has no key")


def unlogged(tx: Transaction, run: str, datasets: Sequence[DatasetInput]) -> list[DatasetInput]:
    """Those that the run did not name before; of two of one name and digest the first."""
    rows = tx.query("SELECT name, digest FROM track_input WHERE run = ?", (run,))
    known = {(name, digest) for name, digest in rows}
    fresh: dict[tuple[str, str], DatasetInput] = {}
    for one in datasets:
        key = (one.dataset.name, one.dataset.digest)
        if key not in known:
            fresh.setdefault(key, one)
    return list(fresh.values())


def body(
    run: str,
    experiment: int,
    datasets: Sequence[DatasetInput],
    models_in: Sequence[ModelLink] = (),
    models_out: Sequence[ModelLink] = (),
) -> dict[str, Any]:
    """The event body."""
    return {
        "datasets": [_described(one) for one in datasets],
        "experiment": experiment,
        "models": [
            *([link.model, "in", link.step] for link in models_in),
            *([link.model, "out", link.step] for link in models_out),
        ],
        "tracked": run,
    }


def _described(one: DatasetInput) -> dict[str, Any]:
    dataset = one.dataset
    return {
        "digest": dataset.digest,
        "name": dataset.name,
        "profile": dataset.profile,
        "schema": dataset.layout,
        "source": dataset.source,
        "source_type": dataset.source_type,
        "tags": [list(tag) for tag in dict(one.tags).items()],
    }


def of_runs(tx: Transaction, runs: Sequence[str]) -> dict[str, Inputs]:
    """What each of these runs read and made; runs without any are not in it."""
    found: dict[str, Inputs] = {}
    tags: dict[tuple[str, str, str], list[Note]] = {}
    for run, name, digest, tag, value in rows_of(
        tx,
        "SELECT run, name, digest, tag, value FROM track_input_tag"
        " WHERE run IN (...) ORDER BY run, name, digest, tag",
        runs,
    ):
        tags.setdefault((run, name, digest), []).append(Note(tag, value))
    for run, *fields in rows_of(
        tx,
        "SELECT i.run, d.name, d.digest, d.source_type, d.source, d.layout, d.profile"
        " FROM track_input i JOIN track_dataset d ON d.experiment = i.experiment"
        " AND d.name = i.name AND d.digest = i.digest WHERE i.run IN (...)"
        " ORDER BY i.run, i.place, d.name, d.digest",
        runs,
    ):
        dataset = Dataset._make(fields)
        about = tuple(tags.get((run, dataset.name, dataset.digest), ()))
        _of(found, run).datasets.append(DatasetInput(dataset, about))
    for run, model, role, step in rows_of(
        tx,
        "SELECT run, model, role, step FROM track_model_link"
        " WHERE run IN (...) ORDER BY run, place, model, step",
        runs,
    ):
        links = _of(found, run)
        (links.models_in if role == "in" else links.models_out).append(ModelLink(model, step))
    return found


def summaries(
    tx: Transaction, experiments: Sequence[int], fenced: str | None = None
) -> list[Summary]:
    """What runs of these experiments were given, once for each use, by experiment and name;
    of one run of the fence alone where it is named."""
    if not experiments:
        return []
    marks = ", ".join("?" * len(experiments))
    mine = "" if fenced is None else " AND r.fenced = ?"
    rows = tx.query(
        "SELECT DISTINCT i.experiment, i.name, i.digest, t.value FROM track_input i"  # noqa: S608
        " JOIN track_run r ON r.run = i.run"
        " LEFT JOIN track_input_tag t ON t.run = i.run AND t.name = i.name"
        f" AND t.digest = i.digest AND t.tag = ? WHERE i.experiment IN ({marks}){mine}"
        f" ORDER BY i.experiment, i.name, i.digest, t.value LIMIT {_MOST}",
        (CONTEXT, *experiments, *([] if fenced is None else [fenced])),
    )
    return [Summary._make(row) for row in rows]


def _of(found: dict[str, Inputs], run: str) -> Inputs:
    return found.setdefault(run, Inputs([], [], []))


def forget(run: str) -> Iterator[Statement]:
    """The writes that remove what a run read and made; a dataset stays for other runs."""
    yield Statement("DELETE FROM track_input_tag WHERE run = ?", (run,))
    yield Statement("DELETE FROM track_input WHERE run = ?", (run,))
    yield Statement("DELETE FROM track_model_link WHERE run = ?", (run,))
