"""MLflow's grammar, against MLflow's own store: the same runs, the same questions, one answer.

The stock store is the judge: runs of the same ids are written to it and to a lab, and random
filters, orders and pages are put to both.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cloister.core.errors import BadInput
from cloister.tracking.inputs import Dataset, DatasetInput
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.workflows.tracking import experiments, log, metrics, runs
from cloister.workflows.tracking.runs import NewRun
from cloister.workflows.tracking.visit import Visit
from tests.tracking.conftest import ENGINES, new_uri
from tests.tracking.lab import TrackingLab

pytestmark = pytest.mark.filterwarnings("ignore")  # of SQLAlchemy and alembic, MLflow's own
RUNS = 120
METRICS = ("acc", "loss", "val/loss", "my metric", "a.b")
PARAMS = ("lr", "model", "p with space", "Model", "deep.key")
TAGS = ("team", "mlflow.user", "note", "team x", "é")
TEXTS = (
    "a", "A", "b", "ab", "aB", "10%", "1_0", "x%y", "it''s", "back\\slash", "é", "É", "", " ",
    "0.1", "cats and dogs", "a,b", "(a)", '"q"', "`b`", "%", "_", "100", "-- x",
    "1; DROP TABLE track_run",
)  # fmt: skip
NUMBERS = (0.0, -1.0, 0.1, 1e-9, 1e9, 3.0, 0.5, math.nan, math.inf, -math.inf)


@dataclass
class Both:
    """The same runs in MLflow's store and in a lab."""

    stock: Any
    visit: Visit
    ids: list[str]
    numbers: list[str]


@pytest.fixture(scope="module", params=ENGINES)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("stock")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
        stock = SqlAlchemyStore(f"sqlite:///{folder}/stock.db", str(folder / "artifacts"))
        lab = TrackingLab(new_uri(request))
        made = fill(stock, lab)
        yield made
        lab.close()
        stock._dispose_engine()


def fill(stock: Any, lab: TrackingLab) -> Both:
    from mlflow.entities import (
        Dataset as StockDataset,
    )
    from mlflow.entities import (
        DatasetInput as StockInput,
    )
    from mlflow.entities import (
        ExperimentTag,
        InputTag,
        Metric,
        Param,
        RunTag,
    )

    rng = random.Random(7)
    visit = lab.visit()
    numbers = ["0"]
    for name in ("Ünder", "under", "Other 10%", "other_10"):
        tags = [(tag, rng.choice(TEXTS)) for tag in rng.sample(TAGS, 2)]
        numbers.append(
            stock.create_experiment(name, tags=[ExperimentTag(*tag) for tag in tags])
        )
        assert experiments.create(visit, name, [Note(*tag) for tag in tags]) == numbers[-1]
    ids = []
    for number in range(RUNS):
        home, started = rng.choice(numbers), 1000 + number // 2 * 10
        name = rng.choice(TEXTS) or "x"
        made = stock.create_run(home, rng.choice("ab"), started, [], name)
        lab._random = lambda _, run=made.info.run_id: bytes.fromhex(run)
        new = NewRun(home, started, name, made.info.user_id)
        assert runs.create(lab.visit(), new).run.run == made.info.run_id
        run = made.info.run_id
        ids.append(run)
        points = [
            (rng.choice(METRICS), rng.choice(NUMBERS), rng.randint(0, 9), rng.randint(-3, 3))
            for _ in range(rng.randint(0, 12))
        ]
        params = [(name, rng.choice(TEXTS)) for name in rng.sample(PARAMS, rng.randint(0, 4))]
        tags = [(name, rng.choice(TEXTS)) for name in rng.sample(TAGS, rng.randint(0, 4))]
        stock.log_batch(
            run,
            [Metric(*point) for point in points],
            [Param(*param) for param in params],
            [RunTag(*tag) for tag in tags],
        )
        log.log(
            visit,
            run,
            [Point(*point) for point in points],
            [Note(*param) for param in params],
            [Note(*tag) for tag in tags],
        )
        for dataset in rng.sample(("train", "TEST", "a%b"), rng.randint(0, 2)):
            digest, context = (
                rng.choice(("d1", "D1", "d2")),
                rng.choice(("training", "eval", "")),
            )
            about = [("mlflow.data.context", context)] if context else []
            described = StockDataset(dataset, digest, "local", "/x")
            tagged = [InputTag(*tag) for tag in about]
            stock.log_inputs(run, [StockInput(described, tagged)])
            given = DatasetInput(
                Dataset(dataset, digest, "local", "/x"), tuple(map(Note._make, about))
            )
            log.log_inputs(visit, run, [given])
        if rng.random() < 0.7:
            status = rng.choice(("FINISHED", "FAILED", "KILLED"))
            from mlflow.entities import RunStatus

            stock.update_run_info(run, RunStatus.from_string(status), started + number, None)
            runs.update(visit, run, status, started + number)
        if rng.random() < 0.1:
            stock.delete_run(run)
            runs.delete(visit, run)
    return Both(stock, visit, ids, numbers)


