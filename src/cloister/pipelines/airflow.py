"""A pipeline as a DAG file for Airflow 3: it decides when, Cloister makes each step.

Each task of the DAG calls ``cloister pipeline step``, which runs it in the fence and puts it on
record. Airflow is told whether a step was done or left out, and of a list how long it is:
values, logs and data stay sealed in the lab.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from cloister.core.errors import BadInput
from cloister.pipelines.plan import Plan, PlannedTask, Step
from cloister.pipelines.target import mapped, shape
from cloister.pipelines.triggers import Trigger

_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,249}")
_JSON_TYPES: Mapping[str, str] = {
    "bool": "boolean",
    "int": "integer",
    "float": "number",
    "str": "string",
}
_GRACE_S = 120
"""Beyond a task's own timeout: Cloister ends the attempt, Airflow a Cloister that hangs."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What a task of Airflow calls."""

    lab: Path
    workdir: Path
    python: str
    """The interpreter of the tasks."""
    file: str
    """Relative to ``workdir``."""
    cloister: Sequence[str]
    """The command ``cloister``."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The file, and what must be in Airflow beside it."""

    name: str
    text: str
    steps: int
    pools: Mapping[str, int]
    assets: Sequence[str]
    """Those that start it."""


def export(plan: Plan, caller: Caller) -> Exported:
    """Raises BadInput naming the step or trigger that Airflow cannot do as it is meant."""
    for step in plan.steps:
        _check_step(plan, step)
    assets = [one.what for one in plan.triggers if one.kind == "asset"]
    pools = dict(_pool(task) for task in plan.tasks if task.settings.pool is not None)
    text = HEAD + Template(_FILE).substitute(
        name=plan.name,
        cloister=_said(list(caller.cloister)),
        lab=_said(str(caller.lab)),
        workdir=_said(str(caller.workdir)),
        python=_said(caller.python),
        file=_said(f"{caller.file}:{plan.name}"),
        shape=_said(shape(plan)),
        schedule=_schedule(plan),
        active=plan.max_active_runs or 1,
        catchup=plan.misfire == "all",
        parameters="".join(f"\n        {_parameter(one)}" for one in plan.parameters),
        steps="\n".join(_steps(plan)),
    )
    return Exported(plan.name, text, len(plan.steps), pools, assets)


def _check_step(plan: Plan, step: Step) -> None:
    settings = plan.task_of(step.number).settings
    if not _STEP.fullmatch(step.name):
        raise BadInput(f"{step.name!r} cannot be the name of a task of Airflow")
    awaited = any(step.number in other.waits for other in plan.steps)
    for is_said, word in (
        (settings.cache is False, "cache=False"),
        (not settings.idempotent, "idempotent=False"),
    ):
        if is_said and awaited:
            raise BadInput(
                f"step {step.name} says {word}, and other steps need it: Airflow asks for each"
                " step by itself, so it would be made again for each of them",
                hint=f"leave out {word}, or let Cloister run it: cloister pipeline schedule",
            )


def _pool(task: PlannedTask) -> tuple[str, int]:
    name, _, places = str(task.settings.pool).partition(":")
    return name, int(places or 1)


def _parameter(told: Mapping[str, Any]) -> str:
    kind, text = _JSON_TYPES[told["kind"]], told["text"]
    described = f", description={_said(text)}" if text else ""
    value = f"Param({_said(told['value'])}, type={_said(kind)}{described})"
    return f"{_said(told['name'])}: {value},"


def _said(value: object) -> str:
    """A text, number or list of texts as Python writes it, in double quotes."""
    if isinstance(value, str | list):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


# Schedules


def _schedule(plan: Plan) -> str:
    if plan.triggers and plan.misfire == "skip":
        raise BadInput(
            f"{plan.name}: misfire='skip' has no like in Airflow, which makes up for the last"
            " of the times that passed, or for all",
            hint="misfire='latest' or misfire='all'",
        )
    assets = " | ".join(_asset(one.what) for one in plan.triggers if one.kind == "asset")
    times = [_cron(plan, one) for one in plan.triggers if one.kind != "asset"]
    if not times:
        return assets or "None"
    zones = {zone for _, zone in times}
    if len(zones) > 1:
        raise BadInput(
            f"{plan.name}: its times are of several zones, {', '.join(sorted(zones))}: a"
            " schedule of Airflow has one",
            hint="write them in one zone",
        )
    fields = ", ".join(_said(cron) for cron, _ in times)
    kind = "MultipleCronTriggerTimetable" if len(times) > 1 else "CronTriggerTimetable"
    clock = f"{kind}({fields}, timezone={_said(zones.pop())})"
    if not assets:
        return clock
    inner = " " * 8
    return f"AssetOrTimeSchedule(\n{inner}timetable={clock},\n{inner}assets={assets},\n    )"


def _asset(name: str) -> str:
    return f"Asset({_said(name)})"


def _cron(plan: Plan, trigger: Trigger) -> tuple[str, str]:
    """The five fields, and the zone."""
    if trigger.kind == "every":
        return _every(plan, float(trigger.what)), "UTC"
    if "L" in trigger.what.upper().split()[2]:
        raise BadInput(f"{plan.name}: {trigger} counts from the end of a month: not in Airflow")
    return trigger.what, trigger.zone


