"""What a sweep costs besides its trials: asking, the record, the turn in the queue, telling.

    python -m benchmarks.sweeps [--quick]

Trials end the moment that they are started, with a metric logged where one is searched for; the
time that takes is not counted, and the controller never waits between two looks. So what
remains is what it does itself for a trial, each on record in a real lab. Wanted: 5 ms a trial
at 1,000 trials. How much of that the search takes, which is Optuna's, is said beside it, and
measured by itself as well.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.line import append
from benchmarks.shell import new_lab
from cloister.app import config as configuration
from cloister.app.platform import opened
from cloister.core.ids import RunId
from cloister.policy import Action
from cloister.sweeps.definition import parse
from cloister.sweeps.search import Search, Told, searching
from cloister.tracking.points import Point
from cloister.workflows.lab import Lab
from cloister.workflows.leases.ending import end
from cloister.workflows.runs.run import RunRequest
from cloister.workflows.sweeps import _controller, run
from cloister.workflows.sweeps.run import Doing, SweepRequest, run_sweep
from cloister.workflows.tracking.log import log
from cloister.workflows.tracking.runs import NewRun, create
from cloister.workflows.tracking.visit import of_job

FILE = """
program: train.py
method: {method}
{metric}
run_cap: {count}
parameters:
  rate: {{distribution: log_uniform_values, min: 0.001, max: 1}}
  depth: {{min: 1, max: 8}}
  part: {{min: 0.1, max: 1.0}}
  loss: {{values: [a, b, c]}}
"""
METRIC = "metric: {name: loss, goal: minimize}"


@dataclass(slots=True)
class AtOnce:
    """Trials that are over when they are started."""

    lab: Lab
    metric: bool
    spent_s: float = 0.0
    cpu_s: float = 0.0
    made: int = 0

    def start(self, run: RunId, lock: int) -> None:
        """The end of a run, without a run."""
        began, cpu = time.perf_counter(), time.process_time()
        if self.metric:
            visit = of_job(self.lab, run)
            tracked = create(visit, NewRun("0", 0, run)).run.run
            log(visit, tracked, [Point("loss", float(self.made % 97), self.made, 0)])
        end(self.lab.act(Action.RUN), run, "finished", 0)
        self.made += 1
        self.spent_s += time.perf_counter() - began
        self.cpu_s += time.process_time() - cpu


@dataclass(slots=True)
class Timed:
    """A search, and how long it took to answer."""

    search: Search
    spent_s: float = 0.0

    def _timed(self, ask: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        try:
            return ask()
        finally:
            self.spent_s += time.perf_counter() - began

    def ask(self, number: int) -> Any:
        """As the search says."""
        return self._timed(lambda: self.search.ask(number))

    def values(self, places: Mapping[str, Any]) -> Any:
        """As the search says."""
        return self._timed(lambda: self.search.values(places))

    def tell(self, told: Told) -> None:
        """As the search is told."""
        self._timed(lambda: self.search.tell(told))


def controlled(lab: Lab, folder: Path, method: str, count: int) -> None:
    """A whole sweep."""
    metric = METRIC if method == "bayes" else ""
    trials = AtOnce(lab, bool(metric))
    template = RunRequest(
        argv=(), workdir=folder, environment=configuration.surroundings().environment, cpus=1
    )
    request = SweepRequest(
        FILE.format(method=method, metric=metric, count=count), template, "python", method
    )
    searches: list[Timed] = []

    def timed(*given: Any) -> Timed:
        searches.append(Timed(searching(*given)))
        return searches[-1]

    run.searching = timed
    ended: list[float] = []
    doing = Doing(2, trials.start, lambda _: ended.append(time.perf_counter()))
    began, cpu = time.perf_counter(), time.process_time()
    run_sweep(lab, request, doing, lambda _: None)
    took = time.perf_counter() - began - trials.spent_s
    cpu = time.process_time() - cpu - trials.cpu_s
    tenth = max(1, count // 10)
    append(
        "sweeps",
        {
            "case": f"controller, {method}, {count} trials",
            "ms_a_trial": round(took * 1000 / count, 2),
            "of_it_the_search_ms": round(searches[0].spent_s * 1000 / count, 2),
            "cpu_ms_a_trial": round(cpu * 1000 / count, 2),
            "with_its_trials_last_tenth_ms": round(
                (ended[-1] - ended[-tenth]) * 1000 / tenth, 2
            ),
            "wanted_ms": 5,
        },
    )


def sampler(method: str, count: int) -> None:
    """Asking and telling alone, nothing on record."""
    definition = parse(FILE.format(method=method, metric=METRIC, count=count))
    search, taken = searching(definition, 0, []), []
    for number in range(count):
        began = time.perf_counter()
        places = search.ask(number)
        assert places is not None
        search.values(places)
        search.tell(Told(number, places, "finished", float(number % 97), 1))
        taken.append((time.perf_counter() - began) * 1000)
    append(
        "sweeps",
        {
            "case": f"ask and tell alone, {method}, {count} trials",
            "ms_a_trial": round(statistics.mean(taken), 2),
            "of_the_last_tenth_ms": round(statistics.mean(taken[-max(1, count // 10) :]), 2),
        },
    )


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    count = 100 if parser.parse_args().quick else 1000
    sampler("random", count)
    for more in (count // 10, count, 3 * count):
        sampler("bayes", more)
    _controller._LOOKS_S = 0.0  # a controller with nothing to do waits; here there always is
    with new_lab() as one:
        (one.work / "train.py").write_text("")
        os.environ.update(one.environment)
        around = configuration.surroundings()
        config = configuration.load(around, one.home / "cloister-lab")
        with opened(config, around.uid) as found:
            for method in ("random", "bayes"):
                controlled(found.lab, one.work, method, count)


if __name__ == "__main__":
    main()
