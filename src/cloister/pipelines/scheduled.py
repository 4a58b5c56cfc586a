"""Schedules on record: which pipelines start by themselves, and what they wait for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cloister.core.canonical import canonical
from cloister.core.errors import NotFound
from cloister.core.events import Projection, Recorded, Statement, Transaction
from cloister.core.ids import RunId
from cloister.pipelines.triggers import Trigger

SCHEMA = (
    "CREATE TABLE flow_schedule (pipeline TEXT PRIMARY KEY, run TEXT NOT NULL,"
    " triggers TEXT NOT NULL, misfire TEXT NOT NULL, place INTEGER NOT NULL,"
    " since TEXT NOT NULL, actor TEXT NOT NULL)",
)
PAUSED = ("ALTER TABLE flow_schedule ADD COLUMN paused TEXT",)
TABLES = ("flow_schedule",)


class Schedule(NamedTuple):
    """What starts a pipeline."""

    pipeline: str
    run: RunId
    """Whose outputs hold the plan, and what it takes to run it."""
    triggers: tuple[Trigger, ...]
    misfire: str
    place: int
    since: str
    actor: str
    paused: str | None
    """Since when it is held: as long as that is so, it starts nothing."""


def pipeline_scheduled(recorded: Recorded) -> Iterator[Statement]:
    """From now on it starts by itself; what stood before is replaced."""
    event, body = recorded.event, recorded.event.body
    yield Statement("DELETE FROM flow_schedule WHERE pipeline = ?", (body["pipeline"],))
    yield Statement(
        "INSERT INTO flow_schedule VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            body["pipeline"],
            body["run"],
            canonical(body["triggers"]).decode(),
            body["misfire"],
            recorded.index,
            event.time,
            event.actor,
        ),
    )


def pipeline_unscheduled(recorded: Recorded) -> Iterator[Statement]:
    """It starts no more by itself."""
    pipeline = recorded.event.body["pipeline"]
    yield Statement("DELETE FROM flow_schedule WHERE pipeline = ?", (pipeline,))


def pipeline_paused(recorded: Recorded) -> Iterator[Statement]:
    """It starts nothing for now."""
    event = recorded.event
    yield Statement(
        "UPDATE flow_schedule SET paused = ? WHERE pipeline = ?",
        (event.time, event.body["pipeline"]),
    )


def pipeline_unpaused(recorded: Recorded) -> Iterator[Statement]:
    """It starts by itself again."""
    pipeline = recorded.event.body["pipeline"]
    yield Statement("UPDATE flow_schedule SET paused = NULL WHERE pipeline = ?", (pipeline,))


PROJECTIONS: Mapping[str, Projection] = {
    "pipeline.paused": pipeline_paused,
    "pipeline.scheduled": pipeline_scheduled,
    "pipeline.unpaused": pipeline_unpaused,
    "pipeline.unscheduled": pipeline_unscheduled,
}


def everything(tx: Transaction) -> list[Schedule]:
    """All of them, by name."""
    rows = tx.query("SELECT * FROM flow_schedule ORDER BY pipeline")
    return [
        Schedule(
            str(name),
            RunId(str(run)),
            tuple(Trigger(**one) for one in json.loads(triggers)),
            str(misfire),
            int(place),
            str(since),
            str(actor),
            None if paused is None else str(paused),
        )
        for name, run, triggers, misfire, place, since, actor, paused in rows
    ]


def find(tx: Transaction, pipeline: str) -> Schedule:
    """The one of that pipeline; raises NotFound."""
    for one in everything(tx):
        if one.pipeline == pipeline:
            return one
    raise NotFound(
        f"no pipeline {pipeline} starts by itself", hint="see `cloister pipeline schedules`"
    )


# What was killed while it waited for its turn is as if it had not been asked for.
_BEGUN = "FROM flow WHERE pipeline = ? AND NOT (state = 'interrupted' AND plan = '')"


def last_due(tx: Transaction, pipeline: str) -> str | None:
    """The latest time for which it has begun, or waits for its turn."""
    rows = tx.query(f"SELECT MAX(due) {_BEGUN}", (pipeline,))
    return None if rows[0][0] is None else str(rows[0][0])


def last_begun(tx: Transaction, pipeline: str) -> int:
    """Where the ledger has the last beginning of it; 0 where there is none."""
    rows = tx.query(f"SELECT MAX(begun) {_BEGUN}", (pipeline,))
    return int(rows[0][0] or 0)


def made_at(tx: Transaction, asset: str) -> int:
    """Where the ledger has the last making of an outlet by a task; 0 where there is none."""
    rows = tx.query("SELECT MAX(idx) FROM asset_made WHERE asset = ?", (asset,))
    return int(rows[0][0] or 0)