def _every(plan: Plan, seconds: float) -> str:
    """The same times, counted from midnight UTC, as fields of cron, where there are such."""
    minutes, rest = divmod(seconds, 60)
    hours, odd_minutes = divmod(minutes, 60)
    if not rest and minutes and 60 % minutes == 0:
        return "0 * * * *" if minutes == 60 else f"*/{int(minutes)} * * * *"
    if not rest and not odd_minutes and hours and 24 % hours == 0:
        return "0 0 * * *" if hours == 24 else f"0 */{int(hours)} * * *"
    raise BadInput(
        f"{plan.name}: every {seconds:g} seconds cannot be said in Airflow so that it falls on"
        " the same times",
        hint="on=cl.cron(...), or a part of an hour or of a day",
    )


# Steps


def _steps(plan: Plan) -> Iterator[str]:
    names = list(_variables(plan))
    for step in plan.steps:
        source, count = mapped(plan, step)
        said = list(_options(step, plan.task_of(step.number)))
        rest = "".join(f"\n        {one}," for one in said)
        options = said[0] if len(said) == 1 else f"{rest}\n    "
        call = f"({_said(step.name)})"
        if step.over is not None:
            items = names[source] if source >= 0 else f"list(range({count}))"
            call = f".partial(step={_said(step.name)}).expand(item={items})"
        yield f"    {names[step.number]} = make.override({options}){call}"
    for step in plan.steps:
        source, _ = mapped(plan, step)
        waits = [names[one] for one in step.waits if one != source]
        if waits:
            before = waits[0] if len(waits) == 1 else f"[{', '.join(waits)}]"
            yield f"    {before} >> {names[step.number]}"


def _variables(plan: Plan) -> Iterator[str]:
    """A name in Python for each step, no two alike."""
    taken: set[str] = set()
    for step in plan.steps:
        name = plain = "step_" + re.sub(r"[^A-Za-z0-9]", "_", step.name)
        while name in taken:
            name = f"{plain}_{len(taken)}"
        taken.add(name)
        yield name


def _options(step: Step, task: PlannedTask) -> Iterator[str]:
    settings = task.settings
    yield f"task_id={_said(step.name)}"
    if settings.retries:
        yield f"retries={int(settings.retries)}"
        yield f"retry_delay=timedelta(seconds={float(settings.backoff)})"
        yield "retry_exponential_backoff=True"
        yield "max_retry_delay=timedelta(hours=1)"
    if settings.timeout is not None:
        yield f"execution_timeout=timedelta(seconds={float(settings.timeout) + _GRACE_S})"
    if settings.pool is not None:
        yield f"pool={_said(_pool(task)[0])}"
    if settings.outlets:
        yield f"outlets=[{', '.join(_asset(str(one)) for one in settings.outlets)}]"


HEAD = "# Written by `cloister export airflow`, for Airflow 3.\n"
_FILE = '''\
# The pipeline $name: export it again when its steps change. Airflow says when a step runs;
# Cloister makes it, in the fence and on record. What was made before from the same code,
# arguments and data is used again. Airflow learns whether a step was done or left out, and
# how long a list is that others are mapped over: values, data and logs stay in the lab.

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta

from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from airflow.sdk import DAG, Asset, Param, TriggerRule, get_current_context, task
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.trigger import CronTriggerTimetable, MultipleCronTriggerTimetable

CLOISTER = $cloister
LAB = $lab
FOLDER = $workdir
PIPELINE = $file
SHAPE = $shape
PYTHON = $python


@task(trigger_rule=TriggerRule.NONE_FAILED)  # what is left out is for Cloister to say
def make(step, item=None):
    """One step of the pipeline, or one item of a step that is mapped."""
    context = get_current_context()
    chosen = dict(context["params"])
    run = context["dag_run"]
    if chosen.get("due") == "" and run.run_type in ("scheduled", "backfill"):
        chosen["due"] = run.logical_date.isoformat()
    words = [*CLOISTER, "--lab", LAB, "--json", "pipeline", "step", PIPELINE]
    words += [step if item is None else f"{step}[{item}]", "--shape", SHAPE]
    words += ["--workdir", FOLDER, "--python", PYTHON, "--while-asked"]
    for name, value in chosen.items():
        words += ["-p", f"{name}={value}"]
    own = ("AIRFLOW", "_AIRFLOW")  # passwords of Airflow's, and no business of Cloister's
    variables = {name: text for name, text in os.environ.items() if not name.startswith(own)}
    asker, own_end = os.pipe()  # its other end closes with this task, however Airflow ends it
    try:
        done = subprocess.run(words, env=variables, stdin=asker, stdout=subprocess.PIPE)
    finally:
        os.close(asker)
        os.close(own_end)
    if done.returncode == 2:  # a mistake: to try again would not help
        raise AirflowFailException("Cloister cannot make this step: see the lines above")
    said = json.loads(done.stdout or '{"failures": []}')
    if done.returncode:
        why = [f"{one['step']}: {one['why']}: {one['next']}" for one in said["failures"]]
        raise AirflowException("; ".join(why) or "it did not end: see the lines above")
    if said["state"] == "left-out":
        raise AirflowSkipException("a condition of the pipeline leaves it out")
    if item is not None:
        return item
    return None if said["items"] is None else list(range(said["items"]))


with DAG(
    dag_id="$name",
    schedule=$schedule,
    catchup=$catchup,
    max_active_runs=$active,
    params={$parameters
    },
    tags=["cloister"],
) as dag:
$steps
'''