def quoted_key(rng: random.Random, key: str) -> str:
    """``key`` as it may be written after a dot."""
    plain = key.replace(".", "").replace("_", "").isalnum() and key.isascii()
    marks = ["`{}`", '"{}"'] + ["{}"] * 3 * plain
    return rng.choice(marks).format(key)


def text(rng: random.Random) -> str:
    value = rng.choice(TEXTS)
    return f"'{value}'" if '"' in value or rng.random() < 0.8 else f'"{value}"'


def pattern(rng: random.Random) -> str:
    value = rng.choice(
        ("%", "_", "a%", "%A%", "1__", "10%", "%\\%", "%s", "É", "é%", "%it''s", "")
    )
    return f"'{value}'"


def condition(rng: random.Random, ids: list[str]) -> str:
    kind = rng.choice(("metric", "param", "tag", "attribute", "dataset", "presence"))
    equal, like = rng.choice(("=", "!=")), rng.choice(("LIKE", "ILIKE", "like", "Ilike"))
    worded = f"{equal} {text(rng)}" if rng.random() < 0.5 else f"{like} {pattern(rng)}"
    if kind == "metric":
        entity = rng.choice(("metric", "metrics", "`metric`"))
        key = quoted_key(rng, rng.choice((*METRICS, "none")))
        operator = rng.choice(("=", "!=", "<", "<=", ">", ">="))
        value = rng.choice(("0", "0.1", "-1", "3", "1e9", "1.5e-3", "-0.5", ".5", "1e308"))
        return f"{entity}.{key} {operator} {value}"
    if kind == "param":
        entity = rng.choice(("param", "params", "parameter", "parameters"))
        return f"{entity}.{quoted_key(rng, rng.choice(PARAMS))} {worded}"
    if kind == "tag":
        entity = rng.choice(("tag", "tags"))
        return f"{entity}.{quoted_key(rng, rng.choice((*TAGS, 'mlflow.runName')))} {worded}"
    if kind == "presence":
        entity = rng.choice(("tags", "params"))
        said = rng.choice(("IS NULL", "IS NOT NULL", "is null"))
        return f"{entity}.{quoted_key(rng, rng.choice(('team', 'lr', 'none')))} {said}"
    if kind == "dataset":
        key = rng.choice(("name", "digest", "context"))
        value = rng.choice(("'train'", "'TEST'", "'d1'", "'training'", "'eval'", "'%a%'"))
        listed = f"{rng.choice(('IN', 'NOT IN'))} ('train', 'd1', 'training')"
        chosen = rng.choice((f"{equal} {value}", f"{like} {value}", listed))
        return f"{rng.choice(('dataset', 'datasets'))}.{key} {chosen}"
    entity = rng.choice(("attribute.", "attributes.", "attr.", "run.", ""))
    which = rng.choice(("status", "user_id", "run_name", "time", "id", "artifact_uri"))
    if which == "time":
        key = rng.choice(("start_time", "end_time", "created"))
        return (
            f"{entity}{key} {rng.choice(('<', '>', '!=', '>=', '='))} {rng.randint(990, 1700)}"
        )
    if which == "id":
        some = ", ".join(f"'{run}'" for run in rng.sample(ids, 3))
        return f"{entity}run_id {rng.choice(('IN', 'NOT IN', 'in'))} ({some})"
    if which == "status":
        return f"{entity}status {equal} '{rng.choice(('FINISHED', 'RUNNING', 'finished'))}'"
    return f"{entity}{which} {worded}"


