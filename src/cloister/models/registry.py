"""Models on record: what a run made, what was signed about it, and what taints it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cloister.core.canonical import canonical
from cloister.core.events import Recorded, Statement, Transaction

SCHEMA = (
    "CREATE TABLE model (sha256 TEXT NOT NULL, run TEXT NOT NULL, output INTEGER NOT NULL,"
    " format TEXT NOT NULL, size INTEGER NOT NULL, spec TEXT NOT NULL,"
    " registered INTEGER NOT NULL, PRIMARY KEY (sha256, run))",
    "CREATE INDEX model_run ON model (run)",
    "CREATE TABLE statement (sha256 TEXT NOT NULL, run TEXT NOT NULL, envelope TEXT NOT NULL,"
    " signed INTEGER PRIMARY KEY)",
    "CREATE TABLE taint (sha256 TEXT NOT NULL, run TEXT NOT NULL, operation TEXT NOT NULL,"
    " idx INTEGER NOT NULL, PRIMARY KEY (sha256, run, operation))",
    "CREATE TABLE deployment (deployment TEXT PRIMARY KEY, run TEXT NOT NULL,"
    " sha256 TEXT NOT NULL, started INTEGER NOT NULL, time TEXT NOT NULL, stopped INTEGER)",
    "CREATE TABLE prediction (idx INTEGER PRIMARY KEY, deployment TEXT NOT NULL,"
    " sha256 TEXT NOT NULL, input TEXT NOT NULL, output TEXT NOT NULL, subject TEXT,"
    " time TEXT NOT NULL)",
    "CREATE INDEX prediction_subject ON prediction (subject)",
    "CREATE INDEX prediction_deployment ON prediction (deployment)",
)


class Model(NamedTuple):
    """One model file of one run."""

    sha256: str
    run: str
    output: int
    """Ledger index of the run's output it is."""
    format: str
    size_bytes: int
    spec: str
    """Canonical JSON of its inputs and outputs."""
    registered: int


class Deployment(NamedTuple):
    """One model answering at one address."""

    deployment: str
    run: str
    sha256: str
    started: int
    time: str
    stopped: int | None
    predictions: int


class Prediction(NamedTuple):
    """One answer a model gave; its ledger index is its name."""

    place: int
    deployment: str
    sha256: str
    input: str
    """Salted commitment to what was asked."""
    output: str
    """Salted commitment to what was answered."""
    subject: str | None
    time: str


def model_registered(recorded: Recorded) -> Iterator[Statement]:
    """A run left a file that is a model."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO model VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            body["sha256"],
            body["run"],
            body["output"],
            body["format"],
            body["size"],
            canonical(body["spec"]).decode(),
            recorded.index,
        ),
    )


def statement_signed(recorded: Recorded) -> Iterator[Statement]:
    """The lab attests what made a model."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO statement VALUES (?, ?, ?, ?)",
        (body["sha256"], body["run"], body["envelope"], recorded.index),
    )


def model_tainted(recorded: Recorded) -> Iterator[Statement]:
    """Someone whose data trained this model was erased."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO taint VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (body["sha256"], body["run"], body["operation"], recorded.index),
    )


def deployment_started(recorded: Recorded) -> Iterator[Statement]:
    """A model starts to answer."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "INSERT INTO deployment VALUES (?, ?, ?, ?, ?, NULL)",
        (
            body["deployment"],
            body["run"],
            body["sha256"],
            recorded.index,
            event.time,
        ),
    )


def deployment_stopped(recorded: Recorded) -> Iterator[Statement]:
    """It answers no more."""
    yield Statement(
        "UPDATE deployment SET stopped = ? WHERE deployment = ?",
        (recorded.index, recorded.event.body["deployment"]),
    )


