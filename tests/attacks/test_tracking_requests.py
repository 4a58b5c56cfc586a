"""Claim: no word of a request becomes SQL, and no request reaches what its caller does not see:
another project's objects, or another run's of the fence.

Over HTTP, against the real application.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import httpx
import pytest

from tests.tracking.lab import TrackingLab
from tests.tracking.server import TOKEN, serving

POISON = (
    "' OR 1=1 --", "'; DROP TABLE track_run; --", "\" OR \"\"=\"",
    "') UNION SELECT sha256 FROM token --", "x' AND (SELECT 1 FROM person) --", "%' OR '%'='",
    "\\' OR 1=1 --", "`; DELETE FROM track_tag", "a`) OR 1=1 --",
    "1); DROP TABLE track_point; --", "?", ":name", "\x00", "\ud800", "{}", "NULL",
)  # fmt: skip
FILTERS = (
    "{}", "params.a = '{}'", "params.`{}` = 'a'", 'tags."{}" = \'a\'', "{} = 'a'",
    "tags.a {} 'a'", "tags.a LIKE '{}'", "run_id IN ('{}')", "metrics.a > {}",
    "status = '{}' AND 1=1", "attributes.{} = 'a'", "dataset.name IN ('a', '{}')",
    "params.a = '{}' OR 1=1",
)  # fmt: skip
ORDERS = ("{}", "metrics.`{}`", "params.a {}", "start_time DESC, {}", "tags.a DESC; {}")


def client(url: str) -> httpx.Client:
    headers = {"authorization": f"Bearer {TOKEN}"}
    return httpx.Client(
        base_url=f"{url}/api/2.0/mlflow", headers=headers, trust_env=False, timeout=60
    )


@pytest.fixture
def lab() -> Iterator[TrackingLab]:
    made = TrackingLab()
    yield made
    made.close()


def begin(rest: httpx.Client, **fields: object) -> str:
    answer = rest.post("/runs/create", json={"experiment_id": "0", **fields})
    return str(answer.raise_for_status().json()["run"]["info"]["run_id"])


def test_no_word_of_a_filter_or_an_order_becomes_sql(lab: TrackingLab) -> None:
    with serving(lab) as url, client(url) as rest:
        run = begin(rest, run_name="theirs")
        body = {"run_id": run, "params": [{"key": "a", "value": "b"}]}
        rest.post("/runs/log-batch", json=body).raise_for_status()
        before = {table: lab.rows(table) for table in ("track_run", "track_param", "person")}
        for shape, poison in itertools.product(FILTERS, POISON):
            for path, more in (
                ("/runs/search", {"experiment_ids": ["0"]}),
                ("/experiments/search", {}),
            ):
                try:
                    asked = rest.post(path, json={"filter": shape.format(poison), **more})
                except UnicodeEncodeError:
                    continue
                assert asked.status_code in {200, 400}, (path, shape, poison)
                told = asked.json()
                # A condition on `a` being something else finds nothing: nor does one that lies.
                assert not told.get("runs"), (shape, poison)
        for shape, poison in itertools.product(ORDERS, POISON):
            body = {"experiment_ids": ["0"], "order_by": [shape.format(poison)]}
            try:
                asked = rest.post("/runs/search", json=body)
            except UnicodeEncodeError:
                continue
            assert asked.status_code in {200, 400}, (shape, poison)
        assert {table: lab.rows(table) for table in before} == before
    assert lab.audit().findings == ()


def test_poisoned_names_are_only_names(lab: TrackingLab) -> None:
    with serving(lab) as url, client(url) as rest:
        run = begin(rest)
        for poison in POISON[:-4]:
            for path, body in (
                ("/experiments/create", {"name": poison}),
                ("/experiments/get-by-name", None),
                ("/runs/set-tag", {"run_id": run, "key": "t", "value": poison}),
                ("/runs/log-parameter", {"run_id": run, "key": poison, "value": "v"}),
                ("/runs/get", None),
                ("/metrics/get-history", None),
            ):
                if body is None:
                    words = {"experiment_name": poison, "run_id": poison, "metric_key": poison}
                    answer = rest.get(path, params=words)
                else:
                    answer = rest.post(path, json=body)
                assert answer.status_code in {200, 400, 404}, (path, poison, answer.text)
        tags = rest.get("/runs/get", params={"run_id": run}).json()["run"]["data"]["tags"]
        assert POISON[-5] in {tag["value"] for tag in tags}
    assert lab.audit().findings == ()


def every_way(rest: httpx.Client, run: str, experiment: str) -> Iterator[httpx.Response]:
    """Each request that names a run or an experiment."""
    point = {"key": "m", "value": 1.0, "timestamp": 1}
    yield rest.get("/runs/get", params={"run_id": run})
    yield rest.get("/metrics/get-history", params={"run_id": run, "metric_key": "m"})
    asked = {"run_ids": [run], "metric_key": "m"}
    yield rest.get("/metrics/get-history-bulk-interval", params=asked)
    for path, body in (
        ("log-metric", point),
        ("log-parameter", {"key": "p", "value": "v"}),
        ("set-tag", {"key": "t", "value": "v"}),
        ("delete-tag", {"key": "mlflow.runName"}),
        ("log-batch", {"metrics": [point]}),
        ("log-inputs", {"models": [{"model_id": "m-1"}]}),
        ("outputs", {"models": [{"model_id": "m-1"}]}),
        ("log-model", {"model_json": '{"artifact_path": "m", "flavors": {}}'}),
        ("update", {"status": "FINISHED"}),
        ("delete", {}),
        ("restore", {}),
    ):
        yield rest.post(f"/runs/{path}", json={"run_id": run, **body})
    if experiment:
        yield rest.get("/experiments/get", params={"experiment_id": experiment})
        yield rest.post("/runs/create", json={"experiment_id": experiment})
        for path, body in (
            ("update", {"new_name": "x"}),
            ("set-experiment-tag", {"key": "k", "value": "v"}),
            ("delete-experiment-tag", {"key": "k"}),
            ("delete", {}),
            ("restore", {}),
        ):
            answer = rest.post(
                f"/experiments/{path}", json={"experiment_id": experiment, **body}
            )
            yield answer


def test_what_is_another_projects_is_as_if_it_were_not_there(lab: TrackingLab) -> None:
    with (
        serving(lab, None, 0, "prj_theirs") as theirs,
        serving(lab, None, 0, "prj_mine") as mine,
        client(theirs) as owner,
        client(mine) as stranger,
    ):
        made = owner.post("/experiments/create", json={"name": "secret"}).json()
        experiment = made["experiment_id"]
        run = begin(owner, experiment_id=experiment)
        told = owner.get("/runs/get", params={"run_id": run}).json()
        for hidden, missing in zip(
            every_way(stranger, run, experiment),
            every_way(stranger, "f" * 32, "999"),
            strict=True,
        ):
            assert hidden.status_code == 404, hidden.request.url
            assert told_of(hidden, run, experiment) == told_of(missing, "f" * 32, "999")
        body = {"experiment_ids": [experiment, "0"], "run_view_type": "ALL"}
        assert not stranger.post("/runs/search", json=body).json()["runs"]
        asked = {"run_id": run, "metric_key": "m"}
        assert not stranger.get("/metrics/get-history-bulk", params=asked).json()["metrics"]
        found = stranger.post("/experiments/search", json={"view_type": "ALL"}).json()
        assert "secret" not in str(found)
        named = stranger.get("/experiments/get-by-name", params={"experiment_name": "secret"})
        assert named.status_code == 404
        assert owner.get("/runs/get", params={"run_id": run}).json() == told


def told_of(answer: httpx.Response, run: str, experiment: str) -> str:
    """The answer with the names that were asked for left out: what is left must be alike."""
    return answer.text.replace(run, "RUN").replace(f"={experiment} ", "=EXPERIMENT ")


def test_a_job_reaches_no_run_but_its_own(lab: TrackingLab) -> None:
    one, other = "run_aaaaaaaaaaaaaaaa", "run_bbbbbbbbbbbbbbbb"
    with (
        serving(lab, one) as inside,
        serving(lab, other) as beside,
        serving(lab) as outside,
        client(inside) as job,
        client(beside) as neighbour,
        client(outside) as person,
    ):
        own = begin(job)
        for run in (begin(neighbour), begin(person)):
            for answer in every_way(job, run, ""):
                assert answer.status_code == 404, answer.request.url
        for path in ("delete", "restore", "update", "delete-experiment-tag"):
            body = {"experiment_id": "0", "new_name": "x", "key": "k", "value": "v"}
            assert job.post(f"/experiments/{path}", json=body).status_code in {403, 404}
        found = job.post("/runs/search", json={"experiment_ids": ["0"]}).json()["runs"]
        assert [run["info"]["run_id"] for run in found] == [own]
        # No field of a request says whose run it is: the door alone does.
        forged = begin(job, run=other, fenced=other, tags=[{"key": "fenced", "value": other}])
        assert neighbour.get("/runs/get", params={"run_id": forged}).status_code == 404
    assert lab.audit().findings == ()