def order(rng: random.Random) -> list[str]:
    keys = [
        *(f"metrics.{quoted_key(rng, key)}" for key in METRICS),
        *(f"params.{quoted_key(rng, key)}" for key in PARAMS),
        *(f"tags.{quoted_key(rng, key)}" for key in TAGS),
        *(
            "start_time",
            "attributes.end_time",
            "status",
            "run_id",
            "attribute.user_id",
            "created",
        ),
    ]
    chosen = rng.sample(keys, rng.randint(0, 3))
    if {"start_time", "created"} <= set(chosen):
        chosen.remove("created")
    return [f"{key} {rng.choice(('ASC', 'DESC', 'asc', '')):s}".strip() for key in chosen]


def stock_search(both: Both, where: str, by: list[str], view: int, most: int) -> list[str]:
    found, token = [], None
    while True:
        page = both.stock.search_runs(both.numbers, where, view, most, by, token)
        found += [run.info.run_id for run in page]
        token = page.token
        if not token:
            return found


def our_search(both: Both, where: str, by: list[str], view: str, most: int) -> list[str]:
    found: list[str] = []
    token: str | None = None
    while True:
        page = runs.search(both.visit, both.numbers, where, view, most, by, token)
        found += [run.run.run for run in page.found]
        token = page.next_token
        if not token:
            return found


@pytest.mark.parametrize("seed", range(12))
def test_random_filters_orders_and_pages_find_what_mlflow_finds(both: Both, seed: int) -> None:
    rng = random.Random(seed)
    matched = 0
    for _ in range(12):
        joined = rng.choice((" AND ", " and ", "  AND\n"))
        conditions = [condition(rng, both.ids) for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))]
        where, by, most = joined.join(conditions), order(rng), rng.choice((1000, 50, 17))
        for number, view in ((1, "ACTIVE_ONLY"), (2, "DELETED_ONLY"), (3, "ALL")):
            expected = stock_search(both, where, by, number, most)
            assert our_search(both, where, by, view, most) == expected, (where, by, view)
            matched += len(expected)
    assert matched > 0


def test_what_is_shown_of_each_run_is_what_mlflow_shows(both: Both) -> None:
    from mlflow.entities import RunInfo

    for run in both.ids:
        stock, ours = both.stock.get_run(run), runs.get(both.visit, run)
        info: RunInfo = stock.info
        assert (ours.run.name, ours.run.status) == (info.run_name, info.status)
        assert (ours.run.started_ms, ours.run.ended_ms) == (info.start_time, info.end_time)
        assert (ours.run.user_id, ours.run.stage) == (info.user_id, info.lifecycle_stage)
        assert dict(ours.params) == stock.data.params
        assert dict(ours.tags) == stock.data.tags
        assert {one.metric: clipped(one.value) for one in ours.metrics} == {
            key: clipped(value) for key, value in stock.data.metrics.items()
        }
        for one in ours.metrics:
            points = metrics.whole(both.visit, run, one.metric).found
            theirs = both.stock.get_metric_history(run, one.metric)
            assert [(clipped(p.value), p.time_ms, p.step) for p in points] == [
                (clipped(p.value), p.timestamp, p.step) for p in theirs
            ]


