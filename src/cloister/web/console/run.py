"""One run: its two sides, its curves, files, log and remarks."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import fields
from typing import Any

from cloister.core.errors import BadInput
from cloister.policy import Action
from cloister.tracking.search import pages
from cloister.web.console.calls import Asked, Call, Download, Field, Kind, Said, listed
from cloister.web.console.runs import number
from cloister.workflows.queue import service
from cloister.workflows.queue.submit import submit
from cloister.workflows.runs import remark
from cloister.workflows.runs.replay import ReplayRequest
from cloister.workflows.views import curves as drawing
from cloister.workflows.views import files as kept
from cloister.workflows.views import run as view
from cloister.workflows.views import run_log
from cloister.workflows.views.files import Preview
from cloister.workflows.views.run import Fenced, Tracked

_INT64 = (1 << 63) - 1


def page(asked: Asked) -> dict[str, Any]:
    """One run, tracked or of the fence, by its id: what the fence tells and what it tracked."""
    found = view.page(asked.lab, asked.named["run"])
    return {
        "run": found.run,
        "fenced": None if found.fenced is None else _fenced(found.fenced),
        "tracked": [_tracked(one) for one in found.tracked],
        "tracked_total": found.tracked_total,
        "findings": [one._asdict() for one in found.findings],
    }


def _fenced(found: Fenced) -> dict[str, Any]:
    made = {one.name: getattr(found, one.name) for one in fields(found)}
    return made | {
        "settings": dict(found.settings),
        "models": [{**one._asdict(), "spec": json.loads(one.spec)} for one in found.models],
        "origin": found.origin and found.origin._asdict(),
        "followers": [one._asdict() for one in found.followers],
        "verdicts": [
            {
                "at": one.place,
                "replay": one.replay,
                "verdict": one.verdict,
                "cause": one.cause,
                "tolerance": one.tolerance,
                "replays": one.replays,
                "erased": one.erased,
                "time": one.time,
            }
            for one in found.verdicts
        ],
    }


def _tracked(found: Tracked) -> dict[str, Any]:
    made = {one.name: getattr(found, one.name) for one in fields(found)}
    return made | {
        "params": [one._asdict() for one in found.params],
        "tags": [one._asdict() for one in found.tags],
        "data": [{**given.dataset._asdict(), "tags": dict(given.tags)} for given in found.data],
    }


def metrics(asked: Asked) -> dict[str, Any]:
    """The metrics of a tracked run whose names hold a text, with their newest values."""
    offset = pages.offset_of(asked.text("after") or None)
    most = asked.whole("limit", 100)
    found = drawing.metrics(asked.lab, asked.named["run"], asked.text("filter"), offset, most)
    items = [{**one._asdict(), "value": number(one.value)} for one in found.found]
    more = pages.token_at(offset + most) if found.total > offset + most else None
    return listed(items, more, found.total)


def curves(asked: Asked) -> dict[str, Any]:
    """Curves of metrics of tracked runs, thinned out; or what was logged after a time."""
    since = asked.whole("since_ms", -1) if "since_ms" in asked.fields else -1
    found = drawing.curves(
        asked.lab,
        asked.texts("run"),
        asked.texts("metric"),
        asked.whole("most", 1000),
        since,
    )
    return {"items": found}


def files(asked: Asked) -> dict[str, Any]:
    """What a run left and logged, by kind and name."""
    offset = pages.offset_of(asked.text("after") or None)
    most = asked.whole("limit", 200)
    found = kept.files(asked.lab, asked.named["run"], asked.text("filter"), offset, most)
    more = pages.token_at(offset + most) if found.total > offset + most else None
    return listed(found.lines, more, found.total)


def preview(asked: Asked) -> Download:
    """The beginning of a file, or an image, to look at: nothing in it runs."""
    most = asked.whole("most", kept.MOST_SHOWN)
    return _sent(kept.preview(asked.lab, asked.named["run"], asked.text("ref"), most), True)


def download(asked: Asked) -> Download:
    """A whole file, to keep; what the fence kept leaves once the person shows who they are."""
    return _sent(kept.whole(asked.lab, asked.named["run"], asked.text("ref")), False)


def _sent(found: Preview, inline: bool) -> Download:
    chunks: Generator[bytes] = found.chunks
    size = found.size_bytes if not inline or found.kind.startswith("image/") else None
    return Download(found.path.rpartition("/")[2], chunks, size, found.kind, inline)


def log(asked: Asked) -> run_log.LogPart:
    """What the command printed: the end of it, or from a place on."""
    start = asked.whole("from") if "from" in asked.fields else None
    return run_log.part(asked.lab, asked.named["run"], start, asked.whole("most", 65536))


def remarks(asked: Asked) -> dict[str, Any]:
    """What people wrote about a run, oldest first: the last holds."""
    return {"items": remark.read(asked.lab, asked.named["run"])}


def write_remark(asked: Asked) -> dict[str, Any]:
    """Writes about a run, over the entry that the writer has read; refused where another came
    between."""
    text = asked.text("text")
    if "\0" in text:
        raise BadInput("a remark holds no NUL characters")
    over = asked.whole("over") if "over" in asked.fields else None
    return {"place": remark.write(asked.lab, asked.named["run"], text, over)}


def reproduce(asked: Asked) -> Said:
    """Asks for the run once more, everything as recorded; the verdict comes with its end."""
    asked.lab.act(Action.RUN)
    wanted = ReplayRequest(asked.named["run"], {})
    replay = submit(asked.lab, wanted)
    return Said({"run": replay, "starts": service.wake(asked.lab)}, 201)


_PAGED = (
    Field("filter", most=250),
    Field("limit", Kind.WHOLE, least=1, most=1000),
    Field("after", most=400),
)
_REF = Field("ref", required=True, most=1100, example="output-1")
CALLS = (
    Call("GET", "/runs/{run}", page),
    Call("GET", "/runs/{run}/metrics", metrics, fields=_PAGED),
    Call(
        "GET",
        "/curves",
        curves,
        fields=(
            Field("run", Kind.TEXTS, True, drawing.MOST_RUNS, example=["0" * 32]),
            Field("metric", Kind.TEXTS, True, drawing.MOST_METRICS, example=["loss"]),
            Field("most", Kind.WHOLE, least=2, most=drawing.MOST_POINTS),
            Field("since_ms", Kind.WHOLE, most=_INT64),
        ),
    ),
    Call("GET", "/runs/{run}/files", files, fields=_PAGED),
    Call(
        "GET",
        "/runs/{run}/file",
        preview,
        fields=(_REF, Field("most", Kind.WHOLE, least=1, most=kept.MOST_SHOWN)),
    ),
    Call("GET", "/runs/{run}/file/whole", download, fields=(_REF,)),
    Call(
        "GET",
        "/runs/{run}/log",
        log,
        needs=Action.READ,
        fields=(
            Field("from", Kind.WHOLE, most=_INT64),
            Field("most", Kind.WHOLE, least=1, most=run_log.MOST),
        ),
    ),
    Call("POST", "/runs/{run}/reproduce", reproduce, Action.RUN, statuses=(201,)),
    Call("GET", "/runs/{run}/remarks", remarks, Action.READ),
    Call(
        "POST",
        "/runs/{run}/remarks",
        write_remark,
        Action.LABEL,
        fields=(
            Field("text", required=True, most=remark.LONGEST),
            Field("over", Kind.WHOLE, most=_INT64),
        ),
    ),
)
