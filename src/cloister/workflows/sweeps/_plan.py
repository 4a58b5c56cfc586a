"""What was asked for, sealed until the sweep's last trial. Format: docs/formats/sweep.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cloister.core.errors import Erased
from cloister.jobs.asks import Priority
from cloister.keys.seal import open_field, seal_field
from cloister.sweeps import history
from cloister.sweeps.command import command
from cloister.sweeps.definition import Definition, parse
from cloister.sweeps.history import Sweep, Trial
from cloister.sweeps.search import Told
from cloister.workflows.lab import Lab
from cloister.workflows.queue import requests
from cloister.workflows.runs.run import RunRequest
from cloister.workflows.tracking.leaving import EXPERIMENT
from cloister.workflows.unseal import open_keys

_CONTEXT = "MLFLOW_RUN_CONTEXT"
"""MLflow's variable for tags of every run that a process begins."""
PARENT, SWEEP, TRIAL = "mlflow.parentRunId", "cloister.sweep", "cloister.trial"


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep file, and all that its trials have in common."""

    text: str = field(repr=False)
    template: RunRequest
    """Its words are the command's, with macros."""
    interpreter: str
    name: str
    project: str | None
    on: tuple[str, ...] = ()
    """Where its trials run: addresses and ``local``; empty: here."""

    @property
    def definition(self) -> Definition:
        """The file, taken apart."""
        return parse(self.text)

    def pack(self) -> bytes:
        """As it is sealed."""
        template = self.template
        told: dict[str, Any] = {
            "cpus": template.cpus,
            "file": self.text,
            "gpus": template.gpus,
            "interpreter": self.interpreter,
            "name": self.name,
            "priority": template.priority.value,
            "request": requests.write(template, self.project).decode(),
            "v": 1,
        }
        if self.on:
            told["on"] = list(self.on)
        return json.dumps(told, sort_keys=True).encode()

    @classmethod
    def unpack(cls, plain: bytes) -> Plan:
        """What ``pack`` gave."""
        told = json.loads(plain)
        request = told["request"].encode()
        template = requests.read(request)
        assert isinstance(template, RunRequest)
        template = replace(
            template,
            cpus=told["cpus"],
            gpus=told["gpus"],
            priority=Priority(told["priority"]),
        )
        project = requests.project(request)
        on = tuple(told.get("on", ()))
        return cls(told["file"], template, told["interpreter"], told["name"], project, on)

    def request(
        self, definition: Definition, chosen: Chosen, tags: Mapping[str, str]
    ) -> RunRequest:
        """The run of one trial; what it tracks has these tags."""
        words = self.template.argv
        argv = command(words, definition.program, self.interpreter, chosen.values)
        variables = {**self.template.variables, _CONTEXT: json.dumps(tags, sort_keys=True)}
        return replace(self.template, argv=argv, variables=variables, on=chosen.on)


def for_trials(template: RunRequest, experiment: str) -> RunRequest:
    """With what tells MLflow's client in which experiment the trials' runs belong."""
    return replace(template, variables={EXPERIMENT: experiment, **template.variables})


def object_key(lab: Lab, sweep: Sweep) -> bytes:
    """What opens all that is sealed of it; raises Erased."""
    found = open_keys(lab, [sweep.key]).get(sweep.seal)
    if found is None:
        raise Erased(f"the key of {sweep.sweep} was destroyed")
    return found


def plan_of(sweep: Sweep, key: bytes) -> Plan:
    """What was asked for."""
    plain = open_field(key, history.DEFINITION, sweep.definition, sweep.sweep.encode())
    return Plan.unpack(plain)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one trial was given."""

    places: Mapping[str, Any]
    """In the terms of the search."""
    values: Mapping[str, Any]
    """As the script got them."""
    on: str | None = None
    """The address of the other machine that it runs on; None: here."""


def seal_chosen(key: bytes, run: str, chosen: Chosen) -> bytes:
    """For the record."""
    told = {"places": dict(chosen.places), "v": 1, "values": dict(chosen.values)}
    if chosen.on is not None:
        told["on"] = chosen.on
    return seal_field(key, history.CHOSEN, json.dumps(told).encode(), run.encode())


def open_chosen(key: bytes, trial: Trial) -> Chosen:
    """From the record; raises Tampered."""
    plain = open_field(key, history.CHOSEN, trial.chosen, trial.run.encode())
    told = json.loads(plain)
    return Chosen(told["places"], told["values"], told.get("on"))


def told_of(key: bytes, trials: Sequence[Trial]) -> list[Told]:
    """What a search is told of trials on record."""
    return [
        Told(one.number, open_chosen(key, one).places, one.state, one.value, one.logged)
        for one in trials
    ]
