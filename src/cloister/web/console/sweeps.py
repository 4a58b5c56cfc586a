"""Sweeps: which there are, what each found so far, and stopping one."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from cloister.policy import Action
from cloister.web.console.calls import Asked, Call, Field, Kind, listed
from cloister.web.console.runs import number
from cloister.workflows.sweeps import look
from cloister.workflows.sweeps.look import TrialView
from cloister.workflows.sweeps.stop import stop_sweep


def all_sweeps(asked: Asked) -> dict[str, Any]:
    """Every sweep, newest first, with the best value so far."""
    found = look.sweeps(asked.lab)
    items = [asdict(one) | {"best": _number(one.best)} for one in found]
    return listed(items, None, len(items))


def one_sweep(asked: Asked) -> dict[str, Any]:
    """A sweep: its trials with their values, the course of the search, the best and the line
    that makes it again."""
    asked.lab.act(Action.LIST)
    found = look.show(asked.lab, asked.named["sweep"])
    said = {one.name: getattr(found, one.name) for one in fields(found)}
    return said | {
        "because": found.because,
        "trials": [_trial(one) for one in found.trials],
        "best": None if found.best is None else _trial(found.best),
        "course": [
            {"number": one.number, "value": _number(one.value), "best": _number(one.best)}
            for one in found.course
        ],
        "reproduce": found.reproduce,
    }


def importance(asked: Asked) -> dict[str, Any]:
    """How much each parameter told good trials from others, together 1; empty for too few."""
    asked.lab.act(Action.LIST)
    shares = look.importance(asked.lab, asked.named["sweep"])
    return {"items": [{"name": name, "share": share} for name, share in shares.items()]}


def stop(asked: Asked) -> dict[str, Any]:
    """Begins no more trials; those that run end by themselves, or now."""
    found = stop_sweep(asked.lab, asked.named["sweep"], now=asked.flag("now"))
    return {"sweep": found.sweep, "state": found.state}


def _trial(one: TrialView) -> dict[str, Any]:
    values = {name: _value(value) for name, value in one.values.items()}
    told = {"because": one.because, "value": _number(one.value), "values": values}
    return asdict(one) | told


def _number(value: float | None) -> str | float | None:
    return None if value is None else number(value)


def _value(value: Any) -> Any:
    return number(value) if isinstance(value, float) else value


CALLS = (
    Call("GET", "/sweeps", all_sweeps),
    Call("GET", "/sweeps/{sweep}", one_sweep),
    Call("GET", "/sweeps/{sweep}/importance", importance),
    Call("POST", "/sweeps/{sweep}/stop", stop, Action.RUN, (Field("now", Kind.FLAG),)),
)
