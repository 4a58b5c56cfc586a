"""Pipelines: which there are, what one run of one did, step by step, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from cloister.policy import Action
from cloister.web.console.calls import Asked, Call, Field, Kind, listed
from cloister.workflows.pipelines import look
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
)
