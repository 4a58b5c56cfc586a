"""Pipelines: which there are, what one run of one did, step by step, and why."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from cloister.core.errors import BadInput
from cloister.policy import Action
from cloister.web.console.calls import Asked, Call, Field, Kind, Said, listed
from cloister.workflows.pipelines import begin, look, schedule
from cloister.workflows.pipelines.run import FlowRequest
from cloister.workflows.pipelines.stop import stop_flow
from cloister.workflows.views import pipelines as views


def all_pipelines(asked: Asked) -> dict[str, Any]:
    """Pipelines that ran or start by themselves: the last runs of each, and when and why the
    next begins."""
    found = views.pipelines(asked.lab)
    return listed(found, None, len(found))


def one_pipeline(asked: Asked) -> views.PipelinePage:
    """A pipeline: its last runs, its schedule, the parameters that it takes."""
    return views.pipeline(asked.lab, asked.named["pipeline"])


def flows(asked: Asked) -> dict[str, Any]:
    """The runs of a pipeline, newest first."""
    found = views.flows(asked.lab, asked.named["pipeline"])
    most = asked.whole("limit", 100)
    return listed(found[:most], None, len(found))


def one_flow(asked: Asked) -> views.FlowPage:
    """One run of a pipeline: its steps with their states, edges and times."""
    return views.flow(asked.lab, asked.named["flow"])


def step(asked: Asked) -> views.StepPage:
    """One step of a run of a pipeline: its settings, what it waits for, every attempt."""
    return views.step(asked.lab, asked.named["flow"], asked.text("step"))


def why(asked: Asked) -> dict[str, Any]:
    """Why a step ran, or did not: what changed since it last ended well."""
    return asdict(look.why(asked.lab, asked.text("step"), asked.named["flow"]))


def run_file(asked: Asked) -> Said:
    """Runs the pipeline that a file defines, in a folder of the machine."""
    asked.lab.act(Action.RUN)
    request = FlowRequest(
        file=asked.text("file"),
        workdir=Path(asked.text("folder")),
        environment={},
        name=asked.text("pipeline") or None,
        chosen=_chosen(asked),
        anew=asked.flag("anew"),
    )
    return Said(begin.run_file(asked.lab, request), 201)


def run_again(asked: Asked) -> Said:
    """Runs a pipeline once more as a run of it was asked for: with other parameters, all of it
    anew, or from some steps on."""
    asked.lab.act(Action.RUN)
    begun = begin.run_again(
        asked.lab,
        asked.named["flow"],
        _chosen(asked),
        anew=asked.flag("anew"),
        since=asked.texts("from"),
    )
    return Said(begun, 201)


def resume(asked: Asked) -> Said:
    """Goes on with a run of a pipeline that did not come to its end."""
    return Said(begin.go_on(asked.lab, asked.named["flow"]), 201)


def stop(asked: Asked) -> Said:
    """Stops a run of a pipeline, and all that it started; it can be gone on with."""
    found = stop_flow(asked.lab, asked.named["flow"])
    return Said({"flow": found.flow, "state": found.state}, 202)


def run_scheduled(asked: Asked) -> Said:
    """Runs a pipeline now, as its schedule does."""
    return Said(begin.run_scheduled(asked.lab, asked.named["pipeline"]), 201)


def pause(asked: Asked) -> Said:
    """Holds a schedule: what becomes due waits, as if nobody were up."""
    schedule.pause(asked.lab, asked.named["pipeline"])
    return Said(status=204)


def unpause(asked: Asked) -> Said:
    """Lets a pipeline that was held start by itself again."""
    schedule.unpause(asked.lab, asked.named["pipeline"])
    return Said(status=204)


def unschedule(asked: Asked) -> Said:
    """Lets a pipeline start no more by itself."""
    schedule.unschedule(asked.lab, asked.named["pipeline"])
    return Said(status=204)


def _chosen(asked: Asked) -> dict[str, str]:
    said = asked.fields.get("parameters", {})
    if not all(isinstance(one, str) for one in said.values()):
        raise BadInput("parameters are texts by name")
    return dict(said)


_CHOSEN = (Field("parameters", Kind.OBJECT), Field("anew", Kind.FLAG))
_STEP = Field("step", required=True, most=200)
CALLS = (
    Call("GET", "/pipelines", all_pipelines),
    Call("GET", "/pipelines/{pipeline}", one_pipeline),
    Call(
        "GET",
        "/pipelines/{pipeline}/flows",
        flows,
        fields=(Field("limit", Kind.WHOLE, least=1, most=1000),),
    ),
    Call("GET", "/flows/{flow}", one_flow),
    Call("GET", "/flows/{flow}/step", step, fields=(_STEP,)),
    Call("GET", "/flows/{flow}/why", why, Action.READ, (_STEP,)),
    Call(
        "POST",
        "/flows",
        run_file,
        Action.RUN,
        (
            Field("folder", required=True),
            Field("file", required=True),
            Field("pipeline", most=64),
            *_CHOSEN,
        ),
        statuses=(201,),
    ),
    Call(
        "POST",
        "/flows/{flow}/again",
        run_again,
        Action.RUN,
        (*_CHOSEN, Field("from", Kind.TEXTS, most=1000)),
        statuses=(201,),
    ),
    Call("POST", "/flows/{flow}/resume", resume, Action.RUN, statuses=(201,)),
    Call("POST", "/flows/{flow}/stop", stop, Action.RUN, statuses=(202,)),
    Call(
        "POST",
        "/pipelines/{pipeline}/schedule/run",
        run_scheduled,
        Action.RUN,
        statuses=(201,),
    ),
    Call("POST", "/pipelines/{pipeline}/schedule/pause", pause, Action.RUN, statuses=(204,)),
    Call(
        "POST", "/pipelines/{pipeline}/schedule/unpause", unpause, Action.RUN, statuses=(204,)
    ),
    Call("DELETE", "/pipelines/{pipeline}/schedule", unschedule, Action.RUN, statuses=(204,)),
)