def prediction_made(recorded: Recorded) -> Iterator[Statement]:
    """One answer, recorded before it left."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "INSERT INTO prediction VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            recorded.index,
            body["deployment"],
            body["sha256"],
            body["input"],
            body["output"],
            body["subject"],
            event.time,
        ),
    )


def of_run(tx: Transaction, run: str) -> list[Model]:
    """The models a run left."""
    rows = tx.query("SELECT * FROM model WHERE run = ? ORDER BY registered", (run,))
    return [Model._make(row) for row in rows]


def counts(tx: Transaction, runs: Sequence[str]) -> dict[str, int]:
    """How many models each of these runs left; as many as one query takes."""
    marks = ", ".join("?" * len(runs))
    sql = f"SELECT run, COUNT(*) FROM model WHERE run IN ({marks}) GROUP BY run"  # noqa: S608
    return dict(tx.query(sql, runs))


def tainted(tx: Transaction, runs: Sequence[str]) -> frozenset[str]:
    """Those of these runs whose models an erasure touched; as many as one query takes."""
    marks = ", ".join("?" * len(runs))
    rows = tx.query(f"SELECT DISTINCT run FROM taint WHERE run IN ({marks})", runs)  # noqa: S608
    return frozenset(row[0] for row in rows)


def taint_places(tx: Transaction, run: str) -> list[int]:
    """Where the ledger flags a run's models."""
    return [
        row[0] for row in tx.query("SELECT idx FROM taint WHERE run = ? ORDER BY idx", (run,))
    ]


def taints_of(tx: Transaction, operation: str) -> list[int]:
    """Where the ledger flags what one erasure touched."""
    rows = tx.query("SELECT idx FROM taint WHERE operation = ? ORDER BY idx", (operation,))
    return [row[0] for row in rows]


def taints(tx: Transaction, run: str) -> list[str]:
    """The erasures that touched a run's models."""
    rows = tx.query(
        "SELECT operation FROM taint WHERE run = ? GROUP BY operation ORDER BY MIN(idx)", (run,)
    )
    return [row[0] for row in rows]


def unsigned(tx: Transaction) -> list[str]:
    """Runs whose models await their statement: who should sign it was killed."""
    rows = tx.query(
        "SELECT DISTINCT run FROM model WHERE run NOT IN (SELECT run FROM statement)"
    )
    return [row[0] for row in rows]


def envelope(tx: Transaction, run: str) -> tuple[str, int] | None:
    """The newest signed statement of a run's models, and where the ledger holds it."""
    rows = tx.query(
        "SELECT envelope, signed FROM statement WHERE run = ? ORDER BY signed DESC LIMIT 1",
        (run,),
    )
    return (rows[0][0], rows[0][1]) if rows else None


def everything(tx: Transaction) -> list[Model]:
    """All models, the newest first."""
    rows = tx.query("SELECT * FROM model ORDER BY registered DESC")
    return [Model._make(row) for row in rows]


def deployments(tx: Transaction, run: str) -> list[Deployment]:
    """Where models of a run answered, the newest first, and how often."""
    rows = tx.query(
        "SELECT deployment, run, sha256, started, time, stopped, (SELECT COUNT(*)"
        " FROM prediction WHERE prediction.deployment = deployment.deployment)"
        " FROM deployment WHERE run = ? ORDER BY started DESC",
        (run,),
    )
    return [Deployment._make(row) for row in rows]


def runs_of(tx: Transaction, sha256: str) -> list[str]:
    """The runs that left the model whose digest begins like this; none if several do."""
    rows = tx.query(
        "SELECT run, sha256 FROM model WHERE sha256 >= ? AND sha256 < ? ORDER BY registered",
        (sha256, sha256 + "~"),
    )
    return [str(run) for run, _ in rows] if len({found for _, found in rows}) == 1 else []


def count(tx: Transaction, runs: Sequence[str]) -> int:
    """How many models these runs left."""
    sql = "SELECT run, COUNT(*) FROM model GROUP BY run"
    wanted = set(runs)
    return sum(number for run, number in tx.query(sql) if run in wanted)


def run_of(tx: Transaction, deployment: str) -> str | None:
    """The run whose model a deployment answers with."""
    sql = "SELECT run FROM deployment WHERE deployment = ?"
    return next((str(run) for (run,) in tx.query(sql, (deployment,))), None)


def predictions(tx: Transaction, run: str) -> list[Prediction]:
    """Every answer the models of a run gave."""
    rows = tx.query(
        "SELECT p.* FROM prediction p JOIN deployment d ON d.deployment = p.deployment"
        " WHERE d.run = ? ORDER BY p.idx",
        (run,),
    )
    return [Prediction._make(row) for row in rows]


def predictions_about(tx: Transaction, subject: str) -> list[Prediction]:
    """Every answer given about one subject."""
    rows = tx.query("SELECT * FROM prediction WHERE subject = ? ORDER BY idx", (subject,))
    return [Prediction._make(row) for row in rows]
