"""What the events of pipelines do to their tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cloister.core.encoding import to_bytes
from cloister.core.events import Projection, Recorded, Statement


def pipeline_waiting(recorded: Recorded) -> Iterator[Statement]:
    """As many runs of it go on as may: it waits for its turn, with nothing begun."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "INSERT INTO flow VALUES (?, ?, ?, 'waiting', ?, '', ?, ?, ?, ?, ?, NULL, NULL,"
        " ?, ?, ?) ON CONFLICT (flow) DO UPDATE SET"
        " state = 'waiting', finished = NULL, stopping = NULL,"
        " waiting = excluded.waiting, place = excluded.place, most = excluded.most",
        (
            body["flow"],
            body["pipeline"],
            event.actor,
            body["run"],
            body["steps"],
            body["reason"],
            body["due"],
            recorded.index,
            event.time,
            event.time,
            recorded.index,
            body["most"],
        ),
    )


def pipeline_begun(recorded: Recorded) -> Iterator[Statement]:
    """A plan is on record, and its steps begin."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "INSERT INTO flow VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, NULL, NULL,"
        " NULL, NULL, NULL) ON CONFLICT (flow) DO UPDATE SET"
        " state = 'running', plan = excluded.plan, plan_run = excluded.plan_run,"
        " begun = excluded.begun, started = excluded.started,"
        " waiting = NULL, place = NULL, most = NULL",
        (
            body["flow"],
            body["pipeline"],
            event.actor,
            body["run"],
            body["plan"],
            body["steps"],
            body["reason"],
            body["due"],
            recorded.index,
            event.time,
        ),
    )


def pipeline_resumed(recorded: Recorded) -> Iterator[Statement]:
    """One that did not come to its end goes on."""
    yield Statement(
        "UPDATE flow SET state = 'running', finished = NULL,"
        " stopping = CASE WHEN state = 'waiting' THEN stopping END,"
        " waiting = NULL, place = NULL, most = NULL WHERE flow = ?",
        (recorded.event.body["flow"],),
    )


def pipeline_stopping(recorded: Recorded) -> Iterator[Statement]:
    """Somebody wants it stopped; whoever is at it ends it."""
    event = recorded.event
    yield Statement(
        "UPDATE flow SET stopping = ? WHERE flow = ? AND state IN ('running', 'waiting')",
        (event.time, event.body["flow"]),
    )


def pipeline_ended(recorded: Recorded) -> Iterator[Statement]:
    """Nothing of it is left to do, or nobody is at it."""
    event, body = recorded.event, recorded.event.body
    if body["state"] == "stopped":
        yield Statement(
            "UPDATE flow_attempt SET stopped = 1 WHERE flow = ? AND run IN (SELECT run.run"
            " FROM run JOIN flow_attempt a ON a.run = run.run JOIN flow ON flow.flow = a.flow"
            " WHERE flow.flow = ? AND (run.state = 'running'"
            " OR run.state = 'interrupted' AND run.finished >= flow.stopping))",
            (body["flow"], body["flow"]),
        )
    yield Statement(
        "UPDATE flow SET state = ?, finished = ?, waiting = NULL, place = NULL, most = NULL"
        " WHERE flow = ?",
        (body["state"], event.time, body["flow"]),
    )


def task_begun(recorded: Recorded) -> Iterator[Statement]:
    """A call is about to be made; durable before it is."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO flow_attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
        (
            body["run"],
            body["flow"],
            body["step"],
            body["part"],
            body["tried"],
            body["cache"],
            to_bytes(body["detail"]),
            recorded.index,
        ),
    )
    for source in body["sources"]:
        yield Statement("INSERT INTO run_source VALUES (?, ?)", (body["run"], source))


def task_ended(recorded: Recorded) -> Iterator[Statement]:
    """A call gave a value; its run has ended well."""
    body = recorded.event.body
    yield Statement(
        "UPDATE flow_attempt SET value = ?, truth = ? WHERE run = ?",
        (body["value"], body["truth"], body["run"]),
    )
    for asset in body["outlets"]:
        yield Statement(
            "INSERT INTO asset_made VALUES (?, ?, ?)", (recorded.index, asset, body["run"])
        )


def task_reused(recorded: Recorded) -> Iterator[Statement]:
    """Calls are not made: what earlier ones gave is used again."""
    body = recorded.event.body
    for step, part, run in body["calls"]:
        yield Statement(
            "INSERT INTO flow_reused VALUES (?, ?, ?, ?)", (body["flow"], step, part, run)
        )


def asset_renewed(recorded: Recorded) -> Iterator[Statement]:
    """What outlets stand for is an earlier result again: its task was not made once more."""
    body = recorded.event.body
    for asset in body["assets"]:
        yield Statement(
            "INSERT INTO asset_made VALUES (?, ?, ?)", (recorded.index, asset, body["run"])
        )


def cache_keyed(recorded: Recorded) -> Iterator[Statement]:
    """The lab has a secret that keeps keys of results from being guessed."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO flow_secret VALUES (?, ?, ?, ?, ?)",
        (
            recorded.index,
            body["owner"],
            to_bytes(body["seal"]),
            to_bytes(body["wrap"]),
            to_bytes(body["secret"]),
        ),
    )


PROJECTIONS: Mapping[str, Projection] = {
    "pipeline.waiting": pipeline_waiting,
    "pipeline.begun": pipeline_begun,
    "pipeline.resumed": pipeline_resumed,
    "pipeline.stopping": pipeline_stopping,
    "pipeline.ended": pipeline_ended,
    "task.begun": task_begun,
    "task.ended": task_ended,
    "task.reused": task_reused,
    "asset.renewed": asset_renewed,
    "cache.keyed": cache_keyed,
}