def clipped(value: float) -> str:
    """MLflow's store keeps infinity as the greatest number; we keep it as it is."""
    if math.isnan(value):
        return "nan"
    return repr(max(-1.7976931348623157e308, min(1.7976931348623157e308, value)))


EXPERIMENT_FILTERS = (
    "", "name = 'under'", "name != 'under'", "name LIKE '%nder'", "name ILIKE '%NDER%'",
    "attribute.name ILIKE 'other_10%'", "name LIKE '%10\\%'", "experiment_id = '2'",
    "experiment_id IN ('1', '3')", "experiment_id NOT IN ('1')", "creation_time > 0",
    "last_update_time < 5", "tags.team IS NULL", "tag.team IS NOT NULL", "tags.`team x` != 'a'",
    "tags.team LIKE '%' AND name != 'x'", 'tags."é" = \'a\'', "tags.note ILIKE '%A%'",
)  # fmt: skip


@pytest.mark.parametrize("where", EXPERIMENT_FILTERS)
@pytest.mark.parametrize(
    "by", [["experiment_id"], ["name DESC"], ["name ASC", "experiment_id"]]
)
def test_experiments_are_found_as_mlflow_finds_them(
    both: Both, where: str, by: list[str]
) -> None:
    expected = [one.name for one in both.stock.search_experiments(1, 100, where, by)]
    found = experiments.search(both.visit, "ACTIVE_ONLY", 100, where, by).found
    assert [one.experiment.name for one in found] == expected


REFUSED = (
    "metrics.acc", "metrics.acc >", "metrics.acc > 'a'", "metrics.acc LIKE 'a'",
    "metrics.acc = NaN", "params.lr > 'a'", "params.lr = 1", "params.lr = a",
    "params.lr = `a`", "params.lr IN ('a')", "unknown.key = 'a'", "attribute.unknown = 'a'",
    "start_time = 'a'", "status = 5", "status > 'a'", "run_id IN ()", "run_id IN (1)",
    "run_id IN ('a'", "status IN ('a')", "metrics.acc IS NULL", "status IS NULL",
    "metrics.acc > 1 OR metrics.acc < 2", "(metrics.acc > 1)", "metrics.acc > 1;",
    "metrics.acc > 1; DROP TABLE x", "params.lr = 'a", "dataset.unknown = 'a'",
    "dataset.name > 'a'", "dataset.name IS NULL", "params.lr == 'a'", "params.lr <> 'a'",
    "'a' = params.lr", "1 = 1", "lifecycle_stage = 'active'", "experiment_id = '0'",
    "params.lr RLIKE 'a'", "params.lr ~ 'a'", "NOT params.lr = 'a'",
)  # fmt: skip


@pytest.mark.parametrize("where", REFUSED)
def test_what_mlflow_refuses_to_parse_is_refused(both: Both, where: str) -> None:
    refuses(lambda: both.stock.search_runs(both.numbers, where, 1, 10, [], None))
    with pytest.raises(BadInput):
        runs.search(both.visit, both.numbers, where)
    with pytest.raises(BadInput):
        runs.search(both.visit, [], where)


@pytest.mark.parametrize(
    "by",
    [
        ["unknown"], ["metrics.acc UP"], ["metrics.acc ASC DESC"],
        ["start_time", "start_time DESC"],
        ["dataset.name"], ["metrics.acc, params.lr"], [""], ["1"], ["params.lr; DROP TABLE x"],
        ["start_time; --"], ["'a'"],
    ],
)  # fmt: skip
def test_orders_that_mlflow_refuses_are_refused(both: Both, by: list[str]) -> None:
    refuses(lambda: both.stock.search_runs(both.numbers, "", 1, 10, by, None))
    with pytest.raises(BadInput):
        runs.search(both.visit, both.numbers, order_by=by)


def refuses(ask: Callable[[], object]) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the stock store raises
        ask()
